//! Is whoever names an account found, as if everybody were asked?
//!
//! `cargo test --test accounts_by_id -- --ignored --nocapture` says what it takes among ten thousand people.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proptest::prelude::*;
use rollcall::api::employee::{AccountRecord, AccountState, EmployeeStatus, EntitlementRecord, GrantState};
use rollcall::api::{Employee, Entitlement, ProvisioningPolicy, TargetSystem};
use rollcall::decide::effect::RemoteKey;
use rollcall::decide::index::{Index, accounts};
use rollcall::decide::losses::{account_of_another, claimants, held_by_another, losses};
use rollcall::decide::{Namespace, Person, resolve};
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2026-06-15T12:00:00Z".parse().unwrap()
}

fn read<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &Value, status: &Value) -> K {
    let object = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "spec": spec, "status": status,
        "metadata": {"namespace": "tenant", "name": name, "generation": 1}});
    serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"))
}

/// A company in which everybody in Sales is to have `chat`.
fn company() -> Index {
    let mut index = Index::default();
    let secret = json!({"name": "s", "key": "k"});
    let scim = json!({"adopt": "Desired", "scim": {"baseURL": "https://x", "bearerTokenSecretRef": secret}});
    index.put(read::<TargetSystem>("TargetSystem", "okta", &scim, &Value::Null));
    let chat = json!({"targetRef": {"name": "okta"}, "scimGroup": {"id": "chat"}});
    let status = json!({"observedGeneration": 1, "remote": {"kind": "Group", "id": "chat"}, "holders": 0, "pending": 0, "held": 0});
    index.put(read::<Entitlement>("Entitlement", "chat", &chat, &status));
    let policy =
        json!({"mode": "Enforce", "selector": {"department": {"in": ["Sales"]}}, "entitlements": [{"name": "chat"}]});
    let enforced = json!({"enforcedGeneration": 1});
    index.put(read::<ProvisioningPolicy>(
        "ProvisioningPolicy",
        "basics",
        &policy,
        &enforced,
    ));
    index
}

/// What of a person's records matters here.
#[derive(Clone, Copy, Debug)]
struct Row {
    account: usize,
    state: AccountState,
    grant: usize,
    held: GrantState,
    sales: bool,
}

fn employee(number: usize, row: &Row) -> Employee {
    let department = if row.sales { "Sales" } else { "Other" };
    let spec = json!({"workEmail": format!("p{number}@x.io"), "departments": [{"path": [department]}]});
    let id = |number: usize| {
        if number == 0 {
            String::new()
        } else {
            format!("A{number}")
        }
    };
    let status = EmployeeStatus {
        accounts: vec![AccountRecord {
            target: "okta".to_owned(),
            id: id(row.account),
            state: row.state,
            ..AccountRecord::default()
        }],
        entitlements: vec![EntitlementRecord {
            entitlement: "chat".to_owned(),
            target: "okta".to_owned(),
            kind: "Group".to_owned(),
            remote_id: "chat".to_owned(),
            account_id: id(row.grant),
            state: row.held,
            grantors: vec!["basics".to_owned()],
            ..EntitlementRecord::default()
        }],
        ..EmployeeStatus::default()
    };
    read("Employee", &format!("e{number:05}"), &spec, &json!(status))
}

// ---- The same, by asking everybody -----------------------------------------------------------------------------------

fn others<'a>(namespace: &'a Namespace, person: &'a Person) -> impl Iterator<Item = &'a Person> {
    let others = namespace.employees.values().map(AsRef::as_ref);
    others.filter(|other| other.name != person.name)
}

fn asked_for_account<'a>(
    namespace: &'a Namespace,
    person: &'a Person,
    id: &str,
    counts: fn(AccountState) -> bool,
) -> Vec<&'a str> {
    let names =
        |record: &AccountRecord| record.target == "okta" && record.id == id && !id.is_empty() && counts(record.state);
    let found = others(namespace, person).filter(|other| other.status.accounts.iter().any(names));
    found.map(|other| other.name.as_str()).collect()
}

fn asked_for_holder<'a>(namespace: &'a Namespace, person: &'a Person, record: &EntitlementRecord) -> Option<&'a str> {
    let live = |state| {
        use GrantState::{Contended, Granted, Granting, Held, Invited, Updating};
        matches!(state, Granting | Granted | Updating | Held | Invited | Contended)
    };
    let keeps = |other: &&Person| {
        let due = losses(namespace, other, &resolve(namespace, other, now()));
        let held = other.status.entitlements.iter();
        let mut same = held.filter(|theirs| {
            theirs.account_id == record.account_id
                && RemoteKey::of(theirs) == RemoteKey::of(record)
                && live(theirs.state)
        });
        same.next().is_some() && due.is_empty()
    };
    (!record.account_id.is_empty())
        .then(|| others(namespace, person).find(keeps).map(|other| other.name.as_str()))
        .flatten()
}

fn assert_same(namespace: &Namespace) {
    for person in namespace.employees.values() {
        let account = &person.status.accounts[0];
        let is_there = |state| !matches!(state, AccountState::Pending | AccountState::Deleted);
        let asked = asked_for_account(namespace, person, &account.id, is_there);
        let found = account_of_another(namespace, person, "okta", &account.id);
        assert_eq!(found, asked.first().copied(), "{}", person.name);
        let asked = asked_for_account(namespace, person, &account.id, |state| state == AccountState::Pending);
        let found = claimants(namespace, person, "okta", &account.id);
        let found: Vec<&str> = found.iter().map(|other| other.name.as_str()).collect();
        assert_eq!(found, asked, "{}", person.name);
        let record = &person.status.entitlements[0];
        let found = held_by_another(namespace, person, record, now());
        assert_eq!(found, asked_for_holder(namespace, person, record), "{}", person.name);
        let own = accounts(person);
        let sharing = others(namespace, person).filter(|other| !accounts(other).is_disjoint(&own));
        let sharing: BTreeSet<String> = sharing.map(|other| other.name.clone()).collect();
        assert_eq!(namespace.employees.who_shares_an_account(&person.name), sharing);
    }
}

fn row() -> impl Strategy<Value = Row> {
    use AccountState::{Active, Deactivated, Deleted, Pending};
    use GrantState::{Granted, Granting, Held, Revoked, Revoking};
    (
        0..4_usize,
        prop::sample::select(vec![Active, Pending, Deactivated, Deleted]),
        0..4_usize,
        prop::sample::select(vec![Granted, Granting, Held, Revoked, Revoking]),
        any::<bool>(),
    )
        .prop_map(|(account, state, grant, held, sales)| Row {
            account,
            state,
            grant,
            held,
            sales,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// People come, change and go: whoever names an account is known at each moment.
    #[test]
    fn who_names_an_account_is_found_as_by_asking_everybody(
        steps in prop::collection::vec((0..6_usize, prop::option::weighted(0.8, row())), 1..20),
    ) {
        let mut index = company();
        for (number, row) in steps {
            match row {
                Some(row) => index.put(employee(number, &row)),
                None => index.remove::<Employee>("tenant", &format!("e{number:05}")),
            };
            assert_same(index.namespace("tenant").unwrap());
        }
    }
}

#[test]
#[ignore = "a measure"]
fn what_it_takes_among_ten_thousand() {
    let mut index = company();
    for number in 1..=10_000 {
        let row = Row {
            account: number,
            state: AccountState::Active,
            grant: number,
            held: GrantState::Granted,
            sales: true,
        };
        index.put(employee(number, &row));
    }
    let namespace = index.namespace("tenant").unwrap();
    let people: Vec<_> = namespace.employees.values().take(200).collect();
    let timed = |what: &dyn Fn(&Person)| -> Duration {
        let begun = Instant::now();
        for person in &people {
            what(person);
        }
        begun.elapsed() / 200
    };
    let by_index = timed(&|person| {
        assert_eq!(
            account_of_another(namespace, person, "okta", &person.status.accounts[0].id),
            None
        );
        assert_eq!(
            held_by_another(namespace, person, &person.status.entitlements[0], now()),
            None
        );
    });
    let by_asking = timed(&|person| {
        let id = &person.status.accounts[0].id;
        assert_eq!(asked_for_account(namespace, person, id, |_| true), [""; 0]);
        let record = &person.status.entitlements[0];
        let same = |theirs: &EntitlementRecord| theirs.account_id == record.account_id;
        assert!(!others(namespace, person).any(|other| other.status.entitlements.iter().any(same)));
    });
    println!("among 10,000 people, for one: {by_asking:?} by asking everybody, {by_index:?} by the index");
}
