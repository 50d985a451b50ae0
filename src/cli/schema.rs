//! Whether the API server would take an object, by the schema of its CRD: a misspelled key must not pass for one that was
//! left out. The CEL rules are not evaluated here; `kubectl apply --dry-run=server` does that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use crate::api::crds;

/// What an object has at its root besides its spec.
const ROOT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// The schema of each kind's spec.
static SPECS: LazyLock<BTreeMap<String, JSONSchemaProps>> = LazyLock::new(|| {
    let specs = crds::all().into_iter().filter_map(|crd| {
        let version = crd.spec.versions.into_iter().next()?;
        let mut root = version.schema?.open_api_v3_schema?;
        Some((crd.spec.names.kind, root.properties.as_mut()?.remove("spec")?))
    });
    specs.collect()
});

/// What the schema of `kind` does not allow in `object`: where, and what is wrong there.
pub fn fault(kind: &str, object: &Value) -> Option<(String, String)> {
    let strange = object
        .as_object()?
        .keys()
        .find(|key| !ROOT.contains(&key.as_str()) && *key != "spec");
    if let Some(key) = strange {
        return Some((
            key.clone(),
            "is not known at the top of an object: put it under spec, or take it out".to_owned(),
        ));
    }
    let Some(spec) = object.get("spec") else {
        return Some((
            "spec".to_owned(),
            "is missing: an object without it asks for nothing".to_owned(),
        ));
    };
    let schema = SPECS.get(kind)?;
    let mut path = vec!["spec".to_owned()];
    let message = check(schema, spec, &mut path)?;
    Some((path.join("."), message))
}

/// What is wrong with `value`; then `path` says where. Paths are in the way of kubectl: `spec.anyOf[0].jobTitle`.
fn check(schema: &JSONSchemaProps, value: &Value, path: &mut Vec<String>) -> Option<String> {
    if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
        return None;
    }
    if let Some(wrong) = wrong_type(schema.type_.as_deref(), value) {
        return Some(wrong);
    }
    if let Some(allowed) = &schema.enum_
        && !allowed.iter().any(|allowed| allowed.0 == *value)
    {
        let allowed: Vec<String> = allowed.iter().map(|allowed| text(&allowed.0)).collect();
        return Some(format!("is {}: it must be one of {}", text(value), allowed.join(", ")));
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let property = schema.properties.as_ref().and_then(|properties| properties.get(key));
                let property = property.or(match &schema.additional_properties {
                    Some(JSONSchemaPropsOrBool::Schema(schema)) => Some(schema.as_ref()),
                    _ => None,
                });
                path.push(key.clone());
                let Some(property) = property else {
                    let known: Vec<&str> = schema
                        .properties
                        .iter()
                        .flatten()
                        .map(|(name, _)| name.as_str())
                        .collect();
                    return Some(format!(
                        "is not known: correct or remove it; there can be {}",
                        known.join(", ")
                    ));
                };
                if let Some(wrong) = check(property, value, path) {
                    return Some(wrong);
                }
                path.pop();
            }
            let missing = schema.required.iter().flatten().find(|name| !map.contains_key(*name));
            if let Some(missing) = missing {
                path.push(missing.clone());
                return Some("is missing: it has no default".to_owned());
            }
            bounds(map.len(), None, schema.max_properties, "entries")
        }
        Value::Array(items) => {
            if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
                for (at, item) in items.iter().enumerate() {
                    path_index(path, at);
                    if let Some(wrong) = check(schema, item, path) {
                        return Some(wrong);
                    }
                    path_unindex(path);
                }
            }
            bounds(items.len(), schema.min_items, schema.max_items, "items")
        }
        Value::String(text) => bounds(text.chars().count(), schema.min_length, schema.max_length, "characters"),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let too_low = schema.minimum.filter(|least| number < *least);
            let too_high = schema.maximum.filter(|most| number > *most);
            too_low
                .map(|least| format!("is {number}: it must be at least {least}"))
                .or_else(|| too_high.map(|most| format!("is {number}: it can be at most {most}")))
        }
        Value::Bool(_) | Value::Null => None,
    }
}

fn wrong_type(wanted: Option<&str>, value: &Value) -> Option<String> {
    let is = match value {
        // An API server drops a null before it looks at the schema.
        Value::Null => return None,
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
    };
    match wanted {
        Some(wanted) if wanted != is && !(wanted == "number" && is == "integer") => {
            let quote = if wanted == "string" && matches!(is, "integer" | "number" | "boolean") {
                "; put it in quotes"
            } else {
                ""
            };
            Some(format!("is of type {is}: it must be of type {wanted}{quote}"))
        }
        _ => None,
    }
}

fn bounds(length: usize, least: Option<i64>, most: Option<i64>, what: &str) -> Option<String> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let too_few = least.filter(|least| length < *least);
    let too_many = most.filter(|most| length > *most);
    too_few
        .map(|least| format!("has {length} {what}: it must have at least {least}"))
        .or_else(|| too_many.map(|most| format!("has {length} {what}: it can have at most {most}")))
}

fn path_index(path: &mut [String], at: usize) {
    if let Some(last) = path.last_mut() {
        let _ = write!(last, "[{at}]");
    }
}

fn path_unindex(path: &mut [String]) {
    if let Some(last) = path.last_mut()
        && let Some(at) = last.rfind('[')
    {
        last.truncate(at);
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(spec: &Value) -> Value {
        let mut whole = json!({"mode": "Enforce", "selector": {"everyone": true}, "entitlements": [{"name": "chat"}]});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "ProvisioningPolicy", "metadata": {"name": "a"}, "spec": whole})
    }

    #[test]
    fn what_the_api_server_would_refuse_is_found_where_it_stands() {
        let table = [
            (
                json!({"selector": {"jobTitel": ["x"]}}),
                "spec.selector.jobTitel",
                "is not known",
            ),
            (
                json!({"selector": {"not": [{}, {"departmen": 1}]}}),
                "spec.selector.not[1].departmen",
                "department",
            ),
            (json!({"mode": "Enforced"}), "spec.mode", "one of Plan, Enforce"),
            (json!({"priority": "high"}), "spec.priority", "of type integer"),
            (json!({"priority": 2_000_000}), "spec.priority", "at most 1000000"),
            (json!({"entitlements": []}), "spec.entitlements", "at least 1"),
            (json!({"entitlements": [{}]}), "spec.entitlements[0].name", "is missing"),
            (
                json!({"entitlements": [{"name": "chat", "parameters": {"limit": 5}}]}),
                "spec.entitlements[0].parameters.limit",
                "put it in quotes",
            ),
            (
                json!({"selector": {"jobTitle": "x"}}),
                "spec.selector.jobTitle",
                "of type array",
            ),
        ];
        for (spec, place, said) in table {
            let (path, message) = fault("ProvisioningPolicy", &policy(&spec)).unwrap();
            assert_eq!(path, place, "{spec}: {message}");
            assert!(message.contains(said), "{spec}: {message}");
        }
        assert_eq!(fault("ProvisioningPolicy", &policy(&json!({"priority": 5}))), None);
        let stray = json!({"kind": "ProvisioningPolicy", "mode": "Plan"});
        assert_eq!(fault("ProvisioningPolicy", &stray).unwrap().0, "mode");
        let empty = json!({"kind": "ProvisioningPolicy"});
        assert_eq!(fault("ProvisioningPolicy", &empty).unwrap().0, "spec");
    }
}
