//! How many people may be concerned, by cause.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use crate::api::employee::Cause;
use crate::api::target::{Budget, Guard};

/// The window over which a namespace counts.
pub const NAMESPACE_WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// The longest window: records of what was revoked are kept no longer.
const WINDOW_MAX: Duration = Duration::from_hours(30 * 24);
/// The budget for exits, where a guard says nothing of them. Only deletions count on it.
const EXITS: Budget = Budget {
    max_people: 50,
    max_percent: 25,
};

/// A line of the budget: losses of one cause, or grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Losses of this cause.
    Losses(Cause),
    /// Grants, where a target has a ceiling on them.
    Grants,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Losses(cause) => write!(f, "{cause:?}"),
            Self::Grants => f.write_str("Grants"),
        }
    }
}

impl FromStr for Line {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let lines = Cause::ALL.into_iter().map(Self::Losses).chain([Self::Grants]);
        lines.into_iter().find(|line| line.to_string() == text).ok_or(())
    }
}

/// People who lost something within a window, by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent(BTreeMap<Cause, BTreeSet<String>>);

impl Spent {
    /// Counts a person. Where the cause is no longer known, they count for every cause, so that none is exceeded.
    pub fn add(&mut self, cause: Option<Cause>, person: &str) {
        let causes = cause.map_or(Cause::ALL.to_vec(), |cause| vec![cause]);
        for cause in causes {
            self.0.entry(cause).or_default().insert(person.to_owned());
        }
    }

    /// Takes a person out, whatever it was for.
    pub fn remove(&mut self, person: &str) {
        self.0.retain(|_, people| {
            people.remove(person);
            !people.is_empty()
        });
    }

    /// The people who lost something for this cause.
    pub fn people(&self, cause: Cause) -> impl Iterator<Item = &str> {
        self.0.get(&cause).into_iter().flatten().map(String::as_str)
    }
}

/// The window of a target's guard; more than 30 days count as 30 days.
pub fn window(guard: &Guard) -> SignedDuration {
    let window = guard.window.get_or(Duration::from_hours(24)).min(WINDOW_MAX);
    SignedDuration::try_from(window).unwrap_or(NAMESPACE_WINDOW)
}

/// How many people may be concerned at a target within the window; `None` where any number may.
pub fn budget(guard: &Guard, line: Line, holders: usize) -> Option<usize> {
    let cause = match line {
        Line::Grants => return guard.grants.as_ref().map(|budget| people(budget, holders)),
        Line::Losses(cause) => cause,
    };
    let own = guard.causes.iter().find(|own| own.cause == cause).map(|own| Budget {
        max_people: own.max_people,
        max_percent: own.max_percent,
    });
    let general = Budget {
        max_people: guard.max_people,
        max_percent: guard.max_percent,
    };
    Some(match (own, cause) {
        // A single evidenced exit is never blocked.
        (own, Cause::Termination) => people(&own.unwrap_or(EXITS), holders).max(1),
        (own, _) => people(&own.unwrap_or(general), holders),
    })
}

/// How many people may be concerned in a namespace within [`NAMESPACE_WINDOW`]; `None` where any number may. Exits have
/// at least the budget that a target gives them by default.
pub fn namespace_budget(limits: &Budget, line: Line, holders: usize) -> Option<usize> {
    match line {
        Line::Grants => None,
        Line::Losses(Cause::Termination) => Some(people(limits, holders).max(people(&EXITS, holders))),
        Line::Losses(_) => Some(people(limits, holders)),
    }
}

fn people(budget: &Budget, holders: usize) -> usize {
    let share = holders.saturating_mul(budget.max_percent as usize) / 100;
    share.max(budget.max_people as usize)
}
