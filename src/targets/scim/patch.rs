//! Changes to a record, as a PATCH says them and as a PUT needs them done.

use serde_json::{Map, Value, json};

use super::client::Record;

const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// One attribute with its new value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// `attribute` or `attribute.subAttribute`.
    path: &'static str,
    value: Value,
}

impl Change {
    pub fn new(path: &'static str, value: impl Into<Value>) -> Self {
        Self {
            path,
            value: value.into(),
        }
    }
}

/// A `PatchOp` of replacements, one operation with a path for each attribute.
///
/// The other form, one operation without path and with an object as value, is as good by RFC 7644 section 3.5.2.3, and
/// is what Okta sends; operations with paths are what Entra ID sends, so any service that works with Entra ID reads
/// them. A path also leaves no doubt about what becomes of the other parts of `name`: a service that reads the object
/// without path as a whole replaces it whole.
pub(super) fn patch_body(changes: &[Change]) -> Value {
    let operations: Vec<Value> = changes
        .iter()
        .map(|Change { path, value }| json!({"op": "replace", "path": path, "value": value}))
        .collect();
    patch_of(&operations)
}

/// A `PatchOp` of these operations (RFC 7644 section 3.5.2).
pub(super) fn patch_of(operations: &[Value]) -> Value {
    json!({"schemas": [PATCH_SCHEMA], "Operations": operations})
}

/// Makes the changes in a record.
pub(super) fn apply(record: &mut Record, changes: &[Change]) {
    for Change { path, value } in changes {
        match path.split_once('.') {
            None => set(record, path, value.clone()),
            Some((outer, inner)) => {
                let key = key_of(record, outer);
                let slot = record.entry(key).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(object) = slot {
                    set(object, inner, value.clone());
                }
            }
        }
    }
}

fn set(record: &mut Record, name: &str, value: Value) {
    let key = key_of(record, name);
    record.insert(key, value);
}

/// The name as the record writes it: names have no case.
fn key_of(record: &Record, name: &str) -> String {
    let same = record.keys().find(|key| key.eq_ignore_ascii_case(name));
    same.cloned().unwrap_or_else(|| name.to_owned())
}
