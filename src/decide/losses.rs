//! What a person has by us and should not have any more.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::effect::{RemoteKey, exception_of, subject_name};
use super::facts::fold;
use super::guard::{Loss, LossId, Lost, is_kin};
use super::index::{Entry, Namespace, Person};
use super::record::waits;
use super::resolve::{Resolution, in_force, resolve};
use crate::api::access_exception::ExceptionEffect;
use crate::api::employee::{AccountRecord, AccountState, Cause, EmployeeSpec, EntitlementRecord, GrantState};
use crate::api::policy::{Effect, Mode};
use crate::api::target::{AccountAction, AccountEnd, TargetSystem};

/// Everything that `person` has by us and should not have, exits included.
pub fn losses(namespace: &Namespace, person: &Person, resolution: &Resolution) -> Vec<Loss> {
    if resolution.frozen.is_some() {
        return Vec::new();
    }
    let id = |target: &str, what| LossId {
        employee: person.name.clone(),
        target: target.to_owned(),
        what,
    };
    let mut losses = Vec::new();
    let mut kept_targets: BTreeSet<&str> = BTreeSet::new();

    for record in &person.status.entitlements {
        if !is_lost(namespace, person, resolution, record) {
            if record.state.may_be_held() && record.state != GrantState::Revoking {
                kept_targets.insert(&record.target);
            }
            continue;
        }
        losses.push(Loss {
            id: id(
                &record.target,
                Lost::Membership(RemoteKey::of(record).object, record.account_id.clone()),
            ),
            cause: as_judged(
                cause(namespace, resolution, record),
                record.cause,
                &record.change_set,
                &record.approval,
            ),
            change_set: waiting_in(&record.change_set, &record.approval),
            label: record.entitlement.clone(),
        });
    }
    for record in &person.status.accounts {
        let live = !matches!(
            record.state,
            AccountState::Pending
                | AccountState::Deactivating
                | AccountState::Deactivated
                | AccountState::Deleting
                | AccountState::Deleted
        );
        let end = account_end(namespace, resolution, &record.target);
        let wanted = resolution.ending.is_none()
            && (kept_targets.contains(record.target.as_str()) || may_need_account(resolution, &record.target));
        if live && !wanted && end.is_some_and(|end| end.action != AccountAction::Keep) {
            let member = losses
                .iter()
                .find(|loss| loss.id.target == record.target)
                .map(|loss| loss.cause);
            losses.push(Loss {
                id: id(&record.target, Lost::Account),
                cause: as_judged(
                    resolution.ending.or(member).unwrap_or(Cause::AttributeChange),
                    record.cause,
                    &record.change_set,
                    &record.approval,
                ),
                change_set: waiting_in(&record.change_set, &record.approval),
                label: "account".to_owned(),
            });
        }
    }
    losses
}

/// The cause of a loss that waits is the one it was judged by: that an edit is enforced by now, or that there was another
/// one, changes nothing about it.
fn as_judged(now: Cause, recorded: Option<Cause>, change_set: &str, approval: &str) -> Cause {
    let judged = recorded.filter(|judged| waits(change_set, approval) && is_kin(*judged, now));
    judged.unwrap_or(now)
}

/// The `ChangeSet` that a record waits in; empty where it does not wait.
fn waiting_in(change_set: &str, approval: &str) -> String {
    if waits(change_set, approval) {
        change_set.to_owned()
    } else {
        String::new()
    }
}

/// Whether something that policies give, or may give for all that can be told, needs the account at `target`.
pub fn may_need_account(resolution: &Resolution, target: &str) -> bool {
    let mut keys = resolution.desired.keys().chain(resolution.undecided.keys());
    keys.any(|key| key.target == target) || !resolution.undecided_grantors.is_empty()
}

/// Whether a record speaks of something that the person may hold and should not, and need not be left any longer.
fn is_lost(namespace: &Namespace, person: &Person, resolution: &Resolution, record: &EntitlementRecord) -> bool {
    let live = match record.state {
        GrantState::Pending | GrantState::Revoking | GrantState::Revoked => false,
        // The target refused it, so there is nothing to lose; but an exit leaves nothing to chance.
        GrantState::Failed => resolution.ending.is_some() || record.granted_at.is_some(),
        _ => true,
    };
    live && is_unwanted(namespace, person, resolution, record)
        && grace(namespace, resolution, record).is_none_or(|grace| grace.until <= resolution.at)
}

/// How long something is left to a person whom no policy gives it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grace {
    /// Until when.
    pub until: Timestamp,
    /// The policy whose grace it is.
    pub policy: String,
}

/// The grace of a grant that is not wanted any more: the longest that a policy that gave it, and would still give it to
/// those whom it matches, allows. It ends when the record says, or sooner where a policy was edited to. Neither an exit
/// nor a denial leaves any, nor does a policy that is gone, nor an exception that ended.
pub fn grace(namespace: &Namespace, resolution: &Resolution, record: &EntitlementRecord) -> Option<Grace> {
    let key = RemoteKey::of(record);
    let there = matches!(
        record.state,
        GrantState::Granted | GrantState::Updating | GrantState::Held
    );
    if !there
        || resolution.ending.is_some()
        || resolution.denied.contains_key(&key)
        || resolution.desired.contains_key(&key)
    {
        return None;
    }
    let of_policy = |name: &String| {
        let policy = namespace.policies.get(name)?.readable()?;
        let spec = &policy.spec;
        let acts = spec.mode == Mode::Enforce
            && spec.effect == Effect::Grant
            && policy.metadata.deletion_timestamp.is_none()
            && spec.entitlements.iter().any(|grant| grant.name == record.entitlement);
        let grace = spec.lifecycle.grace.as_ref().filter(|_| acts)?.get()?;
        Some((grace, name.clone()))
    };
    let (longest, policy) = record.grantors.iter().filter_map(of_policy).max()?;
    // A grace too long for the calendar never ends.
    let fresh = resolution.at.checked_add(longest).unwrap_or(Timestamp::MAX);
    let stored = record.scheduled_at.as_ref().map(|at| at.0);
    Some(Grace {
        until: stored.map_or(fresh, |stored| stored.min(fresh)),
        policy,
    })
}

/// Whether the person should not have what the record speaks of, whatever its state.
pub fn is_unwanted(
    namespace: &Namespace,
    person: &Person,
    resolution: &Resolution,
    record: &EntitlementRecord,
) -> bool {
    let key = RemoteKey::of(record);
    if resolution.ending.is_none() && resolution.desired.contains_key(&key) {
        // Where the account is only a name, a new name is a new grant, and the old one goes.
        return match account_name(namespace, person, &record.target) {
            Named::By(name) => name != record.account_id,
            Named::Account | Named::Nothing => false,
        };
    }
    resolution.takes(&key, record)
}

/// Why what the record speaks of is lost. What waits for a person's decision keeps the cause that it was held with,
/// unless the person has left since.
pub fn cause(namespace: &Namespace, resolution: &Resolution, record: &EntitlementRecord) -> Cause {
    if let Some(cause) = resolution.ending {
        return cause;
    }
    if let Some(cause) = resolution.denied_causes.get(&RemoteKey::of(record)) {
        return *cause;
    }
    let edited = |name: &String| match namespace.policies.get(name) {
        Some(Entry::Readable(policy)) => {
            // A policy that is new was not edited.
            let enforced = policy.status.as_ref().and_then(|status| status.enforced_generation);
            policy.metadata.generation.unwrap_or(1) != enforced.unwrap_or(1)
        }
        Some(Entry::Broken { .. }) | None => true,
    };
    let (exceptions, policies): (Vec<&String>, Vec<&String>) = record
        .grantors
        .iter()
        .partition(|grantor| exception_of(grantor).is_some());
    let by_policy = !policies.is_empty();
    if policies.into_iter().any(edited) {
        Cause::PolicyChange
    } else if !by_policy
        && exceptions
            .into_iter()
            .any(|name| has_ended(namespace, resolution, name))
    {
        Cause::Manual
    } else {
        Cause::AttributeChange
    }
}

/// Whether what an exception allowed is over by a person's doing: it expired, was deleted, or allows it no longer.
fn has_ended(namespace: &Namespace, resolution: &Resolution, grantor: &str) -> bool {
    let entry = exception_of(grantor).and_then(|name| namespace.exceptions.get(name));
    match entry {
        Some(Entry::Readable(exception)) => {
            !in_force(exception, resolution.at) || exception.spec.effect != ExceptionEffect::Allow
        }
        Some(Entry::Broken { .. }) => false,
        None => true,
    }
}

/// How a target knows a person.
pub enum Named {
    /// By an account that has an id of its own.
    Account,
    /// By this name; there is no account.
    By(String),
    /// By a name that the facts do not give.
    Nothing,
}

/// How `target` knows `person`.
pub fn account_name(namespace: &Namespace, person: &Person, target: &str) -> Named {
    let Some(spec) = readable_target(namespace, target).map(|target| &target.spec) else {
        return Named::Account;
    };
    if let Some(kubernetes) = &spec.kubernetes {
        return subject_name(&kubernetes.subject, &person.spec).map_or(Named::Nothing, Named::By);
    }
    let definition = namespace.definition(target).map(AsRef::as_ref);
    match (
        definition,
        spec.http.as_ref().and_then(|http| http.account.named.as_ref()),
    ) {
        (Some(Ok(definition)), Some(_)) => definition.name(&person.spec).map_or(Named::Nothing, Named::By),
        (_, Some(_)) => Named::Nothing,
        (_, None) => Named::Account,
    }
}

/// The target of this name, where it is there and can be read.
pub fn readable_target<'a>(namespace: &'a Namespace, name: &str) -> Option<&'a TargetSystem> {
    namespace.targets.get(name)?.readable().map(AsRef::as_ref)
}

/// What becomes of an unneeded account, or `None` where the target cannot be read and nothing is known.
pub fn account_end(namespace: &Namespace, resolution: &Resolution, target: &str) -> Option<AccountEnd> {
    let spec = &readable_target(namespace, target)?.spec;
    // Elsewhere nobody has an account that could be ended.
    if spec.scim.is_none() && spec.http.as_ref().is_none_or(|http| http.account.named.is_some()) {
        return None;
    }
    let account = spec.account.clone().unwrap_or_default();
    Some(if resolution.ending == Some(Cause::Termination) {
        account.on_terminated
    } else {
        account.on_unused
    })
}

/// Another Employee who holds the same thing by the same account and is to keep it, as when one person has two rows in
/// the HR system and is known by the same name at the target: what one of them loses, the other would lose too.
pub fn held_by_another<'a>(
    namespace: &'a Namespace,
    person: &Person,
    record: &EntitlementRecord,
    now: Timestamp,
) -> Option<&'a str> {
    let key = RemoteKey::of(record);
    let same = |other: &EntitlementRecord| {
        other.account_id == record.account_id
            && RemoteKey::of(other) == key
            && matches!(
                other.state,
                GrantState::Granting | GrantState::Granted | GrantState::Updating | GrantState::Held
            )
    };
    // Who is about to lose it as well keeps nothing: else each of two leavers would leave it to the other.
    let keeps = |other: &Person| {
        let resolution = resolve(namespace, other, now);
        other
            .status
            .entitlements
            .iter()
            .any(|record| same(record) && !is_lost(namespace, other, &resolution, record))
    };
    if record.account_id.is_empty() {
        return None;
    }
    let others = namespace.employees.values().filter(|other| other.name != person.name);
    let mut sharing = others.filter(|other| other.status.entitlements.iter().any(same));
    sharing.find(|other| keeps(other)).map(|other| other.name.as_str())
}

/// Another Employee whose account this is.
pub fn account_of_another<'a>(namespace: &'a Namespace, person: &Person, target: &str, id: &str) -> Option<&'a str> {
    let mut others = others_with_account(namespace, person, target, id);
    others.next().map(|(other, _)| other.name.as_str())
}

/// The account of another Employee who left, where nothing of it is in use or on its way: the person whom it matches now
/// may take it over, as after a rehire in a new row. With the name of that Employee. Somebody else who was given the
/// leaver's address gets nothing that the leaver left behind.
pub fn account_left_behind<'a>(
    namespace: &'a Namespace,
    person: &Person,
    target: &str,
    id: &str,
    now: Timestamp,
) -> Option<(&'a str, &'a AccountRecord)> {
    let is_left = |(other, record): &(&Person, &AccountRecord)| {
        let mut grants = other.status.entitlements.iter();
        record.state == AccountState::Deactivated
            && is_one_person(&other.spec, &person.spec)
            && !grants.any(|grant| grant.target == target && grant.account_id == id && grant.state.may_be_held())
            && resolve(namespace, other, now).ending == Some(Cause::Termination)
    };
    let others: Vec<_> = others_with_account(namespace, person, target, id).collect();
    if !others.iter().all(is_left) {
        return None;
    }
    others.first().map(|(other, record)| (other.name.as_str(), *record))
}

/// Whether two rows of the HR system are the same human being's, as far as they tell: by the employer's number, else by
/// name. Where neither is known of both it is not.
fn is_one_person(one: &EmployeeSpec, other: &EmployeeSpec) -> bool {
    let same = |of: fn(&EmployeeSpec) -> &Option<String>| {
        let text = |spec| of(spec).as_deref().map(fold).filter(|text| !text.is_empty());
        Some(text(one)? == text(other)?)
    };
    let number = same(|spec| &spec.employee_number);
    let names = same(|spec| &spec.given_name).zip(same(|spec| &spec.family_name));
    let display = same(|spec| &spec.display_name);
    number == Some(true) || names.map_or(display == Some(true), |(given, family)| given && family)
}

/// Another Employee who uses the same account and is to keep it: it is theirs by now.
pub fn account_used_by_another<'a>(
    namespace: &'a Namespace,
    person: &Person,
    record: &AccountRecord,
    now: Timestamp,
) -> Option<&'a str> {
    let keeps = |other: &Person| {
        let lost = losses(namespace, other, &resolve(namespace, other, now));
        let mut lost = lost.into_iter().map(|loss| loss.id);
        !lost.any(|id| id.target == record.target && id.what == Lost::Account)
    };
    let in_use = |state| {
        matches!(
            state,
            AccountState::Activating | AccountState::Active | AccountState::Updating | AccountState::Held
        )
    };
    let mut others = others_with_account(namespace, person, &record.target, &record.id);
    others
        .find(|(other, theirs)| in_use(theirs.state) && keeps(other))
        .map(|(other, _)| other.name.as_str())
}

fn others_with_account<'a>(
    namespace: &'a Namespace,
    person: &Person,
    target: &str,
    id: &str,
) -> impl Iterator<Item = (&'a Person, &'a AccountRecord)> {
    let there = move |record: &&AccountRecord| {
        record.target == target
            && record.id == id
            && !id.is_empty()
            && !matches!(record.state, AccountState::Pending | AccountState::Deleted)
    };
    let others = namespace.employees.values().filter(|other| other.name != person.name);
    others.filter_map(move |other| Some((other.as_ref(), other.status.accounts.iter().find(there)?)))
}
