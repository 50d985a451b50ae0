//! `TargetSystem`: one system that holds access.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::common::{Duration, NameRef, SecretKeyRef};
use super::employee::Cause;
use super::http::Http;
use super::rules;

/// One system that holds access: a SCIM service, an API described as data, or this cluster's own RBAC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "rollcall.dev",
    version = "v1alpha1",
    kind = "TargetSystem",
    plural = "targetsystems",
    shortname = "tsys",
    category = "rollcall",
    namespaced,
    status = "TargetSystemStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Reachable",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Reachable')].status"
    ),
    printcolumn(name = "Accounts", type_ = "integer", json_path = ".status.accounts"),
    printcolumn(name = "Held", type_ = "integer", json_path = ".status.held.people"),
    printcolumn(
        name = "ChangeSets",
        type_ = "string",
        json_path = ".status.held.changeSets",
        priority = 1
    ),
    printcolumn(name = "Adopt", type_ = "string", json_path = ".spec.adopt", priority = 1),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.scim.baseURL", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.scim), has(self.http), has(self.kubernetes)].filter(x, x).size() == 1").message("set exactly one of scim, http and kubernetes"),
    validation = Rule::new("has(self.scim) == has(oldSelf.scim) && has(self.http) == has(oldSelf.http)").message("the protocol of a TargetSystem cannot change: make a new TargetSystem, and Entitlements that name it"),
    validation = Rule::new("!has(self.kubernetes) || !has(self.account)").message("a kubernetes target has no accounts of its own: leave out account")
)]
pub struct TargetSystemSpec {
    /// A service that speaks SCIM 2.0 (RFC 7643, RFC 7644).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim: Option<Scim>,
    /// An API described as data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The RBAC of this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// What becomes of access that is found present and that a policy would have given: `Desired` makes it Rollcall's, to be
    /// revoked when the policy no longer gives it; `Never` leaves it to whoever gave it. An account is only taken for a
    /// person's by Rollcall's own correlation key, or by the name that the person signs in with, equal but for case. An email
    /// address counts where no other account has it and the account goes by the person's `username` too; on an address alone
    /// nothing is taken over, since it may be that of whoever looks after a robot's account. Never by a display name.
    pub adopt: Adopt,
    /// How accounts are made and ended; not with `kubernetes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountSpec>,
    /// What Rollcall may do here. Default: everything. Without `Observe` it only keeps what is on record; what a verb that is left
    /// out would do stays undone, and the record says so.
    #[serde(default = "every_verb", skip_serializing_if = "is_every_verb")]
    #[schemars(length(max = 6), extend("x-kubernetes-list-type" = "set"))]
    pub management_policies: Vec<ManagementPolicy>,
    /// Accounts that Rollcall never touches: no grant, no revocation, no change, no end, not even for those who left. Ids, user
    /// names or email addresses, without regard to case, those of the person included; `*` stands for any characters, `?` for
    /// one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub protected_accounts: Vec<String>,
    /// How fast it may be called.
    #[serde(default)]
    pub rate_limit: RateLimit,
    /// How often all holders are read again. Default `10m`.
    #[serde(default = "default_resync")]
    pub resync: Duration,
    /// How many people may lose something here within a window before a person must decide.
    #[serde(default)]
    pub guard: Guard,
}

fn every_verb() -> Vec<ManagementPolicy> {
    ManagementPolicy::ALL.to_vec()
}

#[expect(clippy::ptr_arg, reason = "serde hands a reference to the field")]
fn is_every_verb(verbs: &Vec<ManagementPolicy>) -> bool {
    ManagementPolicy::ALL.iter().all(|verb| verbs.contains(verb))
}

/// Something that Rollcall does at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// Reads accounts and holders.
    Observe,
    /// Gives access, and creates and activates accounts for it.
    Grant,
    /// Changes parameters of grants and attributes of accounts.
    Update,
    /// Takes access away.
    Revoke,
    /// Makes accounts unusable.
    Deactivate,
    /// Deletes accounts.
    Delete,
}

impl ManagementPolicy {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Observe,
        Self::Grant,
        Self::Update,
        Self::Revoke,
        Self::Deactivate,
        Self::Delete,
    ];
}

fn default_resync() -> Duration {
    Duration::new("10m")
}

/// A service that speaks SCIM 2.0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scim {
    /// Base URL, such as `https://example.com/scim/v2`; `/Users` is appended to it.
    #[serde(rename = "baseURL")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::base_url("https://example.com/scim/v2"))]
    pub base_url: String,
    /// The bearer token.
    pub bearer_token_secret_ref: SecretKeyRef,
    /// Whether accounts carry the enterprise extension (RFC 7643 section 4.3): employee number, department, division, organization and
    /// manager. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enterprise: bool,
    /// Attributes of accounts beside, or in the place of, those that Rollcall sends by itself: a path, such as `title`,
    /// `name.givenName` or `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter`, and a template over `employee`
    /// and `correlationKey`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub attributes: BTreeMap<String, String>,
}

/// The RBAC of this cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kubernetes {
    /// The ServiceAccount of this namespace that writes the bindings. No policy can give more than it may bind.
    pub service_account_ref: NameRef,
    /// How people are named as subjects.
    #[serde(default)]
    pub subject: Subject,
}

/// How people are named as RBAC subjects of kind `User`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Subject {
    /// Which attribute is the user name. Default `WorkEmail`.
    #[serde(default)]
    pub from: SubjectAttribute,
    /// Put before it, as the API server's `--oidc-username-prefix` does. Default empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("!self.startsWith('system:')").message("Kubernetes keeps names that start with system: for itself: write the prefix that the API server gives to people"))]
    pub prefix: String,
}

/// An attribute that can name a person to a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubjectAttribute {
    /// `spec.workEmail`
    #[default]
    WorkEmail,
    /// `spec.username`
    Username,
    /// `spec.employeeNumber`
    EmployeeNumber,
}

/// What becomes of access that is found present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adopt {
    /// Access that we would have granted becomes ours.
    Desired,
    /// Access that we did not grant is never ours.
    Never,
}

/// How accounts are made and ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountSpec {
    /// Whether to create an account where none is found. Default true.
    #[serde(default = "yes")]
    pub create: bool,
    /// What becomes of the account when no entitlement needs it any more. Default `Keep`.
    #[serde(default)]
    pub on_unused: AccountEnd,
    /// What becomes of the account when the person has left. Default `Deactivate`.
    #[serde(default = "AccountEnd::deactivate")]
    pub on_terminated: AccountEnd,
}

impl Default for AccountSpec {
    fn default() -> Self {
        Self {
            create: true,
            on_unused: AccountEnd::default(),
            on_terminated: AccountEnd::deactivate(),
        }
    }
}

fn yes() -> bool {
    true
}

/// What becomes of an account that is no longer needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.after) || self.action == 'Delete'").message("after goes with action: Delete only: remove after, or say action: Delete"))]
pub struct AccountEnd {
    /// `Keep` leaves it as it is; `Deactivate` makes it unusable, which can be undone; `Delete` makes it unusable, and
    /// deletes it after a delay.
    pub action: AccountAction,
    /// With `Delete`: how long after deactivation. Default `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Duration>,
}

impl AccountEnd {
    fn deactivate() -> Self {
        Self {
            action: AccountAction::Deactivate,
            after: None,
        }
    }
}

/// What to do with an account that is no longer needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccountAction {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Make it unusable, which can be undone.
    Deactivate,
    /// Make it unusable, and delete it after a delay.
    Delete,
}

/// How fast a target may be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// The most requests a minute. Default 600.
    #[serde(default = "default_requests_per_minute")]
    #[schemars(range(min = 1, max = 600_000))]
    pub requests_per_minute: u32,
    /// The most requests at the same time. Default 4.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: u32,
}

fn four() -> u32 {
    4
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests_per_minute: default_requests_per_minute(),
            concurrency: four(),
        }
    }
}

fn default_requests_per_minute() -> u32 {
    600
}

/// How many people may lose something here within a window, for each cause, before a person must decide: the larger of
/// `maxPeople` and `maxPercent`. Exits go at once; only the deletions of accounts that they bring are counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// Length of the window. Default `24h`; more than `30d` counts as `30d`.
    #[serde(default = "a_day")]
    pub window: Duration,
    /// A number of people. Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_people: u32,
    /// A share, in percent, of the people who hold anything here. Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: u32,
    /// Causes with a budget of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["cause"]))]
    pub causes: Vec<CauseBudget>,
    /// How many people may gain something here within the window before a person must decide. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Budget>,
}

/// A budget for one cause. Without one, `Termination` has 50 people or 25 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CauseBudget {
    /// The cause.
    pub cause: Cause,
    /// A number of people.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_people: u32,
    /// A share, in percent, of the people who hold anything here.
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: u32,
}

/// A number of people and a share; the larger of the two counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// A number of people.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_people: u32,
    /// A share, in percent, of the people who hold anything here.
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: u32,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            window: a_day(),
            max_people: ten(),
            max_percent: ten(),
            causes: Vec::new(),
            grants: None,
        }
    }
}

fn a_day() -> Duration {
    Duration::new("24h")
}

fn ten() -> u32 {
    10
}

/// How the target stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetSystemStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reachable`, `ChangesHeld`, `ClockTrusted`, `Quarantined`, `SeatsExhausted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// What the target says it can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Accounts that are ours.
    #[serde(default)]
    pub accounts: u32,
    /// When all holders were last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resync: Option<Time>,
    /// Set while the target keeps failing: it is tried again rarely, and nothing else is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// How many people wait for a seat, licence or budget to be free.
    #[serde(default)]
    pub waiting_for_seats: u32,
    /// Accounts that no Employee explains, as of the last resync; where the target can list accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphans: Option<Orphans>,
    /// Changes that wait for a person's decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldReport>,
}

/// A target that keeps failing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// Since when.
    pub since: Time,
    /// When it is tried again.
    pub until: Time,
    /// How often it failed in a row.
    pub failures: u32,
}

/// Accounts that no Employee explains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Orphans {
    /// How many.
    pub count: u32,
    /// The ids of some of them, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 512)))]
    pub samples: Vec<String>,
}

/// What a target says it can do (RFC 7643 section 5 for SCIM).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Capabilities {
    /// Changes parts of a resource.
    pub patch: bool,
    /// Answers filtered searches.
    pub filter: bool,
    /// Takes several operations in a request.
    pub bulk: bool,
    /// Gives and checks versions of a resource.
    pub etag: bool,
}

/// Changes that wait for a person's decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldReport {
    /// How many people they concern.
    pub people: u32,
    /// How many grants and accounts they concern.
    pub changes: u32,
    /// Names of the `ChangeSet`s that they wait in; at most 64 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub change_sets: Vec<String>,
}
