//! From a name to addresses that may be reached.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::rules::{self, Refusal, Rules};

/// Looks names up.
#[async_trait]
pub trait Names: fmt::Debug + Send + Sync {
    /// The addresses of a name, in the order in which they are to be tried.
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the system does it: its hosts file and search domains included, as in a Pod with `hostAliases`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Why a connection was not made: a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub String);

/// Looks a name up for one connection and passes on the addresses that may be reached. The connection goes to those, and
/// to what was judged therefore.
pub(super) struct Vetted {
    pub rules: Arc<Rules>,
    pub names: Arc<dyn Names>,
    /// Whether the connection is without TLS.
    pub clear: bool,
}

impl Resolve for Vetted {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, names) = (self.rules.clone(), self.names.clone());
        let clear = self.clear;
        Box::pin(async move {
            let found = names.look_up(name.as_str()).await?;
            let good = vetted(&rules, name.as_str(), clear, &found)?;
            // Port 0 stands for the URL's.
            let addresses: Addrs = Box::new(good.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Those of the addresses that may be reached: a name may well have an inner and an outer one.
fn vetted(
    rules: &Rules,
    name: &str,
    clear: bool,
    found: &[IpAddr],
) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let reach = rules::reach(name, clear);
    let mut good = Vec::new();
    let mut first: Option<Refusal> = None;
    for address in found {
        match rules.vet(*address, reach) {
            Ok(()) => good.push(*address),
            Err(refusal) => {
                let why = refusal.sentence("it is", "--egress-allow");
                tracing::info!(host = rules::shown(name), %address, why, "an address is not reached");
                first.get_or_insert(refusal);
            }
        }
    }
    match first {
        Some(refusal) if good.is_empty() => Err(Box::new(Refused(rules::refused_name(name, refusal)))),
        None if good.is_empty() => Err(Box::new(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        ))),
        _ => Ok(good),
    }
}
