//! Changes to a record, as a PATCH says them and as a PUT needs them done.

use serde_json::{Map, Value, json};

use super::client::Record;
use crate::decide::attributes::AttributePath;

const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// One attribute with its new value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Where.
    pub path: AttributePath,
    /// What.
    pub value: Value,
}

impl Change {
    /// A change of an attribute of the core schema: `attribute` or `attribute.subAttribute`.
    pub fn new(path: &str, value: impl Into<Value>) -> Self {
        Self::at(AttributePath::core(path), value)
    }

    /// A change at a path.
    pub fn at(path: AttributePath, value: impl Into<Value>) -> Self {
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
        .map(|Change { path, value }| json!({"op": "replace", "path": path.to_string(), "value": value}))
        .collect();
    patch_of(&operations)
}

/// The other form, for services that answer 200 to the first and do nothing: one operation without path.
pub(super) fn patch_body_without_paths(changes: &[Change]) -> Value {
    let mut whole = Record::new();
    apply(&mut whole, changes);
    patch_of(&[json!({"op": "replace", "value": whole})])
}

/// A `PatchOp` of these operations (RFC 7644 section 3.5.2).
pub(super) fn patch_of(operations: &[Value]) -> Value {
    json!({"schemas": [PATCH_SCHEMA], "Operations": operations})
}

/// Makes the changes in a record. One that gets an extension's attribute lists that extension among its schemas
/// (RFC 7643 section 3).
pub(super) fn apply(record: &mut Record, changes: &[Change]) {
    for Change { path, value } in changes {
        let within = match &path.extension {
            None => Some(&mut *record),
            Some(urn) => {
                list_schema(record, urn);
                // A service that shows the extension flat takes it flat.
                let flat = format!("{urn}:{}", path.attribute);
                if record.keys().any(|key| key.eq_ignore_ascii_case(&flat)) {
                    set(record, &flat, value.clone());
                }
                object(record, urn)
            }
        };
        match (&path.sub, within) {
            (None, Some(within)) => set(within, &path.attribute, value.clone()),
            (Some(sub), Some(within)) => {
                if let Some(inner) = object(within, &path.attribute) {
                    set(inner, sub, value.clone());
                }
            }
            (_, None) => {}
        }
    }
}

fn list_schema(record: &mut Record, urn: &str) {
    let key = key_of(record, "schemas");
    if let Some(Value::Array(schemas)) = record.get_mut(&key) {
        let listed = |known: &Value| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(urn));
        if !schemas.iter().any(listed) {
            schemas.push(urn.into());
        }
    }
}

/// The object of this name, made where there is none.
fn object<'a>(record: &'a mut Record, name: &str) -> Option<&'a mut Record> {
    let key = key_of(record, name);
    let slot = record.entry(key).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

fn set(record: &mut Record, name: &str, value: Value) {
    let key = key_of(record, name);
    record.insert(key, value);
}

/// The name as the record writes it: names have no case.
pub(super) fn key_of(record: &Record, name: &str) -> String {
    let same = record.keys().find(|key| key.eq_ignore_ascii_case(name));
    same.cloned().unwrap_or_else(|| name.to_owned())
}
