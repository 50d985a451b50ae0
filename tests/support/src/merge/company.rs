//! One company's HR data as Merge holds it, and the small edits from which every change is made.

use std::collections::{BTreeSet, HashMap};

use jiff::{Timestamp, civil::Date};

use super::names::plain;
use super::random::uuid;
use super::rows::{
    CompanyRow, EmployeeRow, EmploymentRow, GroupRow, Id, LocationRow, Meta, PayGroupRow, REMOTE_DATA_PATH, Table,
};
use super::{CANARY_DATE_OF_BIRTH, CANARY_PAY_RATE};

/// The data that a [`MergeSim`](super::MergeSim) starts with.
#[derive(Clone, Debug)]
pub struct Company {
    pub(super) seed: u64,
    ids: u64,
    remote_ids: u64,
    emails: HashMap<String, u32>,
    pub(super) employees: Table<EmployeeRow>,
    pub(super) employments: Table<EmploymentRow>,
    pub(super) groups: Table<GroupRow>,
    pub(super) locations: Table<LocationRow>,
    pub(super) companies: Table<CompanyRow>,
    pub(super) pay_groups: Table<PayGroupRow>,
}

/// A calendar date as Merge sends it: midnight UTC.
pub(super) fn midnight(date: Date) -> String {
    format!("{date}T00:00:00Z")
}

impl Company {
    /// One legal entity and nobody in it.
    pub fn empty() -> Self {
        let first_sync = "2026-06-01T00:00:00Z".parse().expect("a constant timestamp");
        Self::with_entity(0, first_sync)
    }

    pub(super) fn with_entity(seed: u64, at: Timestamp) -> Self {
        let mut company = Self {
            seed,
            ids: 0,
            remote_ids: 10_000,
            emails: HashMap::new(),
            employees: Table::default(),
            employments: Table::default(),
            groups: Table::default(),
            locations: Table::default(),
            companies: Table::default(),
            pay_groups: Table::default(),
        };
        let meta = company.meta(at);
        company.companies.push(CompanyRow {
            meta,
            legal_name: Some("Example Works, Inc.".into()),
            display_name: Some("Example Works".into()),
            eins: Some(vec!["00-0000000".into()]),
        });
        for name in ["Salaried", "Hourly"] {
            let meta = company.meta(at);
            company.pay_groups.push(PayGroupRow {
                meta,
                pay_group_name: Some(name.into()),
            });
        }
        company
    }

    /// A new row's common part, with identifiers that no other row has.
    pub(super) fn meta(&mut self, at: Timestamp) -> Meta {
        self.ids += 1;
        self.remote_ids += 1;
        Meta::new(uuid(self.seed, self.ids), self.remote_ids.to_string(), at)
    }

    /// An address at example.com that nobody had before.
    pub(super) fn fresh_email(&mut self, first: &str, last: &str) -> String {
        let base = format!("{}.{}", plain(first), plain(last));
        let count = self.emails.entry(base.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            format!("{base}@example.com")
        } else {
            format!("{base}{count}@example.com")
        }
    }

    pub(super) fn add_group(&mut self, name: &str, kind: Option<&str>, parent: Option<Id>, at: Timestamp) -> Id {
        let meta = self.meta(at);
        let id = meta.id.clone();
        self.groups.push(GroupRow {
            meta,
            parent_group: parent,
            name: Some(name.to_owned()),
            group_type: kind.map(str::to_owned),
            is_commonly_used_as_team: Some(matches!(kind, Some("TEAM" | "DEPARTMENT"))),
        });
        id
    }

    /// The group with this identifier or, failing that, this name.
    pub(super) fn group_id(&self, group: &str) -> Id {
        if self.groups.get(group).is_some() {
            return group.to_owned();
        }
        let found = self.groups.rows.iter().find(|row| row.name.as_deref() == Some(group));
        let missing = || -> Id {
            let names: Vec<_> = self.groups.rows.iter().filter_map(|row| row.name.as_deref()).collect();
            panic!("the simulator has no group {group:?}; it has {names:?}")
        };
        found.map_or_else(missing, |row| row.meta.id.clone())
    }

    /// The location with this identifier or, failing that, this name.
    pub(super) fn location_id(&self, location: &str) -> Id {
        if self.locations.get(location).is_some() {
            return location.to_owned();
        }
        let found = self
            .locations
            .rows
            .iter()
            .find(|row| row.name.as_deref() == Some(location));
        found.map_or_else(
            || panic!("the simulator has no location {location:?}"),
            |row| row.meta.id.clone(),
        )
    }

    /// What somebody in `group` lists: the group itself, the nearest department and the business unit above it.
    pub(super) fn memberships(&self, group: &str) -> Vec<Id> {
        let mut out = vec![group.to_owned()];
        let mut seen = BTreeSet::new();
        let mut has_department = false;
        let mut at = Some(group.to_owned());
        while let Some(row) = at.as_deref().and_then(|id| self.groups.get(id)) {
            if !seen.insert(row.meta.id.clone()) {
                break;
            }
            let wanted = match row.group_type.as_deref() {
                Some("DEPARTMENT") => !std::mem::replace(&mut has_department, true),
                Some("BUSINESS_UNIT") => true,
                _ => false,
            };
            if wanted && row.meta.id != group {
                out.push(row.meta.id.clone());
            }
            at.clone_from(&row.parent_group);
        }
        out
    }

    /// Puts a person into another group of the organisation; groups of other types stay.
    pub(super) fn regroup(&mut self, employee: &str, group: &str, now: Timestamp) {
        let organisation = |id: &Id| {
            let kind = self.groups.get(id).and_then(|row| row.group_type.as_deref());
            matches!(kind, Some("DEPARTMENT" | "BUSINESS_UNIT" | "TEAM"))
        };
        let present = self
            .employees
            .get(employee)
            .map(|row| row.groups.clone())
            .unwrap_or_default();
        let mut groups = self.memberships(group);
        groups.extend(present.into_iter().filter(|id| !organisation(id)));
        self.employees.change(employee, now, |row| row.groups = groups);
    }

    /// A row for a person of whom only names and identifiers are known yet. Sensitive fields hold the canaries.
    pub(super) fn add_person(&mut self, first: &str, last: &str, at: Timestamp) -> &mut EmployeeRow {
        let meta = self.meta(at);
        let id = meta.id.clone();
        let serial = meta.remote_id.clone().unwrap_or_default();
        let row = EmployeeRow {
            employee_number: Some(format!("E{serial}")),
            company: self.companies.rows.first().map(|row| row.meta.id.clone()),
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            preferred_name: None,
            display_full_name: Some(format!("{first} {last}")),
            username: None,
            groups: Vec::new(),
            work_email: None,
            personal_email: Some(format!("canary.personal.{serial}@example.net")),
            mobile_phone_number: Some(format!("+1-555-CANARY-{serial}")),
            employments: Vec::new(),
            home_location: None,
            work_location: None,
            manager: None,
            team: None,
            pay_group: self.pay_groups.rows.first().map(|row| row.meta.id.clone()),
            ssn: Some(format!("000-CANARY-SSN-{serial}")),
            gender: Some("CANARY-GENDER".into()),
            ethnicity: Some("CANARY-ETHNICITY".into()),
            marital_status: Some("CANARY-MARITAL".into()),
            date_of_birth: Some(CANARY_DATE_OF_BIRTH.into()),
            hire_date: None,
            start_date: None,
            remote_created_at: None,
            employment_status: Some("ACTIVE".into()),
            termination_date: None,
            avatar: None,
            custom_fields: None,
            organization_fields: [].into(),
            account_fields: [].into(),
            origins: [].into(),
            remote_fields: serde_json::Map::new(),
            meta,
        };
        self.employees.push(row);
        self.employees.get_mut(&id).expect("the row was just added")
    }

    /// A new position of a person, whose `employments` then lists it.
    pub(super) fn add_employment(
        &mut self,
        employee: &str,
        title: Option<&str>,
        kind: Option<&str>,
        from: Option<String>,
        at: Timestamp,
    ) -> Id {
        let meta = self.meta(at);
        let id = meta.id.clone();
        let hourly = matches!(kind, Some("CONTRACTOR" | "FREELANCE" | "INTERN"));
        self.employments.push(EmploymentRow {
            meta,
            employee: Some(employee.to_owned()),
            job_title: title.map(str::to_owned),
            pay_rate: Some(CANARY_PAY_RATE),
            pay_period: Some(if hourly { "HOUR" } else { "YEAR" }.into()),
            pay_frequency: Some("MONTHLY".into()),
            pay_currency: Some("EUR".into()),
            pay_group: self
                .pay_groups
                .rows
                .get(usize::from(hourly))
                .map(|row| row.meta.id.clone()),
            flsa_status: Some(if hourly { "NONEXEMPT" } else { "EXEMPT" }.into()),
            effective_date: from,
            employment_type: kind.map(str::to_owned),
        });
        let row = self
            .employees
            .get_mut(employee)
            .expect("a position belongs to a person");
        row.employments.push(id.clone());
        id
    }

    /// The position with the latest effective date; of equal ones the one added last.
    pub(super) fn present_employment(&self, row: &EmployeeRow) -> Option<&EmploymentRow> {
        let rows = row.employments.iter().filter_map(|id| self.employments.get(id));
        rows.max_by(|a, b| a.effective_date.cmp(&b.effective_date))
    }

    /// The `remote_data` of a person, whose entries come in no stable order, as with Merge.
    pub(super) fn remote_data(row: &EmployeeRow) -> serde_json::Value {
        let serial = row.meta.remote_id.clone().unwrap_or_default();
        let mut person = serde_json::Map::new();
        person.insert("id".into(), serial.clone().into());
        person.insert("nationalId".into(), row.ssn.clone().into());
        person.insert(
            "costCentre".into(),
            row.organization_fields.get("cost_center").cloned().into(),
        );
        person.insert(
            "badge".into(),
            serde_json::json!({"number": format!("B{serial}"), "zones": ["lobby", "office"]}),
        );
        person.extend(row.remote_fields.clone());
        let person = serde_json::json!({"path": REMOTE_DATA_PATH, "data": person});
        let jobs = serde_json::json!({"path": "/v1/jobs", "data": [{"person": serial, "salary": CANARY_PAY_RATE}]});
        let even = row.meta.modified_at.as_microsecond() % 2 == 0;
        if even {
            vec![person, jobs].into()
        } else {
            vec![jobs, person].into()
        }
    }
}
