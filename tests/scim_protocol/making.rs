//! Groups that are made where an entitlement asks for it: once, whoever else makes them, and never of two.

use std::sync::{Arc, Mutex};

use axum::http::Method;
use axum::response::Response;
use rollcall::api::entitlement::{EntitlementSpec, RemoteObject};
use rollcall::targets::{Found, Target};
use serde_json::{Value, json};

use crate::odd::*;

fn to_be_made(name: &str) -> EntitlementSpec {
    let mut spec = group_spec(name);
    if let Some(group) = &mut spec.scim_group {
        group.create = true;
    }
    spec
}

fn remote(id: &str) -> RemoteObject {
    RemoteObject {
        id: id.to_owned(),
        ..group()
    }
}

/// A directory of groups, where `post` says what becomes of a creation.
async fn directory(
    groups: &[(&str, &str)],
    post: impl Fn(&mut Vec<Value>, &Value) -> Option<Response> + Send + Sync + 'static,
) -> Odd {
    let groups: Vec<Value> = groups
        .iter()
        .map(|(id, name)| json!({"id": id, "displayName": name}))
        .collect();
    let groups = Arc::new(Mutex::new(groups));
    Odd::server(move |asked| {
        let mut groups = groups.lock().unwrap();
        match (&asked.method, asked.path.as_str()) {
            (&Method::GET, "/Groups") => ok(&list(&groups)),
            (&Method::POST, "/Groups") => {
                // Some services refuse members here, and none needs them.
                assert!(asked.body.get("members").is_none());
                post(&mut groups, &asked.body)
            }
            _ => None,
        }
    })
    .await
}

#[tokio::test]
async fn a_group_is_made_once_and_only_where_that_is_asked_for() {
    let odd = directory(&[("1", "Other")], |groups, body| {
        assert_eq!(
            *body,
            json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Crew"})
        );
        groups.push(json!({"id": "2", "displayName": "Crew"}));
        Some(answer(201, &[], &json!({"id": "2", "displayName": "Crew"})))
    })
    .await;
    assert_eq!(
        kind(&odd.target.create_object(&group_spec("Crew")).await.unwrap_err()),
        "Refused"
    );
    assert!(odd.asked(&Method::POST).is_empty());
    for _ in 0..2 {
        assert_eq!(
            odd.target.create_object(&to_be_made("Crew")).await.unwrap(),
            remote("2")
        );
    }
    assert_eq!(odd.asked(&Method::POST).len(), 1);
    assert_eq!(
        odd.target.find_object(&to_be_made("Crew")).await.unwrap(),
        Found::One(remote("2"))
    );
}

/// I4: whatever a creation is answered, what is there then is taken, and no second one is sent in the same call.
#[tokio::test]
async fn i4_a_creation_that_stays_open_is_looked_for() {
    type Answer = fn() -> Option<Response>;
    let answers: [(&str, Answer); 6] = [
        ("201 without an id", || bare(201)),
        ("204", || bare(204)),
        ("500 after it was done", || bare(500)),
        ("409: another was faster", || Some(refusal(409, Some("uniqueness")))),
        ("400 with the keyword", || Some(refusal(400, Some("uniqueness")))),
        ("503", || bare(503)),
    ];
    for (how, said) in answers {
        let odd = directory(&[], move |groups, body| {
            groups.push(json!({"id": "9", "displayName": body["displayName"]}));
            said()
        })
        .await;
        assert_eq!(
            odd.target.create_object(&to_be_made("Crew")).await.unwrap(),
            remote("9"),
            "{how}"
        );
        assert_eq!(odd.asked(&Method::POST).len(), 1, "{how}");
    }
    // Not done, and nothing is made of it.
    for (status, expected) in [
        (500, "Ambiguous"),
        (409, "Conflict"),
        (400, "Refused"),
        (401, "Unauthorized"),
    ] {
        let odd = directory(&[], move |_, _| Some(refusal(status, None))).await;
        let error = odd.target.create_object(&to_be_made("Crew")).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{status}");
        discreet(&error);
    }
}

#[tokio::test]
async fn of_two_groups_of_a_name_none_is_taken_and_no_third_is_made() {
    let odd = directory(&[("1", "Crew"), ("2", "Crew")], |_, _| panic!("a third")).await;
    let error = odd.target.create_object(&to_be_made("Crew")).await.unwrap_err();
    assert!(error.to_string().contains("set scimGroup.id"), "{error}");
}
