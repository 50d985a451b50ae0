//! From rows to facts: what an `Employee`'s spec says of a person, and what of it is in doubt.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::attributes::keep_only;
use super::book::Book;
use super::custom::keep_declared;
use super::models::{EmployeeRow, EmploymentRow, GroupRow, Row};
use super::text::{clean, date, key, label};
use crate::api::common::NameRef;
use crate::api::employee::{EmployeeSpec, GroupPath, Location};
use crate::api::hris_connection::HRISConnectionSpec;

/// The bounds of the CRD, in characters or elements.
mod bounds {
    pub const NUMBER: usize = 128;
    pub const NAME: usize = 256;
    pub const EMAIL: usize = 254;
    pub const WORD: usize = 128;
    pub const COUNTRY: usize = 64;
    pub const PLACE: usize = 128;
    pub const DEPTH: usize = 16;
    pub const DEPARTMENTS: usize = 32;
    pub const BUSINESS_UNITS: usize = 32;
    pub const GROUPS: usize = 64;
}

/// What the rows say of one person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The mirrored attributes; `connectionRef`, `source` and `deletionPolicy` are left at their defaults.
    pub spec: EmployeeSpec,
    /// Attributes, by their names in the spec, that rest on a row that was not read, or do not fit the CRD whole.
    pub doubtful: BTreeSet<&'static str>,
}

/// The facts of everybody in the book, by Merge's id. `names` are the names of the `Employee`s by Merge's id, for
/// `managerRef`; `now` tells which positions have begun.
pub fn facts(
    book: &Book,
    spec: &HRISConnectionSpec,
    names: &BTreeMap<String, String>,
    now: Timestamp,
) -> BTreeMap<String, Facts> {
    let mut reader = Reader::new(book, spec, names, now);
    book.employees
        .iter()
        .map(|(id, row)| (id.clone(), reader.facts(row, None)))
        .collect()
}

/// Reads facts out of a book, one person after the other.
pub struct Reader<'a> {
    book: &'a Book,
    spec: &'a HRISConnectionSpec,
    names: &'a BTreeMap<String, String>,
    departments: BTreeSet<String>,
    business_units: BTreeSet<String>,
    /// Today in the connection's zone: a position begins when its day begins where people work.
    today: Date,
    positions: HashMap<&'a str, Vec<&'a EmploymentRow>>,
    paths: HashMap<&'a str, (GroupPath, bool)>,
}

impl<'a> Reader<'a> {
    /// A reader of this book. Arguments as for [`facts`].
    pub fn new(
        book: &'a Book,
        spec: &'a HRISConnectionSpec,
        names: &'a BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        let zone = TimeZone::get(&spec.termination.default_time_zone).unwrap_or(TimeZone::UTC);
        let mut positions: HashMap<&str, Vec<&EmploymentRow>> = HashMap::new();
        for (_, row) in book.employments.iter() {
            if let Some(employee) = &row.employee {
                positions.entry(employee.trim()).or_default().push(row);
            }
        }
        Self {
            book,
            spec,
            names,
            departments: spec
                .department_group_types
                .iter()
                .filter_map(|kind| kind_key(kind))
                .collect(),
            business_units: spec
                .business_unit_group_types
                .iter()
                .filter_map(|kind| kind_key(kind))
                .collect(),
            today: now.to_zoned(zone).date(),
            positions,
            paths: HashMap::new(),
        }
    }

    /// What the rows say of the person of this row. `old` is what is mirrored, if anything: a title that rests on a
    /// position that was not read stays as it was, rather than going back to an earlier one.
    pub fn facts(&mut self, row: &'a EmployeeRow, old: Option<&EmployeeSpec>) -> Facts {
        let mut facts = Facts {
            spec: EmployeeSpec {
                employee_number: key(row.employee_number.as_deref(), bounds::NUMBER),
                display_name: display_name(row),
                given_name: label(row.first_name.as_deref(), bounds::NAME),
                family_name: label(row.last_name.as_deref(), bounds::NAME),
                work_email: key(
                    row.work_email.as_deref().map(str::to_lowercase).as_deref(),
                    bounds::EMAIL,
                ),
                username: key(row.username.as_deref(), bounds::NAME),
                employment_status: label(row.employment_status.as_deref(), bounds::WORD),
                start_date: date(row.start_date.as_deref()).map(|date| date.to_string()),
                termination_date: date(row.termination_date.as_deref()).map(|date| date.to_string()),
                custom_fields: row.custom.known.clone(),
                ..EmployeeSpec::default()
            },
            doubtful: BTreeSet::new(),
        };
        self.read_position(row, old, &mut facts);
        self.read_manager(row, &mut facts);
        self.read_groups(row, &mut facts);
        self.read_places(row, &mut facts);
        keep_only(&self.spec.fields, &mut facts.spec);
        keep_declared(&self.spec.custom_fields, &mut facts.spec);
        facts
    }

    fn read_position(&self, row: &'a EmployeeRow, old: Option<&EmployeeSpec>, facts: &mut Facts) {
        let mut positions: BTreeMap<&str, &EmploymentRow> = BTreeMap::new();
        let mut missing = false;
        for id in &row.employments {
            match self.book.employments.get(id) {
                Some(position) => {
                    positions.insert(id.trim(), position);
                }
                None => missing = true,
            }
        }
        // A new position may be there before the person's own row lists it.
        for position in row.id().and_then(|id| self.positions.get(id)).into_iter().flatten() {
            if let Some(id) = position.id() {
                positions.insert(id, position);
            }
        }
        let title = |position: &EmploymentRow| label(position.job_title.as_deref(), bounds::NAME);
        let kind = |position: &EmploymentRow| label(position.employment_type.as_deref(), bounds::WORD);
        let current = current(positions.values().copied(), self.today);
        let mut settle = |name, old: Option<&String>, value: &dyn Fn(&EmploymentRow) -> Option<String>| {
            let found = current.and_then(value);
            if !missing {
                return found;
            }
            // Either nothing is known, or the position that said so is there, and another has followed: that is a change.
            let believed = old.is_none_or(|old| positions.values().any(|at| value(at).as_ref() == Some(old)));
            if found.is_some() && believed {
                return found;
            }
            // Else it is the one that is missing.
            facts.doubtful.insert(name);
            old.cloned()
        };
        let job_title = settle("jobTitle", old.and_then(|old| old.job_title.as_ref()), &title);
        let employment_type = settle(
            "employmentType",
            old.and_then(|old| old.employment_type.as_ref()),
            &kind,
        );
        facts.spec.job_title = job_title;
        facts.spec.employment_type = employment_type;
    }

    fn read_manager(&self, row: &EmployeeRow, facts: &mut Facts) {
        let Some(manager) = row.manager.as_deref().map(str::trim) else {
            return;
        };
        match self.names.get(manager) {
            // Who is their own manager has none: HR systems mark the top so.
            Some(name) if row.id().and_then(|id| self.names.get(id)) != Some(name) => {
                facts.spec.manager_ref = Some(NameRef::new(name));
            }
            Some(_) => {}
            // A manager whose row was deleted before we knew the person is read, and is nobody here.
            None if self.book.employees.get(manager).is_some() => {}
            None => {
                facts.doubtful.insert("managerRef");
            }
        }
    }

    fn read_groups(&mut self, row: &'a EmployeeRow, facts: &mut Facts) {
        let (mut departments, mut units, mut others) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for id in &row.groups {
            let Some(group) = self.book.groups.get(id).filter(|group| group_name(group).is_some()) else {
                // Nobody knows of what type it is.
                facts.doubtful.extend(["departments", "businessUnits", "groups"]);
                continue;
            };
            let (path, whole) = self.path(id.trim(), group);
            let kind = group.kind.as_deref().and_then(kind_key).unwrap_or_default();
            let is_department = self.departments.contains(&kind);
            let is_unit = self.business_units.contains(&kind);
            for (applies, name, paths) in [
                (is_department, "departments", &mut departments),
                (is_unit, "businessUnits", &mut units),
                (!is_department && !is_unit, "groups", &mut others),
            ] {
                if applies {
                    paths.insert(path.clone());
                    if !whole {
                        facts.doubtful.insert(name);
                    }
                }
            }
        }
        let mut bounded = |name, paths: BTreeSet<GroupPath>, max: usize| {
            if paths.len() > max {
                facts.doubtful.insert(name);
            }
            paths.into_iter().take(max).collect()
        };
        let departments = bounded("departments", departments, bounds::DEPARTMENTS);
        let units = bounded("businessUnits", units, bounds::BUSINESS_UNITS);
        let others = bounded("groups", others, bounds::GROUPS);
        facts.spec.departments = departments;
        facts.spec.business_units = units;
        facts.spec.groups = others;
    }

    /// The group's path from the root, and whether it reaches the root. One that is cut, by a parent that is missing, a
    /// cycle or its sheer length, keeps the end that is nearest to the group.
    fn path(&mut self, id: &'a str, group: &'a GroupRow) -> (GroupPath, bool) {
        if let Some(known) = self.paths.get(id) {
            return known.clone();
        }
        let mut names = Vec::new();
        let mut seen = BTreeSet::from([id]);
        let mut at = Some(group);
        let mut whole = true;
        while let Some(group) = at.take() {
            let Some(name) = group_name(group).filter(|_| names.len() < bounds::DEPTH) else {
                whole = false;
                break;
            };
            names.push(name);
            if let Some(parent) = group.parent_group.as_deref().map(str::trim) {
                at = self
                    .book
                    .groups
                    .get(parent)
                    .map(AsRef::as_ref)
                    .filter(|_| seen.insert(parent));
                whole = at.is_some();
            }
        }
        names.reverse();
        let path = (GroupPath { path: names }, whole);
        self.paths.insert(id, path.clone());
        path
    }

    fn read_places(&self, row: &EmployeeRow, facts: &mut Facts) {
        for (name, id, to) in [
            ("workLocation", &row.work_location, &mut facts.spec.work_location),
            ("homeLocation", &row.home_location, &mut facts.spec.home_location),
        ] {
            let Some(id) = id else { continue };
            let Some(place) = self.book.locations.get(id) else {
                facts.doubtful.insert(name);
                continue;
            };
            let place = Location {
                name: label(place.name.as_deref(), bounds::NAME),
                country: label(place.country.as_deref(), bounds::COUNTRY),
                state: label(place.state.as_deref(), bounds::PLACE),
                city: label(place.city.as_deref(), bounds::PLACE),
            };
            *to = Some(place).filter(|place| *place != Location::default());
        }
        if let Some(id) = &row.company {
            match self.book.companies.get(id) {
                Some(company) => {
                    facts.spec.company = label(company.display_name.as_deref(), bounds::NAME)
                        .or_else(|| label(company.legal_name.as_deref(), bounds::NAME));
                }
                None => {
                    facts.doubtful.insert("company");
                }
            }
        }
    }
}

/// Types of groups are compared without regard to case and white space.
fn kind_key(kind: &str) -> Option<String> {
    clean(kind).map(|kind| kind.to_lowercase())
}

fn group_name(group: &GroupRow) -> Option<String> {
    label(group.name.as_deref(), bounds::NAME)
}

fn display_name(row: &EmployeeRow) -> Option<String> {
    let parts = || {
        let first = row.preferred_name.as_deref().and_then(clean);
        let first = first.or_else(|| row.first_name.as_deref().and_then(clean));
        let both: Vec<_> = first
            .into_iter()
            .chain(row.last_name.as_deref().and_then(clean))
            .collect();
        label(Some(&both.join(" ")), bounds::NAME)
    };
    label(row.display_full_name.as_deref(), bounds::NAME).or_else(parts)
}

/// The present position: of those that have begun by `today`, or do not say when, the one that began last. Before the
/// first one begins it is the first one to come, so that what a new hire needs can be there on the first day.
fn current<'a>(positions: impl Iterator<Item = &'a EmploymentRow>, today: Date) -> Option<&'a EmploymentRow> {
    let (begun, to_come): (Vec<_>, Vec<_>) = positions
        .filter(|position| !position.remote_was_deleted)
        .partition(|position| date(position.effective_date.as_deref()).is_none_or(|date| date <= today));
    let age = |position: &&EmploymentRow| (position.changed_at(), position.id().map(str::to_owned));
    begun
        .into_iter()
        .max_by_key(|position| (begin(position), age(position)))
        .or_else(|| {
            to_come
                .into_iter()
                .min_by_key(|position| (begin(position), std::cmp::Reverse(age(position))))
        })
}

/// When a position begins, for comparison with others: two of one day may differ in the time.
fn begin(position: &EmploymentRow) -> Option<Timestamp> {
    let text = position.effective_date.as_deref()?.trim();
    let midnight = || Some(date(Some(text))?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    text.parse().ok().or_else(midnight)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::hris::testing::{book, connection};

    const NOW: &str = "2026-11-23T12:00:00Z";

    fn read_at(lists: Value, now: &str) -> Facts {
        let names = [("m1", "e-1"), ("m2", "e-2")].map(|(id, name)| (id.to_owned(), name.to_owned()));
        let mut facts = facts(
            &book(lists),
            &connection(),
            &BTreeMap::from(names),
            now.parse().unwrap(),
        );
        facts.remove("m1").unwrap()
    }

    fn read(lists: Value) -> Facts {
        read_at(lists, NOW)
    }

    fn paths(paths: &[GroupPath]) -> Vec<String> {
        paths.iter().map(|path| path.path.join("/")).collect()
    }

    fn doubtful(facts: &Facts) -> Vec<&str> {
        facts.doubtful.iter().copied().collect()
    }

    #[test]
    fn plain_attributes_are_tidied() {
        let facts = read(json!({"employees": [{
            "id": "m1", "employee_number": 17, "first_name": " Ada ", "last_name": "Lovelace\n", "preferred_name": "Addie",
            "work_email": " Ada.Lovelace@Example.COM ", "username": "", "employment_status": "Leave",
            "start_date": "2026-03-01T00:00:00Z", "termination_date": "2026-12-31T23:59:59-08:00",
        }]}));
        let spec = facts.spec;
        assert_eq!(spec.employee_number.as_deref(), Some("17"));
        assert_eq!(spec.display_name.as_deref(), Some("Addie Lovelace"));
        assert_eq!(
            (spec.given_name.as_deref(), spec.family_name.as_deref()),
            (Some("Ada"), Some("Lovelace"))
        );
        assert_eq!(spec.work_email.as_deref(), Some("ada.lovelace@example.com"));
        assert_eq!(
            (spec.username, spec.employment_status.as_deref()),
            (None, Some("Leave"))
        );
        assert_eq!(spec.start_date.as_deref(), Some("2026-03-01"));
        assert_eq!(spec.termination_date.as_deref(), Some("2026-12-31"));
        assert!(facts.doubtful.is_empty());
    }

    #[test]
    fn nothing_is_longer_than_the_crd_takes_and_no_address_is_cut() {
        let long = "é".repeat(300);
        let deep: Vec<_> = (0..40)
            .map(|n| json!({"id": format!("g{n}"), "name": format!("{n:02}{long}"), "parent_group": format!("g{}", n + 1)}))
            .collect();
        let flat = (0..70).map(|n| json!({"id": format!("f{n}"), "name": format!("f{n:02}")}));
        let ids: Vec<_> = (0..70).map(|n| format!("f{n}")).chain(["g0".to_owned()]).collect();
        let facts = read(json!({
            "employees": [{
                "id": "m1", "first_name": long, "display_full_name": long, "work_email": format!("{long}@example.com"),
                "employee_number": long, "employment_status": long, "groups": ids, "work_location": "l1", "company": "c1",
            }],
            "groups": deep.into_iter().chain(flat).collect::<Vec<_>>(),
            "locations": [{"id": "l1", "country": long, "city": long}],
            "companies": [{"id": "c1", "legal_name": long}],
        }));
        let spec = &facts.spec;
        let length = |text: &Option<String>| text.as_ref().map(|text| text.chars().count());
        assert_eq!(
            (length(&spec.given_name), length(&spec.display_name)),
            (Some(256), Some(256))
        );
        assert_eq!((&spec.work_email, &spec.employee_number), (&None, &None));
        assert_eq!(
            (length(&spec.employment_status), length(&spec.company)),
            (Some(128), Some(256))
        );
        let place = spec.work_location.as_ref().unwrap();
        assert_eq!((length(&place.country), length(&place.city)), (Some(64), Some(128)));
        assert_eq!(spec.groups.len(), 64);
        // The path of the deep group, which sorts first, ends in the group itself.
        assert_eq!(spec.groups[0].path.len(), 16);
        assert!(spec.groups[0].path[15].starts_with("00é"));
        assert_eq!(doubtful(&facts), ["groups"]);
    }

    #[test]
    fn groups_are_paths_from_the_root_by_type() {
        let facts = read(json!({
            "employees": [{"id": "m1", "groups": ["g3", "g1", "g4", "g3", "g5"]}],
            "groups": [
                {"id": "g1", "name": "Engineering", "type": "BUSINESS_UNIT"},
                {"id": "g2", "name": "Product", "type": "DEPARTMENT", "parent_group": "g1"},
                {"id": "g3", "name": "Platform", "type": "department", "parent_group": {"id": "g2"}},
                {"id": "g4", "name": "On call", "type": "Level 1"},
                {"id": "g5", "name": "Untyped"},
            ],
        }));
        assert_eq!(paths(&facts.spec.departments), ["Engineering/Product/Platform"]);
        assert_eq!(paths(&facts.spec.business_units), ["Engineering"]);
        assert_eq!(paths(&facts.spec.groups), ["On call", "Untyped"]);
        assert!(facts.doubtful.is_empty());
    }

    #[test]
    fn trees_with_gaps_and_cycles_end_and_leave_doubt() {
        let group = |parent: Value| json!({"id": "g1", "name": "A", "type": "DEPARTMENT", "parent_group": parent});
        let one =
            |id: &str, parent: Value| json!({"id": id, "name": id, "type": "BUSINESS_UNIT", "parent_group": parent});
        for (groups, path) in [
            (json!([group(json!("missing"))]), "A"),
            (json!([group(json!({"name": "shell"}))]), "A"),
            (json!([group(json!("g1"))]), "A"),
            (json!([group(json!("g2")), one("g2", json!("g1"))]), "g2/A"),
            (
                json!([group(json!("g2")), one("g2", json!("g3")), one("g3", json!("g2"))]),
                "g3/g2/A",
            ),
            (json!([group(json!("g2")), {"id": "g2", "type": "DEPARTMENT"}]), "A"),
        ] {
            let facts = read(json!({"employees": [{"id": "m1", "groups": ["g1"]}], "groups": groups}));
            assert_eq!(paths(&facts.spec.departments), [path]);
            assert_eq!(doubtful(&facts), ["departments"], "{path}");
        }
        // A group that is not there may be of any type.
        for lost in [json!("missing"), json!({"name": "shell"})] {
            let facts =
                read(json!({"employees": [{"id": "m1", "groups": ["g1", lost]}], "groups": [group(Value::Null)]}));
            assert_eq!(paths(&facts.spec.departments), ["A"]);
            assert_eq!(doubtful(&facts), ["businessUnits", "departments", "groups"]);
        }
    }

    #[test]
    fn the_present_position_is_the_one_that_began_last() {
        let position = |id: &str, date: Value, changed: &str| {
            json!({"id": id, "employee": "m1", "job_title": id, "employment_type": "FULL_TIME", "effective_date": date,
                   "modified_at": changed})
        };
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let cases = [
            // The latest day, whatever changed last.
            (
                json!([
                    position("a", json!("2026-01-01"), late),
                    position("b", json!("2026-02-01"), early)
                ]),
                "b",
            ),
            // Two of one day: the later time, then the later change, then the id.
            (
                json!([
                    position("a", json!("2026-02-01T00:00:01Z"), early),
                    position("b", json!("2026-02-01"), late)
                ]),
                "a",
            ),
            (
                json!([
                    position("a", json!("2026-02-01"), late),
                    position("b", json!("2026-02-01"), early)
                ]),
                "a",
            ),
            (
                json!([
                    position("a", json!("2026-02-01"), late),
                    position("b", json!("2026-02-01"), late)
                ]),
                "b",
            ),
            // What is to come does not count yet, what has no date counts least.
            (
                json!([
                    position("a", json!("2026-02-01"), early),
                    position("b", json!("2026-11-24"), late)
                ]),
                "a",
            ),
            (
                json!([
                    position("a", json!("2026-02-01"), early),
                    position("b", Value::Null, late)
                ]),
                "a",
            ),
            (
                json!([
                    position("a", json!("odd"), early),
                    position("b", json!("2026-11-24"), late)
                ]),
                "a",
            ),
            // Before the first day: what comes first.
            (
                json!([
                    position("a", json!("2026-12-01"), early),
                    position("b", json!("2027-12-01"), late)
                ]),
                "a",
            ),
        ];
        for (positions, title) in cases {
            let facts = read(json!({"employees": [{"id": "m1"}], "employments": positions}));
            assert_eq!(facts.spec.job_title.as_deref(), Some(title));
            assert!(facts.doubtful.is_empty());
        }
        let mut gone = position("b", json!("2026-03-01"), late);
        gone["remote_was_deleted"] = json!(true);
        let positions = json!([position("a", json!("2026-02-01"), early), gone]);
        let facts = read(json!({"employees": [{"id": "m1", "employments": ["a", "b"]}], "employments": positions}));
        assert_eq!(facts.spec.job_title.as_deref(), Some("a"));
    }

    #[test]
    fn a_title_whose_position_is_missing_stays_and_one_that_was_followed_does_not() {
        let past = json!({"id": "a", "job_title": "Past", "effective_date": "2025-01-01"});
        let now = json!({"id": "b", "job_title": "Present", "effective_date": "2026-01-01"});
        for (positions, old, title, doubt) in [
            (json!([past]), None, Some("Past"), false),
            (json!([past]), Some("Present"), Some("Present"), true),
            (json!([past, now]), Some("Past"), Some("Present"), false),
            (json!([past, now]), Some("Present"), Some("Present"), false),
            (json!([past, now]), Some("Other"), Some("Other"), true),
            (json!([]), Some("Present"), Some("Present"), true),
            (json!([]), None, None, true),
        ] {
            let book =
                book(json!({"employees": [{"id": "m1", "employments": ["a", "b", "c"]}], "employments": positions}));
            let (spec, names) = (connection(), BTreeMap::new());
            let mut reader = Reader::new(&book, &spec, &names, NOW.parse().unwrap());
            let old = EmployeeSpec {
                job_title: old.map(str::to_owned),
                ..EmployeeSpec::default()
            };
            let facts = reader.facts(book.employees.get("m1").unwrap(), Some(&old));
            assert_eq!(facts.spec.job_title.as_deref(), title);
            assert_eq!(facts.doubtful.contains("jobTitle"), doubt, "{old:?}");
        }
    }

    #[test]
    fn a_position_begins_with_its_day_in_the_connections_zone() {
        let positions = json!([
            {"id": "a", "job_title": "a", "effective_date": "2026-01-01T00:00:00Z"},
            {"id": "b", "job_title": "b", "effective_date": "2026-11-24T00:00:00Z"},
        ]);
        let lists = json!({"employees": [{"id": "m1", "employments": ["a", "b"]}], "employments": positions});
        // Berlin is an hour ahead.
        for (now, title) in [("2026-11-23T22:59:59Z", "a"), ("2026-11-23T23:00:00Z", "b")] {
            assert_eq!(read_at(lists.clone(), now).spec.job_title.as_deref(), Some(title));
        }
    }

    #[test]
    fn what_refers_to_a_row_that_was_not_read_is_in_doubt() {
        let facts = read(json!({
            "employees": [{
                "id": "m1", "manager": "m9", "company": "c9", "work_location": "l9", "home_location": {"city": "x"},
                "employments": ["p9"],
            }],
        }));
        let expected = [
            "company",
            "employmentType",
            "homeLocation",
            "jobTitle",
            "managerRef",
            "workLocation",
        ];
        assert_eq!(doubtful(&facts), expected);
    }

    #[test]
    fn managers_are_named_and_nobody_is_their_own() {
        let facts = read(json!({"employees": [{"id": "m1", "manager": "m2"}]}));
        assert_eq!(facts.spec.manager_ref, Some(NameRef::new("e-2")));
        for own in [json!("m1"), Value::Null] {
            let facts = read(json!({"employees": [{"id": "m1", "manager": own}]}));
            assert_eq!((facts.spec.manager_ref, facts.doubtful.len()), (None, 0));
        }
        // Deleted before we knew anybody.
        let lists = json!({"employees": [{"id": "m1", "manager": "m3"}, {"id": "m3", "remote_was_deleted": true}]});
        let facts = read(lists);
        assert_eq!((facts.spec.manager_ref, facts.doubtful.len()), (None, 0));
    }

    #[test]
    fn places_and_companies_need_no_more_than_what_is_there() {
        let facts = read(json!({
            "employees": [{"id": "m1", "work_location": "l1", "home_location": "l2", "company": "c1"}],
            "locations": [{"id": "l1", "country": "DE", "street_1": "CANARY"}, {"id": "l2", "name": " "}],
            "companies": [{"id": "c1", "display_name": " ", "legal_name": "Example, Inc."}],
        }));
        let place = Location {
            country: Some("DE".into()),
            ..Location::default()
        };
        assert_eq!(facts.spec.work_location, Some(place));
        assert_eq!(facts.spec.home_location, None);
        assert_eq!(facts.spec.company.as_deref(), Some("Example, Inc."));
        assert!(facts.doubtful.is_empty());
    }
}
