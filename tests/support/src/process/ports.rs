//! Ports of our own on 127.0.0.1.

use super::{Context as _, Error, Result, cache_dir};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};

/// A TCP port on 127.0.0.1 that nobody who asks here gets a second time while this is held.
///
/// It lies below the range from which the kernel serves connections and `bind(0)`, so that it also stays free while the
/// program that listens there is down.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    // The lock on it is the lease; the kernel gives it up with the process.
    _lock: File,
}

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

impl PortLease {
    /// Finds a free one.
    pub fn new() -> Result<PortLease> {
        let directory = cache_dir()?.join("ports");
        std::fs::create_dir_all(&directory).context(|| format!("make the directory {}", directory.display()))?;
        let start: u16 = rand::random_range(0..COUNT);
        for offset in 0..COUNT {
            let port = FIRST + (start + offset) % COUNT;
            let path = directory.join(port.to_string());
            let lock = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .context(|| format!("open {}", path.display()))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(PortLease { port, _lock: lock });
            }
        }
        Err(Error("no port of 127.0.0.1 is free".into()))
    }

    /// Its number.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:` and its number.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn leases_differ() {
        let leases: Vec<_> = (0..20).map(|_| PortLease::new().unwrap()).collect();
        let ports: BTreeSet<_> = leases.iter().map(PortLease::port).collect();
        assert_eq!(ports.len(), leases.len());
    }
}
