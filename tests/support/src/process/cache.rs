//! Things that are made once per machine: built programs, installed packages.

use super::{Context as _, Error, POLL, Process, Result, Spec, tail};
use sha2::{Digest as _, Sha256};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const NEWS: Duration = Duration::from_secs(5);

/// Where such things are kept: `ROLLCALL_CACHE_DIR`, else `rollcall` in `XDG_CACHE_HOME`, else `.cache/rollcall` in `HOME`.
pub fn cache_dir() -> Result<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("ROLLCALL_CACHE_DIR")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("rollcall")))
        .or_else(|| Some(variable("HOME")?.join(".cache/rollcall")))
        .ok_or_else(|| {
            Error("set HOME, XDG_CACHE_HOME or ROLLCALL_CACHE_DIR to where built programs can be kept".into())
        })
        .and_then(|path| std::path::absolute(&path).context(|| format!("find {}", path.display())))
}

/// What is to be made.
#[derive(Debug)]
pub struct CacheEntry<'a> {
    /// What it is, for file names and for people: `control-plane`.
    pub name: &'a str,
    /// Everything that it is made from; another input makes another entry.
    pub inputs: &'a [&'a str],
}

/// The directory of an entry, made by `make` if it is not there. However many processes ask at once, one of them makes it.
///
/// `make` fills the directory it is given, which gets its final name when it is complete.
pub async fn cached<F>(entry: CacheEntry<'_>, make: F) -> Result<PathBuf>
where
    F: AsyncFnOnce(&Path) -> Result<()>,
{
    let mut digest = Sha256::new();
    for input in entry.inputs {
        digest.update((input.len() as u64).to_le_bytes());
        digest.update(input.as_bytes());
    }
    let digest = data_encoding::HEXLOWER.encode(&digest.finalize()[..8]);
    let parent = cache_dir()?;
    let path = parent.join(format!("{}-{digest}", entry.name));
    if path.is_dir() {
        return Ok(path);
    }
    std::fs::create_dir_all(&parent).context(|| format!("make the directory {}", parent.display()))?;
    let lock_path = parent.join(format!("{}-{digest}.lock", entry.name));
    let _lock = exclusive(&lock_path, entry.name).await?;
    if path.is_dir() {
        return Ok(path);
    }
    // Whoever left this behind does not live any more: we hold the lock.
    let unfinished = parent.join(format!("{}-{digest}.unfinished", entry.name));
    match std::fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error(format!("remove {}: {error}", unfinished.display())));
        }
        _ => {}
    }
    std::fs::create_dir(&unfinished).context(|| format!("make the directory {}", unfinished.display()))?;
    make(&unfinished).await?;
    std::fs::rename(&unfinished, &path).context(|| format!("move a directory to {}", path.display()))?;
    Ok(path)
}

async fn exclusive(path: &Path, name: &str) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .context(|| format!("open {}", path.display()))?;
    let start = Instant::now();
    let mut next = start + NEWS;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error(format!("lock {}: {error}", path.display()))),
        }
        if Instant::now() >= next {
            next += NEWS;
            eprintln!(
                "waiting for another process to make the {name} ({} s)",
                start.elapsed().as_secs()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Runs one step of making something, with its output in `log` and a line about it on standard error every few seconds.
pub(crate) async fn step(spec: &Spec, log: &Path, news: impl Fn(&str) -> String) -> Result<()> {
    let process = Process::start(&spec.clone().with_network(), log)?;
    let start = Instant::now();
    let mut next = start + NEWS;
    let status = loop {
        if let Some(status) = process.exit_status() {
            break status;
        }
        if Instant::now() >= next {
            next += NEWS;
            let news = news(&std::fs::read_to_string(log).unwrap_or_default());
            eprintln!("{news} ({} s)", start.elapsed().as_secs());
        }
        tokio::time::sleep(POLL).await;
    };
    if status.success() {
        return Ok(());
    }
    Err(Error(format!(
        "{} has failed ({status})\n{}",
        spec.name(),
        tail(log, 20)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn made_once_whole_and_again_after_a_failure() {
        let unique = format!("{}", rand::random::<u64>());
        let times = AtomicU32::new(0);
        let inputs = [unique.as_str()];
        let entry = || CacheEntry {
            name: "test",
            inputs: &inputs,
        };
        let failed = cached(entry(), async |_| Err(Error("no".into()))).await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
        let make = async |directory: &Path| {
            times.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            std::fs::write(directory.join("file"), "whole").context(|| "write".into())
        };
        let (one, two) = tokio::join!(cached(entry(), make), cached(entry(), make));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((times.load(Ordering::Relaxed), &one), (1, &two));
        assert_eq!(std::fs::read_to_string(one.join("file")).unwrap(), "whole");
        std::fs::remove_dir_all(&one).unwrap();
        std::fs::remove_file(format!("{}.lock", one.display())).unwrap();
    }
}
