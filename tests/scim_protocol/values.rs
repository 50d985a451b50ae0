//! Roles and entitlements: values of a user's attributes (RFC 7643 section 4.1.2).

use std::sync::{Arc, Mutex};

use axum::http::Method;
use rollcall::api::NameRef;
use rollcall::api::entitlement::{EntitlementSpec, RemoteObject, ScimValue};
use rollcall::targets::{Found, Looks, Order, Target, Verb, orders};
use serde_json::{Value, json};

use crate::odd::*;

fn role(id: &str) -> RemoteObject {
    RemoteObject {
        kind: "Role".to_owned(),
        id: id.to_owned(),
    }
}

fn revoke(account: &str) -> Vec<Order> {
    vec![Order::new(Verb::Revoke, account)]
}

fn grant(account: &str) -> Vec<Order> {
    vec![Order::new(Verb::Grant, account)]
}

#[tokio::test]
async fn a_value_needs_no_search_and_its_record_says_all() {
    let odd = Odd::server(|_| None).await;
    let spec = |value: &str, type_: Option<&str>| EntitlementSpec {
        target_ref: NameRef::new("scim"),
        scim_role: Some(ScimValue {
            value: value.to_owned(),
            type_: type_.map(str::to_owned),
        }),
        ..EntitlementSpec::default()
    };
    for (value, type_, id) in [("admin", None, "admin"), ("a/b", Some("app"), "app/a%2Fb")] {
        assert_eq!(
            odd.target.find_object(&spec(value, type_)).await.unwrap(),
            Found::One(role(id))
        );
    }
    assert!(odd.log.lock().unwrap().is_empty());
    assert_eq!(odd.target.looks("Role"), Looks::Account);
    assert_eq!(odd.target.looks("Entitlement"), Looks::Account);
    assert_eq!(odd.target.looks("Group"), Looks::Object);
}

/// A user whose roles come as `elements`, on a server that heeds only the forms that it likes.
async fn user_with(elements: Value, likes: &'static [&'static str], patch: bool) -> (Odd, Arc<Mutex<Value>>) {
    let roles = Arc::new(Mutex::new(elements));
    let kept = roles.clone();
    let odd = Odd::server(move |asked| {
        let mut roles = kept.lock().unwrap();
        let list = |roles: &Value| roles.as_array().unwrap().clone();
        match (&asked.method, asked.path.as_str()) {
            (_, "/ServiceProviderConfig") => ok(&json!({"patch": {"supported": patch}, "filter": {"supported": true}})),
            (&Method::GET, "/Users/7") => ok(&json!({"id": "7", "userName": "ada", "roles": *roles})),
            (&Method::PUT, "/Users/7") => {
                if likes.contains(&"put") {
                    *roles = asked.body["roles"].clone();
                }
                ok(&json!({}))
            }
            (&Method::PATCH, "/Users/7") => {
                for operation in asked.body["Operations"].as_array().unwrap() {
                    let (op, path) = (operation["op"].as_str().unwrap(), operation["path"].as_str().unwrap());
                    let mut now = list(&roles);
                    match (op, path) {
                        ("add", "roles") if likes.contains(&"add") => now.extend(list(&operation["value"])),
                        ("replace", "roles") if likes.contains(&"replace") => now = list(&operation["value"]),
                        ("remove", "roles") if likes.contains(&"list") => {
                            now.retain(|element| !list(&operation["value"]).contains(element));
                        }
                        ("remove", path) if likes.contains(&"filter") => {
                            let plain = path == r#"roles[value eq "ours"]"#;
                            let typed = path == r#"roles[value eq "ours" and type eq "app"]"#;
                            assert!(plain || typed, "{path}");
                            now.retain(|element| {
                                let value = element.as_str().or(element["value"].as_str()).unwrap();
                                value != "ours" || (typed && element["type"] != "app")
                            });
                        }
                        _ => {}
                    }
                    *roles = now.into();
                }
                bare(204)
            }
            _ => None,
        }
    })
    .await;
    (odd, roles)
}

async fn holds(odd: &Odd, object: &RemoteObject) -> bool {
    odd.target
        .holdings(&object.kind, "7")
        .await
        .unwrap()
        .contains_key(object)
}

#[tokio::test]
async fn a_role_is_given_and_taken_and_what_others_gave_stays() {
    let theirs = json!({"value": "theirs", "primary": true, "type": "app"});
    let (odd, roles) = user_with(json!([theirs]), &["add", "filter"], true).await;
    for object in [role("ours"), role("app/ours")] {
        assert!(!holds(&odd, &object).await);
        assert!(
            odd.target
                .change_holders(&object, &grant("7"), None)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(holds(&odd, &object).await);
        odd.target.change_holders(&object, &revoke("7"), None).await.unwrap();
        assert!(!holds(&odd, &object).await);
        assert_eq!(*roles.lock().unwrap(), json!([theirs]));
    }
    // A look a time, and one that nothing is known of before any was shown; a request a change.
    assert_eq!(odd.asked(&Method::PATCH).len(), 4);
    assert!(holds(&odd, &role("theirs")).await && holds(&odd, &role("app/theirs")).await);
}

#[tokio::test]
async fn i2_a_role_is_taken_on_servers_that_heed_one_form_or_have_no_patch() {
    let likes: [(&'static [&'static str], bool, usize); 5] = [
        (&["filter"], true, 1),
        (&["list"], true, 2),
        (&["replace"], true, 3),
        (&["put"], true, 4),
        (&["put"], false, 1),
    ];
    for (likes, patch, rounds) in likes {
        for elements in [
            json!([{"value": "theirs"}, {"value": "ours"}]),
            json!(["theirs", "ours"]),
        ] {
            let theirs = elements[0].clone();
            let (odd, roles) = user_with(elements, likes, patch).await;
            let mut asked = 0;
            while holds(&odd, &role("ours")).await {
                odd.target
                    .change_holders(&role("ours"), &revoke("7"), None)
                    .await
                    .unwrap();
                asked += 1;
                assert!(asked < 9, "{likes:?}");
            }
            assert_eq!(asked, rounds, "{likes:?}");
            assert_eq!(*roles.lock().unwrap(), json!([theirs]), "{likes:?}");
        }
    }
}

#[tokio::test]
async fn where_roles_are_plain_texts_they_are_given_as_such() {
    let (odd, roles) = user_with(json!(["theirs"]), &["add"], true).await;
    assert!(!holds(&odd, &role("ours")).await);
    odd.target
        .change_holders(&role("ours"), &grant("7"), None)
        .await
        .unwrap();
    assert_eq!(*roles.lock().unwrap(), json!(["theirs", "ours"]));
    assert!(holds(&odd, &role("ours")).await);
}

/// What is not shown is no proof: until values were shown once, they are asked for by name as well.
#[tokio::test]
async fn a_server_that_hides_roles_unless_asked_does_not_prove_a_removal() {
    let odd = Odd::server(|asked| match asked.path.as_str() {
        "/Users/7" if asked.query.get("attributes").is_some_and(|names| names == "roles") => {
            ok(&json!({"id": "7", "roles": [{"value": "ours"}]}))
        }
        "/Users/7" => ok(&json!({"id": "7", "userName": "ada"})),
        "/Users" => ok(&list(&[user("7", "ada", None)])),
        _ => None,
    })
    .await;
    assert!(holds(&odd, &role("ours")).await);
    // Nor does a list in which nobody shows any.
    assert_eq!(kind(&odd.target.all_holders("Role").await.unwrap_err()), "Malformed");
}

#[tokio::test]
async fn one_listing_shows_who_holds_what() {
    let users = [
        json!({"id": "1", "roles": [{"value": "a", "type": "t"}, {"value": "b"}]}),
        json!({"id": "2", "roles": [{"value": "b"}]}),
        json!({"id": "3"}),
    ];
    let odd = Odd::server(move |asked| {
        let page = if asked.number("startIndex", 1) == 1 {
            users.to_vec()
        } else {
            vec![]
        };
        asked
            .is(&Method::GET, "/Users")
            .then(|| ok(&json!({"totalResults": 3, "Resources": page})))?
    })
    .await;
    let all = odd.target.all_holders("Role").await.unwrap();
    let held: Vec<(&str, Vec<String>)> = all
        .iter()
        .map(|(object, holders)| (object.id.as_str(), holders.accounts().into_iter().collect()))
        .collect();
    let of = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(held, [("a", of(&["1"])), ("b", of(&["1", "2"])), ("t/a", of(&["1"]))]);
    assert_eq!(
        odd.target.holders(&role("b")).await.unwrap().unwrap().accounts(),
        ids(&["1", "2"])
    );
}

/// One value that cannot be had keeps nobody from the others, and one account that is refused no other account.
#[tokio::test]
async fn a_refused_role_blocks_nobody_else() {
    let odd = Odd::server(|asked| match (&asked.method, asked.path.as_str()) {
        (&Method::GET, "/Users/7" | "/Users/8") => {
            ok(&json!({"id": asked.path.rsplit('/').next().unwrap(), "roles": []}))
        }
        (&Method::PATCH, "/Users/9") => Some(refusal(404, None)),
        (&Method::PATCH, _) if asked.body.to_string().contains("forbidden") => Some(refusal(400, Some("invalidValue"))),
        (&Method::PATCH, _) => bare(204),
        _ => None,
    })
    .await;
    let changes = [
        (role("forbidden"), orders(&ids(&["7"]), &ids(&[]))),
        (role("fine"), orders(&ids(&["7", "8", "9"]), &ids(&[]))),
    ];
    let receipts = odd.target.change_many(&changes).await;
    assert_eq!(
        kind(receipts[0].as_ref().unwrap()["7"].as_ref().unwrap_err()),
        "Refused"
    );
    let fine = receipts[1].as_ref().unwrap();
    assert_eq!(fine.keys().collect::<Vec<_>>(), ["9"]);
    assert_eq!(kind(fine["9"].as_ref().unwrap_err()), "Gone");
}
