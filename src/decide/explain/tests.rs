//! What is told is what is decided: properties over random tenants.

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::api::employee::GrantState;
use crate::api::{AccessException, Employee, Entitlement, ProvisioningPolicy, TargetSystem};
use crate::decide::effect::RemoteKey;
use crate::decide::index::Indexed;
use crate::decide::losses::losses;
use crate::decide::resolve::resolve;
use crate::decide::selector::Tri;

const THINGS: [&str; 3] = ["chat", "code", "vpn"];
const TITLES: [&str; 3] = ["Engineer", "Seller", "Chief"];

fn now() -> Timestamp {
    "2026-06-15T12:00:00Z".parse().unwrap()
}

fn put<K: Indexed + DeserializeOwned>(
    namespace: &mut Namespace,
    kind: &str,
    metadata: &Value,
    spec: &Value,
    status: &Value,
) {
    let object = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
        "status": status});
    let object: K = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"));
    object.put(namespace);
}

fn tenant(people: &[(Value, Value)], policies: &[Value], exceptions: &[Value]) -> Namespace {
    let mut namespace = Namespace::default();
    let key = json!({"name": "s", "key": "k"});
    let scim = json!({"adopt": "Never", "scim": {"baseURL": "https://x", "bearerTokenSecretRef": key}});
    put::<TargetSystem>(
        &mut namespace,
        "TargetSystem",
        &json!({"name": "okta"}),
        &scim,
        &Value::Null,
    );
    for thing in THINGS {
        let spec = json!({"targetRef": {"name": "okta"}, "scimGroup": {"id": thing}, "parameters": [{"name": "limit", "type": "Integer"}]});
        let status = json!({"observedGeneration": 1, "remote": {"kind": "Group", "id": thing}, "holders": 0, "pending": 0,
            "held": 0});
        let metadata = json!({"name": thing, "generation": 1});
        put::<Entitlement>(&mut namespace, "Entitlement", &metadata, &spec, &status);
    }
    for (number, spec) in policies.iter().enumerate() {
        let metadata = json!({"name": format!("p{number}")});
        put::<ProvisioningPolicy>(&mut namespace, "ProvisioningPolicy", &metadata, spec, &Value::Null);
    }
    for (number, spec) in exceptions.iter().enumerate() {
        let metadata = json!({"name": format!("x{number}")});
        put::<AccessException>(&mut namespace, "AccessException", &metadata, spec, &Value::Null);
    }
    for (number, (spec, status)) in people.iter().enumerate() {
        let mut spec = spec.clone();
        spec["workEmail"] = json!(format!("e{number}@x.io"));
        let metadata = json!({"name": format!("e{number}")});
        put::<Employee>(&mut namespace, "Employee", &metadata, &spec, status);
    }
    namespace
}

fn person() -> impl Strategy<Value = (Value, Value)> {
    let facts = (
        prop::sample::select(TITLES.to_vec()),
        prop::sample::select(vec!["2020-01-01", "2026-05-01", "2026-08-01"]),
        prop::option::of(prop::sample::select(vec!["2026-06-01", "2026-07-01"])),
        any::<bool>(),
    );
    let record = (
        prop::sample::select(THINGS.to_vec()),
        prop::sample::select(vec!["Pending", "Granted", "Held", "Revoking", "Revoked", "Failed"]),
        prop::sample::subsequence(vec!["p0", "p1", "p9", "AccessException/x0"], 1..3),
    );
    (facts, prop::collection::vec(record, 0..3)).prop_map(|((title, start, end, lost), records)| {
        let unconfirmed = if lost { json!(["jobTitle"]) } else { json!([]) };
        let mut spec = json!({"startDate": start, "employmentStatus": "ACTIVE",
            "source": {"state": "Present", "unconfirmed": unconfirmed}});
        if !lost {
            spec["jobTitle"] = json!(title);
        }
        if let Some(end) = end {
            spec["terminationDate"] = json!(end);
        }
        let records: BTreeSet<_> = records
            .into_iter()
            .map(|(thing, state, by)| (thing, (state, by)))
            .collect();
        let mut seen = BTreeSet::new();
        let records: Vec<Value> = records
            .into_iter()
            .filter(|(thing, _)| seen.insert(*thing))
            .map(|(thing, (state, by))| {
                json!({"entitlement": thing, "target": "okta", "kind": "Group", "remoteId": thing, "accountId": "a",
                    "state": state, "grantors": by})
            })
            .collect();
        (spec, json!({"entitlements": records}))
    })
}

fn policy() -> impl Strategy<Value = Value> {
    (
        prop::sample::select(vec!["Enforce", "Enforce", "Plan"]),
        prop::sample::select(vec!["Grant", "Grant", "Deny"]),
        prop::sample::select(TITLES.to_vec()),
        prop::option::of(prop::sample::select(vec!["30d", "100d"])),
        prop::sample::subsequence(THINGS.to_vec(), 1..3),
        prop::sample::select(vec![json!({}), json!({"phases": ["Active"]}), json!({"startBefore": "60d"})]),
        any::<bool>(),
    )
        .prop_map(|(mode, effect, title, tenure, things, lifecycle, other)| {
            let mut selector = if other {
                json!({"everyone": true, "not": [{"jobTitle": [title]}]})
            } else {
                json!({"jobTitle": [title]})
            };
            if let Some(days) = tenure.filter(|_| !other) {
                selector["tenure"] = json!({"atLeast": days});
            }
            let things: Vec<Value> = things.iter().map(|thing| json!({"name": thing})).collect();
            json!({"mode": mode, "effect": effect, "selector": selector, "lifecycle": lifecycle, "entitlements": things})
        })
}

fn exception() -> impl Strategy<Value = Value> {
    (
        prop::sample::select(vec!["e0@x.io", "e1@x.io"]),
        prop::sample::select(vec!["Allow", "Deny", "Freeze"]),
        prop::sample::select(THINGS.to_vec()),
        prop::sample::select(vec!["2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"]),
    )
        .prop_map(|(who, effect, thing, end)| {
            json!({"employee": who, "effect": effect, "entitlementRef": {"name": thing}, "reason": "r", "expiresAt": end})
        })
}

proptest! {
    /// Semantics 3 and 4: what is told of every policy, person and entitlement is what `resolve` and `losses` decide.
    #[test]
    fn what_is_told_is_what_is_decided(
        people in prop::collection::vec(person(), 1..4),
        policies in prop::collection::vec(policy(), 0..5),
        exceptions in prop::collection::vec(exception(), 0..3),
    ) {
        let namespace = tenant(&people, &policies, &exceptions);
        for person in namespace.employees.values() {
            let resolution = resolve(&namespace, person, now());
            let due = losses(&namespace, person, &resolution);
            let whole = explain(&namespace, person, None, now()).unwrap();
            prop_assert_eq!(whole.phase.phase, resolution.phase);
            let mut told: Vec<&str> = whole.entitlements.iter().map(|access| access.entitlement.as_str()).collect();
            told.extend(whole.not_given.iter().map(String::as_str));
            told.sort_unstable();
            prop_assert_eq!(told, THINGS, "each is told of once");
            for thing in THINGS {
                let told = explain(&namespace, person, Some(thing), now()).unwrap();
                let access = &told.entitlements[0];
                let key = RemoteKey {
                    target: "okta".to_owned(),
                    object: access.remote.clone().unwrap(),
                };
                let desired = resolution.desired.get(&key);
                prop_assert_eq!(access.wanted == Tri::True, desired.is_some());
                prop_assert!(!access.because.is_empty());
                if whole.not_given.iter().any(|name| name == thing) {
                    prop_assert!(access.state.is_none() && access.wanted == Tri::False, "{:?}", access);
                }
                for policy in &access.policies {
                    let gives = desired.is_some_and(|desired| desired.grantors.contains(&policy.name));
                    prop_assert_eq!(policy.says == Says::Gives, gives, "{:#?}", access);
                    let terms = policy.terms.as_ref().unwrap();
                    if resolution.ending.is_none() {
                        let matched = resolution.matched.contains(&policy.name);
                        let speaks = terms.selector.answer == Tri::True && terms.in_phase;
                        prop_assert_eq!(speaks, matched, "{:#?}", policy);
                        let denies = policy.says == Says::Denies;
                        prop_assert!(!denies || resolution.denied.contains_key(&key), "{:#?}", access);
                    }
                    if matches!(policy.says, Says::Nothing) && resolution.ending.is_none() {
                        prop_assert!(policy.misses > 0, "{:#?}", policy);
                    }
                }
                let lost = due.iter().any(|loss| loss.label == thing);
                prop_assert!(!lost || access.wanted == Tri::False, "{:#?}", access);
                // Whoever is named by `who` is told so here, and the other way round.
                let holders = who(&namespace, thing, now()).unwrap();
                let holder = holders.people.iter().find(|holder| holder.employee == person.name);
                let live = access.state.is_some_and(|state| state != GrantState::Revoked);
                prop_assert_eq!(holder.is_some(), live || access.wanted == Tri::True);
                if let Some(holder) = holder {
                    prop_assert_eq!(&holder.because, &access.because);
                }
            }
        }
    }
}
