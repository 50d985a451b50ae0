//! A 2xx is no proof. Servers that answer it and do nothing, each for another form, and whether what was told comes true in the end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use rollcall::targets::{Target, orders};
use serde_json::{Value, json};

use crate::odd::*;

/// How a removal can be told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Value,
    List,
    Replace,
    Put,
}

fn told(asked: &Asked) -> Told {
    if asked.method == Method::PUT {
        return Told::Put;
    }
    let operation = &asked.body["Operations"][0];
    match (operation["op"].as_str().unwrap(), operation["path"].as_str().unwrap()) {
        ("replace", "members") => Told::Replace,
        ("remove", "members") => Told::List,
        _ => Told::Value,
    }
}

/// A group that answers every change with `idle`'s status and heeds those of one form only.
async fn heeding(heeded: Option<Told>, idle: u16, members: &[&str]) -> (Odd, Arc<Mutex<BTreeSet<String>>>) {
    let members = Arc::new(Mutex::new(ids(members)));
    let kept = members.clone();
    let odd = Odd::server(move |asked| {
        let mut members = kept.lock().unwrap();
        let shown = || -> Vec<Value> { members.iter().map(|id| json!({"value": id})).collect() };
        if asked.path != "/Groups/g" {
            return None;
        }
        if asked.method == Method::GET {
            return ok(&json!({"id": "g", "displayName": "G", "members": shown()}));
        }
        if heeded != Some(told(asked)) {
            return if idle == 204 {
                bare(204)
            } else {
                Some(refusal(idle, None))
            };
        }
        let operation = &asked.body["Operations"][0];
        let listed = |list: &Value| -> BTreeSet<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|member| member["value"].as_str().unwrap().to_owned())
                .collect()
        };
        match told(asked) {
            Told::Value => {
                let path = operation["path"].as_str().unwrap();
                let id = path
                    .strip_prefix("members[value eq \"")
                    .unwrap()
                    .strip_suffix("\"]")
                    .unwrap();
                members.remove(id);
            }
            Told::List => {
                let gone = listed(&operation["value"]);
                members.retain(|id| !gone.contains(id));
            }
            Told::Replace => *members = listed(&operation["value"]),
            Told::Put => *members = listed(&asked.body["members"]),
        }
        bare(204)
    })
    .await;
    (odd, members)
}

/// As the writer does: it asks, looks, and asks again for what is not so.
async fn remove(odd: &Odd, account: &str, most: usize) -> usize {
    for rounds in 1..=most {
        let done = odd
            .target
            .change_holders(&group(), &orders(&ids(&[]), &ids(&[account])), None)
            .await;
        done.unwrap();
        let holders = odd.target.holders(&group()).await.unwrap().unwrap();
        if !holders.ids.contains_key(account) {
            return rounds;
        }
    }
    panic!("{account} is still there after {most} rounds");
}

#[tokio::test]
async fn i2_a_removal_comes_true_on_a_server_that_answers_204_to_all_forms_and_heeds_one() {
    for (heeded, rounds) in [(Told::Value, 1), (Told::List, 2), (Told::Replace, 3), (Told::Put, 4)] {
        let (odd, members) = heeding(Some(heeded), 204, &["a", "b", "c"]).await;
        assert_eq!(remove(&odd, "a", 4).await, rounds, "{heeded:?}");
        assert_eq!(*members.lock().unwrap(), ids(&["b", "c"]));
        // What was seen to work comes first from then on.
        assert_eq!(remove(&odd, "b", 1).await, 1, "{heeded:?}");
        assert_eq!(*members.lock().unwrap(), ids(&["c"]));
    }
}

#[tokio::test]
async fn i2_a_removal_comes_true_at_once_on_a_server_that_refuses_all_forms_but_one() {
    for heeded in [Told::Value, Told::List, Told::Replace, Told::Put] {
        for status in [400, 422, 404] {
            let (odd, members) = heeding(Some(heeded), status, &["a", "b"]).await;
            assert_eq!(remove(&odd, "a", 1).await, 1, "{heeded:?} {status}");
            assert_eq!(*members.lock().unwrap(), ids(&["b"]));
        }
    }
}

/// One whose SCIM answers 2xx and does nothing at all: nothing is ever believed gone, and it is not asked for ever in one call.
#[tokio::test]
async fn i2_what_is_still_there_is_never_taken_for_gone() {
    let (odd, members) = heeding(None, 204, &["a"]).await;
    for _ in 0..9 {
        let done = odd
            .target
            .change_holders(&group(), &orders(&ids(&[]), &ids(&["a"])), None)
            .await;
        assert!(done.unwrap().is_empty());
        assert!(
            odd.target
                .holders(&group())
                .await
                .unwrap()
                .unwrap()
                .ids
                .contains_key("a")
        );
    }
    assert_eq!(*members.lock().unwrap(), ids(&["a"]));
    assert_eq!(odd.asked(&Method::PATCH).len() + odd.asked(&Method::PUT).len(), 9);
    // Refused in every form: the receipt says so, of this account alone.
    let (odd, _) = heeding(None, 400, &["a", "b"]).await;
    let receipts = odd
        .target
        .change_holders(&group(), &orders(&ids(&[]), &ids(&["a"])), None)
        .await
        .unwrap();
    assert_eq!(kind(receipts["a"].as_ref().unwrap_err()), "Refused");
}

/// Deleting a user leaves a dangling member in some products, and deactivating one leaves the membership: both are removed by
/// the id that is on record, without a look at the account.
#[tokio::test]
async fn a_member_whose_account_is_gone_or_inactive_is_removed_like_any_other() {
    let (odd, members) = heeding(Some(Told::Value), 204, &["deleted", "inactive", "b"]).await;
    for account in ["deleted", "inactive"] {
        remove(&odd, account, 1).await;
    }
    assert_eq!(*members.lock().unwrap(), ids(&["b"]));
    assert!(
        odd.asked(&Method::GET)
            .iter()
            .all(|asked| !asked.path.starts_with("/Users"))
    );
}

/// A second removal is answered 204, 200, 404 or 400 by product: none of them is an error.
#[tokio::test]
async fn a_second_removal_is_done_whatever_is_answered() {
    for status in [204, 200, 404, 400] {
        let odd = Odd::server(move |asked| match (&asked.method, asked.path.as_str()) {
            (&Method::GET, "/Groups/g") => ok(&json!({"id": "g", "members": [{"value": "b"}]})),
            (&Method::PATCH, "/Groups/g") => match status {
                200 => ok(&json!({"id": "g"})),
                204 => bare(204),
                _ => Some(refusal(status, Some("noTarget"))),
            },
            _ => None,
        })
        .await;
        let done = odd
            .target
            .change_holders(&group(), &orders(&ids(&[]), &ids(&["a"])), None)
            .await;
        assert!(done.unwrap().is_empty(), "{status}");
        assert_eq!(odd.asked(&Method::PATCH).len(), 1, "{status}");
    }
}

/// Deactivation, too: one form is heeded, all are answered 2xx.
#[tokio::test]
async fn i2_an_account_is_deactivated_on_a_server_that_heeds_one_form() {
    for (heeded, rounds) in [("path", 1), ("object", 2), ("put", 4)] {
        let active = Arc::new(Mutex::new(true));
        let kept = active.clone();
        let odd = Odd::server(move |asked| {
            let mut active = kept.lock().unwrap();
            if asked.path != "/Users/7" {
                return None;
            }
            let form = match asked.method {
                Method::GET => {
                    return ok(
                        &json!({"id": "7", "userName": "ada", "active": if *active { "True" } else { "False" }}),
                    );
                }
                Method::PUT => "put",
                _ if asked.body["Operations"][0]["path"] == "active" => "path",
                _ => "object",
            };
            if form == heeded {
                *active = false;
            }
            ok(&json!({"id": "7"}))
        })
        .await;
        let mut asked = 0;
        while odd.target.read_account("7").await.unwrap().unwrap().active {
            odd.target.deactivate_account("7").await.unwrap();
            asked += 1;
            assert!(asked < 9, "{heeded}");
        }
        assert_eq!(asked, rounds, "{heeded}");
    }
}
