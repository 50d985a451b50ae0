//! Whom a policy is for, in three values: what cannot be told is neither a match nor a mismatch.

mod compile;
mod explain;
mod filing;
mod tri;

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{Span, Timestamp, ToSpan};

use self::compile::{Attribute, Glob, GroupName, Key, Part, Site, Tree, keys};
pub use self::explain::{ClauseView, KeyView, SelectorView, explain};
pub use self::filing::Field;
pub use self::tri::{Match, Tri};
use super::custom_field::{CustomField, custom_field};
use super::expression::{Expression, Schema};
use super::facts::{Facts, Start, fold};
use super::index::{Namespace, Person, Rung};
use super::phase::{Zone, is_unconfirmed};
use crate::api::policy::{Clause, Selector};

/// Whether `pattern` matches all of `text`: `*` stands for any text, `?` for one character, the rest for itself. It takes at
/// most the product of the two lengths.
pub fn matches_glob(pattern: &str, text: &str) -> bool {
    Glob::new(pattern).matches(text)
}

/// A selector, checked and ready to be asked.
#[derive(Clone, Debug)]
pub struct Compiled {
    all: Vec<Key>,
    any_of: Vec<Vec<Key>>,
    not: Vec<Vec<Key>>,
    expression: Option<Expression>,
}

impl Compiled {
    /// Checks a selector where any custom field may be named; see [`Self::with_schema`].
    pub fn new(selector: &Selector) -> Result<Self, String> {
        Self::with_schema(selector, &Schema::default())
    }

    /// Checks a selector, and its expression against `schema`. The error is a sentence for a person: what is wrong, and
    /// how to mend it.
    pub fn with_schema(selector: &Selector, schema: &Schema) -> Result<Self, String> {
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
            expression: match &selector.expression {
                Some(source) => Some(
                    Expression::compile(source, schema).map_err(|error| match error.position {
                        Some(_) => format!("selector.expression, {error}"),
                        None => format!("selector.expression: {error}"),
                    })?,
                ),
                None => None,
            },
        };
        // Nothing would be true of everybody: a slip must not give access to the whole company.
        if compiled.all.is_empty() && compiled.any_of.is_empty() && compiled.expression.is_none() {
            return Err("selector has no key besides not: to match every employee say everyone: true".to_owned());
        }
        Ok(compiled)
    }

    /// Whether it matches `person` at `now`. Days are counted in `zone`.
    pub fn matches(&self, namespace: &Namespace, person: &Person, now: Timestamp, zone: &Zone) -> Match {
        let scene = Scene {
            namespace,
            person,
            facts: person.facts(),
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
        // Last, as it costs the most.
        if let Some(expression) = self.expression.as_ref().filter(|_| result.tri != Tri::False) {
            result = result.and(expression.matches(&person.spec));
        }
        result
    }

    /// The managers whom it names, as by [`identifier`](super::facts::identifier): whether somebody is called so decides
    /// about everybody.
    pub fn managers(&self) -> impl Iterator<Item = &str> {
        let keys = self.all.iter().chain(self.any_of.iter().chain(&self.not).flatten());
        let under = keys.filter_map(|key| match key {
            Key::Manager(under, _) => Some(under),
            _ => None,
        });
        under.flatten().map(String::as_str)
    }

    /// Whether it asks for how long people have been there.
    pub fn has_tenure(&self) -> bool {
        let mut keys = self.all.iter().chain(self.any_of.iter().chain(&self.not).flatten());
        keys.any(|key| matches!(key, Key::Tenure(..)))
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
        let Start::On(start) = person.facts().start else {
            return None;
        };
        let today = self.matches(namespace, person, now, zone).tri;
        days.into_iter()
            .filter_map(|days| {
                let span = Span::new().try_days(days).ok()?;
                start.checked_add(span).ok()
            })
            // In a zone that is a guess the answer is unknown from the first to the last beginning of that day.
            .flat_map(|day| [zone.first_start_of(day), zone.start_of(day)])
            .flatten()
            .filter(|instant| *instant > now)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|instant| (instant, self.matches(namespace, person, instant, zone).tri))
            .find(|(_, tri)| *tri != today)
    }
}

/// A person at an instant, among the others.
struct Scene<'a> {
    namespace: &'a Namespace,
    person: &'a Person,
    facts: &'a Facts,
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
            Key::Title(globs) => self.text("jobTitle", self.facts.job_title.as_deref(), |title| {
                globs.iter().any(|glob| glob.matches(title))
            }),
            Key::Manager(under, depth) => self.below(under, *depth),
            Key::Place(site, parts) => self.place(*site, parts),
            Key::Text(attribute, texts) => {
                let name = match attribute {
                    Attribute::EmploymentType => "employmentType",
                    Attribute::EmploymentStatus => "employmentStatus",
                    Attribute::Company => "company",
                };
                self.text(name, attribute.of(self.facts), |value| {
                    texts.iter().any(|text| text == value)
                })
            }
            Key::Custom(name, texts) => match custom_field(&self.person.spec, name) {
                CustomField::Value(value) => Match::of(texts.contains(&fold(value)).into()),
                CustomField::Absent => Match::of(Tri::False),
                CustomField::Unknown(why) => Match::unknown(why),
            },
            Key::Tenure(at_least, less_than) => self.tenure(*at_least, *less_than),
            Key::People(people) => {
                if self.facts.identifiers.iter().any(|name| people.contains(&**name)) {
                    return Match::of(Tri::True);
                }
                nameless(self.person).map_or(Match::of(Tri::False), Match::unknown)
            }
        }
    }

    /// The answer for an attribute that gives no match: unknown where it is gone and that is not confirmed.
    fn missing(&self, name: &str) -> Match {
        if is_unconfirmed(&self.person.spec, name) {
            Match::unknown(format!(
                "{name} had a value and has none now, which is not confirmed yet"
            ))
        } else {
            Match::of(Tri::False)
        }
    }

    fn text(&self, name: &str, value: Option<&str>, matches: impl Fn(&str) -> bool) -> Match {
        match value {
            Some(value) => Match::of(matches(value).into()),
            None => self.missing(name),
        }
    }

    fn groups(&self, tree: Tree, names: &[GroupName], exact: bool) -> Match {
        let name = match tree {
            Tree::Departments => "departments",
            Tree::BusinessUnits => "businessUnits",
            Tree::Groups => "groups",
        };
        let paths = tree.of(self.facts);
        let found = paths
            .iter()
            .any(|path| names.iter().any(|name| name.is_on(path, exact)));
        // A list of which a part is gone may have lost the group that would match.
        if found {
            Match::of(Tri::True)
        } else {
            self.missing(name)
        }
    }

    fn place(&self, site: Site, parts: &[(Part, Vec<String>)]) -> Match {
        let name = match site {
            Site::Work => "workLocation",
            Site::Home => "homeLocation",
        };
        let place = site.of(self.facts);
        Match::all(parts.iter().map(|(part, texts)| {
            let value = place.and_then(|place| part.of(place));
            self.text(name, value, |value| texts.iter().any(|text| text == value))
        }))
    }

    fn tenure(&self, at_least: Option<i64>, less_than: Option<i64>) -> Match {
        let start = match self.facts.start {
            Start::Missing => return self.missing("startDate"),
            Start::Unreadable => {
                let text = self.person.spec.start_date.as_deref().unwrap_or_default().trim();
                return Match::unknown(format!("startDate {text:?} is no calendar date"));
            }
            Start::On(start) => start,
        };
        let within = |today: Date| {
            let days = i64::from(start.until(today).ok()?.get_days());
            Some(at_least.is_none_or(|least| days >= least) && less_than.is_none_or(|most| days < most))
        };
        let (first, last) = self.zone.dates_at(self.now);
        let Some(answer) = within(first) else {
            return Match::unknown(format!("startDate {start} is too far from today"));
        };
        // Where it is not the same day everywhere, a zone that is a guess decides nothing.
        if first
            .series(1.day())
            .take_while(|date| *date <= last)
            .any(|date| within(date) != Some(answer))
        {
            return Match::unknown("the time zone is not known, and today it makes a difference".to_owned());
        }
        Match::of(answer.into())
    }

    /// Whether one of the managers called so is in the person's chain, at most `depth` steps up.
    fn below(&self, under: &[String], depth: Option<u32>) -> Match {
        let mut doubt = None;
        for called in under {
            if self.namespace.people_called(called).next().is_none() {
                doubt = Some(format!("manager.under names {called}, whom no Employee is called"));
            }
        }
        let depth = depth.map_or(usize::MAX, |depth| depth as usize);
        for rung in self.namespace.chain(self.person).take(depth) {
            match rung {
                Rung::Lost(why) => doubt = Some(why),
                Rung::Manager(manager) => {
                    let mut names = manager.facts().identifiers.iter();
                    if names.any(|name| under.iter().any(|called| **called == **name)) {
                        return Match::of(Tri::True);
                    }
                    // Whoever lost the name that a policy calls them by may be the one that it means.
                    if let Some(why) = nameless(manager) {
                        doubt = Some(why);
                    }
                }
            }
        }
        match doubt {
            Some(why) => Match::unknown(why),
            None => Match::of(Tri::False),
        }
    }
}

/// Why it cannot be told what a person is called, where it cannot.
pub(super) fn nameless(person: &Person) -> Option<String> {
    let spec = &person.spec;
    [
        ("workEmail", &spec.work_email),
        ("employeeNumber", &spec.employee_number),
    ]
    .into_iter()
    .find(|(name, value)| value.as_deref().is_none_or(|text| text.trim().is_empty()) && is_unconfirmed(spec, name))
    .map(|(name, _)| {
        let who = &person.name;
        format!("{name} of {who} had a value and has none now, which is not confirmed yet")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::Tri::{False, True, Unknown};
    use super::*;
    use crate::api::Employee;
    use crate::decide::index::Indexed;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn noon() -> Timestamp {
        at("2026-06-15T12:00:00Z")
    }

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").unwrap()
    }

    fn compiled(selector: &Value) -> Result<Compiled, String> {
        Compiled::new(&serde_json::from_value(selector.clone()).unwrap())
    }

    /// `ceo` over `vp` over `lead` over `dev`; `ada` and `bob` manage each other; `twin1` and `twin2` share an email;
    /// the manager of `lost` is not there; that of `blank` is gone and not confirmed to be, as is the email of `noname`.
    fn company() -> Namespace {
        let mut namespace = Namespace::default();
        let people = json!({
            "ceo": {"workEmail": "ceo@x.io", "employeeNumber": "1"},
            "vp": {"workEmail": "vp@x.io", "managerRef": {"name": "ceo"}},
            "lead": {"workEmail": "lead@x.io", "managerRef": {"name": "vp"}},
            "dev": {"workEmail": "dev@x.io", "employeeNumber": "E-77", "managerRef": {"name": "lead"}},
            "ada": {"workEmail": "ada@x.io", "managerRef": {"name": "bob"}},
            "bob": {"workEmail": "bob@x.io", "managerRef": {"name": "ada"}},
            "self": {"workEmail": "self@x.io", "managerRef": {"name": "self"}},
            "twin1": {"workEmail": "twin@x.io"},
            "twin2": {"workEmail": "twin@x.io"},
            "under1": {"managerRef": {"name": "twin1"}},
            "under2": {"managerRef": {"name": "twin2"}},
            "lost": {"workEmail": "lost@x.io", "managerRef": {"name": "nobody"}},
            "underlost": {"managerRef": {"name": "lost"}},
            "blank": {"workEmail": "blank@x.io", "source": {"state": "Present", "unconfirmed": ["managerRef"]}},
            "below": {"managerRef": {"name": "blank"}},
            "noname": {"managerRef": {"name": "ceo"}, "source": {"state": "Present", "unconfirmed": ["workEmail"]}},
            "undernoname": {"managerRef": {"name": "noname"}},
        });
        for (name, spec) in people.as_object().unwrap() {
            Employee::new(name, serde_json::from_value(spec.clone()).unwrap()).put(&mut namespace);
        }
        namespace
    }

    fn person(facts: &Value) -> Person {
        Person {
            name: "probe".to_owned(),
            spec: serde_json::from_value(facts.clone()).unwrap(),
            ..Person::default()
        }
    }

    fn unsure(names: &[&str]) -> Value {
        json!({"source": {"state": "Present", "unconfirmed": names}})
    }

    fn check(namespace: &Namespace, selector: &Value, person: &Person, expected: Tri) {
        let found = compiled(selector)
            .unwrap()
            .matches(namespace, person, noon(), &berlin());
        assert_eq!(found.tri, expected, "{selector} for {:?}: {:?}", person.spec, found.why);
        assert_eq!(found.why.is_some(), expected == Unknown, "{selector}: {:?}", found.why);
    }

    /// Semantics 3: every key, with a person who has it, one who has another, and one whose value is gone unconfirmed.
    #[test]
    fn every_key_says_yes_no_and_unknown() {
        let emea = json!({"departments": [{"path": ["Sales", "EMEA", "DACH"]}, {"path": ["Board"]}]});
        let engineer = json!({"jobTitle": " Senior Software Engineer "});
        let strange = json!({"jobTitle": "Développeur [R&D] {x}"});
        let munich = json!({"workLocation": {"name": "HQ", "country": "DE", "state": "Bavaria", "city": "München"}});
        let germany = json!({"workLocation": {"country": "DE"},
            "source": {"state": "Present", "unconfirmed": ["workLocation"]}});
        let march = json!({"startDate": "2026-03-17"}); // Ninety days before.
        let table = [
            (json!({"everyone": true}), json!({}), True),
            // Groups: by any name on the path, by a piece of the path, or by the last name alone.
            (json!({"department": {"in": ["sales"]}}), emea.clone(), True),
            (json!({"department": {"in": ["X", " emea "]}}), emea.clone(), True),
            (
                json!({"department": {"in": ["sales"], "exact": true}}),
                emea.clone(),
                False,
            ),
            (
                json!({"department": {"in": ["dach"], "exact": true}}),
                emea.clone(),
                True,
            ),
            (
                json!({"department": {"in": ["board"], "exact": true}}),
                emea.clone(),
                True,
            ),
            (json!({"department": {"in": ["Sales > EMEA"]}}), emea.clone(), True),
            (json!({"department": {"in": ["EMEA > DACH"]}}), emea.clone(), True),
            (json!({"department": {"in": ["Sales > DACH"]}}), emea.clone(), False),
            (
                json!({"department": {"in": ["Sales > EMEA"], "exact": true}}),
                emea.clone(),
                False,
            ),
            (
                json!({"department": {"in": ["EMEA > DACH"], "exact": true}}),
                emea.clone(),
                True,
            ),
            (
                json!({"department": {"in": ["A > Sales > EMEA > DACH"]}}),
                emea.clone(),
                False,
            ),
            (
                json!({"department": {"in": ["R&D > Core"]}}),
                json!({"departments": [{"path": ["r&d > core"]}]}),
                True,
            ),
            (json!({"department": {"in": ["Sale"]}}), emea.clone(), False),
            (
                json!({"department": {"in": ["Sales"]}}),
                json!({"departments": [{"path": []}]}),
                False,
            ),
            (json!({"department": {"in": ["Sales"]}}), json!({}), False),
            (
                json!({"department": {"in": ["Sales"]}}),
                unsure(&["departments"]),
                Unknown,
            ),
            (json!({"department": {"in": ["Sales"]}}), unsure(&["groups"]), False),
            (
                json!({"department": {"in": ["Sales"]}}),
                with(&emea, unsure(&["departments"])),
                True,
            ),
            (
                json!({"department": {"in": ["Legal"]}}),
                with(&emea, unsure(&["departments"])),
                Unknown,
            ),
            (
                json!({"businessUnit": {"in": ["Retail"]}}),
                json!({"businessUnits": [{"path": ["Retail"]}]}),
                True,
            ),
            (json!({"businessUnit": {"in": ["Retail"]}}), emea.clone(), False),
            (
                json!({"businessUnit": {"in": ["Retail"]}}),
                unsure(&["businessUnits"]),
                Unknown,
            ),
            (
                json!({"group": {"in": ["Guild"]}}),
                json!({"groups": [{"path": ["Guild", "Rust"]}]}),
                True,
            ),
            (
                json!({"group": {"in": ["Guild"]}}),
                json!({"groups": [{"path": ["Rust"]}]}),
                False,
            ),
            (json!({"group": {"in": ["Guild"]}}), unsure(&["groups"]), Unknown),
            // Titles: the whole title, `*` and `?` alone are special, and a character is a character.
            (json!({"jobTitle": ["*engineer*"]}), engineer.clone(), True),
            (json!({"jobTitle": ["senior*engineer"]}), engineer.clone(), True),
            (json!({"jobTitle": ["engineer"]}), engineer.clone(), False),
            (json!({"jobTitle": ["VP ?*", "*ware*"]}), engineer.clone(), True),
            (json!({"jobTitle": ["d?veloppeur [r&d] {x}"]}), strange.clone(), True),
            (json!({"jobTitle": ["DÉVELOPPEUR*"]}), strange.clone(), True),
            (json!({"jobTitle": ["*[a-z]*"]}), strange.clone(), False),
            (json!({"jobTitle": ["VP ?*"]}), json!({"jobTitle": "VP"}), False),
            (json!({"jobTitle": ["*"]}), json!({}), False),
            (json!({"jobTitle": ["*"]}), json!({"jobTitle": "  "}), False),
            (json!({"jobTitle": ["*"]}), unsure(&["jobTitle"]), Unknown),
            // Places: keys ANDed, values ORed.
            (
                json!({"workLocation": {"country": ["FR", "de"], "city": ["MÜNCHEN"]}}),
                munich.clone(),
                True,
            ),
            (
                json!({"workLocation": {"country": ["DE"], "city": ["Berlin"]}}),
                munich.clone(),
                False,
            ),
            (
                json!({"workLocation": {"name": ["hq"], "state": ["bavaria"]}}),
                munich.clone(),
                True,
            ),
            (json!({"homeLocation": {"country": ["DE"]}}), munich.clone(), False),
            (
                json!({"homeLocation": {"country": ["DE"]}}),
                json!({"homeLocation": {"country": "DE"}}),
                True,
            ),
            (
                json!({"homeLocation": {"country": ["DE"]}}),
                unsure(&["homeLocation"]),
                Unknown,
            ),
            (
                json!({"workLocation": {"city": ["Bonn"]}}),
                json!({"workLocation": {"country": "DE"}}),
                False,
            ),
            (
                json!({"workLocation": {"country": ["DE"], "city": ["Bonn"]}}),
                germany.clone(),
                Unknown,
            ),
            (
                json!({"workLocation": {"country": ["FR"], "city": ["Bonn"]}}),
                germany.clone(),
                False,
            ),
            // Plain text.
            (
                json!({"employmentType": ["full_time"]}),
                json!({"employmentType": "FULL_TIME"}),
                True,
            ),
            (
                json!({"employmentType": ["FULL_TIME"]}),
                json!({"employmentType": "INTERN"}),
                False,
            ),
            (
                json!({"employmentType": ["FULL_TIME"]}),
                unsure(&["employmentType"]),
                Unknown,
            ),
            (
                json!({"employmentStatus": ["ACTIVE"]}),
                json!({"employmentStatus": "ACTIVE"}),
                True,
            ),
            (json!({"employmentStatus": ["ACTIVE"]}), json!({}), False),
            (
                json!({"employmentStatus": ["ACTIVE"]}),
                unsure(&["employmentStatus"]),
                Unknown,
            ),
            (
                json!({"company": ["Ümlaut GmbH"]}),
                json!({"company": " ümlaut gmbh"}),
                True,
            ),
            (json!({"company": ["X"]}), json!({"company": "Y"}), False),
            (json!({"company": ["X"]}), unsure(&["company"]), Unknown),
            // Tenure, in whole days of the zone.
            (json!({"tenure": {"atLeast": "90d"}}), march.clone(), True),
            (json!({"tenure": {"atLeast": "91d"}}), march.clone(), False),
            (json!({"tenure": {"lessThan": "90d"}}), march.clone(), False),
            (
                json!({"tenure": {"atLeast": "2160h", "lessThan": "91d"}}),
                march.clone(),
                True,
            ),
            (
                json!({"tenure": {"lessThan": "1d"}}),
                json!({"startDate": "2026-07-01"}),
                True,
            ),
            (json!({"tenure": {"lessThan": "99999999d"}}), march.clone(), True),
            (json!({"tenure": {"atLeast": "1d"}}), json!({}), False),
            (json!({"tenure": {"atLeast": "1d"}}), unsure(&["startDate"]), Unknown),
            (
                json!({"tenure": {"atLeast": "1d"}}),
                json!({"startDate": "2026-02-31"}),
                Unknown,
            ),
            // People.
            (json!({"employees": ["P@x.io"]}), json!({"workEmail": "p@x.io"}), True),
            (json!({"employees": ["e-5 "]}), json!({"employeeNumber": "E-5"}), True),
            (json!({"employees": ["p@x.io"]}), json!({"workEmail": "q@x.io"}), False),
            (json!({"employees": ["p@x.io"]}), json!({}), False),
            (json!({"employees": ["p@x.io"]}), unsure(&["workEmail"]), Unknown),
            (json!({"employees": ["p@x.io"]}), unsure(&["employeeNumber"]), Unknown),
            (
                json!({"employees": ["p@x.io"]}),
                with(&json!({"workEmail": "q@x.io"}), unsure(&["workEmail"])),
                False,
            ),
        ];
        let namespace = company();
        for (selector, facts, expected) in table {
            check(&namespace, &selector, &person(&facts), expected);
        }
    }

    /// Semantics 3: custom fields say yes, no and unknown like every other key, and one that nobody looked for is
    /// unknown, in `not` too.
    #[test]
    fn custom_fields_are_anded_and_what_nobody_looked_for_is_unknown() {
        let mirrored = |read: &[&str], unconfirmed: &[&str]| {
            json!({"connectionRef": {"name": "hr"}, "customFields": {"costCenter": " cc-1010 ", "grade": "7"},
                   "source": {"state": "Present", "customFields": read, "unconfirmed": unconfirmed}})
        };
        let read = ["costCenter", "grade", "badge"];
        let all = mirrored(&read, &[]);
        let key = |name: &str, values: &[&str]| json!({"customFields": [{"name": name, "in": values}]});
        let cost_center = key("costCenter", &["CC-1", "CC-1010"]);
        let badge = key("badge", &["blue"]);
        let everyone_but = |clause: &Value| json!({"everyone": true, "not": [clause]});
        let grade = |grade: &str| json!({"customFields": [{"name": "costCenter", "in": ["CC-1010"]}, {"name": "grade", "in": [grade]}]});
        let namespace = company();
        for (selector, facts, expected) in [
            (cost_center.clone(), all.clone(), True),
            (key("costCenter", &["CC-101", "CC"]), all.clone(), False),
            (grade("7"), all.clone(), True),
            (grade("8"), all.clone(), False),
            (badge.clone(), all.clone(), False),
            (everyone_but(&badge), all, True),
            (badge.clone(), mirrored(&read, &["customFields.badge"]), Unknown),
            (everyone_but(&badge), mirrored(&read, &["customFields.badge"]), Unknown),
            (badge.clone(), mirrored(&read, &["customFields.grade"]), False),
            // Nobody declares it, or did not when the person was last read.
            (badge.clone(), mirrored(&read[..2], &[]), Unknown),
            (everyone_but(&badge), mirrored(&read[..2], &[]), Unknown),
            (cost_center.clone(), mirrored(&[], &[]), True),
            // Of people kept by hand all is known.
            (cost_center, json!({"customFields": {"costCenter": "CC-1"}}), True),
            (badge.clone(), json!({"customFields": {"costCenter": "CC-1"}}), False),
            (everyone_but(&badge), json!({}), True),
        ] {
            check(&namespace, &selector, &person(&facts), expected);
        }
    }

    fn with(facts: &Value, more: Value) -> Value {
        let mut facts = facts.clone();
        let more: serde_json::Map<String, Value> = serde_json::from_value(more).unwrap();
        facts.as_object_mut().unwrap().extend(more);
        facts
    }

    /// Semantics 3, up the chain of managers: it ends, it goes round, or it breaks off, and only the last is unknown.
    #[test]
    fn the_chain_of_managers_ends_goes_round_or_breaks_off() {
        let namespace = company();
        let under = |called: &str| json!({"manager": {"under": [called]}});
        let near = |called: &str, depth: u32| json!({"manager": {"under": [called], "depth": depth}});
        let table = [
            ("dev", under("ceo@x.io"), True),
            ("dev", under("1"), True),
            ("dev", under(" CEO@X.io "), True),
            ("dev", near("lead@x.io", 1), True),
            ("dev", near("vp@x.io", 1), False),
            ("dev", near("vp@x.io", 2), True),
            ("dev", near("ceo@x.io", 64), True),
            ("ceo", under("ceo@x.io"), False),
            ("ceo", under("dev@x.io"), False),
            ("vp", under("lead@x.io"), False),
            // Round and round.
            ("ada", under("bob@x.io"), True),
            ("ada", under("ada@x.io"), False),
            ("ada", under("ceo@x.io"), False),
            ("self", under("self@x.io"), False),
            // Two people of one name: either counts.
            ("under1", under("twin@x.io"), True),
            ("under2", under("twin@x.io"), True),
            ("dev", under("twin@x.io"), False),
            // Nobody of that name, unless another is.
            ("dev", under("typo@x.io"), Unknown),
            ("ceo", under("typo@x.io"), Unknown),
            ("dev", json!({"manager": {"under": ["typo@x.io", "vp@x.io"]}}), True),
            ("dev", json!({"manager": {"under": ["vp@x.io", "typo@x.io"]}}), True),
            // From the break on nobody knows, but not before it.
            ("lost", under("ceo@x.io"), Unknown),
            ("lost", near("ceo@x.io", 1), Unknown),
            ("underlost", under("lost@x.io"), True),
            ("underlost", near("ceo@x.io", 1), False),
            ("underlost", near("ceo@x.io", 2), Unknown),
            ("blank", under("ceo@x.io"), Unknown),
            ("below", under("ceo@x.io"), Unknown),
            ("below", near("ceo@x.io", 1), False),
            ("below", under("blank@x.io"), True),
            // A manager whose email is gone, unconfirmed, may be the one that is meant.
            ("undernoname", under("twin@x.io"), Unknown),
            ("undernoname", under("ceo@x.io"), True),
            ("noname", under("twin@x.io"), False),
        ];
        for (name, selector, expected) in table {
            check(&namespace, &selector, &namespace.employees[name], expected);
        }
    }

    /// Semantics 3: three values through AND, OR and NOT.
    #[test]
    fn unknown_goes_through_and_or_and_not() {
        let namespace = company();
        // Their company is X, their title is gone, they have no department.
        let probe = person(&with(&json!({"company": "X"}), unsure(&["jobTitle"])));
        let yes = json!({"company": ["X"]});
        let no = json!({"department": {"in": ["D"]}});
        let unknown = json!({"jobTitle": ["*"]});
        let both = |a: &Value, b: &Value| with(a, b.clone());
        let table = [
            (both(&yes, &unknown), Unknown),
            (both(&no, &unknown), False),
            (json!({"anyOf": [no, unknown, yes]}), True),
            (json!({"anyOf": [no, unknown]}), Unknown),
            (json!({"anyOf": [no, no]}), False),
            (with(&no, json!({"anyOf": [yes]})), False),
            (
                with(&yes, json!({"anyOf": [both(&yes, &no), both(&yes, &unknown)]})),
                Unknown,
            ),
            (with(&yes, json!({"not": [no]})), True),
            (with(&yes, json!({"not": [yes]})), False),
            (with(&yes, json!({"not": [no, unknown]})), Unknown),
            (with(&yes, json!({"not": [unknown, yes]})), False),
            (with(&no, json!({"not": [unknown]})), False),
            (with(&yes, json!({"not": [both(&no, &unknown)]})), True),
            (with(&unknown, json!({"not": [yes]})), False),
            (json!({"everyone": true, "not": [yes]}), False),
        ];
        for (selector, expected) in table {
            check(&namespace, &selector, &probe, expected);
        }
    }

    /// I1: a zone that is guessed decides nothing on the days that are another day elsewhere.
    #[test]
    fn tenure_is_unknown_while_it_is_not_the_same_day_everywhere() {
        let namespace = company();
        let probe = person(&json!({"startDate": "2026-06-01"}));
        let selector = compiled(&json!({"tenure": {"atLeast": "90d"}})).unwrap();
        let tri = |instant: &str| selector.matches(&namespace, &probe, at(instant), &Zone::latest()).tri;
        // The 30th of August begins at 10:00 UTC of the 29th on the islands in the east, at noon of the 30th in the west.
        assert_eq!(tri("2026-08-29T09:59:59Z"), False);
        assert_eq!(tri("2026-08-29T10:00:00Z"), Unknown);
        assert_eq!(tri("2026-08-30T11:59:59Z"), Unknown);
        assert_eq!(tri("2026-08-30T12:00:00Z"), True);
    }

    /// Time changes a match only by tenure, at the start of a day in the zone.
    #[test]
    fn tenure_says_when_it_turns() {
        let namespace = company();
        let next = |selector: Value, facts: Value| {
            let found = compiled(&selector)
                .unwrap()
                .next_change(&namespace, &person(&facts), noon(), &berlin());
            found.map(|(instant, tri)| (instant.to_string(), tri))
        };
        let june = json!({"startDate": "2026-06-01"});
        let at_90 = Some(("2026-08-29T22:00:00Z".to_owned(), True));
        assert_eq!(next(json!({"tenure": {"atLeast": "90d"}}), june.clone()), at_90);
        let between = json!({"tenure": {"atLeast": "90d", "lessThan": "180d"}});
        assert_eq!(next(between.clone(), june.clone()), at_90);
        let end = Some(("2026-09-05T22:00:00Z".to_owned(), False));
        assert_eq!(next(between.clone(), json!({"startDate": "2026-03-10"})), end);
        assert_eq!(next(between, json!({"startDate": "2020-01-01"})), None);
        let newcomers_not = json!({"everyone": true, "not": [{"tenure": {"lessThan": "90d"}}]});
        assert_eq!(next(newcomers_not, june.clone()), at_90);
        // Time alone changes nothing where another key says no, or where the day never comes.
        let elsewhere = json!({"company": ["X"], "tenure": {"atLeast": "90d"}});
        assert_eq!(next(elsewhere, june.clone()), None);
        assert_eq!(next(json!({"tenure": {"atLeast": "99999999d"}}), june.clone()), None);
        assert_eq!(next(json!({"everyone": true}), june), None);
        for facts in [
            json!({}),
            json!({"startDate": "2026-02-31"}),
            json!({"startDate": "9999-12-31"}),
        ] {
            assert_eq!(next(json!({"tenure": {"atLeast": "90d"}}), facts), None);
        }
        // The very instant at which it turns, it has turned, and a second before it has not.
        let selector = compiled(&json!({"tenure": {"atLeast": "90d"}})).unwrap();
        let turn = at("2026-08-29T22:00:00Z");
        let probe = person(&json!({"startDate": "2026-06-01"}));
        let tri = |seconds: i64| {
            selector
                .matches(&namespace, &probe, turn + Span::new().seconds(seconds), &berlin())
                .tri
        };
        assert_eq!((tri(-1), tri(0)), (False, True));
    }

    /// I10, and an author's slip: what cannot mean what its author wants is refused with words that say how to mend it.
    #[test]
    fn a_selector_that_cannot_be_meant_is_refused_with_the_remedy() {
        for (selector, remedy) in [
            (json!({}), "everyone: true"),
            (json!({"not": [{"company": ["X"]}]}), "everyone: true"),
            (json!({"everyone": false}), "leave it out"),
            (json!({"anyOf": [{}]}), "selector.anyOf[0] has no key: leave it out"),
            (
                json!({"everyone": true, "not": [{"company": ["X"]}, {}]}),
                "selector.not[1]",
            ),
            (json!({"jobTitle": ["Engineer", " "]}), "jobTitle has an empty value"),
            (json!({"employees": [""]}), "leave that value out"),
            (json!({"department": {"in": []}}), "department.in has no value"),
            (json!({"department": {"in": ["Sales >  > EMEA"]}}), "Sales > EMEA"),
            (json!({"manager": {"under": []}}), "manager.under has no value"),
            (json!({"manager": {"under": ["a"], "depth": 0}}), "at least 1"),
            (
                json!({"workLocation": {}}),
                "at least one of name, country, state and city",
            ),
            (
                json!({"anyOf": [{"homeLocation": {"city": [""]}}]}),
                "selector.anyOf[0].homeLocation.city",
            ),
            (
                json!({"not": [{"customFields": [{"name": "x", "in": ["y"]}, {"name": " ", "in": ["y"]}]}], "company": ["X"]}),
                "selector.not[0].customFields[1] has no name",
            ),
            (
                json!({"customFields": [{"name": "x", "in": []}]}),
                "customFields[0].in has no value",
            ),
            (
                json!({"customFields": [{"name": "x", "in": ["y", ""]}]}),
                "customFields[0].in has an empty value",
            ),
            (json!({"tenure": {}}), "name atLeast, lessThan or both"),
            (
                json!({"tenure": {"atLeast": "90m"}}),
                "whole number of days, such as 90d",
            ),
            (json!({"tenure": {"lessThan": "soon"}}), "such as 90d"),
        ] {
            let error = compiled(&selector).err().unwrap_or_default();
            assert!(error.contains(remedy), "{selector}: {error:?}");
        }
    }

    /// An expression is one more key: ANDed with the others, enough by itself, and without a clock.
    #[test]
    fn an_expression_is_true_as_well() {
        let namespace = company();
        let vp = json!({"jobTitle": "VP Sales", "company": "Acme", "startDate": "2026-06-01"});
        let expression = "employee.jobTitle.startsWith('VP')";
        for (selector, facts, expected) in [
            (json!({"expression": expression}), &vp, True),
            (json!({"expression": expression, "company": ["Acme"]}), &vp, True),
            (json!({"expression": expression, "company": ["Other"]}), &vp, False),
            (
                json!({"expression": format!("!{expression}"), "company": ["Acme"]}),
                &vp,
                False,
            ),
            (
                json!({"expression": expression, "not": [{"company": ["Acme"]}]}),
                &vp,
                False,
            ),
            (json!({"expression": expression}), &json!({"company": "Acme"}), Unknown),
            (
                json!({"expression": expression, "company": ["Other"]}),
                &json!({"company": "Acme"}),
                False,
            ),
        ] {
            check(&namespace, &selector, &person(facts), expected);
        }
        let refused = compiled(&json!({"expression": "employee.jobTitel == 'x'"})).err();
        let sentence = "selector.expression, line 1, column 10: there is no employee.jobTitel; did you mean jobTitle?";
        assert_eq!(refused.as_deref(), Some(sentence));

        let selector = compiled(&json!({"expression": expression, "tenure": {"atLeast": "90d"}})).unwrap();
        let next = |facts: &Value| selector.next_change(&namespace, &person(facts), noon(), &berlin());
        assert_eq!(next(&vp), Some((at("2026-08-29T22:00:00Z"), True)));
        assert_eq!(next(&json!({"jobTitle": "Clerk", "startDate": "2026-06-01"})), None);
    }
}
