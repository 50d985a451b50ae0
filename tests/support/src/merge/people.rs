//! Looking at the company from a test.

use super::MergeSim;
use super::company::Company;
use super::rows::{EmployeeRow, EmploymentRow, GroupRow, Id, LocationRow};

/// What a test wants to know about somebody, gathered from all the rows involved. Absent is what Merge has as null.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Merge's identifier.
    pub id: Id,
    /// The HR system's identifier.
    pub remote_id: Option<String>,
    /// The employee number.
    pub employee_number: Option<String>,
    /// The address at work.
    pub work_email: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// The name as displayed.
    pub name: Option<String>,
    /// The title of the present position.
    pub title: Option<String>,
    /// The type of the present position: `FULL_TIME` and so on.
    pub employment_type: Option<String>,
    /// The name of the first group of type DEPARTMENT.
    pub department: Option<String>,
    /// The identifiers of all groups.
    pub groups: Vec<Id>,
    /// The manager's identifier.
    pub manager: Option<Id>,
    /// The employment status: `ACTIVE` and so on.
    pub status: Option<String>,
    /// The start date as it travels.
    pub start_date: Option<String>,
    /// The termination date as it travels.
    pub termination_date: Option<String>,
    /// The name of the work location.
    pub location: Option<String>,
    /// The country of the work location, two letters.
    pub country: Option<String>,
    /// Whether the HR system deleted the person.
    pub deleted: bool,
}

impl Person {
    fn of(company: &Company, row: &EmployeeRow) -> Self {
        let position = company.present_employment(row);
        let department = row.groups.iter().filter_map(|id| company.groups.get(id));
        let department = department.filter(|group| group.group_type.as_deref() == Some("DEPARTMENT"));
        let place = row.work_location.as_deref().and_then(|id| company.locations.get(id));
        Self {
            id: row.meta.id.clone(),
            remote_id: row.meta.remote_id.clone(),
            employee_number: row.employee_number.clone(),
            work_email: row.work_email.clone(),
            first_name: row.first_name.clone(),
            last_name: row.last_name.clone(),
            name: row.display_full_name.clone(),
            title: position.and_then(|position| position.job_title.clone()),
            employment_type: position.and_then(|position| position.employment_type.clone()),
            department: department.map(|group| group.name.clone()).next().flatten(),
            groups: row.groups.clone(),
            manager: row.manager.clone(),
            status: row.employment_status.clone(),
            start_date: row.start_date.clone(),
            termination_date: row.termination_date.clone(),
            location: place.and_then(|place| place.name.clone()),
            country: place.and_then(|place| place.country.clone()),
            deleted: row.meta.remote_was_deleted,
        }
    }
}

impl MergeSim {
    /// Everybody whom a pull with `include_deleted_data=true` sees, in the order of hiring.
    pub fn people(&self) -> Vec<Person> {
        let state = self.shared.lock();
        let rows = state
            .company
            .employees
            .rows
            .iter()
            .filter(|row| !row.meta.forgotten && !row.meta.shell);
        rows.map(|row| Person::of(&state.company, row)).collect()
    }

    /// The person with this identifier.
    pub fn person(&self, id: &str) -> Person {
        let state = self.shared.lock();
        let row = state.company.employees.get(id);
        row.map_or_else(
            || panic!("the simulator has no employee {id:?}"),
            |row| Person::of(&state.company, row),
        )
    }

    /// The latest row whose work email, displayed name or employee number is this.
    pub fn find(&self, who: &str) -> Person {
        self.try_find(who)
            .unwrap_or_else(|| panic!("the simulator has nobody called {who:?}"))
    }

    /// As [`find`](Self::find), or nothing.
    pub fn try_find(&self, who: &str) -> Option<Person> {
        let state = self.shared.lock();
        let fits = |row: &&EmployeeRow| {
            [&row.work_email, &row.display_full_name, &row.employee_number]
                .iter()
                .any(|text| text.as_deref() == Some(who))
        };
        state
            .company
            .employees
            .rows
            .iter()
            .rev()
            .find(fits)
            .map(|row| Person::of(&state.company, row))
    }

    /// The people whose department has this name, without those who left or were deleted.
    pub fn in_department(&self, department: &str) -> Vec<Person> {
        let mut people = self.people();
        people.retain(|person| {
            person.department.as_deref() == Some(department)
                && person.status.as_deref() != Some("INACTIVE")
                && !person.deleted
        });
        people
    }

    /// The employee's row.
    pub fn row(&self, id: &str) -> EmployeeRow {
        let row = self.shared.lock().company.employees.get(id).cloned();
        row.unwrap_or_else(|| panic!("the simulator has no employee {id:?}"))
    }

    /// The employee's present position.
    pub fn position(&self, id: &str) -> Option<EmploymentRow> {
        let state = self.shared.lock();
        let row = state.company.employees.get(id)?;
        state.company.present_employment(row).cloned()
    }

    /// The group with this identifier or name.
    pub fn group(&self, group: &str) -> GroupRow {
        let state = self.shared.lock();
        let id = state.company.group_id(group);
        state
            .company
            .groups
            .get(&id)
            .cloned()
            .expect("group_id names a group that exists")
    }

    /// All groups.
    pub fn groups(&self) -> Vec<GroupRow> {
        self.shared.lock().company.groups.rows.clone()
    }

    /// All locations, homes included.
    pub fn locations(&self) -> Vec<LocationRow> {
        self.shared.lock().company.locations.rows.clone()
    }

    /// All positions, past ones included.
    pub fn positions(&self) -> Vec<EmploymentRow> {
        self.shared.lock().company.employments.rows.clone()
    }
}
