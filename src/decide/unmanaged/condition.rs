//! What somebody who left still holds that Rollcall did not give.

use std::collections::BTreeSet;

use crate::api::conditions::{self, Fact};
use crate::api::employee::Phase;
use crate::api::entitlement::UnmanagedState;
use crate::decide::index::{Entry, Namespace, Person};

/// The most objects that the condition names.
const NAMED_MAX: usize = 5;

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
    let more = match left.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
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
