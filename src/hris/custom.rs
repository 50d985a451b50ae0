//! Custom fields: what a connection declares is picked out of a row's field mappings and remote data, and the rest of
//! those is dropped before anything keeps it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::lenient::as_text;
use super::text::{date, key};
use crate::api::employee::EmployeeSpec;
use crate::api::hris_connection::{CustomField, CustomFieldType, RemoteData};

/// The longest value, in characters.
const VALUE_MAX: usize = 256;
/// Merge's two kinds of mappings. What the linked account's own say goes before what the organisation's say.
const MAPPINGS: [&str; 2] = ["linked_account_defined_targets", "organization_defined_targets"];

/// What a row says of the declared custom fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomValues {
    /// Values by name, as text of their type.
    pub known: BTreeMap<String, String>,
    /// Names of those of which the row says nothing at all, because Merge did not pass on what would, or passed on
    /// several answers. That is no absence.
    pub unread: BTreeSet<String>,
}

/// What is found at a field's place.
enum Found<'a> {
    Value(&'a Value),
    Nothing,
    Unread,
}

impl CustomValues {
    /// Reads the declared fields off a row.
    pub fn read(row: &Value, declared: &[CustomField]) -> Self {
        let mut values = Self::default();
        for field in declared {
            match find(row, field) {
                Found::Value(value) => {
                    if let Some(text) = typed(value, field.type_) {
                        values.known.insert(field.name.clone(), text);
                    }
                }
                Found::Nothing => {}
                Found::Unread => {
                    values.unread.insert(field.name.clone());
                }
            }
        }
        values
    }
}

fn find<'a>(row: &'a Value, field: &CustomField) -> Found<'a> {
    match (&field.field_mapping, &field.remote_data) {
        (Some(name), _) => mapped(row, name),
        (None, Some(place)) => remote(row, place),
        // An older CRD let it through.
        (None, None) => Found::Unread,
    }
}

/// The value of a field mapping. A mapping that has no value may be left out, but with all of them left out, nobody has
/// said anything.
fn mapped<'a>(row: &'a Value, name: &str) -> Found<'a> {
    let Some(mappings) = row.get("field_mappings").and_then(Value::as_object) else {
        return Found::Unread;
    };
    let values = MAPPINGS.iter().filter_map(|kind| mappings.get(*kind)?.get(name));
    // Merge's documents show both a bare value and one within an object.
    let mut values = values.map(|value| value.get("value").unwrap_or(value));
    values
        .find(|value| !value.is_null())
        .map_or(Found::Nothing, Found::Value)
}

/// The value in the HR system's own data. Their entries come in no stable order, so that of several answers that differ
/// none is taken.
fn remote<'a>(row: &'a Value, place: &RemoteData) -> Found<'a> {
    let Some(entries) = row.get("remote_data").and_then(Value::as_array) else {
        return Found::Unread;
    };
    let path = place.path.trim();
    let mut values = entries
        .iter()
        .filter(|entry| entry["path"].as_str().is_some_and(|other| other.trim() == path))
        .filter_map(|entry| entry.get("data")?.pointer(&place.pointer))
        .filter(|value| !value.is_null());
    match values.next() {
        None => Found::Nothing,
        Some(value) if values.all(|other| other == value) => Found::Value(value),
        Some(_) => Found::Unread,
    }
}

/// The value as text of its type: text on one line, a whole number in canonical decimal, `true` or `false`, a calendar
/// date. `None` for a value of another type, or of more than 256 characters.
fn typed(value: &Value, type_: CustomFieldType) -> Option<String> {
    if let (CustomFieldType::Boolean, Value::Bool(truth)) = (type_, value) {
        return Some(truth.to_string());
    }
    let text = key(as_text(value.clone()).as_deref(), VALUE_MAX)?;
    match type_ {
        CustomFieldType::String => Some(text),
        // Some systems know one kind of number only, and write 7 as 7.0.
        CustomFieldType::Integer => {
            let number: i64 = text.strip_suffix(".0").unwrap_or(&text).parse().ok()?;
            Some(number.to_string())
        }
        CustomFieldType::Boolean => {
            let text = text.to_ascii_lowercase();
            matches!(text.as_str(), "true" | "false").then_some(text)
        }
        CustomFieldType::Date => date(value.as_str()).map(|date| date.to_string()),
    }
}

/// The name by which `source.unconfirmed` lists a custom field.
pub fn unconfirmed_name(name: &str) -> String {
    format!("customFields.{name}")
}

/// The declared names, in order.
pub fn names(declared: &[CustomField]) -> BTreeSet<String> {
    declared.iter().map(|field| field.name.clone()).collect()
}

/// Takes out what is not declared.
pub fn keep_declared(declared: &[CustomField], spec: &mut EmployeeSpec) {
    let is_declared = |name: &String| declared.iter().any(|field| field.name == *name);
    spec.custom_fields.retain(|name, _| is_declared(name));
    if let Some(source) = &mut spec.source {
        source.custom_fields.retain(is_declared);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(name: &str, type_: CustomFieldType) -> CustomField {
        CustomField {
            name: name.to_owned(),
            type_,
            field_mapping: Some(name.to_owned()),
            remote_data: None,
        }
    }

    fn place(path: &str, pointer: &str) -> CustomField {
        CustomField {
            name: "x".to_owned(),
            remote_data: Some(RemoteData {
                path: path.to_owned(),
                pointer: pointer.to_owned(),
            }),
            ..CustomField::default()
        }
    }

    fn read(row: &Value, field: &CustomField) -> (Option<String>, bool) {
        let mut values = CustomValues::read(row, std::slice::from_ref(field));
        (values.known.remove(&field.name), values.unread.contains(&field.name))
    }

    #[test]
    fn a_value_is_of_its_type_or_absent() {
        use CustomFieldType::{Boolean, Date, Integer, String};
        let long = "é".repeat(256);
        let too_long = format!("{long}é");
        for (type_, value, expected) in [
            (String, json!("  CC\n1010 "), Some("CC 1010")),
            (String, json!(1010), Some("1010")),
            (String, json!(long), Some(long.as_str())),
            (String, json!(too_long), None),
            (String, json!(true), None),
            (String, json!(" "), None),
            (String, json!(["CC-1010"]), None),
            (String, json!({"id": "CC-1010"}), None),
            (String, json!(null), None),
            (Integer, json!(7), Some("7")),
            (Integer, json!(-7), Some("-7")),
            (Integer, json!(7.0), Some("7")),
            (Integer, json!(" +007 "), Some("7")),
            (Integer, json!(7.5), None),
            (Integer, json!("seven"), None),
            (Integer, json!(u64::MAX), None),
            (Integer, json!(true), None),
            (Boolean, json!(true), Some("true")),
            (Boolean, json!(false), Some("false")),
            (Boolean, json!(" TRUE"), Some("true")),
            (Boolean, json!("yes"), None),
            (Boolean, json!(1), None),
            (Date, json!("2026-03-01"), Some("2026-03-01")),
            (Date, json!("2026-03-01T23:30:00-08:00"), Some("2026-03-01")),
            (Date, json!("2026-02-30"), None),
            (Date, json!("0001-01-01"), None),
            (Date, json!("1.3.2026"), None),
            (Date, json!(20_260_301), None),
        ] {
            for value in [value.clone(), json!({"value": value})] {
                let row = json!({"field_mappings": {"organization_defined_targets": {"x": value}}});
                let (found, unread) = read(&row, &mapping("x", type_));
                assert_eq!((found.as_deref(), unread), (expected, false), "{type_:?} {row}");
            }
        }
    }

    #[test]
    fn mappings_of_the_linked_account_go_first_and_none_at_all_is_no_absence() {
        let field = mapping("x", CustomFieldType::String);
        let row = |account: Value, organisation: Value| json!({"field_mappings": {"linked_account_defined_targets": account, "organization_defined_targets": organisation}});
        let found = |text: &str| (Some(text.to_owned()), false);
        let absent = (None, false);
        assert_eq!(read(&row(json!({"x": "a"}), json!({"x": "b"})), &field), found("a"));
        assert_eq!(read(&row(json!({"x": null}), json!({"x": "b"})), &field), found("b"));
        assert_eq!(read(&row(json!({"y": "a"}), json!({})), &field), absent);
        assert_eq!(read(&row(Value::Null, json!([])), &field), absent);
        for row in [
            json!({}),
            json!({"field_mappings": null}),
            json!({"field_mappings": []}),
        ] {
            assert_eq!(read(&row, &field), (None, true), "{row}");
        }
    }

    #[test]
    fn remote_data_are_found_by_path_in_whatever_order_and_several_answers_are_none() {
        let field = place("/people", "/custom/cost~1centre");
        let entry = |path: &str, value: &str| json!({"path": path, "data": {"custom": {"cost/centre": value}}});
        let (here, there) = (entry(" /people", "A"), entry("/jobs", "B"));
        let found = (Some("A".to_owned()), false);
        for entries in [json!([here, there]), json!([there, here]), json!([here, here, null, 7])] {
            assert_eq!(read(&json!({"remote_data": entries}), &field), found);
        }
        for entries in [json!([there]), json!([]), json!([{"path": "/people", "data": null}])] {
            assert_eq!(read(&json!({"remote_data": entries}), &field), (None, false));
        }
        let both = json!({"remote_data": [here, entry("/people", "C")]});
        for row in [both, json!({"remote_data": null}), json!({})] {
            assert_eq!(read(&row, &field), (None, true), "{row}");
        }
        let in_list = json!({"remote_data": [{"path": "/jobs", "data": [{"grade": 7}]}]});
        assert_eq!(
            read(&in_list, &place("/jobs", "/0/grade")),
            (Some("7".to_owned()), false)
        );
    }
}
