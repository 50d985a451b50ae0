//! Ways in which an answer may differ from the tidy one and that a client must bear.

use serde_json::{Map, Value, json};

/// How a field mapping's value is written, on which Merge's documents disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldMappingShape {
    /// `"cost_center": "CC-1010"`. The default.
    #[default]
    Bare,
    /// `"cost_center": {"value": "CC-1010"}`.
    Wrapped,
}

/// What to do to every row on its way out; the rows themselves stay as they are. All off by default.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // each stands for a habit of its own
pub struct Quirks {
    /// Adds fields that no document knows: text, number, list, object and null.
    pub unknown_fields: bool,
    /// Spells every enumeration as an HR system might whose values Merge cannot map.
    pub raw_enums: bool,
    /// Adds a null to the lists `groups` and `employments` of every employee.
    pub null_elements: bool,
    /// Fields that are null in every row that has them.
    pub null_fields: Vec<String>,
    /// Fields that are left out of every row.
    pub omit_fields: Vec<String>,
    /// Leaves out every field that is null.
    pub omit_nulls: bool,
    /// Sends `ssn` even to those who did not ask with `include_sensitive_fields`.
    pub always_sensitive: bool,
    /// Sends `remote_data: null` whatever is asked, as on plans without it.
    pub no_remote_data: bool,
    /// How field mappings are written.
    pub field_mappings: FieldMappingShape,
}

const ENUMS: &[&str] = &[
    "employment_status",
    "employment_type",
    "type",
    "location_type",
    "pay_period",
    "pay_frequency",
    "flsa_status",
];

impl Quirks {
    /// Changes one row of an answer.
    pub(super) fn apply(&self, row: &mut Map<String, Value>) {
        if self.raw_enums {
            for name in ENUMS {
                if let Some(Value::String(value)) = row.get_mut(*name) {
                    *value = format!("{} (Custom)", value.replace('_', " ").to_lowercase());
                }
            }
        }
        if self.null_elements {
            for name in ["groups", "employments"] {
                if let Some(Value::Array(items)) = row.get_mut(name) {
                    items.push(Value::Null);
                }
            }
        }
        for name in &self.null_fields {
            if let Some(value) = row.get_mut(name) {
                *value = Value::Null;
            }
        }
        row.retain(|name, value| !(self.omit_fields.contains(name) || self.omit_nulls && value.is_null()));
        if self.unknown_fields {
            row.insert("x_new_text".into(), json!("something Merge added last night"));
            row.insert("x_new_number".into(), json!(12_345_678_901_234_567_u64));
            row.insert("x_new_list".into(), json!([1, "two", null, {"three": 3}]));
            row.insert("x_new_object".into(), json!({"nested": {"deeper": [[]]}}));
            row.insert("x_new_null".into(), Value::Null);
        }
    }
}
