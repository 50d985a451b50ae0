//! Whom a policy is for, in three values: what cannot be told is neither a match nor a mismatch.

mod compile;
mod tri;

use std::collections::BTreeSet;

use jiff::{Span, Timestamp};

use self::compile::{Attribute, GroupName, Key, Part, Site, Tree, glob_matches, keys, present, same};
pub use self::tri::{Match, Tri};
use super::index::{Namespace, Person};
use super::phase::{Zone, calendar_date};
use crate::api::employee::{GroupPath, Location};
use crate::api::policy::{Clause, Selector};

/// A selector, checked and ready to be asked.
#[derive(Clone, Debug)]
pub struct Compiled {
    all: Vec<Key>,
    any_of: Vec<Vec<Key>>,
    not: Vec<Vec<Key>>,
}

impl Compiled {
    /// Checks a selector. The error is a sentence for a person: what is wrong, and how to mend it.
    pub fn new(selector: &Selector) -> Result<Self, String> {
        let clauses = |name: &str, clauses: &[Clause]| {
            let compiled = clauses.iter().enumerate().map(|(place, clause)| {
                let keys = keys(clause).map_err(|error| format!("selector.{name}[{place}].{error}"))?;
                if keys.is_empty() {
                    return Err(format!("selector.{name}[{place}] has no key: leave it out"));
                }
                Ok(keys)
            });
            compiled.collect::<Result<Vec<_>, _>>()
        };
        let compiled = Self {
            all: keys(&selector.all).map_err(|error| format!("selector.{error}"))?,
            any_of: clauses("anyOf", &selector.any_of)?,
            not: clauses("not", &selector.not)?,
        };
        // Nothing would be true of everybody: a slip must not give access to the whole company.
        if compiled.all.is_empty() && compiled.any_of.is_empty() {
            return Err("selector has no key besides not: to match every employee say everyone: true".to_owned());
        }
        Ok(compiled)
    }

    /// Whether it matches `person` at `now`. Days are counted in `zone`.
    pub fn matches(&self, namespace: &Namespace, person: &Person, now: Timestamp, zone: &Zone) -> Match {
        let scene = Scene {
            namespace,
            person,
            now,
            zone,
        };
        let mut result = scene.all(&self.all);
        if result.tri != Tri::False && !self.any_of.is_empty() {
            result = result.and(Match::any(self.any_of.iter().map(|clause| scene.all(clause))));
        }
        if result.tri != Tri::False && !self.not.is_empty() {
            result = result.and(Match::any(self.not.iter().map(|clause| scene.all(clause))).not());
        }
        result
    }

    /// The next instant after `now` at which time alone changes the answer, and the answer then. Only tenure depends
    /// on time.
    pub fn next_change(
        &self,
        namespace: &Namespace,
        person: &Person,
        now: Timestamp,
        zone: &Zone,
    ) -> Option<(Timestamp, Tri)> {
        let keys = self.all.iter().chain(self.any_of.iter().chain(&self.not).flatten());
        let mut days: BTreeSet<i64> = BTreeSet::new();
        for key in keys {
            if let Key::Tenure(at_least, less_than) = key {
                days.extend(at_least.iter().chain(less_than));
            }
        }
        if days.is_empty() {
            return None;
        }
        let start = calendar_date(person.spec.start_date.as_deref()?)?;
        let today = self.matches(namespace, person, now, zone).tri;
        days.into_iter()
            .filter_map(|days| {
                let span = Span::new().try_days(days).ok()?;
                zone.start_of(start.checked_add(span).ok()?)
            })
            .filter(|instant| *instant > now)
            .map(|instant| (instant, self.matches(namespace, person, instant, zone).tri))
            .find(|(_, tri)| *tri != today)
    }
}

/// A person at an instant, among the others.
struct Scene<'a> {
    namespace: &'a Namespace,
    person: &'a Person,
    now: Timestamp,
    zone: &'a Zone,
}

impl Scene<'_> {
    fn all(&self, keys: &[Key]) -> Match {
        Match::all(keys.iter().map(|key| self.key(key)))
    }

    fn key(&self, key: &Key) -> Match {
        match key {
            Key::Everyone => Match::of(Tri::True),
            Key::Groups(tree, names, exact) => self.groups(*tree, names, *exact),
            Key::Title(globs) => self.text("jobTitle", self.person.spec.job_title.as_ref(), |title| {
                let title: Vec<char> = title.chars().flat_map(char::to_lowercase).collect();
                globs.iter().any(|glob| glob_matches(glob, &title))
            }),
            Key::Manager(under, depth) => self.below(under, *depth),
            Key::Place(site, parts) => self.place(*site, parts),
            Key::Text(attribute, texts) => {
                let spec = &self.person.spec;
                let (name, value) = match attribute {
                    Attribute::EmploymentType => ("employmentType", &spec.employment_type),
                    Attribute::EmploymentStatus => ("employmentStatus", &spec.employment_status),
                    Attribute::Company => ("company", &spec.company),
                };
                self.text(name, value.as_ref(), |value| texts.iter().any(|text| same(text, value)))
            }
            Key::Tenure(at_least, less_than) => self.tenure(*at_least, *less_than),
            Key::People(people) => {
                if self.person.identifiers().any(|name| people.contains(&name)) {
                    return Match::of(Tri::True);
                }
                let spec = &self.person.spec;
                self.missing("workEmail", present(spec.work_email.as_ref()).is_none())
                    .or(self.missing("employeeNumber", present(spec.employee_number.as_ref()).is_none()))
            }
        }
    }

    /// The answer for an attribute that gives no match: unknown where it is gone and that is not confirmed.
    fn missing(&self, name: &str, gone: bool) -> Match {
        if gone && unconfirmed(self.person, name) {
            Match::unknown(format!(
                "{name} had a value and has none now, which is not confirmed yet"
            ))
        } else {
            Match::of(Tri::False)
        }
    }

    fn text(&self, name: &str, value: Option<&String>, matches: impl Fn(&str) -> bool) -> Match {
        match present(value) {
            Some(value) => Match::of(matches(value).into()),
            None => self.missing(name, true),
        }
    }

    fn groups(&self, tree: Tree, names: &[GroupName], exact: bool) -> Match {
        let spec = &self.person.spec;
        let (name, paths): (_, &[GroupPath]) = match tree {
            Tree::Departments => ("departments", &spec.departments),
            Tree::BusinessUnits => ("businessUnits", &spec.business_units),
            Tree::Groups => ("groups", &spec.groups),
        };
        let found = paths
            .iter()
            .any(|group| names.iter().any(|name| name.is_on(&group.path, exact)));
        // A list of which a part is gone may have lost the group that would match.
        if found {
            Match::of(Tri::True)
        } else {
            self.missing(name, true)
        }
    }

    fn place(&self, site: Site, parts: &[(Part, Vec<String>)]) -> Match {
        let (name, location) = match site {
            Site::Work => ("workLocation", &self.person.spec.work_location),
            Site::Home => ("homeLocation", &self.person.spec.home_location),
        };
        let part_of = |location: &Location, part: Part| match part {
            Part::Name => location.name.clone(),
            Part::Country => location.country.clone(),
            Part::State => location.state.clone(),
            Part::City => location.city.clone(),
        };
        Match::all(parts.iter().map(|(part, texts)| {
            let value = location.as_ref().and_then(|location| part_of(location, *part));
            self.text(name, value.as_ref(), |value| texts.iter().any(|text| same(text, value)))
        }))
    }

    fn tenure(&self, at_least: Option<i64>, less_than: Option<i64>) -> Match {
        let Some(text) = present(self.person.spec.start_date.as_ref()) else {
            return self.missing("startDate", true);
        };
        let today = self.zone.date_at(self.now);
        let days = calendar_date(text).and_then(|start| start.until(today).ok());
        let Some(days) = days.map(|span| i64::from(span.get_days())) else {
            return Match::unknown(format!("startDate {text:?} is no calendar date"));
        };
        let enough = at_least.is_none_or(|least| days >= least);
        let early = less_than.is_none_or(|most| days < most);
        Match::of((enough && early).into())
    }

    /// Whether one of the managers called so is in the person's chain, at most `depth` steps up.
    fn below(&self, under: &[String], depth: Option<u32>) -> Match {
        let mut managers = BTreeSet::new();
        let mut doubt = None;
        for called in under {
            let mut people = self.namespace.people_called(called).peekable();
            if people.peek().is_none() {
                doubt = Some(format!("manager.under names {called}, whom no Employee is called"));
            }
            managers.extend(people.map(|person| person.name.as_str()));
        }
        let mut seen = BTreeSet::from([self.person.name.as_str()]);
        let mut at = self.person;
        let mut steps = 0;
        while depth.is_none_or(|depth| steps < depth) {
            let Some(manager) = &at.spec.manager_ref else {
                if unconfirmed(at, "managerRef") {
                    doubt = Some(format!(
                        "managerRef of {} had a value and has none now, which is not confirmed yet",
                        at.name
                    ));
                }
                break;
            };
            if !seen.insert(&manager.name) {
                break;
            }
            if managers.contains(manager.name.as_str()) {
                return Match::of(Tri::True);
            }
            let Some(next) = self.namespace.employees.get(&manager.name) else {
                doubt = Some(format!(
                    "the manager of {} is {}, which is not there",
                    at.name, manager.name
                ));
                break;
            };
            at = next;
            steps = steps.saturating_add(1);
        }
        match doubt {
            Some(why) => Match::unknown(why),
            None => Match::of(Tri::False),
        }
    }
}

fn unconfirmed(person: &Person, name: &str) -> bool {
    let source = person.spec.source.as_ref();
    source.is_some_and(|source| source.unconfirmed.iter().any(|attribute| attribute == name))
}
