//! Who it is, where they are between joining and leaving, and where that is known from.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::find::label;
use crate::api::conditions::{REACHABLE, SOURCE_TRUSTED};
use crate::api::employee::{AccountState, Cause, Origin, Phase, SourceState};
use crate::decide::index::{Entry, Namespace, Person};
use crate::decide::phase::{PhaseRules, calendar_date};
use crate::decide::record::waits;
use crate::decide::resolve::Resolution;

/// Who it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the attribute of that name in Employee.spec")]
pub struct Identity {
    /// Name of the `Employee`.
    pub employee: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub employee_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_title: Option<String>,
    /// Paths of the departments.
    pub departments: Vec<String>,
    /// The manager, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
}

impl Identity {
    pub(super) fn of(namespace: &Namespace, person: &Person) -> Self {
        let spec = &person.spec;
        let manager = spec.manager_ref.as_ref().map(|manager| {
            let known = namespace.employees.get(&manager.name);
            known.map_or_else(|| format!("{} (not there)", manager.name), |manager| label(manager))
        });
        Self {
            employee: person.name.clone(),
            display_name: spec.display_name.clone(),
            work_email: spec.work_email.clone(),
            employee_number: spec.employee_number.clone(),
            job_title: spec.job_title.clone(),
            departments: spec.departments.iter().map(|group| group.path.join(" > ")).collect(),
            manager,
        }
    }
}

/// Where the person is between joining and leaving.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseReport {
    /// The phase that the facts give.
    pub phase: Phase,
    /// The phase on record, where it is another: the record is older than the facts, or than this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Phase>,
    /// The facts that it comes from, in plain words.
    pub facts: Vec<String>,
    /// What cannot be told, and what is done meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
    /// Why everything stays as it is, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// Why everything goes, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<Cause>,
}

impl PhaseReport {
    pub(super) fn of(namespace: &Namespace, person: &Person, resolution: &Resolution) -> Self {
        let status_unknown = resolution.status_unknown.iter().map(|why| {
            let phase = resolution.phase;
            format!("{why}: the phase stays {phase:?} where the facts do not tell")
        });
        Self {
            phase: resolution.phase,
            recorded: person.status.phase.filter(|phase| *phase != resolution.phase),
            facts: facts(namespace, person),
            doubts: status_unknown.chain(resolution.zone_unknown.clone()).collect(),
            frozen: resolution.frozen.clone(),
            ending: resolution.ending,
        }
    }
}

fn facts(namespace: &Namespace, person: &Person) -> Vec<String> {
    let spec = &person.spec;
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let mut facts = Vec::new();
    if let Some(source) = &spec.source {
        let since = source.since.as_ref().map(|at| format!(" since {}", at.0));
        let since = since.unwrap_or_default();
        match source.state {
            SourceState::Present => {}
            SourceState::Absent => facts.push(format!(
                "the HRIS has not listed the person{since}, which proves nothing"
            )),
            SourceState::Deleted => facts.push(format!("the HRIS says that the person's row was deleted{since}")),
        }
    }
    facts.push(match said(&spec.employment_status) {
        Some(status) if status.trim().eq_ignore_ascii_case("INACTIVE") => {
            let meaning = PhaseRules::of(namespace, spec).inactive_means;
            match meaning {
                Some(meaning) => format!("employmentStatus {status}, which means {meaning:?} here"),
                None => format!("employmentStatus {status}"),
            }
        }
        Some(status) => format!("employmentStatus {status}"),
        None if spec.connection_ref.is_none() => "no employmentStatus, which means at work".to_owned(),
        None => "no employmentStatus".to_owned(),
    });
    facts.extend(said(&spec.start_date).map(|date| format!("startDate {date}")));
    if let Some(end) = said(&spec.termination_date) {
        let before = |end: &str| {
            let start = calendar_date(spec.start_date.as_deref()?)?;
            Some(calendar_date(end)? < start)
        };
        facts.push(if before(&end) == Some(true) {
            format!("terminationDate {end}, which lies before startDate and is of an employment before")
        } else {
            format!("terminationDate {end}")
        });
    }
    if person.deleting {
        facts.push(format!(
            "the Employee is being deleted, with deletionPolicy {:?}",
            spec.deletion_policy
        ));
    }
    facts
}

/// The sync that the facts came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    /// Name of the `HRISConnection`.
    pub connection: String,
    /// Whether the HRIS lists the person.
    pub state: SourceState,
    /// When that state began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When the connection's last trusted sync ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_trusted_sync: Option<Timestamp>,
    /// Attributes that had a value and have none now, until that is confirmed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<String>,
    /// Why the facts may be old, where they may: the connection cannot be read, or its last sync was not trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl SourceReport {
    pub(super) fn of(namespace: &Namespace, person: &Person) -> Option<Self> {
        let connection = person.spec.connection_ref.as_ref()?.name.clone();
        let source = person.spec.source.clone().unwrap_or_default();
        let entry = namespace.connections.get(&connection);
        let status = entry
            .and_then(Entry::readable)
            .and_then(|connection| connection.status.as_ref());
        let trouble = match entry {
            None => Some(format!("HRISConnection {connection} is not there")),
            Some(Entry::Broken { error, .. }) => Some(format!("HRISConnection {connection} cannot be read: {error}")),
            Some(Entry::Readable(_)) => status.and_then(|status| {
                let mut conditions = status.conditions.iter();
                let distrust = conditions.find(|c| c.type_ == SOURCE_TRUSTED && c.status != "True")?;
                Some(format!("the last sync was not trusted: {}", distrust.message))
            }),
        };
        Some(Self {
            state: source.state,
            since: source.since.map(|at| at.0),
            last_trusted_sync: status
                .and_then(|status| status.last_trusted_sync.as_ref())
                .map(|at| at.0),
            unconfirmed: source.unconfirmed,
            trouble,
            connection,
        })
    }
}

/// One account of the person.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountReport {
    /// Name of the `TargetSystem`.
    pub target: String,
    /// The target's own id; empty until the account is there.
    pub id: String,
    /// Where it is.
    pub state: AccountState,
    /// Whether we made it or found it.
    pub origin: Origin,
    /// When a deletion is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// What is to be said of it: why it is so, what it waits in, what the target refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

pub(super) fn accounts(namespace: &Namespace, person: &Person) -> Vec<AccountReport> {
    let report = |record: &crate::api::employee::AccountRecord| {
        let mut notes = Vec::new();
        if !record.reason.is_empty() {
            notes.push(record.reason.clone());
        }
        if !record.change_set.is_empty() {
            notes.push(format!("ChangeSet {}", record.change_set));
        }
        let deletion = record.deletion.as_ref();
        if let Some(deletion) = deletion.filter(|deletion| waits(&deletion.change_set, &deletion.approval)) {
            let name = &deletion.change_set;
            notes.push(format!(
                "its deletion waits in ChangeSet {name}: `rollcall changeset show {name}`"
            ));
        }
        if !record.last_error.is_empty() {
            notes.push(format!("last error: {}", record.last_error));
        }
        notes.extend(unreachable(namespace, &record.target));
        AccountReport {
            target: record.target.clone(),
            id: record.id.clone(),
            state: record.state,
            origin: record.origin,
            scheduled_at: record.scheduled_at.as_ref().map(|at: &Time| at.0),
            notes,
        }
    };
    person.status.accounts.iter().map(report).collect()
}

/// What keeps a target from being asked, where something does.
pub(super) fn unreachable(namespace: &Namespace, target: &str) -> Option<String> {
    let found = match namespace.targets.get(target) {
        None => {
            return Some(format!(
                "target {target} is not there, so that nothing can be done at it"
            ));
        }
        Some(Entry::Broken { error, .. }) => return Some(format!("target {target} cannot be read: {error}")),
        Some(Entry::Readable(found)) => found,
    };
    let annotations = found.metadata.annotations.as_ref();
    if annotations.is_some_and(|all| all.contains_key(crate::api::PAUSED_ANNOTATION)) {
        return Some(format!(
            "target {target} is paused by the annotation {}: nothing is sent to it",
            crate::api::PAUSED_ANNOTATION
        ));
    }
    let mut conditions = found.status.iter().flat_map(|status| &status.conditions);
    let silent = conditions.find(|c| c.type_ == REACHABLE && c.status == "False")?;
    Some(format!("target {target} cannot be reached: {}", silent.message))
}
