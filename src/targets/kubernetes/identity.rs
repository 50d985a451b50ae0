//! What an entitlement of a kubernetes target stands for, and how people are named in it. Pure.

use k8s_openapi::api::rbac::v1::{RoleRef, Subject as RbacSubject};

use crate::api::entitlement::{EntitlementSpec, RemoteObject, RoleKind};
use crate::targets::TargetError;

pub(super) const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const ROLE_BINDING: &str = "RoleBinding";
const CLUSTER_ROLE_BINDING: &str = "ClusterRoleBinding";
const USER: &str = "User";

/// A binding, where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// `RoleBinding` of a namespace.
    InNamespace {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// `ClusterRoleBinding`.
    OfCluster {
        /// Its name.
        name: String,
    },
}

impl Binding {
    /// The binding that a remote object is.
    pub fn of(object: &RemoteObject) -> Result<Self, TargetError> {
        let binding = match (object.kind.as_str(), object.id.split_once('/')) {
            (ROLE_BINDING, Some((namespace, name))) => Some(Self::InNamespace {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            (CLUSTER_ROLE_BINDING, None) => Some(Self::OfCluster {
                name: object.id.clone(),
            }),
            _ => None,
        };
        binding
            .filter(Self::is_named)
            .ok_or_else(|| TargetError::Refused(format!("{} {} is not a binding", object.kind, object.id)))
    }

    /// The binding as a remote object.
    pub fn object(&self) -> RemoteObject {
        let (kind, id) = match self {
            Self::InNamespace { namespace, name } => (ROLE_BINDING, format!("{namespace}/{name}")),
            Self::OfCluster { name } => (CLUSTER_ROLE_BINDING, name.clone()),
        };
        RemoteObject {
            kind: kind.to_owned(),
            id,
        }
    }

    /// Kind and name, for people.
    pub fn words(&self) -> String {
        let RemoteObject { kind, id } = self.object();
        format!("{kind} {id}")
    }

    /// Its namespace, if it has one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::InNamespace { namespace, .. } => Some(namespace),
            Self::OfCluster { .. } => None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::InNamespace { name, .. } | Self::OfCluster { name } => name,
        }
    }

    /// Whether its names can be part of a path of the API: names of bindings may hold nearly anything, but these.
    fn is_named(&self) -> bool {
        let fits = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['/', '%']);
        fits(self.name()) && self.namespace().is_none_or(fits)
    }
}

/// A binding and the role that it gives.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Identity {
    /// Where it is.
    pub binding: Binding,
    /// What its subjects get.
    pub role: RoleRef,
}

impl Identity {
    /// What an entitlement stands for; `own` is the namespace of its own.
    pub fn of(entitlement: &EntitlementSpec, own: &str) -> Result<Self, TargetError> {
        let identity = if let Some(binding) = &entitlement.role_binding {
            let kind = match binding.role_ref.kind {
                RoleKind::Role => "Role",
                RoleKind::ClusterRole => "ClusterRole",
            };
            let role = &binding.role_ref.name;
            Self {
                binding: Binding::InNamespace {
                    namespace: binding.namespace.clone().unwrap_or_else(|| own.to_owned()),
                    name: binding.binding_name.clone().unwrap_or_else(|| default_name(role)),
                },
                role: role_ref(kind, role),
            }
        } else if let Some(binding) = &entitlement.cluster_role_binding {
            let role = &binding.cluster_role;
            Self {
                binding: Binding::OfCluster {
                    name: binding.binding_name.clone().unwrap_or_else(|| default_name(role)),
                },
                role: role_ref("ClusterRole", role),
            }
        } else {
            return Err(TargetError::Refused(
                "a kubernetes target grants bindings: set roleBinding or clusterRoleBinding".to_owned(),
            ));
        };
        if identity.binding.is_named() {
            Ok(identity)
        } else {
            Err(TargetError::Refused(format!(
                "{} is no name for a binding",
                identity.binding.words()
            )))
        }
    }
}

fn default_name(role: &str) -> String {
    format!("rollcall-{role}")
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: RBAC_GROUP.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

/// Kind and name of a role, for people.
pub(super) fn role_words(role: &RoleRef) -> String {
    format!("{} {}", role.kind, role.name)
}

/// The user that a subject is, if it is one: groups and `ServiceAccounts` are nobody's account.
pub(super) fn user(subject: &RbacSubject) -> Option<&str> {
    (subject.kind == USER).then_some(subject.name.as_str())
}

/// The subject that a user is.
pub(super) fn user_subject(name: &str) -> RbacSubject {
    RbacSubject {
        api_group: Some(RBAC_GROUP.to_owned()),
        kind: USER.to_owned(),
        name: name.to_owned(),
        namespace: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_object_says_where_its_binding_is() {
        let object = |kind: &str, id: &str| RemoteObject {
            kind: kind.to_owned(),
            id: id.to_owned(),
        };
        for (kind, id) in [
            ("RoleBinding", "dev/rollcall-view"),
            ("ClusterRoleBinding", "rollcall-system:x"),
        ] {
            let there = object(kind, id);
            assert_eq!(Binding::of(&there).unwrap().object(), there);
        }
        for (kind, id) in [
            ("Group", "g"),
            ("RoleBinding", "x"),
            ("RoleBinding", "a/b/c"),
            ("RoleBinding", "/x"),
            ("ClusterRoleBinding", ".."),
            ("ClusterRoleBinding", "a/b"),
        ] {
            assert!(Binding::of(&object(kind, id)).is_err(), "{kind} {id}");
        }
    }
}
