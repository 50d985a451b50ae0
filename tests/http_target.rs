//! Does an API that is described as data get what it should, once, and is what it answers read for what it says? One
//! service with the habits of many, and one scenario a test.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "http_target/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use rollcall::api::employee::EmployeeSpec;
use rollcall::api::entitlement::{EntitlementSpec, HttpEntitlement, RemoteObject};
use rollcall::api::http::HttpKind;
use rollcall::api::target::TargetSystemSpec;
use rollcall::decide::definition::Definition;
use rollcall::decide::expression::Schema;
use rollcall::egress::{Egress, Rules};
use rollcall::targets::http::{HttpTarget, HttpTargetOptions, secret};
use rollcall::targets::pace::Pace;
use rollcall::targets::{AccountFacts, Found, Looks, Order, Repeats, Target, TargetError, Verb};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::server::{DETAIL, Fault, Server};

const DEFINITION: &str = include_str!("http_target/definition.yaml");

/// The description, with what a test wants otherwise put over it.
fn spec(server: &Server, other: &Value) -> TargetSystemSpec {
    let mut tree: serde_yaml::Value = serde_yaml::from_str(&DEFINITION.replace("BASE", &server.url)).unwrap();
    tree.apply_merge().unwrap();
    let mut tree = serde_json::to_value(&tree).unwrap();
    tree["adopt"] = json!("Never");
    merge(&mut tree, other);
    serde_json::from_value(tree).unwrap()
}

fn merge(tree: &mut Value, other: &Value) {
    match (tree, other) {
        (Value::Object(tree), Value::Object(other)) => {
            for (name, value) in other {
                merge(tree.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (tree, other) => *tree = other.clone(),
    }
}

fn target_with(server: &Server, other: &Value, secrets: &[(&str, &str)]) -> HttpTarget {
    target_of(spec(server, other), secrets)
}

/// The same, with accounts listed in another way.
fn target_listing(server: &Server, list: &Value) -> HttpTarget {
    let mut spec = spec(server, &json!({}));
    spec.http.as_mut().unwrap().account.list = serde_json::from_value(list.clone()).unwrap();
    target_of(spec, &[(secret::TOKEN, "static")])
}

fn target_of(spec: TargetSystemSpec, secrets: &[(&str, &str)]) -> HttpTarget {
    let definition = Definition::compile(&spec, &Schema::default()).unwrap();
    let definition = definition.unwrap_or_else(|problems| panic!("{problems:#?}"));
    let secrets = secrets
        .iter()
        .map(|(name, value)| ((*name).to_owned(), SecretString::from((*value).to_owned())));
    let options = HttpTargetOptions {
        api: spec.http.unwrap(),
        definition: Arc::new(definition),
        secrets: secrets.collect(),
        pace: Arc::new(Pace::per_minute(600_000)),
        egress: Egress::new(Rules::opening(&["127.0.0.0/8"]).unwrap()),
    };
    HttpTarget::new(&options).unwrap()
}

fn target(server: &Server) -> HttpTarget {
    target_with(server, &json!({}), &[(secret::TOKEN, "static\n")])
}

fn person(name: &str, title: Option<&str>) -> AccountFacts {
    AccountFacts {
        external_id: format!("acme/e-{name}"),
        employee: Arc::new(EmployeeSpec {
            work_email: Some(format!("{name}@x.io")),
            job_title: title.map(str::to_owned),
            ..EmployeeSpec::default()
        }),
        ..AccountFacts::default()
    }
}

fn object(kind: &str, id: &str) -> RemoteObject {
    RemoteObject {
        kind: kind.to_owned(),
        id: id.to_owned(),
    }
}

fn entitlement(kind: &str, inputs: &[(&str, &str)]) -> EntitlementSpec {
    EntitlementSpec {
        http: Some(HttpEntitlement {
            kind: kind.to_owned(),
            inputs: inputs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }),
        ..EntitlementSpec::default()
    }
}

fn card(account: &str, limit: &str) -> Order {
    Order {
        inputs: BTreeMap::from([("program".to_owned(), "travel".to_owned())]),
        parameters: BTreeMap::from([("limit".to_owned(), limit.to_owned())]),
        operation_id: "operation-1".to_owned(),
        ..Order::new(Verb::Grant, account)
    }
}

async fn one(target: &HttpTarget, object: &RemoteObject, order: Order) -> Result<(), TargetError> {
    let account = order.account_id.clone();
    let mut receipts = target.change_holders(object, &[order], None).await?;
    receipts.remove(&account).map_or(Ok(()), |receipt| receipt.map(|_| ()))
}

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn kind(error: &TargetError) -> &'static str {
    match error {
        TargetError::Unreachable(_) => "Unreachable",
        TargetError::Unauthorized(_) => "Unauthorized",
        TargetError::Misconfigured(_) => "Misconfigured",
        TargetError::AddressRefused(_) => "AddressRefused",
        TargetError::Throttled(_) => "Throttled",
        TargetError::Refused(_) => "Refused",
        TargetError::NoSeat(_) => "NoSeat",
        TargetError::Conflict(_) => "Conflict",
        TargetError::Gone(_) => "Gone",
        TargetError::Ambiguous(_) => "Ambiguous",
        TargetError::Malformed(_) => "Malformed",
    }
}

/// The life of an account, each step one call, and the record read first where the call speaks of it.
#[tokio::test]
async fn an_account_is_made_found_changed_ended_and_deleted() {
    let server = Server::start().await;
    let target = target(&server);
    target.capabilities().await.unwrap();
    let ada = person("ada", None);
    assert_eq!(target.find_account(&ada).await.unwrap(), Found::None);

    let made = target.create_account(&ada, "op").await.unwrap();
    assert_eq!(made.id, "u1");
    let sent = &server.asked(&Method::POST, "/users")[0];
    // What has no value is left out, and the rest is as it is.
    assert_eq!(sent.body, json!({"email": "ada@x.io", "key": "acme/e-ada"}));
    assert_eq!(sent.header("x-client"), "rollcall");
    assert_eq!(sent.header("authorization"), "Bearer static");

    let Found::One(found) = target.find_account(&ada).await.unwrap() else {
        panic!("not found");
    };
    assert_eq!((found.id.as_str(), found.active), ("u1", true));
    assert_eq!(found.external_id.as_deref(), Some("acme/e-ada"));
    assert_eq!(found.names, ids(&["ada@x.io"]));

    let engineer = person("ada", Some("Engineer"));
    assert_eq!(target.update_account("u1", &engineer, false).await.unwrap(), "u1");
    let sent = server.asked(&Method::PATCH, "/users/u1").pop().unwrap();
    assert_eq!(sent.body["title"], "Engineer");
    assert_eq!(sent.body["wasActive"], true);
    assert_eq!(sent.header("if-match"), "\"\"");

    target.deactivate_account("u1").await.unwrap();
    assert!(!target.read_account("u1").await.unwrap().unwrap().active);
    target.update_account("u1", &engineer, true).await.unwrap();
    assert!(target.read_account("u1").await.unwrap().unwrap().active);

    target.delete_account("u1").await.unwrap();
    assert_eq!(target.read_account("u1").await.unwrap(), None);
    // Gone already is done.
    target.delete_account("u1").await.unwrap();
    assert_eq!(kind(&target.deactivate_account("u1").await.unwrap_err()), "Gone");
}

/// A person without what the search is made of is not looked for with less: that could find everybody.
#[tokio::test]
async fn nothing_is_asked_with_a_value_missing() {
    let server = Server::start().await;
    let nobody = AccountFacts {
        external_id: "acme/e-x".to_owned(),
        ..AccountFacts::default()
    };
    let error = target(&server).find_account(&nobody).await.unwrap_err();
    assert_eq!(kind(&error), "Refused");
    assert!(error.to_string().contains("workEmail"), "{error}");
    assert!(server.state().log.is_empty());
}

/// An API that ignores filters, or holds another's record, gives nobody somebody else's account (I1, I4).
#[tokio::test]
async fn every_record_is_asked_whose_it_is() {
    let server = Server::start().await;
    let ignoring = json!({"http": {"account": {"find": [{
        "request": {"method": "GET", "path": "/users"}, "items": "response.body.users",
        "pages": null,
    }]}}});
    server.user("u1", "bob@x.io");
    let target = target_with(&server, &ignoring, &[(secret::TOKEN, "static")]);
    let ada = person("ada", None);
    assert_eq!(target.find_account(&ada).await.unwrap(), Found::None);
    server.user("u2", "ada@x.io");
    assert!(matches!(target.find_account(&ada).await.unwrap(), Found::One(account) if account.id == "u2"));
    server.state().users.get_mut("u2").unwrap()["key"] = json!("acme/e-other");
    assert!(matches!(target.find_account(&ada).await.unwrap(), Found::Foreign(..)));
    server.state().users.get_mut("u1").unwrap()["email"] = json!("ada@x.io");
    assert!(matches!(target.find_account(&ada).await.unwrap(), Found::Several(_)));
    // Of several, the one with our key is ours.
    server.state().users.get_mut("u1").unwrap()["key"] = json!("acme/e-ada");
    assert!(matches!(target.find_account(&ada).await.unwrap(), Found::One(account) if account.id == "u1"));
    // A record of which it cannot be told may be the person's: nothing is made in its place.
    server.state().users.clear();
    server
        .state()
        .users
        .insert("u3".to_owned(), json!({"id": "u3", "active": true}));
    let error = target.find_account(&ada).await.unwrap_err();
    assert_eq!(kind(&error), "Malformed");
    assert!(error.to_string().contains("item.email"), "{error}");
}

/// However lists are paged, all of it is read.
#[tokio::test]
async fn lists_are_read_to_their_end_in_every_style() {
    for (style, query, pages) in [
        (
            "token",
            json!({"start": "${page.?token}"}),
            json!({"token": "response.body.?next"}),
        ),
        ("link", json!({}), json!({"link": "header"})),
        (
            "more",
            json!({"page": "${page.number}"}),
            json!({"more": "response.body.more"}),
        ),
        ("full", json!({"start": "${page.offset}"}), json!({"full": 2})),
    ] {
        let server = Server::start().await;
        server.state().pages = style;
        for number in 0..5 {
            server.user(&format!("u{number}"), &format!("p{number}@x.io"));
        }
        let list = json!({"request": {"method": "GET", "path": "/users", "query": query},
            "items": "response.body.users", "pages": pages});
        let target = target_listing(&server, &list);
        let accounts = target
            .accounts()
            .await
            .unwrap_or_else(|error| panic!("{style}: {error}"))
            .unwrap();
        assert_eq!(accounts.len(), 5, "{style}");
        assert_eq!(server.asked(&Method::GET, "/users").len(), 3, "{style}");
        // A list that goes in circles is never taken for whole.
        server.state().stuck = true;
        let error = target.accounts().await.unwrap_err();
        assert_eq!(kind(&error), "Malformed", "{style}: {error}");
    }
}

/// Our credentials go where the definition says, and not where an answer does.
#[tokio::test]
async fn a_link_leads_to_the_same_host_alone() {
    let server = Server::start().await;
    let elsewhere = Server::start().await;
    server.user("u1", "ada@x.io");
    let list = json!({"request": {"method": "GET", "path": "/users"}, "items": "response.body.users",
        "pages": {"link": "response.body.link"}});
    let target = target_listing(&server, &list);
    for link in [format!("{}/users", elsewhere.url), "//other.example/users".to_owned()] {
        let body = json!({"users": [], "link": link}).to_string();
        server.fault(Method::GET, "/users", Fault::Instead(200, vec![], body));
        let error = target.accounts().await.unwrap_err();
        assert_eq!(kind(&error), "Malformed", "{error}");
    }
    assert!(elsewhere.state().log.is_empty());
}

/// Whatever ids and names hold, they stay one part of a path, a query, a form.
#[tokio::test]
async fn values_stay_in_their_place() {
    let server = Server::start().await;
    let target = target(&server);
    let Found::One(team) = target
        .find_object(&entitlement("team", &[("name", "R&D + Ops")]))
        .await
        .unwrap()
    else {
        panic!("not found");
    };
    assert_eq!(team, object("team", "t/2"));
    server.user("a/../b?c#d", "x@x.io");
    one(&target, &team, Order::new(Verb::Grant, "a/../b?c#d"))
        .await
        .unwrap();
    let sent = server.asked(&Method::PUT, "/teams").pop().unwrap();
    assert_eq!(sent.path, "/teams/t%2F2/members/a%2F..%2Fb%3Fc%23d");
    let holders = target.holders(&team).await.unwrap().unwrap();
    assert_eq!(holders.accounts(), ids(&["a/../b?c#d"]));
    let before = server.state().log.len();
    for id in [".", "..", ""] {
        let error = one(&target, &team, Order::new(Verb::Revoke, id)).await.unwrap_err();
        assert_eq!(kind(&error), "Refused", "{id}");
    }
    assert_eq!(server.state().log.len(), before);
}

/// I4: a card whose making was cut short is sent again under the same key, and is one card.
#[tokio::test]
async fn an_idempotency_key_makes_one_card_of_two_calls() {
    let server = Server::start().await;
    let target = target(&server);
    let travel = object("card", "travel");
    assert_eq!(target.repeats(Some(&travel)), Repeats::ByKey);
    server.fault(Method::POST, "/cards", Fault::After(502));
    let error = one(&target, &travel, card("u1", "500")).await.unwrap_err();
    assert_eq!(kind(&error), "Ambiguous");
    let receipts = target
        .change_holders(&travel, &[card("u1", "500")], None)
        .await
        .unwrap();
    assert_eq!(receipts["u1"].as_ref().unwrap().grant_id, "card-1");
    assert_eq!(server.state().cards.len(), 1);
    let keys: BTreeSet<String> = server
        .asked(&Method::POST, "/cards")
        .iter()
        .map(|asked| asked.header("idempotency-key").to_owned())
        .collect();
    assert_eq!(keys.len(), 1);

    // The look shows how it is held; the change and the end go by the card's own id.
    let all = target.all_holders("card").await.unwrap();
    let holding = &all[&travel].ids["u1"];
    assert_eq!(
        (holding.grant_id.as_str(), holding.operation_id.as_str()),
        ("card-1", "operation-1")
    );
    assert_eq!(holding.parameters["limit"], "500");
    let update = Order {
        verb: Verb::Update,
        grant_id: "card-1".to_owned(),
        ..card("u1", "900")
    };
    one(&target, &travel, update).await.unwrap();
    assert_eq!(server.state().cards[0].limit, 900);
    let revoke = Order {
        grant_id: "card-1".to_owned(),
        operation_id: "operation-1".to_owned(),
        ..Order::new(Verb::Revoke, "u1")
    };
    one(&target, &travel, revoke.clone()).await.unwrap();
    assert!(server.state().cards[0].closed);
    assert_eq!(target.holding(&travel, "u1", "card-1").await.unwrap(), None);
    // Gone already is done, once a look confirms it.
    one(&target, &travel, revoke).await.unwrap();
}

/// I4: without a key, a look finds the card that was made, by our operation.
#[tokio::test]
async fn a_card_whose_making_was_cut_short_is_found() {
    let server = Server::start().await;
    let target = target(&server);
    let travel = object("plain-card", "travel");
    assert_eq!(target.repeats(Some(&travel)), Repeats::Found);
    assert_eq!(target.looks("plain-card"), Looks::Kind);
    server.fault(Method::POST, "/cards", Fault::Late);
    let mut order = card("u1", "1");
    order.parameters.clear();
    assert_eq!(kind(&one(&target, &travel, order).await.unwrap_err()), "Ambiguous");
    let holding = target.holding(&travel, "u1", "").await.unwrap().unwrap();
    assert_eq!(
        (holding.grant_id.as_str(), holding.operation_id.as_str()),
        ("card-1", "operation-1")
    );
    // A revocation that lost the card's id finds it too.
    let revoke = Order {
        operation_id: "operation-1".to_owned(),
        ..Order::new(Verb::Revoke, "u1")
    };
    one(&target, &travel, revoke).await.unwrap();
    assert!(server.state().cards[0].closed);
}

/// I2: two cards of one operation both go, though the record knows one of them.
#[tokio::test]
async fn all_grants_of_one_operation_are_taken_back() {
    let server = Server::start().await;
    let target = target(&server);
    let travel = object("plain-card", "travel");
    let mut order = card("u1", "1");
    order.parameters.clear();
    for _ in 0..2 {
        one(&target, &travel, order.clone()).await.unwrap();
    }
    assert_eq!(server.state().cards.len(), 2);
    let revoke = Order {
        grant_id: "card-1".to_owned(),
        operation_id: "operation-1".to_owned(),
        ..Order::new(Verb::Revoke, "u1")
    };
    // The first call takes the one on record; the look shows the other, and the next call takes that.
    one(&target, &travel, revoke.clone()).await.unwrap();
    assert!(target.holding(&travel, "u1", "card-1").await.unwrap().is_some());
    one(&target, &travel, revoke).await.unwrap();
    assert!(server.state().cards.iter().all(|card| card.closed));
}

/// A set without a version is read, changed by what is ours and written back, one writer at a time; what others put in
/// stays in (I1).
#[tokio::test]
async fn a_set_of_roles_is_written_whole_and_one_at_a_time() {
    let server = Server::start().await;
    let target = target(&server);
    server.user("u1", "ada@x.io");
    server.state().roles.insert("u1".to_owned(), ids(&["theirs"]));
    assert_eq!(target.repeats(Some(&object("role", "a"))), Repeats::Safely);
    let mut objects = Vec::new();
    for role in ["a", "b c", "d/e"] {
        let Found::One(object) = target
            .find_object(&entitlement("role", &[("role", role)]))
            .await
            .unwrap()
        else {
            panic!("not found");
        };
        objects.push(object);
    }
    let grants = objects
        .iter()
        .map(|object| one(&target, object, Order::new(Verb::Grant, "u1")));
    for done in futures::future::join_all(grants).await {
        done.unwrap();
    }
    assert_eq!(server.state().roles["u1"], ids(&["a", "b c", "d/e", "theirs"]));
    assert_eq!(server.state().overlaps, 0);
    let held = target.holdings("role", "u1").await.unwrap();
    assert!(objects.iter().all(|object| held.contains_key(object)));

    // What is to go from one account together goes in one read and one write.
    let before = server.state().log.len();
    let changes: Vec<_> = objects
        .iter()
        .map(|object| (object.clone(), vec![Order::new(Verb::Revoke, "u1")]))
        .collect();
    for done in target.change_many(&changes).await {
        assert!(done.unwrap().is_empty());
    }
    assert_eq!(server.state().roles["u1"], ids(&["theirs"]));
    assert_eq!(server.state().log.len() - before, 2);
    // What is so already is not written.
    one(&target, &objects[0], Order::new(Verb::Revoke, "u1")).await.unwrap();
    assert_eq!(server.asked(&Method::PUT, "/users/u1/roles").len(), 4);
    // Who is gone holds nothing.
    one(&target, &objects[0], Order::new(Verb::Revoke, "u9")).await.unwrap();
    assert_eq!(
        kind(
            &one(&target, &objects[0], Order::new(Verb::Grant, "u9"))
                .await
                .unwrap_err()
        ),
        "Gone"
    );
}

/// The description of a kind, changed.
fn target_whose(server: &Server, name: &str, change: impl FnOnce(&mut HttpKind)) -> HttpTarget {
    let mut spec = spec(server, &json!({}));
    let kinds = &mut spec.http.as_mut().unwrap().kinds;
    change(kinds.iter_mut().find(|kind| kind.name == name).unwrap());
    target_of(spec, &[(secret::TOKEN, "static")])
}

/// I2: where a set may not be written empty, its last holding goes by the call that there is for that.
#[tokio::test]
async fn the_last_of_a_set_goes_by_a_call_of_its_own() {
    let server = Server::start().await;
    server.state().no_empty_sets = true;
    server.user("u1", "ada@x.io");
    let role = object("role", "a");
    // Without such a call it is refused, and said so.
    server.state().roles.insert("u1".to_owned(), ids(&["a"]));
    let refused = one(&target(&server), &role, Order::new(Verb::Revoke, "u1")).await;
    assert_eq!(kind(&refused.unwrap_err()), "Refused");
    let clear = json!({"method": "DELETE", "path": "/users/${account.id}/roles"});
    let target = target_whose(&server, "role", |kind| {
        kind.replace.as_mut().unwrap().empty = serde_json::from_value(clear).unwrap();
    });
    // What is not the last is written as ever.
    one(&target, &object("role", "b"), Order::new(Verb::Grant, "u1"))
        .await
        .unwrap();
    one(&target, &object("role", "b"), Order::new(Verb::Revoke, "u1"))
        .await
        .unwrap();
    assert_eq!(server.state().roles["u1"], ids(&["a"]));
    assert!(server.asked(&Method::DELETE, "/users/u1/roles").is_empty());
    one(&target, &role, Order::new(Verb::Revoke, "u1")).await.unwrap();
    assert!(!server.state().roles.contains_key("u1"));
    assert!(target.holdings("role", "u1").await.unwrap().is_empty());

    // I5: the same of an object's holders, under the version that was read.
    let clear = json!({"method": "POST", "path": "/document/clear"});
    let target = target_whose(&server, "document", |kind| {
        kind.replace.as_mut().unwrap().empty = serde_json::from_value(clear).unwrap();
    });
    let document = object("document", "handbook");
    one(&target, &document, Order::new(Verb::Grant, "u1")).await.unwrap();
    one(&target, &document, Order::new(Verb::Revoke, "u1")).await.unwrap();
    assert!(server.state().readers.is_empty());
    let sent = server.asked(&Method::POST, "/document/clear");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("if-match"), "\"2\"");
}

/// I4: a key that travels in the body is as good as one in a header, where the description says that the API keeps to it.
#[tokio::test]
async fn a_key_in_the_body_makes_one_card_of_two_calls() {
    let server = Server::start().await;
    let travel = object("plain-card", "travel");
    let target = target_whose(&server, "plain-card", |kind| {
        let grant = kind.grant.as_mut().unwrap();
        grant.idempotent = true;
        let form = grant.form.as_mut().unwrap();
        form.insert("key".to_owned(), "${operation.uuid}".to_owned());
    });
    assert_eq!(target.repeats(Some(&travel)), Repeats::ByKey);
    let order = || {
        let mut order = card("u1", "1");
        order.parameters.clear();
        order
    };
    server.fault(Method::POST, "/cards", Fault::After(502));
    let error = one(&target, &travel, order()).await.unwrap_err();
    assert_eq!(kind(&error), "Ambiguous");
    one(&target, &travel, order()).await.unwrap();
    assert_eq!(server.state().cards.len(), 1);
    let sent = server.asked(&Method::POST, "/cards");
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].form["key"], sent[1].form["key"]);
    // The key alone is no promise.
    let target = target_whose(&server, "plain-card", |_| {});
    assert_eq!(target.repeats(Some(&travel)), Repeats::Found);
    // Nor is an account made twice where its creation is said to be done once.
    let create = json!({"http": {"account": {"create": {"idempotent": true}}}});
    let target = target_with(&server, &create, &[(secret::TOKEN, "static")]);
    assert_eq!(target.repeats(None), Repeats::ByKey);
}

/// I10: a list that always has one more page ends at the ten thousandth, as an error and never as a short list.
#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let server = Server::start().await;
    server.state().endless = true;
    let error = target(&server).accounts().await.unwrap_err();
    assert_eq!(kind(&error), "Malformed");
    assert!(error.to_string().contains("has no end"), "{error}");
    assert_eq!(server.asked(&Method::GET, "/users").len(), 10_000);
}

/// I5: a set with a version is never written over what somebody else wrote meanwhile.
#[tokio::test]
async fn a_set_that_changed_meanwhile_is_read_again() {
    let server = Server::start().await;
    let target = target(&server);
    let document = object("document", "handbook");
    server.fault(Method::PUT, "/document", Fault::Race);
    one(&target, &document, Order::new(Verb::Grant, "u1")).await.unwrap();
    assert_eq!(server.state().readers, ids(&["somebody-else", "u1"]));
    assert_eq!(server.asked(&Method::PUT, "/document").len(), 2);
    assert_eq!(server.asked(&Method::PUT, "/document")[1].body["note"], "kept");
    // Somebody who writes all the time is not raced for ever.
    for _ in 0..2 {
        server.fault(Method::PUT, "/document", Fault::Race);
    }
    let error = one(&target, &document, Order::new(Verb::Revoke, "u1"))
        .await
        .unwrap_err();
    assert_eq!(kind(&error), "Conflict");
    assert_eq!(server.state().readers, ids(&["somebody-else", "u1"]));
}

/// An envelope of its own: the status is always 200, and the body says.
#[tokio::test]
async fn an_envelope_says_what_the_status_does_not() {
    let server = Server::start().await;
    let target = target(&server);
    let Found::One(channel) = target
        .find_object(&entitlement("channel", &[("channel", "#R&D")]))
        .await
        .unwrap()
    else {
        panic!("not found");
    };
    for _ in 0..2 {
        // The second time it is so already.
        one(&target, &channel, Order::new(Verb::Grant, "u1")).await.unwrap();
    }
    server.state().seats = 1;
    assert_eq!(
        kind(&one(&target, &channel, Order::new(Verb::Grant, "u2")).await.unwrap_err()),
        "NoSeat"
    );
    let elsewhere = object("channel", "%23other");
    let error = one(&target, &elsewhere, Order::new(Verb::Grant, "u1"))
        .await
        .unwrap_err();
    assert_eq!(kind(&error), "Refused");
    assert!(!error.to_string().contains(DETAIL));
    for _ in 0..2 {
        one(&target, &channel, Order::new(Verb::Revoke, "u1")).await.unwrap();
    }
    assert_eq!(target.holders(&channel).await.unwrap().unwrap().accounts(), ids(&[]));
    // An answer that breaks off says neither that it was done nor that it was not.
    let broken = r#"{"ok": tr"#.to_owned();
    server.fault(
        Method::POST,
        "/chat",
        Fault::Instead(200, vec![("content-type", "application/json")], broken.clone()),
    );
    assert_eq!(
        kind(&one(&target, &channel, Order::new(Verb::Grant, "u1")).await.unwrap_err()),
        "Ambiguous"
    );
    server.fault(Method::GET, "/chat", Fault::Instead(200, vec![], broken));
    assert_eq!(kind(&target.holders(&channel).await.unwrap_err()), "Malformed");
}

/// What was not there to be taken is taken, and what was not there to be given to is told.
#[tokio::test]
async fn gone_means_what_was_asked_for() {
    let server = Server::start().await;
    let target = target(&server);
    let team = object("membership", "t1");
    assert_eq!(target.looks("membership"), Looks::One);
    assert_eq!(
        kind(&one(&target, &team, Order::new(Verb::Grant, "u1")).await.unwrap_err()),
        "Gone"
    );
    server.user("u1", "ada@x.io");
    assert_eq!(target.holding(&team, "u1", "").await.unwrap(), None);
    one(&target, &team, Order::new(Verb::Grant, "u1")).await.unwrap();
    assert!(target.holding(&team, "u1", "").await.unwrap().is_some());
    for _ in 0..2 {
        one(&target, &team, Order::new(Verb::Revoke, "u1")).await.unwrap();
    }
    assert_eq!(target.holding(&team, "u1", "").await.unwrap(), None);
    assert_eq!(target.holders(&object("team", "t9")).await.unwrap(), None);
    // A page for people is not a membership, whatever its status.
    let page = Fault::Instead(
        200,
        vec![("content-type", "text/html")],
        "<html>log in</html>".to_owned(),
    );
    server.fault(Method::GET, "/teams", page);
    assert_eq!(kind(&target.holding(&team, "u1", "").await.unwrap_err()), "Malformed");
}

/// Statuses that no reading claims mean what they mean everywhere; an unclear end of an effect is never taken for either.
#[tokio::test]
async fn what_a_status_means() {
    let server = Server::start().await;
    let target = target(&server);
    server.user("u1", "ada@x.io");
    let team = object("team", "t1");
    for (status, read, change) in [
        (400, "Refused", "Refused"),
        (401, "Unauthorized", "Unauthorized"),
        (402, "Refused", "Refused"),
        (403, "Unauthorized", "Refused"),
        (408, "Refused", "Ambiguous"),
        (429, "Throttled", "Throttled"),
        (302, "Misconfigured", "Misconfigured"),
        (500, "Malformed", "Ambiguous"),
        (501, "Refused", "Refused"),
        (503, "Unreachable", "Ambiguous"),
        (504, "Unreachable", "Ambiguous"),
    ] {
        let fault = || Fault::Instead(status, vec![], DETAIL.to_owned());
        server.fault(Method::GET, "/teams", fault());
        let error = target.holders(&team).await.unwrap_err();
        assert_eq!(kind(&error), read, "{status} to a read: {error}");
        assert!(!error.to_string().contains(DETAIL));
        server.fault(Method::PUT, "/teams", fault());
        let error = one(&target, &team, Order::new(Verb::Grant, "u1")).await.unwrap_err();
        assert_eq!(kind(&error), change, "{status} to a change: {error}");
        assert!(!error.to_string().contains(DETAIL));
    }
    // A 403 to a change concerns the credentials where a read is refused too.
    server.fault(Method::PUT, "/teams", Fault::Instead(403, vec![], String::new()));
    server.fault(Method::GET, "/users", Fault::Instead(403, vec![], String::new()));
    let error = one(&target, &team, Order::new(Verb::Grant, "u1")).await.unwrap_err();
    assert_eq!(kind(&error), "Unauthorized");
    server.fault(
        Method::PUT,
        "/teams",
        Fault::Instead(503, vec![("retry-after", "7")], String::new()),
    );
    let error = one(&target, &team, Order::new(Verb::Grant, "u1")).await.unwrap_err();
    assert_eq!(error, TargetError::Throttled(Some(Duration::from_secs(7))));
    // Where seats ran out, and where somebody else was faster.
    server.state().seats = 1;
    assert_eq!(
        kind(&target.create_account(&person("bob", None), "op").await.unwrap_err()),
        "NoSeat"
    );
    assert_eq!(
        kind(&target.create_account(&person("ada", None), "op").await.unwrap_err()),
        "Conflict"
    );
}

/// OAuth 2: one token for all who wait, renewed before it ends and once when it is refused; the audience goes with it.
#[tokio::test]
async fn a_token_is_fetched_once_kept_and_renewed() {
    let server = Server::start().await;
    for place in ["Basic", "Body"] {
        let auth = json!({"http": {"auth": {"bearer": null, "oauth2": {
            "tokenURL": format!("{}/oauth/token", server.url), "clientId": "client",
            "clientSecretRef": {"name": "api", "key": "secret"}, "scopes": ["read", "write"],
            "fields": {"audience": "https://api.x.io"}, "clientAuthentication": place,
        }}}});
        let target = target_with(&server, &auth, &[(secret::CLIENT, "s:cr t\n")]);
        server.state().logins = 0;
        let teams = object("team", "t1");
        let looks = (0..5).map(|_| target.holders(&teams));
        for look in futures::future::join_all(looks).await {
            look.unwrap();
        }
        assert_eq!(server.state().logins, 1, "{place}");
        // It was withdrawn early: another is fetched, once.
        server.state().tokens.clear();
        target.holders(&teams).await.unwrap();
        assert_eq!(server.state().logins, 2, "{place}");
        // Tokens that are over at once are not used twice.
        server.state().life = 0;
        server.state().tokens.clear();
        for _ in 0..2 {
            target.holders(&teams).await.unwrap();
        }
        assert_eq!(server.state().logins, 4, "{place}");
        server.state().life = 3600;
        let wrong = target_with(&server, &auth, &[(secret::CLIENT, "s3cr3t-other")]);
        let error = wrong.capabilities().await.unwrap_err();
        assert_eq!(kind(&error), "Unauthorized");
        assert!(!error.to_string().contains("s3cr3t"));
    }
}

/// A login call yields a token that lives in a header of its own.
#[tokio::test]
async fn a_login_call_yields_a_token() {
    let server = Server::start().await;
    let auth = json!({"http": {"auth": {"bearer": null, "login": {
        "request": {"method": "POST", "path": "/session",
            "json": {"user": "robot", "password": "${secret.password}"}},
        "secrets": {"password": {"name": "api", "key": "password"}},
        "token": "response.body.session.token", "expiresIn": "response.body.session.ttl",
        "header": "X-Session", "prefix": "s=",
    }}}});
    let target = target_with(&server, &auth, &[("password", "s3cr3t-password")]);
    target.capabilities().await.unwrap();
    target.holders(&object("team", "t1")).await.unwrap();
    assert_eq!(server.state().logins, 1);
    server.state().tokens.clear();
    target.holders(&object("team", "t1")).await.unwrap();
    assert_eq!(server.state().logins, 2);
    let wrong = target_with(&server, &auth, &[("password", "s3cr3t-other")]);
    let error = wrong.capabilities().await.unwrap_err();
    assert_eq!(kind(&error), "Unauthorized");
    assert!(!error.to_string().contains("s3cr3t"));
    assert!(!format!("{target:?} {wrong:?}").contains("s3cr3t"), "I9");
}

/// Where a name is all there is to an account, nothing is asked for it.
#[tokio::test]
async fn a_named_account_is_known_without_a_call() {
    let server = Server::start().await;
    let mut described = spec(&server, &json!({}));
    described.http.as_mut().unwrap().account = rollcall::api::http::HttpAccount {
        named: Some("${employee.workEmail}".to_owned()),
        ..Default::default()
    };
    let target = target_of(described, &[(secret::TOKEN, "static")]);
    let Found::One(account) = target.find_account(&person("ada", None)).await.unwrap() else {
        panic!("not found");
    };
    assert_eq!(account.id, "ada@x.io");
    assert_eq!(
        target.create_account(&person("ada", None), "op").await.unwrap().id,
        "ada@x.io"
    );
    assert!(target.read_account("ada@x.io").await.unwrap().is_some());
    target.delete_account("ada@x.io").await.unwrap();
    assert!(server.state().log.is_empty());
}
