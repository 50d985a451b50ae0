//! What the tests of this room share.

// Callers write the lists in place.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::book::{Book, Model};
use super::sync::Diff;
use crate::api::common::NameRef;
use crate::api::employee::{EmployeeSpec, Source};
use crate::api::hris_connection::HRISConnectionSpec;
use crate::decide::index::Person;

/// A connection with every default, in Berlin.
pub fn connection() -> HRISConnectionSpec {
    serde_json::from_value(json!({
        "merge": {"region": "EU"},
        "apiKeySecretRef": {"name": "merge", "key": "api-key"},
        "accountTokenSecretRef": {"name": "merge", "key": "account-token"},
        "termination": {"defaultTimeZone": "Europe/Berlin"},
    }))
    .unwrap()
}

fn rows<T: DeserializeOwned>(value: &Value) -> Vec<T> {
    if value.is_null() {
        return Vec::new();
    }
    serde_json::from_value(value.clone()).unwrap()
}

/// A book of these lists.
pub fn book(lists: Value) -> Book {
    let mut book = Book::default();
    book.read.extend(Model::needed_for(&connection().fields));
    book.employees.upsert(rows(&lists["employees"]));
    book.employments.upsert(rows(&lists["employments"]));
    book.groups.upsert(rows(&lists["groups"]));
    book.locations.upsert(rows(&lists["locations"]));
    book.companies.upsert(rows(&lists["companies"]));
    book
}

/// Somebody who is mirrored already, without facts.
pub fn mirrored(name: &str, merge_id: &str, remote_id: Option<&str>) -> Person {
    Person {
        name: name.to_owned(),
        spec: EmployeeSpec {
            connection_ref: Some(NameRef::new("hr")),
            source: Some(Source {
                merge_id: Some(merge_id.to_owned()),
                remote_id: remote_id.map(str::to_owned),
                ..Source::default()
            }),
            ..EmployeeSpec::default()
        },
        ..Person::default()
    }
}

/// Writes the diff, by way of JSON as through the API server.
pub fn apply(diff: &Diff, people: &mut BTreeMap<String, Person>) {
    for (name, spec) in diff.creates.iter().chain(&diff.updates) {
        let person = people.entry(name.clone()).or_default();
        person.name.clone_from(name);
        person.spec = serde_json::from_value(serde_json::to_value(spec).unwrap()).unwrap();
    }
}
