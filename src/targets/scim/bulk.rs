//! Several operations in one request, and the answer to it (RFC 7644 section 3.7). Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::accounts::account;
use super::client::{Record, attribute, text};
use super::errors::{About, Failure, Refusal};
use crate::decide::effect::Match;
use crate::targets::{Account, TargetError};

const REQUEST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

/// One operation. No two of a request depend on each other, nor are about the same resource.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// POST, or PATCH.
    pub method: Method,
    /// What follows the base URL, such as `/Users/2819c223`; ids are encoded.
    pub path: String,
    /// The body.
    pub data: Value,
    /// What it is about, for people.
    pub what: &'static str,
}

impl Operation {
    fn value(&self, number: usize) -> Value {
        let mut value = json!({"method": self.method.as_str(), "path": self.path, "data": self.data});
        if self.method == Method::POST {
            value["bulkId"] = bulk_id(number).into();
        }
        value
    }

    fn about(&self) -> About {
        About {
            method: self.method.clone(),
            what: self.what,
            effect: true,
        }
    }
}

fn bulk_id(number: usize) -> String {
    format!("r{number}")
}

/// The body of a request. Without `failOnErrors`, so that one that is refused keeps nobody from the others.
pub(super) fn body(operations: &[Operation]) -> Value {
    let operations: Vec<Value> = operations
        .iter()
        .enumerate()
        .map(|(number, operation)| operation.value(number))
        .collect();
    json!({"schemas": [REQUEST_SCHEMA], "Operations": operations})
}

/// How to cut operations into requests: as few as fit. What is too large by itself is a piece of its own, and not for bulk.
pub(super) fn pieces(operations: &[Operation], most_operations: usize, most_bytes: usize) -> Vec<Range<usize>> {
    let envelope = body(&[]).to_string().len();
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut bytes = envelope;
    for (number, operation) in operations.iter().enumerate() {
        // With a comma; numbers within a piece are never longer than the number here.
        let size = operation.value(number).to_string().len() + 1;
        match pieces.last_mut() {
            Some(piece) if piece.len() < most_operations && bytes + size <= most_bytes => {
                piece.end = number + 1;
                bytes += size;
            }
            _ => {
                pieces.push(number..number + 1);
                bytes = envelope + size;
            }
        }
    }
    pieces
}

/// What came of one operation: the account that a creation made, where that can be read.
pub(super) type Answer = Result<Option<Account>, Failure>;

/// What came of each operation, in order. One that the answer does not speak of may have been done or not. `None` where the answer
/// is none at all.
pub(super) fn read(operations: &[Operation], answer: Option<&Record>) -> Option<Vec<Answer>> {
    let results = attribute(answer?, "Operations")?.as_array()?;
    let results: Vec<&Record> = results.iter().filter_map(Value::as_object).collect();
    let places = places(operations, &results);
    let of = |(number, operation): (usize, &Operation)| match places.get(&number) {
        Some(result) => read_one(operation, result),
        None => Err(ambiguous(operation, "the bulk answer says nothing of it")),
    };
    Some(operations.iter().enumerate().map(of).collect())
}

/// That it may have been done or not, and why that is not known.
pub(super) fn ambiguous(operation: &Operation, why: &str) -> Failure {
    TargetError::Ambiguous(format!("{} of {}: {why}", operation.method, operation.what)).into()
}

/// Which result is whose: by the `bulkId` of a creation, by the location of others. What says neither is believed by its place,
/// where there is a result for each.
fn places<'a>(operations: &[Operation], results: &[&'a Record]) -> BTreeMap<usize, &'a Record> {
    let mut places = BTreeMap::new();
    for (place, result) in results.iter().enumerate() {
        let fits = |operation: &Operation| {
            text(result, "method").is_none_or(|method| method.eq_ignore_ascii_case(operation.method.as_str()))
        };
        let by_id = || {
            let id = text(result, "bulkId")?;
            (0..operations.len()).find(|number| bulk_id(*number) == id)
        };
        let by_location = || {
            let location = text(result, "location")?;
            let found = operations
                .iter()
                .position(|operation| operation.method != Method::POST && is_at(&location, &operation.path));
            Some(found)
        };
        let number = by_id().or_else(|| match by_location() {
            // Of something else, or of what was made.
            Some(None)
                if operations
                    .get(place)
                    .is_none_or(|operation| operation.method != Method::POST) =>
            {
                None
            }
            Some(Some(number)) => Some(number),
            _ => (results.len() == operations.len()).then_some(place),
        });
        let number = number.filter(|number| operations.get(*number).is_some_and(fits));
        // Two results for one operation: neither is sure, and the second does not undo the first.
        if let Some(number) = number {
            places.entry(number).or_insert(*result);
        }
    }
    places
}

/// Whether a location is of the resource at `path`: it ends in it, encoded or not.
fn is_at(location: &str, path: &str) -> bool {
    let location = location.split(['?', '#']).next().unwrap_or_default();
    location.ends_with(path) || decoded(location).ends_with(&decoded(path))
}

/// With `%XX` as the characters that they stand for.
fn decoded(text: &str) -> String {
    // A form's `+` is a plus in a path.
    let pair = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

fn read_one(operation: &Operation, result: &Record) -> Answer {
    let Some(status) = status(result) else {
        return Err(ambiguous(operation, "the bulk answer has no status for it"));
    };
    let response = attribute(result, "response").and_then(Value::as_object);
    if !status.is_success() {
        let body = response.map(|response| Value::Object(response.clone()).to_string());
        let body = body.unwrap_or_default();
        let refusal = Refusal::new(operation.about(), status, &HeaderMap::new(), body.as_bytes());
        return Err(Failure::Answered(refusal));
    }
    if operation.method != Method::POST {
        return Ok(None);
    }
    let shown = response.and_then(|record| account(record).ok());
    Ok(shown.or_else(|| {
        // The id is the last part of the location; what else the account is was sent.
        let location = text(result, "location")?;
        let (_, id) = location.split(['?', '#']).next()?.rsplit_once('/')?;
        let id = Some(decoded(id)).filter(|id| !id.is_empty())?;
        Some(Account {
            id,
            active: attribute(operation.data.as_object()?, "active") != Some(&Value::Bool(false)),
            external_id: text(operation.data.as_object()?, "externalId"),
            login: text(operation.data.as_object()?, "userName"),
            names: text(operation.data.as_object()?, "userName").into_iter().collect(),
            matched: Match::default(),
            invited: false,
        })
    }))
}

/// A text or a number, or an object with the code as `code` (RFC 7644 section 3.7 has the text, its drafts had the object).
fn status(result: &Record) -> Option<StatusCode> {
    let said = match attribute(result, "status")? {
        Value::Object(status) => text(status, "code"),
        _ => text(result, "status"),
    };
    StatusCode::from_u16(said?.trim().parse().ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn post(name: &str) -> Operation {
        Operation {
            method: Method::POST,
            path: "/Users".to_owned(),
            data: json!({"userName": name, "externalId": format!("hr/{name}"), "active": true}),
            what: "account",
        }
    }

    fn patch(path: &str) -> Operation {
        Operation {
            method: Method::PATCH,
            path: path.to_owned(),
            data: json!({}),
            what: "group",
        }
    }

    fn said(operations: &[Operation], results: &Value) -> Option<Vec<String>> {
        let answer = json!({"Operations": results}).as_object().unwrap().clone();
        let words = |answer: Answer| match answer {
            Ok(Some(account)) => format!("made {}", account.id),
            Ok(None) => "done".to_owned(),
            Err(failure) => match failure.error() {
                TargetError::Ambiguous(_) => "open".to_owned(),
                TargetError::Conflict(_) => "conflict".to_owned(),
                TargetError::Refused(_) => "refused".to_owned(),
                other => other.to_string(),
            },
        };
        Some(read(operations, Some(&answer))?.into_iter().map(words).collect())
    }

    #[test]
    fn as_few_requests_as_fit() {
        let operations: Vec<Operation> = (0..10).map(|n| post(&n.to_string())).collect();
        let lengths = |operations: &[Operation], most, bytes| -> Vec<usize> {
            pieces(operations, most, bytes)
                .into_iter()
                .map(|piece| piece.len())
                .collect()
        };
        assert_eq!(lengths(&operations, 100, 1 << 20), [10]);
        assert_eq!(lengths(&operations, 4, 1 << 20), [4, 4, 2]);
        assert_eq!(lengths(&operations, 100, 10), [1; 10]);
        assert_eq!(lengths(&[], 100, 10), [0; 0]);
        let exactly = body(&operations[..5]).to_string().len();
        // One more for the comma that the last one lacks.
        assert_eq!(lengths(&operations, 100, exactly + 1), [5, 5]);
        for most in 200..2_000 {
            for piece in pieces(&operations, 100, most) {
                let size = body(&operations[piece.clone()]).to_string().len();
                assert!(piece.len() == 1 || size <= most, "{size} of {most}");
            }
        }
    }

    #[test]
    fn every_result_is_read_by_itself_in_whatever_order_and_shape_it_comes() {
        let users = [post("a"), post("b"), post("c"), post("d")];
        let results = json!([
            {"bulkId": "r2", "method": "POST", "status": {"code": "409"}, "response": {"scimType": "uniqueness"}},
            {"bulkId": "r0", "method": "POST", "status": "201", "location": "https://x.io/v2/Users/7"},
            {"bulkId": "r1", "method": "post", "status": 201, "response": {"id": "8"}},
        ]);
        assert_eq!(
            said(&users, &results).unwrap(),
            ["made 7", "made 8", "conflict", "open"]
        );
        let results = json!([
            {"status": {"code": 400}, "response": {"status": "400"}}, {"status": "201"}, {"status": "nonsense"}, {"bulkId": "r3"},
        ]);
        // A creation without an id and without a location is done for all we know, and not found.
        assert_eq!(said(&users, &results).unwrap(), ["refused", "done", "open", "open"]);
    }

    #[test]
    fn results_without_a_bulk_id_are_told_apart_by_location() {
        let groups = [patch("/Groups/a%2Fb"), patch("/Groups/c"), patch("/Groups/bc")];
        let results = json!([
            {"method": "PATCH", "status": "204", "location": "https://x.io/v2/Groups/bc"},
            {"method": "PATCH", "status": "400", "location": "https://x.io/v2/Groups/a/b"},
        ]);
        assert_eq!(said(&groups, &results).unwrap(), ["refused", "open", "done"]);
        // Of a resource that nobody asked for, nothing is believed of another.
        let results = json!([
            {"status": "200", "location": "https://x.io/v2/Groups/zz"}, {"status": "200"}, {"method": "DELETE", "status": "200"},
        ]);
        assert_eq!(said(&groups, &results).unwrap(), ["open", "done", "open"]);
        assert!(read(&groups, None).is_none());
        for nonsense in [json!({}), json!({"Operations": "done"}), json!({"detail": "x"})] {
            assert!(read(&groups, nonsense.as_object()).is_none());
        }
    }
}
