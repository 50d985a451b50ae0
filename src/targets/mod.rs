//! Target systems: one trait, and one folder per protocol. Effects never decide: what to do comes as an argument.

pub mod kubernetes;
pub mod pace;
pub mod scim;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use crate::api::entitlement::{EntitlementSpec, RemoteObject};
use crate::api::target::Capabilities;

/// A system that holds access. Every call is one attempt: retries, limits and order belong to the writer.
#[async_trait]
pub trait Target: Send + Sync {
    /// Whether it answers and takes our credentials, and what it says it can do.
    async fn capabilities(&self) -> Result<Capabilities, TargetError>;

    /// Finds what an entitlement stands for.
    async fn find_object(&self, entitlement: &EntitlementSpec) -> Result<Found<RemoteObject>, TargetError>;

    /// Finds the account that matches a person, by correlation key first. Every returned record is checked to match.
    async fn find_account(&self, person: &AccountFacts) -> Result<Found<Account>, TargetError>;

    /// Creates the account. A result that leaves open whether it was done is [`TargetError::Ambiguous`].
    async fn create_account(&self, person: &AccountFacts) -> Result<Account, TargetError>;

    /// Reads the account by its id; `None` where it is gone.
    async fn read_account(&self, id: &str) -> Result<Option<Account>, TargetError>;

    /// Gives the account today's attributes, and makes it usable where `activate`.
    async fn update_account(&self, id: &str, person: &AccountFacts, activate: bool) -> Result<(), TargetError>;

    /// Makes the account unusable.
    async fn deactivate_account(&self, id: &str) -> Result<(), TargetError>;

    /// Deletes the account. Gone already is done.
    async fn delete_account(&self, id: &str) -> Result<(), TargetError>;

    /// Reads who holds the object; `None` where the object is gone.
    async fn holders(&self, object: &RemoteObject) -> Result<Option<Holders>, TargetError>;

    /// Adds and removes holders in as few requests as the target allows. `seen` is the last look at the holders, for
    /// targets that write them whole. The caller reads them back.
    async fn change_holders(
        &self,
        object: &RemoteObject,
        add: &BTreeSet<String>,
        remove: &BTreeSet<String>,
        seen: Option<&Holders>,
    ) -> Result<(), TargetError>;
}

/// The facts of a person that accounts are matched by and made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccountFacts {
    /// Our correlation key: the `Employee`'s uid-independent identity, `namespace/name`.
    pub external_id: String,
    /// Work email, in lower case.
    pub work_email: Option<String>,
    /// User name in the HRIS.
    pub username: Option<String>,
    /// Full name.
    pub display_name: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// Nothing that matches.
    None,
    /// Exactly one that matches.
    One(T),
    /// Exactly one that matches, and carries the correlation key of another; says so, for a person.
    Foreign(T, String),
    /// Several that match, or one that matches in part; says what, for a person.
    Several(String),
}

/// An account as the target shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The target's own id.
    pub id: String,
    /// Whether it is usable.
    pub active: bool,
    /// The correlation key that it carries, where the target shows it.
    pub external_id: Option<String>,
}

/// Who holds a remote object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// Account ids.
    pub ids: BTreeSet<String>,
    /// The object's version, where the target has one, for writes that must not overwrite newer state.
    pub version: Option<String>,
}

/// Why a target did not do or say what was asked. Messages are ours: they carry no body and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing was sent: no connection. Concerns the whole target.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It refuses our credentials (401, 403). Concerns the whole target.
    #[error("refuses the credentials: {0}")]
    Unauthorized(String),
    /// A Secret or `ServiceAccount` that the target needs is missing. Concerns the whole target.
    #[error("{0}")]
    Misconfigured(String),
    /// Nothing was sent: its address may not be reached, until somebody changes it or the operator's flags. Concerns the
    /// whole target.
    #[error("may not be reached: {0}")]
    AddressRefused(String),
    /// It asks us to slow down (429, 503 with Retry-After). Concerns the whole target.
    #[error("asks to slow down{}", .0.map(|d| format!(", for {} s", d.as_secs())).unwrap_or_default())]
    Throttled(Option<Duration>),
    /// It refuses this request for good (another 4xx).
    #[error("refuses the request: {0}")]
    Refused(String),
    /// The thing changed or exists already (409, 412): look again.
    #[error("says that it conflicts: {0}")]
    Conflict(String),
    /// The thing is not there (404).
    #[error("has no {0}")]
    Gone(String),
    /// It may or may not have been done (time-out after sending, 5xx).
    #[error("may or may not have done it: {0}")]
    Ambiguous(String),
    /// It answered something that cannot be read.
    #[error("answers what cannot be read: {0}")]
    Malformed(String),
}
