//! What policies and exceptions say of one person, and what comes of it, the strongest word first.

use std::collections::{BTreeMap, BTreeSet};

use super::exclusive::block_rivals;
use super::{Conflict, Desired, Disagreement, Resolution};
use crate::api::employee::{Cause, EntitlementRecord};
use crate::decide::effect::RemoteKey;
use crate::decide::index::{Entry, Namespace, Person};
use crate::decide::parameters::settle;

/// What one policy gives by one entitlement.
pub(super) struct Offer<'a> {
    pub policy: &'a str,
    pub priority: i32,
    pub entitlement: &'a str,
    /// As the entitlement spells them, with its defaults.
    pub parameters: BTreeMap<String, String>,
}

/// What one exception allows.
pub(super) struct Allowance<'a> {
    pub grantor: String,
    pub entitlement: &'a str,
}

/// That something is denied.
pub(super) struct Denial {
    pub why: String,
    pub cause: Cause,
}

/// What was said of each remote object.
#[derive(Default)]
pub(super) struct Heard<'a> {
    /// Policies that give it.
    pub offers: BTreeMap<RemoteKey, Vec<Offer<'a>>>,
    /// Exceptions that allow it.
    pub allowances: BTreeMap<RemoteKey, Vec<Allowance<'a>>>,
    /// It is denied.
    pub denials: BTreeMap<RemoteKey, Denial>,
    /// Why it cannot be told whether it is denied.
    pub doubts: BTreeMap<RemoteKey, String>,
    /// It is to stay as it is, and why.
    pub frozen: BTreeMap<RemoteKey, String>,
}

impl Heard<'_> {
    /// Takes in a denial. Of several, an exception's has the word, and of policies' the one that needs no settling: the
    /// loss is justified by it alone.
    pub(super) fn deny(&mut self, key: RemoteKey, denial: Denial) {
        let rank = |cause: Cause| match cause {
            Cause::Manual => 2,
            Cause::PolicyChange => 0,
            _ => 1,
        };
        match self.denials.get(&key) {
            Some(old) if rank(old.cause) >= rank(denial.cause) => {}
            _ => {
                self.denials.insert(key, denial);
            }
        }
    }

    /// Makes of all that was heard what the person should have.
    pub(super) fn settle(mut self, namespace: &Namespace, person: &Person, resolution: &mut Resolution) {
        self.offer(namespace, person, resolution);
        self.allow(namespace, person, resolution);
        for (key, denial) in std::mem::take(&mut self.denials) {
            resolution.desired.remove(&key);
            resolution.undecided.remove(&key);
            resolution.conflicts.retain(|conflict| conflict.key != key);
            resolution.denied_causes.insert(key.clone(), denial.cause);
            resolution.denied.insert(key, denial.why);
        }
        for (key, why) in std::mem::take(&mut self.frozen) {
            resolution.desired.remove(&key);
            resolution.denied.remove(&key);
            resolution.denied_causes.remove(&key);
            resolution.undecided.insert(key, why);
        }
        for (key, why) in std::mem::take(&mut self.doubts) {
            if resolution.desired.contains_key(&key) {
                resolution.blocked.insert(key, why);
            }
        }
        block_rivals(&self, namespace, person, resolution);
    }

    /// Several policies that give one object are one, with the parameters of the strongest.
    fn offer(&self, namespace: &Namespace, person: &Person, resolution: &mut Resolution) {
        for (key, offers) in &self.offers {
            let highest = offers.iter().map(|offer| offer.priority).max().unwrap_or_default();
            let strongest = || offers.iter().filter(|offer| offer.priority == highest);
            let names = |offers: &mut dyn Iterator<Item = &Offer<'_>>| -> Vec<String> {
                let names: BTreeSet<&str> = offers.map(|offer| offer.policy).collect();
                names.into_iter().map(str::to_owned).collect()
            };
            let mut parameters = strongest().map(|offer| &offer.parameters);
            let first = parameters.next().cloned().unwrap_or_default();
            if parameters.any(|other| *other != first) {
                let policies = names(&mut strongest());
                let why = format!(
                    "policies of equal priority give it with different parameters: {}; give one a higher priority",
                    policies.join(", ")
                );
                resolution.undecided.insert(key.clone(), why);
                resolution.conflicts.push(Conflict {
                    key: key.clone(),
                    policies,
                    about: Disagreement::Parameters,
                });
                continue;
            }
            let grantors = names(&mut offers.iter());
            let parameters = kept_parameters(namespace, person, key, highest, &grantors, resolution).unwrap_or(first);
            let entitlement = offers.iter().map(|offer| offer.entitlement).min().unwrap_or_default();
            resolution.undecided.remove(key);
            let desired = Desired {
                entitlement: entitlement.to_owned(),
                grantors,
                parameters,
            };
            resolution.desired.insert(key.clone(), desired);
        }
    }

    /// What an exception allows is desired, whatever the policies say that do not deny it. Policies that contradict each
    /// other on the parameters leave nothing that could be given.
    fn allow(&self, namespace: &Namespace, person: &Person, resolution: &mut Resolution) {
        for (key, allowances) in &self.allowances {
            if resolution.conflicts.iter().any(|conflict| conflict.key == *key) {
                continue;
            }
            let desired = resolution.desired.entry(key.clone()).or_insert_with(|| Desired {
                // An exception has no parameters: what is held keeps those that it has, and what is new gets the defaults.
                parameters: held(person, key).map_or_else(
                    || defaults(namespace, allowances),
                    |record| record.desired_parameters.clone(),
                ),
                ..Desired::default()
            });
            let names = allowances.iter().map(|allowance| allowance.entitlement);
            let known = Some(desired.entitlement.as_str()).filter(|name| !name.is_empty());
            let name = names.chain(known).min().unwrap_or_default().to_owned();
            desired.entitlement = name;
            let grantors: BTreeSet<String> = allowances
                .iter()
                .map(|allowance| allowance.grantor.clone())
                .chain(desired.grantors.drain(..))
                .collect();
            desired.grantors = grantors.into_iter().collect();
            resolution.undecided.remove(key);
        }
    }
}

/// What a grant has where nobody says anything of its parameters.
fn defaults(namespace: &Namespace, allowances: &[Allowance<'_>]) -> BTreeMap<String, String> {
    let first = allowances.iter().map(|allowance| allowance.entitlement).min();
    let settled = first.map(|name| settle(namespace, name, &BTreeMap::new()));
    settled.and_then(Result::ok).unwrap_or_default()
}

/// The record of something that the person may hold.
fn held<'a>(person: &'a Person, key: &RemoteKey) -> Option<&'a EntitlementRecord> {
    let records = person.status.entitlements.iter();
    records
        .filter(|record| record.state.may_be_held())
        .find(|record| RemoteKey::of(record) == *key)
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
    let record = held(person, key)?;
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
