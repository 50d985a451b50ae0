//! Holders that no record explains: listed, and where `ownership: Authoritative` says so, taken.
//!
//! ```text
//! looks ──▶ owner (whose is it) ──▶ standing (may it be taken) ──▶ next (the list in the Entitlement's status)
//!                                                                     │ what is called for   ▲ verdicts, outcomes
//!                                                                     ▼                      │
//!                                                               stray (for the survey) ──▶ guard
//! ```
//!
//! The list is the record of these losses: what is on it was seen twice before it is called for, was judged before it is let
//! go, and was let go on record before anything is sent.

mod condition;
mod forecast;
mod next;
mod orphan;
mod owner;
mod standing;
mod stray;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use self::condition::{given_again, left_by_others, left_with};
pub use self::forecast::forecast;
pub use self::next::{Next, leave, next, of_another_object};
pub use self::orphan::orphans;
pub use self::stray::{Stray, loss_id, strays};
use super::effect::{AccountSight, Holding, RemoteKey};
use super::index::Namespace;

/// The most accounts that the list of an Entitlement has.
pub const LIST_MAX: usize = 256;

/// What an Entitlement's holders are looked at by.
pub struct Scene<'a> {
    /// The tenant's name, which is a part of our correlation keys.
    pub tenant: &'a str,
    /// The tenant.
    pub namespace: &'a Namespace,
    /// Name of the Entitlement.
    pub name: &'a str,
    /// The object that it stands for.
    pub key: &'a RemoteKey,
    /// The last whole look at who holds it; `None` where there was none, or the object is gone.
    pub seen: Option<Seen<'a>>,
    /// Accounts of Employees as last looked up, by name of the Employee.
    pub sights: &'a BTreeMap<String, AccountSight>,
    /// What the target's list of accounts says, by account id, as far as there is one.
    pub listed: &'a BTreeMap<&'a str, Listed<'a>>,
    /// Accounts whose removal is being sent.
    pub sending: &'a BTreeSet<String>,
    /// The present.
    pub now: Timestamp,
}

/// A look at all who hold an object.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// By account id, how each holds it.
    pub ids: &'a BTreeMap<String, Holding>,
    /// When they were read.
    pub at: Timestamp,
}

/// An account as a target's list shows it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The correlation key that it carries, where the target shows it.
    pub key: Option<&'a str>,
    /// What else it goes by: user name, email addresses.
    pub names: &'a BTreeSet<String>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
mod tests;
