//! What is known of a person's custom fields: the one place that tells an absence from what nobody looked for.

use super::phase::is_unconfirmed;
use crate::api::employee::EmployeeSpec;

/// What is known of one custom field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomField<'a> {
    /// Its value, without surrounding space.
    Value(&'a str),
    /// The person has none.
    Absent,
    /// It cannot be told, and why.
    Unknown(String),
}

/// What is known of the custom field called `name`.
///
/// A mirrored person's field that was not looked for is unknown, not absent: its name may be misspelt, and a field that
/// a connection begins or ceases to declare must take nothing from anybody. Of somebody who is kept by hand all is known.
pub fn custom_field<'a>(spec: &'a EmployeeSpec, name: &str) -> CustomField<'a> {
    let value = spec.custom_fields.get(name).map(|value| value.trim());
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        return CustomField::Value(value);
    }
    let Some(connection) = &spec.connection_ref else {
        return CustomField::Absent;
    };
    let connection = &connection.name;
    let source = spec.source.as_ref();
    if !source.is_some_and(|source| source.custom_fields.iter().any(|read| read == name)) {
        return CustomField::Unknown(format!(
            "customFields.{name} was not read: declare it in customFields of the HRISConnection {connection}, or correct \
             its name"
        ));
    }
    if is_unconfirmed(spec, &format!("customFields.{name}")) {
        return CustomField::Unknown(format!(
            "customFields.{name} has no value that is confirmed: it had one and has none now, or Merge did not pass it on"
        ));
    }
    CustomField::Absent
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn known(spec: &Value) -> Result<Option<String>, String> {
        let spec: EmployeeSpec = serde_json::from_value(spec.clone()).unwrap();
        match custom_field(&spec, "costCenter") {
            CustomField::Value(value) => Ok(Some(value.to_owned())),
            CustomField::Absent => Ok(None),
            CustomField::Unknown(why) => Err(why),
        }
    }

    /// Semantics 3: what nobody looked for, and what is gone unconfirmed, is no absence.
    #[test]
    fn an_absence_is_told_from_what_was_not_read() {
        let mirrored = |read: &[&str], unconfirmed: &[&str], values: Value| {
            json!({"connectionRef": {"name": "hr"}, "customFields": values,
                   "source": {"state": "Present", "customFields": read, "unconfirmed": unconfirmed}})
        };
        let value = json!({"costCenter": " CC-1 "});
        let (field, mark) = (["costCenter"], ["customFields.costCenter"]);
        let cc1 = Ok(Some("CC-1".to_owned()));
        assert_eq!(known(&mirrored(&field, &[], value.clone())), cc1);
        assert_eq!(known(&mirrored(&field, &[], json!({}))), Ok(None));
        assert_eq!(known(&mirrored(&field, &[], json!({"costCenter": " "}))), Ok(None));
        // Another field's mark, or an attribute's of the same name, is none of this one.
        let others = ["costCenter", "customFields.grade"];
        assert_eq!(known(&mirrored(&field, &others, json!({}))), Ok(None));
        let why = known(&mirrored(&field, &mark, json!({}))).unwrap_err();
        assert!(why.contains("confirmed"), "{why}");
        // What was there last counts while nobody reads anything else.
        assert_eq!(known(&mirrored(&field, &mark, value.clone())), cc1);
        assert_eq!(known(&mirrored(&[], &[], value)), cc1);
        for never_read in [
            mirrored(&[], &[], json!({})),
            mirrored(&["costcenter"], &[], json!({"costcenter": "CC-1"})),
            json!({"connectionRef": {"name": "hr"}}),
        ] {
            let why = known(&never_read).unwrap_err();
            assert!(
                why.contains("declare it in customFields of the HRISConnection hr"),
                "{why}"
            );
        }
        // By hand.
        assert_eq!(known(&json!({"customFields": {"costCenter": "CC-1"}})), cc1);
        assert_eq!(known(&json!({"customFields": {"grade": "7"}})), Ok(None));
    }
}
