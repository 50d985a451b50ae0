//! The next list of an Entitlement's holders that no record explains.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::owner::{explained, owners};
use super::standing::{Bench, Standing, of_all};
use super::stray::loss_id;
use super::{LIST_MAX, Scene, Seen};
use crate::api::conditions::clip;
use crate::api::employee::{Cause, GrantState, Phase, Release};
use crate::api::entitlement::{Unmanaged, UnmanagedState};
use crate::decide::drift::{contended_until, note_undoing, spelled};
use crate::decide::effect::{Intent, Outcome, RemoteKey, short_digest};
use crate::decide::guard::{Judge, Verdict};
use crate::decide::index::{Namespace, Person};

/// How long what was taken is listed; longer than the guard's window, which counts from it.
const KEEP_REVOKED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The longest reason, in bytes.
const REASON_MAX: usize = 256;

/// The next list, and what follows from it once it is on record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Next {
    /// The list.
    pub unmanaged: Vec<Unmanaged>,
    /// How many hold the object and are explained by no record; `None` where there was no look.
    pub count: Option<u32>,
    /// What is to be sent, once the list is on record.
    pub intents: Vec<Intent>,
    /// Whether something is called for that has not been judged yet.
    pub unjudged: bool,
}

/// The next list of an Entitlement of which `old` is the list on record. `judge` says what may become of each loss,
/// `outcomes` what came of intents since.
pub fn next(scene: &Scene<'_>, old: &[Unmanaged], judge: &dyn Judge, outcomes: &[(Intent, Outcome)]) -> Next {
    let mut old: BTreeMap<&str, Unmanaged> = old
        .iter()
        .map(|entry| (entry.account_id.as_str(), entry.clone()))
        .collect();
    let now = to_the_second(scene.now);
    for (intent, outcome) in outcomes {
        if let Intent::Membership { account_id, .. } = intent
            && let Some(entry) = old.get_mut(account_id.as_str())
            && entry.state == UnmanagedState::Revoking
            && *intent == intent_of(scene.key, entry)
        {
            absorb(entry, outcome, now);
        }
    }
    let Some(seen) = scene.seen else {
        return Next {
            unmanaged: old.into_values().collect(),
            ..Next::default()
        };
    };
    let seen = Seen {
        at: to_the_second(seen.at),
        ..seen
    };
    let explained = explained(scene.namespace, scene.key);
    let there: BTreeSet<&str> = seen.ids.keys().map(String::as_str).collect();
    let strange: BTreeSet<&str> = there
        .iter()
        .copied()
        .filter(|id| !explained.accounts.contains(id) && !old.get(id).is_some_and(|entry| is_gone_since(entry, seen)))
        .collect();
    let owners = owners(scene, &strange);
    let of_all = of_all(scene);
    let bench = Bench::new(scene, explained.nameless);
    let nobody = BTreeSet::new();
    let are_too_many_left = old.values().filter(|entry| entry.left).count() >= LIST_MAX;

    let mut next = Next {
        count: Some(u32::try_from(strange.len()).unwrap_or(u32::MAX)),
        ..Next::default()
    };
    let mut list = Vec::new();
    for id in &strange {
        let mut entry = found(old.remove(id), id, seen);
        let owners = owners.get(id).unwrap_or(&nobody);
        // Whose it is cannot be told where it may be several people's.
        match owners.first() {
            Some(name) if owners.len() == 1 => (*name).clone_into(&mut entry.employee),
            // The name of who was deleted is all that is left of them.
            _ if entry.left => {}
            _ => entry.employee.clear(),
        }
        let of_all = of_all.clone().or_else(|| left_by_a_deletion(&entry, are_too_many_left));
        let standing = of_all.unwrap_or_else(|| bench.of_one(id, owners));
        // One look may be older than a record, or show what is just being changed.
        let twice = entry.found_at.as_ref().is_some_and(|at| at.0 < seen.at);
        let contended = contended(scene.namespace, &entry, scene.now);
        let standing = match standing {
            Standing::Taken if contended.is_some() => Standing::Unclear(contended.unwrap_or_default()),
            Standing::Taken if !twice && entry.state == UnmanagedState::Found => {
                Standing::Unclear("to be seen once more before it is taken".to_owned())
            }
            standing => standing,
        };
        step(scene, &mut entry, &standing, judge, &mut next);
        list.push(entry);
    }
    list.extend(
        old.into_values()
            .filter_map(|entry| not_strange(scene, entry, seen, &there)),
    );
    next.unmanaged = shorten(scene.namespace, list);
    next.intents.retain(|intent| {
        let listed = |entry: &Unmanaged| intent_of(scene.key, entry) == *intent;
        next.unmanaged.iter().any(listed)
    });
    next
}

/// An instant as records keep it, so that what was just written and what is read back compare the same.
fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Whether it is left since the Employee whose it was by record was deleted; any may be, where not all have a place on the
/// list.
fn left_by_a_deletion(entry: &Unmanaged, are_too_many: bool) -> Option<Standing> {
    let employee = &entry.employee;
    if entry.left {
        let why = format!("left: was Employee {employee}'s by record, and deleting an Employee takes nothing");
        return Some(Standing::Left(why));
    }
    are_too_many.then(|| Standing::Unclear("more were left by deletions of Employees than this list holds".to_owned()))
}

/// Puts on the list what an Employee who is being deleted holds by record: that deletion is no evidence, and takes nothing.
/// Returns whether the list differs.
pub fn leave(list: &mut Vec<Unmanaged>, key: &RemoteKey, person: &Person, now: Timestamp) -> bool {
    let before = list.clone();
    for record in &person.status.entitlements {
        if RemoteKey::of(record) != *key || !is_left(record.state) || record.account_id.is_empty() {
            continue;
        }
        list.retain(|entry| entry.account_id != record.account_id);
        list.push(Unmanaged {
            account_id: record.account_id.clone(),
            grant_id: record.grant_id.clone(),
            employee: person.name.clone(),
            found_at: Some(Time(now)),
            left: true,
            ..Unmanaged::default()
        });
    }
    list.sort_by(|one, other| one.account_id.cmp(&other.account_id));
    if list.len() > LIST_MAX {
        list.sort_by_key(|entry| (!entry.left, entry.state == UnmanagedState::Revoked));
        list.truncate(LIST_MAX);
        list.sort_by(|one, other| one.account_id.cmp(&other.account_id));
    }
    *list != before
}

/// Whether what a record says is left where the record goes; what is on its way out is not.
fn is_left(state: GrantState) -> bool {
    state.may_be_held() && state != GrantState::Revoking
}

/// Why it is left alone since others keep giving it. What belongs to somebody who left is taken however often.
pub(super) fn contended(namespace: &Namespace, entry: &Unmanaged, now: Timestamp) -> Option<String> {
    let until = contended_until(&entry.given_back_at, now).filter(|_| !has_left(namespace, &entry.employee))?;
    let until = spelled(until);
    Some(format!(
        "others gave it again three times within a day: left alone until {until}"
    ))
}

fn has_left(namespace: &Namespace, employee: &str) -> bool {
    let person = namespace.employees.get(employee);
    person.is_some_and(|person| person.status.phase == Some(Phase::Terminated))
}

/// Whether it was read back and gone after this look.
fn is_gone_since(entry: &Unmanaged, seen: Seen<'_>) -> bool {
    let gone_at = entry
        .revoked_at
        .as_ref()
        .filter(|_| entry.state == UnmanagedState::Revoked);
    gone_at.is_some_and(|at| at.0 >= seen.at)
}

/// The entry of an account that was seen to hold the object, on the list or not.
fn found(old: Option<Unmanaged>, id: &str, seen: Seen<'_>) -> Unmanaged {
    let mut entry = old.unwrap_or_default();
    if entry.state == UnmanagedState::Revoked {
        // Somebody gave it again.
        note_undoing(&mut entry.given_back_at, seen.at);
        forget(&mut entry);
        entry.left = false;
        entry.revoked_at = None;
        entry.found_at = None;
    }
    id.clone_into(&mut entry.account_id);
    if let Some(holding) = seen.ids.get(id) {
        entry.grant_id.clone_from(&holding.grant_id);
    }
    entry.found_at.get_or_insert(Time(seen.at));
    entry
}

/// One step of an account that holds the object.
fn step(scene: &Scene<'_>, entry: &mut Unmanaged, standing: &Standing, judge: &dyn Judge, next: &mut Next) {
    let say = |entry: &mut Unmanaged, why: &str| clip(why, REASON_MAX).clone_into(&mut entry.reason);
    match (entry.state, standing) {
        (UnmanagedState::Revoking, Standing::Taken) => next.intents.push(intent_of(scene.key, entry)),
        // It may be gone in a moment, and stays on record until that is known.
        (UnmanagedState::Revoking, Standing::Left(_)) if scene.sending.contains(&entry.account_id) => {}
        (UnmanagedState::Revoking | UnmanagedState::Held, Standing::Unclear(why)) => say(entry, why),
        (UnmanagedState::Found | UnmanagedState::Revoked, Standing::Unclear(why)) => {
            entry.cause = None;
            say(entry, why);
        }
        (_, Standing::Left(why)) => {
            forget(entry);
            say(entry, why);
        }
        (_, Standing::Taken) => {
            entry.cause = Some(Cause::Drift);
            match judge.loss(&loss_id(&scene.key.target, scene.name, &entry.account_id)) {
                Verdict::Released { release, approval, .. } => {
                    entry.state = UnmanagedState::Revoking;
                    entry.release = Some(release);
                    entry.approval = approval;
                    if release != Release::Approved {
                        entry.change_set.clear();
                    }
                    entry.released_at = Some(Time(to_the_second(scene.now)));
                    say(entry, "no record explains it, and ownership is Authoritative");
                    next.intents.push(intent_of(scene.key, entry));
                }
                Verdict::Held { change_set, reason, .. } => {
                    entry.state = UnmanagedState::Held;
                    entry.change_set = change_set;
                    entry.approval.clear();
                    say(entry, &reason);
                }
                Verdict::Wait => {
                    next.unjudged = true;
                    if entry.state == UnmanagedState::Found {
                        say(
                            entry,
                            "no record explains it, and ownership is Authoritative: waits to be judged",
                        );
                    }
                }
            }
        }
    }
}

/// What becomes of an entry whose account does not hold the object, or holds it by a record now.
fn not_strange(scene: &Scene<'_>, mut entry: Unmanaged, seen: Seen<'_>, there: &BTreeSet<&str>) -> Option<Unmanaged> {
    let holds = there.contains(entry.account_id.as_str());
    let going = scene.namespace.employees.get(&entry.employee);
    let is_going = going.is_some_and(|person| person.deleting);
    match entry.state {
        // The record that still explains it goes in a moment.
        UnmanagedState::Found if entry.left && holds && is_going => Some(entry),
        UnmanagedState::Revoking if !holds => {
            // A look from before it was let go says nothing of what became of that.
            if entry.released_at.as_ref().is_some_and(|at| at.0 < seen.at) {
                entry.state = UnmanagedState::Revoked;
                entry.revoked_at = Some(Time(seen.at));
            }
            Some(entry)
        }
        UnmanagedState::Revoking if scene.sending.contains(&entry.account_id) => Some(entry),
        UnmanagedState::Revoked => {
            let age = entry.revoked_at.as_ref().map(|at| at.0.duration_until(scene.now));
            age.is_none_or(|age| age < KEEP_REVOKED).then_some(entry)
        }
        UnmanagedState::Found | UnmanagedState::Held | UnmanagedState::Revoking => {
            forget(&mut entry);
            // What the guard counts outlives it.
            entry.released_at.as_ref()?;
            entry.state = UnmanagedState::Revoked;
            entry.revoked_at.clone_from(&entry.released_at);
            Some(entry)
        }
    }
}

/// Takes in what came of a removal.
fn absorb(entry: &mut Unmanaged, outcome: &Outcome, now: Timestamp) {
    match outcome {
        Outcome::Done { .. } => {
            entry.state = UnmanagedState::Revoked;
            entry.revoked_at = Some(Time(now));
            "no record explained it, and ownership is Authoritative".clone_into(&mut entry.reason);
        }
        Outcome::Retrying(why) | Outcome::NoSeat(why) => {
            clip(&format!("tried again: target {why}"), REASON_MAX).clone_into(&mut entry.reason);
        }
        Outcome::Refused(why) => clip(&format!("target {why}"), REASON_MAX).clone_into(&mut entry.reason),
        Outcome::Unknown(why) => clip(&format!("not known: {why}"), REASON_MAX).clone_into(&mut entry.reason),
    }
}

/// Back to being found, but for what the guard counts: that it was let go on the budget.
fn forget(entry: &mut Unmanaged) {
    entry.state = UnmanagedState::Found;
    entry.cause = None;
    if entry.release != Some(Release::Budget) {
        entry.release = None;
        entry.released_at = None;
    }
    entry.change_set.clear();
    entry.approval.clear();
    entry.reason.clear();
}

/// The removal that an entry on its way out means.
fn intent_of(key: &RemoteKey, entry: &Unmanaged) -> Intent {
    let since = entry
        .released_at
        .as_ref()
        .map(|at| at.0.to_string())
        .unwrap_or_default();
    let (account, object) = (entry.account_id.as_str(), &key.object);
    Intent::Membership {
        key: key.clone(),
        account_id: entry.account_id.clone(),
        hold: false,
        grant_id: entry.grant_id.clone(),
        parameters: BTreeMap::new(),
        operation_id: short_digest(["unmanaged", &key.target, &object.kind, &object.id, account, &since]),
    }
}

/// The entries that matter most, in order of account id: what is on its way or waits, what the guard counts, what leavers
/// hold, what is known to be somebody's, and the rest.
fn shorten(namespace: &Namespace, mut list: Vec<Unmanaged>) -> Vec<Unmanaged> {
    if list.len() > LIST_MAX {
        let rank = |entry: &Unmanaged| match entry.state {
            _ if entry.left => 0,
            UnmanagedState::Revoking => 0,
            UnmanagedState::Held => 1,
            _ if entry.release == Some(Release::Budget) => 2,
            UnmanagedState::Found if has_left(namespace, &entry.employee) => 3,
            UnmanagedState::Found if entry.cause.is_some() => 4,
            UnmanagedState::Found if !entry.employee.is_empty() => 5,
            UnmanagedState::Found => 6,
            UnmanagedState::Revoked => 7,
        };
        list.sort_by_cached_key(|entry| (rank(entry), entry.account_id.clone()));
        list.truncate(LIST_MAX);
    }
    list.sort_by(|one, other| one.account_id.cmp(&other.account_id));
    list
}

/// The list once the Entitlement stands for another object than it did: what was found at the old one says nothing of the
/// new, and what was on its way out of it is gone with it.
pub fn of_another_object(list: &mut Vec<Unmanaged>, now: Timestamp) {
    list.retain_mut(|entry| match entry.state {
        UnmanagedState::Revoked => true,
        UnmanagedState::Revoking => {
            entry.state = UnmanagedState::Revoked;
            entry.revoked_at = Some(Time(now));
            "the Entitlement stands for another object now".clone_into(&mut entry.reason);
            true
        }
        UnmanagedState::Found | UnmanagedState::Held => {
            forget(entry);
            entry.state = UnmanagedState::Revoked;
            entry.revoked_at.clone_from(&entry.released_at);
            entry.released_at.is_some()
        }
    });
}
