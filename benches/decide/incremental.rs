//! A survey of everybody against one that looks only at those whom a change can concern.

use rollcall::api::{Employee, Entitlement, TargetSystem};
use rollcall::decide::index::Index;
use rollcall::decide::ledger::Ledger;
use rollcall::decide::resolve;
use rollcall::decide::survey::survey;
use serde_json::json;

use super::company::{self, Spread};
use super::{NAMESPACE, employee, heap, now, policy, row, seconds};

/// Of what people should have, at most this much is on record as granted.
const RECORDS: usize = 10;

pub fn surveys(people: usize, policies: usize, spread: Spread) {
    let mut index = Index::default();
    let key = json!({"name": "s", "key": "k"});
    let target = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "TargetSystem",
        "metadata": {"name": "okta", "namespace": NAMESPACE, "generation": 1, "resourceVersion": "1"},
        "spec": {"adopt": "Never", "scim": {"baseURL": "https://x", "bearerTokenSecretRef": key}}});
    index.put::<TargetSystem>(serde_json::from_value(target).unwrap());
    for number in 0..50 {
        let entitlement = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "Entitlement",
            "metadata": {"name": format!("t{number}"), "namespace": NAMESPACE, "generation": 1, "resourceVersion": "1"},
            "spec": {"targetRef": {"name": "okta"}, "scimGroup": {"id": format!("g{number}")}},
            "status": {"observedGeneration": 1, "remote": {"kind": "Group", "id": format!("g{number}")},
                "holders": 0, "pending": 0, "held": 0}});
        index.put::<Entitlement>(serde_json::from_value(entitlement).unwrap());
    }
    for number in 0..policies {
        index.put(policy(number, people, spread));
    }
    let before = heap();
    for number in 0..people {
        index.put(employee(number, spread));
    }
    for number in 0..people {
        let recorded = recorded(&index, number, employee(number, spread), "2");
        index.put(recorded);
    }
    let records: usize = index
        .namespace(NAMESPACE)
        .unwrap()
        .employees
        .values()
        .map(|p| p.status.entitlements.len())
        .sum();
    println!(
        "\nSurveys, {spread:?}: {policies} policies, {people} people\n  index: {} bytes for each employee, with {:.1} records",
        (heap() - before) / people,
        records as f64 / people as f64
    );

    let (full, whole) = seconds(|| survey(index.namespace(NAMESPACE).unwrap(), now()));
    drop(whole);
    let before = heap();
    let mut ledger = Ledger::default();
    let (first, _) = seconds(|| ledger.refresh(index.namespace(NAMESPACE).unwrap(), now()));
    println!(
        "  ledger: {} bytes for each employee beside the index",
        (heap() - before) / people
    );
    row("first look by the ledger", first, full, "a survey");
    let (idle, _) = seconds(|| ledger.refresh(index.namespace(NAMESPACE).unwrap(), now()));
    row("nothing changed", idle, full, "a survey");

    let times = people.min(20);
    let moved: Vec<Employee> = (0..times)
        .map(|time| {
            let number = time * people / times;
            let mut moved = employee(number, spread);
            let other = company::person(people + number, spread);
            moved.spec.departments = other.departments;
            moved.spec.job_title = other.job_title;
            recorded(&index, number, moved, "3")
        })
        .collect();
    let (one, ()) = seconds(|| {
        for moved in moved {
            index.put(moved);
            ledger.refresh(index.namespace(NAMESPACE).unwrap(), now());
        }
    });
    row("one changed employee", one / times as f64, full, "a survey");

    let times = policies.min(10);
    let mut concerned = 0;
    let (edit, ()) = seconds(|| {
        for time in 0..times {
            let number = time * policies / times;
            let mut edited = policy(number, people, spread);
            edited.spec.selector = company::selector(policies + number, people, spread);
            edited.metadata.resource_version = Some("2".to_owned());
            edited.metadata.generation = Some(2);
            index.put(edited);
            concerned += ledger.refresh(index.namespace(NAMESPACE).unwrap(), now()).people.len();
        }
    });
    println!("  an edited policy concerns {} people", concerned / times);
    row("one edited policy", edit / times as f64, full, "a survey");
    assert!(
        *ledger.survey() == survey(index.namespace(NAMESPACE).unwrap(), now()),
        "the ledger must find what a survey finds"
    );
}

/// The person with what the person of this number should have, as granted.
fn recorded(index: &Index, number: usize, mut person: Employee, version: &str) -> Employee {
    let namespace = index.namespace(NAMESPACE).unwrap();
    let desired = resolve(namespace, &namespace.employees[&company::name(number)], now()).desired;
    let records: Vec<_> = desired
        .iter()
        .take(RECORDS)
        .map(|(key, desired)| {
            json!({"entitlement": desired.entitlement, "target": key.target, "kind": key.object.kind,
                "remoteId": key.object.id, "accountId": format!("account-{number}"), "state": "Granted",
                "origin": "Operator", "grantors": desired.grantors, "operationId": format!("{number:032x}"),
                "grantedAt": "2026-01-01T00:00:00Z"})
        })
        .collect();
    person.metadata.resource_version = Some(version.to_owned());
    person.status = serde_json::from_value(json!({"phase": "Active", "entitlements": records})).unwrap();
    person
}
