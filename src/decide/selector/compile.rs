//! Selectors, checked: what cannot mean what its author wants is refused in a sentence that says how to mend it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::Duration;
use crate::api::policy::{Clause, GroupKey, LocationKey, ManagerKey, TenureKey};
use crate::decide::facts::{Facts, Path, Place, fold, identifier};

/// One key of a clause; text is folded as by [`fold`].
#[derive(Clone, Debug)]
pub(super) enum Key {
    Everyone,
    Groups(Tree, Vec<GroupName>, bool),
    Title(Vec<Glob>),
    Manager(Vec<String>, Option<u32>),
    Place(Site, Vec<(Part, Vec<String>)>),
    Text(Attribute, Vec<String>),
    Custom(String, Vec<String>),
    /// In days: at least, less than.
    Tenure(Option<i64>, Option<i64>),
    People(BTreeSet<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
/// A tree of groups.
pub enum Tree {
    Departments,
    BusinessUnits,
    Groups,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    Work,
    Home,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    Name,
    Country,
    State,
    City,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    EmploymentType,
    EmploymentStatus,
    Company,
}

impl Tree {
    /// The person's paths in it.
    pub(super) fn of(self, facts: &Facts) -> &[Path] {
        match self {
            Self::Departments => &facts.departments,
            Self::BusinessUnits => &facts.business_units,
            Self::Groups => &facts.groups,
        }
    }
}

impl Site {
    /// The person's place of this sort.
    pub(super) fn of(self, facts: &Facts) -> Option<&Place> {
        match self {
            Self::Work => facts.work_location.as_deref(),
            Self::Home => facts.home_location.as_deref(),
        }
    }
}

impl Part {
    /// This part of a place.
    pub(super) fn of(self, place: &Place) -> Option<&str> {
        match self {
            Self::Name => place.name.as_deref(),
            Self::Country => place.country.as_deref(),
            Self::State => place.state.as_deref(),
            Self::City => place.city.as_deref(),
        }
    }
}

impl Attribute {
    /// The person's value.
    pub(super) fn of(self, facts: &Facts) -> Option<&str> {
        match self {
            Self::EmploymentType => facts.employment_type.as_deref(),
            Self::EmploymentStatus => facts.employment_status.as_deref(),
            Self::Company => facts.company.as_deref(),
        }
    }
}

/// A group by its name, or by a part of its path (`Sales > EMEA`).
#[derive(Clone, Debug)]
pub(super) struct GroupName {
    whole: String,
    parts: Vec<String>,
}

pub(super) fn keys(clause: &Clause) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    match clause.everyone {
        Some(true) => keys.push(Key::Everyone),
        Some(false) => return Err("everyone can only be true: leave it out".to_owned()),
        None => {}
    }
    if !clause.employees.is_empty() {
        let people = values("employees", &clause.employees)?;
        keys.push(Key::People(people.into_iter().map(identifier).collect()));
    }
    for (name, attribute, texts) in [
        ("employmentType", Attribute::EmploymentType, &clause.employment_type),
        (
            "employmentStatus",
            Attribute::EmploymentStatus,
            &clause.employment_status,
        ),
        ("company", Attribute::Company, &clause.company),
    ] {
        if !texts.is_empty() {
            keys.push(Key::Text(attribute, folded(name, texts)?));
        }
    }
    for (name, tree, key) in [
        ("department", Tree::Departments, &clause.department),
        ("businessUnit", Tree::BusinessUnits, &clause.business_unit),
        ("group", Tree::Groups, &clause.group),
    ] {
        if let Some(key) = key {
            keys.push(Key::Groups(tree, group_names(name, key)?, key.exact));
        }
    }
    for (name, site, key) in [
        ("workLocation", Site::Work, &clause.work_location),
        ("homeLocation", Site::Home, &clause.home_location),
    ] {
        if let Some(key) = key {
            keys.push(Key::Place(site, parts(name, key)?));
        }
    }
    for (place, key) in clause.custom_fields.iter().enumerate() {
        let name = key.name.trim();
        if name.is_empty() {
            return Err(format!(
                "customFields[{place}] has no name: name a custom field of the connection"
            ));
        }
        let texts = folded(&format!("customFields[{place}].in"), &key.any)?;
        keys.push(Key::Custom(name.to_owned(), texts));
    }
    if !clause.job_title.is_empty() {
        let globs = folded("jobTitle", &clause.job_title)?;
        keys.push(Key::Title(globs.iter().map(|glob| Glob::new(glob)).collect()));
    }
    if let Some(key) = &clause.tenure {
        keys.push(tenure(key)?);
    }
    if let Some(key) = &clause.manager {
        keys.push(manager(key)?);
    }
    Ok(keys)
}

/// The values of a key, none of them blank: a blank value would match what is missing, or nothing, and nobody means it.
fn values<'a>(name: &str, texts: &'a [String]) -> Result<Vec<&'a str>, String> {
    if texts.is_empty() {
        return Err(format!("{name} has no value: name at least one, or leave the key out"));
    }
    if texts.iter().any(|text| text.trim().is_empty()) {
        return Err(format!("{name} has an empty value: leave that value out"));
    }
    Ok(texts.iter().map(String::as_str).collect())
}

fn folded(name: &str, texts: &[String]) -> Result<Vec<String>, String> {
    Ok(values(name, texts)?.into_iter().map(fold).collect())
}

fn group_names(name: &str, key: &GroupKey) -> Result<Vec<GroupName>, String> {
    let name = format!("{name}.in");
    values(&name, &key.any)?
        .into_iter()
        .map(|text| {
            let parts: Vec<String> = text.trim().split(" > ").map(fold).collect();
            if parts.iter().any(String::is_empty) {
                return Err(format!(
                    "{name} has {text:?}, a path with an empty name: write it as Sales > EMEA"
                ));
            }
            let whole = fold(text);
            Ok(GroupName { whole, parts })
        })
        .collect()
}

fn parts(name: &str, key: &LocationKey) -> Result<Vec<(Part, Vec<String>)>, String> {
    let mut parts = Vec::new();
    for (sub, part, texts) in [
        ("name", Part::Name, &key.name),
        ("country", Part::Country, &key.country),
        ("state", Part::State, &key.state),
        ("city", Part::City, &key.city),
    ] {
        if !texts.is_empty() {
            parts.push((part, folded(&format!("{name}.{sub}"), texts)?));
        }
    }
    if parts.is_empty() {
        return Err(format!(
            "{name} has no key: name at least one of name, country, state and city"
        ));
    }
    Ok(parts)
}

fn tenure(key: &TenureKey) -> Result<Key, String> {
    let days = |name: &str, duration: &Option<Duration>| {
        let Some(duration) = duration else { return Ok(None) };
        let seconds = duration.get().map(|length| length.as_secs());
        match seconds {
            Some(seconds) if seconds % 86_400 == 0 => Ok(i64::try_from(seconds / 86_400).ok()),
            _ => Err(format!(
                "tenure.{name} is {:?}: say a whole number of days, such as 90d",
                duration.as_str()
            )),
        }
    };
    match (days("atLeast", &key.at_least)?, days("lessThan", &key.less_than)?) {
        (None, None) => Err("tenure has no key: name atLeast, lessThan or both".to_owned()),
        (at_least, less_than) => Ok(Key::Tenure(at_least, less_than)),
    }
}

fn manager(key: &ManagerKey) -> Result<Key, String> {
    if key.depth == Some(0) {
        return Err("manager.depth is 0: say at least 1, or leave it out for any depth".to_owned());
    }
    let under = values("manager.under", &key.under)?.into_iter().map(identifier);
    Ok(Key::Manager(under.collect(), key.depth))
}

impl GroupName {
    /// Whether the group is on `path`, or at its end where `exact`.
    pub(super) fn is_on(&self, path: &[Arc<str>], exact: bool) -> bool {
        let ends_at = |end: usize| {
            let by_name = end > 0 && *path[end - 1] == *self.whole;
            by_name
                || end.checked_sub(self.parts.len()).is_some_and(|from| {
                    let names = self.parts.iter().zip(&path[from..end]);
                    names.into_iter().all(|(part, name)| **name == **part)
                })
        };
        if exact {
            ends_at(path.len())
        } else {
            (1..=path.len()).any(ends_at)
        }
    }

    /// Names of which one is on every path that the group is on.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &String> {
        self.parts.last().into_iter().chain([&self.whole])
    }
}

/// A pattern: `*` stands for any text, `?` for one character, the rest for itself.
#[derive(Clone, Debug)]
pub(in crate::decide) struct Glob {
    /// What stands before the first star; all of it where there is none.
    head: String,
    /// What stands between two stars.
    middle: Vec<String>,
    /// What stands after the last star, if there is one.
    tail: Option<String>,
    /// The pattern itself, where it has a question mark, which takes another way.
    general: Option<Vec<char>>,
}

impl Glob {
    pub(in crate::decide) fn new(pattern: &str) -> Self {
        let mut parts = pattern.split('*').map(str::to_owned);
        let head = parts.next().unwrap_or_default();
        let mut middle: Vec<String> = parts.collect();
        let tail = middle.pop();
        middle.retain(|part| !part.is_empty());
        Self {
            head,
            middle,
            tail,
            general: pattern.contains('?').then(|| pattern.chars().collect()),
        }
    }

    /// Whether it matches all of `text`, in at most the product of the two lengths.
    pub(in crate::decide) fn matches(&self, text: &str) -> bool {
        if let Some(pattern) = &self.general {
            let text: Vec<char> = text.chars().collect();
            return glob_matches(pattern, &text);
        }
        let Some(tail) = &self.tail else {
            return text == self.head;
        };
        let Some(rest) = text.strip_prefix(self.head.as_str()) else {
            return false;
        };
        let Some(mut rest) = rest.strip_suffix(tail.as_str()) else {
            return false;
        };
        // The first place for each part leaves the most room for those after it.
        self.middle.iter().all(|part| {
            let found = rest.find(part.as_str());
            rest = found.map_or("", |at| &rest[at + part.len()..]);
            found.is_some()
        })
    }
}

/// Whether `glob` matches all of `text`; `*` stands for any text, `?` for one character, the rest for itself. It
/// takes at most the product of the two lengths, so that no pattern can hold up the rest.
fn glob_matches(glob: &[char], text: &[char]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g + 1, t));
                g += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    g = after;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// I10: a pattern of many stars takes no longer than its length times the title's.
    #[test]
    fn a_hostile_glob_ends() {
        let stars = "*a".repeat(10_000);
        let title = "a".repeat(256);
        assert!(!Glob::new(&format!("{stars}b")).matches(&title));
        assert!(!Glob::new(&format!("?{stars}b")).matches(&title));
        assert!(Glob::new("**").matches(""));
        assert!(!Glob::new("?").matches(""));
    }

    proptest! {
        /// The fast way and the general one agree.
        #[test]
        fn a_glob_in_parts_matches_what_it_matches_whole(pattern in "[abä*?]{0,7}", text in "[abä]{0,7}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let whole = glob_matches(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Glob::new(&pattern).matches(&text), whole);
        }
    }
}
