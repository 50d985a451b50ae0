//! Which changes go, and which wait for a person.
//!
//! An evidenced exit always goes. Of everything else, a target and a namespace let go of so many people within a window,
//! for each cause; what would exceed that is held as a whole in a `ChangeSet`, since a batch that large is more likely a
//! mistake than a series of moves. What cannot be undone, the deletion of accounts, is counted for exits too.
//!
//! ```text
//! records ──▶ Docket (called for, spent) ──▶ judge ──▶ verdict for each change, ChangeSets to open
//!                                             ▲ │
//!                                             │ ▼
//!                                           Memory (let go or put into a ChangeSet, and not on record yet)
//! ```

mod budget;
mod judge;
mod members;
mod memory;

use std::collections::{BTreeMap, BTreeSet};

pub use self::budget::{Line, NAMESPACE_WINDOW, Spent, budget, namespace_budget, window};
pub use self::judge::{Case, Known, Terms, judge};
pub use self::members::{Member, Opening, What, digest, label_of_change, name_of};
pub use self::memory::{Memory, is_kin, is_same};
use super::effect::RemoteKey;
use crate::api::employee::{Cause, Release};
use crate::api::entitlement::RemoteObject;
use crate::api::target::HeldReport;

/// One thing that one person is about to lose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LossId {
    /// Name of the `Employee`; of what no record explains, `account/` and the account's id.
    pub employee: String,
    /// Name of the `TargetSystem`.
    pub target: String,
    /// What it is.
    pub what: Lost,
}

/// What is lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lost {
    /// The use of the account, which can be given back.
    Account,
    /// The account itself, which cannot.
    Deletion,
    /// The place of an account among the holders of an object.
    Membership(RemoteObject, String),
    /// The place of an account among the holders of the object of this Entitlement, which no record explains.
    Unmanaged(String),
    /// Some of what a grant gives, by its parameters.
    Parameters {
        /// What is held.
        object: RemoteObject,
        /// By which account.
        account_id: String,
        /// From what to what: `limit 500 -> 100`. Another change is another loss, judged by itself.
        change: String,
    },
}

/// The object whose status is the record of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper<'a> {
    /// The Employee of this name.
    Employee(&'a str),
    /// The Entitlement of this name.
    Entitlement(&'a str),
}

impl LossId {
    /// The object whose status is its record.
    pub fn keeper(&self) -> Keeper<'_> {
        match &self.what {
            Lost::Unmanaged(entitlement) => Keeper::Entitlement(entitlement),
            Lost::Account | Lost::Deletion | Lost::Membership(..) | Lost::Parameters { .. } => {
                Keeper::Employee(&self.employee)
            }
        }
    }
}

/// A loss that the facts and policies of this moment call for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which.
    pub id: LossId,
    /// Why.
    pub cause: Cause,
    /// The `ChangeSet` that its record names: it was judged, and waits for a person. Empty where it was not held.
    pub change_set: String,
    /// The entitlement's name, or `account`, for people.
    pub label: String,
}

/// One thing that one person is about to gain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GainId {
    /// Name of the `Employee`.
    pub employee: String,
    /// The remote object.
    pub key: RemoteKey,
}

/// A gain that the facts and policies of this moment call for, at a target with a ceiling on grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gain {
    /// Which.
    pub id: GainId,
    /// The `ChangeSet` that its record names. Empty where it was not held.
    pub change_set: String,
    /// The entitlement's name.
    pub label: String,
}

/// What is known of one target's changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Docket {
    /// Losses that are called for and not let go yet. Of evidenced exits, only the deletions of accounts.
    pub losses: Vec<Loss>,
    /// Gains that are called for and not begun yet; none where the target has no ceiling on grants.
    pub gains: Vec<Gain>,
    /// People who lost something here within the window, on the budget.
    pub spent: Spent,
    /// People who gained something here within the window, on the budget, or are about to.
    pub gained: BTreeSet<String>,
    /// People who hold anything here by us.
    pub holders: BTreeSet<String>,
}

/// What may become of a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes.
    Released {
        /// On what ground.
        release: Release,
        /// The digest that was approved, or empty.
        approval: String,
        /// Why it is lost, as it was judged and counted.
        cause: Cause,
    },
    /// It waits for a person.
    Held {
        /// Why it would be lost.
        cause: Cause,
        /// Name of the `ChangeSet` that it waits in.
        change_set: String,
        /// For the record.
        reason: String,
    },
    /// It has not been judged yet.
    Wait,
}

/// What may become of a gain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes ahead.
    Free,
    /// It goes ahead, since a person approved this digest; no ceiling counts it.
    Approved {
        /// Name of the `ChangeSet` that it waited in.
        change_set: String,
        /// The digest that was approved.
        approval: String,
    },
    /// It waits for a person.
    Held {
        /// Name of the `ChangeSet` that it waits in.
        change_set: String,
        /// For the record.
        reason: String,
    },
    /// It has not been judged yet.
    Wait,
}

/// Says what may become of each change of a person.
pub trait Judge {
    /// What may become of a loss that no exit explains, or of the deletion of an account.
    fn loss(&self, loss: &LossId) -> Verdict;
    /// What may become of a gain at a target with a ceiling on grants. Others are not asked about.
    fn gain(&self, gain: &GainId) -> Admission;
}

/// A judge of losses alone: gains go ahead.
impl<F: Fn(&LossId) -> Verdict> Judge for F {
    fn loss(&self, loss: &LossId) -> Verdict {
        self(loss)
    }

    fn gain(&self, _: &GainId) -> Admission {
        Admission::Free
    }
}

/// The verdicts on a namespace's changes. What it does not speak of has not been judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// By loss.
    pub verdicts: BTreeMap<LossId, Verdict>,
    /// By gain.
    pub admissions: BTreeMap<GainId, Admission>,
    /// How many changes wait in each `ChangeSet`, those where nothing waits any more included.
    pub waiting: BTreeMap<String, u32>,
    /// `ChangeSet`s in which something waits and that are not there, or not whole: to be made before records name them.
    pub openings: Vec<Opening>,
    /// For each target's status, where anything is held.
    pub held: BTreeMap<String, HeldReport>,
    /// Whether every loss that an edit of policies calls for is judged and on record, so that what is lost from here on
    /// has another cause.
    pub enforced: bool,
}

impl Judgement {
    /// Says nothing yet of what would wait in these `ChangeSet`s, since they could not be made.
    pub fn put_off(&mut self, change_sets: &BTreeSet<String>) {
        for verdict in self.verdicts.values_mut() {
            if matches!(verdict, Verdict::Held { change_set, .. } if change_sets.contains(change_set)) {
                *verdict = Verdict::Wait;
            }
        }
        for admission in self.admissions.values_mut() {
            if matches!(admission, Admission::Held { change_set, .. } if change_sets.contains(change_set)) {
                *admission = Admission::Wait;
            }
        }
        self.enforced &= change_sets.is_empty();
    }
}

impl Judge for Judgement {
    fn loss(&self, loss: &LossId) -> Verdict {
        self.verdicts.get(loss).cloned().unwrap_or(Verdict::Wait)
    }

    fn gain(&self, gain: &GainId) -> Admission {
        self.admissions.get(gain).cloned().unwrap_or(Admission::Wait)
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
mod tests;
