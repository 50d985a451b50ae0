//! What a `ChangeSet` holds: its members, as the records of the people name it, and what comes of a decision.

use jiff::Timestamp;
use serde::Serialize;

use super::find::label;
use crate::api::ChangeSet;
use crate::api::change_set::{ChangeSetState, ChangeSetStatus, Decision, TargetShare};
use crate::decide::gains::is_about_gain;
use crate::decide::guard::label_of_change;
use crate::decide::index::{Entry, Namespace, Person};
use crate::decide::record::waits;

/// A `ChangeSet`, with every change that it is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: ChangeSetState,
    /// Why these changes are called for: the cause of the losses, or `Grants`.
    pub cause: String,
    /// Which budget they exceed, in plain words.
    pub why: String,
    /// What a decision must name, as a proof of what was looked at.
    pub digest: String,
    /// How many people it was about when it was made.
    pub people: u32,
    /// How many changes it had when it was made.
    pub changes: u32,
    /// How many still wait.
    pub waiting: u32,
    /// Changes by target, when it was made.
    pub targets: Vec<TargetShare>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When nothing of it waited any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// What was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Why it was decided so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The changes that the records name it for, in order of person.
    pub members: Vec<Held>,
    /// At most 100 of the changes, as they were when it was made.
    pub sample: Vec<String>,
}

/// One change that a record names a `ChangeSet` for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Name of the `Employee`; of what no record explains, `account/` and the account's id.
    pub employee: String,
    /// The person, for people.
    pub person: String,
    /// Name of the `TargetSystem`.
    pub target: String,
    /// What changes: `-code` is lost, `+code` is given; `-account` is the use of the account, and
    /// `-deletion` the account itself.
    pub change: String,
    /// The state that the record is in.
    pub state: String,
    /// Whether it still waits for the decision.
    pub waits: bool,
}

/// The `ChangeSet` of this name, with every change that the records name it for.
///
/// The error is a sentence: there is none of that name, or it cannot be read.
pub fn sheet(namespace: &Namespace, name: &str) -> Result<Sheet, String> {
    match namespace.change_sets.get(name) {
        Some(Entry::Readable(set)) => Ok(sheet_of(namespace, name, set)),
        Some(Entry::Broken { error, .. }) => Err(format!("ChangeSet {name} cannot be read: {error}")),
        None => {
            let known: Vec<&str> = namespace.change_sets.keys().map(String::as_str).take(20).collect();
            Err(if known.is_empty() {
                format!("no ChangeSet is called {name}: there is none in this namespace, so nothing waits")
            } else {
                format!("no ChangeSet is called {name}: there are {}", known.join(", "))
            })
        }
    }
}

/// Every `ChangeSet`: what waits for a decision first, then the newest.
pub fn sheets(namespace: &Namespace) -> Vec<Sheet> {
    let readable = namespace
        .change_sets
        .iter()
        .filter_map(|(name, entry)| Some((name, entry.readable()?)));
    let mut sheets: Vec<Sheet> = readable.map(|(name, set)| sheet_of(namespace, name, set)).collect();
    sheets.sort_by_key(|sheet| {
        let age = sheet.opened_at.map(std::cmp::Reverse);
        (sheet.state != ChangeSetState::Open, age, sheet.name.clone())
    });
    sheets
}

fn sheet_of(namespace: &Namespace, name: &str, set: &ChangeSet) -> Sheet {
    let ChangeSetStatus {
        state,
        cause,
        why,
        digest,
        people,
        changes,
        waiting,
        targets,
        opened_at,
        closed_at,
        sample,
        ..
    } = set.status.clone().unwrap_or_default();
    let everybody = namespace.employees.values();
    Sheet {
        name: name.to_owned(),
        state,
        cause,
        why,
        digest,
        people,
        changes,
        waiting,
        targets,
        opened_at: opened_at.map(|at| at.0),
        closed_at: closed_at.map(|at| at.0),
        decision: set.spec.decision,
        reason: set.spec.reason.clone(),
        members: everybody
            .flat_map(|person| held(person, name))
            .chain(strangers(namespace, name))
            .collect(),
        sample,
    }
}

/// What the lists of Entitlements name the `ChangeSet` for.
fn strangers(namespace: &Namespace, name: &str) -> Vec<Held> {
    let mut strangers = Vec::new();
    for (entitlement, entry) in &namespace.entitlements {
        let Some(found) = entry.readable() else { continue };
        let list = found.status.iter().flat_map(|status| &status.unmanaged);
        for entry in list.filter(|entry| entry.change_set == name) {
            let person = namespace.employees.get(&entry.employee);
            let whose = person.map_or("nobody's that is known".to_owned(), |person| label(person));
            strangers.push(Held {
                employee: format!("account/{}", entry.account_id),
                person: format!("account {} ({whose})", entry.account_id),
                target: found.spec.target_ref.name.clone(),
                change: format!("-{entitlement}"),
                state: format!("{:?}", entry.state),
                waits: waits(&entry.change_set, &entry.approval),
            });
        }
    }
    strangers
}

/// What the records of a person name the `ChangeSet` for.
fn held(person: &Person, name: &str) -> Vec<Held> {
    let held = |target: &str, change: String, state: String, waits: bool| Held {
        employee: person.name.clone(),
        person: label(person),
        target: target.to_owned(),
        change,
        state,
        waits,
    };
    let grants = person.status.entitlements.iter();
    let grants = grants.filter(|record| record.change_set == name).map(|record| {
        let sign = if is_about_gain(record) { '+' } else { '-' };
        let change = if record.parameter_change.is_empty() {
            format!("{sign}{}", record.entitlement)
        } else {
            label_of_change(&record.entitlement, &record.parameter_change)
        };
        let waits = waits(&record.change_set, &record.approval);
        held(&record.target, change, format!("{:?}", record.state), waits)
    });
    let accounts = person.status.accounts.iter().flat_map(|record| {
        let said = |what: &str, change_set: &str, approval: &str| {
            let waits = waits(change_set, approval);
            let state = format!("{:?}", record.state);
            (change_set == name).then(|| held(&record.target, what.to_owned(), state, waits))
        };
        let use_of_it = said("-account", &record.change_set, &record.approval);
        let deletion = record.deletion.as_ref();
        let deletion = deletion.and_then(|deletion| said("-deletion", &deletion.change_set, &deletion.approval));
        use_of_it.into_iter().chain(deletion)
    });
    grants.chain(accounts).collect()
}
