//! What is said of access that Rollcall did not give: what somebody who left still holds, and what others keep giving.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::next::contended;
use crate::api::conditions::{self, Fact};
use crate::api::employee::Phase;
use crate::api::entitlement::{Unmanaged, UnmanagedState};
use crate::decide::index::{Entry, Namespace, Person};

/// The most objects or accounts that a condition names.
const NAMED_MAX: usize = 5;

/// What others keep giving although it is taken each time.
pub fn given_again(namespace: &Namespace, list: &[Unmanaged], now: Timestamp) -> Option<Fact> {
    let there = list.iter().filter(|entry| entry.state == UnmanagedState::Found);
    let again = there.filter(|entry| contended(namespace, entry, now).is_some());
    let ids: Vec<&str> = again.map(|entry| entry.account_id.as_str()).collect();
    if ids.is_empty() {
        return None;
    }
    let named = ids[..ids.len().min(NAMED_MAX)].join(", ");
    let more = more(ids.len());
    Some(Fact::yes(
        conditions::CONTENDED,
        conditions::UNDONE,
        format!(
            "Others gave this three times within a day to accounts that no policy gives it, and for a day it is left: {named}{more}. \
             Find out who or what does it there, or have a policy give it."
        ),
    ))
}

fn more(count: usize) -> String {
    match count.saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

/// What the lists of all Entitlements say that a person holds by no record: target and entitlement.
pub fn left_with<'a>(namespace: &'a Namespace, name: &str) -> BTreeSet<(&'a str, &'a str)> {
    let mut left = BTreeSet::new();
    for (entitlement, entry) in &namespace.entitlements {
        let Some(object) = Entry::readable(entry) else { continue };
        let mut list = object.status.iter().flat_map(|status| &status.unmanaged);
        if list.any(|entry| entry.employee == name && entry.state != UnmanagedState::Revoked) {
            left.insert((object.spec.target_ref.name.as_str(), entitlement.as_str()));
        }
    }
    left
}

/// What somebody who left still holds that Rollcall did not give.
pub fn left_by_others(namespace: &Namespace, person: &Person, phase: Phase) -> Option<Fact> {
    let left = match phase {
        Phase::Terminated => left_with(namespace, &person.name),
        _ => BTreeSet::new(),
    };
    if left.is_empty() {
        return None;
    }
    let named = left.iter().take(NAMED_MAX);
    let named: Vec<String> = named.map(|(target, what)| format!("{what} at {target}")).collect();
    let more = more(left.len());
    Some(Fact::yes(
        conditions::UNMANAGED_ACCESS,
        conditions::GIVEN_BY_OTHERS,
        format!(
            "The person has left and still holds {}{more}, which Rollcall did not give: take it away there, or set \
             ownership: Authoritative on the Entitlement.",
            named.join(", ")
        ),
    ))
}
