//! Does the SCIM target cope with what servers do that no RFC says? One small server a habit.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Habits answer or do not; most of these answer.
#![allow(clippy::unnecessary_wraps, clippy::type_complexity)]

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use rollcall::api::NameRef;
use rollcall::api::entitlement::{EntitlementSpec, RemoteObject, ScimGroup};
use rollcall::egress::{Egress, Rules};
use rollcall::targets::scim::{ScimOptions, ScimTarget};
use rollcall::targets::{Account, AccountFacts, Found, Match, Target, TargetError, orders};
use serde_json::{Value, json};

const TOKEN: &str = "s3cr3t-token";
/// What no error may repeat: it is in the body of every refusal here.
const DETAIL: &str = "s3cr3t-detail";

/// A request as a habit sees it.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    path: String,
    query: BTreeMap<String, String>,
    body: Value,
    if_match: Option<String>,
}

impl Asked {
    fn is(&self, method: &Method, path: &str) -> bool {
        self.method == *method && self.path == path
    }

    fn number(&self, name: &str, default: usize) -> usize {
        self.query.get(name).map_or(default, |text| text.parse().unwrap())
    }
}

type Log = Arc<Mutex<Vec<Asked>>>;

/// A server with a habit, and a target for it. It ends with the test's runtime.
struct Odd {
    target: ScimTarget,
    log: Log,
}

impl Odd {
    /// What `habit` does not answer is answered 404, so that there is no service provider configuration by default.
    async fn server(habit: impl Fn(&Asked) -> Option<Response> + Send + Sync + 'static) -> Self {
        let log = Log::default();
        let kept = log.clone();
        let habit = Arc::new(habit);
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (habit, kept) = (habit.clone(), kept.clone());
            async move {
                assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
                assert_eq!(headers["accept"], "application/scim+json");
                if !body.is_empty() {
                    assert_eq!(headers["content-type"], "application/scim+json");
                }
                let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
                let asked = Asked {
                    method,
                    path: uri.path().strip_prefix("/scim").unwrap().to_owned(),
                    query: query.into_owned().collect(),
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                    if_match: headers.get("if-match").map(|value| value.to_str().unwrap().to_owned()),
                };
                kept.lock().unwrap().push(asked.clone());
                habit(&asked).unwrap_or_else(|| refusal(404, None))
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, axum::Router::new().fallback(answer)).into_future());
        let mut options = ScimOptions::new(format!("http://{address}/scim"), TOKEN.to_owned().into(), loopback());
        options.timeout = Duration::from_millis(500);
        Self {
            target: ScimTarget::new(&options).unwrap(),
            log,
        }
    }

    fn asked(&self, method: &Method) -> Vec<Asked> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|asked| asked.method == *method).cloned().collect()
    }

    /// Searches with the filters that they had.
    fn filters(&self) -> Vec<Option<String>> {
        let searches = self
            .asked(&Method::GET)
            .into_iter()
            .filter(|asked| asked.path == "/Users");
        searches.map(|mut asked| asked.query.remove("filter")).collect()
    }
}

fn loopback() -> Egress {
    Egress::new(Rules::opening(&["127.0.0.0/8"]).unwrap())
}

fn ok(body: &Value) -> Option<Response> {
    Some(answer(200, &[], body))
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &Value) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

fn bare(status: u16) -> Option<Response> {
    Some(StatusCode::from_u16(status).unwrap().into_response())
}

fn refusal(status: u16, scim_type: Option<&str>) -> Response {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "detail": DETAIL,
    });
    if let Some(scim_type) = scim_type {
        body["scimType"] = scim_type.into();
    }
    answer(status, &[], &body)
}

fn list(records: &[Value]) -> Value {
    json!({"totalResults": records.len(), "Resources": records})
}

fn user(id: &str, user_name: &str, external_id: Option<&str>) -> Value {
    json!({"id": id, "userName": user_name, "externalId": external_id, "active": true})
}

fn ada() -> AccountFacts {
    AccountFacts {
        external_id: "hr/e-ada".to_owned(),
        work_email: Some("ada@example.com".to_owned()),
        ..AccountFacts::default()
    }
}

fn account(id: &str, external_id: Option<&str>) -> Account {
    Account {
        id: id.to_owned(),
        active: true,
        external_id: external_id.map(str::to_owned),
        matched: Match::default(),
        names: BTreeSet::new(),
        invited: false,
    }
}

/// What was found, without the names that it goes by.
fn nameless(found: Found<Account>) -> Found<Account> {
    match found {
        Found::One(found) => Found::One(account(&found.id, found.external_id.as_deref())),
        other => other,
    }
}

fn group() -> RemoteObject {
    RemoteObject {
        kind: "Group".to_owned(),
        id: "g".to_owned(),
    }
}

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// That an error says nothing of the body and nothing of the token.
fn discreet(error: &TargetError) {
    let words = error.to_string();
    assert!(!words.contains("s3cr3t"), "{words}");
    assert!(!words.contains("example.com"), "{words}");
}

// Finding accounts.

#[tokio::test]
async fn a_filter_that_is_ignored_finds_nobody_else() {
    let everybody = [user("1", "eve@example.com", None), user("2", "ADA@example.com", None)];
    let odd = Odd::server(move |asked| asked.is(&Method::GET, "/Users").then(|| ok(&list(&everybody)))?).await;
    assert_eq!(
        nameless(odd.target.find_account(&ada()).await.unwrap()),
        Found::One(account("2", None))
    );
    assert_eq!(odd.filters().len(), 1);
    let stranger = AccountFacts {
        external_id: "hr/e-bob".to_owned(),
        work_email: Some("bob@example.com".to_owned()),
        ..AccountFacts::default()
    };
    assert_eq!(odd.target.find_account(&stranger).await.unwrap(), Found::None);
}

#[tokio::test]
async fn a_filter_that_is_ignored_is_paged_through() {
    // It honours startIndex, caps a page at 40 and tells the true total.
    let everybody: Vec<Value> = (1..=100)
        .map(|n| user(&n.to_string(), &format!("u{n}@example.com"), None))
        .collect();
    let odd = Odd::server(move |asked| {
        let start = asked.number("startIndex", 1);
        let page: Vec<Value> = everybody.iter().skip(start - 1).take(40).cloned().collect();
        asked.is(&Method::GET, "/Users").then(|| {
            ok(&json!({"totalResults": "100", "itemsPerPage": page.len(), "startIndex": start, "resources": page}))
        })?
    })
    .await;
    let last = AccountFacts {
        work_email: Some("u100@example.com".to_owned()),
        ..ada()
    };
    assert_eq!(
        nameless(odd.target.find_account(&last).await.unwrap()),
        Found::One(account("100", None))
    );
    assert_eq!(odd.filters().len(), 3);
}

#[tokio::test]
async fn or_that_is_refused_is_asked_in_parts_and_then_never_again() {
    let odd = Odd::server(|asked| {
        let filter = asked.query.get("filter")?;
        if filter.contains(" or ") {
            return Some(refusal(400, Some("invalidFilter")));
        }
        ok(&list(&if filter == r#"userName eq "ada@example.com""# {
            vec![user("7", "ada@example.com", None)]
        } else {
            vec![]
        }))
    })
    .await;
    for _ in 0..2 {
        assert_eq!(
            nameless(odd.target.find_account(&ada()).await.unwrap()),
            Found::One(account("7", None))
        );
    }
    let filters: Vec<String> = odd.filters().into_iter().flatten().collect();
    assert_eq!(
        filters,
        [
            r#"externalId eq "hr/e-ada" or userName eq "ada@example.com""#,
            r#"externalId eq "hr/e-ada""#,
            r#"userName eq "ada@example.com""#,
            r#"externalId eq "hr/e-ada""#,
            r#"userName eq "ada@example.com""#,
        ]
    );
}

#[tokio::test]
async fn filters_that_are_all_refused_give_way_to_pages() {
    let odd = Odd::server(|asked| {
        if asked.query.contains_key("filter") {
            return Some(refusal(400, Some("invalidFilter")));
        }
        let users = if asked.number("startIndex", 1) == 1 {
            vec![user("7", "ada@example.com", Some("hr/e-ada"))]
        } else {
            vec![]
        };
        asked
            .is(&Method::GET, "/Users")
            .then(|| ok(&json!({"totalResults": 1, "Resources": users})))?
    })
    .await;
    let found = odd.target.find_account(&ada()).await.unwrap();
    assert_eq!(nameless(found), Found::One(account("7", Some("hr/e-ada"))));
}

#[tokio::test]
async fn the_strongest_match_wins_and_two_alike_are_nobodys() {
    for (users, expected) in [
        // The key wins over the name.
        (
            vec![user("1", "ada@example.com", None), user("2", "other", Some("hr/e-ada"))],
            Ok("2"),
        ),
        // The name wins over an address.
        (
            vec![
                json!({"id": "1", "userName": "shared", "emails": [{"value": "Ada@Example.com"}]}),
                user("2", "ada@example.com", Some("")),
            ],
            Ok("2"),
        ),
        (
            vec![json!({"id": 17, "userName": "ada", "emails": [{"value": "x@x.io"}, {"value": "ADA@example.com"}]})],
            Ok("17"),
        ),
        (
            vec![user("1", "a", Some("hr/e-ada")), user("2", "b", Some("hr/e-ada"))],
            Err("2 accounts have the externalId: 1, 2"),
        ),
        (
            vec![user("1", "ada@example.com", Some("hr/e-eve"))],
            Err("account 1 has the userName but belongs to another identity: its externalId is set to something else"),
        ),
        (
            vec![user("1", "ada@example.com", None), user("2", "ADA@EXAMPLE.COM", None)],
            Err("2 accounts have the userName: 1, 2"),
        ),
    ] {
        let odd = Odd::server(move |asked| asked.is(&Method::GET, "/Users").then(|| ok(&list(&users)))?).await;
        match (odd.target.find_account(&ada()).await.unwrap(), expected) {
            (Found::One(found), Ok(id)) => assert_eq!(found.id, id),
            (Found::Several(why) | Found::Foreign(_, why), Err(words)) => assert_eq!(why, words),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn servers_without_filters_page_in_many_ways() {
    let users = |numbers: std::ops::RangeInclusive<usize>| -> Vec<Value> {
        numbers
            .map(|n| user(&n.to_string(), &format!("u{n}@example.com"), None))
            .collect()
    };
    let everybody = users(1..=150);
    let habits: Vec<(&str, bool, Page)> = vec![
        (
            "ignores count and startIndex",
            true,
            Box::new(|_, _, all| json!({"totalResults": all.len(), "Resources": all})),
        ),
        (
            "tells the page's size as the total",
            true,
            Box::new(|start, count, all| {
                let page: Vec<&Value> = all.iter().skip(start - 1).take(count.min(20)).collect();
                json!({"totalResults": page.len(), "Resources": page})
            }),
        ),
        (
            "tells no total",
            true,
            Box::new(
                |start, count, all| json!({"Resources": all.iter().skip(start - 1).take(count).collect::<Vec<_>>()}),
            ),
        ),
        (
            "leaves out Resources at the end and has a total of 0 there",
            true,
            Box::new(|start, count, all| {
                let page: Vec<&Value> = all.iter().skip(start - 1).take(count).collect();
                if page.is_empty() {
                    json!({"totalResults": 0})
                } else {
                    json!({"totalResults": all.len(), "Resources": page})
                }
            }),
        ),
        (
            "ignores startIndex but heeds count",
            true,
            Box::new(|_, count, all| json!({"totalResults": all.len(), "Resources": all[..count.min(all.len())]})),
        ),
        (
            "shows the first 100 for ever, of more",
            false,
            Box::new(|_, _, all| json!({"totalResults": all.len(), "Resources": all[..100]})),
        ),
        (
            "shows the first 100 for ever, and no total",
            false,
            Box::new(|_, _, all| json!({"Resources": all[..100]})),
        ),
        (
            "answers with no list",
            false,
            Box::new(|_, _, _| json!({"detail": DETAIL})),
        ),
        (
            "answers with a list of something",
            false,
            Box::new(|_, _, _| json!({"totalResults": 1, "Resources": ["x"]})),
        ),
    ];
    for (habit, complete, page) in habits {
        let all = everybody.clone();
        let odd = Odd::server(move |asked| match asked.path.as_str() {
            "/ServiceProviderConfig" => ok(&json!({"patch": {"supported": "True"}, "filter": {"supported": false}})),
            _ => ok(&page(asked.number("startIndex", 1), asked.number("count", 50), &all)),
        })
        .await;
        let last = AccountFacts {
            work_email: Some("u150@example.com".to_owned()),
            ..ada()
        };
        match odd.target.find_account(&last).await {
            Ok(found) => assert!(
                complete && nameless(found.clone()) == Found::One(account("150", None)),
                "{habit}: {found:?}"
            ),
            // Not `None`, after which somebody would create the account again.
            Err(error) => {
                assert!(
                    !complete && matches!(error, TargetError::Malformed(_)),
                    "{habit}: {error}"
                );
                discreet(&error);
            }
        }
        assert!(odd.filters().len() <= 12, "{habit}: {} requests", odd.filters().len());
    }
}

/// What a list endpoint answers to `startIndex` and `count`.
type Page = Box<dyn Fn(usize, usize, &[Value]) -> Value + Send + Sync>;

// Reading accounts.

#[tokio::test]
async fn active_comes_as_a_bool_or_a_string_or_not_at_all() {
    for (active, expected) in [
        (json!(true), true),
        (json!(false), false),
        (json!("True"), true),
        (json!("False"), false),
        (json!("false"), false),
        (Value::Null, true),
    ] {
        let record = json!({"id": "7", "active": active});
        let odd = Odd::server(move |_| ok(&record)).await;
        assert_eq!(
            odd.target.read_account("7").await.unwrap().unwrap().active,
            expected,
            "{active}"
        );
    }
}

#[tokio::test]
async fn only_the_account_that_was_asked_for_is_believed() {
    for (status, body, expected) in [
        (200, r#"{"id":"7"}"#, "here"),
        (200, r#"{"id":7}"#, "here"),
        (200, r#"{"id":"8"}"#, "Malformed"),
        (200, "{}", "Malformed"),
        (200, r#"{"id":"7""#, "Malformed"),
        (200, "[]", "Malformed"),
        (200, "<html>s3cr3t</html>", "Malformed"),
        (204, "", "Malformed"),
        (404, "", "gone"),
        (410, "", "gone"),
        (301, "", "Misconfigured"),
        (500, "", "Malformed"),
        (502, "", "Unreachable"),
    ] {
        let odd = Odd::server(move |_| Some((StatusCode::from_u16(status).unwrap(), body).into_response())).await;
        let said = odd.target.read_account("7").await;
        let said = match &said {
            Ok(Some(_)) => "here",
            Ok(None) => "gone",
            Err(error) => {
                discreet(error);
                kind(error)
            }
        };
        assert_eq!(said, expected, "{status} {body}");
    }
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

// Creating accounts.

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

// Changing accounts.

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

// Groups.

fn group_spec(name: &str) -> EntitlementSpec {
    EntitlementSpec {
        target_ref: NameRef::new("scim"),
        scim_group: Some(ScimGroup {
            display_name: Some(name.to_owned()),
            id: None,
            create: false,
        }),
        ..EntitlementSpec::default()
    }
}

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
    let error = odd
        .target
        .change_holders(&group(), &orders(&ids(&joiners), &ids(&leavers)), None)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "refuses the request: PATCH of group was answered 404, for 1 of 121 members"
    );
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
    let error = odd
        .target
        .change_holders(&group(), &orders(&ids(&many), &ids(&[])), None)
        .await
        .unwrap_err();
    assert_eq!(kind(&error), "Refused");
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

// The service as a whole.

#[tokio::test]
async fn what_a_service_says_of_itself() {
    let spc = |config: Value, users: u16| {
        Odd::server(move |asked| match asked.path.as_str() {
            "/ServiceProviderConfig" if config.is_null() => bare(404),
            "/ServiceProviderConfig" => ok(&config),
            "/Users" => Some(answer(users, &[], &list(&[]))),
            _ => None,
        })
    };
    let odd = spc(Value::Null, 200).await;
    let told = odd.target.capabilities().await.unwrap();
    assert_eq!(
        (told.patch, told.filter, told.bulk, told.etag),
        (true, true, false, false)
    );
    let odd = spc(json!({"patch": {"supported": true}, "bulk": {"supported": true}}), 200).await;
    let told = odd.target.capabilities().await.unwrap();
    assert_eq!(
        (told.patch, told.filter, told.bulk, told.etag),
        (true, false, true, false)
    );
    odd.target.capabilities().await.unwrap();
    let asked = odd.asked(&Method::GET);
    let questions = asked
        .iter()
        .filter(|asked| asked.path == "/ServiceProviderConfig")
        .count();
    assert_eq!((asked.len(), questions), (3, 1));
    // Told to anybody, but the token is not taken.
    let odd = spc(json!({"patch": {"supported": true}}), 401).await;
    assert_eq!(kind(&odd.target.capabilities().await.unwrap_err()), "Unauthorized");
    let odd = spc(Value::Null, 404).await;
    let error = odd.target.capabilities().await.unwrap_err();
    assert_eq!(kind(&error), "Misconfigured");
    assert!(error.to_string().contains("baseURL"), "{error}");
    let error = odd.target.find_account(&ada()).await.unwrap_err();
    assert_eq!(kind(&error), "Misconfigured");
}
