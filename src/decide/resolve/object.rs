//! What an entitlement stands for, and whether it can be granted now.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::Entitlement;
use crate::api::conditions::{CONFLICT, DUPLICATE, READY};
use crate::decide::effect::RemoteKey;
use crate::decide::index::{Entry, Namespace};

/// The remote object that an entitlement stands for, where that is known, and why it cannot be granted, where it cannot.
pub(in crate::decide) fn look_up(namespace: &Namespace, name: &str) -> (Option<RemoteKey>, Option<String>) {
    let entitlement = match namespace.entitlements.get(name) {
        None => return (None, Some(format!("entitlement {name} is not there"))),
        Some(Entry::Broken { error, .. }) => {
            return (None, Some(format!("entitlement {name} cannot be read: {error}")));
        }
        Some(Entry::Readable(entitlement)) => entitlement,
    };
    let target = &entitlement.spec.target_ref.name;
    let status = entitlement.status.as_ref();
    let key = status.and_then(|status| status.remote.clone()).map(|object| RemoteKey {
        target: target.clone(),
        object,
    });
    let target_fault = match namespace.targets.get(target) {
        None => Some("is not there".to_owned()),
        Some(Entry::Broken { error, .. }) => Some(format!("cannot be read: {error}")),
        Some(Entry::Readable(_)) => None,
    };
    let fault = entitlement_fault(entitlement)
        .map(|why| format!("entitlement {name} {why}"))
        .or_else(|| target_fault.map(|why| format!("target {target} of entitlement {name} {why}")));
    (key, fault)
}

/// Why an entitlement cannot be granted by what it says of itself.
fn entitlement_fault(entitlement: &Entitlement) -> Option<String> {
    if entitlement.metadata.deletion_timestamp.is_some() {
        // Deleting it revokes nothing, and gives nothing to anybody new.
        return Some("is being deleted".to_owned());
    }
    let Some(status) = &entitlement.status else {
        return Some("was not looked up at its target yet".to_owned());
    };
    if status.observed_generation < entitlement.metadata.generation {
        return Some("changed and was not looked up since".to_owned());
    }
    let is = |type_: &str, value: &str| {
        let of_type = |condition: &&Condition| condition.type_ == type_ && condition.status == value;
        status.conditions.iter().find(of_type)
    };
    if let Some(condition) = is(READY, "False") {
        return Some(format!("is not ready: {}", condition.message));
    }
    if is(CONFLICT, "True").is_some_and(|condition| condition.reason == DUPLICATE) {
        return Some("stands for a remote object that an older entitlement stands for".to_owned());
    }
    if status.remote.is_none() {
        return Some("was not found at its target yet".to_owned());
    }
    None
}
