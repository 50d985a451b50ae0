//! What an expression can name: the employee, and what a template or a reading is given beside.

use std::collections::BTreeMap;

use super::schema::{MAX_GIVEN, MAX_GIVEN_LIST, MAX_WHOLE, Schema, Type};

/// What a field of a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A text of at most 4,096 bytes. A number or a truth value that stands there is read as its text.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Truth,
    /// A list of at most 256 texts.
    Texts,
    /// Any JSON, whose kind is found out where it is used.
    Json,
}

impl Holds {
    pub(super) fn type_(self) -> Type {
        match self {
            Self::Text => Type::Text(MAX_GIVEN),
            Self::Number => Type::Number,
            Self::Truth => Type::Truth,
            Self::Texts => Type::list(Type::Text(MAX_GIVEN), MAX_GIVEN_LIST),
            Self::Json => Type::Any(MAX_WHOLE),
        }
    }

    /// The mark by which the checked tree asks for it.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Text => "s",
            Self::Number => "i",
            Self::Truth => "b",
            Self::Texts => "l",
            Self::Json => "j",
        }
    }
}

/// A name beside `employee`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Text,
    Number,
    Record(BTreeMap<String, Holds>),
    Json,
}

/// The names that an expression may use, with the type of each. What it is evaluated over is in
/// [`Values`](super::Values), by the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub(super) employee: Option<Schema>,
    pub(super) names: BTreeMap<String, Named>,
}

impl Scope {
    /// A scope without any name.
    pub fn new() -> Self {
        Self::default()
    }

    /// `employee`, with the custom fields that `schema` knows.
    #[must_use]
    pub fn employee(mut self, schema: &Schema) -> Self {
        self.employee = Some(schema.clone());
        self
    }

    /// A text of at most 4,096 bytes.
    #[must_use]
    pub fn text(self, name: &str) -> Self {
        self.with(name, Named::Text)
    }

    /// A whole number.
    #[must_use]
    pub fn number(self, name: &str) -> Self {
        self.with(name, Named::Number)
    }

    /// A record of these fields. Each may be absent: `has(name.field)` asks, `name.?field` leaves out, and using it
    /// otherwise is an error of the evaluation.
    #[must_use]
    pub fn record<'a>(self, name: &str, fields: impl IntoIterator<Item = (&'a str, Holds)>) -> Self {
        let fields = fields
            .into_iter()
            .map(|(field, holds)| (field.to_owned(), holds))
            .collect();
        self.with(name, Named::Record(fields))
    }

    /// Any JSON, such as an answer: what it holds is found out when it is evaluated.
    #[must_use]
    pub fn json(self, name: &str) -> Self {
        self.with(name, Named::Json)
    }

    fn with(mut self, name: &str, named: Named) -> Self {
        self.names.insert(name.to_owned(), named);
        self
    }

    /// Whether `name` has a meaning.
    pub(super) fn has(&self, name: &str) -> bool {
        self.type_of(name).is_some()
    }

    pub(super) fn type_of(&self, name: &str) -> Option<Type> {
        if name == "employee" {
            return self.employee.as_ref().map(|_| Type::Employee);
        }
        Some(match self.names.get(name)? {
            Named::Text => Type::Text(MAX_GIVEN),
            Named::Number => Type::Number,
            Named::Record(_) => Type::Record(name.to_owned()),
            Named::Json => Type::Any(MAX_WHOLE),
        })
    }

    pub(super) fn is_json(&self, name: &str) -> bool {
        self.names.get(name) == Some(&Named::Json)
    }

    /// The fields of the record `name`.
    pub(super) fn fields(&self, name: &str) -> Option<&BTreeMap<String, Holds>> {
        match self.names.get(name)? {
            Named::Record(fields) => Some(fields),
            _ => None,
        }
    }

    /// All names.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let employee = self.employee.iter().map(|_| "employee");
        employee.chain(self.names.keys().map(String::as_str))
    }
}
