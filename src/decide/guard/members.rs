//! What a `ChangeSet` is made of: changes by their names alone, so that whoever knows the names knows the digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::budget::Line;
use super::{Gain, Loss, LossId, Lost};
use crate::api::change_set::{ChangeSetState, ChangeSetStatus, TargetShare};
use crate::api::conditions::clip;
use crate::decide::effect::short_digest;

/// The most changes that a `ChangeSet` shows.
const SAMPLE_MAX: usize = 100;
/// The longest line of it, in bytes.
const LINE_MAX: usize = 768;
/// The most targets that it tells apart.
const TARGETS_MAX: usize = 64;

/// One change of a `ChangeSet`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Name of the `Employee`; of what no record explains, `account/` and the account's id.
    pub employee: String,
    /// Name of the `TargetSystem`.
    pub target: String,
    /// What changes.
    pub what: What,
    /// The entitlement's name, for parameters with the change; empty for an account.
    pub label: String,
}

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The account is made unusable.
    Account,
    /// The account is deleted.
    Deletion,
    /// An entitlement is lost.
    Entitlement,
    /// An entitlement is gained.
    Grant,
    /// An entitlement is lost that no record explains.
    Unmanaged,
    /// A grant's parameters become less.
    Parameters,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Deletion => "deletion",
            Self::Entitlement => "entitlement",
            Self::Grant => "grant",
            Self::Unmanaged => "unmanaged",
            Self::Parameters => "parameters",
        }
    }
}

impl Member {
    /// A loss, as a member.
    pub fn of_loss(loss: &Loss) -> Self {
        let (what, label) = match &loss.id.what {
            Lost::Parameters { change, .. } => {
                let label = label_of_change(&loss.label, change);
                return Self::new(&loss.id.employee, &loss.id.target, What::Parameters, &label);
            }
            Lost::Account => (What::Account, ""),
            Lost::Deletion => (What::Deletion, ""),
            Lost::Membership(..) => (What::Entitlement, loss.label.as_str()),
            Lost::Unmanaged(entitlement) => return Self::unmanaged(&loss.id, entitlement),
        };
        Self::new(&loss.id.employee, &loss.id.target, what, label)
    }

    /// The loss of what no record explains, as a member.
    pub fn unmanaged(id: &LossId, entitlement: &str) -> Self {
        Self::new(&id.employee, &id.target, What::Unmanaged, entitlement)
    }

    /// A gain, as a member.
    pub fn of_gain(gain: &Gain) -> Self {
        Self::new(&gain.id.employee, &gain.id.key.target, What::Grant, &gain.label)
    }

    /// The change as a `ChangeSet` shows it.
    pub fn line(&self) -> String {
        clip(&self.to_string(), LINE_MAX).to_owned()
    }

    /// A change by its names.
    pub fn new(employee: &str, target: &str, what: What, label: &str) -> Self {
        Self {
            employee: employee.to_owned(),
            target: target.to_owned(),
            what,
            label: label.to_owned(),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            employee,
            target,
            what,
            label,
        } = self;
        match what {
            What::Account => write!(f, "{employee}: -account at {target}"),
            What::Deletion => write!(f, "{employee}: account deleted at {target}"),
            What::Entitlement => write!(f, "{employee}: -{label} at {target}"),
            What::Grant => write!(f, "{employee}: +{label} at {target}"),
            What::Unmanaged => write!(f, "{employee}: -{label} at {target}, which no record explains"),
            What::Parameters => write!(f, "{employee}: {label} at {target}"),
        }
    }
}

/// How a change of parameters is named: by the entitlement, and from what to what.
pub fn label_of_change(entitlement: &str, change: &str) -> String {
    format!("{entitlement} ({change})")
}

/// Digest over exactly these members, whatever their order.
pub fn digest<'a>(members: impl IntoIterator<Item = &'a Member>) -> String {
    let sorted: BTreeSet<&Member> = members.into_iter().collect();
    short_digest(sorted.into_iter().flat_map(|member| {
        [
            member.employee.as_str(),
            member.target.as_str(),
            member.what.name(),
            member.label.as_str(),
        ]
    }))
}

/// The name that a `ChangeSet` of this digest has, unless an earlier one has it.
pub fn name_of(digest: &str) -> String {
    format!("cs-{}", &digest[..digest.len().min(12)])
}

/// A `ChangeSet` to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its name.
    pub name: String,
    /// Why its changes are called for.
    pub line: Line,
    /// Which budget they exceed, in plain words.
    pub why: String,
    /// Its members, which stay the same from here on.
    pub members: BTreeSet<Member>,
}

impl Opening {
    /// Digest over its members.
    pub fn digest(&self) -> String {
        digest(&self.members)
    }

    /// How many people it is about.
    pub fn people(&self) -> u32 {
        people(self.members.iter())
    }

    /// The targets that it is about, and how much at each.
    pub fn targets(&self) -> Vec<TargetShare> {
        let mut targets: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
        for member in &self.members {
            targets.entry(&member.target).or_default().push(member);
        }
        let share = |(target, members): (&str, Vec<&Member>)| TargetShare {
            target: target.to_owned(),
            people: people(members.iter().copied()),
            changes: count(members.len()),
        };
        targets.into_iter().map(share).collect()
    }

    /// Its status when it is made.
    pub fn status(&self, now: Timestamp) -> ChangeSetStatus {
        let mut targets = self.targets();
        targets.truncate(TARGETS_MAX);
        let lines = self.members.iter().map(Member::line);
        ChangeSetStatus {
            state: ChangeSetState::Open,
            cause: self.line.to_string(),
            why: clip(&self.why, 512).to_owned(),
            digest: self.digest(),
            people: self.people(),
            changes: count(self.members.len()),
            waiting: count(self.members.len()),
            targets,
            opened_at: Some(Time(now)),
            sample: lines.take(SAMPLE_MAX).collect(),
            ..ChangeSetStatus::default()
        }
    }
}

fn people<'a>(members: impl Iterator<Item = &'a Member>) -> u32 {
    count(members.map(|member| &member.employee).collect::<BTreeSet<_>>().len())
}

/// A number for a status.
pub(super) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
