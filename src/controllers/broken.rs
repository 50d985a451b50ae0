//! Objects that cannot be decoded, as when an older CRD let them through: they are said to be so, and nothing else of
//! them is touched.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use serde_json::json;

use super::context::Context;
use super::recorder::{RecordError, api_error, may_act};
use super::report::{announce, set_all};
use crate::api::MANAGER;
use crate::api::conditions::Fact;

/// Puts `fact` among the conditions of an object of kind `K` that cannot be decoded as such.
pub async fn say<K>(context: &Context, metadata: &ObjectMeta, fact: &Fact) -> Result<(), RecordError>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    may_act(context)?;
    let name = metadata.name.clone().unwrap_or_default();
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &namespace, &ApiResource::erase::<K>(&()));
    let Some(object) = api.get_opt(&name).await.map_err(|error| api_error(&name, error))? else {
        return Ok(());
    };
    let conditions = object.data.pointer("/status/conditions").cloned().unwrap_or_default();
    let mut conditions: Vec<Condition> = serde_json::from_value(conditions).unwrap_or_default();
    let before = conditions.clone();
    let news = set_all(
        &mut conditions,
        std::slice::from_ref(fact),
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
