//! What templates and readings are given: the values of the names that a definition may speak of.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::api::employee::EmployeeSpec;
use crate::decide::definition::operation_uuid;
use crate::decide::expression::Values;
use crate::targets::AccountFacts;

type Record = BTreeMap<String, Json>;

/// Values by name, owned, so that they outlive a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Speech {
    employee: Option<Arc<EmployeeSpec>>,
    correlation_key: Option<String>,
    records: BTreeMap<&'static str, Record>,
    trees: BTreeMap<&'static str, Json>,
}

impl Speech {
    /// Of a person, where it is known who that is.
    pub fn person(facts: &AccountFacts) -> Self {
        if facts.external_id.is_empty() {
            return Self::default();
        }
        Self {
            employee: Some(facts.employee.clone()),
            correlation_key: Some(facts.external_id.clone()),
            ..Self::default()
        }
    }

    pub fn account(self, id: &str) -> Self {
        self.record("account", BTreeMap::from([("id".to_owned(), Json::from(id))]))
    }

    pub fn operation(self, id: &str) -> Self {
        self.operation_sent_as(id, id)
    }

    /// The operation, where what is sent has a key of its own.
    pub fn operation_sent_as(self, id: &str, key: &str) -> Self {
        let fields = [("id", id.to_owned()), ("uuid", operation_uuid(key))];
        let fields = fields.into_iter().filter(|_| !id.is_empty());
        self.record(
            "operation",
            fields
                .map(|(name, value)| (name.to_owned(), Json::from(value)))
                .collect(),
        )
    }

    /// The target's own id of the grant, where it is known.
    pub fn grant(self, id: &str) -> Self {
        let fields = (!id.is_empty()).then(|| ("id".to_owned(), Json::from(id)));
        self.record("grant", fields.into_iter().collect())
    }

    pub fn record(mut self, name: &'static str, fields: Record) -> Self {
        self.records.insert(name, fields);
        self
    }

    pub fn tree(mut self, name: &'static str, tree: Json) -> Self {
        self.trees.insert(name, tree);
        self
    }

    pub fn values(&self) -> Values<'_> {
        let mut values = Values::new();
        if let Some(employee) = &self.employee {
            values = values.employee(employee);
        }
        if let Some(key) = &self.correlation_key {
            values = values.text("correlationKey", key);
        }
        for (name, record) in &self.records {
            values = values.record(name, record);
        }
        for (name, tree) in &self.trees {
            values = values.json(name, tree);
        }
        values
    }
}
