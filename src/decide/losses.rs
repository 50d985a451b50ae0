//! What a person has by us and should not have any more.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::effect::{RemoteKey, subject_name};
use super::guard::{Loss, LossId, Lost};
use super::index::{Entry, Namespace, Person};
use super::record::waits;
use super::resolve::{Resolution, resolve};
use crate::api::employee::{AccountRecord, AccountState, Cause, EntitlementRecord, GrantState};
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

/// The cause of a loss that waits is the one it was judged by, even if the edit that called for it is enforced by now.
fn as_judged(now: Cause, recorded: Option<Cause>, change_set: &str, approval: &str) -> Cause {
    match (now, recorded) {
        (Cause::AttributeChange, Some(Cause::PolicyChange)) if waits(change_set, approval) => Cause::PolicyChange,
        _ => now,
    }
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

/// Whether a record speaks of something that the person may hold and should not.
fn is_lost(namespace: &Namespace, person: &Person, resolution: &Resolution, record: &EntitlementRecord) -> bool {
    let live = match record.state {
        GrantState::Pending | GrantState::Revoking | GrantState::Revoked => false,
        // The target refused it, so there is nothing to lose; but an exit leaves nothing to chance.
        GrantState::Failed => resolution.ending.is_some() || record.granted_at.is_some(),
        _ => true,
    };
    live && is_unwanted(namespace, person, resolution, record)
}

/// Whether the person should not have what the record speaks of, whatever its state.
pub fn is_unwanted(
    namespace: &Namespace,
    person: &Person,
    resolution: &Resolution,
    record: &EntitlementRecord,
) -> bool {
    if resolution.ending.is_some() {
        return true;
    }
    let key = RemoteKey::of(record);
    if resolution.desired.contains_key(&key) {
        // Where the account is only a name, a new name is a new grant, and the old one goes.
        return match account_name(namespace, person, &record.target) {
            Named::By(name) => name != record.account_id,
            Named::Account | Named::Nothing => false,
        };
    }
    !resolution.undecided.contains_key(&key)
        && !record
            .grantors
            .iter()
            .any(|grantor| resolution.undecided_grantors.contains_key(grantor))
}

/// Why what the record speaks of is lost.
pub fn cause(namespace: &Namespace, resolution: &Resolution, record: &EntitlementRecord) -> Cause {
    if let Some(cause) = resolution.ending {
        return cause;
    }
    let edited = |name: &String| match namespace.policies.get(name) {
        Some(Entry::Readable(policy)) => {
            // A policy that is new was not edited.
            let enforced = policy.status.as_ref().and_then(|status| status.enforced_generation);
            policy.metadata.generation.unwrap_or(1) != enforced.unwrap_or(1)
        }
        Some(Entry::Broken { .. }) | None => true,
    };
    if record.grantors.iter().any(edited) {
        Cause::PolicyChange
    } else {
        Cause::AttributeChange
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
    match readable_target(namespace, target).and_then(|target| target.spec.kubernetes.as_ref()) {
        Some(kubernetes) => subject_name(&kubernetes.subject, &person.spec).map_or(Named::Nothing, Named::By),
        None => Named::Account,
    }
}

/// The target of this name, where it is there and can be read.
pub fn readable_target<'a>(namespace: &'a Namespace, name: &str) -> Option<&'a TargetSystem> {
    namespace.targets.get(name)?.readable().map(AsRef::as_ref)
}

/// What becomes of an unneeded account, or `None` where the target cannot be read and nothing is known.
pub fn account_end(namespace: &Namespace, resolution: &Resolution, target: &str) -> Option<AccountEnd> {
    let spec = &readable_target(namespace, target)?.spec;
    spec.scim.as_ref()?;
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
    let same = |other: &AccountRecord| {
        other.target == target
            && other.id == id
            && !matches!(other.state, AccountState::Pending | AccountState::Deleted)
    };
    let others = namespace.employees.values().filter(|other| other.name != person.name);
    others
        .into_iter()
        .find(|other| other.status.accounts.iter().any(same))
        .map(|other| other.name.as_str())
}
