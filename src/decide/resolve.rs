//! What a person should have, by every policy at once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::effect::RemoteKey;
use super::index::{Namespace, Person};
use crate::api::employee::{Cause, Phase};

/// What a person should have.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    /// Where the person is between joining and leaving.
    pub phase: Phase,
    /// Why the employment status could not be read, where it could not; the phase is then the last one.
    pub status_unknown: Option<String>,
    /// The next instant at which time alone changes something, and what.
    pub next: Option<(Timestamp, String)>,
    /// Everything stays as it is, and why (person missing from the HRIS, effects paused).
    pub frozen: Option<String>,
    /// Everything goes, and why. Set for the terminated, and for a deletion that asks for it.
    pub ending: Option<Cause>,
    /// What policies give. Empty where `ending` is set.
    pub desired: BTreeMap<RemoteKey, Desired>,
    /// Objects about which nothing can be decided, and why: neither granted nor revoked.
    pub undecided: BTreeMap<RemoteKey, String>,
    /// Policies about which nothing can be decided, and why: what they gave stays.
    pub undecided_grantors: BTreeMap<String, String>,
    /// Policies that contradict each other for this person; the objects are in `undecided` too.
    pub conflicts: Vec<Conflict>,
    /// Policies (of any mode) that match this person in a phase in which they give access.
    pub matched: BTreeSet<String>,
}

/// One thing that policies give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Name of the `Entitlement` (the first by name, where several name one remote object).
    pub entitlement: String,
    /// The policies that give it, in order of name.
    pub grantors: Vec<String>,
    /// Parameters of the policy of highest priority.
    pub parameters: BTreeMap<String, String>,
}

/// Policies of equal priority that give one thing with different parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What they give.
    pub key: RemoteKey,
    /// The policies.
    pub policies: Vec<String>,
}

/// What `person` should have now.
pub fn resolve(_namespace: &Namespace, _person: &Person, _now: Timestamp) -> Resolution {
    unimplemented!()
}

/// What `Enforce` would change for a person, against the record: names of entitlements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanDelta {
    /// What would be granted.
    pub grants: Vec<String>,
    /// What would be revoked.
    pub revokes: Vec<String>,
}

/// What the policy of this name, which is in Plan mode, would change for `person`.
pub fn would(_namespace: &Namespace, _person: &Person, _policy: &str, _now: Timestamp) -> PlanDelta {
    unimplemented!()
}
