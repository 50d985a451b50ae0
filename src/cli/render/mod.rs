//! How a plan looks: for a terminal, for a pull request, for programs. All of it sorted, so that equal plans print equal.

mod markdown;
mod table;

use jiff::Timestamp;
use serde::Serialize;

pub use self::markdown::markdown;
pub use self::table::table;
use crate::decide::compare::{Access, Comparison, Edit, ParameterChange, PersonChange, PolicyTotal};

/// What a plan is of.
pub struct About<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The instant it is made for.
    pub now: Timestamp,
    /// How many people, or other rows, a section shows.
    pub limit: usize,
}

/// For programs.
pub fn json(about: &About<'_>, comparison: &Comparison) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Whole<'a> {
        namespace: &'a str,
        now: Timestamp,
        summary: Summary,
        #[serde(flatten)]
        comparison: &'a Comparison,
    }
    let whole = Whole {
        namespace: about.namespace,
        now: about.now,
        summary: Summary::of(comparison),
        comparison,
    };
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

/// A plan in a few figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    people_gaining: usize,
    gains: usize,
    people_losing: usize,
    losses: usize,
    people_losing_later: usize,
    losses_later: usize,
    people_with_other_parameters: usize,
    people_with_less: usize,
    people_held: usize,
    held: usize,
    /// Gains and losses that would not be begun.
    blocked: usize,
}

impl Summary {
    fn of(comparison: &Comparison) -> Self {
        let mut summary = Self::default();
        for person in &comparison.people {
            let (coming, going) = (person.coming().count(), person.going().count());
            let held = person.coming().filter(|gain| !gain.change_set.is_empty()).count()
                + person.going().filter(|loss| !loss.change_set.is_empty()).count()
                + person.changing().filter(|change| !change.change_set.is_empty()).count();
            summary.gains += coming;
            summary.people_gaining += usize::from(coming > 0);
            summary.losses += going;
            summary.people_losing += usize::from(going > 0);
            summary.losses_later += person.later.len();
            summary.people_losing_later += usize::from(!person.later.is_empty());
            summary.people_with_other_parameters += usize::from(person.changing().next().is_some());
            let less = person.changing().any(|change| change.cause.is_some());
            summary.people_with_less += usize::from(less);
            summary.held += held;
            summary.people_held += usize::from(held > 0);
            summary.blocked += person.gains.len() - coming + person.losses.len() - going;
        }
        summary
    }

    fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if self.people_gaining > 0 {
            parts.push(format!("{} would gain {}", people(self.people_gaining), self.gains));
        }
        if self.people_losing > 0 {
            parts.push(format!("{} would lose {}", people(self.people_losing), self.losses));
        }
        if self.people_losing_later > 0 {
            let who = people(self.people_losing_later);
            parts.push(format!("{who} would lose {} later", self.losses_later));
        }
        if self.people_with_other_parameters > 0 {
            let who = people(self.people_with_other_parameters);
            let less = match self.people_with_less {
                0 => String::new(),
                n => format!(", {n} of them less"),
            };
            parts.push(format!("{who} would have other parameters{less}"));
        }
        if parts.is_empty() {
            return "Nobody would gain or lose anything.".to_owned();
        }
        let held = match self.people_held {
            0 => "nothing would be held".to_owned(),
            n => format!(
                "{} of these changes, of {}, would be held for a person's decision",
                self.held,
                people(n)
            ),
        };
        format!("{}; {held}.", parts.join(", "))
    }
}

fn people(count: usize) -> String {
    match count {
        1 => "1 person".to_owned(),
        n => format!("{n} people"),
    }
}

/// A person as people call them, and as the cluster does.
fn who(person: &PersonChange) -> String {
    match person.display_name.trim() {
        "" => person.employee.clone(),
        name => format!("{} ({})", one_line(name), person.employee),
    }
}

/// Without what a terminal or a page would take for a command: names come from the HR system.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn access(access: &Access) -> String {
    format!("{} at {}", access.entitlement, access.target)
}

fn edit(total: &PolicyTotal) -> &'static str {
    match total.edit {
        Edit::Added => "added",
        Edit::Changed => "changed",
        Edit::Removed => "removed",
        Edit::Same => "same",
    }
}

/// What a person does to let a held set go.
fn approval(about: &About<'_>, change_set: &str) -> String {
    format!("rollcall changeset approve {change_set} -n {}", about.namespace)
}

/// Rows of a section about people, each person's first: who, what, and why.
struct Row {
    who: String,
    what: String,
    why: String,
}

fn losses(person: &PersonChange) -> Vec<Row> {
    let row = |loss: &crate::decide::compare::LostAccess| Row {
        who: who(person),
        what: access(&loss.access),
        why: {
            let by = match loss.policies.as_slice() {
                [] => String::new(),
                policies => format!(", was by {}", policies.join(", ")),
            };
            let held = match loss.change_set.as_str() {
                "" => String::new(),
                change_set => format!(", held in {change_set}"),
            };
            let stays = match loss.blocked.as_str() {
                "" => String::new(),
                why => format!(", but does not go: {}", one_line(why)),
            };
            format!("{:?}{by}{held}{stays}", loss.cause)
        },
    };
    person.losses.iter().map(row).collect()
}

fn later(person: &PersonChange) -> Vec<Row> {
    let row = |left: &crate::decide::compare::LaterLoss| Row {
        who: who(person),
        what: access(&left.access),
        why: format!("on {}, when the grace of {} is over", left.until, left.grace_of),
    };
    person.later.iter().map(row).collect()
}

fn gains(person: &PersonChange) -> Vec<Row> {
    let row = |gain: &crate::decide::compare::Gained| Row {
        who: who(person),
        what: access(&gain.access),
        why: {
            let by = gain.policies.join(", ");
            match (gain.blocked.as_str(), gain.change_set.as_str()) {
                ("", "") => format!("by {by}"),
                ("", change_set) => format!("by {by}, held in {change_set}"),
                (why, _) => format!("by {by}, but not begun: {}", one_line(why)),
            }
        },
    };
    person.gains.iter().map(row).collect()
}

/// Whether a change takes access away, and what would become of it.
fn what_becomes_of(change: &ParameterChange) -> String {
    let loss = match change.cause {
        Some(cause) => format!(", a loss ({cause:?})"),
        None => String::new(),
    };
    match (change.blocked.as_str(), change.change_set.as_str()) {
        ("", "") => loss,
        ("", change_set) => format!("{loss}, held in {change_set}"),
        (why, _) => format!("{loss}, but not sent: {}", one_line(why)),
    }
}

fn parameters(person: &PersonChange) -> Vec<Row> {
    let value = |text: &str| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            one_line(text)
        }
    };
    let row = |change: &ParameterChange| Row {
        who: who(person),
        what: access(&change.access),
        why: format!(
            "{}: {} -> {}{}",
            change.name,
            value(&change.from),
            value(&change.to),
            what_becomes_of(change)
        ),
    };
    person.parameters.iter().map(row).collect()
}

fn kept(person: &PersonChange) -> Vec<Row> {
    let row = |text: &Access, why: &str| Row {
        who: who(person),
        what: access(text),
        why: why.to_owned(),
    };
    let kept = person
        .kept
        .iter()
        .map(|kept| row(kept, "its loss waits for a decision now, and would not be called for"));
    let going = person.no_longer_going.iter();
    let going = going.map(|access| row(access, "is left for a grace now, and would not be lost"));
    let coming = person.no_longer_coming.iter();
    let coming = coming.map(|access| row(access, "is on its way now, and would not come"));
    kept.chain(going).chain(coming).collect()
}

/// The sections about people: a title, and what of each person belongs there.
type Section = (&'static str, fn(&PersonChange) -> Vec<Row>);

const SECTIONS: [Section; 5] = [
    ("Would lose", losses),
    ("Would lose later", later),
    ("Would gain", gains),
    ("Would have other parameters", parameters),
    ("Otherwise no longer under way", kept),
];

/// The rows of a section for at most `limit` people, and how many people more there are.
fn rows(section: Section, comparison: &Comparison, limit: usize) -> (Vec<Row>, usize) {
    let mut shown = Vec::new();
    let mut count = 0;
    for person in &comparison.people {
        let rows = section.1(person);
        if rows.is_empty() {
            continue;
        }
        count += 1;
        if count <= limit {
            shown.extend(rows);
        }
    }
    (shown, count - count.min(limit))
}
