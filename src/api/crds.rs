//! The CustomResourceDefinitions, as `rollcall crds` prints them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{Employee, Entitlement, HRISConnection, ProvisioningPolicy, TargetSystem};

/// Bounds for what says none of its own. Without bounds the API server refuses CEL rules for their possible cost, and
/// one object could fill the store.
const STRING_MAX: i64 = 253;
const LIST_MAX: i64 = 64;
const MAP_MAX: i64 = 64;
/// Conditions carry sentences.
const MESSAGE_MAX: i64 = 32_768;

/// All CustomResourceDefinitions, in order of name.
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        Employee::crd(),
        Entitlement::crd(),
        HRISConnection::crd(),
        ProvisioningPolicy::crd(),
        TargetSystem::crd(),
    ];
    for crd in &mut crds {
        for version in &mut crd.spec.versions {
            if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
                bound(schema, "");
            }
        }
    }
    crds
}

/// Gives every string, list and map under `schema` a bound, where it has none.
fn bound(schema: &mut JSONSchemaProps, name: &str) {
    match schema.type_.as_deref() {
        Some("string") if schema.max_length.is_none() && schema.enum_.is_none() && schema.format.is_none() => {
            schema.max_length = Some(if name == "message" { MESSAGE_MAX } else { STRING_MAX });
        }
        Some("array") => {
            schema.max_items.get_or_insert(LIST_MAX);
        }
        Some("object") if schema.additional_properties.is_some() => {
            schema.max_properties.get_or_insert(MAP_MAX);
        }
        _ => {}
    }
    for (name, property) in schema.properties.iter_mut().flatten() {
        // The schema of metadata is the API server's own.
        if name != "metadata" {
            bound(property, name);
        }
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        bound(items, "");
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        bound(values, "");
    }
}
