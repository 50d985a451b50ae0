//! What HR does: each change is one sync of Merge, with its own instant on Merge's clock.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::MergeSim;
use super::company::{Company, midnight};
use super::hire::NewHire;
use super::query::instant;
use super::rows::{EmployeeRow, EmploymentRow, GroupRow, Id, LocationRow};

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// The status of somebody who starts on the day.
fn status_from(start: Date, now: Timestamp) -> String {
    if start > today(now) {
        "PENDING".into()
    } else {
        "ACTIVE".into()
    }
}

impl MergeSim {
    /// A change of the model, at an instant later than every change before it.
    fn change<T>(&self, model: &'static str, edit: impl FnOnce(&mut Company, Timestamp) -> T) -> T {
        let mut state = self.shared.lock();
        let now = state.tick(model);
        edit(&mut state.company, now)
    }

    /// A change of a row that employees name: bumps those employees if that is switched on.
    fn change_related<T>(
        &self,
        model: &'static str,
        concerns: impl Fn(&EmployeeRow) -> bool,
        edit: impl FnOnce(&mut Company, Timestamp) -> T,
    ) -> T {
        let mut state = self.shared.lock();
        let now = state.tick(model);
        let result = edit(&mut state.company, now);
        if state.related_changes_bump {
            for row in state.company.employees.rows.iter_mut().filter(|row| concerns(row)) {
                row.meta.modified_at = now;
            }
            state.sync.changed.insert("Employee", now);
        }
        result
    }

    /// Any change of an employee's row; `modified_at` follows, unless the edit set it to another value itself.
    pub fn update<T>(&self, id: &str, edit: impl FnOnce(&mut EmployeeRow) -> T) -> T {
        self.change("Employee", |company, now| {
            let mut set_by_edit = None;
            let result = company.employees.change(id, now, |row| {
                let before = row.meta.modified_at;
                let result = edit(row);
                set_by_edit = Some(row.meta.modified_at).filter(|&at| at != before);
                result
            });
            if let (Some(at), Some(row)) = (set_by_edit, company.employees.get_mut(id)) {
                row.meta.modified_at = at;
            }
            result
        })
    }

    /// A new employee with one position. The identifier.
    pub fn hire(&self, hire: NewHire) -> Id {
        self.change("Employment", |_, _| ());
        self.change("Employee", |company, now| {
            let start = hire.start_date.unwrap_or_else(|| today(now));
            let place = match &hire.location {
                Some(place) => Some(company.location_id(place)),
                None => company.locations.rows.first().map(|row| row.meta.id.clone()),
            };
            let group = Some(&hire.department)
                .filter(|name| !name.is_empty())
                .map(|name| company.group_id(name));
            let made_up = company.fresh_email(&hire.first_name, &hire.last_name);
            let email = hire.work_email.unwrap_or(made_up);
            let row = company.add_person(&hire.first_name, &hire.last_name, now);
            let id = row.meta.id.clone();
            row.username = email.split('@').next().map(str::to_owned);
            row.work_email = Some(email);
            row.manager = hire.manager;
            row.work_location = place;
            row.start_date = Some(midnight(start));
            row.hire_date = Some(midnight(today(now)));
            row.remote_created_at = Some(now.to_string());
            row.employment_status = Some(hire.status.unwrap_or_else(|| status_from(start, now)));
            let (title, kind) = (Some(hire.job_title.as_str()), Some(hire.employment_type.as_str()));
            company.add_employment(&id, title, kind, Some(midnight(start)), now);
            if let Some(group) = group {
                company.regroup(&id, &group, now);
            }
            id
        })
    }

    /// Somebody's first day has come: ACTIVE.
    pub fn activate(&self, id: &str) {
        self.update(id, |row| row.employment_status = Some("ACTIVE".into()));
    }

    /// Into another department (or team), with the business unit above it; groups of other types stay.
    pub fn transfer(&self, id: &str, department: &str) {
        self.change("Employee", |company, now| {
            let group = company.group_id(department);
            company.regroup(id, &group, now);
        });
    }

    /// Into one more group.
    pub fn join_group(&self, id: &str, group: &str) {
        let group = self.group(group).meta.id;
        self.update(id, |row| row.groups.push(group));
    }

    /// Out of a group.
    pub fn leave_group(&self, id: &str, group: &str) {
        let group = self.group(group).meta.id;
        self.update(id, |row| row.groups.retain(|other| *other != group));
    }

    /// A new title from today on: a new position row. The employee's own row lists it, but its `modified_at` stays unless
    /// [`set_related_changes_bump`](Self::set_related_changes_bump) is on.
    pub fn promote(&self, id: &str, title: &str) -> Id {
        self.change_position(id, Some(title), None)
    }

    /// Another type of employment (`FULL_TIME`, `CONTRACTOR` …) from today on: a new position row.
    pub fn change_employment_type(&self, id: &str, kind: &str) -> Id {
        self.change_position(id, None, Some(kind))
    }

    fn change_position(&self, id: &str, title: Option<&str>, kind: Option<&str>) -> Id {
        self.change_related(
            "Employment",
            |row| row.meta.id == id,
            |company, now| {
                let row = company
                    .employees
                    .get(id)
                    .unwrap_or_else(|| panic!("the simulator has no employee {id:?}"));
                let present = company.present_employment(row).cloned();
                let (old_title, old_kind, old_from) = present.map_or((None, None, None), |position| {
                    (position.job_title, position.employment_type, position.effective_date)
                });
                // Two changes on one day, or one before the first day, still have an order.
                let from = match old_from.as_deref().and_then(instant) {
                    Some(old) if old >= today(now).to_zoned(TimeZone::UTC).expect("a date of today").timestamp() => {
                        (old + SignedDuration::from_secs(1)).to_string()
                    }
                    _ => midnight(today(now)),
                };
                let (title, kind) = (
                    title.map(str::to_owned).or(old_title),
                    kind.map(str::to_owned).or(old_kind),
                );
                company.add_employment(id, title.as_deref(), kind.as_deref(), Some(from), now)
            },
        )
    }

    /// A new title in the same position row, as integrations without a history do.
    pub fn retitle_in_place(&self, id: &str, title: &str) {
        let position = self.position(id).unwrap_or_else(|| panic!("{id} has no position"));
        self.update_employment(&position.meta.id, |row| row.job_title = Some(title.to_owned()));
    }

    /// Another manager.
    pub fn new_manager(&self, id: &str, manager: &str) {
        self.update(id, |row| row.manager = Some(manager.to_owned()));
    }

    /// Another name; the address stays.
    pub fn rename(&self, id: &str, first: &str, last: &str) {
        self.update(id, |row| {
            row.first_name = Some(first.to_owned());
            row.last_name = Some(last.to_owned());
            row.display_full_name = Some(format!("{first} {last}"));
        });
    }

    /// Another address at work.
    pub fn change_email(&self, id: &str, email: &str) {
        self.update(id, |row| row.work_email = Some(email.to_owned()));
    }

    /// Another work location, by name or identifier.
    pub fn relocate(&self, id: &str, location: &str) {
        self.change("Employee", |company, now| {
            let place = company.location_id(location);
            company.employees.change(id, now, |row| row.work_location = Some(place));
        });
    }

    /// A termination date, past or future; the status stays until [`deactivate`](Self::deactivate).
    pub fn leave(&self, id: &str, termination_date: Date) {
        self.update(id, |row| row.termination_date = Some(midnight(termination_date)));
    }

    /// A termination at a time of day instead of a calendar date.
    pub fn leave_at(&self, id: &str, termination: Timestamp) {
        self.update(id, |row| row.termination_date = Some(termination.to_string()));
    }

    /// The termination is taken back: no date, ACTIVE.
    pub fn stay(&self, id: &str) {
        self.update(id, |row| {
            row.termination_date = None;
            row.employment_status = Some("ACTIVE".into());
        });
    }

    /// INACTIVE.
    pub fn deactivate(&self, id: &str) {
        self.update(id, |row| row.employment_status = Some("INACTIVE".into()));
    }

    /// Any status, raw ones and null included.
    pub fn set_status(&self, id: &str, status: Option<&str>) {
        self.update(id, |row| row.employment_status = status.map(str::to_owned));
    }

    /// Deleted in the HR system: `remote_was_deleted`. The positions stay.
    pub fn delete(&self, id: &str) {
        self.update(id, |row| row.meta.remote_was_deleted = true);
    }

    /// Gone from every answer without a trace, or back again. Nothing is bumped.
    fn set_forgotten(&self, id: &str, forgotten: bool) {
        let mut state = self.shared.lock();
        let row = state.company.employees.get_mut(id);
        row.unwrap_or_else(|| panic!("the simulator has no employee {id:?}"))
            .meta
            .forgotten = forgotten;
    }

    /// Gone from every answer without a trace, as when a filter in the HR system changes.
    pub fn forget(&self, id: &str) {
        self.set_forgotten(id, true);
    }

    /// Back after [`forget`](Self::forget), with the same `modified_at`.
    pub fn remember(&self, id: &str) {
        self.set_forgotten(id, false);
    }

    /// Hired again in the same row: a new start date and a new position; the old termination date stays, as HR systems
    /// leave it.
    pub fn rehire_same_row(&self, id: &str, start: Date) {
        self.update(id, |row| row.start_date = Some(midnight(start)));
        self.change("Employment", |company, now| {
            let present = company
                .employees
                .get(id)
                .and_then(|row| company.present_employment(row))
                .cloned();
            let title = present.as_ref().and_then(|position| position.job_title.as_deref());
            let kind = present
                .as_ref()
                .and_then(|position| position.employment_type.as_deref());
            company.add_employment(id, title, kind, Some(midnight(start)), now);
        });
        let status = status_from(start, self.now());
        self.set_status(id, Some(&status));
    }

    /// Hired again as a new row with new identifiers and a new employee number, but the same name and address. The old
    /// row stays as it is. The new identifier.
    pub fn rehire_new_row(&self, id: &str, start: Date) -> Id {
        let (old, person) = (self.row(id), self.person(id));
        let new = self.hire(NewHire {
            job_title: person.title.unwrap_or_default(),
            manager: old.manager.clone(),
            start_date: Some(start),
            employment_type: person.employment_type.unwrap_or_default(),
            location: old.work_location.clone(),
            work_email: old.work_email.clone(),
            ..NewHire::named(&old.first_name.unwrap_or_default(), &old.last_name.unwrap_or_default())
        });
        self.update(&new, |row| {
            row.groups = old.groups;
            row.work_location = old.work_location;
        });
        new
    }

    /// A new group, below a parent (name or identifier) or at the top. Its identifier.
    pub fn add_group(&self, name: &str, kind: &str, parent: Option<&str>) -> Id {
        self.change("Group", |company, now| {
            let parent = parent.map(|parent| company.group_id(parent));
            company.add_group(name, Some(kind), parent, now)
        })
    }

    /// A group below another parent, or at the top.
    pub fn move_group(&self, group: &str, parent: Option<&str>) {
        let parent = parent.map(|parent| self.group(parent).meta.id);
        self.update_group(group, |row| row.parent_group = parent);
    }

    /// Another name for a group.
    pub fn rename_group(&self, group: &str, name: &str) {
        self.update_group(group, |row| row.name = Some(name.to_owned()));
    }

    /// Any change of a group (name or identifier); `row.meta.forgotten` lets its members point to a group that is not there.
    pub fn update_group<T>(&self, group: &str, edit: impl FnOnce(&mut GroupRow) -> T) -> T {
        let id = self.group(group).meta.id;
        let concerns = |row: &EmployeeRow| row.groups.contains(&id);
        self.change_related("Group", concerns, |company, now| company.groups.change(&id, now, edit))
    }

    /// Any change of a position.
    pub fn update_employment<T>(&self, id: &str, edit: impl FnOnce(&mut EmploymentRow) -> T) -> T {
        let concerns = |row: &EmployeeRow| row.employments.iter().any(|position| position == id);
        self.change_related("Employment", concerns, |company, now| {
            company.employments.change(id, now, edit)
        })
    }

    /// A new place of work. Its identifier.
    pub fn add_location(&self, name: &str, country: &str, state: Option<&str>, city: Option<&str>) -> Id {
        self.change("Location", |company, now| {
            let meta = company.meta(now);
            let id = meta.id.clone();
            company.locations.push(LocationRow {
                meta,
                name: Some(name.to_owned()),
                phone_number: None,
                street_1: None,
                street_2: None,
                city: city.map(str::to_owned),
                state: state.map(str::to_owned),
                zip_code: None,
                country: Some(country.to_owned()),
                location_type: Some("WORK".into()),
            });
            id
        })
    }

    /// Any change of a location (name or identifier).
    pub fn update_location<T>(&self, location: &str, edit: impl FnOnce(&mut LocationRow) -> T) -> T {
        let id = self.shared.lock().company.location_id(location);
        let concerns = |row: &EmployeeRow| {
            [&row.work_location, &row.home_location]
                .iter()
                .any(|place| place.as_ref() == Some(&id))
        };
        self.change_related("Location", concerns, |company, now| {
            company.locations.change(&id, now, edit)
        })
    }
}
