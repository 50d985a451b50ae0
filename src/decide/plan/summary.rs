//! What a record says at a glance.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::{self, Fact, clip};
use crate::api::employee::{Counts, EmployeeStatus, EntitlementRecord, NextTransition};
use crate::decide::index::{Namespace, Person};
use crate::decide::resolve::{Conflict, Disagreement, Resolution};
use crate::decide::unmanaged;

/// How many entitlements are in which state.
pub(super) fn count(records: &[EntitlementRecord]) -> Counts {
    let mut counts = Counts::default();
    for record in records {
        counts.add(record.state);
    }
    counts
}

/// The next instant at which time alone changes something. A deletion that is overdue waits for something else.
pub(super) fn next_transition(
    resolution: &Resolution,
    status: &EmployeeStatus,
    now: Timestamp,
) -> Option<NextTransition> {
    let losses = status.entitlements.iter().filter_map(|record| {
        let at = record.scheduled_at.as_ref().filter(|at| at.0 > now)?;
        Some(NextTransition {
            at: at.clone(),
            what: clip(&format!("the grace of {} ends", record.entitlement), 256).to_owned(),
        })
    });
    let deletions = status.accounts.iter().filter_map(|record| {
        let at = record.scheduled_at.as_ref().filter(|at| at.0 > now)?;
        Some(NextTransition {
            at: at.clone(),
            what: format!("delete the account at {}", record.target),
        })
    });
    let facts = resolution.next.iter().map(|(at, what)| NextTransition {
        at: Time(*at),
        what: clip(what, 256).to_owned(),
    });
    losses.chain(deletions).chain(facts).min_by_key(|next| next.at.0)
}

/// Says what keeps the record from being decided.
pub(super) fn set_conditions(
    status: &mut EmployeeStatus,
    resolution: &Resolution,
    namespace: &Namespace,
    person: &Person,
    now: Timestamp,
) {
    let generation = person.generation;
    // Said of an Employee that could not be read; this one was.
    conditions::clear(&mut status.conditions, conditions::READY);
    match &resolution.status_unknown {
        Some(reason) => {
            let fact = Fact::yes(conditions::STATUS_UNKNOWN, "Unreadable", reason.clone());
            conditions::set(&mut status.conditions, &fact, generation, now);
        }
        None => {
            conditions::clear(&mut status.conditions, conditions::STATUS_UNKNOWN);
        }
    }
    match &resolution.zone_unknown {
        Some(reason) => {
            let fact = Fact::yes(conditions::ZONE_UNKNOWN, conditions::GUESSED, reason.clone());
            conditions::set(&mut status.conditions, &fact, generation, now);
        }
        None => {
            conditions::clear(&mut status.conditions, conditions::ZONE_UNKNOWN);
        }
    }
    unmanaged::set_condition(&mut status.conditions, namespace, person, resolution.phase, now);
    if resolution.conflicts.is_empty() {
        conditions::clear(&mut status.conditions, conditions::CONFLICT);
    } else {
        let (reason, message) = contradiction(&resolution.conflicts);
        let fact = Fact::yes(conditions::CONFLICT, reason, message);
        conditions::set(&mut status.conditions, &fact, generation, now);
    }
}

/// A reason and a sentence for what policies contradict each other in.
fn contradiction(conflicts: &[Conflict]) -> (&'static str, String) {
    let of = |parameters: bool| -> String {
        let of_kind = |conflict: &&Conflict| (conflict.about == Disagreement::Parameters) == parameters;
        let conflicts = conflicts.iter().filter(of_kind);
        let policies: BTreeSet<&str> = conflicts.flat_map(|c| c.policies.iter().map(String::as_str)).collect();
        policies.into_iter().collect::<Vec<_>>().join(", ")
    };
    let (differ, rivals) = (of(true), of(false));
    let mut sentences = Vec::new();
    if !differ.is_empty() {
        sentences.push(format!(
            "policies {differ} give the same entitlement with different parameters at equal priority, so it stays as it is: \
             give one of them a higher priority"
        ));
    }
    if !rivals.is_empty() {
        sentences.push(format!(
            "{rivals} give more than one entitlement of an exclusive group at equal priority, so none of them is given: give \
             one of them a higher priority"
        ));
    }
    let reason = if differ.is_empty() {
        conditions::EXCLUSIVE
    } else {
        conditions::PARAMETERS_DIFFER
    };
    (reason, sentences.join("; "))
}
