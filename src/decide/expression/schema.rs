//! What an expression can say of an employee: the attributes, their types, and how large they can be.

use std::collections::BTreeMap;

use crate::api::HRISConnection;
use crate::api::hris_connection::CustomFieldType;

/// Bytes in a text of an employee. The CRD allows 256 characters at most; what is longer all the same, where an older
/// CRD let it through, is not evaluated.
pub(super) const MAX_VALUE: usize = 1024;
/// Bytes in a text that a template is given beside the employee.
pub(super) const MAX_GIVEN: usize = 4096;
/// Texts in a list that a template is given.
pub(super) const MAX_GIVEN_LIST: usize = 256;
/// Bytes in a text of an answer, and in a text that a template builds.
pub(super) const MAX_WHOLE: usize = 64 << 10;
/// Elements of an answer's list that a macro or `in` goes through.
pub(super) const MAX_LIST: usize = 1000;
/// Bytes in a text of an element of such a list, where there may be many.
pub(super) const MAX_PART: usize = 1024;
/// Elements of a list in an element of such a list.
pub(super) const MAX_PART_LIST: usize = 100;

/// Parts that a text is split into.
pub(super) const MAX_PARTS: usize = 64;

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
    /// A part of an answer, of whatever kind it turns out to be; as a text it has so many bytes at most.
    Any(usize),
    /// Named values that a template is given, by the name of them all.
    Record(String),
    /// A value that may be absent, which is no error.
    Optional(Box<Type>),
    /// A map that a template puts together, and the steps that a copy takes.
    Object(u64),
    Null,
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
            Self::Any(_) => "a value of any kind",
            Self::Record(_) => "all of a record",
            Self::Optional(_) => "a value that may be absent",
            Self::Object(_) => "a map",
            Self::Null => "null",
        }
    }

    /// What to do where it cannot be placed.
    pub(super) fn mend(&self) -> &'static str {
        match self {
            Self::Optional(_) => "say .orValue(…), or write ? before it",
            _ => "name a text of it",
        }
    }

    pub(super) fn list(of: Self, most: usize) -> Self {
        Self::List(Box::new(of), most)
    }

    /// Steps that a copy takes, or a comparison with an equal.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Text(bytes) | Self::Any(bytes) => 1 + *bytes as u64 / 512,
            Self::Optional(of) => of.weight().saturating_add(1),
            Self::Object(weight) => *weight,
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
            (Self::Any(one), Self::Any(other)) => Self::Any(*one.max(other)),
            (Self::Any(most), other) | (other, Self::Any(most)) if other.is_placeable() => {
                Self::Any(other.bytes().max(*most))
            }
            (Self::Optional(one), Self::Optional(other)) => Self::Optional(Box::new(one.join(other)?)),
            (Self::Object(one), Self::Object(other)) => Self::Object(*one.max(other)),
            (Self::Null, Self::Null) => Self::Null,
            (Self::Null, other) | (other, Self::Null) if other.is_placeable() => Self::Any(other.bytes()),
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

    /// Whether a template can place it as it is: a group, a location and a record are more than is meant.
    pub(super) fn is_placeable(&self) -> bool {
        match self {
            Self::Any(_) | Self::Object(_) | Self::Null => true,
            Self::List(of, _) => of.is_placeable(),
            other => other.is_plain(),
        }
    }

    /// Bytes of the longest text that it can be.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Any(bytes) => *bytes,
            _ => 0,
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
