//! `Employee`: one person's facts in spec, what was done for them in status.

mod record;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::record::{
    AccountRecord, AccountState, Cause, Counts, EmployeeStatus, EntitlementRecord, GrantState, NextTransition, Origin,
    Phase, Release,
};
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
    /// Custom fields by name, as the connection declares them; a date as `2026-03-01`, a number or a truth value as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 256}))]
    #[x_kube(validation = rules::custom_field_names())]
    pub custom_fields: BTreeMap<String, String>,
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
    /// empty again. Until then a selector on them neither matches nor fails to. A custom field is written
    /// `customFields.costCenter`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub unconfirmed: Vec<String>,
    /// The custom fields that were looked for, by name, whether the person has a value or not. A selector on any other
    /// neither matches nor fails to, so that declaring one, or no longer, takes nothing from anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub custom_fields: Vec<String>,
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
