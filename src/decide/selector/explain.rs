//! A selector key by key: what it asks for, what the person has, and the answer.
//!
//! Each key is asked by itself, as a selector of one key, so that no answer here can be another than the one that decides.

mod words;

use jiff::Timestamp;
use serde::Serialize;

use self::words::{among, attributes_in, bounds, called, one_of, paths, place, places, present, text, under};
use super::{Compiled, Match, Tri};
use crate::api::employee::Location;
use crate::api::policy::{Clause, GroupKey, LocationKey, Selector};
use crate::decide::index::{Namespace, Person};
use crate::decide::phase::{Zone, calendar_date};

/// The most steps of a chain of managers that are spelled out.
const CHAIN_MAX: usize = 16;

/// How a selector stands for one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SelectorView {
    /// The answer of the whole.
    pub answer: Tri,
    /// What is wrong with the selector, and how to mend it. Then the answer is `unknown`, whatever the keys say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The keys that must all hold, the expression among them.
    pub all: Vec<KeyView>,
    /// Clauses of which one must hold, if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<ClauseView>,
    /// Clauses of which none may hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<ClauseView>,
}

/// How one clause of `anyOf` or `not` stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClauseView {
    /// Whether all its keys hold.
    pub answer: Tri,
    /// Its keys.
    pub keys: Vec<KeyView>,
}

/// How one key stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// Name of the key, such as `department`.
    pub key: String,
    /// What it asks for, such as `in [Engineering]`; empty for `everyone`.
    pub expected: String,
    /// What the person has, such as `Company > Engineering > Platform`; empty for `everyone`.
    pub actual: String,
    /// The answer.
    pub answer: Tri,
    /// Why it cannot be told, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl SelectorView {
    /// The answer that the keys give together.
    pub fn of_keys(&self) -> Tri {
        let any = match self.any_of.as_slice() {
            [] => Tri::True,
            clauses => clauses
                .iter()
                .fold(Tri::False, |so_far, clause| so_far.or(clause.answer)),
        };
        let not = self
            .not
            .iter()
            .fold(Tri::False, |so_far, clause| so_far.or(clause.answer));
        together(&self.all).and(any).and(!not)
    }

    /// How many keys or clauses would have to be otherwise for it to hold: 0 where it holds.
    pub fn misses(&self) -> usize {
        let lacking = |keys: &[KeyView]| keys.iter().filter(|key| key.answer != Tri::True).count();
        let any = self.any_of.iter().map(|clause| lacking(&clause.keys)).min();
        let not = self.not.iter().filter(|clause| clause.answer != Tri::False).count();
        let own = lacking(&self.all) + any.unwrap_or_default() + not;
        own.max(usize::from(self.answer != Tri::True))
    }
}

fn together(keys: &[KeyView]) -> Tri {
    keys.iter().fold(Tri::True, |so_far, key| so_far.and(key.answer))
}

/// Asks `selector` about `person`, key by key; `whole` is what it was compiled to, and gives the answer of the whole. Days
/// are counted in `zone`.
pub fn explain(
    selector: &Selector,
    whole: &Result<Compiled, String>,
    namespace: &Namespace,
    person: &Person,
    now: Timestamp,
    zone: &Zone,
) -> SelectorView {
    let scene = Scene {
        namespace,
        person,
        now,
        zone,
    };
    let clauses = |clauses: &[Clause]| -> Vec<ClauseView> {
        clauses
            .iter()
            .map(|clause| {
                let keys = scene.keys(clause);
                ClauseView {
                    answer: together(&keys),
                    keys,
                }
            })
            .collect()
    };
    let mut all = scene.keys(&selector.all);
    all.extend(
        selector
            .expression
            .as_ref()
            .map(|expression| scene.expression(expression)),
    );
    let (answer, error) = match whole {
        Ok(whole) => (whole.matches(namespace, person, now, zone).tri, None),
        Err(error) => (Tri::Unknown, Some(error.clone())),
    };
    SelectorView {
        answer,
        error,
        all,
        any_of: clauses(&selector.any_of),
        not: clauses(&selector.not),
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
    fn ask(&self, selector: &Selector) -> Match {
        match Compiled::new(selector) {
            Ok(compiled) => compiled.matches(self.namespace, self.person, self.now, self.zone),
            Err(error) => Match::unknown(error),
        }
    }

    fn keys(&self, clause: &Clause) -> Vec<KeyView> {
        let view = |(key, expected, actual, all): (&str, String, String, Clause)| {
            let Match { tri, why } = self.ask(&Selector {
                all,
                ..Selector::default()
            });
            KeyView {
                key: key.to_owned(),
                expected,
                actual,
                answer: tri,
                why,
            }
        };
        self.taken_apart(clause).into_iter().map(view).collect()
    }

    /// The keys of a clause: name, what it asks for, what the person has, and the key alone.
    fn taken_apart(&self, clause: &Clause) -> Vec<(&'static str, String, String, Clause)> {
        // Each key is named, so that a new one cannot be forgotten.
        let Clause {
            everyone,
            department,
            business_unit,
            group,
            job_title,
            manager,
            work_location,
            home_location,
            employment_type,
            employment_status,
            company,
            custom_fields,
            tenure,
            employees,
        } = clause;
        // One field of the clause, and nothing else of it.
        macro_rules! alone {
            ($key:ident) => {
                Clause {
                    $key: $key.clone(),
                    ..Clause::default()
                }
            };
        }
        let spec = &self.person.spec;
        let grouped = |key: &Option<GroupKey>, groups| Some((among(key.as_ref()?), paths(groups)));
        let placed =
            |key: &Option<LocationKey>, at: &Option<Location>| Some((places(key.as_ref()?), place(at.as_ref())));
        let worded = |key: &[String], actual: String| (!key.is_empty()).then(|| (one_of(key), actual));
        let keys = [
            (
                "everyone",
                everyone.map(|_| (String::new(), String::new())),
                alone!(everyone),
            ),
            ("department", grouped(department, &spec.departments), alone!(department)),
            (
                "businessUnit",
                grouped(business_unit, &spec.business_units),
                alone!(business_unit),
            ),
            ("group", grouped(group, &spec.groups), alone!(group)),
            (
                "jobTitle",
                worded(job_title, text(spec.job_title.as_ref())),
                alone!(job_title),
            ),
            (
                "manager",
                manager.as_ref().map(|key| (under(key), self.chain())),
                alone!(manager),
            ),
            (
                "workLocation",
                placed(work_location, &spec.work_location),
                alone!(work_location),
            ),
            (
                "homeLocation",
                placed(home_location, &spec.home_location),
                alone!(home_location),
            ),
            (
                "employmentType",
                worded(employment_type, text(spec.employment_type.as_ref())),
                alone!(employment_type),
            ),
            (
                "employmentStatus",
                worded(employment_status, text(spec.employment_status.as_ref())),
                alone!(employment_status),
            ),
            ("company", worded(company, text(spec.company.as_ref())), alone!(company)),
            (
                "tenure",
                tenure.as_ref().map(|key| (bounds(key), self.tenure())),
                alone!(tenure),
            ),
            ("employees", worded(employees, called(spec)), alone!(employees)),
        ];
        let keys = keys
            .into_iter()
            .filter_map(|(name, said, alone)| said.map(|(expected, actual)| (name, expected, actual, alone)));
        // Each entry is a key of its own, since all must hold.
        let fields = custom_fields.iter().map(|key| {
            let alone = Clause {
                custom_fields: vec![key.clone()],
                ..Clause::default()
            };
            let expected = format!("{} {}", key.name, one_of(&key.any));
            let actual = text(spec.custom_fields.get(&key.name));
            ("customFields", expected, actual, alone)
        });
        keys.chain(fields).collect()
    }

    fn expression(&self, expression: &str) -> KeyView {
        // With `everyone` beside it, which is true of all: a selector needs a key.
        let Match { tri, why } = self.ask(&Selector {
            all: Clause {
                everyone: Some(true),
                ..Clause::default()
            },
            expression: Some(expression.to_owned()),
            ..Selector::default()
        });
        KeyView {
            key: "expression".to_owned(),
            expected: expression.split_whitespace().collect::<Vec<_>>().join(" "),
            actual: attributes_in(expression, &self.person.spec),
            answer: tri,
            why,
        }
    }

    /// The managers of the person, from the direct one upwards.
    fn chain(&self) -> String {
        let mut steps = Vec::new();
        let mut at = self.person.spec.manager_ref.as_ref();
        while let Some(manager) = at {
            if steps.len() == CHAIN_MAX {
                steps.push("...".to_owned());
                break;
            }
            let Some(person) = self.namespace.employees.get(&manager.name) else {
                steps.push(format!("{} (not there)", manager.name));
                break;
            };
            let name = present(person.spec.work_email.as_ref())
                .unwrap_or(&person.name)
                .to_owned();
            if steps.contains(&name) || person.name == self.person.name {
                break;
            }
            steps.push(name);
            at = person.spec.manager_ref.as_ref();
        }
        match steps.as_slice() {
            [] => "no manager".to_owned(),
            steps => steps.join(" < "),
        }
    }

    fn tenure(&self) -> String {
        let Some(start) = present(self.person.spec.start_date.as_ref()) else {
            return "no startDate".to_owned();
        };
        let days = calendar_date(start)
            .and_then(|date| date.until(self.zone.date_at(self.now)).ok())
            .map(|span| span.get_days());
        match days {
            Some(days) if days < 0 => format!("{} days before the start on {start}", days.unsigned_abs()),
            Some(days) => format!("{days} days since {start}"),
            None => format!("startDate {start:?}"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Employee;
    use crate::decide::index::Indexed;

    fn noon() -> Timestamp {
        "2026-06-15T12:00:00Z".parse().unwrap()
    }

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").unwrap()
    }

    fn selector(selector: &Value) -> Selector {
        serde_json::from_value(selector.clone()).unwrap()
    }

    /// `facts` as the Employee `probe`, below `boss`.
    fn company(facts: &Value) -> Namespace {
        let mut namespace = Namespace::default();
        let boss = json!({"workEmail": "boss@x.io", "displayName": "The Boss"});
        for (name, spec) in [("boss", &boss), ("probe", facts)] {
            Employee::new(name, serde_json::from_value(spec.clone()).unwrap()).put(&mut namespace);
        }
        namespace
    }

    fn view(wanted: &Value, facts: &Value) -> SelectorView {
        let namespace = company(facts);
        let probe = namespace.employees["probe"].clone();
        let wanted = selector(wanted);
        explain(&wanted, &Compiled::new(&wanted), &namespace, &probe, noon(), &berlin())
    }

    #[test]
    fn every_key_says_what_it_asks_for_and_what_is() {
        let facts = json!({"workEmail": "ada@x.io", "employeeNumber": "7", "jobTitle": "Engineer", "startDate": "2026-06-01",
            "employmentType": "FULL_TIME", "company": "Acme", "managerRef": {"name": "boss"},
            "departments": [{"path": ["Company", "Engineering", "Platform"]}], "customFields": {"costCentre": "R1"},
            "workLocation": {"country": "DE", "city": "Berlin"}});
        let table = [
            (json!({"everyone": true}), "everyone: , ", Tri::True),
            (
                json!({"department": {"in": ["Engineering"]}}),
                "department: in [Engineering], Company > Engineering > Platform",
                Tri::True,
            ),
            (
                json!({"department": {"in": ["Engineering", "Legal"], "exact": true}}),
                "department: exactly in [Engineering, Legal], Company > Engineering > Platform",
                Tri::False,
            ),
            (
                json!({"group": {"in": ["Guild"]}}),
                "group: in [Guild], none",
                Tri::False,
            ),
            (
                json!({"jobTitle": ["*engineer*"]}),
                "jobTitle: in [*engineer*], Engineer",
                Tri::True,
            ),
            (
                json!({"manager": {"under": ["boss@x.io"], "depth": 2}}),
                "manager: under [boss@x.io], at most 2 up, boss@x.io",
                Tri::True,
            ),
            (
                json!({"workLocation": {"country": ["FR", "DE"], "city": ["Bonn"]}}),
                "workLocation: country in [FR, DE] and city in [Bonn], country DE, city Berlin",
                Tri::False,
            ),
            (
                json!({"homeLocation": {"country": ["DE"]}}),
                "homeLocation: country in [DE], none",
                Tri::False,
            ),
            (
                json!({"customFields": [{"name": "costCentre", "in": ["R1", "R2"]}]}),
                "customFields: costCentre in [R1, R2], R1",
                Tri::True,
            ),
            (
                json!({"tenure": {"atLeast": "7d", "lessThan": "30d"}}),
                "tenure: at least 7d, less than 30d, 14 days since 2026-06-01",
                Tri::True,
            ),
            (
                json!({"employees": ["ada@x.io", "9"]}),
                "employees: in [ada@x.io, 9], ada@x.io, 7",
                Tri::True,
            ),
        ];
        for (wanted, expected, answer) in table {
            let view = view(&wanted, &facts);
            let said: Vec<String> = view
                .all
                .iter()
                .map(|key| format!("{}: {}, {}", key.key, key.expected, key.actual))
                .collect();
            assert_eq!(said, [expected], "{wanted}");
            assert_eq!((view.answer, view.all[0].answer), (answer, answer), "{wanted}");
            assert_eq!(view.misses(), usize::from(answer != Tri::True), "{wanted}");
        }
    }

    #[test]
    fn a_selector_that_is_wrong_answers_nothing_and_says_why() {
        let view = view(&json!({"not": [{"company": ["Acme"]}]}), &json!({"company": "Acme"}));
        assert_eq!(view.answer, Tri::Unknown);
        assert!(view.error.unwrap().contains("everyone: true"));
        assert_eq!(view.not[0].answer, Tri::True, "its keys are told all the same");
    }

    #[test]
    fn the_attributes_of_an_expression_are_named_once_and_only_those() {
        let spec = serde_json::from_value(json!({"jobTitle": "VP", "customFields": {"grade": "7"}})).unwrap();
        for (expression, expected) in [
            ("employee.jobTitle == 'VP' || employee.jobTitle == 'CEO'", "jobTitle VP"),
            ("'x' in employee.groups && theemployee.company == ''", "groups none"),
            ("employee.customFields.grade > 6", r#"customFields {"grade":"7"}"#),
            ("true", "a person"),
        ] {
            assert_eq!(attributes_in(expression, &spec), expected, "{expression}");
        }
    }

    /// A clause of one to three keys; some of them none that the people below could have.
    fn clause() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            prop::sample::select(vec!["Sales", "Legal", "EMEA"])
                .prop_map(|name| ("department", json!({"in": [name], "exact": name == "Legal"}))),
            prop::sample::select(vec!["*Engineer*", "VP ?*"]).prop_map(|glob| ("jobTitle", json!([glob]))),
            prop::sample::select(vec!["boss@x.io", "nobody@x.io"]).prop_map(|who| ("manager", json!({"under": [who]}))),
            prop::sample::select(vec!["DE", "FR"]).prop_map(|code| ("workLocation", json!({"country": [code]}))),
            prop::sample::select(vec!["FULL_TIME", "INTERN"]).prop_map(|what| ("employmentType", json!([what]))),
            prop::sample::select(vec!["0d", "30d", "1h"]).prop_map(|days| ("tenure", json!({"atLeast": days}))),
            Just(("employees", json!(["ada@x.io"]))),
        ];
        prop::collection::vec(key, 1..3)
            .prop_map(|keys| Value::Object(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
    }

    fn facts() -> impl Strategy<Value = Value> {
        let fact = prop_oneof![
            prop::sample::select(vec![vec!["Sales", "EMEA"], vec!["Legal"], vec!["Legal", "Tax"]])
                .prop_map(|path| ("departments", json!([{"path": path}]))),
            prop::sample::select(vec!["Engineer", "VP Sales"]).prop_map(|title| ("jobTitle", json!(title))),
            prop::sample::select(vec!["boss", "gone"]).prop_map(|who| ("managerRef", json!({"name": who}))),
            prop::sample::select(vec!["DE", "US"]).prop_map(|code| ("workLocation", json!({"country": code}))),
            prop::sample::select(vec!["FULL_TIME", "CONTRACTOR"]).prop_map(|what| ("employmentType", json!(what))),
            prop::sample::select(vec!["2026-06-01", "2024-01-01", "soon"]).prop_map(|day| ("startDate", json!(day))),
            Just(("workEmail", json!("ada@x.io"))),
        ];
        let names = vec![
            "departments",
            "jobTitle",
            "managerRef",
            "workLocation",
            "employmentType",
            "workEmail",
        ];
        let unconfirmed = prop::sample::subsequence(names, 0..4);
        (prop::collection::vec(fact, 0..6), unconfirmed).prop_map(|(facts, unconfirmed)| {
            let mut spec: serde_json::Map<String, Value> = facts
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            spec.insert("source".into(), json!({"state": "Present", "unconfirmed": unconfirmed}));
            Value::Object(spec)
        })
    }

    proptest! {
        /// What is told key by key is what decides: AND, OR and NOT of the keys is the answer of the whole.
        #[test]
        fn the_keys_together_answer_as_the_selector_does(
            all in prop::option::of(clause()),
            any_of in prop::collection::vec(clause(), 0..3),
            not in prop::collection::vec(clause(), 0..3),
            facts in facts(),
        ) {
            let mut wanted = all.unwrap_or_else(|| json!({}));
            for (name, clauses) in [("anyOf", any_of), ("not", not)] {
                if !clauses.is_empty() {
                    wanted[name] = Value::Array(clauses);
                }
            }
            let view = view(&wanted, &facts);
            if view.error.is_none() {
                prop_assert_eq!(view.of_keys(), view.answer, "{} for {}: {:#?}", wanted, facts, view);
            } else {
                prop_assert_eq!(view.answer, Tri::Unknown);
            }
            prop_assert_eq!(view.misses() == 0, view.answer == Tri::True);
        }
    }
}
