//! Which accounts are due to be deleted. That is no step back to something: it cannot be undone.

use std::time::Duration;

use jiff::Timestamp;

use super::guard::{Loss, LossId, Lost};
use super::index::{Namespace, Person};
use super::losses::{account_end, may_need_account};
use super::managed::is_barred;
use super::protected::is_known_protected;
use super::resolve::Resolution;
use crate::api::employee::{AccountRecord, AccountState, Cause};
use crate::api::target::{AccountAction, ManagementPolicy};

/// How long after deactivation an account is deleted, where `after` says nothing.
const DELETE_AFTER: Duration = Duration::from_hours(720);

/// When the account is to be deleted, where it is at all.
pub fn deletion_at(namespace: &Namespace, resolution: &Resolution, record: &AccountRecord) -> Option<Timestamp> {
    let end = account_end(namespace, resolution, &record.target)?;
    let ends = record.state == AccountState::Deactivated && end.action == AccountAction::Delete;
    // What cannot be told takes nothing, and this cannot be given back.
    if !ends
        || is_barred(namespace, &record.target, ManagementPolicy::Delete)
        || resolution.frozen.is_some()
        || may_need_account(resolution, &record.target)
    {
        return None;
    }
    let delay = end.after.map_or(DELETE_AFTER, |after| after.get_or(DELETE_AFTER));
    // A delay too long for the calendar never comes due.
    record.released_at.as_ref()?.0.checked_add(delay).ok()
}

/// The accounts of `person` that are due to be deleted, exits included.
pub fn deletions(namespace: &Namespace, person: &Person, resolution: &Resolution, now: Timestamp) -> Vec<Loss> {
    let due = |record: &&AccountRecord| deletion_at(namespace, resolution, record).is_some_and(|at| at <= now);
    let accounts = person.status.accounts.iter().filter(due);
    let accounts = accounts.filter(|record| !is_known_protected(namespace, person, &record.target));
    accounts
        .map(|record| Loss {
            id: deletion_id(person, &record.target),
            cause: resolution.ending.or(record.cause).unwrap_or(Cause::AttributeChange),
            change_set: waiting_in(record),
            label: "account".to_owned(),
        })
        .collect()
}

/// Names the deletion of the account at `target`.
pub fn deletion_id(person: &Person, target: &str) -> LossId {
    LossId {
        employee: person.name.clone(),
        target: target.to_owned(),
        what: Lost::Deletion,
    }
}

fn waiting_in(record: &AccountRecord) -> String {
    let deletion = record.deletion.as_ref().filter(|deletion| deletion.release.is_none());
    deletion.map(|deletion| deletion.change_set.clone()).unwrap_or_default()
}
