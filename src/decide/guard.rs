//! Which losses go, and which wait for a person.
//!
//! An evidenced exit always goes. Of everything else, a target lets go of at most its budget of people in 24 hours;
//! what would exceed it is held as a whole, since a batch that large is more likely a mistake than a series of moves.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{RemoteKey, short_digest};
use crate::api::employee::{Cause, Release};
use crate::api::entitlement::RemoteObject;
use crate::api::target::{Guard, HeldReport};

/// Length of the window over which losses are counted, in hours.
pub const WINDOW_HOURS: i64 = 24;

/// One thing that one person is about to lose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LossId {
    /// Name of the `Employee`.
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

/// What is known of one target's losses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Docket {
    /// Losses that are called for and not let go yet; evidenced exits are not among them.
    pub losses: Vec<Loss>,
    /// People who lost something here within the window, on the budget.
    pub spent: BTreeSet<String>,
    /// What was let go within the window by approval: digest to losses.
    pub approved: BTreeMap<String, BTreeSet<LossId>>,
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
        /// Why it is lost.
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

/// One thing that one person is about to gain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GainId {
    /// Name of the `Employee`.
    pub employee: String,
    /// The remote object.
    pub key: RemoteKey,
}

/// What may become of a gain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes ahead.
    Free,
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
    /// What may become of a loss that no exit explains.
    fn loss(&self, loss: &LossId) -> Verdict;
    /// What may become of a gain.
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

/// The verdicts on one target's losses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// By loss.
    pub verdicts: BTreeMap<LossId, Verdict>,
    /// For the target's status, where anything is held.
    pub held: Option<HeldReport>,
}

/// How many people may lose something at a target within the window.
pub fn budget(guard: &Guard, holders: usize) -> usize {
    let share = holders.saturating_mul(guard.max_percent as usize) / 100;
    share.max(guard.max_people as usize)
}

/// Judges one target's losses. `issued` are losses let go by an earlier judgement whose records are not yet known to
/// be written: they stay let go, and count. `approval` is the digest that a person put on the target.
pub fn judge(docket: &Docket, guard: &Guard, issued: &BTreeSet<LossId>, approval: Option<&str>) -> Judgement {
    let budget = budget(guard, docket.holders.len());
    let mut people = docket.spent.clone();
    people.extend(
        docket
            .losses
            .iter()
            .filter(|l| issued.contains(&l.id))
            .map(|l| l.id.employee.clone()),
    );
    let newcomers = docket
        .losses
        .iter()
        .filter(|l| l.change_set.is_empty() && !issued.contains(&l.id));
    people.extend(newcomers.map(|l| l.id.employee.clone()));
    let room = people.len() <= budget;

    // What is held by the record, and what would be held: not every record can say that it is (an account that failed),
    // and the digest that a person was shown is over all of them.
    let waiting = |loss: &&Loss| !loss.change_set.is_empty();
    let would_wait = |loss: &&Loss| !loss.change_set.is_empty() || !(room || issued.contains(&loss.id));
    let ids = |wanted: &dyn Fn(&&Loss) -> bool| -> BTreeSet<&LossId> {
        docket.losses.iter().filter(wanted).map(|loss| &loss.id).collect()
    };
    let approved = approval.and_then(|approval| {
        // A crash in the middle of an approved release must not leave the rest behind: what that approval already let
        // go still counts as part of what was approved.
        let gone = docket.approved.get(approval);
        [ids(&waiting), ids(&would_wait)]
            .into_iter()
            .find(|ids| !ids.is_empty() && digest(ids.iter().copied().chain(gone.into_iter().flatten())) == approval)
            .map(|ids| (approval, ids))
    });

    let mut verdicts = BTreeMap::new();
    let mut held = Vec::new();
    for loss in &docket.losses {
        let released = |release, approval: &str| Verdict::Released {
            release,
            approval: approval.to_owned(),
            cause: loss.cause,
        };
        let verdict = match &approved {
            Some((digest, ids)) if ids.contains(&loss.id) => released(Release::Approved, digest),
            _ if issued.contains(&loss.id) || (room && loss.change_set.is_empty()) => released(Release::Budget, ""),
            _ => {
                held.push(loss);
                Verdict::Held {
                    cause: loss.cause,
                    change_set: "held".to_owned(),
                    reason: format!(
                        "waits for a person: more than {budget} people would lose access at {} within {WINDOW_HOURS} h",
                        loss.id.target
                    ),
                }
            }
        };
        verdicts.insert(loss.id.clone(), verdict);
    }
    Judgement {
        held: report(&held, budget),
        verdicts,
    }
}

fn report(held: &[&Loss], budget: usize) -> Option<HeldReport> {
    if held.is_empty() {
        return None;
    }
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let people: BTreeSet<&String> = held.iter().map(|l| &l.id.employee).collect();
    Some(HeldReport {
        digest: digest(held.iter().map(|l| &l.id)),
        people: count(people.len()),
        changes: count(held.len()),
        budget: count(budget),
        sample: held
            .iter()
            .take(20)
            .map(|l| format!("{}: -{}", l.id.employee, l.label))
            .collect(),
    })
}

/// Digest over exactly these losses, whatever their order.
pub fn digest<'a>(losses: impl IntoIterator<Item = &'a LossId>) -> String {
    let sorted: BTreeSet<&LossId> = losses.into_iter().collect();
    short_digest(sorted.into_iter().flat_map(|id| {
        let (kind, object, account) = match &id.what {
            Lost::Account => ("account", "", ""),
            Lost::Deletion => ("deletion", "", ""),
            Lost::Membership(object, account) => (object.kind.as_str(), object.id.as_str(), account.as_str()),
        };
        [id.employee.as_str(), id.target.as_str(), kind, object, account]
    }))
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn loss(person: usize, held: bool) -> Loss {
        Loss {
            id: LossId {
                employee: format!("e-{person}"),
                target: "okta".into(),
                what: Lost::Account,
            },
            cause: Cause::PolicyChange,
            change_set: if held { "held".into() } else { String::new() },
            label: "account".into(),
        }
    }

    fn docket(losses: impl IntoIterator<Item = Loss>) -> Docket {
        Docket {
            losses: losses.into_iter().collect(),
            ..Docket::default()
        }
    }

    fn released(judgement: &Judgement) -> usize {
        judgement
            .verdicts
            .values()
            .filter(|v| matches!(v, Verdict::Released { .. }))
            .count()
    }

    /// I6: ten people may go by default, the eleventh holds them all.
    #[test]
    fn a_batch_over_the_budget_is_held_whole() {
        let guard = Guard::default();
        assert_eq!(
            released(&judge(
                &docket((0..10).map(|i| loss(i, false))),
                &guard,
                &BTreeSet::new(),
                None
            )),
            10
        );
        let judgement = judge(&docket((0..11).map(|i| loss(i, false))), &guard, &BTreeSet::new(), None);
        assert_eq!(released(&judgement), 0);
        assert_eq!(judgement.held.expect("held").people, 11);
    }

    /// I6: what went within the window counts, and so does what was let go and is not yet on record.
    #[test]
    fn the_window_and_what_is_on_its_way_count() {
        let guard = Guard::default();
        let mut docket = docket([loss(10, false)]);
        docket.spent = (0..10).map(|i| format!("e-{i}")).collect();
        assert_eq!(released(&judge(&docket, &guard, &BTreeSet::new(), None)), 0);
        docket.spent.pop_first();
        assert_eq!(released(&judge(&docket, &guard, &BTreeSet::new(), None)), 1);
        docket.losses.push(loss(11, false));
        let issued = BTreeSet::from([loss(11, false).id]);
        let judgement = judge(&docket, &guard, &issued, None);
        assert_eq!(
            judgement.verdicts[&loss(10, false).id],
            judge(&docket, &guard, &issued, None).verdicts[&loss(10, false).id]
        );
        assert!(matches!(judgement.verdicts[&loss(10, false).id], Verdict::Held { .. }));
        assert!(matches!(
            judgement.verdicts[&loss(11, false).id],
            Verdict::Released { .. }
        ));
    }

    /// I6: the digest lets exactly what was held go, and newcomers have to be judged by themselves.
    #[test]
    fn an_approval_lets_exactly_those_go() {
        let guard = Guard::default();
        let held: Vec<Loss> = (0..20).map(|i| loss(i, true)).collect();
        let approval = digest(held.iter().map(|l| &l.id));
        let mut docket = docket(held);
        docket.losses.extend((20..40).map(|i| loss(i, false)));
        assert_eq!(released(&judge(&docket, &guard, &BTreeSet::new(), Some("another"))), 0);
        let judgement = judge(&docket, &guard, &BTreeSet::new(), Some(&approval));
        assert_eq!(released(&judgement), 20);
        assert_eq!(judgement.held.expect("the newcomers").people, 20);
    }

    /// I6: the digest that is shown is the digest that is taken, also where a record cannot say that it is held.
    #[test]
    fn the_digest_that_is_shown_lets_go_what_it_was_shown_for() {
        let guard = Guard::default();
        let mut docket = docket((0..20).map(|i| loss(i, i < 15)));
        docket.spent = (30..40).map(|i| format!("e-{i}")).collect();
        let shown = judge(&docket, &guard, &BTreeSet::new(), None).held.expect("held");
        assert_eq!(shown.people, 20);
        let judgement = judge(&docket, &guard, &BTreeSet::new(), Some(&shown.digest));
        assert_eq!((released(&judgement), judgement.held), (20, None));
        // Half of them are recorded, and the process starts anew.
        let gone: Vec<Loss> = docket.losses.drain(..10).collect();
        let gone = gone.into_iter().map(|loss| loss.id).collect();
        docket.approved.insert(shown.digest.clone(), gone);
        let judgement = judge(&docket, &guard, &BTreeSet::new(), Some(&shown.digest));
        assert_eq!((released(&judgement), judgement.held), (10, None));
    }

    /// I6: a crash half-way through an approved release leaves the approval valid for the rest.
    #[test]
    fn an_approval_outlives_a_crash() {
        let guard = Guard::default();
        let all: Vec<Loss> = (0..20).map(|i| loss(i, true)).collect();
        let approval = digest(all.iter().map(|l| &l.id));
        let mut docket = docket(all[8..].iter().cloned());
        docket
            .approved
            .insert(approval.clone(), all[..8].iter().map(|l| l.id.clone()).collect());
        assert_eq!(released(&judge(&docket, &guard, &BTreeSet::new(), Some(&approval))), 12);
    }

    #[test]
    fn a_large_target_has_a_share_for_its_budget() {
        assert_eq!(budget(&Guard::default(), 50), 10);
        assert_eq!(budget(&Guard::default(), 2_000), 200);
        assert_eq!(
            budget(
                &Guard {
                    max_people: 0,
                    max_percent: 0,
                    ..Guard::default()
                },
                2_000
            ),
            0
        );
    }
}
