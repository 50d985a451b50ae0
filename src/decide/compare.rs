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

use super::deletions::deletions;
use super::effect::RemoteKey;
use super::guard::{Admission, GainId, Judge as _, Judgement, Line, Loss, LossId, Lost, Memory, Terms, Verdict};
use super::index::{Entry, Namespace, Person};
use super::losses::{Named, account_name, grace, is_unwanted, losses};
use super::managed::{is_barred, lacks};
use super::resolve::{Resolution, resolve};
use super::survey::{Survey, judge_all, survey_with};
use super::unmanaged::{Stray, forecast};
use crate::api::employee::{Cause, EntitlementRecord, GrantState};
use crate::api::entitlement::RemoteObject;
use crate::api::target::{Budget, ManagementPolicy};

/// Compares, as of an instant, once the edits have settled. `limits` is the operator's budget for the whole namespace.
/// `progress` is told how many people have been looked at.
pub fn compare(
    before: &Namespace,
    after: &Namespace,
    limits: &Budget,
    now: Timestamp,
    progress: &mut dyn FnMut(usize),
) -> Comparison {
    let mut found = Comparison::default();
    let mut tellers = Tellers::default();
    let mut survey = survey_with(after, now, &mut |person, resolution| {
        found.looked_at += 1;
        progress(found.looked_at);
        let old = before.employees.get(&person.name);
        let old = old.map(|old| (old.as_ref(), resolve(before, old, now)));
        let old = old
            .as_ref()
            .map(|(person, resolution)| Side::new(before, person, resolution, now));
        let change = compare_person(old.as_ref(), &Side::new(after, person, resolution, now));
        tellers.after.hear(resolution);
        if let Some(old) = &old {
            tellers.before.hear(old.resolution);
        }
        if !change.is_empty() {
            found.people.push(change);
        }
    });
    found.people.extend(strangers(before, after, &mut survey, now));
    let terms = Terms {
        limits: limits.clone(),
        settled: true,
        now,
    };
    let judgement = judge_all(after, &survey, &terms, &mut Memory::default());
    for person in &mut found.people {
        for loss in &mut person.losses {
            judge_loss(after, &judgement, loss);
        }
        for change in &mut person.parameters {
            judge_change(after, &judgement, change);
        }
        // Another change of the same grant would wait instead.
        let waits = |access: &Access| {
            let mut changes = person.parameters.iter();
            changes.any(|change| change.access == *access && !change.change_set.is_empty())
        };
        person.kept.retain(|access| !waits(access));
        // It waits there already, and would go on waiting.
        person
            .parameters
            .retain(|change| change.change_set.is_empty() || change.change_set != change.waited_in);
        let is_barred = person.gains.iter().any(|gain| !gain.blocked.is_empty());
        if is_barred && let Some(employee) = after.employees.get(&person.employee) {
            unbar(after, employee, person, now);
        }
        // What is called for already comes anyway, unless it is held and would go, as when somebody leaves.
        let goes = |loss: &LostAccess| loss.change_set.is_empty() && loss.blocked.is_empty();
        person
            .losses
            .retain(|loss| !loss.is_due || (!loss.waited_in.is_empty() && goes(loss)));
        for gain in &mut person.gains {
            gain.change_set = waits_in(&judgement, &person.employee, gain);
        }
        // It waits there already, and would go on waiting.
        person
            .gains
            .retain(|gain| gain.change_set.is_empty() || gain.change_set != gain.waited_in);
        person
            .gains
            .retain(|gain| gain.blocked.is_empty() || !gain.is_barred_already);
    }
    found.people.retain(|person| !person.is_empty());
    found.held = held_sets(&judgement);
    found.entitlements = entitlement_totals(&found.people);
    found.targets = target_totals(&found.people, &survey);
    found.policies = tellers.policies(before, after);
    found.unknown = tellers.unknown(after);
    found.planned = planned(&survey);
    found
}

/// Whoever holds something by no record and would lose it; puts into the survey what is called for only after the edit.
fn strangers(before: &Namespace, after: &Namespace, survey: &mut Survey, now: Timestamp) -> Vec<PersonChange> {
    let due = forecast(before, now);
    let counted: BTreeSet<LossId> = survey
        .targets
        .values()
        .flat_map(|tally| tally.docket.losses.iter().map(|loss| loss.id.clone()))
        .collect();
    let mut strangers: BTreeMap<String, PersonChange> = BTreeMap::new();
    for loss in forecast(after, now) {
        if !counted.contains(&loss.id) {
            Stray::of_loss(&loss).put_in(survey);
        }
        let due = due.iter().find(|due| due.id == loss.id);
        let stranger = strangers
            .entry(loss.id.employee.clone())
            .or_insert_with(|| PersonChange {
                employee: loss.id.employee.clone(),
                ..PersonChange::default()
            });
        stranger.losses.push(LostAccess {
            access: access_of(&loss),
            id: loss.id.clone(),
            is_due: due.is_some(),
            waited_in: due.map(|due| due.change_set.clone()).unwrap_or_default(),
            cause: loss.cause,
            policies: Vec::new(),
            change_set: String::new(),
            blocked: String::new(),
        });
    }
    strangers.into_values().collect()
}

/// One person on one side of the comparison.
struct Side<'a> {
    namespace: &'a Namespace,
    person: &'a Person,
    resolution: &'a Resolution,
    gains: Vec<Gained>,
    losses: Vec<Loss>,
    later: Vec<LaterLoss>,
}

impl<'a> Side<'a> {
    fn new(namespace: &'a Namespace, person: &'a Person, resolution: &'a Resolution, now: Timestamp) -> Self {
        let mut losses = losses(namespace, person, resolution);
        losses.extend(deletions(namespace, person, resolution, now));
        Self {
            gains: gains(namespace, person, resolution),
            losses,
            later: later(namespace, person, resolution),
            namespace,
            person,
            resolution,
        }
    }

    fn gives(&self, key: &RemoteKey) -> bool {
        self.gains
            .iter()
            .any(|gain| gain.key == *key && gain.blocked.is_empty())
    }

    /// Whether just this is lost, or the whole grant of which it is a part.
    fn takes(&self, id: &LossId) -> bool {
        let is_whole = |loss: &Loss| {
            let is_grant = matches!(loss.id.what, Lost::Membership(..));
            is_grant && loss.id.target == id.target && grant_of(&loss.id) == grant_of(id)
        };
        self.losses.iter().any(|loss| loss.id == *id || is_whole(loss))
    }

    fn takes_now_or_later(&self, left: &LaterLoss) -> bool {
        let now = self.losses.iter().any(|loss| {
            let Lost::Membership(object, _) = &loss.id.what else {
                return false;
            };
            loss.id.target == left.key.target && *object == left.key.object
        });
        now || self.later.iter().any(|later| later.key == left.key)
    }
}

fn compare_person(old: Option<&Side<'_>>, new: &Side<'_>) -> PersonChange {
    let was_coming = |gain: &Gained| {
        let same = |old: &Gained| old.key == gain.key && old.blocked == gain.blocked;
        old.is_some_and(|old| old.gains.iter().any(same))
    };
    let gains = new.gains.iter().map(|gain| Gained {
        is_barred_already: was_coming(gain),
        ..gain.clone()
    });
    let was_left = |left: &LaterLoss| old.is_some_and(|old| old.later.contains(left));
    let old_losses = old.iter().flat_map(|old| &old.losses);
    let old_gains = old.iter().flat_map(|old| &old.gains);
    PersonChange {
        employee: new.person.name.clone(),
        display_name: new.person.spec.display_name.clone().unwrap_or_default(),
        // What bars one may go.
        gains: gains
            .filter(|gain| !gain.is_barred_already || !gain.blocked.is_empty())
            .collect(),
        losses: new
            .losses
            .iter()
            .filter(|loss| !matches!(loss.id.what, Lost::Parameters { .. }))
            .map(|loss| lost_access(old, new.person, loss))
            .collect(),
        later: new.later.iter().filter(|left| !was_left(left)).cloned().collect(),
        parameters: parameters(new),
        no_longer_going: old
            .iter()
            .flat_map(|old| &old.later)
            .filter(|left| !new.takes_now_or_later(left))
            .map(|left| left.access.clone())
            .collect(),
        kept: old_losses
            .filter(|loss| !loss.change_set.is_empty() && !new.takes(&loss.id))
            .map(access_of)
            .collect(),
        no_longer_coming: old_gains
            .filter(|gain| gain.blocked.is_empty() && !new.gives(&gain.key))
            .map(|gain| gain.access.clone())
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
            is_barred_already: false,
            waited_in: person
                .status
                .entitlements
                .iter()
                .find(|record| record.state == GrantState::Pending && RemoteKey::of(record) == *key)
                .map(|record| record.change_set.clone())
                .unwrap_or_default(),
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

/// What is given no more, and is left until the grace of a policy is over.
fn later(namespace: &Namespace, person: &Person, resolution: &Resolution) -> Vec<LaterLoss> {
    if resolution.frozen.is_some() {
        return Vec::new();
    }
    let records = person.status.entitlements.iter();
    records
        .filter(|record| is_unwanted(namespace, person, resolution, record))
        .filter_map(|record| {
            let grace = grace(namespace, resolution, record).filter(|grace| grace.until > resolution.at)?;
            Some(LaterLoss {
                access: Access {
                    target: record.target.clone(),
                    entitlement: record.entitlement.clone(),
                },
                key: RemoteKey::of(record),
                until: grace.until,
                grace_of: grace.policy,
            })
        })
        .collect()
}

fn is_had(record: &EntitlementRecord) -> bool {
    record.state.may_be_held()
        && !matches!(
            record.state,
            GrantState::Revoking | GrantState::Failed | GrantState::NoSeat
        )
}

/// The grant that a loss is about: object and account. `None` for the account itself.
fn grant_of(id: &LossId) -> Option<(&RemoteObject, &String)> {
    match &id.what {
        Lost::Membership(object, account) => Some((object, account)),
        Lost::Parameters { object, account_id, .. } => Some((object, account_id)),
        Lost::Account | Lost::Deletion | Lost::Unmanaged(_) => None,
    }
}

fn lost_access(old: Option<&Side<'_>>, person: &Person, loss: &Loss) -> LostAccess {
    let records = person.status.entitlements.iter();
    let gave = records
        .filter(|record| {
            grant_of(&loss.id) == Some((&RemoteKey::of(record).object, &record.account_id))
                && record.target == loss.id.target
        })
        .flat_map(|record| record.grantors.iter().cloned());
    let due = old.and_then(|old| old.losses.iter().find(|due| due.id == loss.id));
    LostAccess {
        access: access_of(loss),
        id: loss.id.clone(),
        is_due: due.is_some(),
        waited_in: due.map(|due| due.change_set.clone()).unwrap_or_default(),
        cause: loss.cause,
        policies: gave.collect(),
        change_set: String::new(),
        blocked: String::new(),
    }
}

fn access_of(loss: &Loss) -> Access {
    let what = match &loss.id.what {
        Lost::Account => "account".to_owned(),
        Lost::Deletion => "deletion".to_owned(),
        Lost::Membership(..) | Lost::Parameters { .. } | Lost::Unmanaged(_) => loss.label.clone(),
    };
    Access {
        target: loss.id.target.clone(),
        entitlement: what,
    }
}

/// Parameters that differ between what is on record and what is wanted.
fn parameters(side: &Side<'_>) -> Vec<ParameterChange> {
    let (namespace, resolution) = (side.namespace, side.resolution);
    if resolution.frozen.is_some() || resolution.ending.is_some() {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for record in side.person.status.entitlements.iter().filter(|record| is_had(record)) {
        let key = RemoteKey::of(record);
        let Some(desired) = resolution.desired.get(&key) else {
            continue;
        };
        if is_unwanted(namespace, side.person, resolution, record) || resolution.blocked.contains_key(&key) {
            continue;
        }
        let loss = side.losses.iter().find(|loss| {
            let is_of_parameters = matches!(loss.id.what, Lost::Parameters { .. });
            is_of_parameters
                && loss.id.target == key.target
                && grant_of(&loss.id) == Some((&key.object, &record.account_id))
        });
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
                    id: loss.map(|loss| loss.id.clone()),
                    waited_in: loss.map(|loss| loss.change_set.clone()).unwrap_or_default(),
                    cause: loss.map(|loss| loss.cause),
                    change_set: String::new(),
                    blocked: String::new(),
                });
            }
        }
    }
    changes
}

/// What would become of a change of parameters.
fn judge_change(after: &Namespace, judgement: &Judgement, change: &mut ParameterChange) {
    let target = after.targets.get(&change.access.target).and_then(Entry::readable);
    if let Some(target) = target
        && is_barred(after, &change.access.target, ManagementPolicy::Update)
    {
        change.blocked = lacks(&target.spec, &change.access.target, ManagementPolicy::Update);
    }
    let Some(id) = &change.id else { return };
    match judgement.loss(id) {
        Verdict::Held { change_set, .. } => change.change_set = change_set,
        Verdict::Wait => {
            "its target cannot be read, and without its budget nothing goes".clone_into(&mut change.blocked);
        }
        Verdict::Released { .. } => {}
    }
}

/// What is barred by something that goes is given once that is gone.
fn unbar(after: &Namespace, person: &Person, change: &mut PersonChange, now: Timestamp) {
    let goes = |record: &EntitlementRecord| {
        let lost = Lost::Membership(RemoteKey::of(record).object, record.account_id.clone());
        let mut losses = change.losses.iter();
        losses.any(|loss| {
            let is_it = loss.id.what == lost && loss.id.target == record.target;
            is_it && loss.change_set.is_empty() && loss.blocked.is_empty()
        })
    };
    let mut then = person.clone();
    then.status.entitlements.retain(|record| !goes(record));
    if then.status.entitlements.len() == person.status.entitlements.len() {
        return;
    }
    let resolution = resolve(after, &then, now);
    for free in gains(after, &then, &resolution) {
        if let Some(gain) = change.gains.iter_mut().find(|gain| gain.key == free.key) {
            gain.blocked = free.blocked;
        }
    }
    let comes = |access: &Access| {
        change
            .gains
            .iter()
            .any(|gain| gain.blocked.is_empty() && gain.access == *access)
    };
    change.no_longer_coming.retain(|access| !comes(access));
}

/// What would become of a loss.
fn judge_loss(after: &Namespace, judgement: &Judgement, loss: &mut LostAccess) {
    match judgement.loss(&loss.id) {
        Verdict::Held { change_set, .. } => loss.change_set = change_set,
        Verdict::Released { .. } => {}
        // Of an exit only deletions are judged.
        Verdict::Wait if loss.cause == Cause::Termination && loss.id.what != Lost::Deletion => {}
        Verdict::Wait => {
            let target_known = after
                .targets
                .get(&loss.access.target)
                .and_then(Entry::readable)
                .is_some();
            loss.blocked = if target_known {
                "the account stays for as long as something that it holds is not let go".to_owned()
            } else {
                "its target cannot be read, and without its budget nothing goes".to_owned()
            };
        }
    }
}

/// The `ChangeSet` that a gain would wait in, or nothing. Where there is no ceiling none is judged.
fn waits_in(judgement: &Judgement, employee: &str, gain: &Gained) -> String {
    let id = GainId {
        employee: employee.to_owned(),
        key: gain.key.clone(),
    };
    match judgement.gain(&id) {
        Admission::Held { change_set, .. } => change_set,
        Admission::Free | Admission::Approved { .. } | Admission::Wait => String::new(),
    }
}

fn held_sets(judgement: &Judgement) -> Vec<HeldSet> {
    let held = judgement.openings.iter().map(|opening| HeldSet {
        change_set: opening.name.clone(),
        digest: opening.digest(),
        cause: match opening.line {
            Line::Losses(cause) => Some(cause),
            Line::Grants => None,
        },
        why: opening.why.clone(),
        people: opening.people(),
        changes: opening.members.len(),
    });
    held.collect()
}
