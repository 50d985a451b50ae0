//! Any small company, and any edits of its policies and facts.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rollcall::api::target::Budget;
use serde_json::{Value, json};

pub const PEOPLE: usize = 8;
pub const POLICIES: usize = 4;
pub const EXCEPTIONS: usize = 2;
pub const TARGETS: [&str; 3] = ["okta", "slack", "cluster"];
/// Name of each entitlement, which is its group's too, and its target.
pub const THINGS: [(&str, &str); 4] = [
    ("chat", "okta"),
    ("code", "okta"),
    ("news", "slack"),
    ("admin", "cluster"),
];

pub fn now() -> Timestamp {
    "2026-06-20T12:00:00Z".parse().unwrap()
}

/// The operator's budget for the whole namespace.
pub fn limits() -> Budget {
    Budget {
        max_people: 6,
        max_percent: 0,
    }
}

/// The facts of one person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    pub department: usize,
    pub left: bool,
    pub starts_later: bool,
    /// A termination date, which is over or to come.
    pub ends: Option<&'static str>,
    pub has_email: bool,
}

impl Facts {
    pub fn spec(&self, person: usize) -> Value {
        let mut spec = json!({
            "displayName": format!("Person {person}"),
            "employeeNumber": person.to_string(),
            "employmentStatus": if self.left { "INACTIVE" } else { "ACTIVE" },
            "startDate": if self.starts_later { "2027-01-01" } else { "2025-01-01" },
            "departments": [{"path": [format!("D{}", self.department)]}],
        });
        if self.has_email {
            spec["workEmail"] = json!(format!("p{person}@x.io"));
        }
        if let Some(date) = self.ends {
            spec["terminationDate"] = json!(date);
        }
        spec
    }
}

/// What somebody decided for one person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exception {
    pub person: usize,
    pub thing: usize,
    pub effect: &'static str,
    pub is_over: bool,
}

impl Exception {
    pub fn spec(&self) -> Value {
        let expires = if self.is_over {
            "2026-06-01T00:00:00Z"
        } else {
            "2026-09-01T00:00:00Z"
        };
        json!({"employee": self.person.to_string(), "effect": self.effect, "reason": "as agreed", "expiresAt": expires,
            "entitlementRef": {"name": THINGS[self.thing].0}})
    }
}

/// One policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    pub enforce: bool,
    pub denies: bool,
    pub start_before: Option<&'static str>,
    pub grace: Option<&'static str>,
    /// Everybody, or one department.
    pub department: Option<usize>,
    pub gives: [bool; THINGS.len()],
    pub limit: u32,
    pub priority: i32,
    pub paused: bool,
}

impl Rule {
    pub fn spec(&self) -> Value {
        let selector = match self.department {
            None => json!({"everyone": true}),
            Some(department) => json!({"department": {"in": [format!("D{department}")]}}),
        };
        let given = THINGS.iter().zip(self.gives).filter(|(_, gives)| *gives);
        let entitlements: Vec<Value> = given
            .map(|((name, _), _)| {
                if self.denies {
                    json!({"name": name})
                } else {
                    json!({"name": name, "parameters": {"limit": self.limit.to_string()}})
                }
            })
            .collect();
        let mode = if self.enforce { "Enforce" } else { "Plan" };
        let mut spec =
            json!({"mode": mode, "priority": self.priority, "selector": selector, "entitlements": entitlements});
        if self.denies {
            spec["effect"] = json!("Deny");
            return spec;
        }
        let times = [("startBefore", self.start_before), ("grace", self.grace)];
        for (name, time) in times.into_iter().filter_map(|(name, time)| Some((name, time?))) {
            spec["lifecycle"][name] = json!(time);
        }
        spec
    }
}

/// What becomes of a policy or an exception.
#[derive(Clone, Copy, Debug)]
pub enum Fate<T> {
    Same,
    Gone,
    Is(T),
}

/// Everything that is edited at once: policies, exceptions, and the facts of some.
#[derive(Clone, Debug)]
pub struct Edit {
    pub rules: [Fate<Rule>; POLICIES],
    pub exceptions: [Fate<Exception>; EXCEPTIONS],
    pub moves: Vec<(usize, Facts)>,
}

/// How a target is set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub on_unused: &'static str,
    pub max_people: u32,
    /// A ceiling on grants.
    pub grants: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub people: [Facts; PEOPLE],
    pub rules: [Option<Rule>; POLICIES],
    pub exceptions: [Option<Exception>; EXCEPTIONS],
    /// Which things are of one exclusive group.
    pub exclusive: [bool; THINGS.len()],
    pub settings: [Settings; TARGETS.len()],
    pub edits: Vec<Edit>,
}

fn facts() -> impl Strategy<Value = Facts> {
    let chance = |percent: u32| (0..100_u32).prop_map(move |n| n < percent);
    (0..3_usize, chance(8), chance(5), chance(90)).prop_map(|(department, left, starts_later, has_email)| Facts {
        department,
        left,
        starts_later,
        ends: None,
        has_email,
    })
}

fn exception() -> impl Strategy<Value = Exception> {
    let effect = select(vec!["Allow", "Deny", "Freeze"]);
    let is_over = prop_oneof![4 => Just(false), 1 => Just(true)];
    (0..PEOPLE, 0..THINGS.len(), effect, is_over).prop_map(|(person, thing, effect, is_over)| Exception {
        person,
        thing,
        effect,
        is_over,
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let few = prop_oneof![3 => Just(None), 7 => (0..3_usize).prop_map(Some)];
    (
        prop_oneof![9 => Just(true), 1 => Just(false)],
        few,
        any::<[bool; THINGS.len()]>(),
        0..2_u32,
        0..2_i32,
        prop_oneof![19 => Just(false), 1 => Just(true)],
    )
        .prop_map(|(enforce, department, gives, limit, priority, paused)| Rule {
            enforce,
            denies: false,
            start_before: None,
            grace: None,
            department,
            gives,
            limit,
            priority,
            paused,
        })
}

fn edit() -> impl Strategy<Value = Edit> {
    let fate = prop_oneof![5 => Just(Fate::Same), 1 => Just(Fate::Gone), 4 => rule().prop_map(Fate::Is)];
    let rules = vec(fate, POLICIES);
    let moves = vec((0..PEOPLE, facts()), 0..3);
    (rules, moves).prop_map(|(rules, moves)| Edit {
        rules: rules.try_into().unwrap(),
        exceptions: [Fate::Same; EXCEPTIONS],
        moves,
    })
}

/// Policies that grant, people who come, move and go.
pub fn case() -> impl Strategy<Value = Case> {
    let ceiling = option::weighted(0.2, 1..5_u32);
    let setting = (select(vec!["Keep", "Deactivate"]), 0..5_u32, ceiling);
    let setting = setting.prop_map(|(on_unused, max_people, grants)| Settings {
        on_unused,
        max_people,
        grants,
    });
    (
        vec(facts(), PEOPLE),
        vec(option::weighted(0.8, rule()), POLICIES),
        vec(setting, TARGETS.len()),
        vec(edit(), 1..3),
    )
        .prop_map(|(people, rules, settings, edits)| Case {
            people: people.try_into().unwrap(),
            rules: rules.try_into().unwrap(),
            exceptions: [None; EXCEPTIONS],
            exclusive: [false; THINGS.len()],
            settings: settings.try_into().unwrap(),
            edits,
        })
}

/// The same with denials, exceptions, exclusive groups, last days, early starts and grace. Accounts are kept, and there is
/// no ceiling: what only follows from a change, such as the end of an account whose last use goes later, is judged when
/// it comes, and the plan looks one step ahead.
pub fn case_of_everything() -> impl Strategy<Value = Case> {
    let more = (
        prop_oneof![5 => Just(false), 1 => Just(true)],
        option::weighted(0.2, select(vec!["10d", "300d"])),
        option::weighted(0.3, select(vec!["1d", "30d"])),
    );
    let last_day = option::weighted(0.1, select(vec!["2026-06-10", "2026-06-28"]));
    let fate = prop_oneof![3 => Just(Fate::Same), 1 => Just(Fate::Gone), 3 => exception().prop_map(Fate::Is)];
    let extras = (
        vec(more, POLICIES * 3),
        vec(last_day, PEOPLE + 4),
        vec(option::weighted(0.4, exception()), EXCEPTIONS),
        prop_oneof![2 => Just([false; THINGS.len()]), 1 => any::<[bool; THINGS.len()]>()],
        vec(vec(fate, EXCEPTIONS), 2),
    );
    (case(), extras).prop_map(|(mut case, (more, last_days, exceptions, exclusive, fates))| {
        let edited = case.edits.iter_mut().flat_map(|edit| &mut edit.rules);
        let edited = edited.map(|fate| match fate {
            Fate::Is(rule) => Some(rule),
            Fate::Same | Fate::Gone => None,
        });
        let rules = case.rules.iter_mut().map(Option::as_mut).chain(edited);
        for (rule, (denies, start_before, grace)) in rules.zip(more) {
            if let Some(rule) = rule {
                (rule.denies, rule.start_before, rule.grace) = (denies, start_before, grace);
            }
        }
        let moves = case.edits.iter_mut().flat_map(|edit| &mut edit.moves);
        let facts = case.people.iter_mut().chain(moves.map(|(_, facts)| facts));
        for (facts, ends) in facts.zip(last_days) {
            facts.ends = ends;
        }
        for (edit, fates) in case.edits.iter_mut().zip(fates) {
            edit.exceptions = fates.try_into().unwrap();
        }
        for settings in &mut case.settings {
            settings.on_unused = "Keep";
            settings.grants = None;
        }
        Case {
            exceptions: exceptions.try_into().unwrap(),
            exclusive,
            ..case
        }
    })
}
