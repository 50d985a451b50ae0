//! Groups and their members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::http::Method;
use rollcall::targets::{Found, Target, TargetError, orders};
use serde_json::{Value, json};

use crate::odd::*;

#[tokio::test]
async fn a_group_is_found_by_its_exact_name_first() {
    let groups = [
        ("1", "engineers"),
        ("2", "Engineers"),
        ("3", "ops"),
        ("4", "Twins"),
        ("5", "Twins"),
        ("6", "x"),
    ];
    let all: Vec<Value> = groups
        .iter()
        .map(|(id, name)| json!({"id": id, "displayName": name}))
        .collect();
    let odd = Odd::server(move |asked| {
        if asked.is(&Method::GET, "/Groups") {
            assert_eq!(asked.query["excludedAttributes"], "members");
            return ok(&list(&all));
        }
        None
    })
    .await;
    for (name, id) in [("Engineers", "2"), ("engineers", "1"), ("OPS", "3")] {
        match odd.target.find_object(&group_spec(name)).await.unwrap() {
            Found::One(object) => assert_eq!((object.kind.as_str(), object.id.as_str()), ("Group", id)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        odd.target.find_object(&group_spec("nobody")).await.unwrap(),
        Found::None
    );
    for name in ["Twins", "ENGINEERS"] {
        match odd.target.find_object(&group_spec(name)).await.unwrap() {
            Found::Several(why) => assert!(why.contains("set scimGroup.id"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn members_are_believed_shown_and_hidden() {
    let shown = json!({"id": "g", "members": [
        {"value": "a", "type": "User"}, {"value": "b"}, {"$ref": "https://x.io/Users/c"}, "d", {"value": "sub", "type": "Group"},
    ]});
    let bare_group = json!({"id": "g", "displayName": "G"});
    let cases: Vec<(&str, Value, Value, Result<&[&str], &str>, usize)> = vec![
        (
            "shows them when asked",
            shown.clone(),
            bare_group.clone(),
            Ok(&["a", "b", "c", "d"]),
            1,
        ),
        (
            "shows them only when not asked",
            bare_group.clone(),
            shown,
            Ok(&["a", "b", "c", "d"]),
            2,
        ),
        (
            "shows an empty list",
            json!({"id": "g", "members": []}),
            bare_group.clone(),
            Ok(&[]),
            1,
        ),
        ("leaves them out", bare_group.clone(), bare_group.clone(), Ok(&[]), 2),
        (
            "shows null",
            json!({"id": "g", "members": null}),
            bare_group,
            Ok(&[]),
            2,
        ),
        (
            "is another group",
            json!({"id": "h", "members": []}),
            json!({}),
            Err("Malformed"),
            1,
        ),
        ("is no group", json!({"members": []}), json!({}), Err("Malformed"), 1),
        (
            "hides who they are",
            json!({"id": "g", "members": [{"display": "s3cr3t"}]}),
            json!({}),
            Err("Malformed"),
            1,
        ),
    ];
    for (habit, asked_for, whole, expected, requests) in cases {
        let odd = Odd::server(move |asked| match asked.path.as_str() {
            "/Groups/g" if asked.query.get("attributes").is_some_and(|names| names == "members") => ok(&asked_for),
            "/Groups/g" => ok(&whole),
            _ => None,
        })
        .await;
        match (odd.target.holders(&group()).await, expected) {
            (Ok(Some(holders)), Ok(expected)) => assert_eq!(holders.accounts(), ids(expected), "{habit}"),
            (Err(error), Err(expected)) => {
                assert_eq!(kind(&error), expected, "{habit}");
                discreet(&error);
            }
            other => panic!("{habit}: {other:?}"),
        }
        // One more for the service provider configuration.
        assert_eq!(odd.asked(&Method::GET).len(), requests + 1, "{habit}");
    }
}

/// A group that answers each PATCH of members as `judge` says: a status other than 204 changes nothing.
async fn group_with(
    members: &[&str],
    judge: impl Fn(&BTreeSet<String>, &[String], &[String]) -> u16 + Send + Sync + 'static,
) -> (Odd, Arc<Mutex<BTreeSet<String>>>) {
    let members = Arc::new(Mutex::new(ids(members)));
    let kept = members.clone();
    let odd = Odd::server(move |asked| {
        let mut members = kept.lock().unwrap();
        match (&asked.method, asked.path.as_str()) {
            (&Method::GET, "/Groups/g") => {
                let shown: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
                ok(&json!({"id": "g", "members": shown}))
            }
            (&Method::PATCH, "/Groups/g") => {
                let (mut add, mut remove) = (Vec::new(), Vec::new());
                for operation in asked.body["Operations"].as_array().unwrap() {
                    let path = operation["path"].as_str().unwrap();
                    if operation["op"] == "add" {
                        assert_eq!(path, "members");
                        let values = operation["value"].as_array().unwrap().iter();
                        add.extend(values.map(|value| value["value"].as_str().unwrap().to_owned()));
                    } else {
                        let id = path.strip_prefix("members[value eq \"").unwrap();
                        remove.push(id.strip_suffix("\"]").unwrap().to_owned());
                    }
                }
                let status = judge(&members, &add, &remove);
                if status == 204 {
                    members.extend(add);
                    members.retain(|id| !remove.contains(id));
                    bare(204)
                } else {
                    Some(refusal(status, None))
                }
            }
            _ => None,
        }
    })
    .await;
    (odd, members)
}

#[tokio::test]
async fn a_removal_that_is_done_already_refuses_nobody_elses() {
    for status in [404, 400] {
        let (odd, members) = group_with(&["a", "b", "c"], move |members, _, remove| {
            if remove.iter().all(|id| members.contains(id)) {
                204
            } else {
                status
            }
        })
        .await;
        odd.target
            .change_holders(&group(), &orders(&ids(&["n"]), &ids(&["a", "b", "gone"])), None)
            .await
            .unwrap();
        assert_eq!(*members.lock().unwrap(), ids(&["c", "n"]));
        assert_eq!(odd.asked(&Method::PATCH).len(), 2);
        // All done already: one look settles it.
        odd.target
            .change_holders(&group(), &orders(&ids(&[]), &ids(&["gone"])), None)
            .await
            .unwrap();
        assert_eq!(odd.asked(&Method::PATCH).len(), 3);
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_a_member_refuses_nobody_elses() {
    let leavers: Vec<String> = (0..60).map(|n| format!("out{n}")).collect();
    let leavers: Vec<&str> = leavers.iter().map(String::as_str).collect();
    let joiners: Vec<String> = (0..60).map(|n| format!("in{n}")).collect();
    let mut joiners: Vec<&str> = joiners.iter().map(String::as_str).collect();
    joiners.push("deleted");
    let (odd, members) = group_with(
        &leavers,
        |_, add, _| {
            if add.iter().any(|id| id == "deleted") { 404 } else { 204 }
        },
    )
    .await;
    let receipts = odd
        .target
        .change_holders(&group(), &orders(&ids(&joiners), &ids(&leavers)), None)
        .await
        .unwrap();
    let refused = TargetError::Refused("PATCH of group was answered 404".to_owned());
    assert_eq!(receipts, BTreeMap::from([("deleted".to_owned(), Err(refused))]));
    joiners.pop();
    assert_eq!(*members.lock().unwrap(), ids(&joiners));
    let patches = odd.asked(&Method::PATCH).len();
    assert!(patches < 20, "{patches} requests");
}

#[tokio::test]
async fn a_group_that_refuses_everything_is_not_asked_for_ever() {
    let many: Vec<String> = (0..500).map(|n| format!("in{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (odd, _) = group_with(&[], |_, _, _| 400).await;
    let receipts = odd
        .target
        .change_holders(&group(), &orders(&ids(&many), &ids(&[])), None)
        .await
        .unwrap();
    assert_eq!(receipts.len(), 500);
    assert!(
        receipts
            .values()
            .all(|receipt| receipt.as_ref().is_err_and(|error| kind(error) == "Refused"))
    );
    let patches = odd.asked(&Method::PATCH).len();
    assert!(patches < 100, "{patches} requests");
}

#[tokio::test]
async fn an_error_after_the_change_is_left_open() {
    let (odd, _) = group_with(&[], |_, _, _| 500).await;
    let error = odd
        .target
        .change_holders(&group(), &orders(&ids(&["a"]), &ids(&[])), None)
        .await
        .unwrap_err();
    assert_eq!(kind(&error), "Ambiguous");
    assert_eq!(odd.asked(&Method::PATCH).len(), 1);
}

#[tokio::test]
async fn a_group_that_hides_its_members_is_not_emptied_by_put() {
    let odd = Odd::server(|asked| match (&asked.method, asked.path.as_str()) {
        (_, "/ServiceProviderConfig") => ok(&json!({"patch": {"supported": false}, "filter": {"supported": true}})),
        (&Method::PUT, _) => bare(204),
        (_, "/Groups/g") if asked.query.contains_key("attributes") => {
            ok(&json!({"id": "g", "members": [{"value": "a", "display": "A"}, {"value": "b"}]}))
        }
        (_, "/Groups/g") => ok(&json!({"id": "g", "displayName": "G", "externalId": "x", "meta": {"version": "1"}})),
        _ => None,
    })
    .await;
    odd.target
        .change_holders(&group(), &orders(&ids(&["c"]), &ids(&["b"])), None)
        .await
        .unwrap();
    let puts = odd.asked(&Method::PUT);
    assert_eq!(puts.len(), 1);
    assert_eq!(
        puts[0].body,
        json!({"id": "g", "displayName": "G", "externalId": "x", "members": [{"value": "a", "display": "A"}, {"value": "c"}]})
    );
    assert_eq!(puts[0].if_match, None);
    // Nothing to change, nothing sent.
    odd.target
        .change_holders(&group(), &orders(&ids(&["a"]), &ids(&["z"])), None)
        .await
        .unwrap();
    assert_eq!(odd.asked(&Method::PUT).len(), 1);
}
