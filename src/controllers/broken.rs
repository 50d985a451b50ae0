//! Objects that cannot be decoded, as when an older CRD let them through: they are said to be so, and nothing else of
//! them is touched.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::context::Context;
use super::recorder::{RecordError, api_error, may_act, versioned};
use super::report::{announce, set_all};
use crate::api::conditions::Fact;
use crate::api::{EMPLOYEE_FINALIZER, Employee, MANAGER};

/// Puts `fact` among the conditions of an object of kind `K` that cannot be decoded as such.
pub async fn say<K>(context: &Context, metadata: &ObjectMeta, fact: &Fact) -> Result<(), RecordError>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned,
{
    may_act(context)?;
    let (api, name) = (api::<K>(context, metadata), metadata.name.clone().unwrap_or_default());
    let Some(object) = api.get_opt(&name).await.map_err(|error| api_error(&name, error))? else {
        return Ok(());
    };
    let mut fact = fact.clone();
    if let Some(place) = place::<K>(&object) {
        fact.message = format!("{} What cannot be read is at {place}.", fact.message);
    }
    let conditions = object.data.pointer("/status/conditions").cloned().unwrap_or_default();
    let mut conditions: Vec<Condition> = serde_json::from_value(conditions).unwrap_or_default();
    let before = conditions.clone();
    let news = set_all(
        &mut conditions,
        std::slice::from_ref(&fact),
        metadata.generation,
        Timestamp::now(),
    );
    if conditions == before {
        return Ok(());
    }
    // An object that the installed CRD refuses may refuse this too; the Event says it all the same.
    announce::<K>(context, metadata, &news).await;
    let patch = json!({
        "metadata": { "resourceVersion": object.metadata.resource_version },
        "status": { "conditions": conditions },
    });
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_status(&name, &params, &Patch::Merge(patch))
        .await
        .map_err(|error| api_error(&name, error))?;
    Ok(())
}

/// Where in an object lies what cannot be decoded, as in `spec.mode`.
fn place<K: DeserializeOwned>(object: &DynamicObject) -> Option<String> {
    let value = serde_json::to_value(object).ok()?;
    let error = serde_path_to_error::deserialize::<_, K>(value).err()?;
    Some(error.path().to_string())
}

/// Whether an Employee that cannot be decoded asks for its access to be revoked when it is deleted.
pub async fn asks_to_revoke(context: &Context, metadata: &ObjectMeta) -> Result<bool, RecordError> {
    let name = metadata.name.clone().unwrap_or_default();
    let found = api::<Employee>(context, metadata).get_opt(&name).await;
    let found = found.map_err(|error| api_error(&name, error))?;
    Ok(found.is_some_and(|employee| employee.data.pointer("/spec/deletionPolicy") == Some(&json!("Revoke"))))
}

/// Lets an Employee go that cannot be decoded.
pub async fn remove_finalizer(context: &Context, metadata: &ObjectMeta) -> Result<(), RecordError> {
    may_act(context)?;
    let name = metadata.name.clone().unwrap_or_default();
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != EMPLOYEE_FINALIZER);
    let version = metadata.resource_version.clone().unwrap_or_default();
    let patch = Patch::<()>::Json(versioned(&version, "/metadata/finalizers", json!(finalizers)));
    match api::<Employee>(context, metadata)
        .patch(&name, &PatchParams::default(), &patch)
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop).map_err(|error| api_error(&name, error)),
    }
}

fn api<K>(context: &Context, metadata: &ObjectMeta) -> Api<DynamicObject>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let namespace = metadata.namespace.clone().unwrap_or_default();
    Api::namespaced_with(context.client.clone(), &namespace, &ApiResource::erase::<K>(&()))
}
