//! What would change for whom, if a tenant were as `after` instead of as `before`.
//!
//! It asks those who decide: [`resolve`] what each person should have, [`losses`] what they would lose and why, and the
//! guard what of that would be held. A change that `before` calls for as well is not counted: it comes anyway.

mod report;
mod totals;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use self::report::*;
use self::totals::{Tellers, entitlement_totals, planned, target_totals};

use super::effect::RemoteKey;
use super::guard::{Judgement, Loss, LossId, Lost, Verdict};
use super::index::{Namespace, Person};
use super::losses::{Named, account_name, is_unwanted, losses};
use super::resolve::{Resolution, resolve};
use super::survey::{judge_all, survey_with};
use crate::api::employee::{EntitlementRecord, GrantState};

/// Compares. `progress` is told how many people have been looked at.
pub fn compare(before: &Namespace, after: &Namespace, now: Timestamp, progress: &mut dyn FnMut(usize)) -> Comparison {
    let mut found = Comparison::default();
    let mut tellers = Tellers::default();
    let survey = survey_with(after, now, &mut |person, resolution| {
        found.looked_at += 1;
        progress(found.looked_at);
        let old = before.employees.get(&person.name);
        let old = old.map(|old| (old.as_ref(), resolve(before, old, now)));
        let change = compare_person(before, old.as_ref().map(|(p, r)| (*p, r)), after, person, resolution);
        tellers.after.hear(resolution);
        if let Some((_, resolution)) = &old {
            tellers.before.hear(resolution);
        }
        if !change.is_empty() {
            found.people.push(change);
        }
    });
    let judgements = judge_all(after, &survey, &mut BTreeSet::new());
    for loss in found.people.iter_mut().flat_map(|person| &mut person.losses) {
        if let Some(change_set) = held_in(&judgements, &loss.id) {
            loss.change_set = change_set;
        }
    }
    found.held = held_sets(&judgements);
    found.entitlements = entitlement_totals(&found.people);
    found.targets = target_totals(&found.people, &survey);
    found.policies = tellers.policies(before, after);
    found.unknown = tellers.unknown(after);
    found.planned = planned(&survey);
    found
}

fn compare_person(
    before: &Namespace,
    old: Option<(&Person, &Resolution)>,
    after: &Namespace,
    person: &Person,
    resolution: &Resolution,
) -> PersonChange {
    let gains = gains(after, person, resolution);
    let lost = losses(after, person, resolution);
    let (old_gains, old_losses) = match old {
        Some((old, resolution)) => (self::gains(before, old, resolution), losses(before, old, resolution)),
        None => (Vec::new(), Vec::new()),
    };
    let gained =
        |key: &RemoteKey, gains: &[Gained]| gains.iter().any(|gain| gain.key == *key && gain.blocked.is_empty());
    let is_lost = |id: &LossId, losses: &[Loss]| losses.iter().any(|loss| loss.id == *id);
    PersonChange {
        employee: person.name.clone(),
        display_name: person.spec.display_name.clone().unwrap_or_default(),
        parameters: parameters(after, person, resolution),
        kept: old_losses
            .iter()
            .filter(|loss| !is_lost(&loss.id, &lost))
            .map(access_of)
            .collect(),
        no_longer_coming: old_gains
            .iter()
            .filter(|gain| gain.blocked.is_empty() && !gained(&gain.key, &gains))
            .map(|gain| gain.access.clone())
            .collect(),
        losses: lost
            .iter()
            .filter(|loss| !is_lost(&loss.id, &old_losses))
            .map(|loss| lost_access(person, loss))
            .collect(),
        gains: gains
            .into_iter()
            .filter(|gain| {
                !old_gains
                    .iter()
                    .any(|old| old.key == gain.key && old.blocked == gain.blocked)
            })
            .collect(),
    }
}

/// What a person should have and does not.
fn gains(namespace: &Namespace, person: &Person, resolution: &Resolution) -> Vec<Gained> {
    if resolution.frozen.is_some() || resolution.ending.is_some() {
        return Vec::new();
    }
    let missing = resolution.desired.iter().filter(|(key, _)| {
        let mut records = person
            .status
            .entitlements
            .iter()
            .filter(|record| RemoteKey::of(record) == **key);
        !records.any(|record| is_had(record) && !is_unwanted(namespace, person, resolution, record))
    });
    missing
        .map(|(key, desired)| Gained {
            access: Access {
                target: key.target.clone(),
                entitlement: desired.entitlement.clone(),
            },
            key: key.clone(),
            policies: desired.grantors.clone(),
            change_set: String::new(),
            blocked: match resolution.blocked.get(key) {
                Some(why) => why.clone(),
                None if matches!(account_name(namespace, person, &key.target), Named::Nothing) => {
                    "the person lacks the attribute that names subjects at this target".to_owned()
                }
                None => String::new(),
            },
        })
        .collect()
}

fn is_had(record: &EntitlementRecord) -> bool {
    record.state.may_be_held() && !matches!(record.state, GrantState::Revoking | GrantState::Failed)
}

fn lost_access(person: &Person, loss: &Loss) -> LostAccess {
    let records = person.status.entitlements.iter();
    let gave = records
        .filter(|record| match &loss.id.what {
            Lost::Membership(object, account) => {
                RemoteKey::of(record).object == *object
                    && record.account_id == *account
                    && record.target == loss.id.target
            }
            Lost::Account | Lost::Deletion => false,
        })
        .flat_map(|record| record.grantors.iter().cloned());
    LostAccess {
        access: access_of(loss),
        id: loss.id.clone(),
        cause: loss.cause,
        policies: gave.collect(),
        change_set: String::new(),
    }
}

fn access_of(loss: &Loss) -> Access {
    let what = match loss.id.what {
        Lost::Account => "account",
        Lost::Deletion => "deletion",
        Lost::Membership(..) => loss.label.as_str(),
    };
    Access {
        target: loss.id.target.clone(),
        entitlement: what.to_owned(),
    }
}

/// Parameters that differ between what is on record and what is wanted.
fn parameters(namespace: &Namespace, person: &Person, resolution: &Resolution) -> Vec<ParameterChange> {
    if resolution.frozen.is_some() || resolution.ending.is_some() {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for record in person.status.entitlements.iter().filter(|record| is_had(record)) {
        let Some(desired) = resolution.desired.get(&RemoteKey::of(record)) else {
            continue;
        };
        if is_unwanted(namespace, person, resolution, record) {
            continue;
        }
        let names: BTreeSet<&String> = record
            .desired_parameters
            .keys()
            .chain(desired.parameters.keys())
            .collect();
        for name in names {
            let text = |map: &BTreeMap<String, String>| map.get(name).cloned().unwrap_or_default();
            let (from, to) = (text(&record.desired_parameters), text(&desired.parameters));
            if from != to {
                changes.push(ParameterChange {
                    access: Access {
                        target: record.target.clone(),
                        entitlement: desired.entitlement.clone(),
                    },
                    name: name.clone(),
                    from,
                    to,
                });
            }
        }
    }
    changes
}

/// The `ChangeSet` that a loss would wait in.
fn held_in(judgements: &BTreeMap<String, Judgement>, loss: &LossId) -> Option<String> {
    match judgements.get(&loss.target)?.verdicts.get(loss)? {
        Verdict::Held { .. } => Some(loss.target.clone()),
        Verdict::Released { .. } | Verdict::Wait => None,
    }
}

fn held_sets(judgements: &BTreeMap<String, Judgement>) -> Vec<HeldSet> {
    let held = judgements
        .iter()
        .filter_map(|(target, judgement)| Some((target, judgement.held.as_ref()?)));
    held.map(|(target, report)| HeldSet {
        change_set: target.clone(),
        digest: report.digest.clone(),
        cause: String::new(),
        why: format!("more than {} people would lose access at {target}", report.budget),
        people: report.people as usize,
        changes: report.changes as usize,
    })
    .collect()
}
