//! Reading a request's query: values, flags, instants, and the filters they make.

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, tz::TimeZone};

use super::company::Company;
use super::render::Answer;
use super::rows::{EmployeeRow, EmploymentRow, GroupRow, LocationRow};
use super::server::Problem;

/// A condition on a row that the query asks for.
pub(super) type Filter<R> = Box<dyn Fn(&Company, &R) -> bool>;

pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A value; one that is empty counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Values separated by commas, in repeated parameters, or both; `None` if there are none.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        let values = self
            .0
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','));
        let values: Vec<_> = values
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect();
        (!values.is_empty()).then_some(values)
    }

    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name).map(str::to_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(Problem::bad_value(name, "Must be a valid boolean.")),
        }
    }

    pub fn instant(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        instant(text)
            .map(Some)
            .ok_or_else(|| Problem::bad_value(name, "Enter a valid date/time."))
    }

    /// Everything but the cursor, in an order of its own: what a cursor is bound to.
    pub fn binding(&self) -> String {
        let mut pairs: Vec<_> = self.0.iter().filter(|(name, _)| name != "cursor").collect();
        pairs.sort();
        format!("{pairs:?}")
    }
}

/// An instant as Merge accepts and sends it; without an offset it is UTC.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let utc = |at: DateTime| at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    (text.parse::<Timestamp>().ok())
        .or_else(|| text.parse::<DateTime>().ok().and_then(utc))
        .or_else(|| text.parse::<Date>().ok().and_then(|date| utc(date.at(0, 0, 0, 0))))
}

/// The conditions `{name}_after` and `{name}_before` on an instant of the row.
fn between<R: 'static>(
    query: &Query,
    name: &str,
    inclusive: bool,
    read: fn(&R) -> Option<Timestamp>,
    filters: &mut Vec<Filter<R>>,
) -> Result<(), Problem> {
    if let Some(after) = query.instant(&format!("{name}_after"))? {
        let fits = move |at| at > after || (inclusive && at == after);
        filters.push(Box::new(move |_, row| read(row).is_some_and(fits)));
    }
    if let Some(before) = query.instant(&format!("{name}_before"))? {
        let fits = move |at| at < before || (inclusive && at == before);
        filters.push(Box::new(move |_, row| read(row).is_some_and(fits)));
    }
    Ok(())
}

/// The conditions that every model knows.
pub(super) fn common<R: Answer + 'static>(query: &Query, inclusive: bool) -> Result<Vec<Filter<R>>, Problem> {
    let mut filters: Vec<Filter<R>> = vec![Box::new(|_, row| !row.meta().forgotten)];
    if !query.flag("include_deleted_data")? {
        filters.push(Box::new(|_, row| !row.meta().remote_was_deleted));
    }
    if !query.flag("include_shell_data")? {
        filters.push(Box::new(|_, row| !row.meta().shell));
    }
    if let Some(id) = query.get("remote_id").map(str::to_owned) {
        filters.push(Box::new(move |_, row| row.meta().remote_id.as_ref() == Some(&id)));
    }
    between(
        query,
        "created",
        inclusive,
        |row: &R| Some(row.meta().created_at),
        &mut filters,
    )?;
    between(
        query,
        "modified",
        inclusive,
        |row: &R| Some(row.meta().modified_at),
        &mut filters,
    )?;
    Ok(filters)
}

type Text<R> = (&'static str, fn(&R) -> &Option<String>);

const EMPLOYEE_TEXTS: &[Text<EmployeeRow>] = &[
    ("company_id", |row| &row.company),
    ("display_full_name", |row| &row.display_full_name),
    ("employee_number", |row| &row.employee_number),
    ("employment_status", |row| &row.employment_status),
    ("first_name", |row| &row.first_name),
    ("last_name", |row| &row.last_name),
    ("home_location_id", |row| &row.home_location),
    ("work_location_id", |row| &row.work_location),
    ("manager_id", |row| &row.manager),
    ("team_id", |row| &row.team),
    ("pay_group_id", |row| &row.pay_group),
    ("personal_email", |row| &row.personal_email),
    ("work_email", |row| &row.work_email),
];

fn equal<R: 'static>(query: &Query, texts: &[Text<R>], filters: &mut Vec<Filter<R>>) {
    for &(name, read) in texts {
        if let Some(wanted) = query.get(name).map(str::to_owned) {
            filters.push(Box::new(move |_, row| read(row).as_ref() == Some(&wanted)));
        }
    }
}

pub(super) fn employees(query: &Query, inclusive: bool, filters: &mut Vec<Filter<EmployeeRow>>) -> Result<(), Problem> {
    equal(query, EMPLOYEE_TEXTS, filters);
    if let Some(wanted) = query.list("groups") {
        filters.push(Box::new(move |_, row| {
            row.groups.iter().any(|group| wanted.contains(group))
        }));
    }
    let positions: [Text<EmploymentRow>; 2] = [
        ("job_title", |row| &row.job_title),
        ("employment_type", |row| &row.employment_type),
    ];
    for (name, read) in positions {
        if let Some(wanted) = query.get(name).map(str::to_owned) {
            filters.push(Box::new(move |company, row| {
                let mut rows = row.employments.iter().filter_map(|id| company.employments.get(id));
                rows.any(|position| read(position).as_ref() == Some(&wanted))
            }));
        }
    }
    between(
        query,
        "started",
        inclusive,
        |row| row.start_date.as_deref().and_then(instant),
        filters,
    )?;
    between(
        query,
        "terminated",
        inclusive,
        |row| row.termination_date.as_deref().and_then(instant),
        filters,
    )
}

pub(super) fn employments(query: &Query, filters: &mut Vec<Filter<EmploymentRow>>) {
    equal(query, &[("employee_id", |row: &EmploymentRow| &row.employee)], filters);
}

pub(super) fn groups(query: &Query, filters: &mut Vec<Filter<GroupRow>>) -> Result<(), Problem> {
    let lists: [Text<GroupRow>; 2] = [("types", |row| &row.group_type), ("names", |row| &row.name)];
    for (name, read) in lists {
        if let Some(wanted) = query.list(name) {
            filters.push(Box::new(move |_, row| {
                read(row).as_ref().is_some_and(|value| wanted.contains(value))
            }));
        }
    }
    if query.get("is_commonly_used_as_team").is_some() {
        let wanted = query.flag("is_commonly_used_as_team")?;
        filters.push(Box::new(move |_, row| row.is_commonly_used_as_team == Some(wanted)));
    }
    Ok(())
}

pub(super) fn locations(query: &Query, filters: &mut Vec<Filter<LocationRow>>) {
    equal(
        query,
        &[("location_type", |row: &LocationRow| &row.location_type)],
        filters,
    );
}
