//! What an expression can speak of: the attributes of an employee, their types, and how large they can be.

use std::collections::BTreeMap;

use crate::api::HRISConnection;
use crate::api::hris_connection::CustomFieldType;

/// Bytes in a text of an employee. The CRD allows 256 characters at most; what is longer all the same, where an older
/// CRD let it through, is not evaluated.
pub(super) const MAX_VALUE: usize = 1024;
/// Names in a group's path.
pub(super) const MAX_PATH: usize = 16;

/// What an expression's parts are, with the most that each can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Truth,
    Number,
    /// Of so many bytes at most.
    Text(usize),
    /// Of so many elements at most.
    List(Box<Type>, usize),
    Employee,
    Group,
    /// A location, by the attribute's name.
    Place(&'static str),
    CustomFields,
    /// An element of a list that has none.
    Nothing,
}

impl Type {
    /// In words, with the article.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Truth => "a truth value",
            Self::Number => "a number",
            Self::Text(_) => "a text",
            Self::List(..) => "a list",
            Self::Employee => "the whole employee",
            Self::Group => "a group",
            Self::Place(_) => "a location",
            Self::CustomFields => "all the custom fields",
            Self::Nothing => "nothing",
        }
    }

    pub(super) fn list(of: Self, most: usize) -> Self {
        Self::List(Box::new(of), most)
    }

    /// Steps that a copy takes, or a comparison with an equal.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Text(bytes) => 1 + *bytes as u64 / 512,
            Self::List(of, most) => (*most as u64).saturating_mul(of.weight()).saturating_add(1),
            _ => 1,
        }
    }

    /// The type that holds both, if one does.
    pub(super) fn join(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Nothing, other) => other.clone(),
            (one, Self::Nothing) => one.clone(),
            (Self::Text(one), Self::Text(other)) => Self::Text(*one.max(other)),
            (Self::List(one, most), Self::List(other, more)) => Self::list(one.join(other)?, *most.max(more)),
            (one, other) if one == other => one.clone(),
            _ => return None,
        })
    }

    /// Whether `==` can compare it: groups and locations are compared by what is in them.
    pub(super) fn is_plain(&self) -> bool {
        match self {
            Self::Truth | Self::Number | Self::Text(_) | Self::Nothing => true,
            Self::List(of, _) => of.is_plain(),
            _ => false,
        }
    }
}

/// The attributes that are texts.
const TEXTS: [&str; 12] = [
    "employeeNumber",
    "displayName",
    "givenName",
    "familyName",
    "workEmail",
    "username",
    "jobTitle",
    "employmentType",
    "employmentStatus",
    "startDate",
    "terminationDate",
    "company",
];

/// The attributes that are lists of groups, with the most that each can hold.
const GROUPS: [(&str, usize); 3] = [("departments", 32), ("businessUnits", 32), ("groups", 64)];

const PLACES: [&str; 2] = ["workLocation", "homeLocation"];

/// The parts of a location.
pub(super) const PARTS: [&str; 4] = ["name", "country", "state", "city"];

/// What the attribute `name` of an employee is.
pub(super) fn attribute(name: &str) -> Option<Type> {
    if TEXTS.contains(&name) {
        return Some(Type::Text(MAX_VALUE));
    }
    if let Some((_, most)) = GROUPS.iter().find(|(list, _)| *list == name) {
        return Some(Type::list(Type::Group, *most));
    }
    if let Some(place) = PLACES.iter().find(|place| **place == name) {
        return Some(Type::Place(place));
    }
    (name == "customFields").then_some(Type::CustomFields)
}

/// The names of all attributes.
pub(super) fn attributes() -> impl Iterator<Item = &'static str> {
    let lists = GROUPS.iter().map(|(name, _)| *name);
    TEXTS.into_iter().chain(lists).chain(PLACES).chain(["customFields"])
}

/// The one of `known` that `name` was meant to be, if one is near enough.
pub(super) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    known
        .map(|other| (likeness(other), other))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, other)| other)
}

/// What the expressions of a namespace can speak of: the attributes of its employees with the custom fields that its
/// connections declare. Without a connection, any custom field, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    custom_fields: Option<BTreeMap<String, CustomFieldType>>,
}

impl Schema {
    /// The schema of a namespace with these connections, of which those that cannot be read are `None`. A field that
    /// two of them declare with different types is text.
    pub fn of<'a>(connections: impl IntoIterator<Item = Option<&'a HRISConnection>>) -> Self {
        let mut custom_fields = None;
        for connection in connections {
            let declared: &mut BTreeMap<String, CustomFieldType> = custom_fields.get_or_insert_default();
            for field in connection
                .into_iter()
                .flat_map(|connection| &connection.spec.custom_fields)
            {
                declared
                    .entry(field.name.clone())
                    .and_modify(|known| {
                        if *known != field.type_ {
                            *known = CustomFieldType::String;
                        }
                    })
                    .or_insert(field.type_);
            }
        }
        Self { custom_fields }
    }

    /// What the custom field `name` holds.
    pub(super) fn custom_field(&self, name: &str) -> Option<CustomFieldType> {
        match &self.custom_fields {
            Some(declared) => declared.get(name).copied(),
            None => Some(CustomFieldType::String),
        }
    }

    pub(super) fn custom_fields(&self) -> impl Iterator<Item = &str> {
        self.custom_fields.iter().flat_map(BTreeMap::keys).map(String::as_str)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    /// Every attribute of an employee is either known to expressions or kept from them on purpose.
    #[test]
    fn the_schema_knows_every_attribute() {
        let schema = schemars::schema_for!(crate::api::employee::EmployeeSpec);
        let properties = schema.get("properties").and_then(serde_json::Value::as_object).unwrap();
        let mut known: Vec<&str> = attributes()
            .chain(["connectionRef", "source", "deletionPolicy", "managerRef"])
            .collect();
        let mut all: Vec<&str> = properties.keys().map(String::as_str).collect();
        known.sort_unstable();
        all.sort_unstable();
        assert_eq!(known, all);
        for (name, most) in GROUPS {
            assert_eq!(properties[name]["maxItems"], most, "{name}");
        }
        for name in TEXTS {
            let most = properties[name]["maxLength"].as_u64().unwrap();
            assert!(
                most * 4 <= MAX_VALUE as u64,
                "{name} may be longer than what is evaluated"
            );
        }
    }
}
