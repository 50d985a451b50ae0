//! `Entitlement`: one thing a target can grant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::NameRef;
use super::rules;

/// One thing a target can grant: membership of a SCIM group, or a place among a binding's subjects.
///
/// The remote object is what is granted; this object's name is only how policies speak of it, so renaming it changes
/// nothing outside. Deleting it revokes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "rollcall.dev",
    version = "v1alpha1",
    kind = "Entitlement",
    plural = "entitlements",
    shortname = "ent",
    category = "rollcall",
    namespaced,
    status = "EntitlementStatus",
    derive = "PartialEq",
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetRef.name"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Holders", type_ = "integer", json_path = ".status.holders"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.pending"),
    printcolumn(name = "Held", type_ = "integer", json_path = ".status.held"),
    printcolumn(name = "Remote", type_ = "string", json_path = ".status.remote.id", priority = 1),
    printcolumn(
        name = "Unmanaged",
        type_ = "integer",
        json_path = ".status.unmanagedHolders",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.scimGroup), has(self.roleBinding), has(self.clusterRoleBinding)].filter(x, x).size() == 1").message("set exactly one of scimGroup, roleBinding and clusterRoleBinding"),
    validation = Rule::new("self.targetRef == oldSelf.targetRef").message("targetRef cannot change: make a new Entitlement, and delete this one"),
    validation = Rule::new("has(self.scimGroup) == has(oldSelf.scimGroup) && (!has(self.scimGroup) || self.scimGroup == oldSelf.scimGroup)").message("scimGroup cannot change: make a new Entitlement, and delete this one"),
    validation = Rule::new("has(self.roleBinding) == has(oldSelf.roleBinding) && (!has(self.roleBinding) || self.roleBinding == oldSelf.roleBinding)").message("roleBinding cannot change: make a new Entitlement, and delete this one"),
    validation = Rule::new("has(self.clusterRoleBinding) == has(oldSelf.clusterRoleBinding) && (!has(self.clusterRoleBinding) || self.clusterRoleBinding == oldSelf.clusterRoleBinding)").message("clusterRoleBinding cannot change: make a new Entitlement, and delete this one")
)]
pub struct EntitlementSpec {
    /// The target that grants it.
    pub target_ref: NameRef,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub description: String,
    /// A separation of duties: of all entitlements of this namespace with the same word here, nobody holds two. Who holds
    /// one gets no other until it is gone; what is held is never taken for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub exclusive_group: Option<String>,
    /// A group of a SCIM target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim_group: Option<ScimGroup>,
    /// A RoleBinding of a kubernetes target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_binding: Option<RoleBindingIdentity>,
    /// A ClusterRoleBinding of a kubernetes target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_role_binding: Option<ClusterRoleBindingIdentity>,
}

/// A SCIM group: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.displayName) != has(self.id)").message("set exactly one of displayName and id"))]
pub struct ScimGroup {
    /// The group's displayName at the target; it must be the only one of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub display_name: Option<String>,
    /// The group's id at the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub id: Option<String>,
}

/// A RoleBinding to a named role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleBindingIdentity {
    /// Namespace of the RoleBinding. Default: this one. The target's ServiceAccount must be allowed to bind there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    #[x_kube(validation = rules::namespace())]
    pub namespace: Option<String>,
    /// The role that its subjects get.
    pub role_ref: RoleRef,
    /// Name of the RoleBinding. Default: `rollcall-` and the role's name. The binding is Rollcall's to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::rbac_name())]
    pub binding_name: Option<String>,
}

/// A role to bind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct RoleRef {
    /// `Role`, of the binding's namespace, or `ClusterRole`.
    pub kind: RoleKind,
    /// The role's name.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::rbac_name())]
    pub name: String,
}

/// The kind of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RoleKind {
    /// A role of the binding's namespace.
    Role,
    /// A role of the cluster.
    ClusterRole,
}

/// A ClusterRoleBinding to a named ClusterRole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRoleBindingIdentity {
    /// The ClusterRole that its subjects get.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::rbac_name())]
    pub cluster_role: String,
    /// Name of the ClusterRoleBinding. Default: `rollcall-` and the role's name. The binding is Rollcall's to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::rbac_name())]
    pub binding_name: Option<String>,
}

/// Who holds it, in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntitlementStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The remote object, as last found at the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteObject>,
    /// People who hold it by us.
    #[serde(default)]
    pub holders: u32,
    /// Grants on their way in or out.
    #[serde(default)]
    pub pending: u32,
    /// Losses that wait for a person's decision.
    #[serde(default)]
    pub held: u32,
    /// Accounts that hold it and that no record of ours explains, as of the last resync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmanaged_holders: Option<u32>,
}

/// An object at a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct RemoteObject {
    /// `Group`, `RoleBinding` or `ClusterRoleBinding`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// The target's own id; of a RoleBinding, `namespace/name`.
    #[schemars(length(max = 512))]
    pub id: String,
}
