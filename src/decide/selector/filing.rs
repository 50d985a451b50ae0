//! Under which values a selector can be filed, so that most policies need not be asked about a person at all.

use super::Compiled;
use super::compile::{Attribute, Key, Part, Site, Tree};
use crate::decide::facts::Facts;

/// An attribute by whose values policies are filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// What people are called, as by [`identifier`](crate::decide::facts::identifier).
    Person,
    /// A name on a path.
    Groups(Tree),
    /// A part of a place.
    Place(Site, Part),
    /// One value.
    Text(Attribute),
}

impl Field {
    /// Calls `found` with each value of the attribute.
    pub fn each_value<'a>(self, facts: &'a Facts, mut found: impl FnMut(&'a str)) {
        match self {
            Self::Person => facts.identifiers.iter().for_each(|name| found(name)),
            Self::Groups(tree) => {
                tree.of(facts)
                    .iter()
                    .flat_map(|path| path.iter())
                    .for_each(|name| found(name));
            }
            Self::Place(site, part) => {
                if let Some(value) = site.of(facts).and_then(|place| part.of(place)) {
                    found(value);
                }
            }
            Self::Text(attribute) => {
                if let Some(value) = attribute.of(facts) {
                    found(value);
                }
            }
        }
    }
}

impl Compiled {
    /// Values of which a person must have one, for the selector to match or not to be told, now or at any other time;
    /// provided that nothing of the person is unconfirmed. `None` where there are no such values.
    pub fn filed_under(&self) -> Option<Vec<(Field, &str)>> {
        if let Some(values) = narrowest(&self.all) {
            return Some(values);
        }
        if self.any_of.is_empty() {
            return None;
        }
        let clauses: Option<Vec<_>> = self.any_of.iter().map(|clause| narrowest(clause)).collect();
        clauses.map(|clauses| clauses.concat())
    }
}

/// The values of the key that the fewest people are likely to have one of.
fn narrowest(keys: &[Key]) -> Option<Vec<(Field, &str)>> {
    // In the order of the fields.
    keys.iter()
        .filter_map(values)
        .min_by_key(|values| values.first().map(|(field, _)| *field))
}

fn values(key: &Key) -> Option<Vec<(Field, &str)>> {
    match key {
        Key::People(people) => Some(people.iter().map(|name| (Field::Person, name.as_str())).collect()),
        Key::Groups(tree, names, _) => {
            let names = names.iter().flat_map(|name| name.tokens());
            Some(names.map(|name| (Field::Groups(*tree), name.as_str())).collect())
        }
        Key::Place(site, parts) => {
            let (part, texts) = parts.first()?;
            let field = Field::Place(*site, *part);
            Some(texts.iter().map(|text| (field, text.as_str())).collect())
        }
        Key::Text(attribute, texts) => {
            let field = Field::Text(*attribute);
            Some(texts.iter().map(|text| (field, text.as_str())).collect())
        }
        // Of these a person's own attributes do not tell enough.
        Key::Everyone | Key::Title(_) | Key::Manager(..) | Key::Tenure(..) | Key::Custom(..) => None,
    }
}
