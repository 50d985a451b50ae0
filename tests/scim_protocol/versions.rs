//! Versions: sent where they are offered, read anew once where they are stale, and no more where a server cannot compare them.

use std::sync::{Arc, Mutex};

use axum::http::Method;
use rollcall::targets::{AccountFacts, Target, TargetError, orders};
use serde_json::{Value, json};

use crate::odd::*;

fn announced(patch: bool) -> Value {
    json!({"patch": {"supported": patch}, "filter": {"supported": true}, "etag": {"supported": true}})
}

/// A user with a version, changed by somebody else before the first `others` writes.
async fn user_with_versions(patch: bool, others: u32, compares: bool, weak: bool) -> Odd {
    let version = Arc::new(Mutex::new((1_u32, others)));
    Odd::server(move |asked| {
        let mut version = version.lock().unwrap();
        let tag = |number: u32| {
            if weak {
                format!("W/\"{number}\"")
            } else {
                format!("\"{number}\"")
            }
        };
        match (&asked.method, asked.path.as_str()) {
            (_, "/ServiceProviderConfig") => ok(&announced(patch)),
            (&Method::GET, "/Users/7") => ok(
                &json!({"id": "7", "userName": "old@example.com", "active": true, "meta": {"version": tag(version.0)}}),
            ),
            (&Method::PATCH | &Method::PUT, "/Users/7") => {
                if version.1 > 0 {
                    *version = (version.0 + 1, version.1 - 1);
                }
                match &asked.if_match {
                    Some(sent) if !compares || *sent != tag(version.0) => Some(refusal(412, None)),
                    _ => bare(204),
                }
            }
            _ => None,
        }
    })
    .await
}

fn renamed() -> AccountFacts {
    AccountFacts {
        display_name: Some("Ada".to_owned()),
        ..ada()
    }
}

#[tokio::test]
async fn i5_a_stale_version_is_read_again_once() {
    for patch in [true, false] {
        for weak in [true, false] {
            let odd = user_with_versions(patch, 1, true, weak).await;
            odd.target.update_account("7", &renamed(), false).await.unwrap();
            let method = if patch { Method::PATCH } else { Method::PUT };
            let sent: Vec<String> = odd
                .asked(&method)
                .into_iter()
                .filter_map(|asked| asked.if_match)
                .collect();
            let tags = if weak {
                ["W/\"1\"", "W/\"2\""]
            } else {
                ["\"1\"", "\"2\""]
            };
            assert_eq!(sent, tags);
        }
    }
    // Others who never cease have it their way until the next try.
    let odd = user_with_versions(true, 9, true, true).await;
    let error = odd.target.update_account("7", &renamed(), false).await.unwrap_err();
    assert!(matches!(error, TargetError::Conflict(_)), "{error}");
    assert_eq!(odd.asked(&Method::PATCH).len(), 2);
}

/// Nobody wrote in between, and the version is refused all the same: such a server compares weak versions strongly.
#[tokio::test]
async fn a_version_that_is_refused_as_it_was_given_is_not_sent_any_more() {
    let odd = user_with_versions(true, 0, false, true).await;
    odd.target.update_account("7", &renamed(), false).await.unwrap();
    odd.target.update_account("7", &renamed(), false).await.unwrap();
    let sent: Vec<Option<String>> = odd
        .asked(&Method::PATCH)
        .into_iter()
        .map(|asked| asked.if_match)
        .collect();
    assert_eq!(sent, [Some("W/\"1\"".to_owned()), None, None]);
}

#[tokio::test]
async fn i5_all_members_go_back_under_the_version_that_they_were_read_with() {
    let group_version = Arc::new(Mutex::new(1));
    let odd = Odd::server(move |asked| {
        let mut version = group_version.lock().unwrap();
        match (&asked.method, asked.path.as_str()) {
            (_, "/ServiceProviderConfig") => ok(&announced(false)),
            (&Method::GET, "/Groups/g") => {
                let others: &[&str] = if *version == 1 { &["b"] } else { &["b", "others"] };
                let members: Vec<Value> = others.iter().map(|id| json!({"value": id})).collect();
                ok(&json!({"id": "g", "members": members, "meta": {"version": format!("W/\"{version}\"")}}))
            }
            (&Method::PUT, "/Groups/g") => {
                let stale = *version == 1;
                *version = 2;
                if stale { Some(refusal(412, None)) } else { bare(204) }
            }
            _ => None,
        }
    })
    .await;
    odd.target
        .change_holders(&group(), &orders(&ids(&["a"]), &ids(&[])), None)
        .await
        .unwrap();
    let puts = odd.asked(&Method::PUT);
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[1].if_match.as_deref(), Some("W/\"2\""));
    // What others added in between is not undone.
    let members: Vec<&Value> = puts[1].body["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["value"])
        .collect();
    assert_eq!(members, ["a", "b", "others"]);
}
