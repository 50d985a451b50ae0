//! What an expression is evaluated over, borrowed and never copied.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::schema::MAX_GIVEN;
use super::scope::Named;
use crate::api::employee::EmployeeSpec;

/// The values of the names in a [`Scope`](super::Scope). A name that the scope has and these lack, or have as another
/// kind, makes what mentions it an error.
#[derive(Clone, Debug, Default)]
pub struct Values<'a> {
    pub(super) employee: Option<&'a EmployeeSpec>,
    given: BTreeMap<&'a str, Given<'a>>,
}

/// The value of one name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'a> {
    Text(&'a str),
    Number(i64),
    Record(&'a BTreeMap<String, Json>),
    Json(&'a Json),
}

impl<'a> Values<'a> {
    /// No values yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The employee.
    #[must_use]
    pub fn employee(mut self, spec: &'a EmployeeSpec) -> Self {
        self.employee = Some(spec);
        self
    }

    /// A text.
    #[must_use]
    pub fn text(self, name: &'a str, value: &'a str) -> Self {
        self.with(name, Given::Text(value))
    }

    /// A whole number.
    #[must_use]
    pub fn number(self, name: &'a str, value: i64) -> Self {
        self.with(name, Given::Number(value))
    }

    /// A record: the fields that have a value. `null` counts as none.
    #[must_use]
    pub fn record(self, name: &'a str, fields: &'a BTreeMap<String, Json>) -> Self {
        self.with(name, Given::Record(fields))
    }

    /// Any JSON.
    #[must_use]
    pub fn json(self, name: &'a str, value: &'a Json) -> Self {
        self.with(name, Given::Json(value))
    }

    fn with(mut self, name: &'a str, given: Given<'a>) -> Self {
        self.given.insert(name, given);
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<(&'a str, Given<'a>)> {
        self.given.get_key_value(name).map(|(name, given)| (*name, *given))
    }

    /// The JSON of the name `name`.
    pub(super) fn json_of(&self, name: &str) -> Option<&'a Json> {
        match self.given.get(name)? {
            Given::Json(value) => Some(value),
            _ => None,
        }
    }

    /// Whether `name` has a value of the kind that `named` says. The error is a sentence.
    pub(super) fn check(&self, name: &str, named: Option<&Named>) -> Result<(), String> {
        let Some(named) = named else {
            // The scope names nothing but `employee` without saying its kind.
            return match self.employee {
                Some(_) => Ok(()),
                None => Err("there is no employee here".to_owned()),
            };
        };
        match (named, self.given.get(name)) {
            (Named::Text, Some(Given::Text(text))) if text.len() > MAX_GIVEN => {
                Err(format!("{name} is longer than {MAX_GIVEN} bytes"))
            }
            (Named::Text, Some(Given::Text(_)))
            | (Named::Number, Some(Given::Number(_)))
            | (Named::Record(_), Some(Given::Record(_)))
            | (Named::Json, Some(Given::Json(_))) => Ok(()),
            (_, Some(_)) => Err(format!("{name} is of another kind here")),
            (_, None) => Err(format!("{name} has no value here")),
        }
    }
}
