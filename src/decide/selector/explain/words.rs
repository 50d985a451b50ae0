//! Keys and facts in words.

use crate::api::employee::{EmployeeSpec, GroupPath, Location};
use crate::api::policy::{GroupKey, LocationKey, ManagerKey, TenureKey};
use crate::decide::phase::is_unconfirmed;

/// The most values of a list that are spelled out.
const VALUES_MAX: usize = 12;

/// A value that says something.
pub(super) fn present(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// `[a, b, ... and 3 more]`
fn list(values: &[String]) -> String {
    let shown = values.iter().take(VALUES_MAX).map(|value| value.trim());
    let shown = shown.collect::<Vec<_>>().join(", ");
    match values.len().saturating_sub(VALUES_MAX) {
        0 => format!("[{shown}]"),
        more => format!("[{shown}, ... and {more} more]"),
    }
}

pub(super) fn one_of(values: &[String]) -> String {
    format!("in {}", list(values))
}

pub(super) fn among(key: &GroupKey) -> String {
    let exactly = if key.exact { "exactly " } else { "" };
    format!("{exactly}{}", one_of(&key.any))
}

pub(super) fn under(key: &ManagerKey) -> String {
    let depth = key.depth.map(|depth| format!(", at most {depth} up"));
    format!("under {}{}", list(&key.under), depth.unwrap_or_default())
}

pub(super) fn bounds(key: &TenureKey) -> String {
    let bounds = [("at least", &key.at_least), ("less than", &key.less_than)];
    let said = bounds
        .iter()
        .filter_map(|(word, bound)| Some(format!("{word} {}", bound.as_ref()?.as_str())));
    said.collect::<Vec<_>>().join(", ")
}

pub(super) fn places(key: &LocationKey) -> String {
    let parts = [
        ("name", &key.name),
        ("country", &key.country),
        ("state", &key.state),
        ("city", &key.city),
    ];
    let said = parts.iter().filter(|(_, values)| !values.is_empty());
    said.map(|(part, values)| format!("{part} {}", one_of(values)))
        .collect::<Vec<_>>()
        .join(" and ")
}

pub(super) fn place(location: Option<&Location>) -> String {
    let Some(location) = location else {
        return "none".to_owned();
    };
    let parts = [
        ("name", &location.name),
        ("country", &location.country),
        ("state", &location.state),
        ("city", &location.city),
    ];
    let said = parts
        .iter()
        .filter_map(|(part, value)| Some(format!("{part} {}", present(value.as_ref())?)));
    let said: Vec<String> = said.collect();
    if said.is_empty() {
        "none".to_owned()
    } else {
        said.join(", ")
    }
}

pub(super) fn paths(groups: &[GroupPath]) -> String {
    if groups.is_empty() {
        return "none".to_owned();
    }
    let paths: Vec<String> = groups.iter().map(|group| group.path.join(" > ")).collect();
    paths.join("; ")
}

pub(super) fn text(value: Option<&String>) -> String {
    present(value).unwrap_or("none").to_owned()
}

pub(super) fn called(spec: &EmployeeSpec) -> String {
    let names = [
        ("workEmail", &spec.work_email),
        ("employeeNumber", &spec.employee_number),
    ];
    let known: Vec<&str> = names.iter().filter_map(|(_, value)| present(value.as_ref())).collect();
    if known.is_empty() {
        "without workEmail and employeeNumber".to_owned()
    } else {
        known.join(", ")
    }
}

/// The attributes that an expression names, with the person's values: `jobTitle is VP Sales`.
pub(super) fn attributes_in(expression: &str, spec: &EmployeeSpec) -> String {
    let facts = serde_json::to_value(spec).unwrap_or_default();
    let mut named: Vec<&str> = Vec::new();
    for (at, start) in expression.match_indices("employee.") {
        // The tail of a longer name is another thing.
        if expression[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
            continue;
        }
        let rest = &expression[at + start.len()..];
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let name = &rest[..end];
        if !name.is_empty() && !named.contains(&name) {
            named.push(name);
        }
    }
    let values: Vec<String> = named
        .into_iter()
        .map(|name| match facts.get(name) {
            Some(serde_json::Value::String(text)) => format!("{name} {text}"),
            Some(value) => format!("{name} {value}"),
            None if is_unconfirmed(spec, name) => format!("{name} none, unconfirmed"),
            None => format!("{name} none"),
        })
        .collect();
    if values.is_empty() {
        "a person".to_owned()
    } else {
        values.join(", ")
    }
}
