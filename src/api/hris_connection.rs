//! `HRISConnection`: one Merge linked account, mirrored into Employees.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Duration, SecretKeyRef};
use super::rules;

/// One Merge linked account, whose employees are mirrored into `Employee` objects of this namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "rollcall.dev",
    version = "v1alpha1",
    kind = "HRISConnection",
    plural = "hrisconnections",
    shortname = "hris",
    category = "rollcall",
    namespaced,
    status = "HRISConnectionStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name may have at most 63 characters, since it becomes a label: choose a shorter one"),
    printcolumn(name = "Trusted", type_ = "string", json_path = ".status.conditions[?(@.type=='SourceTrusted')].status"),
    printcolumn(name = "Employees", type_ = "integer", json_path = ".status.employees"),
    printcolumn(name = "Last-Trusted", type_ = "date", json_path = ".status.lastTrustedSync"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type=='SourceTrusted')].reason", priority = 1),
    printcolumn(name = "Last-Full", type_ = "date", json_path = ".status.lastFullSync", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.apiKeySecretRef.name != self.accountTokenSecretRef.name || self.apiKeySecretRef.key != self.accountTokenSecretRef.key").message("apiKeySecretRef and accountTokenSecretRef name the same key of the same Secret: point apiKeySecretRef at your Merge API key and accountTokenSecretRef at the linked account's token"),
    validation = Rule::new("!self.departmentGroupTypes.exists(t, t in self.businessUnitGroupTypes)").message("a group type is either a department or a business unit: remove it from departmentGroupTypes or from businessUnitGroupTypes"),
    validation = rules::sync_intervals()
)]
pub struct HRISConnectionSpec {
    /// Where Merge is: `region` or `baseURL`.
    pub merge: Merge,
    /// The Merge API key.
    pub api_key_secret_ref: SecretKeyRef,
    /// The token of the linked account.
    pub account_token_secret_ref: SecretKeyRef,
    /// How often to read what changed. Default `5m`.
    #[serde(default = "default_sync_interval")]
    pub sync_interval: Duration,
    /// How often to read everything. Default `24h`.
    #[serde(default = "default_full_sync_interval")]
    pub full_sync_interval: Duration,
    /// Group types that are departments, as Merge or the HR system names them. Default `DEPARTMENT`.
    #[serde(default = "default_department_types")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::no_blank())]
    pub department_group_types: Vec<String>,
    /// Group types that are business units. Default `BUSINESS_UNIT`.
    #[serde(default = "default_business_unit_types")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::no_blank())]
    pub business_unit_group_types: Vec<String>,
    /// The attributes to mirror. Default: all of them. What is not listed never reaches the cluster.
    #[serde(default = "Field::all")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(
        validation = Rule::new("'employmentStatus' in self || 'terminationDate' in self").message("must have employmentStatus or terminationDate: without either nobody is ever seen to leave"),
        validation = Rule::new("'workEmail' in self || 'employeeNumber' in self || 'username' in self").message("must have workEmail, employeeNumber or username: accounts are matched by them")
    )]
    pub fields: Vec<Field>,
    /// Attributes of your own to mirror, by the name that policies call them. Whoever may read Employees sees them. Only
    /// where one of them comes from `remoteData` is Merge asked for the HR system's own data, of which nothing else is
    /// kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub custom_fields: Vec<CustomField>,
    /// When an employment ends.
    pub termination: Termination,
    /// What the status `INACTIVE` means: `Terminated` (the default), the person left; or `OnLeave`, the person is away
    /// and coming back.
    #[serde(default)]
    pub inactive_means: InactiveMeans,
    /// The most requests a minute, below what the Merge plan allows. Default 100 (Merge's smallest plan).
    #[serde(default = "default_requests_per_minute")]
    #[schemars(range(min = 1, max = 60_000))]
    pub requests_per_minute: u32,
}

/// Where Merge is: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.region) != has(self.baseURL)").message("set exactly one of region and baseURL"))]
pub struct Merge {
    /// Merge's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Base URL up to and with `/api/hris/v1`, for another region or a proxy.
    #[serde(default, rename = "baseURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::base_url("https://api.merge.dev/api/hris/v1"))]
    pub base_url: Option<String>,
}

/// The region of Merge that the account is in. Leave it out with `baseURL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Region {
    /// United States.
    US,
    /// European Union.
    EU,
    /// Asia and Pacific.
    APAC,
}

/// An attribute of your own: exactly one of `fieldMapping` and `remoteData` says where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.fieldMapping) != has(self.remoteData)").message("set exactly one of fieldMapping and remoteData"))]
pub struct CustomField {
    /// What policies call it: a letter, then letters, digits and `_`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::custom_field_name())]
    pub name: String,
    /// What it holds; a value that is none counts as absent, and so does one of more than 256 characters. Default
    /// `String`.
    #[serde(default)]
    #[serde(rename = "type")]
    pub type_: CustomFieldType,
    /// Name of a field mapping of the linked account, as set up at Merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub field_mapping: Option<String>,
    /// A place in the HR system's own data, which Merge passes on unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_data: Option<RemoteData>,
}

/// What a custom field holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CustomFieldType {
    /// Text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A calendar date.
    Date,
}

/// A place in the HR system's own data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct RemoteData {
    /// The request of the HR system's API whose answer holds it, as Merge names it in `remote_data[].path`.
    #[schemars(length(min = 1, max = 512))]
    pub path: String,
    /// JSON Pointer (RFC 6901) into that answer, such as `/customFields/costCenter`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::json_pointer())]
    pub pointer: String,
}

/// When an employment ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Termination {
    /// IANA zone in which the last day ends, such as `Europe/Berlin`.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::zone())]
    pub default_time_zone: String,
    /// The time of the last day at which it ends, such as `17:30`, in the employee's zone. Default: when that day is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    pub time_of_day: Option<String>,
    /// Zones by the country, or the country and state, of the work location. They go before what Rollcall knows of
    /// countries itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub zones: Vec<PlaceZone>,
}

/// The zone of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceZone {
    /// ISO 3166-1 alpha-2 code of the country, such as `US`.
    #[schemars(length(min = 2, max = 64))]
    pub country: String,
    /// State, province or region, as the HR system writes it. Default: all of the country that no other entry names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub state: Option<String>,
    /// IANA name of the zone, such as `America/Chicago`.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::zone())]
    pub time_zone: String,
}

/// What the status `INACTIVE` means at this company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InactiveMeans {
    /// The person left.
    #[default]
    Terminated,
    /// The person is away and coming back.
    OnLeave,
}

/// An attribute that can be mirrored, by its name in `Employee.spec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the attribute of that name in Employee.spec")]
pub enum Field {
    EmployeeNumber,
    DisplayName,
    GivenName,
    FamilyName,
    WorkEmail,
    Username,
    JobTitle,
    EmploymentType,
    EmploymentStatus,
    StartDate,
    TerminationDate,
    Manager,
    Departments,
    BusinessUnits,
    Groups,
    WorkLocation,
    HomeLocation,
    Company,
}

impl Field {
    /// Every attribute.
    pub fn all() -> Vec<Self> {
        vec![
            Self::EmployeeNumber,
            Self::DisplayName,
            Self::GivenName,
            Self::FamilyName,
            Self::WorkEmail,
            Self::Username,
            Self::JobTitle,
            Self::EmploymentType,
            Self::EmploymentStatus,
            Self::StartDate,
            Self::TerminationDate,
            Self::Manager,
            Self::Departments,
            Self::BusinessUnits,
            Self::Groups,
            Self::WorkLocation,
            Self::HomeLocation,
            Self::Company,
        ]
    }
}

fn default_sync_interval() -> Duration {
    Duration::new("5m")
}

fn default_full_sync_interval() -> Duration {
    Duration::new("24h")
}

fn default_department_types() -> Vec<String> {
    vec!["DEPARTMENT".to_owned()]
}

fn default_business_unit_types() -> Vec<String> {
    vec!["BUSINESS_UNIT".to_owned()]
}

fn default_requests_per_minute() -> u32 {
    100
}

/// How the mirror stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HRISConnectionStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `SourceTrusted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The last sync, trusted or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<SyncReport>,
    /// When the last trusted sync ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_trusted_sync: Option<Time>,
    /// When the last trusted full sync ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_full_sync: Option<Time>,
    /// How many Employees the mirror holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employees: Option<u32>,
}

/// One sync in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Everything, or what changed.
    pub kind: SyncKind,
    /// Pages read, over all lists.
    pub pages: u32,
    /// Employees created.
    pub created: u32,
    /// Employees whose facts changed.
    pub updated: u32,
    /// Employees that stayed as they were.
    pub unchanged: u32,
    /// Employees newly absent or deleted.
    pub departed: u32,
}

/// What a sync read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SyncKind {
    /// Every row.
    #[default]
    Full,
    /// The rows that Merge changed since the last one.
    Incremental,
}
