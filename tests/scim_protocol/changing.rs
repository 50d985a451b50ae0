//! Changing accounts.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;
use rollcall::targets::scim::{ScimOptions, ScimTarget};
use rollcall::targets::{AccountFacts, Target, TargetError};
use serde_json::{Value, json};

use crate::odd::*;

#[tokio::test]
async fn a_change_is_good_by_its_status_with_a_body_or_without() {
    for status in [200, 202, 204] {
        let odd = Odd::server(move |asked| match asked.method {
            Method::PATCH if status == 204 => bare(204),
            Method::PATCH => Some((StatusCode::from_u16(status).unwrap(), "{\"id\": cut sh").into_response()),
            _ => None,
        })
        .await;
        odd.target.deactivate_account("7").await.unwrap();
        let patches = odd.asked(&Method::PATCH);
        assert_eq!(patches.len(), 1);
        assert_eq!(
            patches[0].body,
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": "active", "value": false}],
            })
        );
    }
}

#[tokio::test]
async fn patch_that_was_announced_and_is_not_there_gives_way_to_put() {
    for status in [501, 405] {
        let odd = Odd::server(move |asked| match (&asked.method, asked.path.as_str()) {
            (_, "/ServiceProviderConfig") => {
                ok(&json!({"patch": {"supported": true}, "filter": {"supported": true}, "etag": {"supported": true}}))
            }
            (&Method::PATCH, _) => Some(refusal(status, None)),
            (&Method::PUT, _) => ok(&json!({})),
            (_, "/Users/7") => Some(answer(
                200,
                &[("etag", "W/\"3\"")],
                &json!({
                    "id": "7", "userName": "ada@example.com", "Active": "True", "groups": [], "meta": {"version": "W/\"2\""},
                    "urn:x:y": {"z": 1},
                }),
            )),
            _ => None,
        })
        .await;
        odd.target.deactivate_account("7").await.unwrap();
        odd.target.deactivate_account("7").await.unwrap();
        assert_eq!(odd.asked(&Method::PATCH).len(), 1);
        let puts = odd.asked(&Method::PUT);
        assert_eq!(puts.len(), 2);
        assert_eq!(
            puts[0].body,
            json!({"id": "7", "userName": "ada@example.com", "Active": false, "urn:x:y": {"z": 1}})
        );
        assert_eq!(puts[0].if_match.as_deref(), Some("W/\"3\""));
    }
}

#[tokio::test]
async fn an_update_changes_what_differs_and_takes_nothing_that_is_not_ours() {
    let current = json!({
        "id": "7", "userName": "ada", "externalId": "another-idp-7", "active": "False", "title": "Countess",
        "name": {"givenName": "Ada", "middleName": "King"},
        "emails": [{"value": "ada@home.example", "primary": true, "type": "home"}, {"value": "old@example.com", "type": "Work", "display": "old"}],
    });
    let odd = Odd::server(move |asked| match asked.method {
        Method::GET if asked.path == "/Users/7" => ok(&current),
        Method::PATCH => bare(204),
        _ => None,
    })
    .await;
    let person = AccountFacts {
        given_name: Some("Ada".to_owned()),
        family_name: Some("Lovelace".to_owned()),
        ..ada()
    };
    odd.target.update_account("7", &person, true).await.unwrap();
    odd.target.update_account("7", &person, false).await.unwrap();
    let operations: Vec<Value> = odd
        .asked(&Method::PATCH)
        .into_iter()
        .map(|mut asked| asked.body["Operations"].take())
        .collect();
    let email = json!({"op": "replace", "path": "emails", "value": [
        {"value": "ada@home.example", "primary": true, "type": "home"}, {"value": "ada@example.com", "type": "Work"},
    ]});
    let name = json!({"op": "replace", "path": "name.familyName", "value": "Lovelace"});
    assert_eq!(
        operations,
        [
            json!([name, email, {"op": "replace", "path": "active", "value": true}]),
            json!([name, email]),
        ]
    );
}

/// A rehire in a new row takes the old row's account over: our key of another Employee gives way to the new one's, and
/// nobody else's key does.
#[tokio::test]
async fn the_key_of_another_employee_gives_way_where_the_account_was_taken_over() {
    let mine = ada().external_id;
    let old = format!("{}/e-old", mine.split('/').next().unwrap());
    for (key, replaced) in [(old.as_str(), true), ("another-idp-7", false), ("other/e-old", false)] {
        let current = json!({"id": "7", "userName": "ada@example.com", "externalId": key, "active": false,
            "emails": [{"value": "ada@example.com", "type": "work"}]});
        let odd = Odd::server(move |asked| match asked.method {
            Method::GET if asked.path == "/Users/7" => ok(&current),
            Method::PATCH => bare(204),
            _ => None,
        })
        .await;
        odd.target.update_account("7", &ada(), true).await.unwrap();
        let operations = odd.asked(&Method::PATCH).remove(0).body["Operations"].take();
        let key = json!({"op": "replace", "path": "externalId", "value": mine});
        assert_eq!(operations.as_array().unwrap().contains(&key), replaced, "{operations}");
        assert!(
            operations
                .as_array()
                .unwrap()
                .contains(&json!({"op": "replace", "path": "active", "value": true}))
        );
    }
}

#[tokio::test]
async fn a_forbidden_change_is_told_apart_from_a_refused_token() {
    for (read, expected) in [(200, "Refused"), (403, "Unauthorized"), (401, "Unauthorized")] {
        let odd = Odd::server(move |asked| match (&asked.method, asked.path.as_str()) {
            (&Method::PATCH, _) => Some(refusal(403, None)),
            (_, "/Users") => Some(answer(read, &[], &list(&[]))),
            _ => None,
        })
        .await;
        let error = odd.target.deactivate_account("7").await.unwrap_err();
        assert_eq!(kind(&error), expected);
        discreet(&error);
    }
}

#[tokio::test]
async fn slow_down_slow_answers_and_no_answers() {
    let odd = Odd::server(|asked| match asked.method {
        Method::PATCH => Some(answer(429, &[("retry-after", "17")], &json!({}))),
        Method::DELETE => Some(answer(
            503,
            &[("retry-after", "Wed, 21 Oct 2099 07:28:00 GMT")],
            &json!({}),
        )),
        _ => None,
    })
    .await;
    let wait = |seconds| TargetError::Throttled(Some(Duration::from_secs(seconds)));
    assert_eq!(odd.target.deactivate_account("7").await.unwrap_err(), wait(17));
    assert_eq!(odd.target.delete_account("7").await.unwrap_err(), wait(86_400));

    // Accepts connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = ScimOptions::new(
        format!("http://{}", silent.local_addr().unwrap()),
        TOKEN.to_owned().into(),
        loopback(),
    );
    options.timeout = Duration::from_millis(100);
    let target = ScimTarget::new(&options).unwrap();
    assert_eq!(kind(&target.delete_account("7").await.unwrap_err()), "Ambiguous");
    assert_eq!(kind(&target.read_account("7").await.unwrap_err()), "Unreachable");
    drop(silent);
    let error = target.delete_account("7").await.unwrap_err();
    assert_eq!(kind(&error), "Unreachable", "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn an_answer_of_any_size_is_not_read_to_its_end() {
    for (padding, expected) in [(16 << 10, None), (16 << 20, Some("Malformed"))] {
        let odd = Odd::server(move |asked| {
            let record = format!(r#"{{"id":"7","padding":"{}"}}"#, "x".repeat(padding));
            (asked.path == "/Users/7").then(|| record.into_response())
        })
        .await;
        let said = odd.target.read_account("7").await;
        assert_eq!(said.as_ref().err().map(kind), expected, "{said:?}");
    }
}
