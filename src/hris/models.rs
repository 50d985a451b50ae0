//! The rows of Merge's models, as far as they are mirrored.
//!
//! Every attribute may be missing, null or of an unexpected type, every enum may hold the HR system's own word, and
//! unknown attributes are ignored: what cannot be read is `None`, and a row never fails. Social security numbers, birth
//! dates, gender, ethnicity, marital status, pay, street addresses, private email addresses and telephone numbers have no
//! place in these types, so that they cannot travel any further.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::custom::CustomValues;
use super::lenient::{flag, instant, reference, references, text};
use crate::api::hris_connection::CustomField;

/// What the rows of all models share.
pub trait Row: DeserializeOwned + Clone + Send + Sync {
    /// Merge's id. Shell rows have none.
    fn id(&self) -> Option<&str>;
    /// When Merge last changed the row, by Merge's clock.
    fn changed_at(&self) -> Option<Timestamp>;
    /// The row in this object. Only people have custom fields.
    ///
    /// # Errors
    /// Where it is no object.
    fn read(row: Value, _custom_fields: &[CustomField]) -> serde_json::Result<Self> {
        serde_json::from_value(row)
    }
}

macro_rules! row {
    ($type:ty $(, $custom:ident)?) => {
        impl Row for $type {
            fn id(&self) -> Option<&str> {
                self.id.as_deref().map(str::trim).filter(|id| !id.is_empty())
            }

            fn changed_at(&self) -> Option<Timestamp> {
                self.modified_at.or(self.created_at)
            }
            $(
                fn read(row: Value, custom_fields: &[CustomField]) -> serde_json::Result<Self> {
                    let $custom = CustomValues::read(&row, custom_fields);
                    Ok(Self { $custom, ..serde_json::from_value(row)? })
                }
            )?
        }
    };
}

row!(EmployeeRow, custom);
row!(EmploymentRow);
row!(GroupRow);
row!(LocationRow);
row!(CompanyRow);

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EmployeeRow {
    /// Merge's id.
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// The HR system's own id.
    #[serde(deserialize_with = "text")]
    pub remote_id: Option<String>,
    /// The employer's number for the person.
    #[serde(deserialize_with = "text")]
    pub employee_number: Option<String>,
    /// Id of the employing company.
    #[serde(deserialize_with = "reference")]
    pub company: Option<String>,
    /// Given name.
    #[serde(deserialize_with = "text")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(deserialize_with = "text")]
    pub last_name: Option<String>,
    /// The name the person goes by.
    #[serde(deserialize_with = "text")]
    pub preferred_name: Option<String>,
    /// Full name as shown to people.
    #[serde(deserialize_with = "text")]
    pub display_full_name: Option<String>,
    /// User name in the HR system.
    #[serde(deserialize_with = "text")]
    pub username: Option<String>,
    /// Ids of the groups the person is in.
    #[serde(deserialize_with = "references")]
    pub groups: Vec<String>,
    /// Email address at work.
    #[serde(deserialize_with = "text")]
    pub work_email: Option<String>,
    /// Ids of the person's positions, past and future ones included.
    #[serde(deserialize_with = "references")]
    pub employments: Vec<String>,
    /// Id of the location where the person lives.
    #[serde(deserialize_with = "reference")]
    pub home_location: Option<String>,
    /// Id of the location where the person works.
    #[serde(deserialize_with = "reference")]
    pub work_location: Option<String>,
    /// Merge's id of the manager.
    #[serde(deserialize_with = "reference")]
    pub manager: Option<String>,
    /// `ACTIVE`, `PENDING`, `INACTIVE`, or the HR system's own word.
    #[serde(deserialize_with = "text")]
    pub employment_status: Option<String>,
    /// First day, as a datetime.
    #[serde(deserialize_with = "text")]
    pub start_date: Option<String>,
    /// Last day, as a datetime.
    #[serde(deserialize_with = "text")]
    pub termination_date: Option<String>,
    /// Whether the HR system deleted the person's row.
    #[serde(deserialize_with = "flag")]
    pub remote_was_deleted: bool,
    /// The custom fields that the connection declares, and nothing else of where they come from.
    #[serde(skip)]
    pub custom: CustomValues,
    /// When Merge made the row.
    #[serde(deserialize_with = "instant")]
    pub created_at: Option<Timestamp>,
    /// When Merge last changed the row.
    #[serde(deserialize_with = "instant")]
    pub modified_at: Option<Timestamp>,
}

/// A position that a person holds, held or will hold; no pay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EmploymentRow {
    /// Merge's id.
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// Merge's id of the person.
    #[serde(deserialize_with = "reference")]
    pub employee: Option<String>,
    /// The title.
    #[serde(deserialize_with = "text")]
    pub job_title: Option<String>,
    /// `FULL_TIME`, `PART_TIME`, `INTERN`, `CONTRACTOR`, `FREELANCE`, or the HR system's own word.
    #[serde(deserialize_with = "text")]
    pub employment_type: Option<String>,
    /// From when on, as a datetime.
    #[serde(deserialize_with = "text")]
    pub effective_date: Option<String>,
    /// Whether the HR system deleted it.
    #[serde(deserialize_with = "flag")]
    pub remote_was_deleted: bool,
    /// When Merge made the row.
    #[serde(deserialize_with = "instant")]
    pub created_at: Option<Timestamp>,
    /// When Merge last changed the row.
    #[serde(deserialize_with = "instant")]
    pub modified_at: Option<Timestamp>,
}

/// A department, team, business unit, cost centre or any other group of people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GroupRow {
    /// Merge's id.
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// Id of the group above it.
    #[serde(deserialize_with = "reference")]
    pub parent_group: Option<String>,
    /// The name.
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// `TEAM`, `DEPARTMENT`, `COST_CENTER`, `BUSINESS_UNIT`, `GROUP`, or the HR system's own word.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    /// When Merge made the row.
    #[serde(deserialize_with = "instant")]
    pub created_at: Option<Timestamp>,
    /// When Merge last changed the row.
    #[serde(deserialize_with = "instant")]
    pub modified_at: Option<Timestamp>,
}

/// A place; no street.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LocationRow {
    /// Merge's id.
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// The name.
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// The city.
    #[serde(deserialize_with = "text")]
    pub city: Option<String>,
    /// The state, province or region.
    #[serde(deserialize_with = "text")]
    pub state: Option<String>,
    /// ISO 3166-1 alpha-2 code, or the HR system's own word.
    #[serde(deserialize_with = "text")]
    pub country: Option<String>,
    /// When Merge made the row.
    #[serde(deserialize_with = "instant")]
    pub created_at: Option<Timestamp>,
    /// When Merge last changed the row.
    #[serde(deserialize_with = "instant")]
    pub modified_at: Option<Timestamp>,
}

/// An employing company.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CompanyRow {
    /// Merge's id.
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// Name in the register.
    #[serde(deserialize_with = "text")]
    pub legal_name: Option<String>,
    /// Name as shown to people.
    #[serde(deserialize_with = "text")]
    pub display_name: Option<String>,
    /// When Merge made the row.
    #[serde(deserialize_with = "instant")]
    pub created_at: Option<Timestamp>,
    /// When Merge last changed the row.
    #[serde(deserialize_with = "instant")]
    pub modified_at: Option<Timestamp>,
}

/// How Merge's own sync of one model with the HR system stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SyncStatus {
    /// Such as `Employee`.
    #[serde(deserialize_with = "text")]
    pub model_name: Option<String>,
    /// Such as `hris.Employee`.
    #[serde(deserialize_with = "text")]
    pub model_id: Option<String>,
    /// `SYNCING`, `DONE`, `FAILED`, `DISABLED`, `PAUSED`, `PARTIALLY_SYNCED`, or a word of later days.
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    /// How the last sync that ended went, in the words of `status`.
    #[serde(deserialize_with = "text")]
    pub last_sync_result: Option<String>,
    /// When the last sync ended.
    #[serde(deserialize_with = "instant")]
    pub last_sync_finished: Option<Timestamp>,
    /// Whether this is the first sync after the account was linked.
    #[serde(deserialize_with = "flag")]
    pub is_initial_sync: bool,
}

impl SyncStatus {
    /// The model, as in `Employee`, wherever it is named.
    pub fn model(&self) -> &str {
        let id = self.model_id.as_deref().map(str::trim).unwrap_or_default();
        match id.rsplit('.').next() {
            Some(model) if !model.is_empty() => model,
            _ => self.model_name.as_deref().map(str::trim).unwrap_or_default(),
        }
    }
}

/// The linked account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountDetails {
    /// Id of the linked account, which webhooks carry.
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// The HR system's name.
    #[serde(deserialize_with = "text")]
    pub integration: Option<String>,
    /// `COMPLETE`, `INCOMPLETE`, `RELINK_NEEDED`, `IDLE`, or a word of later days.
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_may_be_ids_or_rows_and_elements_null() {
        let row: EmployeeRow = serde_json::from_value(json!({
            "id": 17,
            "manager": {"id": "m2", "first_name": "x"},
            "company": {"id": null},
            "work_location": null,
            "home_location": ["odd"],
            "groups": ["g1", null, {"id": "g2"}, {"name": "shell"}, "", 3, [1]],
            "employments": "odd",
            "remote_was_deleted": null,
        }))
        .unwrap();
        assert_eq!(row.id(), Some("17"));
        assert_eq!(row.manager.as_deref(), Some("m2"));
        // A company that is there and cannot be named is not the same as none.
        assert_eq!(row.company.as_deref(), Some(""));
        assert_eq!((row.work_location, row.home_location), (None, None));
        assert_eq!(row.groups, ["g1", "g2", "", "3"]);
        assert!(row.employments.is_empty() && !row.remote_was_deleted);
    }

    #[test]
    fn wrong_types_are_no_value_and_never_fail_the_row() {
        let odd = [
            json!(null),
            json!({"a": 1}),
            json!([1]),
            json!(true),
            json!(1.5),
            json!("x"),
        ];
        let names = [
            "id",
            "remote_id",
            "employee_number",
            "company",
            "first_name",
            "groups",
            "work_email",
            "employments",
            "home_location",
            "manager",
            "employment_status",
            "start_date",
            "remote_was_deleted",
            "modified_at",
            "ssn",
            "job_title",
            "effective_date",
            "employee",
            "parent_group",
            "name",
            "type",
            "country",
            "status",
            "last_sync_finished",
            "is_initial_sync",
            "model_id",
        ];
        for name in names {
            for value in &odd {
                let row = json!({ name: value });
                serde_json::from_value::<EmployeeRow>(row.clone()).unwrap();
                serde_json::from_value::<EmploymentRow>(row.clone()).unwrap();
                serde_json::from_value::<GroupRow>(row.clone()).unwrap();
                serde_json::from_value::<LocationRow>(row.clone()).unwrap();
                serde_json::from_value::<CompanyRow>(row.clone()).unwrap();
                serde_json::from_value::<SyncStatus>(row.clone()).unwrap();
                serde_json::from_value::<AccountDetails>(row).unwrap();
            }
        }
    }

    #[test]
    fn a_sync_status_names_its_model_in_one_of_two_places() {
        for status in [
            json!({"model_id": "hris.Employee"}),
            json!({"model_name": "Employee"}),
            json!({"model_id": "Employee", "model_name": "Person"}),
        ] {
            let status: SyncStatus = serde_json::from_value(status).unwrap();
            assert_eq!(status.model(), "Employee");
        }
    }

    #[test]
    fn i9_what_is_sensitive_has_no_place_in_a_row() {
        let row: EmployeeRow = serde_json::from_value(json!({
            "id": "m1", "ssn": "CANARY", "date_of_birth": "CANARY", "gender": "CANARY", "ethnicity": "CANARY",
            "marital_status": "CANARY", "personal_email": "CANARY", "mobile_phone_number": "CANARY",
            "manager": {"id": "m2", "ssn": "CANARY"}, "employments": [{"id": "p1", "pay_rate": "CANARY"}],
        }))
        .unwrap();
        assert!(!format!("{row:?}").contains("CANARY"));
    }
}
