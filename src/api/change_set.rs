//! `ChangeSet`: changes held for a person's decision.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes that would exceed a budget, held until somebody decides.
///
/// Made by Rollcall alone. Its members are fixed when it is made; those that are no longer called for drop out by
/// themselves, and what comes later goes into another one. To decide, set `decision` and the `digest` of the status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "rollcall.dev",
    version = "v1alpha1",
    kind = "ChangeSet",
    plural = "changesets",
    shortname = "chgset",
    category = "rollcall",
    namespaced,
    status = "ChangeSetStatus",
    derive = "PartialEq",
    derive = "Default",
    validation = Rule::new("!has(self.spec.decision) || (has(self.status) && has(self.status.digest) && self.spec.digest == self.status.digest)")
        .message("decide on what is there: set spec.digest to the value of status.digest").field_path(".spec.digest"),
    printcolumn(name = "Cause", type_ = "string", json_path = ".status.cause"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "People", type_ = "integer", json_path = ".status.people"),
    printcolumn(name = "Changes", type_ = "integer", json_path = ".status.changes"),
    printcolumn(name = "Waiting", type_ = "integer", json_path = ".status.waiting"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.decision) || (has(self.decision) && self.decision == oldSelf.decision && self.digest == oldSelf.digest)").message("it was decided and stays so: what is called for again goes into a new ChangeSet"),
    validation = Rule::new("!has(self.decision) || has(self.digest)").message("a decision needs spec.digest, the value of status.digest")
)]
pub struct ChangeSetSpec {
    /// `Approve` lets go all that still waits, `Reject` keeps things as they are for as long as the same is called for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The digest of the status, as a proof of what was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub digest: Option<String>,
    /// Why it was decided so, for those who read it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
}

/// What a person says of held changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Decision {
    /// Let them go.
    Approve,
    /// Keep things as they are.
    Reject,
}

/// What is held, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeSetStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Decided`, `Done`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Where it is.
    #[serde(default)]
    pub state: ChangeSetState,
    /// Why these changes are called for: the cause of the losses, or `Grants`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub cause: String,
    /// Which budget they exceed, in plain words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub why: String,
    /// Digest over its members, which is also what `rollcall plan` prints for the same changes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub digest: String,
    /// How many people it was about when it was made.
    #[serde(default)]
    pub people: u32,
    /// How many changes it had when it was made.
    #[serde(default)]
    pub changes: u32,
    /// How many changes still wait.
    #[serde(default)]
    pub waiting: u32,
    /// Changes by target, when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub targets: Vec<TargetShare>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Time>,
    /// When nothing of it waited any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Time>,
    /// At most 100 of the changes, as `employee: -entitlement at target`, when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 768)))]
    pub sample: Vec<String>,
}

/// How many of the changes are at a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetShare {
    /// Name of the `TargetSystem`.
    #[schemars(length(max = 253))]
    pub target: String,
    /// How many people.
    pub people: u32,
    /// How many changes.
    pub changes: u32,
}

/// Where a `ChangeSet` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ChangeSetState {
    /// Waits for a decision.
    #[default]
    Open,
    /// Approved; what still waits is being let go.
    Approved,
    /// Rejected; what it has stays as it is.
    Rejected,
    /// Nothing of it waits any more.
    Done,
}
