//! A person's facts in the form in which policies compare them, made once for each version of a person.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use jiff::civil::Date;

use super::phase::calendar_date;
use crate::api::employee::{EmployeeSpec, GroupPath, Location};

/// Text as it is compared, or `None` where there is none.
pub type Text = Option<Arc<str>>;

/// The names from the root of a tree to a group, as they are compared.
pub type Path = Arc<[Arc<str>]>;

/// What selectors ask of a person.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the attribute of that name")]
pub struct Facts {
    pub departments: Box<[Path]>,
    pub business_units: Box<[Path]>,
    pub groups: Box<[Path]>,
    pub job_title: Text,
    pub employment_type: Text,
    pub employment_status: Text,
    pub company: Text,
    pub work_location: Option<Arc<Place>>,
    pub home_location: Option<Arc<Place>>,
    pub start: Start,
    /// Work email and employee number, as by [`identifier`]. Blank ones are among them, and nobody is called so.
    pub identifiers: Box<[Arc<str>]>,
}

/// A location.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the attribute of that name")]
pub struct Place {
    pub name: Text,
    pub country: Text,
    pub state: Text,
    pub city: Text,
}

/// The first day of an employment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// None is given.
    #[default]
    Missing,
    /// What is given is no calendar date.
    Unreadable,
    /// This one.
    On(Date),
}

/// The form in which text is compared.
pub fn fold(text: &str) -> String {
    text.trim().chars().flat_map(char::to_lowercase).collect()
}

/// The form in which emails and employee numbers are compared.
pub fn identifier(text: &str) -> String {
    text.trim().to_lowercase()
}

impl Facts {
    /// The facts of `spec`, with what others have as well held once, by `pool`.
    pub fn of(spec: &EmployeeSpec, pool: &mut Pool) -> Self {
        let start = match spec.start_date.as_deref().map(str::trim) {
            None | Some("") => Start::Missing,
            Some(text) => calendar_date(text).map_or(Start::Unreadable, Start::On),
        };
        Self {
            departments: pool.paths(&spec.departments),
            business_units: pool.paths(&spec.business_units),
            groups: pool.paths(&spec.groups),
            job_title: pool.text(spec.job_title.as_ref()),
            employment_type: pool.text(spec.employment_type.as_ref()),
            employment_status: pool.text(spec.employment_status.as_ref()),
            company: pool.text(spec.company.as_ref()),
            work_location: pool.place(spec.work_location.as_ref()),
            home_location: pool.place(spec.home_location.as_ref()),
            start,
            // Nobody shares these.
            identifiers: spec
                .work_email
                .iter()
                .chain(&spec.employee_number)
                .map(|text| identifier(text).into())
                .collect(),
        }
    }
}

/// The facts of one person, made when first asked for. They are no part of the person's identity, and a copy makes its
/// own, since who copies a person means to change it.
#[derive(Debug, Default)]
pub struct Folded(OnceLock<Arc<Facts>>);

impl Folded {
    /// Those facts, made now.
    pub(super) fn new(facts: Facts) -> Self {
        Self(Arc::new(facts).into())
    }

    /// The same facts, for another version of a person with the same spec.
    pub(super) fn shared(&self) -> Self {
        Self(self.0.clone())
    }

    /// The facts of `spec`, which is the same at each call.
    pub(super) fn get(&self, spec: &EmployeeSpec) -> &Facts {
        self.0.get_or_init(|| Arc::new(Facts::of(spec, &mut Pool::default())))
    }
}

impl Clone for Folded {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Folded {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Holds once what many people have: the names of departments, titles, places.
#[derive(Debug, Default)]
pub struct Pool {
    texts: HashSet<Arc<str>>,
    paths: HashSet<Path>,
    places: HashSet<Arc<Place>>,
    /// At this size it drops what nobody has any more.
    full: usize,
}

impl Pool {
    fn text(&mut self, text: Option<&String>) -> Text {
        let folded = fold(text?);
        (!folded.is_empty()).then(|| self.share(folded))
    }

    fn share(&mut self, folded: String) -> Arc<str> {
        if let Some(known) = self.texts.get(folded.as_str()) {
            return known.clone();
        }
        let shared: Arc<str> = folded.into();
        self.texts.insert(shared.clone());
        shared
    }

    fn paths(&mut self, groups: &[GroupPath]) -> Box<[Path]> {
        let path = |group: &GroupPath| {
            let names: Path = group.path.iter().map(|name| self.share(fold(name))).collect();
            once(&mut self.paths, names)
        };
        groups.iter().map(path).collect()
    }

    fn place(&mut self, location: Option<&Location>) -> Option<Arc<Place>> {
        let location = location?;
        let place = Place {
            name: self.text(location.name.as_ref()),
            country: self.text(location.country.as_ref()),
            state: self.text(location.state.as_ref()),
            city: self.text(location.city.as_ref()),
        };
        Some(once(&mut self.places, Arc::new(place)))
    }

    /// Drops what nobody has any more, each time that it has doubled since it last did.
    pub fn tidy(&mut self) {
        if self.texts.len() + self.paths.len() + self.places.len() < self.full {
            return;
        }
        // Paths and places hold texts.
        self.paths.retain(|path| Arc::strong_count(path) > 1);
        self.places.retain(|place| Arc::strong_count(place) > 1);
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.full = (2 * (self.texts.len() + self.paths.len() + self.places.len())).max(1024);
    }
}

fn once<T: Clone + Eq + Hash>(known: &mut HashSet<T>, value: T) -> T {
    if let Some(known) = known.get(&value) {
        return known.clone();
    }
    known.insert(value.clone());
    value
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(title: &str) -> EmployeeSpec {
        let facts =
            json!({"jobTitle": title, "departments": [{"path": ["Sales", "EMEA"]}], "workLocation": {"city": "Bonn"}});
        serde_json::from_value(facts).unwrap()
    }

    /// Two people of one department hold its name once, and a name that nobody has any more is forgotten.
    #[test]
    fn what_many_have_is_held_once_and_as_long_as_somebody_has_it() {
        let mut pool = Pool::default();
        let ada = Facts::of(&spec(" Engineer"), &mut pool);
        let bob = Facts::of(&spec("ENGINEER "), &mut pool);
        assert!(Arc::ptr_eq(
            ada.job_title.as_ref().unwrap(),
            bob.job_title.as_ref().unwrap()
        ));
        assert!(Arc::ptr_eq(&ada.departments[0], &bob.departments[0]));
        assert_eq!(&*ada.departments[0], ["sales".into(), "emea".into()]);
        drop(ada);
        pool.tidy();
        assert_eq!((pool.texts.len(), pool.paths.len(), pool.places.len()), (4, 1, 1));
        drop(bob);
        pool.full = 0;
        pool.tidy();
        assert_eq!((pool.texts.len(), pool.paths.len(), pool.places.len()), (0, 0, 0));
    }

    /// Who copies a person to change it gets the facts of the change.
    #[test]
    fn a_copy_makes_its_own_facts() {
        let folded = Folded::default();
        assert_eq!(folded.get(&spec("a")).job_title.as_deref(), Some("a"));
        assert_eq!(folded.clone().get(&spec("b")).job_title.as_deref(), Some("b"));
    }
}
