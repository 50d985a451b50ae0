//! Who may speak of what.

use std::collections::BTreeMap;

use crate::api::SecretKeyRef;
use crate::api::http::{Field, FieldType};
use crate::decide::expression::{Holds, Schema, Scope};

/// What templates and readings can speak of, before the call is known that they stand in.
#[derive(Debug)]
pub(super) struct Scopes<'a> {
    schema: &'a Schema,
}

impl<'a> Scopes<'a> {
    pub fn new(schema: &'a Schema) -> Self {
        Self { schema }
    }

    /// `employee` alone.
    pub fn facts(&self) -> Scope {
        Scope::new().employee(self.schema)
    }

    /// A person: `employee` and `correlationKey`.
    pub fn person(&self) -> Scope {
        Scope::new().employee(self.schema).text("correlationKey")
    }

    /// Readings of an answer.
    #[expect(clippy::unused_self, reason = "all scopes are asked for alike")]
    pub fn response(&self) -> Scope {
        Scope::new().json("response")
    }

    /// Readings of one record.
    #[expect(clippy::unused_self, reason = "all scopes are asked for alike")]
    pub fn item(&self) -> Scope {
        Scope::new().json("item")
    }

    /// The secrets of a login call.
    #[expect(clippy::unused_self, reason = "all scopes are asked for alike")]
    pub fn secrets(&self, secrets: &BTreeMap<String, SecretKeyRef>) -> Scope {
        Scope::new().record("secret", secrets.keys().map(|name| (name.as_str(), Holds::Text)))
    }
}

pub(super) fn with_page(scope: Scope) -> Scope {
    scope.record(
        "page",
        [
            ("token", Holds::Text),
            ("number", Holds::Number),
            ("offset", Holds::Number),
        ],
    )
}

pub(super) fn with_operation(scope: Scope) -> Scope {
    scope.record("operation", [("id", Holds::Text), ("uuid", Holds::Text)])
}

pub(super) fn with_account(scope: Scope) -> Scope {
    scope.record("account", [("id", Holds::Text)])
}

pub(super) fn with_fields(scope: Scope, name: &str, fields: &[Field]) -> Scope {
    scope.record(
        name,
        fields.iter().map(|field| (field.name.as_str(), holds(field.type_))),
    )
}

pub(super) fn holds(type_: FieldType) -> Holds {
    match type_ {
        FieldType::String => Holds::Text,
        FieldType::Integer => Holds::Number,
        FieldType::Boolean => Holds::Truth,
    }
}
