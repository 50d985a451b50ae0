//! Any small company: what is there at first, and what happens.

use proptest::prelude::*;
use proptest::sample::select;
use rollcall::api::employee::{EmployeeSpec, GroupPath};

/// The limit that others gave with what they gave.
pub const OTHERS_LIMIT: usize = 2;
pub const PEOPLE: usize = 4;
pub const POLICIES: usize = 3;
pub const EXCEPTIONS: usize = 2;
pub const TARGETS: [&str; 3] = ["okta", "slack", "cluster"];
/// Name of each entitlement, which is its group's too, and its target.
pub const THINGS: [(&str, &str); 4] = [
    ("chat", "okta"),
    ("code", "okta"),
    ("news", "slack"),
    ("admin", "cluster"),
];
const STARTS: [&str; 3] = ["2026-01-01", "2026-06-01", "2026-06-15"];

/// The facts of one person.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    pub department: usize,
    pub left: bool,
    pub start: usize,
    pub email: usize,
    pub title: usize,
    pub absent: bool,
    pub paused: bool,
    pub deleting: bool,
}

impl Facts {
    pub fn email(&self, person: usize) -> String {
        format!("p{person}.{}@x.io", self.email)
    }

    pub fn spec(&self, person: usize) -> EmployeeSpec {
        let source = serde_json::json!({"state": if self.absent { "Absent" } else { "Present" }});
        EmployeeSpec {
            connection_ref: Some(rollcall::api::common::NameRef::new("hr")),
            source: serde_json::from_value(source).unwrap(),
            deletion_policy: rollcall::api::employee::DeletionPolicy::Revoke,
            work_email: Some(self.email(person)),
            employee_number: Some(number(person)),
            display_name: Some(format!("Person {}", self.title)),
            employment_status: Some(if self.left { "INACTIVE" } else { "ACTIVE" }.to_owned()),
            start_date: Some(STARTS[self.start].to_owned()),
            departments: vec![GroupPath {
                path: vec![format!("D{}", self.department)],
            }],
            ..EmployeeSpec::default()
        }
    }
}

/// What a person is called whatever their address is.
pub fn number(person: usize) -> String {
    format!("n{person}")
}

/// How a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fine,
    Plan,
    Broken,
    Paused,
    Deleting,
    Gone,
}

/// One policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    pub fate: Fate,
    /// Everybody, or one department.
    pub department: Option<usize>,
    /// Which of the things it gives.
    pub gives: [bool; THINGS.len()],
    pub limit: usize,
    /// It denies them instead.
    pub denies: bool,
    /// Hours for which what it gave is left.
    pub grace: Option<i64>,
}

/// What an exception does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
    Freeze,
}

/// An exception for one person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Special {
    pub person: usize,
    pub thing: usize,
    pub effect: Effect,
    /// For how many hours from when it is made.
    pub hours: i64,
}

impl Rule {
    pub fn matches(&self, facts: &Facts) -> bool {
        self.department.is_none_or(|department| department == facts.department)
    }

    /// Whether what it gave stays, since it cannot be told what it gives.
    pub fn is_unclear(&self) -> bool {
        matches!(self.fate, Fate::Plan | Fate::Broken | Fate::Paused)
    }
}

/// How a target is set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub adopt: bool,
    pub create: bool,
    pub on_unused: &'static str,
    pub on_terminated: &'static str,
    pub max_people: u32,
    /// Whether the target refuses a second account of one user name.
    pub unique: bool,
}

/// What of a person is at a SCIM target before we come.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    pub account: Option<bool>,
    pub member: bool,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    No,
    /// Not done, and that is not said.
    Before,
    /// Done, and that is not said.
    After,
    /// Done, and that is not said; nor can it be looked up.
    AfterBlind,
    Refused,
    /// Nothing can be sent.
    Down,
}

/// What happens next. Numbers pick, modulo what there is to pick from.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Reconcile {
        person: usize,
        patient: bool,
        lost: bool,
    },
    Judge,
    Send {
        target: usize,
        pick: usize,
        fault: Fault,
    },
    Deliver {
        pick: usize,
    },
    /// Judge, reconcile everybody, send everything; and hear of it, or not yet.
    Everything {
        fault: Fault,
        heard: bool,
    },
    Move {
        person: usize,
        department: usize,
    },
    Rename {
        person: usize,
        email: usize,
        title: usize,
    },
    Leave {
        person: usize,
    },
    Return {
        person: usize,
        start: usize,
    },
    Vanish {
        person: usize,
        absent: bool,
    },
    Pause {
        person: usize,
        paused: bool,
    },
    Delete {
        person: usize,
    },
    Edit {
        policy: usize,
        rule: Rule,
    },
    /// Makes an exception, or takes it away.
    Except {
        number: usize,
        special: Option<Special>,
    },
    Crash,
    Hours(i64),
    Approve {
        target: usize,
        stale: bool,
    },
    Target {
        target: usize,
        gone: bool,
    },
    /// Others do something at a target.
    Others {
        target: usize,
        pick: usize,
        deed: Deed,
    },
    /// A target's holders and accounts are read, a second later.
    Look {
        target: usize,
    },
}

/// What others do at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Take somebody out of a group.
    Remove,
    /// Delete an account.
    Delete,
    /// Make an account unusable.
    Lock,
    /// Set somebody's limit to something else.
    Limit,
}

/// A company, and what happens to it.
#[derive(Clone)]
pub struct Case {
    pub rules: [Rule; POLICIES],
    pub people: [Facts; PEOPLE],
    pub settings: [Settings; TARGETS.len()],
    pub before: [[Before; TARGETS.len()]; PEOPLE],
    pub ops: Vec<Op>,
}

/// A line each: a counterexample is read by people.
impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines = Vec::new();
        lines.extend(self.rules.iter().map(|rule| format!("{rule:?}")));
        lines.extend(self.people.iter().map(|facts| format!("{facts:?}")));
        lines.extend(self.settings.iter().map(|settings| format!("{settings:?}")));
        lines.extend(self.before.iter().map(|before| format!("{before:?}")));
        lines.extend(self.ops.iter().map(|op| format!("{op:?}")));
        f.write_str(&lines.join("\n"))
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        prop_oneof![
            8 => Just(Fate::Fine),
            1 => Just(Fate::Gone),
            1 => Just(Fate::Plan),
            1 => Just(Fate::Broken),
            1 => Just(Fate::Paused),
            1 => Just(Fate::Deleting)
        ],
        prop::option::of(0..2_usize),
        prop::array::uniform4(prop::bool::weighted(0.4)),
        prop_oneof![5 => Just(0_usize), 1 => Just(1)],
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, select(&[24_i64, 72][..])),
    )
        .prop_map(|(fate, department, gives, limit, denies, grace)| Rule {
            fate,
            department,
            gives,
            limit,
            denies,
            grace,
        })
}

fn special() -> impl Strategy<Value = Special> {
    (
        0..PEOPLE,
        0..THINGS.len(),
        select(&[Effect::Allow, Effect::Deny, Effect::Freeze][..]),
        select(&[2_i64, 26, 100][..]),
    )
        .prop_map(|(person, thing, effect, hours)| Special {
            person,
            thing,
            effect,
            hours,
        })
}

fn settings() -> impl Strategy<Value = Settings> {
    let end = || select(&["Keep", "Deactivate", "Delete"][..]);
    (
        any::<bool>(),
        prop::bool::weighted(0.9),
        end(),
        end(),
        0..4_u32,
        any::<bool>(),
    )
        .prop_map(
            |(adopt, create, on_unused, on_terminated, max_people, unique)| Settings {
                adopt,
                create,
                on_unused,
                on_terminated,
                max_people,
                unique,
            },
        )
}

fn before() -> impl Strategy<Value = Before> {
    (prop::option::weighted(0.3, prop::bool::weighted(0.8)), any::<bool>())
        .prop_map(|(account, member)| Before { account, member })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        5 => Just(Fault::No),
        1 => Just(Fault::Before),
        2 => Just(Fault::After),
        2 => Just(Fault::AfterBlind),
        1 => Just(Fault::Refused),
        1 => Just(Fault::Down)
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => Just(Deed::Remove),
        1 => Just(Deed::Delete),
        1 => Just(Deed::Lock),
        2 => Just(Deed::Limit)
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let person = || 0..PEOPLE;
    let seldom = || prop::bool::weighted(0.1);
    prop_oneof![
        10 => (person(), prop::bool::weighted(0.7), seldom())
            .prop_map(|(person, patient, lost)| Op::Reconcile { person, patient, lost }),
        4 => Just(Op::Judge),
        12 => (0..TARGETS.len(), 0..8_usize, fault()).prop_map(|(target, pick, fault)| Op::Send { target, pick, fault }),
        6 => (0..8_usize).prop_map(|pick| Op::Deliver { pick }),
        8 => (fault(), prop::bool::weighted(0.7)).prop_map(|(fault, heard)| Op::Everything { fault, heard }),
        3 => (person(), 0..2_usize).prop_map(|(person, department)| Op::Move { person, department }),
        // Back to the first address too, at which somebody else's account may be.
        1 => (person(), 0..3_usize, 0..2_usize).prop_map(|(person, email, title)| Op::Rename { person, email, title }),
        3 => person().prop_map(|person| Op::Leave { person }),
        3 => (person(), 0..STARTS.len()).prop_map(|(person, start)| Op::Return { person, start }),
        1 => (person(), any::<bool>()).prop_map(|(person, absent)| Op::Vanish { person, absent }),
        1 => (person(), any::<bool>()).prop_map(|(person, paused)| Op::Pause { person, paused }),
        1 => person().prop_map(|person| Op::Delete { person }),
        3 => (0..POLICIES, rule()).prop_map(|(policy, rule)| Op::Edit { policy, rule }),
        2 => (0..EXCEPTIONS, prop::option::weighted(0.8, special()))
            .prop_map(|(number, special)| Op::Except { number, special }),
        2 => Just(Op::Crash),
        1 => select(&[1, 12, 25, 24 * 31][..]).prop_map(Op::Hours),
        2 => (0..TARGETS.len(), seldom()).prop_map(|(target, stale)| Op::Approve { target, stale }),
        1 => (0..TARGETS.len(), prop::bool::weighted(0.3)).prop_map(|(target, gone)| Op::Target { target, gone }),
        4 => (0..TARGETS.len(), 0..8_usize, deed()).prop_map(|(target, pick, deed)| Op::Others { target, pick, deed }),
        4 => (0..TARGETS.len()).prop_map(|target| Op::Look { target }),
    ]
}

pub fn case() -> impl Strategy<Value = Case> {
    let facts = (0..2_usize).prop_map(|department| Facts {
        department,
        left: false,
        start: 0,
        email: 0,
        title: 0,
        absent: false,
        paused: false,
        deleting: false,
    });
    (
        prop::array::uniform3(rule()),
        prop::array::uniform4(facts),
        prop::array::uniform3(settings()),
        prop::array::uniform4(prop::array::uniform3(before())),
        prop::collection::vec(op(), 4..80),
    )
        .prop_map(|(rules, people, settings, before, ops)| Case {
            rules,
            people,
            settings,
            before,
            ops,
        })
}
