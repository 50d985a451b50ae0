//! What an account is made of, in a few characters.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Definition;
use super::parts::{Body, Part, Request};
use crate::api::employee::EmployeeSpec;
use crate::decide::account::{scim_digest, scim_matching_digest};
use crate::decide::effect::short_digest;
use crate::decide::{Namespace, Person};

/// Digest of what the account of `person` at `target` is made of; where it differs from what the target confirmed, the
/// account is updated. Of an `http` target: the attributes that its `create` and `update` mention, with their values, and
/// those templates themselves. `None` where that cannot be told, since the definition cannot be read.
pub fn account_digest(namespace: &Namespace, person: &Person, target: &str) -> Option<String> {
    match namespace.definition(target) {
        None => scim_digest(namespace, person, target),
        Some(definition) => definition
            .as_ref()
            .as_ref()
            .ok()
            .map(|definition| definition.digest(&person.spec)),
    }
}

/// Digest of what the account of `person` at `target` is found by: after a change of it, what was seen may have been
/// somebody else's.
pub fn matching_digest(namespace: &Namespace, person: &Person, target: &str) -> Option<String> {
    match namespace.definition(target) {
        None => scim_matching_digest(namespace, person, target),
        Some(definition) => {
            let definition = definition.as_ref().as_ref().ok()?;
            Some(values_digest(&definition.matching_attributes(), &person.spec, &[]))
        }
    }
}

impl Definition {
    fn digest(&self, spec: &EmployeeSpec) -> String {
        let mut names = BTreeSet::new();
        let account = &self.account;
        names.extend(account.create.iter().flat_map(Request::attributes));
        names.extend(account.update.iter().flat_map(|update| update.request.attributes()));
        values_digest(&names, spec, &account.sources)
    }

    fn matching_attributes(&self) -> BTreeSet<&str> {
        let account = &self.account;
        let mut names: BTreeSet<&str> = account
            .find
            .iter()
            .flat_map(|search| search.request.attributes())
            .collect();
        names.extend(account.matches.iter().flat_map(super::Reading::attributes));
        names.extend(
            account
                .named
                .iter()
                .flat_map(super::super::expression::TextTemplate::attributes),
        );
        names
    }
}

fn values_digest(names: &BTreeSet<&str>, spec: &EmployeeSpec, sources: &[String]) -> String {
    let facts = serde_json::to_value(spec).unwrap_or_default();
    let mut parts: Vec<String> = sources.to_vec();
    for name in names {
        let value = name.split('.').try_fold(&facts, |value, part| value.get(part));
        parts.push((*name).to_owned());
        // An absent value and an empty one differ.
        parts.push(value.map_or_else(String::new, Json::to_string));
    }
    short_digest(parts.iter().map(String::as_str))
}

impl Request {
    /// The attributes of the employee that it mentions, by their names in an Employee's spec.
    pub fn attributes(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for part in &self.path.0 {
            if let Part::Value(template) = part {
                names.extend(template.attributes());
            }
        }
        for (_, template) in self.query.iter().chain(&self.headers) {
            names.extend(template.attributes());
        }
        match &self.body {
            Body::Empty => {}
            Body::Json(template) => names.extend(template.attributes()),
            Body::Form(fields) => names.extend(fields.iter().flat_map(|(_, template)| template.attributes())),
        }
        names
    }
}
