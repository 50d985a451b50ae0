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
    pub has_email: bool,
}

impl Facts {
    pub fn spec(&self, person: usize) -> Value {
        let mut spec = json!({
            "displayName": format!("Person {person}"),
            "employmentStatus": if self.left { "INACTIVE" } else { "ACTIVE" },
            "startDate": if self.starts_later { "2027-01-01" } else { "2025-01-01" },
            "departments": [{"path": [format!("D{}", self.department)]}],
        });
        if self.has_email {
            spec["workEmail"] = json!(format!("p{person}@x.io"));
        }
        spec
    }
}

/// One policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    pub enforce: bool,
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
            .map(|((name, _), _)| json!({"name": name, "parameters": {"limit": self.limit.to_string()}}))
            .collect();
        let mode = if self.enforce { "Enforce" } else { "Plan" };
        json!({"mode": mode, "priority": self.priority, "selector": selector, "entitlements": entitlements})
    }
}

/// What becomes of a policy.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Same,
    Gone,
    Is(Rule),
}

/// Everything that is edited at once: policies, and the facts of some.
#[derive(Clone, Debug)]
pub struct Edit {
    pub rules: [Fate; POLICIES],
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
    pub settings: [Settings; TARGETS.len()],
    pub edits: Vec<Edit>,
}

fn facts() -> impl Strategy<Value = Facts> {
    let chance = |percent: u32| (0..100_u32).prop_map(move |n| n < percent);
    (0..3_usize, chance(8), chance(5), chance(90)).prop_map(|(department, left, starts_later, has_email)| Facts {
        department,
        left,
        starts_later,
        has_email,
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
        moves,
    })
}

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
            settings: settings.try_into().unwrap(),
            edits,
        })
}
