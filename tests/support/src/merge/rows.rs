//! The rows that Merge keeps for us: its common models, as they travel, plus a few switches that never do.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// The identifier of a row, a UUID as text: what Merge puts in `id` and in every relation.
pub type Id = String;

/// What every common model carries.
#[derive(Clone, Debug, Serialize)]
pub struct Meta {
    /// Merge's own identifier, which relations name.
    pub id: Id,
    /// The identifier in the HR system behind Merge.
    pub remote_id: Option<String>,
    /// When Merge first stored the row, on Merge's clock.
    pub created_at: Timestamp,
    /// When Merge last changed the row, on Merge's clock.
    pub modified_at: Timestamp,
    /// Whether the HR system deleted the row; such rows are answered only with `include_deleted_data=true`.
    pub remote_was_deleted: bool,
    /// Fields that no document describes, sent with the row. Empty by default.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    /// Whether the row is missing from every answer, as if Merge had never seen it. False by default; never sent.
    #[serde(skip)]
    pub forgotten: bool,
    /// Whether this is a shell, a row that others point to and that holds no data yet: answered only with
    /// `include_shell_data=true`. False by default; never sent.
    #[serde(skip)]
    pub shell: bool,
}

impl Meta {
    pub(super) fn new(id: Id, remote_id: String, at: Timestamp) -> Self {
        Self {
            id,
            remote_id: Some(remote_id),
            created_at: at,
            modified_at: at,
            remote_was_deleted: false,
            extra: Map::new(),
            forgotten: false,
            shell: false,
        }
    }
}

/// One employee. Dates are kept as they travel: RFC 3339, midnight UTC for a calendar date, so that a test can also
/// put something unreadable there. Statuses and other enumerations are plain text because Merge passes on what it
/// cannot map.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)] // the fields are Merge's and mean what its reference says
pub struct EmployeeRow {
    #[serde(flatten)]
    pub meta: Meta,
    pub employee_number: Option<String>,
    pub company: Option<Id>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub preferred_name: Option<String>,
    pub display_full_name: Option<String>,
    pub username: Option<String>,
    pub groups: Vec<Id>,
    pub work_email: Option<String>,
    pub personal_email: Option<String>,
    pub mobile_phone_number: Option<String>,
    pub employments: Vec<Id>,
    pub home_location: Option<Id>,
    pub work_location: Option<Id>,
    pub manager: Option<Id>,
    pub team: Option<Id>,
    pub pay_group: Option<Id>,
    pub ssn: Option<String>,
    pub gender: Option<String>,
    pub ethnicity: Option<String>,
    pub marital_status: Option<String>,
    pub date_of_birth: Option<String>,
    pub hire_date: Option<String>,
    pub start_date: Option<String>,
    pub remote_created_at: Option<String>,
    pub employment_status: Option<String>,
    pub termination_date: Option<String>,
    pub avatar: Option<String>,
    pub custom_fields: Option<Value>,
    /// Field mappings under `organization_defined_targets`; a target that is not in the map is left out of the answer.
    #[serde(skip)]
    pub organization_fields: BTreeMap<String, Value>,
    /// Field mappings under `linked_account_defined_targets`.
    #[serde(skip)]
    pub account_fields: BTreeMap<String, Value>,
    /// What the HR system said before Merge normalised it, by field, for `show_enum_origins`.
    #[serde(skip)]
    pub origins: BTreeMap<String, String>,
    /// Further members of the person's `remote_data` entry at [`REMOTE_DATA_PATH`].
    #[serde(skip)]
    pub remote_fields: Map<String, Value>,
}

/// The `path` of the `remote_data` entry that describes a person.
pub const REMOTE_DATA_PATH: &str = "/v1/people";

/// One position of a person: the row with the latest `effective_date` is the present one.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct EmploymentRow {
    #[serde(flatten)]
    pub meta: Meta,
    pub employee: Option<Id>,
    pub job_title: Option<String>,
    pub pay_rate: Option<f64>,
    pub pay_period: Option<String>,
    pub pay_frequency: Option<String>,
    pub pay_currency: Option<String>,
    pub pay_group: Option<Id>,
    pub flsa_status: Option<String>,
    pub effective_date: Option<String>,
    pub employment_type: Option<String>,
}

/// A department, business unit, team or whatever else the HR system groups people by.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct GroupRow {
    #[serde(flatten)]
    pub meta: Meta,
    pub parent_group: Option<Id>,
    pub name: Option<String>,
    #[serde(rename = "type")]
    pub group_type: Option<String>,
    pub is_commonly_used_as_team: Option<bool>,
}

/// A place of work (`location_type` WORK) or a home (HOME).
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct LocationRow {
    #[serde(flatten)]
    pub meta: Meta,
    pub name: Option<String>,
    pub phone_number: Option<String>,
    pub street_1: Option<String>,
    pub street_2: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub zip_code: Option<String>,
    pub country: Option<String>,
    pub location_type: Option<String>,
}

/// A legal entity that employs people.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct CompanyRow {
    #[serde(flatten)]
    pub meta: Meta,
    pub legal_name: Option<String>,
    pub display_name: Option<String>,
    pub eins: Option<Vec<String>>,
}

/// People who are paid together.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct PayGroupRow {
    #[serde(flatten)]
    pub meta: Meta,
    pub pay_group_name: Option<String>,
}

/// A row of any model.
pub(super) trait Row: Serialize + Clone {
    /// The name that `sync-status` gives the model.
    const MODEL: &'static str;
    fn meta(&self) -> &Meta;
    fn meta_mut(&mut self) -> &mut Meta;
}

macro_rules! row {
    ($($row:ty => $model:literal),* $(,)?) => {$(
        impl Row for $row {
            const MODEL: &'static str = $model;
            fn meta(&self) -> &Meta {
                &self.meta
            }
            fn meta_mut(&mut self) -> &mut Meta {
                &mut self.meta
            }
        }
    )*};
}

row! {
    EmployeeRow => "Employee",
    EmploymentRow => "Employment",
    GroupRow => "Group",
    LocationRow => "Location",
    CompanyRow => "Company",
    PayGroupRow => "PayGroup",
}

/// The rows of one model in the order in which they were created; none is ever removed.
#[derive(Clone, Debug)]
pub(super) struct Table<R> {
    pub rows: Vec<R>,
    by_id: HashMap<Id, usize>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            by_id: HashMap::new(),
        }
    }
}

impl<R: Row> Table<R> {
    pub fn push(&mut self, row: R) {
        self.by_id.insert(row.meta().id.clone(), self.rows.len());
        self.rows.push(row);
    }

    pub fn get(&self, id: &str) -> Option<&R> {
        self.by_id.get(id).map(|&at| &self.rows[at])
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut R> {
        self.by_id.get(id).map(|&at| &mut self.rows[at])
    }

    /// Changes a row as a sync of Merge would: `modified_at` becomes `now`. The row must exist.
    pub fn change<T>(&mut self, id: &str, now: Timestamp, edit: impl FnOnce(&mut R) -> T) -> T {
        let row = self
            .get_mut(id)
            .unwrap_or_else(|| panic!("the simulator has no {} with the id {id:?}", R::MODEL));
        let result = edit(row);
        row.meta_mut().modified_at = now;
        result
    }
}
