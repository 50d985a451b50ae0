//! Everybody at once: what the policies do in figures, and what every target would lose.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::effect::{RemoteKey, short_digest};
use super::guard::{Docket, Judgement, LossId, Lost, Verdict, WINDOW_HOURS, judge};
use super::index::{Entry, Namespace, Person};
use super::losses::losses;
use super::resolve::{Resolution, resolve, would};
use crate::api::RELEASE_HELD_ANNOTATION;
use crate::api::employee::{AccountRecord, AccountState, Cause, Counts, EntitlementRecord, Phase, Release};
use crate::api::policy::{Mode, PlanReport};

/// The most names that a plan shows.
const NAMES_MAX: usize = 20;

/// A namespace in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// By policy.
    pub policies: BTreeMap<String, PolicyTally>,
    /// By entitlement, from the records that name it.
    pub entitlements: BTreeMap<String, Counts>,
    /// By target.
    pub targets: BTreeMap<String, TargetTally>,
    /// People by connection and phase.
    pub phases: BTreeMap<(String, Phase), u32>,
}

/// A policy in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyTally {
    /// The generation that everybody was judged by.
    pub generation: Option<i64>,
    /// People it matches, in a phase in which it gives access.
    pub matched: u32,
    /// Its grants.
    pub grants: Counts,
    /// In Plan mode: what `Enforce` would do.
    pub plan: Option<PlanReport>,
    /// Policies that contradict it.
    pub at_odds_with: BTreeSet<String>,
    /// Why nothing can be decided about it, for at least one person.
    pub undecided: Option<String>,
}

/// A target in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetTally {
    /// Accounts that are ours and there.
    pub accounts: u32,
    /// Its losses, and what the guard counts.
    pub docket: Docket,
    /// Account ids that our records explain, by remote object.
    pub explained: BTreeMap<RemoteKey, BTreeSet<String>>,
}

/// Looks at everybody of a namespace.
pub fn survey(namespace: &Namespace, now: Timestamp) -> Survey {
    let mut survey = Survey::default();
    for (name, policy) in &namespace.policies {
        let generation = policy.readable().and_then(|policy| policy.metadata.generation);
        survey.policies.insert(
            name.clone(),
            PolicyTally {
                generation,
                ..PolicyTally::default()
            },
        );
    }
    let planned: Vec<&String> = namespace
        .policies
        .iter()
        .filter(|(_, entry)| entry.readable().is_some_and(|policy| policy.spec.mode == Mode::Plan))
        .map(|(name, _)| name)
        .collect();
    let mut plans: BTreeMap<&String, Plan> = planned.iter().map(|name| (*name, Plan::default())).collect();

    for person in namespace.employees.values() {
        let resolution = resolve(namespace, person, now);
        count_person(&mut survey, namespace, person, &resolution, now);
        for (name, plan) in &mut plans {
            let delta = would(namespace, person, name, now);
            plan.grants.extend(
                delta
                    .grants
                    .into_iter()
                    .map(|change| (person.name.clone(), change.entitlement)),
            );
            plan.revokes.extend(
                delta
                    .revokes
                    .into_iter()
                    .map(|change| (person.name.clone(), change.entitlement)),
            );
        }
    }
    for (name, plan) in plans {
        if let Some(tally) = survey.policies.get_mut(name) {
            tally.plan = Some(plan.report());
        }
    }
    survey
}

/// Judges the losses of every target. `issued` is what was let go on the budget and is not yet seen on record; it is
/// brought up to date.
pub fn judge_all(namespace: &Namespace, survey: &Survey, issued: &mut BTreeSet<LossId>) -> BTreeMap<String, Judgement> {
    // What is on record by now, or no longer called for, is nothing that the guard must remember.
    let called_for: BTreeSet<&LossId> = survey
        .targets
        .values()
        .flat_map(|tally| tally.docket.losses.iter().map(|loss| &loss.id))
        .collect();
    issued.retain(|loss| called_for.contains(loss));
    let mut judgements = BTreeMap::new();
    for (name, tally) in &survey.targets {
        // Without the target's own words there is no budget, and nothing goes.
        let Some(target) = namespace.targets.get(name).and_then(Entry::readable) else {
            continue;
        };
        let approval = target.annotations().get(RELEASE_HELD_ANNOTATION).map(String::as_str);
        let judgement = judge(&tally.docket, &target.spec.guard, issued, approval);
        // What was approved is known by the digest, and goes on no budget should that be withdrawn.
        let on_budget =
            |verdict: &Verdict| matches!(verdict, Verdict::Released { release, .. } if *release == Release::Budget);
        let released = judgement.verdicts.iter().filter(|(_, verdict)| on_budget(verdict));
        issued.extend(released.map(|(loss, _)| loss.clone()));
        judgements.insert(name.clone(), judgement);
    }
    judgements
}

fn count_person(survey: &mut Survey, namespace: &Namespace, person: &Person, resolution: &Resolution, now: Timestamp) {
    if let Some(connection) = &person.spec.connection_ref {
        *survey
            .phases
            .entry((connection.name.clone(), resolution.phase))
            .or_default() += 1;
    }
    for name in &resolution.matched {
        if let Some(tally) = survey.policies.get_mut(name) {
            tally.matched += 1;
        }
    }
    for (name, why) in resolution.undecided_grantors.iter().chain(&resolution.unclear_denials) {
        if let Some(tally) = survey.policies.get_mut(name) {
            tally.undecided.get_or_insert_with(|| why.clone());
        }
    }
    for conflict in &resolution.conflicts {
        for name in &conflict.policies {
            if let Some(tally) = survey.policies.get_mut(name) {
                tally
                    .at_odds_with
                    .extend(conflict.policies.iter().filter(|other| *other != name).cloned());
            }
        }
    }
    for record in &person.status.entitlements {
        survey
            .entitlements
            .entry(record.entitlement.clone())
            .or_default()
            .add(record.state);
        for grantor in &record.grantors {
            if let Some(tally) = survey.policies.get_mut(grantor) {
                tally.grants.add(record.state);
            }
        }
        count_grant(
            survey.targets.entry(record.target.clone()).or_default(),
            person,
            record,
            now,
        );
    }
    for record in &person.status.accounts {
        count_account(
            survey.targets.entry(record.target.clone()).or_default(),
            person,
            record,
            now,
        );
    }
    for loss in losses(namespace, person, resolution) {
        if loss.cause != Cause::Termination {
            survey
                .targets
                .entry(loss.id.target.clone())
                .or_default()
                .docket
                .losses
                .push(loss);
        }
    }
}

fn count_grant(tally: &mut TargetTally, person: &Person, record: &EntitlementRecord, now: Timestamp) {
    if record.state.may_be_held() {
        tally.docket.holders.insert(person.name.clone());
        tally
            .explained
            .entry(RemoteKey::of(record))
            .or_default()
            .insert(record.account_id.clone());
    }
    let what = Lost::Membership(RemoteKey::of(record).object, record.account_id.clone());
    let released = record.released_at.as_ref().map(|at| at.0);
    count_release(
        &mut tally.docket,
        person,
        what,
        &record.target,
        (record.release, released, &record.approval),
        now,
    );
}

fn count_account(tally: &mut TargetTally, person: &Person, record: &AccountRecord, now: Timestamp) {
    if !matches!(
        record.state,
        AccountState::Pending | AccountState::Creating | AccountState::Deleted
    ) {
        tally.accounts += 1;
    }
    let released = record.released_at.as_ref().map(|at| at.0);
    let release = (record.release, released, &record.approval);
    count_release(&mut tally.docket, person, Lost::Account, &record.target, release, now);
}

fn count_release(
    docket: &mut Docket,
    person: &Person,
    what: Lost,
    target: &str,
    (release, released, approval): (Option<Release>, Option<Timestamp>, &String),
    now: Timestamp,
) {
    let in_window = released.is_some_and(|at| at.duration_until(now) < SignedDuration::from_hours(WINDOW_HOURS));
    match release {
        Some(Release::Budget) if in_window => {
            docket.spent.insert(person.name.clone());
        }
        Some(Release::Approved) if in_window => {
            let id = LossId {
                employee: person.name.clone(),
                target: target.to_owned(),
                what,
            };
            docket.approved.entry(approval.clone()).or_default().insert(id);
        }
        _ => {}
    }
}

/// What a policy in Plan mode would do: person, and entitlement by name.
#[derive(Default)]
struct Plan {
    grants: BTreeSet<(String, String)>,
    revokes: BTreeSet<(String, String)>,
}

impl Plan {
    fn report(&self) -> PlanReport {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let lines = |set: &BTreeSet<(String, String)>, sign: char| {
            set.iter()
                .map(|(person, what)| format!("{person}: {sign}{what}"))
                .collect::<Vec<_>>()
        };
        // Losses first: they are what a reader must not miss.
        let all = [lines(&self.revokes, '-'), lines(&self.grants, '+')].concat();
        PlanReport {
            would_grant: count(self.grants.len()),
            would_revoke: count(self.revokes.len()),
            digest: short_digest(all.iter().map(String::as_str)),
            names: all.into_iter().take(NAMES_MAX).collect(),
        }
    }
}
