//! What a record says at a glance.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::update::LEFT;
use crate::api::conditions::{self, Fact, clip};
use crate::api::employee::{
    AccountRecord, AccountState, Counts, EmployeeStatus, EntitlementRecord, GrantState, NextTransition,
};
use crate::decide::drift::{contended_until, is_own, is_said_locked, spelled};
use crate::decide::index::{Namespace, Person};
use crate::decide::losses::{account_of_another, claimants};
use crate::decide::protected::PROTECTED;
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
    let contended = status.entitlements.iter().filter_map(|record| {
        let until = contended_until(&record.undone_at, now).filter(|_| record.state == GrantState::Contended)?;
        Some(NextTransition {
            at: Time(until),
            what: clip(
                &format!("grant {} again, which others keep undoing", record.entitlement),
                256,
            )
            .to_owned(),
        })
    });
    losses
        .chain(contended)
        .chain(deletions)
        .chain(facts)
        .min_by_key(|next| next.at.0)
}

/// Says what keeps the record from being decided.
pub(super) fn set_conditions(
    status: &mut EmployeeStatus,
    namespace: &Namespace,
    resolution: &Resolution,
    person: &Person,
    now: Timestamp,
) {
    let generation = person.generation;
    let mut say = |type_: &'static str, fact: Option<Fact>| match fact {
        Some(fact) => {
            conditions::set(&mut status.conditions, &fact, generation, now);
        }
        None => {
            conditions::clear(&mut status.conditions, type_);
        }
    };
    say(conditions::CONTENDED, contended(&status.entitlements, now));
    say(
        conditions::ACCOUNT_CONFLICT,
        account_conflict(namespace, person, &status.accounts),
    );
    say(conditions::ACCOUNT_LOCKED, locked(&status.accounts));
    let left = [
        kept_protected(&status.entitlements, resolution),
        left_in_place(&status.entitlements, &status.accounts, resolution)
            .map(|fact| holds_up(fact, &status.entitlements, person)),
        unmanaged::left_by_others(namespace, person, resolution.phase),
    ];
    say(
        conditions::UNMANAGED_ACCESS,
        left.into_iter().flatten().reduce(|all, more| Fact {
            message: format!("{} {}", all.message, more.message),
            ..all
        }),
    );
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
    if resolution.conflicts.is_empty() {
        conditions::clear(&mut status.conditions, conditions::CONFLICT);
    } else {
        let (reason, message) = contradiction(&resolution.conflicts);
        let fact = Fact::yes(conditions::CONFLICT, reason, message);
        conditions::set(&mut status.conditions, &fact, generation, now);
    }
}

/// What others keep undoing.
fn contended(records: &[EntitlementRecord], now: Timestamp) -> Option<Fact> {
    let contended = records.iter().filter(|record| record.state == GrantState::Contended);
    let said: Vec<String> = contended
        .map(|record| {
            let until = contended_until(&record.undone_at, now).map(spelled);
            let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
            format!("{} at {}{until}", record.entitlement, record.target)
        })
        .collect();
    (!said.is_empty()).then(|| {
        let message = format!(
            "Others undid this three times within a day, and it is left alone: {}. Find out who or what does it there, or have \
             no policy give it.",
            said.join("; ")
        );
        Fact::yes(conditions::CONTENDED, conditions::UNDONE, message)
    })
}

/// Accounts that two Employees lay claim to.
fn account_conflict(namespace: &Namespace, person: &Person, accounts: &[AccountRecord]) -> Option<Fact> {
    let said: Vec<String> = accounts
        .iter()
        .filter_map(|record| {
            let (target, id) = (&record.target, &record.id);
            if record.state == AccountState::Pending {
                let other = account_of_another(namespace, person, target, id)?;
                return Some(format!(
                    "account {id} at {target} matches this person and is Employee {other}'s"
                ));
            }
            let others = claimants(namespace, person, target, id);
            let others: Vec<&str> = others.iter().take(5).map(|other| other.name.as_str()).collect();
            (!others.is_empty() && is_own(record)).then(|| {
                let others = others.join(", ");
                format!("account {id} at {target} is this person's and matches Employee {others} too")
            })
        })
        .collect();
    (!said.is_empty()).then(|| {
        let message = format!(
            "An account belongs to one person: {}. The one who has it keeps it, and loses nothing of it meanwhile but by an exit \
             or a denial; the other is given nothing there. Tell the two apart by workEmail or username, or delete the row that \
             is not a person of its own.",
            said.join("; ")
        );
        Fact::yes(conditions::ACCOUNT_CONFLICT, conditions::CLAIMED_TWICE, message)
    })
}

/// Accounts that others made unusable.
fn locked(accounts: &[AccountRecord]) -> Option<Fact> {
    let locked = accounts.iter().filter(|record| is_said_locked(record));
    let locked: Vec<String> = locked
        .map(|record| format!("{} at {}", record.id, record.target))
        .collect();
    (!locked.is_empty()).then(|| {
        let message = format!(
            "Somebody deactivated the account at the target, and Rollcall, which cannot know why, leaves it so: {}. Activate it \
             there, if the person is to work with it; what policies give it is kept up to date meanwhile.",
            locked.join(", ")
        );
        Fact::yes(conditions::ACCOUNT_LOCKED, conditions::BY_OTHERS, message)
    })
}

/// What a leaver keeps since nobody may touch it.
fn kept_protected(records: &[EntitlementRecord], resolution: &Resolution) -> Option<Fact> {
    resolution.ending?;
    let kept = records.iter().filter(|record| record.reason == PROTECTED);
    let kept: Vec<String> = kept
        .map(|record| format!("{} at {}", record.entitlement, record.target))
        .collect();
    (!kept.is_empty()).then(|| {
        let message = format!(
            "Left to a person who is to lose everything, since the account is one of protectedAccounts: {}. Take it away there \
             by hand, or take the account out of that list.",
            kept.join(", ")
        );
        Fact::yes(conditions::UNMANAGED_ACCESS, conditions::PROTECTED, message)
    })
}

/// What a leaver keeps since `managementPolicies` leaves out the verb that would take it.
fn left_in_place(records: &[EntitlementRecord], accounts: &[AccountRecord], resolution: &Resolution) -> Option<Fact> {
    resolution.ending?;
    let records = records.iter().filter(|record| record.reason.starts_with(LEFT));
    let records = records.map(|record| format!("{} at {}", record.entitlement, record.target));
    let accounts = accounts.iter().filter(|record| record.reason.starts_with(LEFT));
    let accounts = accounts.map(|record| format!("the account at {}", record.target));
    let left: Vec<String> = records.chain(accounts).collect();
    (!left.is_empty()).then(|| {
        let message = format!(
            "Left to a person who is to lose everything, since managementPolicies of the TargetSystem leaves out the verb: {}. \
             Take it away there by hand, or add the verb.",
            left.join(", ")
        );
        Fact::yes(conditions::UNMANAGED_ACCESS, conditions::NOT_MANAGED, message)
    })
}

/// The same, where the deletion of the Employee waits for it.
fn holds_up(fact: Fact, records: &[EntitlementRecord], person: &Person) -> Fact {
    if !person.deleting || !records.iter().any(|record| record.reason.starts_with(LEFT)) {
        return fact;
    }
    Fact {
        reason: conditions::DELETION_WAITS,
        message: format!(
            "{} The Employee is being deleted with deletionPolicy Revoke and stays until a look at the target shows that it is              gone; with spec.deletionPolicy Orphan it goes now, and what is left is nobody's record.",
            fact.message
        ),
        ..fact
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
