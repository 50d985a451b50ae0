//! Bulk requests (RFC 7644 section 3.7): as few as fit, each result read by itself, and nothing believed that was not said.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use axum::response::Response;
use rollcall::api::entitlement::RemoteObject;
use rollcall::targets::{AccountFacts, Order, Target, TargetError, Verb, orders};
use serde_json::{Value, json};

use crate::odd::*;

fn person(number: usize) -> (AccountFacts, String) {
    let facts = AccountFacts {
        external_id: format!("hr/e-{number}"),
        work_email: Some(format!("u{number}@example.com")),
        ..AccountFacts::default()
    };
    (facts, format!("op-{number}"))
}

fn people(number: usize) -> Vec<(AccountFacts, String)> {
    (0..number).map(person).collect()
}

/// A service that announces bulk requests of so many operations, answers them with `bulk`, and creates one by one else.
async fn announcing(
    operations: usize,
    bytes: usize,
    bulk: impl Fn(&[Value]) -> Response + Send + Sync + 'static,
) -> Odd {
    Odd::server(move |asked| match (&asked.method, asked.path.as_str()) {
        (_, "/ServiceProviderConfig") => ok(&json!({
            "patch": {"supported": true}, "filter": {"supported": true},
            "bulk": {"supported": true, "maxOperations": operations, "maxPayloadSize": bytes},
        })),
        (&Method::POST, "/Bulk") => {
            assert_eq!(
                asked.body["schemas"],
                json!(["urn:ietf:params:scim:api:messages:2.0:BulkRequest"])
            );
            assert!(asked.body.get("failOnErrors").is_none());
            assert!(asked.body.to_string().len() <= bytes);
            Some(bulk(asked.body["Operations"].as_array().unwrap()))
        }
        (&Method::POST, "/Users") => Some(answer(
            201,
            &[],
            &json!({"id": format!("id-{}", asked.body["userName"].as_str().unwrap())}),
        )),
        (&Method::PATCH, _) => bare(204),
        (&Method::GET, "/Users") => ok(&list(&[])),
        (&Method::GET, path) if path.starts_with("/Groups/") => {
            ok(&json!({"id": path.strip_prefix("/Groups/").unwrap(), "members": []}))
        }
        _ => None,
    })
    .await
}

/// The result of a creation, as a service says it.
fn made(operation: &Value) -> Value {
    assert_eq!(
        (operation["method"].as_str(), operation["path"].as_str()),
        (Some("POST"), Some("/Users"))
    );
    let name = operation["data"]["userName"].as_str().unwrap();
    json!({
        "method": "POST", "bulkId": operation["bulkId"], "status": "201",
        "location": format!("https://x.io/scim/Users/id-{name}"),
    })
}

fn results(results: &[Value]) -> Response {
    answer(
        200,
        &[],
        &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": results}),
    )
}

fn posts(odd: &Odd, path: &str) -> usize {
    odd.asked(&Method::POST)
        .iter()
        .filter(|asked| asked.path == path)
        .count()
}

#[tokio::test]
async fn accounts_are_created_in_as_few_requests_as_fit() {
    for (number, operations, bytes, requests) in [
        (50, 1000, 1 << 20, 1),
        (50, 20, 1 << 20, 3),
        (2, 20, 1 << 20, 1),
        (50, 1000, 3_000, 5),
    ] {
        let odd = announcing(operations, bytes, |operations| {
            results(&operations.iter().map(made).collect::<Vec<_>>())
        })
        .await;
        let accounts = odd.target.create_accounts(&people(number)).await;
        let ids: Vec<String> = accounts.into_iter().map(|account| account.unwrap().id).collect();
        assert_eq!(
            ids,
            (0..number).map(|n| format!("id-u{n}@example.com")).collect::<Vec<_>>()
        );
        assert_eq!((posts(&odd, "/Bulk"), posts(&odd, "/Users")), (requests, 0));
    }
}

#[tokio::test]
async fn one_by_itself_is_a_plain_request() {
    let odd = announcing(1000, 1 << 20, |_| panic!("a bulk request")).await;
    odd.target.create_accounts(&people(1)).await.remove(0).unwrap();
    odd.target
        .change_many(&[(group(), orders(&ids(&["a"]), &ids(&[])))])
        .await
        .remove(0)
        .unwrap();
    assert_eq!((posts(&odd, "/Users"), odd.asked(&Method::PATCH).len()), (1, 1));
    assert!(odd.target.create_accounts(&[]).await.is_empty());
}

/// Partly applied: what was refused is refused for one, what was not spoken of is open for one (I4), and the rest is done.
#[tokio::test]
async fn i4_each_result_is_read_by_itself() {
    let odd = announcing(1000, 1 << 20, |operations| {
        let mut all: Vec<Value> = operations.iter().map(made).collect();
        all[1] = json!({"bulkId": all[1]["bulkId"], "status": {"code": "409"}, "response": {"scimType": "uniqueness", "detail": DETAIL}});
        all[2] = json!({"bulkId": all[2]["bulkId"], "status": 400, "response": {"scimType": "invalidValue"}});
        all[3] = json!({"bulkId": all[3]["bulkId"], "status": "500"});
        all[4]["location"] = Value::Null;
        // Swallowed.
        all.remove(5);
        all.reverse();
        results(&all)
    })
    .await;
    let accounts = odd.target.create_accounts(&people(8)).await;
    let said: Vec<&str> = accounts
        .iter()
        .map(|account| {
            account.as_ref().map_or_else(kind, |account| {
                assert!(account.id.starts_with("id-u"));
                "made"
            })
        })
        .collect();
    assert_eq!(
        said,
        [
            "made",
            "Conflict",
            "Refused",
            "Ambiguous",
            "Ambiguous",
            "Ambiguous",
            "made",
            "made"
        ]
    );
    // Nothing that may have been done is sent again.
    assert_eq!((posts(&odd, "/Bulk"), posts(&odd, "/Users")), (1, 0));
    accounts
        .iter()
        .filter_map(|account| account.as_ref().err())
        .for_each(discreet);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved_and_the_size_is_learned() {
    let odd = announcing(1000, 1 << 20, |operations| {
        if operations.len() > 15 {
            return refusal(413, None);
        }
        results(&operations.iter().map(made).collect::<Vec<_>>())
    })
    .await;
    let accounts = odd.target.create_accounts(&people(40)).await;
    assert!(accounts.iter().all(Result::is_ok));
    // 40, half of that, and then in nines.
    assert_eq!((posts(&odd, "/Bulk"), posts(&odd, "/Users")), (7, 0));
    odd.target.create_accounts(&people(18)).await;
    assert_eq!(posts(&odd, "/Bulk"), 9);
    // One that takes nothing at all ends with plain requests.
    let odd = announcing(1000, 1 << 20, |_| refusal(413, None)).await;
    assert!(odd.target.create_accounts(&people(8)).await.iter().all(Result::is_ok));
    assert_eq!((posts(&odd, "/Bulk"), posts(&odd, "/Users")), (2, 8));
}

#[tokio::test]
async fn a_service_that_announces_bulk_and_does_not_do_it_is_asked_once() {
    for status in [404, 405, 501, 400, 403] {
        let odd = announcing(1000, 1 << 20, move |_| refusal(status, None)).await;
        for _ in 0..2 {
            assert!(
                odd.target.create_accounts(&people(3)).await.iter().all(Result::is_ok),
                "{status}"
            );
        }
        assert_eq!((posts(&odd, "/Bulk"), posts(&odd, "/Users")), (1, 6), "{status}");
    }
}

/// What cannot be read may be an answer to what was done: nothing is sent again, and nothing more in this way.
#[tokio::test]
async fn i4_an_answer_that_cannot_be_read_leaves_everything_open() {
    for body in [json!({}), json!([]), json!({"Operations": "done"}), json!("<html>")] {
        let odd = announcing(1000, 1 << 20, move |_| answer(200, &[], &body)).await;
        for account in odd.target.create_accounts(&people(3)).await {
            assert_eq!(kind(&account.unwrap_err()), "Ambiguous");
        }
        assert_eq!((posts(&odd, "/Bulk"), posts(&odd, "/Users")), (1, 0));
        odd.target.create_accounts(&people(3)).await;
        assert_eq!((posts(&odd, "/Bulk"), posts(&odd, "/Users")), (1, 3));
    }
    let odd = announcing(1000, 1 << 20, |_| refusal(500, None)).await;
    assert!(
        odd.target
            .create_accounts(&people(3))
            .await
            .iter()
            .all(|account| account.as_ref().is_err_and(|error| kind(error) == "Ambiguous"))
    );
}

#[tokio::test]
async fn slow_down_is_said_of_all_that_was_not_sent() {
    let odd = announcing(10, 1 << 20, |_| answer(429, &[("retry-after", "7")], &json!({}))).await;
    let accounts = odd.target.create_accounts(&people(30)).await;
    let throttled = TargetError::Throttled(Some(std::time::Duration::from_secs(7)));
    assert!(accounts.iter().all(|account| account.as_ref() == Err(&throttled)));
    assert_eq!((posts(&odd, "/Bulk"), posts(&odd, "/Users")), (1, 0));
}

/// Groups, roles and entitlements of many travel together: an operation for each resource, and none that depend on each other.
#[tokio::test]
async fn changes_of_several_resources_travel_together() {
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = seen.clone();
    let odd = announcing(1000, 1 << 20, move |operations| {
        kept.lock().unwrap().extend(operations.iter().cloned());
        let done = operations.iter().map(|operation| {
            json!({"method": "PATCH", "status": {"code": 204}, "location": format!("https://x.io/scim{}", operation["path"].as_str().unwrap())})
        });
        results(&done.collect::<Vec<_>>())
    })
    .await;
    let object = |kind: &str, id: &str| RemoteObject {
        kind: kind.to_owned(),
        id: id.to_owned(),
    };
    let many: BTreeSet<String> = (0..101).map(|n| format!("m{n}")).collect();
    let changes = [
        (object("Group", "g 1"), orders(&ids(&["a"]), &ids(&["b"]))),
        (object("Role", "admin"), orders(&ids(&["a"]), &ids(&["c"]))),
        (object("Entitlement", "seat"), vec![Order::new(Verb::Grant, "a")]),
        (object("Group", "large"), orders(&many, &ids(&[]))),
    ];
    for receipts in odd.target.change_many(&changes).await {
        assert!(receipts.unwrap().is_empty());
    }
    let paths: Vec<Value> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|operation| operation["path"].clone())
        .collect();
    assert_eq!(paths, ["/Groups/g%201", "/Groups/large", "/Users/a", "/Users/c"]);
    let both = &seen.lock().unwrap()[2]["data"]["Operations"];
    assert_eq!(
        *both,
        json!([
            {"op": "add", "path": "roles", "value": [{"value": "admin"}]},
            {"op": "add", "path": "entitlements", "value": [{"value": "seat"}]},
        ])
    );
    // Too many for one operation, and a request has one of each group: the last of them goes by itself.
    assert_eq!((posts(&odd, "/Bulk"), odd.asked(&Method::PATCH).len()), (1, 1));
}

/// A member that is refused blocks the others of that group for one request, and nobody of another group.
#[tokio::test]
async fn what_is_refused_of_one_group_is_found_out_the_plain_way() {
    let odd = Odd::server(|asked| match (&asked.method, asked.path.as_str()) {
        (_, "/ServiceProviderConfig") => ok(&json!({
            "patch": {"supported": true}, "bulk": {"supported": true, "maxOperations": 9, "maxPayloadSize": 9999},
        })),
        (&Method::POST, "/Bulk") => {
            let results = asked.body["Operations"].as_array().unwrap().iter().map(|operation| {
                let status = if operation["data"].to_string().contains("bad") { "400" } else { "204" };
                json!({"method": "PATCH", "location": format!("http://x{}", operation["path"].as_str().unwrap()), "status": status})
            });
            ok(&json!({"Operations": results.collect::<Vec<_>>()}))
        }
        (&Method::GET, "/Groups/h") => ok(&json!({"id": "h", "members": []})),
        (&Method::PATCH, "/Groups/h") if asked.body.to_string().contains("bad") => Some(refusal(400, None)),
        (&Method::PATCH, "/Groups/h") => bare(204),
        _ => None,
    })
    .await;
    let h = RemoteObject {
        id: "h".to_owned(),
        ..group()
    };
    let changes = [
        (group(), orders(&ids(&["a"]), &ids(&[]))),
        (h, orders(&ids(&["a", "bad", "c"]), &ids(&[]))),
    ];
    let receipts: Vec<_> = odd
        .target
        .change_many(&changes)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(receipts[0].is_empty());
    assert_eq!(receipts[1].keys().collect::<Vec<_>>(), ["bad"]);
}
