//! A field of a record, read as the kind that the scope declares.

use std::collections::BTreeMap;

use cel::ExecutionError;
use cel::common::types::{CelBool, CelInt, CelList, CelString};
use cel::common::value::{CowVal, Val};
use serde_json::Value as Json;

use super::json;
use super::{said, too_large};
use crate::decide::expression::schema::{MAX_GIVEN, MAX_GIVEN_LIST};

/// The field that `marked` asks for. `null` is no value.
pub(super) fn field<'b, 'v, 'a: 'v>(
    record: &str,
    fields: &'a BTreeMap<String, Json>,
    marked: &str,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (mark, field) = marked.split_once(':').unwrap_or(("s", marked));
    let name = || format!("{record}.{field}");
    let Some(value) = fields.get(field).filter(|value| !value.is_null()) else {
        return Err(ExecutionError::no_such_key(&name()));
    };
    let other = |kind: &str| Err(said(format!("{} is no {kind}", name())));
    match (mark, value) {
        ("j", value) => Ok(json::value(value)),
        ("i", value) => match value.as_i64() {
            Some(number) => Ok(CowVal::owned(CelInt::from(number))),
            None => other("whole number"),
        },
        ("b", Json::Bool(truth)) => Ok(CowVal::owned(CelBool::from(*truth))),
        ("b", _) => other("truth value"),
        ("l", Json::Array(elements)) if elements.len() > MAX_GIVEN_LIST => Err(too_large(&name())),
        ("l", Json::Array(elements)) => {
            let texts = elements.iter().map(|element| match element {
                Json::String(text) => Ok(Box::new(bounded(text, &name())?) as Box<dyn Val + 'v>),
                _ => Err(said(format!("{} holds what is no text", name()))),
            });
            Ok(CowVal::owned(CelList::from(
                texts.collect::<Result<Vec<_>, ExecutionError>>()?,
            )))
        }
        ("l", _) => other("list"),
        (_, Json::String(text)) => Ok(CowVal::owned(bounded(text, &name())?)),
        (_, Json::Number(number)) => Ok(CowVal::owned(CelString::from(number.to_string()))),
        (_, Json::Bool(truth)) => Ok(CowVal::owned(CelString::from(truth.to_string()))),
        _ => other("text"),
    }
}

fn bounded<'v>(text: &'v str, name: &str) -> Result<CelString<'v>, ExecutionError> {
    if text.len() > MAX_GIVEN {
        return Err(too_large(name));
    }
    Ok(CelString::from(text))
}
