//! `Entitlement`: one thing a target can grant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::common::NameRef;
use super::employee::{Cause, Release};
use super::http::FieldType;
use super::rules;

/// One thing a target can grant: membership of a SCIM group, or a place among a binding's subjects.
///
/// The remote object is what is granted; this object's name is only how policies speak of it, so renaming it changes
/// nothing outside. Deleting it revokes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
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
    printcolumn(name = "Unmanaged", type_ = "integer", json_path = ".status.unmanagedHolders"),
    printcolumn(name = "Ownership", type_ = "string", json_path = ".spec.ownership", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.scimGroup), has(self.scimRole), has(self.scimEntitlement), has(self.http), has(self.roleBinding), has(self.clusterRoleBinding)].filter(x, x).size() == 1").message("set exactly one of scimGroup, scimRole, scimEntitlement, http, roleBinding and clusterRoleBinding"),
    validation = Rule::new("self.targetRef == oldSelf.targetRef").message("targetRef cannot change: make a new Entitlement, and delete this one"),
    validation = Rule::new("has(self.scimGroup) == has(oldSelf.scimGroup) && (!has(self.scimGroup) || self.scimGroup == oldSelf.scimGroup)").message("scimGroup cannot change: make a new Entitlement, and delete this one"),
    validation = Rule::new("has(self.scimRole) == has(oldSelf.scimRole) && (!has(self.scimRole) || self.scimRole == oldSelf.scimRole)").message("scimRole cannot change: make a new Entitlement, and delete this one"),
    validation = Rule::new("has(self.scimEntitlement) == has(oldSelf.scimEntitlement) && (!has(self.scimEntitlement) || self.scimEntitlement == oldSelf.scimEntitlement)").message("scimEntitlement cannot change: make a new Entitlement, and delete this one"),
    validation = Rule::new("has(self.http) == has(oldSelf.http) && (!has(self.http) || self.http == oldSelf.http)").message("http cannot change: make a new Entitlement, and delete this one"),
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
    /// Who may hold it. `Additive` (default): what others gave is listed and left. `Authoritative`: the holders are exactly
    /// those that Rollcall knows of; others lose it once they were seen at two looks, within the target's budget for
    /// `Drift`. Left in any case: who is to have it, the target's `protectedAccounts`, and whoever may be either.
    #[serde(default)]
    pub ownership: Ownership,
    /// What policies may say of a grant, such as a card's limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parameters: Vec<Parameter>,
    /// A separation of duties: of all entitlements of this namespace with the same word here, nobody holds two. Who holds
    /// one gets no other until it is gone; what is held is never taken for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub exclusive_group: Option<String>,
    /// A group of a SCIM target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim_group: Option<ScimGroup>,
    /// A value of the `roles` of a SCIM target's users (RFC 7643 section 4.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim_role: Option<ScimValue>,
    /// A value of the `entitlements` of a SCIM target's users (RFC 7643 section 4.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim_entitlement: Option<ScimValue>,
    /// Something that an `http` target grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpEntitlement>,
    /// A RoleBinding of a kubernetes target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_binding: Option<RoleBindingIdentity>,
    /// A ClusterRoleBinding of a kubernetes target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_role_binding: Option<ClusterRoleBindingIdentity>,
}

/// Who may hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Ownership {
    /// What others gave is left to them.
    #[default]
    Additive,
    /// The holders are exactly ours.
    Authoritative,
}

/// Something that a policy may say of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.type) && self.type == 'Integer') || (!has(self.minimum) && !has(self.maximum))").message("minimum and maximum are for whole numbers: set type: Integer, or remove them"),
    validation = Rule::new("!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum").message("minimum is above maximum: swap them"),
    validation = Rule::new("!has(self.default) || !has(self.values) || self.default in self.values").message("default must be one of values: correct it, or add it to them")
)]
pub struct Parameter {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-zA-Z][a-zA-Z0-9_]*$')").message("must be a name: letters, digits and _, a letter first"))]
    pub name: String,
    /// What it is. Default `String`.
    #[serde(default, rename = "type")]
    pub type_: FieldType,
    /// Its value where no policy says another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub default: Option<String>,
    /// With `Integer`: the least that a policy may say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// With `Integer`: the most that a policy may say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// The only values that a policy may say, from the least access to the most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 256)))]
    pub values: Vec<String>,
    /// Which change takes access away, and so has a cause and a budget. Default `Lower`: a smaller number, an earlier one of `values`, `true`
    /// to `false`; any other change of a text is none.
    #[serde(default)]
    pub loss: ParameterLoss,
}

/// Which change of a parameter takes access away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ParameterLoss {
    /// To less.
    #[default]
    Lower,
    /// To more, as of a required approval level.
    Higher,
    /// None.
    Never,
}

/// Something that an `http` target grants: a kind that the target describes, and which one of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct HttpEntitlement {
    /// The name of the kind in the target's `http.kinds`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// What the kind's `inputs` are here; numbers and truth values as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub inputs: BTreeMap<String, String>,
}

/// A value of a multi-valued attribute of SCIM users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ScimValue {
    /// The value.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
    /// Its `type`, where the service tells values apart by it.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: Option<String>,
}

/// A SCIM group: exactly one of `displayName` and `id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.displayName) != has(self.id)").message("set exactly one of displayName and id"),
    validation = Rule::new("!has(self.create) || !self.create || has(self.displayName)").message("create needs a displayName: a group's id is the target's to give")
)]
pub struct ScimGroup {
    /// The group's displayName at the target; it must be the only one of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub display_name: Option<String>,
    /// The group's id at the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub id: Option<String>,
    /// Whether to create the group where there is none of that displayName. It is never deleted. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
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
    /// `Ready`; `Contended` while others keep giving what an `Authoritative` Entitlement takes.
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
    /// Losses that wait for a person's decision, those of unmanaged holders included.
    #[serde(default)]
    pub held: u32,
    /// Accounts that hold it and that no record of ours explains, as of the last resync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmanaged_holders: Option<u32>,
    /// Those accounts, at most 256 of them; with `ownership: Authoritative`, what becomes of their access.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub unmanaged: Vec<Unmanaged>,
}

/// An account that holds an entitlement and that no record of ours explains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unmanaged {
    /// The target's own id of the account.
    #[schemars(length(max = 512))]
    pub account_id: String,
    /// The target's own id of the grant, where it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub grant_id: String,
    /// The Employee whose account it is, where that is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub employee: String,
    /// Where it is: found, held, on its way out, gone.
    pub state: UnmanagedState,
    /// Whether it is left for good: a record of that Employee explained it until the Employee was deleted, and a deletion
    /// takes nothing. Over once the account no longer holds it, or a record explains it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// When it was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_at: Option<Time>,
    /// Why it is lost: `Drift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// On what ground the loss was let go; set with `releasedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The `ChangeSet` that the loss waits in, or waited in until it was approved.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub change_set: String,
    /// The digest of the `ChangeSet` whose approval let it go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub approval: String,
    /// When the loss was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
    /// When the target was read back and no longer had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// When others gave it again after it was taken, the last three times. Three within a day, and it is left alone for a day,
    /// unless it is somebody's who left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub given_back_at: Vec<Time>,
    /// Why it is in this state, in plain words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub reason: String,
}

/// Where access that no record explains is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum UnmanagedState {
    /// There, and left.
    #[default]
    Found,
    /// There, and kept until a person decides.
    Held,
    /// Let go; the removal may have been sent and is not yet read back.
    Revoking,
    /// Read back and gone.
    Revoked,
}

/// An object at a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct RemoteObject {
    /// `Group`, `Role` or `Entitlement` of SCIM, `RoleBinding` or `ClusterRoleBinding`, or the kind of an `http` target.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// The target's own id; of a RoleBinding, `namespace/name`.
    #[schemars(length(max = 512))]
    pub id: String,
}
