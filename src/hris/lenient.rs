//! Deserializers that make the best of what comes: an attribute of the wrong type is no attribute, never a failed row.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What stands for a reference to a row that cannot be named: an expanded object without an id, as shells have none.
/// No row has this id, so whoever resolves it finds it missing.
pub const UNRESOLVED: &str = "";

/// A string, or a number as written.
pub fn as_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A string; numbers are taken as written, since ids and employee numbers come as either.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(as_text(Value::deserialize(deserializer)?))
}

/// A boolean, also one in quotes; anything else is false.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(flag) => flag,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    })
}

/// An instant in RFC 3339.
pub fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(as_text(Value::deserialize(deserializer)?).and_then(|text| text.trim().parse().ok()))
}

fn as_reference(value: Value) -> Option<String> {
    match value {
        Value::Object(mut object) => Some(
            object
                .remove("id")
                .and_then(as_text)
                .unwrap_or_else(|| UNRESOLVED.to_owned()),
        ),
        other => as_text(other).filter(|id| !id.trim().is_empty()),
    }
}

/// The id of a related row: given as such, or as the expanded row.
pub fn reference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(as_reference(Value::deserialize(deserializer)?))
}

/// The ids of related rows. Null elements are documented and stand for nothing.
pub fn references<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => items.into_iter().filter_map(as_reference).collect(),
        _ => Vec::new(),
    })
}
