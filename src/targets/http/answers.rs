//! What an answer means, in one place. An error says the request and the status, and nothing of the body (I9).

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value as Json, json};

use crate::decide::definition::Answers;
use crate::decide::expression::{Reading, Values};
use crate::egress::EgressError;
use crate::targets::TargetError;
use crate::targets::scim::errors::retry_after;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It changes nothing.
    Read,
    /// It changes something, so that an unclear end leaves it open whether it was done.
    Effect,
}

/// An answer, as readings see it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// `status`, `headers`, `body`.
    pub response: Json,
    /// What it means.
    pub verdict: Verdict,
}

/// What an answer that can be used means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Done, or read.
    Good,
    /// It is so already.
    Already,
    /// What it is about is not there.
    Gone,
    /// It changed or exists.
    Conflict,
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A change was answered with 403: the credentials are refused, or this change alone.
    Forbidden(String),
    /// Anything else.
    Error(TargetError),
}

impl From<Failure> for TargetError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Forbidden(words) => Self::Refused(words),
            Failure::Error(error) => error,
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Error(error)
    }
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Raw {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// `None` where it could not be had whole.
    pub body: Option<Vec<u8>>,
}

/// Reads an answer. `words` names the request.
pub(super) fn judge(raw: &Raw, answers: &Answers, purpose: Purpose, words: &str) -> Result<Answer, Failure> {
    let status = raw.status.as_u16();
    let body = body(raw);
    let readable = body.is_some();
    let response = json!({"status": status, "headers": headers(&raw.headers), "body": body.unwrap_or_default()});
    let words = format!("{words} was answered {status}");
    let says = |reading: &Option<Reading>, default: bool| match reading {
        None => Some(default),
        Some(reading) => reading.truth(&Values::new().json("response", &response)).ok(),
    };
    let is = |reading: &Option<Reading>, default: bool| says(reading, default) == Some(true);
    let retry_after = || retry_after(&raw.headers, Timestamp::now());

    if is(&answers.unauthorized, status == 401) {
        return Err(TargetError::Unauthorized(words).into());
    }
    if is(
        &answers.throttled,
        status == 429 || (status == 503 && retry_after().is_some()),
    ) {
        return Err(TargetError::Throttled(retry_after()).into());
    }
    if is(&answers.no_seat, false) {
        return Err(TargetError::NoSeat(words).into());
    }
    let verdict = if is(&answers.already, false) {
        Some(Verdict::Already)
    } else if is(&answers.gone, matches!(status, 404 | 410)) {
        Some(Verdict::Gone)
    } else if is(&answers.conflict, matches!(status, 409 | 412)) {
        Some(Verdict::Conflict)
    } else {
        None
    };
    if let Some(verdict) = verdict {
        return Ok(Answer { response, verdict });
    }
    if !raw.status.is_success() {
        return Err(match (status, purpose) {
            (403, Purpose::Effect) => Failure::Forbidden(words),
            _ => refusal(status, purpose, words).into(),
        });
    }
    let unclear = |why: &str| {
        let words = format!("{words}, and {why}");
        match purpose {
            Purpose::Effect => TargetError::Ambiguous(words),
            Purpose::Read => TargetError::Malformed(words),
        }
    };
    match says(&answers.failed, false) {
        Some(false) => {}
        Some(true) if purpose == Purpose::Effect => {
            return Err(TargetError::Refused(format!("{words}, and says in the body that it failed")).into());
        }
        Some(true) => {
            return Err(TargetError::Malformed(format!("{words}, and says in the body that it failed")).into());
        }
        None => return Err(unclear("whether it failed cannot be read of it").into()),
    }
    if !readable && purpose == Purpose::Read {
        return Err(unclear("what came is not all of it, or no JSON").into());
    }
    Ok(Answer {
        response,
        verdict: Verdict::Good,
    })
}

/// What a status other than 2xx means that no reading claimed.
fn refusal(status: u16, purpose: Purpose, words: String) -> TargetError {
    match (status, purpose) {
        (401, _) | (403, Purpose::Read) => TargetError::Unauthorized(words),
        (429, _) => TargetError::Throttled(None),
        (408 | 425, Purpose::Effect) => TargetError::Ambiguous(words),
        (300..=399, _) => TargetError::Misconfigured(format!(
            "{words}, a redirect, and redirects are not followed: set spec.http.baseURL to the final address"
        )),
        (400..=499 | 501, _) => TargetError::Refused(words),
        (_, Purpose::Effect) => TargetError::Ambiguous(words),
        (502..=504, Purpose::Read) => TargetError::Unreachable(words),
        (_, Purpose::Read) => TargetError::Malformed(words),
    }
}

/// What it means that there is no answer.
pub(super) fn no_answer(error: EgressError, purpose: Purpose, words: &str) -> TargetError {
    match error {
        EgressError::Refused(why) => TargetError::AddressRefused(why),
        EgressError::NotSent(_) => TargetError::Unreachable(error.to_string()),
        EgressError::NoAnswer { late, .. } => {
            let words = if late {
                format!("{words}: no answer in time")
            } else {
                format!("{words}: the connection broke before an answer")
            };
            match purpose {
                Purpose::Effect => TargetError::Ambiguous(words),
                Purpose::Read => TargetError::Unreachable(words),
            }
        }
        EgressError::TooLarge(limit) => {
            let words = format!("{words}: the answer is larger than {limit} bytes");
            match purpose {
                Purpose::Effect => TargetError::Ambiguous(words),
                Purpose::Read => TargetError::Malformed(words),
            }
        }
    }
}

/// The body as JSON; what says that it is something else is a text. `None` where it is JSON that cannot be read.
fn body(raw: &Raw) -> Option<Json> {
    let bytes = raw.body.as_ref()?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Some(Json::Null);
    }
    if let Ok(tree) = serde_json::from_slice(bytes) {
        return Some(tree);
    }
    let kind = raw.headers.get(reqwest::header::CONTENT_TYPE);
    // A page for people, such as a login form, is not what was asked for.
    let is_text = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| !kind.contains("json") && !kind.contains("html"));
    is_text.then(|| Json::from(String::from_utf8_lossy(bytes).into_owned()))
}

/// By name in lower case; several of one name are joined (RFC 9110 section 5.3).
fn headers(headers: &HeaderMap) -> Json {
    let mut all = Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let values: Vec<&str> = values.collect();
        all.insert(name.as_str().to_owned(), Json::from(values.join(", ")));
    }
    Json::Object(all)
}
