//! `Employee`: one person's facts in spec, what was done for them in status.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::NameRef;
use super::rules;

/// One person's facts.
///
/// Written by the sync when `connectionRef` is set, and by its author otherwise: employees kept by hand or in Git work
/// the same, with no HRIS account. Never holds social security numbers, birth dates, ethnicity, gender, marital status,
/// pay or street addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "rollcall.dev",
    version = "v1alpha1",
    kind = "Employee",
    plural = "employees",
    shortname = "emp",
    category = "rollcall",
    namespaced,
    status = "EmployeeStatus",
    derive = "PartialEq",
    validation = Rule::new("has(self.spec.connectionRef) || !has(self.spec.managerRef) || self.spec.managerRef.name != self.metadata.name")
        .message("nobody manages themselves: name the manager's Employee in spec.managerRef, or leave it out at the top").field_path(".spec.managerRef"),
    selectable = ".spec.workEmail",
    selectable = ".spec.employeeNumber",
    selectable = ".spec.username",
    selectable = ".spec.connectionRef.name",
    selectable = ".status.phase",
    printcolumn(name = "Person", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Granted", type_ = "integer", json_path = ".status.counts.granted"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.counts.pending"),
    printcolumn(name = "Held", type_ = "integer", json_path = ".status.counts.held"),
    // Not a date: of a date to come kubectl prints `<invalid>`.
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextTransition.at"),
    printcolumn(name = "What", type_ = "string", json_path = ".status.nextTransition.what", priority = 1),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.counts.failed", priority = 1),
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.jobTitle", priority = 1),
    printcolumn(
        name = "Department",
        type_ = "string",
        json_path = ".spec.departments[0].path[-1:]",
        priority = 1
    ),
    printcolumn(name = "Email", type_ = "string", json_path = ".spec.workEmail", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(
    validation = Rule::new("has(self.connectionRef) == has(self.source)").message("connectionRef and source are written by the sync of that connection: leave out both"),
    validation = Rule::new("!has(self.connectionRef) || !has(oldSelf.connectionRef) || self.connectionRef.name == oldSelf.connectionRef.name").message("connectionRef cannot name another connection: delete this Employee and let the other connection's sync make its own"),
    // What follows holds for people who write, not for what an HR system says.
    validation = Rule::new("has(self.connectionRef) || has(self.workEmail) || has(self.employeeNumber) || has(self.username)").message("needs at least one of workEmail, employeeNumber and username, since accounts are matched by them"),
    validation = Rule::new("has(self.connectionRef) || !has(self.workEmail) || self.workEmail.matches('^[^@\\\\s]+@[^@\\\\s]+$')").message("workEmail must be one address, such as ada@acme.example")
)]
pub struct EmployeeSpec {
    /// The HRIS connection that this person is mirrored from. Absent for employees kept by hand or in Git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_ref: Option<NameRef>,
    /// Where the facts come from; only with `connectionRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What deleting this object does to the person's access: `Orphan` (the default) leaves it, `Revoke` takes what
    /// Rollcall granted before the object goes.
    #[serde(default, skip_serializing_if = "DeletionPolicy::is_orphan")]
    #[schemars(extend("default" = "Orphan"))]
    pub deletion_policy: DeletionPolicy,
    /// The employer's number for this person. People can be named by it, though it may change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub employee_number: Option<String>,
    /// Full name as shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub display_name: Option<String>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub given_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub family_name: Option<String>,
    /// Work email, in lower case. Accounts are matched by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    #[x_kube(validation = Rule::new("self == self.lowerAscii()").message("must be in lower case, since accounts are matched by it"))]
    pub work_email: Option<String>,
    /// User name in the HRIS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub username: Option<String>,
    /// Title of the current employment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub job_title: Option<String>,
    /// Such as `FULL_TIME`, `CONTRACTOR`, or the HR system's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub employment_type: Option<String>,
    /// `ACTIVE`, `PENDING`, `INACTIVE`, or the HR system's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub employment_status: Option<String>,
    /// First day of the current employment, a calendar date (`2026-03-01`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    #[x_kube(validation = rules::date())]
    pub start_date: Option<String>,
    /// Last day of the employment, a calendar date. It ends when that day ends in the employee's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    #[x_kube(validation = rules::date())]
    pub termination_date: Option<String>,
    /// The `Employee` of the manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager_ref: Option<NameRef>,
    /// Departments, each as its path from the root of the tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub departments: Vec<GroupPath>,
    /// Business units, each as its path from the root of the tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub business_units: Vec<GroupPath>,
    /// All other groups of the HRIS (teams, cost centres), each as its path from the root of the tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub groups: Vec<GroupPath>,
    /// Where the person works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_location: Option<Location>,
    /// Where the person lives, without the street.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_location: Option<Location>,
    /// The employing company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub company: Option<String>,
}

/// What deleting an `Employee` does to the person's access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Access stays as it is and is no longer managed.
    #[default]
    Orphan,
    /// What Rollcall granted is revoked first, within the target's budget for losses.
    Revoke,
}

impl DeletionPolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_orphan(&self) -> bool {
        *self == Self::Orphan
    }
}

/// Where a mirrored person's facts come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Whether the HRIS still lists the person: `Present`; `Absent` from the last trusted read, which is no evidence of
    /// anything and changes nothing; or `Deleted`, as the HRIS itself says.
    pub state: SourceState,
    /// When that state began, by our clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Merge's id of the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub merge_id: Option<String>,
    /// The HR system's own id of the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub remote_id: Option<String>,
    /// Attributes that had a value and have none now, by their names in this spec, until a later full read finds them
    /// empty again. Until then a selector on them neither matches nor fails to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub unconfirmed: Vec<String>,
}

/// Whether the HRIS lists a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceState {
    /// The last trusted read listed the person.
    #[default]
    Present,
    /// The last trusted read did not list the person. No evidence of anything: nothing changes.
    Absent,
    /// The HRIS says that the person's row was deleted (`remote_was_deleted`).
    Deleted,
}

/// A group's place in its tree, from the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct GroupPath {
    /// Names from the root to the group itself.
    #[schemars(length(min = 1, max = 16))]
    pub path: Vec<String>,
}

/// A place, without its street.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Location {
    /// The location's name in the HRIS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub name: Option<String>,
    /// ISO 3166-1 alpha-2 code, as Merge gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub country: Option<String>,
    /// State, province or region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub state: Option<String>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub city: Option<String>,
}

/// What was done for a person, and what comes next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmployeeStatus {
    /// The generation of the spec that this status was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the person is between joining and leaving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Every grant that we made or adopted, and those under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub entitlements: Vec<EntitlementRecord>,
    /// Every account that we made or adopted, one at most per target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub accounts: Vec<AccountRecord>,
    /// How many entitlements are in which state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The next instant at which time alone changes something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition: Option<NextTransition>,
    /// `StatusUnknown`, `Conflict`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// Where a person is between joining and leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// The first day is still to come.
    PreHire,
    /// At work.
    Active,
    /// Away, and coming back. Keeps access unless a policy says otherwise.
    OnLeave,
    /// At work, with a last day set.
    Leaving,
    /// Gone: the last day is over, the HRIS says inactive, or it deleted the row.
    Terminated,
    /// Not in the last trusted read, which proves nothing: everything stays as it is.
    Missing,
}

/// How many of a person's entitlements are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Counts {
    /// Granted, or being updated.
    pub granted: u32,
    /// On their way in or out: Pending, Granting, Revoking.
    pub pending: u32,
    /// Losses that wait for a person's decision.
    pub held: u32,
    /// Failed or Unknown.
    pub failed: u32,
}

/// The next instant at which time alone changes something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct NextTransition {
    /// When.
    pub at: Time,
    /// What, in plain words: `phase Terminated`.
    #[schemars(length(max = 256))]
    pub what: String,
}

/// One grant: the record that makes a later revocation ours to make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntitlementRecord {
    /// Name of the `Entitlement` it was granted by. The remote object, not this name, is what the grant is.
    pub entitlement: String,
    /// Name of the `TargetSystem`.
    pub target: String,
    /// Kind of the remote object, such as `Group` or `RoleBinding`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// The target's own id of the remote object.
    #[schemars(length(max = 512))]
    pub remote_id: String,
    /// The target's own id of the person's account; empty until the account is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub account_id: String,
    /// Where the grant is.
    pub state: GrantState,
    /// Names of the policies that give it. It goes when the last of them withdraws.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub grantors: Vec<String>,
    /// Whether we made the grant or found it and took it over.
    #[serde(default)]
    pub origin: Origin,
    /// Derived from employee, remote object and start date, so that a lost record finds its effect again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub operation_id: String,
    /// Parameters that the policies ask for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub desired_parameters: BTreeMap<String, String>,
    /// Parameters that the target has confirmed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied_parameters: BTreeMap<String, String>,
    /// When the target was read back and had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at: Option<Time>,
    /// Why it is lost; set with `releasedAt`, or while the loss is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// On what ground the loss was let go; set with `releasedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The digest of held changes whose approval let this loss go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub approval: String,
    /// When the loss was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
    /// When the target was read back and no longer had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// When an effect is planned for a later time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Time>,
    /// Why it is in this state, in plain words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub reason: String,
    /// What the target last refused, in our words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_error: String,
}

/// Where a grant is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum GrantState {
    /// Wanted, nothing sent yet: `reason` says what it waits for.
    #[default]
    Pending,
    /// May have been sent; not yet read back.
    Granting,
    /// Read back and there.
    Granted,
    /// There, with a change of parameters under way.
    Updating,
    /// There, no longer wanted, and kept until a person decides.
    Held,
    /// Let go; the removal may have been sent and is not yet read back.
    Revoking,
    /// Read back and gone.
    Revoked,
    /// The target refuses it for good: `lastError` says what to mend.
    Failed,
    /// It cannot be found out whether the target did it. Nothing more is sent until that is known.
    Unknown,
}

impl GrantState {
    /// Whether the person may hold it at the target because of us.
    pub fn may_be_held(self) -> bool {
        !matches!(self, Self::Pending | Self::Revoked)
    }
}

/// Whether we made it or found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// Rollcall made it.
    #[default]
    Operator,
    /// It was there, is what we would have made, and `adopt: Desired` made it ours.
    Adopted,
}

/// Why access is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Cause {
    /// The person left, with evidence.
    Termination,
    /// The person's facts changed.
    AttributeChange,
    /// A policy or an entitlement was edited or deleted.
    PolicyChange,
    /// A person asked for it, as by deleting the Employee with `deletionPolicy: Revoke`.
    Manual,
}

/// On what ground a loss was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Release {
    /// An evidenced exit, which no budget blocks.
    Evidence,
    /// The budget of the target had room.
    Budget,
    /// A person approved the digest of the held changes.
    Approved,
}

/// One account of the person at one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountRecord {
    /// Name of the `TargetSystem`.
    pub target: String,
    /// The target's own id; empty until the account is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub id: String,
    /// Where the account is.
    pub state: AccountState,
    /// Whether we made it or found it.
    #[serde(default)]
    pub origin: Origin,
    /// Derived from employee, target and start date.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub operation_id: String,
    /// Digest of the attributes that the target confirmed; accounts of our own are updated when it differs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub applied_attributes: String,
    /// Why it is deactivated or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// On what ground that was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The digest of held changes whose approval let it go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub approval: String,
    /// When that was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
    /// When a deletion is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Time>,
    /// Why it is in this state, in plain words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub reason: String,
    /// What the target last refused, in our words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_error: String,
}

/// Where an account is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum AccountState {
    /// Wanted, nothing sent yet: `reason` says what it waits for.
    #[default]
    Pending,
    /// May have been sent; not yet confirmed.
    Creating,
    /// There and usable.
    Active,
    /// There and usable, with a change of attributes under way.
    Updating,
    /// Being made usable again.
    Activating,
    /// There, no longer wanted, and left usable until a person decides.
    Held,
    /// Being made unusable; not yet read back.
    Deactivating,
    /// Read back and unusable.
    Deactivated,
    /// Being deleted; not yet read back.
    Deleting,
    /// Read back and gone.
    Deleted,
    /// The target refuses for good: `lastError` says what to mend.
    Failed,
    /// It cannot be found out whether the target did it. Nothing more is sent until that is known.
    Unknown,
}
