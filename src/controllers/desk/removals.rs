//! Removals of what no record of an Employee explains: on record in an Entitlement's status, and on the desk under its name.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Desk, Desks};
use crate::api::employee::{Cause, EmployeeStatus, EntitlementRecord};
use crate::controllers::context::Context;
use crate::decide::effect::{Intent, Outcome};

/// What stands before an Entitlement's name on a desk. No Employee's name has a slash.
const ENTITLEMENT: &str = "entitlement/";

/// Under which name an Entitlement has a place on the desk of its target.
pub fn place_of(entitlement: &str) -> String {
    format!("{ENTITLEMENT}{entitlement}")
}

/// Wakes whoever has this place on a desk: an Entitlement, or the Employee of this name.
pub fn wake(context: &Context, namespace: &str, place: &str) {
    match place.strip_prefix(ENTITLEMENT) {
        Some(entitlement) => context.entitlements.wake(namespace, entitlement),
        None => context.employees.wake(namespace, place),
    }
}

impl Desk {
    /// What came of an Entitlement's removals since the last record, and the accounts whose removal is being sent.
    pub fn removals(&self, entitlement: &str) -> (Vec<(Intent, Outcome)>, BTreeSet<String>) {
        let state = self.state.lock();
        let Some(known) = state.people.get(&place_of(entitlement)) else {
            return Default::default();
        };
        let running = known.jobs.values().filter(|job| job.running.is_some());
        let accounts = running.filter_map(|job| match &job.intent {
            Intent::Membership { account_id, .. } => Some(account_id.clone()),
            Intent::Account { .. } => None,
        });
        (known.outcomes.clone(), accounts.collect())
    }
}

impl Desks {
    /// Puts the removals of an acknowledged list on the desk of its target, and takes off what it no longer means.
    /// `consumed` are the outcomes that the list has taken in.
    pub fn remove(
        &self,
        context: &Arc<Context>,
        (namespace, target): (&str, &str),
        entitlement: &str,
        meant: Vec<Intent>,
        consumed: &[(Intent, Outcome)],
    ) {
        let place = place_of(entitlement);
        let Some(desk) = self.open(context, namespace, target) else {
            return;
        };
        let mut state = desk.state.lock();
        if meant.is_empty() && !state.people.contains_key(&place) {
            return;
        }
        // What the audit line says of each.
        let records = meant.iter().filter_map(|intent| match intent {
            Intent::Membership { key, account_id, .. } => Some(EntitlementRecord {
                entitlement: entitlement.to_owned(),
                target: key.target.clone(),
                kind: key.object.kind.clone(),
                remote_id: key.object.id.clone(),
                account_id: account_id.clone(),
                cause: Some(Cause::Drift),
                ..EntitlementRecord::default()
            }),
            Intent::Account { .. } => None,
        });
        let notes = EmployeeStatus {
            entitlements: records.collect(),
            ..EmployeeStatus::default()
        };
        let known = state.people.entry(place.clone()).or_default();
        let busy = known.take_on(meant, &[], consumed, &notes);
        if known.jobs.is_empty() && known.outcomes.is_empty() {
            state.people.remove(&place);
        }
        if busy {
            desk.news.notify_one();
        }
    }
}
