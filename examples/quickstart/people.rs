//! Who should hold what, worked out from the HR system's rows alone and not from anything that Rollcall says. The
//! story is held against it.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rollcall_support::merge::{GroupRow, MergeSim, Person};

use crate::Result;

/// The SCIM groups of the story.
pub const GROUPS: [&str; 4] = ["Everyone", "Engineering", "Sales", "Managers"];

/// What the policies of the moment say, in Rust.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The department that the policy `engineering` names.
    pub engineering: &'static str,
    /// Whether the policy `managers` is in mode Enforce.
    pub managers: bool,
}

impl Rules {
    /// As `policies.yaml` has them.
    pub const AS_APPLIED: Self = Self {
        engineering: "Engineering",
        managers: false,
    };
}

/// The company as the HR system has it.
pub struct Staff {
    people: Vec<Somebody>,
    groups: Vec<GroupRow>,
    today: Date,
}

/// A person, and what the directory calls them: the address at work, else the user name.
pub struct Somebody {
    pub person: Person,
    pub login: Option<String>,
}

impl Staff {
    pub fn of(merge: &MergeSim) -> Result<Self> {
        let known = |person: Person| Somebody {
            login: person
                .work_email
                .clone()
                .or_else(|| merge.row(&person.id).username)
                .map(|login| login.to_lowercase()),
            person,
        };
        Ok(Self {
            people: merge.people().into_iter().map(known).collect(),
            groups: merge.groups(),
            today: today()?,
        })
    }

    /// People at work today.
    pub fn at_work(&self) -> impl Iterator<Item = &Somebody> {
        self.people.iter().filter(|Somebody { person, .. }| {
            let day = |text: &Option<String>| text.as_deref().and_then(|text| text.get(..10)?.parse::<Date>().ok());
            let started = day(&person.start_date).is_none_or(|day| day <= self.today);
            let gone = day(&person.termination_date).is_some_and(|day| day < self.today);
            person.status.as_deref() == Some("ACTIVE") && !person.deleted && started && !gone
        })
    }

    /// Whether a person is in a department, or below it.
    pub fn is_in(&self, person: &Person, department: &str) -> bool {
        person.groups.iter().any(|id| {
            let mut at = Some(id);
            while let Some(row) = self.groups.iter().find(|row| Some(&row.meta.id) == at) {
                if row.name.as_deref() == Some(department) {
                    return true;
                }
                at = row.parent_group.as_ref();
            }
            false
        })
    }

    /// The logins of those who should be in a group of the directory.
    pub fn members(&self, group: &str, rules: Rules) -> BTreeSet<String> {
        let wanted = |person: &Person| match group {
            "Everyone" => is_employed(person),
            "Engineering" => is_employed(person) && self.is_in(person, rules.engineering),
            "Sales" => self.is_in(person, "Sales"),
            "Managers" => rules.managers && leads(person),
            _ => false,
        };
        self.at_work()
            .filter(|somebody| wanted(&somebody.person))
            .filter_map(|somebody| somebody.login.clone())
            .collect()
    }

    /// The addresses of those who should be able to look at the namespace. Without an address nobody has a name there.
    pub fn viewers(&self) -> BTreeSet<String> {
        self.at_work()
            .filter(|somebody| self.is_in(&somebody.person, "Platform"))
            .filter_map(|somebody| somebody.person.work_email.as_deref().map(str::to_lowercase))
            .collect()
    }

    /// Who is to leave in the story: the first in the alphabet of those who hold the most, so that all of it must go.
    pub fn leaver(&self) -> Option<&Somebody> {
        let holds_most = |somebody: &&Somebody| {
            let Somebody { person, .. } = somebody;
            is_employed(person) && !leads(person) && person.work_email.is_some() && self.is_in(person, "Platform")
        };
        self.at_work().filter(holds_most).min_by_key(|somebody| &somebody.login)
    }
}

fn is_employed(person: &Person) -> bool {
    !matches!(person.employment_type.as_deref(), Some("CONTRACTOR" | "FREELANCE"))
}

fn leads(person: &Person) -> bool {
    let title = person.title.as_deref().unwrap_or_default();
    ["Engineering Manager", "Director of ", "Head of ", "VP of ", "Chief "]
        .iter()
        .any(|start| title.starts_with(start))
}

/// Today where the connection's last days end.
pub fn today() -> Result<Date> {
    let zone = TimeZone::get("Europe/Berlin")?;
    Ok(jiff::Timestamp::now().to_zoned(zone).date())
}
