//! What a person should have, by every policy at once.
//!
//! Each policy takes a stance on the person: it gives, it does not, or it cannot be told. What cannot be told neither
//! grants nor takes: its objects are `undecided`, and what it gave before stays by `undecided_grantors`.

mod object;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use self::object::look_up;
use super::effect::RemoteKey;
use super::index::{Entry, Namespace, Person};
use super::phase::{PhaseRules, Zone, phase};
use super::selector::Tri;
use crate::api::employee::{Cause, DeletionPolicy, GrantState, Phase};
use crate::api::policy::Mode;
use crate::api::{PAUSED_ANNOTATION, ProvisioningPolicy};

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
    /// Everything goes, and why. Set for the terminated, and for a deletion that asks for it; never beside `frozen`,
    /// which is stronger. Then `desired`, `undecided`, `undecided_grantors`, `conflicts` and `matched` are empty.
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
    /// Parameters of the policy of highest priority; those of the record where a policy that cannot be told about has
    /// a say in them.
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

/// What `Enforce` would change for one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanDelta {
    /// What would be granted, in order of remote object.
    pub grants: Vec<PlannedChange>,
    /// What would go, in order of remote object.
    pub revokes: Vec<PlannedChange>,
}

/// One grant or loss of a [`PlanDelta`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedChange {
    /// The remote object.
    pub key: RemoteKey,
    /// Name of the `Entitlement` that stands for it.
    pub entitlement: String,
}

/// What `person` should have now. Only to be asked of an index that is synced.
pub fn resolve(namespace: &Namespace, person: &Person, now: Timestamp) -> Resolution {
    resolve_with(namespace, person, now, None)
}

/// What would change for `person` if the policy called `policy`, now in mode `Plan`, were in mode `Enforce`. Nothing,
/// for a policy that is not in mode `Plan`.
pub fn would(namespace: &Namespace, person: &Person, policy: &str, now: Timestamp) -> PlanDelta {
    let planned = namespace.policies.get(policy).and_then(Entry::readable);
    if planned.is_none_or(|policy| policy.spec.mode != Mode::Plan) {
        return PlanDelta::default();
    }
    let after = resolve_with(namespace, person, now, Some(policy));
    if after.frozen.is_some() || after.ending.is_some() {
        return PlanDelta::default();
    }
    let before = resolve(namespace, person, now);
    let held: BTreeMap<RemoteKey, _> = person
        .status
        .entitlements
        .iter()
        .filter(|record| record.state.may_be_held() && record.state != GrantState::Revoking)
        .map(|record| (RemoteKey::of(record), record))
        .collect();
    let ours = |grantors: &[String]| grantors.iter().any(|grantor| grantor == policy);
    let grants = after.desired.iter().filter(|(key, desired)| {
        ours(&desired.grantors) && !before.desired.contains_key(key) && !held.contains_key(key)
    });
    let revokes = held.iter().filter(|(key, record)| {
        ours(&record.grantors)
            && !after.desired.contains_key(key)
            && !after.undecided.contains_key(key)
            && !record
                .grantors
                .iter()
                .any(|grantor| after.undecided_grantors.contains_key(grantor))
    });
    let change = |key: &RemoteKey, entitlement: &str| PlannedChange {
        key: key.clone(),
        entitlement: entitlement.to_owned(),
    };
    PlanDelta {
        grants: grants.map(|(key, desired)| change(key, &desired.entitlement)).collect(),
        revokes: revokes.map(|(key, record)| change(key, &record.entitlement)).collect(),
    }
}

/// `enforce_as` names a policy that is taken as if its mode were `Enforce`.
fn resolve_with(namespace: &Namespace, person: &Person, now: Timestamp, enforce_as: Option<&str>) -> Resolution {
    let rules = PhaseRules::of(namespace, &person.spec);
    let view = phase(&person.spec, person.status.phase, &rules, now);
    let mut resolution = Resolution {
        phase: view.phase,
        status_unknown: view.status_unknown,
        next: view.next,
        frozen: frozen(person, view.phase),
        ending: None,
        desired: BTreeMap::new(),
        undecided: BTreeMap::new(),
        undecided_grantors: BTreeMap::new(),
        conflicts: Vec::new(),
        matched: BTreeSet::new(),
    };
    if resolution.frozen.is_none() {
        resolution.ending = ending(person, view.phase);
        if resolution.ending.is_some() {
            return resolution;
        }
    }
    let mut offers = Offers::new();
    for (name, entry) in &namespace.policies {
        match entry {
            Entry::Broken { error, .. } => {
                let why = format!("the policy cannot be read: {error}");
                resolution.undecided_grantors.insert(name.clone(), why);
            }
            Entry::Readable(policy) => {
                let judge = Judge {
                    namespace,
                    person,
                    now,
                    zone: &rules.zone,
                    enforced: policy.spec.mode == Mode::Enforce || enforce_as == Some(name),
                    name,
                };
                judge.hear(policy, &mut resolution, &mut offers);
            }
        }
    }
    settle(namespace, person, offers, &mut resolution);
    resolution
}

fn frozen(person: &Person, phase: Phase) -> Option<String> {
    if person.paused {
        Some(format!(
            "paused by the annotation {PAUSED_ANNOTATION}: everything stays as it is, a termination included"
        ))
    } else if phase == Phase::Missing {
        Some("not in the last trusted read of the HRIS, which proves nothing: everything stays as it is".to_owned())
    } else {
        None
    }
}

fn ending(person: &Person, phase: Phase) -> Option<Cause> {
    if phase == Phase::Terminated {
        Some(Cause::Termination)
    } else if person.deleting && person.spec.deletion_policy == DeletionPolicy::Revoke {
        Some(Cause::Manual)
    } else {
        None
    }
}

/// What one policy gives by one entitlement.
struct Offer<'a> {
    policy: &'a str,
    priority: i32,
    entitlement: &'a str,
    parameters: &'a BTreeMap<String, String>,
}

type Offers<'a> = BTreeMap<RemoteKey, Vec<Offer<'a>>>;

/// One policy before one person.
struct Judge<'a> {
    namespace: &'a Namespace,
    person: &'a Person,
    now: Timestamp,
    zone: &'a Zone,
    /// Whether the policy acts.
    enforced: bool,
    name: &'a str,
}

impl<'a> Judge<'a> {
    fn hear(&self, policy: &'a Arc<ProvisioningPolicy>, resolution: &mut Resolution, offers: &mut Offers<'a>) {
        let Some(stance) = self.stance(policy, resolution) else {
            return;
        };
        match stance {
            Err(why) => {
                for grant in &policy.spec.entitlements {
                    if let (Some(key), _) = look_up(self.namespace, &grant.name) {
                        resolution
                            .undecided
                            .entry(key)
                            .or_insert_with(|| format!("policy {}: {why}", self.name));
                    }
                }
                self.leave_undecided(resolution, why);
            }
            Ok(()) => {
                for grant in &policy.spec.entitlements {
                    match look_up(self.namespace, &grant.name) {
                        (Some(key), None) => offers.entry(key).or_default().push(Offer {
                            policy: self.name,
                            priority: policy.spec.priority,
                            entitlement: &grant.name,
                            parameters: &grant.parameters,
                        }),
                        (key, fault) => {
                            let why = fault.unwrap_or_default();
                            if let Some(key) = key {
                                resolution.undecided.entry(key).or_insert_with(|| why.clone());
                            }
                            self.leave_undecided(resolution, why);
                        }
                    }
                }
            }
        }
    }

    /// Whether the policy gives (`Ok`), cannot be told about (`Err`), or has nothing to say (`None`).
    fn stance(&self, policy: &Arc<ProvisioningPolicy>, resolution: &mut Resolution) -> Option<Result<(), String>> {
        if self.enforced && policy.metadata.deletion_timestamp.is_some() {
            return None;
        }
        if !self.enforced && self.is_recorded() {
            self.leave_undecided(resolution, "in Plan mode: what it gave stays".to_owned());
        }
        let paused = policy.annotations().contains_key(PAUSED_ANNOTATION);
        if self.enforced && paused {
            let why = format!("paused by the annotation {PAUSED_ANNOTATION}: what it gave stays");
            self.leave_undecided(resolution, why);
        }
        let acts = self.enforced && !paused;
        let compiled = self.namespace.selector(policy);
        let selector = match compiled.as_ref() {
            Ok(selector) => selector,
            Err(why) => return acts.then(|| Err(why.clone())),
        };
        let phases = &policy.spec.lifecycle.phases;
        if !phases.iter().any(|granting| granting.is(resolution.phase)) {
            return None;
        }
        let found = selector.matches(self.namespace, self.person, self.now, self.zone);
        if found.tri == Tri::True {
            resolution.matched.insert(self.name.to_owned());
        }
        if let Some((instant, tri)) = selector.next_change(self.namespace, self.person, self.now, self.zone)
            && resolution.next.as_ref().is_none_or(|(next, _)| instant < *next)
        {
            let verb = match tri {
                Tri::True => "begins to match",
                Tri::False => "stops matching",
                Tri::Unknown => "cannot be told to match",
            };
            resolution.next = Some((instant, format!("policy {} {verb}", self.name)));
        }
        match found.tri {
            _ if !acts => None,
            Tri::False => None,
            Tri::Unknown => Some(Err(found.why.unwrap_or_default())),
            Tri::True => Some(Ok(())),
        }
    }

    fn is_recorded(&self) -> bool {
        let records = &self.person.status.entitlements;
        records
            .iter()
            .flat_map(|record| &record.grantors)
            .any(|grantor| grantor == self.name)
    }

    fn leave_undecided(&self, resolution: &mut Resolution, why: String) {
        let grantors = &mut resolution.undecided_grantors;
        grantors.entry(self.name.to_owned()).or_insert(why);
    }
}

/// Makes of all offers what is desired: several that give one object are one, with the parameters of the strongest.
fn settle(namespace: &Namespace, person: &Person, offers: Offers<'_>, resolution: &mut Resolution) {
    for (key, offers) in offers {
        let highest = offers.iter().map(|offer| offer.priority).max().unwrap_or_default();
        let strongest = || offers.iter().filter(|offer| offer.priority == highest);
        let names = |offers: &mut dyn Iterator<Item = &Offer<'_>>| -> Vec<String> {
            let names: BTreeSet<&str> = offers.map(|offer| offer.policy).collect();
            names.into_iter().map(str::to_owned).collect()
        };
        let mut parameters = strongest().map(|offer| offer.parameters);
        let first = parameters.next().cloned().unwrap_or_default();
        if parameters.any(|other| *other != first) {
            let policies = names(&mut strongest());
            let why = format!(
                "policies of equal priority give it with different parameters: {}; give one a higher priority",
                policies.join(", ")
            );
            resolution.undecided.insert(key.clone(), why);
            resolution.conflicts.push(Conflict { key, policies });
            continue;
        }
        let grantors = names(&mut offers.iter());
        let parameters = kept_parameters(namespace, person, &key, highest, &grantors, resolution).unwrap_or(first);
        let entitlement = offers.iter().map(|offer| offer.entitlement).min().unwrap_or_default();
        resolution.undecided.remove(&key);
        let desired = Desired {
            entitlement: entitlement.to_owned(),
            grantors,
            parameters,
        };
        resolution.desired.insert(key, desired);
    }
}

/// The recorded parameters of a grant, where a policy that gave it and cannot be told about may still have the last
/// word on them: a lower parameter is a loss, and what cannot be told takes nothing.
fn kept_parameters(
    namespace: &Namespace,
    person: &Person,
    key: &RemoteKey,
    highest: i32,
    grantors: &[String],
    resolution: &Resolution,
) -> Option<BTreeMap<String, String>> {
    let records = person.status.entitlements.iter();
    let record = records
        .filter(|record| record.state.may_be_held())
        .find(|record| RemoteKey::of(record) == *key)?;
    let has_a_say = |grantor: &String| {
        let policy = namespace.policies.get(grantor).and_then(Entry::readable);
        policy.is_none_or(|policy| policy.spec.priority >= highest)
    };
    record
        .grantors
        .iter()
        .filter(|grantor| resolution.undecided_grantors.contains_key(*grantor) && !grantors.contains(grantor))
        .any(has_a_say)
        .then(|| record.desired_parameters.clone())
}
