//! Creating accounts.

use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use rollcall::targets::{AccountFacts, Found, Target, TargetError};
use serde_json::{Value, json};

use crate::odd::*;

#[tokio::test]
async fn a_create_is_done_not_done_or_left_open() {
    type Habit = fn() -> Option<Response>;
    let cases: [(&str, Habit, &str); 12] = [
        ("201", || Some(answer(201, &[], &json!({"id": "7"}))), "done"),
        ("200", || ok(&json!({"id": 7})), "done"),
        (
            "201 without an id",
            || Some(answer(201, &[], &json!({"userName": "x"}))),
            "Ambiguous",
        ),
        ("201 without a body", || bare(201), "Ambiguous"),
        ("204", || bare(204), "Ambiguous"),
        (
            "201 cut short",
            || Some((StatusCode::CREATED, r#"{"id":"7","userN"#).into_response()),
            "Ambiguous",
        ),
        ("500", || bare(500), "Ambiguous"),
        ("503", || bare(503), "Ambiguous"),
        ("409", || Some(refusal(409, Some("uniqueness"))), "Conflict"),
        ("400 uniqueness", || Some(refusal(400, Some("uniqueness"))), "Conflict"),
        (
            "400 of another kind",
            || Some(refusal(400, Some("invalidValue"))),
            "Refused",
        ),
        ("401", || Some(refusal(401, None)), "Unauthorized"),
    ];
    for (habit, post, expected) in cases {
        let odd = Odd::server(move |asked| match asked.method {
            Method::POST => post(),
            _ => ok(&list(&[])),
        })
        .await;
        let said = odd.target.create_account(&ada(), "op").await;
        let said = match &said {
            Ok(account) => {
                assert_eq!(account.id, "7");
                "done"
            }
            Err(error) => {
                discreet(error);
                kind(error)
            }
        };
        assert_eq!(said, expected, "{habit}");
        assert_eq!(odd.asked(&Method::POST).len(), 1, "{habit}");
    }
}

#[tokio::test]
async fn an_account_is_made_of_what_is_known() {
    let odd = Odd::server(|asked| match asked.method {
        Method::POST => Some(answer(201, &[], &json!({"id": "7"}))),
        _ => None,
    })
    .await;
    let nobody = AccountFacts {
        external_id: "hr/e-x".to_owned(),
        ..AccountFacts::default()
    };
    let error = odd.target.create_account(&nobody, "op").await.unwrap_err();
    assert!(
        matches!(&error, TargetError::Refused(words) if words.contains("workEmail")),
        "{error}"
    );
    assert!(odd.asked(&Method::POST).is_empty());

    let short = AccountFacts {
        username: Some("ada".to_owned()),
        ..nobody
    };
    odd.target.create_account(&short, "op").await.unwrap();
    let full = AccountFacts {
        work_email: Some("ada@example.com".to_owned()),
        display_name: Some("Ada Lovelace".to_owned()),
        given_name: Some("Ada".to_owned()),
        job_title: Some("Countess".to_owned()),
        ..short
    };
    odd.target.create_account(&full, "op").await.unwrap();
    let bodies: Vec<Value> = odd.asked(&Method::POST).into_iter().map(|asked| asked.body).collect();
    assert_eq!(
        bodies,
        [
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": "ada", "externalId": "hr/e-x", "active": true,
            }),
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": "ada@example.com", "externalId": "hr/e-x", "active": true,
                "displayName": "Ada Lovelace", "name": {"formatted": "Ada Lovelace", "givenName": "Ada"}, "title": "Countess",
                "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
            }),
        ]
    );
}

#[tokio::test]
async fn a_duplicate_that_the_search_missed_is_found_by_simpler_searches_from_then_on() {
    // It heeds the first comparison of a filter only, and hides `externalId`: the search finds nobody, and 409 follows for ever.
    let odd = Odd::server(|asked| match (&asked.method, asked.path.as_str()) {
        (&Method::POST, _) => Some(refusal(422, None)),
        (_, "/Users") => {
            let first = asked.query["filter"].split(" or ").next().unwrap().to_owned();
            let found = first == r#"emails.value eq "ada@example.com""#;
            let record = json!({"id": "7", "userName": "al", "emails": [{"value": "ada@example.com"}]});
            ok(&list(&if found { vec![record] } else { vec![] }))
        }
        _ => None,
    })
    .await;
    assert_eq!(odd.target.find_account(&ada()).await.unwrap(), Found::None);
    let error = odd.target.create_account(&ada(), "op").await.unwrap_err();
    assert!(matches!(error, TargetError::Conflict(_)), "{error}");
    assert_eq!(
        nameless(odd.target.find_account(&ada()).await.unwrap()),
        Found::One(account("7", None))
    );
}

/// Our key is taken, echoed once, and never seen again: the account is found by its name, and a second create changes nothing.
#[tokio::test]
async fn i4_a_server_that_swallows_the_key_has_one_account_for_one_person() {
    let made = Arc::new(Mutex::new(0));
    let kept = made.clone();
    let odd = Odd::server(move |asked| {
        let mut made = kept.lock().unwrap();
        let shown = json!({"id": "7", "userName": "ada@example.com", "active": true});
        match (&asked.method, asked.path.as_str()) {
            (&Method::POST, "/Users") if *made == 0 => {
                *made += 1;
                let mut echo = shown;
                echo["externalId"] = asked.body["externalId"].clone();
                Some(answer(201, &[], &echo))
            }
            (&Method::POST, "/Users") => Some(refusal(409, Some("uniqueness"))),
            (&Method::GET, "/Users") => {
                let heeded = asked.query["filter"].contains("userName") && *made > 0;
                ok(&list(&if heeded { vec![shown] } else { vec![] }))
            }
            _ => None,
        }
    })
    .await;
    assert_eq!(odd.target.find_account(&ada()).await.unwrap(), Found::None);
    odd.target.create_account(&ada(), "op").await.unwrap();
    assert_eq!(
        nameless(odd.target.find_account(&ada()).await.unwrap()),
        Found::One(account("7", None))
    );
    let error = odd.target.create_account(&ada(), "op").await.unwrap_err();
    assert_eq!(kind(&error), "Conflict");
    assert_eq!(*made.lock().unwrap(), 1);
}

/// A second create is answered 409, 422, 400 with a code or without, or 204 without a word: each leads to the account that is there.
#[tokio::test]
async fn i4_a_second_create_leads_to_the_account_that_is_there() {
    for (status, keyword, expected) in [
        (409, None, "Conflict"),
        (422, None, "Conflict"),
        (400, Some("uniqueness"), "Conflict"),
        (400, None, "Conflict"),
        (204, None, "Ambiguous"),
    ] {
        let odd = Odd::server(move |asked| match asked.method {
            Method::POST if status == 204 => bare(204),
            Method::POST => Some(refusal(status, keyword)),
            _ => ok(&list(&[user("7", "ada@example.com", Some("hr/e-ada"))])),
        })
        .await;
        let error = odd.target.create_account(&ada(), "op").await.unwrap_err();
        assert_eq!(kind(&error), expected, "{status} {keyword:?}");
        assert!(matches!(odd.target.find_account(&ada()).await.unwrap(), Found::One(_)));
    }
}
