//! Who is to be hired.

use jiff::civil::Date;

use super::rows::Id;

/// Somebody to hire. [`NewHire::default`] leaves everything to the simulator but the name.
#[derive(Clone, Debug)]
pub struct NewHire {
    /// The first name. Default `New`.
    pub first_name: String,
    /// The last name. Default `Hire`.
    pub last_name: String,
    /// The title. Default `Specialist`.
    pub job_title: String,
    /// The department's (or any group's) name or identifier; empty, the default, for none.
    pub department: String,
    /// The manager's identifier. Default none.
    pub manager: Option<Id>,
    /// The first day. Default today on Merge's clock.
    pub start_date: Option<Date>,
    /// The type of employment. Default `FULL_TIME`.
    pub employment_type: String,
    /// The work location's name or identifier. Default the first location of all, if there is one.
    pub location: Option<String>,
    /// The address. Default first.last at example.com, with a number if that is taken.
    pub work_email: Option<String>,
    /// The status. Default `PENDING` if the first day is to come, else `ACTIVE`.
    pub status: Option<String>,
}

impl Default for NewHire {
    fn default() -> Self {
        Self {
            first_name: "New".into(),
            last_name: "Hire".into(),
            job_title: "Specialist".into(),
            department: String::new(),
            manager: None,
            start_date: None,
            employment_type: "FULL_TIME".into(),
            location: None,
            work_email: None,
            status: None,
        }
    }
}

impl NewHire {
    /// Somebody of this name, with defaults for the rest.
    pub fn named(first_name: &str, last_name: &str) -> Self {
        Self {
            first_name: first_name.into(),
            last_name: last_name.into(),
            ..Self::default()
        }
    }
}
