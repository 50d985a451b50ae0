//! What a SCIM service's refusals mean (RFC 7644 section 3.12), in one place.
//!
//! A refusal keeps the status and the `scimType` keyword and nothing else of the answer: `detail` is text of a stranger
//! and may repeat what was sent.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::egress::EgressError;
use crate::targets::TargetError;

/// The longest pause that a target's word is taken for.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// The keywords of RFC 7644, table 9. Any other word is not repeated.
const SCIM_TYPES: [&str; 10] = [
    "invalidFilter",
    "tooMany",
    "uniqueness",
    "mutability",
    "invalidSyntax",
    "invalidPath",
    "noTarget",
    "invalidValue",
    "invalidVers",
    "sensitive",
];

/// What a request is about, and whether it is meant to change something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// The method.
    pub method: Method,
    /// The thing, for people: `account`, `group`.
    pub what: &'static str,
    /// Whether it changes something, so that an unclear end leaves it open whether it was done.
    pub effect: bool,
}

/// An answer other than 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The request.
    pub about: About,
    /// Its status.
    pub status: StatusCode,
    /// Its `scimType`, where it is one of the RFC's.
    pub scim_type: Option<&'static str>,
    /// How long to wait, where it says so.
    pub retry_after: Option<Duration>,
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The target answered, and not with 2xx.
    Answered(Refusal),
    /// There was no answer that could be used, or no request.
    Broken(TargetError),
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Broken(error)
    }
}

impl Failure {
    /// What it means to the writer.
    pub fn error(&self) -> TargetError {
        match self {
            Self::Answered(refusal) => refusal.error(),
            Self::Broken(error) => error.clone(),
        }
    }

    /// The refusal, if the target answered.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Answered(refusal) => Some(refusal),
            Self::Broken(_) => None,
        }
    }
}

/// Whether an error concerns the whole target, and not just what was asked.
pub(super) fn is_whole(error: &TargetError) -> bool {
    !matches!(
        error,
        TargetError::Refused(_)
            | TargetError::NoSeat(_)
            | TargetError::Conflict(_)
            | TargetError::Gone(_)
            | TargetError::Ambiguous(_)
            | TargetError::Malformed(_)
    )
}

impl Refusal {
    /// Reads an answer other than 2xx. `body` is what could be read of it.
    pub fn new(about: About, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let scim_type = serde_json::from_slice::<Value>(body).ok().and_then(|body| {
            let said = body.get("scimType")?.as_str()?;
            SCIM_TYPES.into_iter().find(|known| said.eq_ignore_ascii_case(known))
        });
        Self {
            about,
            status,
            scim_type,
            retry_after: retry_after(headers, Timestamp::now()),
        }
    }

    /// Whether the thing is not there.
    pub fn gone(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// Whether the target does not do this at all.
    pub fn unsupported(&self) -> bool {
        matches!(
            self.status,
            StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED
        )
    }

    /// Whether it forbids a change, which leaves open whether it is the token that is refused.
    pub fn forbidden(&self) -> bool {
        self.status == StatusCode::FORBIDDEN && self.about.effect
    }

    /// Whether it says that the version sent along is not the newest.
    pub fn stale(&self) -> bool {
        self.status == StatusCode::PRECONDITION_FAILED
    }

    /// Whether it is a read that the target failed to answer.
    pub fn failed_to_read(&self) -> bool {
        !self.about.effect && self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED
    }

    /// Whether it leaves open whether it was done.
    pub fn is_open(&self) -> bool {
        matches!(self.error(), TargetError::Ambiguous(_))
    }

    /// Whether a search may succeed with another filter, or with none.
    pub fn concerns_filter(&self) -> bool {
        matches!(
            self.status,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::NOT_IMPLEMENTED
        )
    }

    /// Whether it says that such a thing exists already.
    pub fn duplicate(&self) -> bool {
        self.status == StatusCode::CONFLICT || (self.status.is_client_error() && self.scim_type == Some("uniqueness"))
    }

    /// Whether a part of a request is at fault, so that the rest of it may succeed on its own.
    pub fn concerns_part(&self) -> bool {
        self.gone()
            || matches!(
                self.status,
                StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE
            )
    }

    /// The request and the answer, in a few words.
    pub fn words(&self) -> String {
        let About { method, what, .. } = &self.about;
        let status = self.status.as_u16();
        match self.scim_type {
            Some(scim_type) => format!("{method} of {what} was answered {status} {scim_type}"),
            None => format!("{method} of {what} was answered {status}"),
        }
    }

    /// What it means to the writer.
    ///
    /// A 403 to a change is a refusal of that change here; the caller finds out whether it is the credentials.
    pub fn error(&self) -> TargetError {
        let effect = self.about.effect;
        match self.status.as_u16() {
            401 => TargetError::Unauthorized(self.words()),
            403 if !effect => TargetError::Unauthorized(self.words()),
            404 | 410 => TargetError::Gone(format!("such {}", self.about.what)),
            409 | 412 => TargetError::Conflict(self.words()),
            400..=499 if self.scim_type == Some("uniqueness") => TargetError::Conflict(self.words()),
            429 => TargetError::Throttled(self.retry_after),
            503 if self.retry_after.is_some() => TargetError::Throttled(self.retry_after),
            408 | 425 if effect => TargetError::Ambiguous(self.words()),
            300..=399 => TargetError::Misconfigured(format!(
                "{}, a redirect, and redirects are not followed: set spec.scim.baseURL to the final address",
                self.words()
            )),
            400..=499 | 501 => TargetError::Refused(self.words()),
            _ if effect => TargetError::Ambiguous(self.words()),
            502..=504 => TargetError::Unreachable(self.words()),
            _ => TargetError::Malformed(self.words()),
        }
    }
}

/// What it means that a request got no answer.
pub(super) fn no_answer(about: &About, error: EgressError) -> TargetError {
    let words = |why: &str| format!("{} of {}: {why}", about.method, about.what);
    match error {
        EgressError::Refused(why) => TargetError::AddressRefused(why),
        EgressError::NotSent(_) => TargetError::Unreachable(error.to_string()),
        EgressError::NoAnswer { .. } | EgressError::TooLarge(_) => {
            let why = words(match error {
                EgressError::NoAnswer { late: true, .. } => "no answer in time",
                _ => "the connection broke before an answer",
            });
            if about.effect {
                TargetError::Ambiguous(why)
            } else {
                TargetError::Unreachable(why)
            }
        }
    }
}

/// `Retry-After`, in seconds or as a date (RFC 9110 section 10.2.3). A date is read against the server's own clock
/// where it tells it.
pub(in crate::targets) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    let until = http_date(text)?;
    let now = headers
        .get(DATE)
        .and_then(|date| http_date(date.to_str().ok()?))
        .unwrap_or(now);
    let seconds = until.as_second().saturating_sub(now.as_second()).max(0);
    Some(Duration::from_secs(seconds.unsigned_abs()).min(LONGEST_PAUSE))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refusal(status: u16, effect: bool, headers: &HeaderMap, body: &str) -> Refusal {
        let method = if effect { Method::PATCH } else { Method::GET };
        let about = About {
            method,
            what: "group",
            effect,
        };
        Refusal::new(about, StatusCode::from_u16(status).unwrap(), headers, body.as_bytes())
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

    #[test]
    fn every_status_has_one_meaning_for_reads_and_one_for_changes() {
        let none = HeaderMap::new();
        for (status, read, change) in [
            (301, "Misconfigured", "Misconfigured"),
            (400, "Refused", "Refused"),
            (401, "Unauthorized", "Unauthorized"),
            (403, "Unauthorized", "Refused"),
            (404, "Gone", "Gone"),
            (405, "Refused", "Refused"),
            (408, "Refused", "Ambiguous"),
            (409, "Conflict", "Conflict"),
            (410, "Gone", "Gone"),
            (412, "Conflict", "Conflict"),
            (413, "Refused", "Refused"),
            (418, "Refused", "Refused"),
            (422, "Refused", "Refused"),
            (429, "Throttled", "Throttled"),
            (500, "Malformed", "Ambiguous"),
            (501, "Refused", "Refused"),
            (502, "Unreachable", "Ambiguous"),
            (503, "Unreachable", "Ambiguous"),
            (504, "Unreachable", "Ambiguous"),
        ] {
            assert_eq!(
                kind(&refusal(status, false, &none, "").error()),
                read,
                "{status} to a read"
            );
            assert_eq!(
                kind(&refusal(status, true, &none, "").error()),
                change,
                "{status} to a change"
            );
        }
    }

    #[test]
    fn uniqueness_is_a_conflict_whatever_its_status() {
        let none = HeaderMap::new();
        for status in [400, 422, 409] {
            let refusal = refusal(status, true, &none, r#"{"scimType":"uniqueness","detail":"ada@x.io"}"#);
            assert!(refusal.duplicate());
            assert_eq!(kind(&refusal.error()), "Conflict");
        }
        let late = refusal(500, true, &none, r#"{"scimType":"uniqueness"}"#);
        assert_eq!(kind(&late.error()), "Ambiguous");
    }

    #[test]
    fn nothing_of_the_body_but_a_keyword_of_the_rfc_is_repeated() {
        let none = HeaderMap::new();
        let body = r#"{"scimType":"noTarget","detail":"secret s3cr3t","status":"400"}"#;
        let words = refusal(400, true, &none, body).error().to_string();
        assert_eq!(words, "refuses the request: PATCH of group was answered 400 noTarget");
        for body in [r#"{"scimType":"s3cr3t"}"#, r#"{"scimType":7}"#, "s3cr3t", "{"] {
            let words = refusal(400, true, &none, body).error().to_string();
            assert_eq!(words, "refuses the request: PATCH of group was answered 400", "{body}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_a_bound() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let wait = |value: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers, now).map(|d| d.as_secs())
        };
        assert_eq!(wait("17", None), Some(17));
        assert_eq!(wait("99999999999", None), Some(86_400));
        assert_eq!(wait("Mon, 23 Nov 2026 10:02:00 GMT", None), Some(120));
        assert_eq!(
            wait("Mon, 23 Nov 2026 10:02:00 GMT", Some("Mon, 23 Nov 2026 10:01:30 GMT")),
            Some(30)
        );
        assert_eq!(wait("Mon, 23 Nov 2026 09:00:00 GMT", None), Some(0));
        assert_eq!(wait("soon", None), None);
        assert_eq!(wait("-5", None), None);
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "3".parse().unwrap());
        assert_eq!(
            refusal(503, true, &headers, "").error(),
            TargetError::Throttled(Some(Duration::from_secs(3)))
        );
    }
}
