//! A survey of everybody against one that looks only at those whom a change can concern.

use rollcall::api::{Entitlement, TargetSystem};
use rollcall::decide::index::Index;
use rollcall::decide::ledger::Ledger;
use rollcall::decide::survey::survey;
use serde_json::json;

use super::company::{self, Spread};
use super::{NAMESPACE, employee, heap, now, policy, row, seconds};

/// What everybody is granted that they should have: as many records as policies that match, at most this many.
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
        index.put(recorded(number, number, "1", spread));
    }
    println!(
        "\nSurveys, {spread:?}: {policies} policies, {people} people\n  index: {} bytes for each employee, with {RECORDS} records",
        (heap() - before) / people
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
    let (one, ()) = seconds(|| {
        for time in 0..times {
            let number = time * people / times;
            index.put(recorded(number, people + number, "2", spread));
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

/// The person of this number with the facts of another, and with some of the first entitlements.
fn recorded(number: usize, facts: usize, version: &str, spread: Spread) -> rollcall::api::Employee {
    let mut employee = employee(number, spread);
    employee.spec = company::person(facts, spread);
    employee.spec.manager_ref =
        company::manager(number).map(|manager| rollcall::api::NameRef::new(company::name(manager)));
    employee.metadata.resource_version = Some(version.to_owned());
    let records: Vec<_> = (0..RECORDS)
        .map(|place| {
            let thing = (number + place * 5) % 50;
            json!({"entitlement": format!("t{thing}"), "target": "okta", "kind": "Group", "remoteId": format!("g{thing}"),
                "accountId": format!("account-{number}"), "state": "Granted", "origin": "Operator",
                "grantors": [format!("p{thing:06}")], "operationId": format!("{number:016x}{place:016x}"),
                "grantedAt": "2026-01-01T00:00:00Z"})
        })
        .collect();
    employee.status = serde_json::from_value(json!({"phase": "Active", "entitlements": records})).unwrap();
    employee
}
