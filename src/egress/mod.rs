//! The one way out: every request to an address that somebody wrote into a resource goes through here.
//!
//! Whoever may write a `TargetSystem` or an `HRISConnection` names the host that the operator then calls, from where the
//! operator stands and with what the host answers shown in part. So hosts are judged: by default only public addresses
//! are reached, and only by https. `rollcall run --egress-allow` opens more, `--egress-deny` closes.
//!
//! - The host is judged after the URL parser understood it, whatever it was spelled like.
//! - A name is looked up once for a connection; each address is judged, and the connection goes to one of those that were
//!   judged good. There is no second look-up that could say something else (rebinding).
//! - No redirect is followed and no proxy of the environment is used: either would be another host.
//! - Answers are read up to a size and within a time. Nothing is decompressed.
//!
//! The API server is called by kube's own client, whose address comes from the operator's configuration.

mod client;
mod fence;
mod names;
mod rules;
mod special;

pub use client::{Answer, EgressClient, EgressError, HttpOptions};
pub use fence::Fence;
pub use names::{Names, SystemNames};
pub use rules::{Rules, range};

use std::sync::Arc;

/// What makes clients that reach only what the rules let them. Clones are cheap and share the rules.
#[derive(Clone, Debug)]
pub struct Egress {
    rules: Arc<Rules>,
    names: Arc<dyn Names>,
}

impl Egress {
    /// By these rules, names looked up by the system.
    pub fn new(rules: Rules) -> Self {
        Self::with_names(rules, Arc::new(SystemNames))
    }

    /// By these rules, names looked up elsewhere.
    pub fn with_names(rules: Rules, names: Arc<dyn Names>) -> Self {
        Self {
            rules: Arc::new(rules),
            names,
        }
    }

    /// A client of its own, with its own connections.
    ///
    /// # Errors
    /// [`EgressError::Refused`] where the system gives no certificates of authorities.
    pub fn client(&self, options: &HttpOptions) -> Result<EgressClient, EgressError> {
        EgressClient::new(&self.rules, &self.names, options)
    }
}

/// Public addresses alone, by https.
impl Default for Egress {
    fn default() -> Self {
        Self::new(Rules::default())
    }
}
