//! The survey, kept: after a change only those whom it can concern are looked at again.
//!
//! What changed is found by comparing, so that nobody has to remember to say so: an object that the index did not
//! replace is the very same `Arc`. Each person's share in the figures is known, and is taken out before it is counted
//! anew. Where it is not clear whom a change concerns, it concerns everybody.

mod concern;
mod sum;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

pub use self::concern::whom_an_edit_concerns;
use self::concern::{Basis, Changed};
use self::sum::Sum;
use super::deletions::{deletion_at, deletions};
use super::gains::gains;
use super::guard::{Gain, Loss, NAMESPACE_WINDOW};
use super::index::{Namespace, Person};
use super::losses::{grace, losses};
use super::phase::PhaseRules;
use super::resolve::{PlannedChange, Resolution, resolve, would};
use super::survey::{Survey, target_window};
use super::unmanaged::strays;
use crate::api::employee::{Cause, Phase};
use crate::api::policy::Mode;

/// A survey that is brought up to date at the cost of what changed.
#[derive(Debug, Default)]
pub struct Ledger {
    shares: BTreeMap<String, Share>,
    /// People by the instant at which time alone may change their share.
    due: BTreeSet<(Timestamp, String)>,
    basis: Basis,
    sum: Sum,
    at: Option<Timestamp>,
}

/// What one person adds to the figures.
#[derive(Debug)]
struct Share {
    person: Arc<Person>,
    /// At which instant it was counted.
    at: Timestamp,
    phase: Phase,
    matched: Box<[Arc<str>]>,
    undecided: Box<[(Arc<str>, String)]>,
    /// Policies that contradict each other, both ways.
    at_odds: Box<[(Arc<str>, Arc<str>)]>,
    losses: Box<[Loss]>,
    gains: Box<[Gain]>,
    /// By policy in Plan mode: whether it would grant or revoke, and which entitlement.
    planned: Box<[(Arc<str>, bool, String)]>,
    /// Until when it stays as it is.
    until: Option<Timestamp>,
}

/// Of which the figures may have changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// People who were looked at again.
    pub people: BTreeSet<String>,
    /// Policies.
    pub policies: BTreeSet<String>,
    /// Entitlements.
    pub entitlements: BTreeSet<String>,
    /// Targets.
    pub targets: BTreeSet<String>,
}

impl Ledger {
    /// The survey as of the last [`refresh`](Self::refresh).
    pub fn survey(&self) -> &Survey {
        &self.sum.survey
    }

    /// Brings the survey up to date, so that it is what [`survey`](super::survey::survey) finds. It is to be one
    /// namespace's at all times.
    pub fn refresh(&mut self, namespace: &Namespace, now: Timestamp) -> Touched {
        let people = self.whom(namespace, now);
        let mut touched = self.basis.take_in(namespace);
        self.sum.leave_out_strays();
        for name in &people {
            self.look_at(namespace, name, now, &mut touched);
        }
        self.sum.take_in_strays(strays(namespace, now));
        self.sum.settle(namespace, &touched.policies);
        self.at = Some(now);
        touched.people = people;
        touched
    }

    fn look_at(&mut self, namespace: &Namespace, name: &str, now: Timestamp, touched: &mut Touched) {
        if let Some(old) = self.shares.remove(name) {
            self.sum.take_out(&old, touched);
            if let Some(until) = old.until {
                self.due.remove(&(until, name.to_owned()));
            }
        }
        if let Some(person) = namespace.employees.get(name) {
            let share = self.share(namespace, person, now);
            self.sum.put_in(namespace, &share, touched);
            if let Some(until) = share.until {
                self.due.insert((until, name.to_owned()));
            }
            self.shares.insert(name.to_owned(), share);
        }
    }

    fn share(&mut self, namespace: &Namespace, person: &Arc<Person>, now: Timestamp) -> Share {
        let resolution = resolve(namespace, person, now);
        let mut name = |name: &String| self.sum.name(name);
        let mut planned = Vec::new();
        for (policy, entry) in namespace.candidates(person) {
            if entry.readable().is_some_and(|policy| policy.spec.mode == Mode::Plan) {
                let delta = would(namespace, person, policy, now);
                let policy = name(policy);
                let changes = |changes: Vec<PlannedChange>, grant| {
                    changes.into_iter().map(move |change| (grant, change.entitlement))
                };
                let both = changes(delta.grants, true).chain(changes(delta.revokes, false));
                planned.extend(both.map(|(grant, what)| (policy.clone(), grant, what)));
            }
        }
        let mut at_odds = BTreeSet::new();
        for conflict in &resolution.conflicts {
            for one in &conflict.policies {
                let others = conflict.policies.iter().filter(|other| *other != one);
                at_odds.extend(others.map(|other| (name(one), name(other))));
            }
        }
        // A policy that does not act may deny something as well; a survey tells the first reason.
        let mut undecided = BTreeMap::new();
        for (policy, why) in resolution.undecided_grantors.iter().chain(&resolution.unclear_denials) {
            undecided.entry(name(policy)).or_insert_with(|| why.clone());
        }
        let matched = resolution.matched.iter().map(name).collect();
        // What a survey counts, in the order in which it does.
        let losses = losses(namespace, person, &resolution);
        let losses = losses.into_iter().filter(|loss| loss.cause != Cause::Termination);
        let losses = losses.chain(deletions(namespace, person, &resolution, now));
        Share {
            person: person.clone(),
            at: now,
            phase: resolution.phase,
            matched,
            undecided: undecided.into_iter().collect(),
            at_odds: at_odds.into_iter().collect(),
            losses: losses.collect(),
            gains: gains(namespace, person, &resolution).into(),
            planned: planned.into(),
            until: until(namespace, person, &resolution, now),
        }
    }

    /// Who must be looked at again.
    fn whom(&self, namespace: &Namespace, now: Timestamp) -> BTreeSet<String> {
        let everybody = || self.shares.keys().chain(namespace.employees.keys()).cloned().collect();
        // A clock that was set back.
        if self.at.is_none_or(|at| now < at) {
            return everybody();
        }
        let changed = self.changed_people(namespace);
        let Some(mut people) = self.basis.concerned(namespace, &self.shares, &changed, now) else {
            return everybody();
        };
        people.extend(changed.into_iter().map(|(name, _)| name.clone()));
        let due = self.due.iter().take_while(|(until, _)| *until <= now);
        people.extend(due.map(|(_, name)| name.clone()));
        people
    }

    /// People who came, went or are another version now, with what was there before.
    fn changed_people<'a>(&'a self, namespace: &'a Namespace) -> Vec<Changed<'a>> {
        let mut changed = Vec::new();
        let mut known = self.shares.iter().peekable();
        for (name, person) in &namespace.employees {
            while let Some((gone, share)) = known.next_if(|(known, _)| *known < name) {
                changed.push((gone, Some(&share.person)));
            }
            match known.next_if(|(known, _)| *known == name) {
                Some((_, share)) if Arc::ptr_eq(&share.person, person) => {}
                Some((_, share)) => changed.push((name, Some(&share.person))),
                None => changed.push((name, None)),
            }
        }
        changed.extend(known.map(|(gone, share)| (gone, Some(&share.person))));
        changed
    }
}

/// Until when a person's share stays as it is, as long as nothing but time changes.
fn until(namespace: &Namespace, person: &Person, resolution: &Resolution, now: Timestamp) -> Option<Timestamp> {
    let (grants, accounts) = (&person.status.entitlements, &person.status.accounts);
    let next = resolution.next.as_ref().map(|(at, _)| *at);
    // A zone that is a guess leaves things open from the first to the last beginning of a day.
    let midnight = PhaseRules::of(namespace, &person.spec).zone.next_midnight(now);
    let graces = grants
        .iter()
        .filter_map(|record| Some(grace(namespace, resolution, record)?.until));
    let deletions = accounts
        .iter()
        .filter_map(|record| deletion_at(namespace, resolution, record));

    // What was let go or gained leaves the target's window and the namespace's.
    let of_grants = grants
        .iter()
        .flat_map(|record| [&record.released_at, &record.granted_at].map(|at| (&record.target, at)));
    let of_accounts = accounts.iter().flat_map(|record| {
        let deletion = record
            .deletion
            .as_ref()
            .and_then(|deletion| deletion.released_at.as_ref());
        [record.released_at.as_ref(), deletion].map(|at| (&record.target, at))
    });
    let counted = of_grants.map(|(target, at)| (target, at.as_ref())).chain(of_accounts);
    let windows = counted.flat_map(|(target, at)| {
        let ends = |window| at.and_then(|at| at.0.checked_add(window).ok());
        [ends(target_window(namespace, target)), ends(NAMESPACE_WINDOW)]
    });

    let all = windows
        .flatten()
        .chain(graces)
        .chain(deletions)
        .chain(midnight)
        .chain(next);
    all.filter(|at| *at > now).min()
}
