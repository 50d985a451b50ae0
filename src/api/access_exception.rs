//! `AccessException`: one person's departure from the policies, until a date.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::NameRef;
use super::rules;

/// One person's departure from the policies, with a reason and an end.
///
/// Strongest first: a termination, an exception that denies, a policy that denies, an exception that allows, a policy that
/// grants. Deleting an exception ends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "rollcall.dev",
    version = "v1alpha1",
    kind = "AccessException",
    plural = "accessexceptions",
    shortname = "accex",
    category = "rollcall",
    namespaced,
    status = "AccessExceptionStatus",
    derive = "PartialEq",
    printcolumn(name = "Person", type_ = "string", json_path = ".spec.employee"),
    printcolumn(name = "Effect", type_ = "string", json_path = ".spec.effect"),
    printcolumn(name = "Entitlement", type_ = "string", json_path = ".spec.entitlementRef.name"),
    // Not a date: of a date to come kubectl prints `<invalid>`.
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expiresAt"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Then", type_ = "string", json_path = ".status.then", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AccessExceptionSpec {
    /// The person, by `employeeNumber` or `workEmail`.
    #[schemars(length(min = 1, max = 254))]
    #[x_kube(validation = rules::not_blank())]
    pub employee: String,
    /// The entitlement that it is about.
    pub entitlement_ref: NameRef,
    /// What it does.
    pub effect: ExceptionEffect,
    /// Why, for those who read it later.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::not_blank())]
    pub reason: String,
    /// When it ends, as `2026-12-31T18:00:00Z`. From then on the policies alone decide.
    pub expires_at: Time,
}

/// What an exception does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ExceptionEffect {
    /// The person should have it, unless a policy or an exception denies it.
    Allow,
    /// The person must not have it.
    Deny,
    /// It stays as it is, given or not, unless the person leaves.
    Freeze,
}

/// How an exception stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessExceptionStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Expired`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Name of the person's `Employee`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub employee_name: Option<String>,
    /// What follows when it ends, such as `policy eng gives it` or `it is revoked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub then: Option<String>,
}
