//! The HTTP side: who may ask, what may go wrong, which path means what.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::faults::BadBody;
use super::query::Query;
use super::requests::{RequestLog, documented};
use super::rows::{CompanyRow, EmployeeRow, EmploymentRow, GroupRow, LocationRow, PayGroupRow};
use super::state::{Shared, State};
use super::{BASE_PATH, list, sync};

/// An answer that is not the one asked for.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    body: Value,
    retry_after: Option<Duration>,
}

impl Problem {
    pub fn detail(status: u16, detail: &str) -> Self {
        Self {
            status,
            body: json!({ "detail": detail }),
            retry_after: None,
        }
    }

    pub fn bad_value(name: &str, message: &str) -> Self {
        Self {
            status: 400,
            body: json!({ name: [message] }),
            retry_after: None,
        }
    }

    fn throttled(wait: Duration) -> Self {
        let mut problem = Self::detail(429, "Request was throttled.");
        problem.retry_after = Some(wait);
        problem
    }

    /// The usual body for a status.
    pub fn status(status: u16) -> Self {
        match status {
            401 => Self::detail(401, "Invalid token."),
            403 => Self::detail(403, "You do not have permission to perform this action."),
            404 => Self::detail(404, "Not found."),
            405 => Self::detail(405, "Method not allowed."),
            429 => Self::throttled(Duration::from_mins(1)),
            _ => Self::detail(status, "A server error occurred."),
        }
    }
}

/// Answers every request.
pub(super) async fn handle(Extract(shared): Extract<Shared>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path().strip_prefix(BASE_PATH).unwrap_or("").to_owned();
    let text = parts.uri.query().unwrap_or("");
    let query = Query::parse(text);
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();

    // 1. Note the request, before anybody can give up waiting.
    let (number, delay, hooks) = {
        let mut state = shared.lock();
        state.served += 1;
        let entry = RequestLog {
            method: parts.method.to_string(),
            path: path.clone(),
            query: text.to_owned(),
            status: 0,
            at: state.now(),
            user_agent: header(&parts.headers, USER_AGENT.as_str())
                .unwrap_or_default()
                .to_owned(),
            unknown_parameters: query
                .names()
                .filter(|name| !documented(&segments, name))
                .map(str::to_owned)
                .collect(),
            number: state.served,
        };
        state.log.push(entry);
        (state.served, state.faults.delay(&path), state.due_hooks(&path))
    };
    for hook in hooks {
        (hook.action)();
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }

    // 2. Answer, and note the outcome.
    let mut state = shared.lock();
    let answer = admit(&mut state, &path, &segments, &parts.headers)
        .and_then(|()| route(&mut state, &parts.method, &path, &segments, &query));
    let (status, body, retry_after) = match answer {
        Ok(body) => (200, body, None),
        Err(problem) => (problem.status, problem.body, problem.retry_after),
    };
    let fault = state.faults.body(&path).filter(|_| status == 200);
    let (status, content_type, body) = spoil(status, &body, fault);
    if status >= 400 && status != 429 {
        state.errors.push_back(Instant::now());
    }
    if let Some(entry) = state.log.iter_mut().rev().find(|entry| entry.number == number) {
        entry.status = status;
    }
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header(CONTENT_TYPE, content_type);
    if let Ok(date) = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&state.now()) {
        response = response.header(DATE, date);
    }
    if let Some(wait) = retry_after {
        response = response.header(RETRY_AFTER, whole_seconds(wait));
    }
    response
        .body(body)
        .expect("a status and constant headers make a response")
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Checks the sender, then the faults and limits that come before any work.
fn admit(state: &mut State, path: &str, segments: &[&str], headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(status) = state.faults.failure(path) {
        return Err(Problem::status(status));
    }
    if let Some((wait, left)) = state.faults.throttle.take().filter(|(_, left)| *left > 0) {
        state.faults.throttle = Some((wait, left - 1));
        return Err(Problem::throttled(wait));
    }
    let now = Instant::now();
    if state.too_many_errors(now) {
        return Err(Problem::throttled(Duration::from_secs(10)));
    }
    let Some(key) = header(headers, AUTHORIZATION.as_str()) else {
        return Err(Problem::detail(401, "Authentication credentials were not provided."));
    };
    if key.strip_prefix("Bearer ") != Some(state.api_key.as_str()) {
        return Err(Problem::status(401));
    }
    if segments == ["linked-accounts"] {
        return Ok(());
    }
    match header(headers, "x-account-token") {
        None | Some("") => {
            return Err(Problem::detail(
                401,
                "Account Token must be passed in as an X-Account-Token header.",
            ));
        }
        Some(token) if token != state.account_token => return Err(Problem::status(401)),
        Some(_) => {}
    }
    state.spend(now).map_or(Ok(()), |wait| Err(Problem::throttled(wait)))
}

fn route(state: &mut State, method: &Method, path: &str, segments: &[&str], query: &Query) -> Result<Value, Problem> {
    let post = matches!(segments, ["sync-status", "resync"]);
    let known = match (method, segments) {
        (&Method::POST, ["sync-status", "resync"]) => return Ok(sync::resync(state)),
        (&Method::GET, ["employees"]) => list::rows::<EmployeeRow>(state, path, query),
        (&Method::GET, ["employments"]) => list::rows::<EmploymentRow>(state, path, query),
        (&Method::GET, ["groups"]) => list::rows::<GroupRow>(state, path, query),
        (&Method::GET, ["groups", "types"]) => Ok(group_types(state)),
        (&Method::GET, ["locations"]) => list::rows::<LocationRow>(state, path, query),
        (&Method::GET, ["companies"]) => list::rows::<CompanyRow>(state, path, query),
        (&Method::GET, ["pay-groups"]) => list::rows::<PayGroupRow>(state, path, query),
        (&Method::GET, ["employees", id]) => list::one::<EmployeeRow>(state, id, query),
        (&Method::GET, ["employments", id]) => list::one::<EmploymentRow>(state, id, query),
        (&Method::GET, ["groups", id]) => list::one::<GroupRow>(state, id, query),
        (&Method::GET, ["locations", id]) => list::one::<LocationRow>(state, id, query),
        (&Method::GET, ["companies", id]) => list::one::<CompanyRow>(state, id, query),
        (&Method::GET, ["pay-groups", id]) => list::one::<PayGroupRow>(state, id, query),
        (&Method::GET, ["sync-status"]) => list::values(state, path, query, &sync::statuses(state)),
        (&Method::GET, ["account-details"]) => Ok(sync::account_details(state)),
        (&Method::GET, ["linked-accounts"]) => linked_accounts(state, path, query),
        _ => Err(Problem::status(if post { 405 } else { 404 })),
    };
    if method != Method::GET && !post && segments.len() == 1 {
        return Err(Problem::status(405));
    }
    known
}

/// The types that occur among the groups, raw ones included.
fn group_types(state: &State) -> Value {
    let rows = state
        .company
        .groups
        .rows
        .iter()
        .filter(|row| !row.meta.forgotten && !row.meta.remote_was_deleted);
    let types: std::collections::BTreeSet<_> = rows.filter_map(|row| row.group_type.as_deref()).collect();
    json!({ "types": types })
}

fn linked_accounts(state: &State, path: &str, query: &Query) -> Result<Value, Problem> {
    let account = sync::linked_account(state);
    let texts = [
        "category",
        "status",
        "id",
        "end_user_email_address",
        "end_user_organization_name",
        "end_user_origin_id",
    ];
    let mut fits = texts
        .iter()
        .all(|name| query.get(name).is_none_or(|wanted| account[*name] == wanted));
    for (list, name) in [("ids", "id"), ("end_user_origin_ids", "end_user_origin_id")] {
        let value = account[name].as_str().unwrap_or_default().to_owned();
        fits &= query.list(list).is_none_or(|wanted| wanted.contains(&value));
    }
    fits &= query
        .get("integration_name")
        .is_none_or(|wanted| account["integration"]["name"] == wanted);
    let accounts = if fits { vec![account] } else { Vec::new() };
    list::values(state, path, query, &accounts)
}

/// The body as it leaves, with the fault for it, if any.
fn spoil(status: u16, body: &Value, fault: Option<BadBody>) -> (u16, &'static str, Body) {
    const JSON: &str = "application/json";
    let bytes = body.to_string().into_bytes();
    match fault {
        None => (status, JSON, Body::from(bytes)),
        Some(BadBody::ErrorWith200) => (
            200,
            JSON,
            Body::from(json!({"detail": "A server error occurred."}).to_string()),
        ),
        Some(BadBody::Truncated) => (200, JSON, Body::from(bytes[..bytes.len() / 2].to_vec())),
        Some(BadBody::NotJson502) => (
            502,
            "text/html",
            Body::from("<html><head><title>502 Bad Gateway</title></head></html>"),
        ),
        Some(BadBody::CutConnection) => {
            let half = Bytes::from(bytes[..bytes.len() / 2].to_vec());
            // The half leaves before the connection breaks, so that the client has a status and headers.
            let cut = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
            };
            (
                200,
                JSON,
                Body::from_stream(futures::stream::iter([Ok(half)]).chain(futures::stream::once(cut))),
            )
        }
    }
}
