//! The answer of a comparison.

use jiff::Timestamp;
use serde::Serialize;

use crate::api::employee::Cause;
use crate::api::policy::{Mode, PlanReport};
use crate::decide::effect::RemoteKey;
use crate::decide::guard::LossId;

/// All that would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// How many people were looked at.
    pub looked_at: usize,
    /// Everybody for whom something would change, in order of name; then accounts that hold something by no record.
    pub people: Vec<PersonChange>,
    /// By target and entitlement.
    pub entitlements: Vec<EntitlementTotal>,
    /// Policies that match others, give other things or are not the same, by name.
    pub policies: Vec<PolicyTotal>,
    /// By target.
    pub targets: Vec<TargetTotal>,
    /// What would wait for a person.
    pub held: Vec<HeldSet>,
    /// Policies about which nothing can be told for somebody, so that they neither give nor take there.
    pub unknown: Vec<Unknown>,
    /// Policies in mode Plan, and what they would do if they were enforced.
    pub planned: Vec<Planned>,
}

/// What would change for one person.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonChange {
    /// Name of the `Employee`; `account/` and its id, for an account that holds something by no record.
    pub employee: String,
    /// How people call them; empty where the facts do not say.
    pub display_name: String,
    /// What they would gain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gains: Vec<Gained>,
    /// What they would lose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<LostAccess>,
    /// What they would lose once the grace of a policy is over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<LaterLoss>,
    /// Parameters of what they keep that would be others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterChange>,
    /// What is held, as the record says, and would no longer be called for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Access>,
    /// What `before` leaves for a grace only, and `after` would not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_longer_going: Vec<Access>,
    /// What `before` would yet give, and `after` would not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_longer_coming: Vec<Access>,
}

impl PersonChange {
    /// The gains that would come, held ones included.
    pub fn coming(&self) -> impl Iterator<Item = &Gained> + Clone {
        self.gains.iter().filter(|gain| gain.blocked.is_empty())
    }

    /// The losses that would go, held ones included.
    pub fn going(&self) -> impl Iterator<Item = &LostAccess> + Clone {
        self.losses.iter().filter(|loss| loss.blocked.is_empty())
    }

    /// Whether anything of this would wait for a person.
    pub fn is_held(&self) -> bool {
        self.gains.iter().any(|gain| !gain.change_set.is_empty())
            || self.losses.iter().any(|loss| !loss.change_set.is_empty())
            || self.parameters.iter().any(|change| !change.change_set.is_empty())
    }

    /// The changes of parameters that would come, held ones included.
    pub fn changing(&self) -> impl Iterator<Item = &ParameterChange> + Clone {
        self.parameters.iter().filter(|change| change.blocked.is_empty())
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.gains.is_empty()
            && self.losses.is_empty()
            && self.later.is_empty()
            && self.parameters.is_empty()
            && self.kept.is_empty()
            && self.no_longer_going.is_empty()
            && self.no_longer_coming.is_empty()
    }
}

/// One thing that a person can have.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Access {
    /// Name of the `TargetSystem`.
    pub target: String,
    /// Name of the `Entitlement`; `account` for the use of an account, `deletion` for the account itself.
    pub entitlement: String,
}

/// One thing that a person would gain.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gained {
    /// What.
    #[serde(flatten)]
    pub access: Access,
    /// The remote object, by which grants are counted.
    #[serde(skip)]
    pub key: RemoteKey,
    /// The `ChangeSet` that it waits in by its record; empty where it waits in none.
    #[serde(skip)]
    pub waited_in: String,
    /// Whether the same stands in its way already.
    #[serde(skip)]
    pub is_barred_already: bool,
    /// The policies that would give it.
    pub policies: Vec<String>,
    /// The `ChangeSet` that it would wait in; empty where it would go ahead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub change_set: String,
    /// Why it would not be begun all the same; empty where it would.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub blocked: String,
}

/// One thing that a person would lose.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostAccess {
    /// What.
    #[serde(flatten)]
    pub access: Access,
    /// Which loss it is to the guard.
    #[serde(skip)]
    pub id: LossId,
    /// Why.
    pub cause: Cause,
    /// The policies that gave it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// The `ChangeSet` that it would wait in; empty where it would go.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub change_set: String,
    /// Why it would not go all the same; empty where it would.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub blocked: String,
    /// Whether it is called for already.
    #[serde(skip)]
    pub is_due: bool,
    /// The `ChangeSet` that it waits in by its record; empty where it waits in none.
    #[serde(skip)]
    pub waited_in: String,
}

/// One thing that a person would lose, and not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaterLoss {
    /// What.
    #[serde(flatten)]
    pub access: Access,
    /// The remote object.
    #[serde(skip)]
    pub key: RemoteKey,
    /// When the grace is over. What goes then is judged then, and may be held.
    pub until: Timestamp,
    /// The policy whose grace it is.
    pub grace_of: String,
}

/// A parameter that would be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterChange {
    /// Of what.
    #[serde(flatten)]
    pub access: Access,
    /// Name of the parameter.
    pub name: String,
    /// What it is; empty where there is none.
    pub from: String,
    /// What it would be; empty where there would be none.
    pub to: String,
    /// Which loss the grant's change is to the guard, of which this is a part; `None` where nothing of it takes access away.
    #[serde(skip)]
    pub id: Option<LossId>,
    /// The `ChangeSet` that the change waits in by its record; empty where it waits in none.
    #[serde(skip)]
    pub waited_in: String,
    /// Why access would be taken by it; absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The `ChangeSet` that it would wait in; empty where it would go ahead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub change_set: String,
    /// Why it would not be sent all the same; empty where it would.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub blocked: String,
}

/// An entitlement in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntitlementTotal {
    /// Which.
    #[serde(flatten)]
    pub access: Access,
    /// People who would gain it.
    pub gains: usize,
    /// People who would lose it.
    pub losses: usize,
    /// Of the losses, gains and other parameters, those that would wait for a person.
    pub held: usize,
    /// People who would have other parameters.
    pub parameters: usize,
}

/// How a policy is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Edit {
    /// It is new.
    Added,
    /// It asks for something else.
    Changed,
    /// It is gone.
    Removed,
    /// It is the same; other things changed.
    Same,
}

/// A policy in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTotal {
    /// Its name.
    pub policy: String,
    /// What was done to it.
    pub edit: Edit,
    /// Whether it acts; absent where it is gone or cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// People it matches now, in a phase in which it gives access.
    pub matched_before: u32,
    /// People it would match.
    pub matched_after: u32,
}

/// A target in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetTotal {
    /// Its name.
    pub target: String,
    /// People who would gain something there.
    pub people_gaining: usize,
    /// People who would lose something there.
    pub people_losing: usize,
    /// People of whom something there would be held.
    pub people_held: usize,
    /// People who hold something there now.
    pub holders: usize,
}

/// Changes that would wait for a person together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldSet {
    /// The name that the `ChangeSet` would have.
    pub change_set: String,
    /// The digest to approve.
    pub digest: String,
    /// Why its losses are called for; absent where it holds gains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Which budget they exceed, in plain words.
    pub why: String,
    /// How many people it is about.
    pub people: u32,
    /// How many changes it has; those that come anyway are among them.
    pub changes: usize,
}

/// A policy about which nothing can be told for somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Its name.
    pub policy: String,
    /// Why, for the first of them.
    pub why: String,
    /// For how many people.
    pub people: usize,
    /// Whether it was the same for as many before.
    pub new: bool,
}

/// A policy in mode Plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Planned {
    /// Its name.
    pub policy: String,
    /// What it would do if it were enforced.
    #[serde(flatten)]
    pub report: PlanReport,
}
