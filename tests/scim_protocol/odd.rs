//! A small server with one habit, and a target for it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use rollcall::api::NameRef;
use rollcall::api::entitlement::{EntitlementSpec, RemoteObject, ScimGroup};
use rollcall::decide::effect::Match;
use rollcall::egress::{Egress, Rules};
use rollcall::targets::scim::{ScimOptions, ScimTarget};
use rollcall::targets::{Account, AccountFacts, Found, TargetError};
use serde_json::{Value, json};

pub const TOKEN: &str = "s3cr3t-token";
/// What no error may repeat: it is in the body of every refusal here.
pub const DETAIL: &str = "s3cr3t-detail";

/// A request as a habit sees it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub body: Value,
    pub if_match: Option<String>,
}

impl Asked {
    pub fn is(&self, method: &Method, path: &str) -> bool {
        self.method == *method && self.path == path
    }

    pub fn number(&self, name: &str, default: usize) -> usize {
        self.query.get(name).map_or(default, |text| text.parse().unwrap())
    }
}

pub type Log = Arc<Mutex<Vec<Asked>>>;

/// A server with a habit, and a target for it. It ends with the test's runtime.
pub struct Odd {
    pub target: ScimTarget,
    pub log: Log,
}

impl Odd {
    /// What `habit` does not answer is answered 404, so that there is no service provider configuration by default.
    pub async fn server(habit: impl Fn(&Asked) -> Option<Response> + Send + Sync + 'static) -> Self {
        Self::server_for(|_| {}, habit).await
    }

    /// The same, for a target with settings of its own.
    pub async fn server_for(
        settings: impl FnOnce(&mut ScimOptions),
        habit: impl Fn(&Asked) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
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
        settings(&mut options);
        Self {
            target: ScimTarget::new(&options).unwrap(),
            log,
        }
    }

    pub fn asked(&self, method: &Method) -> Vec<Asked> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|asked| asked.method == *method).cloned().collect()
    }

    /// The `Operations` of each PATCH.
    pub fn patches(&self) -> Vec<Value> {
        let patches = self.asked(&Method::PATCH).into_iter();
        patches.map(|mut asked| asked.body["Operations"].take()).collect()
    }

    /// Searches with the filters that they had.
    pub fn filters(&self) -> Vec<Option<String>> {
        let searches = self
            .asked(&Method::GET)
            .into_iter()
            .filter(|asked| asked.path == "/Users");
        searches.map(|mut asked| asked.query.remove("filter")).collect()
    }
}

pub fn loopback() -> Egress {
    Egress::new(Rules::opening(&["127.0.0.0/8"]).unwrap())
}

pub fn ok(body: &Value) -> Option<Response> {
    Some(answer(200, &[], body))
}

pub fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &Value) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

pub fn bare(status: u16) -> Option<Response> {
    Some(StatusCode::from_u16(status).unwrap().into_response())
}

pub fn refusal(status: u16, scim_type: Option<&str>) -> Response {
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

pub fn list(records: &[Value]) -> Value {
    json!({"totalResults": records.len(), "Resources": records})
}

pub fn user(id: &str, user_name: &str, external_id: Option<&str>) -> Value {
    json!({"id": id, "userName": user_name, "externalId": external_id, "active": true})
}

pub fn ada() -> AccountFacts {
    AccountFacts {
        external_id: "hr/e-ada".to_owned(),
        work_email: Some("ada@example.com".to_owned()),
        ..AccountFacts::default()
    }
}

pub fn account(id: &str, external_id: Option<&str>) -> Account {
    Account {
        id: id.to_owned(),
        active: true,
        external_id: external_id.map(str::to_owned),
        matched: Match::default(),
        login: None,
        names: BTreeSet::new(),
        invited: false,
    }
}

/// What was found, without the names that it goes by.
pub fn nameless(found: Found<Account>) -> Found<Account> {
    match found {
        Found::One(found) => Found::One(account(&found.id, found.external_id.as_deref())),
        other => other,
    }
}

pub fn group() -> RemoteObject {
    RemoteObject {
        kind: "Group".to_owned(),
        id: "g".to_owned(),
    }
}

pub fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// That an error says nothing of the body and nothing of the token.
pub fn discreet(error: &TargetError) {
    let words = error.to_string();
    assert!(!words.contains("s3cr3t"), "{words}");
    assert!(!words.contains("example.com"), "{words}");
}

pub fn kind(error: &TargetError) -> &'static str {
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

pub fn group_spec(name: &str) -> EntitlementSpec {
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
