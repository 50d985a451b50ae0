//! From a book to what has to be written, computed whole before the first write.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::attributes::{ATTRIBUTES, keep_only};
use super::book::Book;
use super::custom::{keep_declared, names, unconfirmed_name};
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

/// What has to be written so that `existing`, the Employees of this connection and no others, say what the book says.
/// `kind` is what was read in the end ([`Read::kind`](super::trust::Read::kind)), not what was asked for.
///
/// An attribute that had a value and has none (or a place that lost its country) is listed as unconfirmed until a later
/// full read finds it so again, and one that rests on a row that was not read is listed for as long as that is so;
/// custom fields likewise. Absence is recorded by a full read only, keeps the facts as they were, and never replaces a deletion, which is evidence. `since` moves with the
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
        let person = people.get(name.as_str());
        let old = person.map(|person| &person.spec);
        let new = context.listed(row, reader.facts(row, old), old);
        match person {
            None => diff.creates.push((name.clone(), new)),
            Some(person) => diff.update(person, new),
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
            let lost = old.is_some_and(|old| {
                let marked =
                    || old_source.is_some_and(|source| source.unconfirmed.iter().any(|name| name == attribute.name));
                (attribute.is_lost)(old, &spec)
                    || (self.kind == SyncKind::Incremental && (attribute.stays_lost)(old, &spec) && marked())
            });
            if lost || doubtful.contains(attribute.name) {
                unconfirmed.push(attribute.name.to_owned());
            }
        }
        self.custom_fields(row, &mut spec, old, &mut unconfirmed);
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
            custom_fields: names(&self.spec.custom_fields).into_iter().collect(),
        });
        spec.deletion_policy = old.map(|old| old.deletion_policy).unwrap_or_default();
        spec
    }

    /// What is said of attributes is said of custom fields too: the deleted keep what they lost, what others lost is
    /// listed, and what was not read is listed and stays as it was.
    fn custom_fields(
        &self,
        row: &EmployeeRow,
        spec: &mut EmployeeSpec,
        old: Option<&EmployeeSpec>,
        unconfirmed: &mut Vec<String>,
    ) {
        let marks = old
            .and_then(|old| old.source.as_ref())
            .map_or(&[][..], |source| &source.unconfirmed);
        for name in names(&self.spec.custom_fields) {
            let had = old.and_then(|old| old.custom_fields.get(&name));
            let gone = !spec.custom_fields.contains_key(&name);
            let unread = row.custom.unread.contains(&name);
            let keeps = row.remote_was_deleted || unread;
            if let Some(value) = had.filter(|_| gone && keeps) {
                spec.custom_fields.insert(name.clone(), value.clone());
            }
            if row.remote_was_deleted {
                continue;
            }
            let mark = unconfirmed_name(&name);
            let stays = self.kind == SyncKind::Incremental && marks.contains(&mark);
            if unread || gone && (had.is_some() || stays) {
                unconfirmed.push(mark);
            }
        }
    }

    /// The new spec of somebody for whom no row speaks.
    fn unlisted(&self, old: &EmployeeSpec) -> EmployeeSpec {
        let mut spec = old.clone();
        keep_only(&self.spec.fields, &mut spec);
        keep_declared(&self.spec.custom_fields, &mut spec);
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::employee::DeletionPolicy;
    use crate::hris::names::employee_name;
    use crate::hris::testing::{apply, book, connection};

    type People = BTreeMap<String, Person>;

    fn sync_with(spec: &HRISConnectionSpec, lists: Value, kind: SyncKind, people: &mut People, now: &str) -> Diff {
        let existing: Vec<_> = people.values().collect();
        let diff = diff("hr", spec, &book(lists), kind, &existing, now.parse().unwrap());
        apply(&diff, people);
        diff
    }

    fn sync(lists: Value, kind: SyncKind, people: &mut People, now: &str) -> Diff {
        sync_with(&connection(), lists, kind, people, now)
    }

    const DAY_1: &str = "2026-11-23T12:00:00.123456Z";
    const DAY_2: &str = "2026-11-24T12:00:00Z";
    /// Of the same day, so that no position begins meanwhile.
    const LATER: &str = "2026-11-24T13:00:00Z";
    const DAY_3: &str = "2026-11-25T12:00:00Z";

    fn ada() -> Value {
        json!({"id": "m1", "remote_id": "r1", "first_name": "Ada", "work_email": "ada@example.com", "employment_status": "ACTIVE"})
    }

    fn source(people: &People) -> Source {
        people[&employee_name("hr", "r1")].spec.source.clone().unwrap()
    }

    fn since(people: &People) -> String {
        source(people).since.unwrap().0.to_string()
    }

    #[test]
    fn a_new_person_is_present_since_now() {
        let mut people = People::new();
        let diff = sync(json!({"employees": [ada()]}), SyncKind::Full, &mut people, DAY_1);
        assert_eq!(
            (diff.creates.len(), diff.updates.len(), diff.unchanged, diff.departed),
            (1, 0, 0, 0)
        );
        let spec = &people[&employee_name("hr", "r1")].spec;
        assert_eq!(spec.connection_ref, Some(NameRef::new("hr")));
        assert_eq!(
            serde_json::to_value(spec.source.as_ref().unwrap()).unwrap(),
            json!({"state": "Present", "since": "2026-11-23T12:00:00Z", "mergeId": "m1", "remoteId": "r1"})
        );
    }

    #[test]
    fn the_spec_is_replaced_whole_and_keeps_what_the_cluster_decided() {
        let mut people = People::new();
        sync(json!({"employees": [ada()]}), SyncKind::Full, &mut people, DAY_1);
        let person = people.values_mut().next().unwrap();
        person.spec.deletion_policy = DeletionPolicy::Revoke;
        person.spec.job_title = Some("Self-appointed".into());
        let diff = sync(json!({"employees": [ada()]}), SyncKind::Incremental, &mut people, DAY_2);
        assert_eq!(diff.updates.len(), 1);
        let spec = &people.values().next().unwrap().spec;
        assert_eq!((spec.deletion_policy, &spec.job_title), (DeletionPolicy::Revoke, &None));
        assert_eq!(since(&people), "2026-11-23T12:00:00Z");
    }

    #[test]
    fn absence_needs_a_full_read_and_deletion_outlasts_absence() {
        let mut people = People::new();
        let none = || json!({"employees": []});
        sync(json!({"employees": [ada()]}), SyncKind::Full, &mut people, DAY_1);
        let before = people.clone();
        assert!(sync(none(), SyncKind::Incremental, &mut people, DAY_2).is_empty());
        let diff = sync(none(), SyncKind::Full, &mut people, DAY_2);
        assert_eq!((diff.updates.len(), diff.departed), (1, 1));
        assert_eq!(
            (source(&people).state, since(&people).as_str()),
            (SourceState::Absent, "2026-11-24T12:00:00Z")
        );
        let diff = sync(none(), SyncKind::Full, &mut people, DAY_3);
        assert_eq!((diff.is_empty(), diff.unchanged, diff.departed), (true, 1, 0));
        sync(json!({"employees": [ada()]}), SyncKind::Incremental, &mut people, DAY_3);
        assert_eq!(since(&people), "2026-11-25T12:00:00Z");
        assert_eq!(source(&people).state, SourceState::Present);

        let mut people = before;
        let deleted = json!({"employees": [{"id": "m1", "remote_was_deleted": true}]});
        sync(deleted, SyncKind::Full, &mut people, DAY_2);
        assert_eq!(source(&people).state, SourceState::Deleted);
        assert!(sync(none(), SyncKind::Full, &mut people, DAY_3).is_empty());
    }

    #[test]
    fn a_deleted_row_keeps_the_facts_that_it_lost() {
        let mut people = People::new();
        sync(json!({"employees": [ada()]}), SyncKind::Full, &mut people, DAY_1);
        let deleted = || {
            json!({"employees": [{"id": "m1", "remote_was_deleted": true, "groups": ["lost"], "manager": "lost",
                                  "termination_date": "2026-11-20T00:00:00Z"}]})
        };
        let diff = sync(deleted(), SyncKind::Incremental, &mut people, DAY_2);
        assert_eq!((diff.updates.len(), diff.departed), (1, 1));
        let spec = &people.values().next().unwrap().spec;
        assert_eq!(spec.given_name.as_deref(), Some("Ada"));
        assert_eq!(spec.termination_date.as_deref(), Some("2026-11-20"));
        let source = source(&people);
        assert_eq!(
            (source.state, source.remote_id.as_deref()),
            (SourceState::Deleted, Some("r1"))
        );
        assert!(source.unconfirmed.is_empty());
        assert!(sync(deleted(), SyncKind::Full, &mut people, DAY_3).is_empty());
    }

    #[test]
    fn a_lost_attribute_is_marked_until_a_later_full_read() {
        let nulled = || json!({"employees": [{"id": "m1", "remote_id": "r1", "employment_status": "ACTIVE"}]});
        for first in [SyncKind::Full, SyncKind::Incremental] {
            let mut people = People::new();
            sync(json!({"employees": [ada()]}), SyncKind::Full, &mut people, DAY_1);
            sync(nulled(), first, &mut people, DAY_2);
            assert_eq!(source(&people).unconfirmed, ["displayName", "givenName", "workEmail"]);
            assert!(sync(nulled(), SyncKind::Incremental, &mut people, DAY_2).is_empty());
            let mut back = people.clone();
            assert_eq!(sync(nulled(), SyncKind::Full, &mut people, DAY_3).updates.len(), 1);
            assert!(source(&people).unconfirmed.is_empty());
            assert!(sync(nulled(), SyncKind::Full, &mut people, DAY_3).is_empty());
            // What comes back is no longer in doubt.
            sync(json!({"employees": [ada()]}), SyncKind::Incremental, &mut back, DAY_3);
            assert!(source(&back).unconfirmed.is_empty());
        }
    }

    #[test]
    fn what_is_not_mirrored_is_absent_and_never_marked() {
        let mut people = People::new();
        let bea = json!({"id": "m2", "remote_id": "r2", "first_name": "Bea"});
        sync(json!({"employees": [ada(), bea]}), SyncKind::Full, &mut people, DAY_1);
        let mut narrow = connection();
        narrow.fields.retain(|field| format!("{field:?}") == "EmploymentStatus");
        let diff = sync_with(
            &narrow,
            json!({"employees": [ada()]}),
            SyncKind::Incremental,
            &mut people,
            DAY_2,
        );
        assert_eq!(diff.updates.len(), 2);
        for person in people.values() {
            let source = person.spec.source.as_ref().unwrap();
            assert_eq!((&person.spec.given_name, source.unconfirmed.len()), (&None, 0));
        }
    }

    #[test]
    fn a_manager_who_is_absent_is_still_the_manager() {
        let mut people = People::new();
        let mut ada = ada();
        ada["manager"] = json!("m2");
        let boss = json!({"id": "m2", "remote_id": "r2"});
        sync(
            json!({"employees": [ada.clone(), boss]}),
            SyncKind::Full,
            &mut people,
            DAY_1,
        );
        let diff = sync(json!({"employees": [ada]}), SyncKind::Full, &mut people, DAY_2);
        assert_eq!((diff.updates.len(), diff.departed), (1, 1));
        assert!(source(&people).unconfirmed.is_empty());
    }

    #[test]
    fn a_row_that_merge_made_anew_is_the_same_person() {
        let mut people = People::new();
        sync(json!({"employees": [ada()]}), SyncKind::Full, &mut people, DAY_1);
        let mut anew = ada();
        anew["id"] = json!("m2");
        let mut old = ada();
        (old["remote_was_deleted"], old["modified_at"]) = (json!(true), json!("2026-11-24T00:00:00Z"));
        let diff = sync(json!({"employees": [old, anew]}), SyncKind::Full, &mut people, DAY_2);
        assert_eq!(
            (diff.creates.len(), diff.updates.len(), diff.unchanged, diff.departed),
            (0, 1, 0, 0)
        );
        assert_eq!(
            (source(&people).state, source(&people).merge_id.as_deref()),
            (SourceState::Present, Some("m2"))
        );
    }

    /// One custom field from a mapping and one from remote data, and rows read for them.
    mod custom {
        use super::*;
        use crate::hris::book::Book;
        use crate::hris::models::{EmployeeRow, Row};

        fn spec() -> HRISConnectionSpec {
            let custom_fields = json!([
                {"name": "costCenter", "fieldMapping": "cost_center"},
                {"name": "grade", "type": "Integer", "remoteData": {"path": "/jobs", "pointer": "/grade"}},
            ]);
            HRISConnectionSpec {
                custom_fields: serde_json::from_value(custom_fields).unwrap(),
                ..connection()
            }
        }

        fn ada(mappings: &Value, remote_data: &Value) -> Value {
            let mut row = super::ada();
            row["field_mappings"] = json!({"organization_defined_targets": mappings});
            row["remote_data"] = remote_data.clone();
            row
        }

        fn grade(grade: &Value) -> Value {
            json!([{"path": "/jobs", "data": {"grade": grade}}])
        }

        fn sync(spec: &HRISConnectionSpec, row: Value, kind: SyncKind, people: &mut People) -> Diff {
            let mut book = Book::default();
            book.employees
                .upsert([EmployeeRow::read(row, &spec.custom_fields).unwrap()]);
            let existing: Vec<_> = people.values().collect();
            let diff = diff("hr", spec, &book, kind, &existing, DAY_2.parse().unwrap());
            apply(&diff, people);
            diff
        }

        fn values(people: &People) -> Value {
            json!(people[&employee_name("hr", "r1")].spec.custom_fields)
        }

        #[test]
        fn a_lost_custom_field_is_marked_until_a_later_full_read() {
            let spec = spec();
            let whole = || ada(&json!({"cost_center": "CC-1"}), &grade(&json!(7)));
            for (kind, lost) in [
                (SyncKind::Full, ada(&json!({}), &grade(&json!(7)))),
                // A value of another type is none.
                (
                    SyncKind::Incremental,
                    ada(&json!({"cost_center": ["CC-1"]}), &grade(&json!(7))),
                ),
            ] {
                let mut people = People::new();
                sync(&spec, whole(), SyncKind::Full, &mut people);
                assert_eq!(values(&people), json!({"costCenter": "CC-1", "grade": "7"}));
                assert_eq!(source(&people).custom_fields, ["costCenter", "grade"]);
                assert!(source(&people).unconfirmed.is_empty());

                sync(&spec, lost.clone(), kind, &mut people);
                assert_eq!(values(&people), json!({"grade": "7"}));
                assert_eq!(source(&people).unconfirmed, ["customFields.costCenter"]);
                assert!(sync(&spec, lost.clone(), SyncKind::Incremental, &mut people).is_empty());
                let mut back = people.clone();
                sync(&spec, lost.clone(), SyncKind::Full, &mut people);
                assert!(source(&people).unconfirmed.is_empty());
                assert!(sync(&spec, lost, SyncKind::Full, &mut people).is_empty());

                sync(&spec, whole(), SyncKind::Incremental, &mut back);
                assert_eq!(values(&back), json!({"costCenter": "CC-1", "grade": "7"}));
                assert!(source(&back).unconfirmed.is_empty());
            }
        }

        /// Merge sends no remote data where a plan has none or a switch is off, which says nothing of anybody.
        #[test]
        fn what_merge_does_not_pass_on_stays_as_it_was_however_often_it_is_read() {
            let spec = spec();
            let mut people = People::new();
            let withheld = || ada(&json!({"cost_center": "CC-1"}), &Value::Null);
            sync(
                &spec,
                ada(&json!({"cost_center": "CC-1"}), &grade(&json!(7))),
                SyncKind::Full,
                &mut people,
            );
            for kind in [SyncKind::Full, SyncKind::Full, SyncKind::Incremental, SyncKind::Full] {
                sync(&spec, withheld(), kind, &mut people);
                assert_eq!(values(&people), json!({"costCenter": "CC-1", "grade": "7"}));
                assert_eq!(source(&people).unconfirmed, ["customFields.grade"]);
            }
            // Then Merge passes it on again, and there is none: gone, and to be confirmed.
            let none = || ada(&json!({"cost_center": "CC-1"}), &grade(&Value::Null));
            sync(&spec, none(), SyncKind::Full, &mut people);
            assert_eq!(values(&people), json!({"costCenter": "CC-1"}));
            assert_eq!(source(&people).unconfirmed, ["customFields.grade"]);
            sync(&spec, none(), SyncKind::Full, &mut people);
            assert!(source(&people).unconfirmed.is_empty());

            let mut newcomer = People::new();
            sync(&spec, withheld(), SyncKind::Full, &mut newcomer);
            assert_eq!(source(&newcomer).unconfirmed, ["customFields.grade"]);
        }

        #[test]
        fn the_deleted_keep_their_custom_fields_and_the_unlisted_those_that_are_declared() {
            let spec = spec();
            let mut people = People::new();
            sync(
                &spec,
                ada(&json!({"cost_center": "CC-1"}), &grade(&json!(7))),
                SyncKind::Full,
                &mut people,
            );
            let before = people.clone();
            let deleted = json!({"id": "m1", "remote_was_deleted": true});
            sync(&spec, deleted, SyncKind::Incremental, &mut people);
            assert_eq!(values(&people), json!({"costCenter": "CC-1", "grade": "7"}));
            assert!(source(&people).unconfirmed.is_empty());

            let mut people = before;
            let mut narrow = spec;
            narrow.custom_fields.pop();
            let existing: Vec<_> = people.values().collect();
            let diff = diff(
                "hr",
                &narrow,
                &Book::default(),
                SyncKind::Incremental,
                &existing,
                DAY_2.parse().unwrap(),
            );
            apply(&diff, &mut people);
            assert_eq!(values(&people), json!({"costCenter": "CC-1"}));
            assert_eq!(source(&people).custom_fields, ["costCenter"]);
        }

        #[test]
        fn what_is_no_longer_declared_goes_without_a_mark_and_is_no_longer_said_to_be_read() {
            let spec = spec();
            let row = || ada(&json!({"cost_center": "CC-1"}), &grade(&json!(7)));
            let mut people = People::new();
            sync(&spec, row(), SyncKind::Full, &mut people);
            sync(&connection(), row(), SyncKind::Full, &mut people);
            assert_eq!(values(&people), json!({}));
            assert!(source(&people).unconfirmed.is_empty() && source(&people).custom_fields.is_empty());
        }
    }

    fn text() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            Just(json!({"odd": []})),
            "[ A-Za-z\u{e9}\u{0}@.]{0,12}".prop_map(Value::from),
            (0..3u8).prop_map(|n| json!(n)),
        ]
    }

    fn id(prefix: &'static str) -> impl Strategy<Value = Value> {
        prop_oneof![
            1 => Just(Value::Null),
            1 => Just(json!({"id": null})),
            9 => (0..6u8).prop_map(move |n| json!(format!("{prefix}{n}"))),
        ]
    }

    fn when() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            (1..29u8).prop_map(|day| json!(format!("2026-11-{day:02}T00:00:00Z")))
        ]
    }

    prop_compose! {
        fn employee()(
            id in id("m"), remote_id in id("r"), first in text(), email in text(), status in text(), manager in id("m"),
            groups in prop::collection::vec(id("g"), 0..4), positions in prop::collection::vec(id("p"), 0..3),
            place in id("l"), ends in when(), deleted in prop::bool::weighted(0.2), changed in when(),
        ) -> Value {
            json!({
                "id": id, "remote_id": remote_id, "first_name": first, "work_email": email, "employment_status": status,
                "manager": manager, "groups": groups, "employments": positions, "work_location": place,
                "termination_date": ends, "remote_was_deleted": deleted, "modified_at": changed,
            })
        }
    }

    prop_compose! {
        fn lists()(
            employees in prop::collection::vec(employee(), 0..8),
            groups in prop::collection::vec((id("g"), text(), id("g"), prop::bool::ANY), 0..6),
            positions in prop::collection::vec((id("p"), id("m"), text(), when()), 0..6),
            places in prop::collection::vec((id("l"), text()), 0..4),
        ) -> Value {
            let kind = |department| if department { "DEPARTMENT" } else { "TEAM" };
            json!({
                "employees": employees,
                "groups": groups.into_iter().map(|(id, name, parent, department)| {
                    json!({"id": id, "name": name, "parent_group": parent, "type": kind(department)})
                }).collect::<Vec<_>>(),
                "employments": positions.into_iter().map(|(id, employee, title, from)| {
                    json!({"id": id, "employee": employee, "job_title": title, "effective_date": from})
                }).collect::<Vec<_>>(),
                "locations": places.into_iter().map(|(id, city)| json!({"id": id, "city": city})).collect::<Vec<_>>(),
            })
        }
    }

    /// Makes rows with ids of their own, so that their order is no information.
    fn without_doubles(mut lists: Value) -> Value {
        for list in lists.as_object_mut().unwrap().values_mut() {
            let mut seen = std::collections::BTreeSet::new();
            list.as_array_mut()
                .unwrap()
                .retain(|row| seen.insert(row["id"].to_string()));
        }
        lists
    }

    proptest! {
        // The same cases each time; a campaign sets PROPTEST_CASES and PROPTEST_RNG_SEED.
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: match ProptestConfig::default().rng_seed {
                RngSeed::Random => RngSeed::Fixed(20_261_123),
                fixed @ RngSeed::Fixed(_) => fixed,
            },
            ..ProptestConfig::default()
        })]

        #[test]
        fn i7_the_order_of_rows_is_no_matter_and_equal_reads_come_to_rest(
            before in lists(),
            after in lists().prop_map(without_doubles),
            rotation in 0..8usize,
            incremental in prop::bool::ANY,
        ) {
            let mut people = People::new();
            sync(before, SyncKind::Full, &mut people, DAY_1);
            let kind = if incremental { SyncKind::Incremental } else { SyncKind::Full };

            let mut turned = after.clone();
            for list in turned.as_object_mut().unwrap().values_mut() {
                let list = list.as_array_mut().unwrap();
                list.reverse();
                let by = rotation.min(list.len());
                list.rotate_left(by);
            }
            let mut other = people.clone();
            let first = sync(after.clone(), kind, &mut people, DAY_2);
            prop_assert_eq!(&first, &sync(turned.clone(), kind, &mut other, DAY_2));

            let count = people.len();
            prop_assert_eq!(first.creates.len() + first.updates.len() + first.unchanged, count);
            // A full read may confirm what the one before it marked; after that there is nothing left to say.
            if incremental {
                prop_assert!(sync(turned, kind, &mut people, LATER).is_empty());
            } else {
                sync(turned.clone(), kind, &mut people, LATER);
                prop_assert!(sync(turned, kind, &mut people, LATER).is_empty());
            }
            prop_assert_eq!(people.len(), count);
            for person in people.values() {
                let email = person.spec.work_email.as_ref();
                prop_assert!(email.is_none_or(|email| *email == email.to_ascii_lowercase()));
                let names: Vec<_> = person.spec.source.as_ref().unwrap().unconfirmed.clone();
                prop_assert!(names.iter().all(|name| ATTRIBUTES.iter().any(|attribute| attribute.name == name)));
            }
        }
    }
}
