//! The raw rows of one connection, kept between reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::models::{CompanyRow, EmployeeRow, EmploymentRow, GroupRow, LocationRow, Row};
use crate::api::hris_connection::{CustomField, Field};

/// The rows of one model by Merge's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<T>(BTreeMap<String, Arc<T>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Row> Table<T> {
    /// Puts the rows of one read in, over those of earlier reads. A row that comes twice, as one does that changes while
    /// pages are read, is taken as it was changed last. Shell rows, which have no id, are left out.
    pub fn upsert(&mut self, rows: impl IntoIterator<Item = T>) {
        let mut read: BTreeMap<String, T> = BTreeMap::new();
        for row in rows {
            let Some(id) = row.id().map(str::to_owned) else {
                continue;
            };
            if read.get(&id).is_none_or(|other| other.changed_at() <= row.changed_at()) {
                read.insert(id, row);
            }
        }
        self.0.extend(read.into_iter().map(|(id, row)| (id, Arc::new(row))));
    }

    /// The row of this id.
    pub fn get(&self, id: &str) -> Option<&Arc<T>> {
        self.0.get(id.trim())
    }

    /// Ids and rows, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Arc<T>)> {
        self.0.iter()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The raw rows of one connection. A full read makes a new one; an incremental read puts its rows into a copy. Copies
/// share their rows.
///
/// Rows that the HR system deleted stay in, with what they last said: who still refers to one has not moved anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// The models that were read; the tables of others are empty for that reason alone.
    pub read: BTreeSet<Model>,
    /// The custom fields that were read off the people.
    pub custom_fields: Vec<CustomField>,
    /// People.
    pub employees: Table<EmployeeRow>,
    /// Positions.
    pub employments: Table<EmploymentRow>,
    /// Groups.
    pub groups: Table<GroupRow>,
    /// Places.
    pub locations: Table<LocationRow>,
    /// Companies.
    pub companies: Table<CompanyRow>,
}

/// The models that a mirror reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is Merge's model of that name")]
pub enum Model {
    Employee,
    Employment,
    Group,
    Location,
    Company,
}

impl Model {
    /// As `sync-status` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Employee => "Employee",
            Self::Employment => "Employment",
            Self::Group => "Group",
            Self::Location => "Location",
            Self::Company => "Company",
        }
    }

    /// The last part of its list's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Employee => "employees",
            Self::Employment => "employments",
            Self::Group => "groups",
            Self::Location => "locations",
            Self::Company => "companies",
        }
    }

    /// The models that these attributes come from.
    pub fn needed_for(fields: &[Field]) -> BTreeSet<Self> {
        let of_field = |field: &Field| match field {
            Field::JobTitle | Field::EmploymentType => Self::Employment,
            Field::Departments | Field::BusinessUnits | Field::Groups => Self::Group,
            Field::WorkLocation | Field::HomeLocation => Self::Location,
            Field::Company => Self::Company,
            _ => Self::Employee,
        };
        std::iter::once(Self::Employee)
            .chain(fields.iter().map(of_field))
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rows(values: Value) -> Vec<GroupRow> {
        serde_json::from_value(values).unwrap()
    }

    #[test]
    fn the_latest_of_a_read_and_the_latest_read_count_and_shells_stay_out() {
        let old = json!({"id": "g1", "name": "old", "modified_at": "2026-01-01T00:00:00Z"});
        let new = json!({"id": "g1", "name": "new", "modified_at": "2026-01-02T00:00:00Z"});
        for order in [json!([old, new]), json!([new, old])] {
            let mut table = Table::default();
            table.upsert(rows(order));
            assert_eq!(table.get("g1").unwrap().name.as_deref(), Some("new"));
            // A later read is right whatever it says of its age.
            table.upsert(rows(json!([{"id": "g1", "name": "undated"}])));
            assert_eq!(table.get("g1").unwrap().name.as_deref(), Some("undated"));
        }
        let mut table = Table::default();
        table.upsert(rows(json!([{"id": null, "name": "shell"}, {"id": " "}, {"name": "x"}])));
        assert!(table.is_empty());
    }

    #[test]
    fn a_copy_is_changed_without_its_original() {
        let mut book = Book::default();
        book.groups.upsert(rows(json!([{"id": "g1", "name": "a"}])));
        let mut copy = book.clone();
        copy.groups.upsert(rows(json!([{"id": "g1", "name": "b"}, {"id": 2}])));
        assert_eq!(book.groups.get("g1").unwrap().name.as_deref(), Some("a"));
        assert_eq!(copy.groups.len(), 2);
    }
}
