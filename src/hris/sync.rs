//! From a book to what has to be written, computed whole before the first write.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use std::collections::BTreeMap;

use super::attributes::{ATTRIBUTES, keep_only};
use super::book::Book;
use super::facts::{Facts, Reader};
use super::models::EmployeeRow;
use super::names::{match_rows, merge_id, remote_id};
use crate::api::common::NameRef;
use crate::api::employee::{EmployeeSpec, Source, SourceState};
use crate::api::hris_connection::{HRISConnectionSpec, SyncKind};
use crate::decide::index::Person;

/// What a trusted read changes in the mirror.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    /// Employees to make: names and whole specs, in the order of the names.
    pub creates: Vec<(String, EmployeeSpec)>,
    /// Employees whose facts changed: names and whole new specs, in the order of the names.
    pub updates: Vec<(String, EmployeeSpec)>,
    /// How many Employees stay as they are.
    pub unchanged: usize,
    /// How many of the updates say that somebody is newly absent or deleted.
    pub departed: usize,
}

impl Diff {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.creates.is_empty() && self.updates.is_empty()
    }
}

/// What has to be written so that `existing`, the Employees of this connection, say what the book says.
///
/// An attribute that had a value and has none is listed as unconfirmed until a later full read finds it empty again,
/// and one that rests on a row that was not read is listed for as long as that is so. Absence is recorded by a full
/// read only, keeps the facts as they were, and never replaces a deletion, which is evidence. `since` moves with the
/// state alone, so that a second call with the same book has nothing to write.
pub fn diff(
    connection: &str,
    spec: &HRISConnectionSpec,
    book: &Book,
    kind: SyncKind,
    existing: &[&Person],
    now: Timestamp,
) -> Diff {
    let matches = match_rows(connection, book, existing);
    let mut reader = Reader::new(book, spec, &matches.names, now);
    let people: BTreeMap<&str, &Person> = existing.iter().map(|person| (person.name.as_str(), *person)).collect();
    let context = Context {
        connection,
        spec,
        kind,
        // Whole seconds, as Kubernetes writes times.
        now: Time(Timestamp::from_second(now.as_second()).unwrap_or(now)),
    };
    let mut diff = Diff::default();
    for (name, row) in &matches.rows {
        let facts = reader.facts(row);
        match people.get(name.as_str()) {
            None => diff.creates.push((name.clone(), context.listed(row, facts, None))),
            Some(person) => {
                let new = context.listed(row, facts, Some(&person.spec));
                diff.update(person, new);
            }
        }
    }
    for (name, person) in people {
        if !matches.rows.contains_key(name) {
            diff.update(person, context.unlisted(&person.spec));
        }
    }
    diff.updates.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    diff
}

impl Diff {
    fn update(&mut self, person: &Person, new: EmployeeSpec) {
        if new == person.spec {
            self.unchanged += 1;
            return;
        }
        let state = |spec: &EmployeeSpec| spec.source.as_ref().map(|source| source.state);
        if state(&new) != state(&person.spec) && state(&new) != Some(SourceState::Present) {
            self.departed += 1;
        }
        self.updates.push((person.name.clone(), new));
    }
}

struct Context<'a> {
    connection: &'a str,
    spec: &'a HRISConnectionSpec,
    kind: SyncKind,
    now: Time,
}

impl Context<'_> {
    /// The new spec of somebody whom a row speaks for.
    fn listed(&self, row: &EmployeeRow, facts: Facts, old: Option<&EmployeeSpec>) -> EmployeeSpec {
        let Facts { mut spec, doubtful } = facts;
        let old_source = old.and_then(|old| old.source.as_ref());
        let state = if row.remote_was_deleted {
            SourceState::Deleted
        } else {
            SourceState::Present
        };
        let mut unconfirmed = Vec::new();
        for attribute in ATTRIBUTES
            .iter()
            .filter(|attribute| self.spec.fields.contains(&attribute.field))
        {
            if state == SourceState::Deleted {
                // Deleted rows lose their values, and lost values of the deleted say nothing.
                if let Some(old) = old.filter(|_| (attribute.is_empty)(&spec)) {
                    (attribute.copy)(old, &mut spec);
                }
                continue;
            }
            let lost = (attribute.is_empty)(&spec)
                && old.is_some_and(|old| {
                    let marked =
                        old_source.is_some_and(|source| source.unconfirmed.iter().any(|n| n == attribute.name));
                    !(attribute.is_empty)(old) || (marked && self.kind == SyncKind::Incremental)
                });
            if lost || doubtful.contains(attribute.name) {
                unconfirmed.push(attribute.name.to_owned());
            }
        }
        let since = old_source
            .filter(|source| source.state == state)
            .and_then(|source| source.since.clone());
        spec.connection_ref = Some(NameRef::new(self.connection));
        spec.source = Some(Source {
            state,
            since: since.or_else(|| Some(self.now.clone())),
            merge_id: merge_id(row),
            remote_id: remote_id(row).or_else(|| old_source.and_then(|source| source.remote_id.clone())),
            unconfirmed,
        });
        spec.deletion_policy = old.map(|old| old.deletion_policy).unwrap_or_default();
        spec
    }

    /// The new spec of somebody for whom no row speaks.
    fn unlisted(&self, old: &EmployeeSpec) -> EmployeeSpec {
        let mut spec = old.clone();
        keep_only(&self.spec.fields, &mut spec);
        if self.kind == SyncKind::Full {
            let source = spec.source.get_or_insert_default();
            if source.state == SourceState::Present {
                source.state = SourceState::Absent;
                source.since = Some(self.now.clone());
            }
        }
        spec
    }
}
