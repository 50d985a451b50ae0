//! The one writer of `Employee.status`: whole, and never over newer state.

use std::collections::BTreeSet;

use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, ReplaceOperation};
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::context::Context;
use crate::api::employee::EmployeeStatus;
use crate::api::{EMPLOYEE_FINALIZER, Employee, MANAGER};
use crate::decide::Person;

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The object is newer than what the record was planned on: plan again.
    #[error("{0} changed meanwhile")]
    Stale(String),
    /// This process may no longer act.
    #[error("the Lease is no longer ours")]
    NotLeader,
    /// The API server refuses or does not answer.
    #[error("{0} could not be written")]
    Api(String, #[source] Box<kube::Error>),
    /// It cannot be put as JSON.
    #[error("{0} could not be serialised")]
    Json(String, #[source] serde_json::Error),
}

/// Writes the status that `person` should have, and returns the person as acknowledged. The index has it from then on,
/// before the watch says so.
pub async fn record(
    context: &Context,
    namespace: &str,
    person: &Person,
    status: &EmployeeStatus,
) -> Result<Person, RecordError> {
    let employee: Employee = patch_status(context, namespace, &person.name, &person.resource_version, status).await?;
    let acknowledged = Person::from(employee.clone());
    let before = who_shares_an_account(context, namespace, &person.name);
    context.index.write().put(employee);
    context.releaser.mark(namespace);
    // Who names the same account, now or until now, says so or stops saying so.
    for other in before.union(&who_shares_an_account(context, namespace, &person.name)) {
        context.employees.wake(namespace, other);
    }
    Ok(acknowledged)
}

fn who_shares_an_account(context: &Context, namespace: &str, name: &str) -> BTreeSet<String> {
    let index = context.index.read();
    let content = index.namespace(namespace);
    content
        .map(|content| content.employees.who_shares_an_account(name))
        .unwrap_or_default()
}

/// Puts our finalizer on an Employee, so that no deletion loses the record.
pub async fn add_finalizer(context: &Context, namespace: &str, employee: &Person) -> Result<(), RecordError> {
    let mut finalizers = employee.finalizers.clone();
    finalizers.push(EMPLOYEE_FINALIZER.to_owned());
    set_finalizers(context, namespace, employee, &finalizers).await
}

/// Lets an Employee go.
pub async fn remove_finalizer(context: &Context, namespace: &str, employee: &Person) -> Result<(), RecordError> {
    let mut finalizers = employee.finalizers.clone();
    finalizers.retain(|finalizer| finalizer != EMPLOYEE_FINALIZER);
    set_finalizers(context, namespace, employee, &finalizers).await
}

async fn set_finalizers(
    context: &Context,
    namespace: &str,
    person: &Person,
    finalizers: &[String],
) -> Result<(), RecordError> {
    may_act(context)?;
    let patch = versioned(
        &person.resource_version,
        "/metadata/finalizers",
        Value::from(finalizers),
    );
    let api: Api<Employee> = Api::namespaced(context.client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api.patch(&person.name, &params, &Patch::<()>::Json(patch)).await {
        Ok(employee) => {
            context.index.write().put(employee);
            Ok(())
        }
        Err(error) if is_not_found(&error) => Ok(()),
        Err(error) => Err(api_error(&person.name, error)),
    }
}

/// Writes a status whole, unless the object is newer than `resource_version`.
pub async fn patch_status<K>(
    context: &Context,
    namespace: &str,
    name: &str,
    resource_version: &str,
    status: &impl Serialize,
) -> Result<K, RecordError>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
{
    may_act(context)?;
    let status = serde_json::to_value(status).map_err(|error| RecordError::Json(name.to_owned(), error))?;
    let patch = versioned(resource_version, "/status", status);
    let api: Api<K> = Api::namespaced(context.client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_status(name, &params, &Patch::<()>::Json(patch))
        .await
        .map_err(|error| api_error(name, error))
}

/// A JSON patch that puts `value` at `path` and fails where the object has another version (RFC 6902; the API server
/// compares the version that the patch leaves in the object).
pub fn versioned(resource_version: &str, path: &str, value: Value) -> JsonPatch {
    let pointer = |text: &str| text.parse().unwrap_or_default();
    JsonPatch(vec![
        PatchOperation::Replace(ReplaceOperation {
            path: pointer("/metadata/resourceVersion"),
            value: Value::from(resource_version),
        }),
        PatchOperation::Add(AddOperation {
            path: pointer(path),
            value,
        }),
    ])
}

/// Fails where this process may no longer act.
pub fn may_act(context: &Context) -> Result<(), RecordError> {
    if context.gate.is_open() {
        Ok(())
    } else {
        Err(RecordError::NotLeader)
    }
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Tells a stale write from other failures.
pub fn api_error(name: &str, error: kube::Error) -> RecordError {
    match &error {
        kube::Error::Api(status) if status.code == 409 => RecordError::Stale(name.to_owned()),
        _ => RecordError::Api(name.to_owned(), Box::new(error)),
    }
}
