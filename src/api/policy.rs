//! `ProvisioningPolicy`: who gets what.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Duration;
use super::employee::Phase;
use super::rules;

/// The statement that these people should have this access.
///
/// Deleting a policy, or narrowing it, takes what it alone gives, within each target's budget for losses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "rollcall.dev",
    version = "v1alpha1",
    kind = "ProvisioningPolicy",
    plural = "provisioningpolicies",
    shortname = "provpol",
    category = "rollcall",
    namespaced,
    status = "ProvisioningPolicyStatus",
    derive = "PartialEq",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Matched", type_ = "integer", json_path = ".status.matched"),
    printcolumn(name = "Granted", type_ = "integer", json_path = ".status.granted"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.pending"),
    printcolumn(name = "Held", type_ = "integer", json_path = ".status.held"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.failed", priority = 1),
    printcolumn(
        name = "Would-Grant",
        type_ = "integer",
        json_path = ".status.plan.wouldGrant",
        priority = 1
    ),
    printcolumn(
        name = "Would-Revoke",
        type_ = "integer",
        json_path = ".status.plan.wouldRevoke",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.effect != 'Deny' || !has(self.lifecycle.grace)").message("a policy that denies leaves no grace, since what is denied goes at once: remove lifecycle.grace"),
    validation = Rule::new("self.effect != 'Deny' || !has(self.lifecycle.startBefore)").message("a policy that denies does so before the first day as well: remove lifecycle.startBefore"),
    validation = Rule::new("self.effect != 'Deny' || !self.entitlements.exists(e, has(e.parameters))").message("a policy that denies gives nothing that could have parameters: remove them from entitlements")
)]
pub struct ProvisioningPolicySpec {
    /// `Plan` shows in status what `Enforce` would do, and does nothing: what the policy gave before stays.
    pub mode: Mode,
    /// `Grant` (the default) says that these people should have this access; `Deny` that they must not, whichever policy
    /// or exception gives it.
    #[serde(default, skip_serializing_if = "Effect::is_grant")]
    #[schemars(extend("default" = "Grant"))]
    pub effect: Effect,
    /// Which policy's parameters win where several give the same entitlement: the higher number. Default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1_000_000, max = 1_000_000), extend("default" = 0))]
    pub priority: i32,
    /// Whom it is for. Keys are ANDed; the values in a list are ORed. At least one clause of `anyOf`, if there are any,
    /// must match, and none of `not`. Text is compared without regard to case or surrounding space.
    pub selector: Selector,
    /// When in an employment it gives access.
    #[serde(default, skip_serializing_if = "Lifecycle::is_default")]
    #[schemars(extend("default" = {}))]
    pub lifecycle: Lifecycle,
    /// What it gives, each entitlement once.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub entitlements: Vec<Grant>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// What a policy says of the access that it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Effect {
    /// These people should have it.
    #[default]
    Grant,
    /// These people must not have it.
    Deny,
}

impl Effect {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_grant(&self) -> bool {
        *self == Self::Grant
    }
}

/// Whether a policy acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Show what `Enforce` would do.
    Plan,
    /// Grant and revoke.
    Enforce,
}

/// When in an employment a policy gives access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.startBefore) || 'Active' in self.phases").message("startBefore gives early what is given to those at work: add Active to phases, or remove startBefore"))]
pub struct Lifecycle {
    /// How long before the first day, in the employee's zone, it begins to give access. Needs `Active` among `phases` and
    /// a start date. Default: on the first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_before: Option<Duration>,
    /// How long people keep what it gave once it matches them no more. Never applies to a termination, or to what a
    /// `Deny` takes. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
    /// The phases in which it gives access, or denies it; to a `Deny`, who has not begun is `Active`. Default `Active`, `OnLeave`, `Leaving`.
    #[serde(default = "default_phases")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub phases: Vec<GrantingPhase>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            start_before: None,
            grace: None,
            phases: default_phases(),
        }
    }
}

impl Lifecycle {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn default_phases() -> Vec<GrantingPhase> {
    vec![GrantingPhase::Active, GrantingPhase::OnLeave, GrantingPhase::Leaving]
}

/// A phase in which access can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GrantingPhase {
    /// At work.
    Active,
    /// Away, and coming back.
    OnLeave,
    /// At work, with a last day set.
    Leaving,
}

impl GrantingPhase {
    /// Whether a person in `phase` is in this one.
    pub fn is(self, phase: Phase) -> bool {
        matches!(
            (self, phase),
            (Self::Active, Phase::Active) | (Self::OnLeave, Phase::OnLeave) | (Self::Leaving, Phase::Leaving)
        )
    }
}

/// One entitlement of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Grant {
    /// Name of the `Entitlement`, in this namespace.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::name())]
    pub name: String,
    /// Values for the entitlement's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = rules::parameter_names())]
    pub parameters: BTreeMap<String, String>,
}

/// Whom a policy is for. Keys are ANDed; the values in a list are ORed. At least one clause of `anyOf`, if there are
/// any, must match, and none of `not`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::selector_has_a_key(), validation = rules::everyone_alone())]
pub struct Selector {
    /// The keys that must all match.
    #[serde(flatten)]
    pub all: Clause,
    /// Clauses of which at least one must match. Each has the keys of the selector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::clauses_have_a_key(), validation = rules::clauses_not_everyone())]
    pub any_of: Vec<Clause>,
    /// Clauses of which none may match. Each has the keys of the selector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::clauses_have_a_key(), validation = rules::clauses_not_everyone())]
    pub not: Vec<Clause>,
    /// A CEL expression over `employee` that must be true as well, such as `employee.jobTitle.startsWith("VP")`. It has
    /// no clock, so that every future change is known in advance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub expression: Option<String>,
}

/// Keys that must all match; text is compared without regard to case or surrounding space.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clause {
    /// Everyone; only `true` can be said, at the top of the selector, with `not` beside it at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::only_true())]
    pub everyone: Option<bool>,
    /// In one of these departments, or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<GroupKey>,
    /// In one of these business units, or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<GroupKey>,
    /// In one of these other groups, or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupKey>,
    /// Title, as a glob: `*` is any text, `?` any one character: `*Engineer*`, `VP ?*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::no_blank(), validation = rules::globs())]
    pub job_title: Vec<String>,
    /// Below one of these managers, directly or further down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<ManagerKey>,
    /// Works in one of these places; the keys are ANDed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_location: Option<LocationKey>,
    /// Lives in one of these places; the keys are ANDed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_location: Option<LocationKey>,
    /// Employed so, such as `FULL_TIME` or the HR system's own word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::no_blank())]
    pub employment_type: Vec<String>,
    /// In this employment status, such as `ACTIVE` or the HR system's own word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::no_blank())]
    pub employment_status: Vec<String>,
    /// Employed by one of these companies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::no_blank())]
    pub company: Vec<String>,
    /// Has these values in custom fields; the entries are ANDed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub custom_fields: Vec<CustomFieldKey>,
    /// Time since the start date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenure: Option<TenureKey>,
    /// These people, by `employeeNumber` or `workEmail`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::no_blank())]
    pub employees: Vec<String>,
}

/// Groups by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct GroupKey {
    /// Names of groups. Where a name occurs twice in the tree, say the path: `Sales > EMEA`.
    #[serde(rename = "in")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::no_blank())]
    pub any: Vec<String>,
    /// Only the group itself, not those below it. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = false))]
    pub exact: bool,
}

/// Values of one custom field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct CustomFieldKey {
    /// The field's name, as its connection declares it. For people of a connection that does not, the selector neither
    /// matches nor fails to.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::custom_field_name())]
    pub name: String,
    /// Values, of which one must be the field's; text is compared without regard to case or surrounding space. A date is
    /// written as `2026-03-01`, a whole number as `42`, a truth value as `true` or `false`.
    #[serde(rename = "in")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::no_blank())]
    pub any: Vec<String>,
}

/// Places in the chain of managers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ManagerKey {
    /// Managers, by `employeeNumber` or `workEmail`.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::no_blank())]
    pub under: Vec<String>,
    /// How far below: 1 is direct reports. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub depth: Option<u32>,
}

/// A place; keys are ANDed, values ORed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rules::needs_one_of(&["name", "country", "state", "city"]))]
pub struct LocationKey {
    /// Names of locations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::no_blank())]
    pub name: Vec<String>,
    /// ISO 3166-1 alpha-2 codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::no_blank())]
    pub country: Vec<String>,
    /// States, provinces or regions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::no_blank())]
    pub state: Vec<String>,
    /// Cities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::no_blank())]
    pub city: Vec<String>,
}

/// Time since the start date, in whole days of the employee's zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::needs_one_of(&["atLeast", "lessThan"]), validation = rules::tenure_in_order())]
pub struct TenureKey {
    /// At least this long, such as `90d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Duration>,
    /// Less than this long, such as `365d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub less_than: Option<Duration>,
}

/// What a policy does, in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningPolicyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The generation that everybody was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced_generation: Option<i64>,
    /// `Ready`, `Conflict`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// People it matches, in a phase in which it gives access.
    #[serde(default)]
    pub matched: u32,
    /// Grants that it gives and that were read back.
    #[serde(default)]
    pub granted: u32,
    /// Grants of it on their way in or out.
    #[serde(default)]
    pub pending: u32,
    /// Losses of its grants that wait for a person's decision.
    #[serde(default)]
    pub held: u32,
    /// Grants of it that failed.
    #[serde(default)]
    pub failed: u32,
    /// In Plan mode: what `Enforce` would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanReport>,
}

/// What `Enforce` would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanReport {
    /// How many grants it would make.
    pub would_grant: u32,
    /// How many grants would go.
    pub would_revoke: u32,
    /// At most 20 of them, as `person: +entitlement` or `person: -entitlement`, by Employee name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 512)))]
    pub names: Vec<String>,
    /// Digest over all of them, equal for equal plans.
    #[schemars(length(max = 64))]
    pub digest: String,
}
