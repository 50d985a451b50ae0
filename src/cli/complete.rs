//! What only a controller would have filled in, for objects that come from files: without it nothing could be decided
//! on them.

use std::sync::Arc;

use crate::api::Entitlement;
use crate::api::entitlement::{EntitlementSpec, EntitlementStatus, RemoteObject};
use crate::decide::Namespace;
use crate::decide::index::{Entry, Indexed};

/// Takes every entitlement that no target was asked about as found there: by its identity in the spec where that
/// is what the target calls it, else under the entitlement's own name.
pub fn complete(namespace: &mut Namespace, name: &str) {
    let unknown: Vec<_> = namespace
        .entitlements
        .values()
        .filter_map(Entry::readable)
        .filter(|entitlement| {
            let remote = entitlement.status.as_ref().and_then(|status| status.remote.as_ref());
            remote.is_none()
        })
        .cloned()
        .collect();
    for entitlement in unknown {
        let mut found = Arc::unwrap_or_clone(entitlement);
        found.status = Some(EntitlementStatus {
            observed_generation: found.metadata.generation,
            remote: Some(identity(
                &found.spec,
                name,
                found.metadata.name.as_deref().unwrap_or_default(),
            )),
            ..EntitlementStatus::default()
        });
        let own = found.metadata.name.clone().unwrap_or_default();
        Entitlement::remove(namespace, &own);
        found.put(namespace);
    }
}

/// What an entitlement stands for, as far as its spec says.
fn identity(spec: &EntitlementSpec, namespace: &str, name: &str) -> RemoteObject {
    let (kind, id) = if let Some(group) = &spec.scim_group {
        let id = group.id.clone().or_else(|| group.display_name.clone());
        ("Group", id.unwrap_or_else(|| name.to_owned()))
    } else if let Some(binding) = &spec.role_binding {
        let namespace = binding.namespace.as_deref().unwrap_or(namespace);
        let own = binding.binding_name.clone();
        let name = own.unwrap_or_else(|| format!("rollcall-{}", binding.role_ref.name));
        ("RoleBinding", format!("{namespace}/{name}"))
    } else if let Some(binding) = &spec.cluster_role_binding {
        let own = binding.binding_name.clone();
        let name = own.unwrap_or_else(|| format!("rollcall-{}", binding.cluster_role));
        ("ClusterRoleBinding", name)
    } else {
        ("Unknown", name.to_owned())
    };
    RemoteObject {
        kind: kind.to_owned(),
        id,
    }
}
