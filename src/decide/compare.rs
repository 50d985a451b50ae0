//! What would change for whom, if a tenant were as `after` instead of as `before`.
//!
//! It asks those who decide: [`resolve`] what each person should have, [`losses`] what they would lose and why, and the
//! guard what of that would be held. A change that `before` calls for as well is not counted: it comes anyway.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::effect::RemoteKey;
use super::guard::{Judgement, Loss, LossId, Lost, Verdict};
use super::index::{Entry, Namespace, Person};
use super::losses::{Named, account_name, is_unwanted, losses};
use super::resolve::{Resolution, resolve};
use super::survey::{Survey, judge_all, survey_with};
use crate::api::employee::{Cause, EntitlementRecord, GrantState};
use crate::api::policy::{Mode, PlanReport};

/// All that would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// How many people were looked at.
    pub looked_at: usize,
    /// Everybody for whom something would change, in order of name.
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
    /// Name of the `Employee`.
    pub employee: String,
    /// How people call them; empty where the facts do not say.
    pub display_name: String,
    /// What they would gain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gains: Vec<Gained>,
    /// What they would lose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<LostAccess>,
    /// Parameters of what they keep that would be others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterChange>,
    /// What `before` would take, and `after` would not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Access>,
    /// What `before` would yet give, and `after` would not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_longer_coming: Vec<Access>,
}

impl PersonChange {
    fn is_empty(&self) -> bool {
        self.gains.is_empty()
            && self.losses.is_empty()
            && self.parameters.is_empty()
            && self.kept.is_empty()
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
    /// Of the losses and gains, those that would wait for a person.
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
    /// Why its changes are called for.
    pub cause: String,
    /// Which budget they exceed, in plain words.
    pub why: String,
    /// How many people it is about.
    pub people: usize,
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

/// Compares. `progress` is told how many people have been looked at.
pub fn compare(before: &Namespace, after: &Namespace, now: Timestamp, progress: &mut dyn FnMut(usize)) -> Comparison {
    let mut found = Comparison::default();
    let mut tellers = Tellers::default();
    let survey = survey_with(after, now, &mut |person, resolution| {
        found.looked_at += 1;
        progress(found.looked_at);
        let old = before.employees.get(&person.name);
        let old = old.map(|old| (old.as_ref(), resolve(before, old, now)));
        let change = compare_person(before, old.as_ref().map(|(p, r)| (*p, r)), after, person, resolution);
        tellers.after.hear(resolution);
        if let Some((_, resolution)) = &old {
            tellers.before.hear(resolution);
        }
        if !change.is_empty() {
            found.people.push(change);
        }
    });
    let judgements = judge_all(after, &survey, &mut BTreeSet::new());
    for loss in found.people.iter_mut().flat_map(|person| &mut person.losses) {
        if let Some(change_set) = held_in(&judgements, &loss.id) {
            loss.change_set = change_set;
        }
    }
    found.held = held_sets(&judgements);
    found.entitlements = entitlement_totals(&found.people);
    found.targets = target_totals(&found.people, &survey);
    found.policies = tellers.policies(before, after);
    found.unknown = tellers.unknown(after);
    found.planned = planned(&survey);
    found
}

fn compare_person(
    before: &Namespace,
    old: Option<(&Person, &Resolution)>,
    after: &Namespace,
    person: &Person,
    resolution: &Resolution,
) -> PersonChange {
    let gains = gains(after, person, resolution);
    let lost = losses(after, person, resolution);
    let (old_gains, old_losses) = match old {
        Some((old, resolution)) => (self::gains(before, old, resolution), losses(before, old, resolution)),
        None => (Vec::new(), Vec::new()),
    };
    let gained =
        |key: &RemoteKey, gains: &[Gained]| gains.iter().any(|gain| gain.key == *key && gain.blocked.is_empty());
    let is_lost = |id: &LossId, losses: &[Loss]| losses.iter().any(|loss| loss.id == *id);
    PersonChange {
        employee: person.name.clone(),
        display_name: person.spec.display_name.clone().unwrap_or_default(),
        parameters: parameters(after, person, resolution),
        kept: old_losses
            .iter()
            .filter(|loss| !is_lost(&loss.id, &lost))
            .map(access_of)
            .collect(),
        no_longer_coming: old_gains
            .iter()
            .filter(|gain| gain.blocked.is_empty() && !gained(&gain.key, &gains))
            .map(|gain| gain.access.clone())
            .collect(),
        losses: lost
            .iter()
            .filter(|loss| !is_lost(&loss.id, &old_losses))
            .map(|loss| lost_access(person, loss))
            .collect(),
        gains: gains
            .into_iter()
            .filter(|gain| {
                !old_gains
                    .iter()
                    .any(|old| old.key == gain.key && old.blocked == gain.blocked)
            })
            .collect(),
    }
}

/// What a person should have and does not.
fn gains(namespace: &Namespace, person: &Person, resolution: &Resolution) -> Vec<Gained> {
    if resolution.frozen.is_some() || resolution.ending.is_some() {
        return Vec::new();
    }
    let missing = resolution.desired.iter().filter(|(key, _)| {
        let mut records = person
            .status
            .entitlements
            .iter()
            .filter(|record| RemoteKey::of(record) == **key);
        !records.any(|record| is_had(record) && !is_unwanted(namespace, person, resolution, record))
    });
    missing
        .map(|(key, desired)| Gained {
            access: Access {
                target: key.target.clone(),
                entitlement: desired.entitlement.clone(),
            },
            key: key.clone(),
            policies: desired.grantors.clone(),
            change_set: String::new(),
            blocked: match resolution.blocked.get(key) {
                Some(why) => why.clone(),
                None if matches!(account_name(namespace, person, &key.target), Named::Nothing) => {
                    "the person lacks the attribute that names subjects at this target".to_owned()
                }
                None => String::new(),
            },
        })
        .collect()
}

fn is_had(record: &EntitlementRecord) -> bool {
    record.state.may_be_held() && !matches!(record.state, GrantState::Revoking | GrantState::Failed)
}

fn lost_access(person: &Person, loss: &Loss) -> LostAccess {
    let records = person.status.entitlements.iter();
    let gave = records
        .filter(|record| match &loss.id.what {
            Lost::Membership(object, account) => {
                RemoteKey::of(record).object == *object
                    && record.account_id == *account
                    && record.target == loss.id.target
            }
            Lost::Account | Lost::Deletion => false,
        })
        .flat_map(|record| record.grantors.iter().cloned());
    LostAccess {
        access: access_of(loss),
        id: loss.id.clone(),
        cause: loss.cause,
        policies: gave.collect(),
        change_set: String::new(),
    }
}

fn access_of(loss: &Loss) -> Access {
    let what = match loss.id.what {
        Lost::Account => "account",
        Lost::Deletion => "deletion",
        Lost::Membership(..) => loss.label.as_str(),
    };
    Access {
        target: loss.id.target.clone(),
        entitlement: what.to_owned(),
    }
}

/// Parameters that differ between what is on record and what is wanted.
fn parameters(namespace: &Namespace, person: &Person, resolution: &Resolution) -> Vec<ParameterChange> {
    if resolution.frozen.is_some() || resolution.ending.is_some() {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for record in person.status.entitlements.iter().filter(|record| is_had(record)) {
        let Some(desired) = resolution.desired.get(&RemoteKey::of(record)) else {
            continue;
        };
        if is_unwanted(namespace, person, resolution, record) {
            continue;
        }
        let names: BTreeSet<&String> = record
            .desired_parameters
            .keys()
            .chain(desired.parameters.keys())
            .collect();
        for name in names {
            let text = |map: &BTreeMap<String, String>| map.get(name).cloned().unwrap_or_default();
            let (from, to) = (text(&record.desired_parameters), text(&desired.parameters));
            if from != to {
                changes.push(ParameterChange {
                    access: Access {
                        target: record.target.clone(),
                        entitlement: desired.entitlement.clone(),
                    },
                    name: name.clone(),
                    from,
                    to,
                });
            }
        }
    }
    changes
}

/// The `ChangeSet` that a loss would wait in.
fn held_in(judgements: &BTreeMap<String, Judgement>, loss: &LossId) -> Option<String> {
    match judgements.get(&loss.target)?.verdicts.get(loss)? {
        Verdict::Held { .. } => Some(loss.target.clone()),
        Verdict::Released { .. } | Verdict::Wait => None,
    }
}

fn held_sets(judgements: &BTreeMap<String, Judgement>) -> Vec<HeldSet> {
    let held = judgements
        .iter()
        .filter_map(|(target, judgement)| Some((target, judgement.held.as_ref()?)));
    held.map(|(target, report)| HeldSet {
        change_set: target.clone(),
        digest: report.digest.clone(),
        cause: String::new(),
        why: format!("more than {} people would lose access at {target}", report.budget),
        people: report.people as usize,
        changes: report.changes as usize,
    })
    .collect()
}

/// What the policies say of people, counted.
#[derive(Default)]
struct Tellers {
    before: Told,
    after: Told,
}

#[derive(Default)]
struct Told {
    matched: BTreeMap<String, u32>,
    unknown: BTreeMap<String, (String, usize)>,
}

impl Told {
    fn hear(&mut self, resolution: &Resolution) {
        for policy in &resolution.matched {
            // Most people are matched by policies that were counted before.
            match self.matched.get_mut(policy) {
                Some(count) => *count += 1,
                None => drop(self.matched.insert(policy.clone(), 1)),
            }
        }
        for (policy, why) in &resolution.undecided_grantors {
            let count = self.unknown.entry(policy.clone()).or_insert_with(|| (why.clone(), 0));
            count.1 += 1;
        }
    }
}

impl Tellers {
    fn policies(&self, before: &Namespace, after: &Namespace) -> Vec<PolicyTotal> {
        let names: BTreeSet<&String> = before.policies.keys().chain(after.policies.keys()).collect();
        let totals = names.into_iter().map(|name| {
            let (old, new) = (before.policies.get(name), after.policies.get(name));
            let edit = match (old, new) {
                (None, _) => Edit::Added,
                (_, None) => Edit::Removed,
                (Some(Entry::Readable(old)), Some(Entry::Readable(new)))
                    if old.spec == new.spec && old.metadata.annotations == new.metadata.annotations =>
                {
                    Edit::Same
                }
                (Some(Entry::Broken { .. }), Some(Entry::Broken { .. })) => Edit::Same,
                _ => Edit::Changed,
            };
            let count = |told: &Told| told.matched.get(name).copied().unwrap_or_default();
            PolicyTotal {
                policy: name.clone(),
                edit,
                mode: new.and_then(Entry::readable).map(|policy| policy.spec.mode),
                matched_before: count(&self.before),
                matched_after: count(&self.after),
            }
        });
        totals
            .filter(|total| total.edit != Edit::Same || total.matched_before != total.matched_after)
            .collect()
    }

    fn unknown(&self, after: &Namespace) -> Vec<Unknown> {
        // What a policy in mode Plan gave stays because that was asked for.
        let is_planned = |name: &String| {
            let policy = after.policies.get(name).and_then(Entry::readable);
            policy.is_some_and(|policy| policy.spec.mode == Mode::Plan)
        };
        let unknown = self.after.unknown.iter().filter(|(name, _)| !is_planned(name));
        unknown
            .map(|(name, (why, people))| Unknown {
                policy: name.clone(),
                why: why.clone(),
                people: *people,
                new: self.before.unknown.get(name).is_none_or(|(_, before)| before < people),
            })
            .collect()
    }
}

fn entitlement_totals(people: &[PersonChange]) -> Vec<EntitlementTotal> {
    let mut totals: BTreeMap<Access, EntitlementTotal> = BTreeMap::new();
    for person in people {
        for gain in person.gains.iter().filter(|gain| gain.blocked.is_empty()) {
            let total = totals.entry(gain.access.clone()).or_default();
            total.gains += 1;
            total.held += usize::from(!gain.change_set.is_empty());
        }
        for loss in &person.losses {
            let total = totals.entry(loss.access.clone()).or_default();
            total.losses += 1;
            total.held += usize::from(!loss.change_set.is_empty());
        }
        let changed: BTreeSet<&Access> = person.parameters.iter().map(|change| &change.access).collect();
        for access in changed {
            totals.entry(access.clone()).or_default().parameters += 1;
        }
    }
    totals
        .into_iter()
        .map(|(access, total)| EntitlementTotal { access, ..total })
        .collect()
}

fn target_totals(people: &[PersonChange], survey: &Survey) -> Vec<TargetTotal> {
    let mut totals: BTreeMap<&str, TargetTotal> = BTreeMap::new();
    for person in people {
        let gains = person.gains.iter().filter(|gain| gain.blocked.is_empty());
        let gaining: BTreeSet<&str> = gains.clone().map(|gain| gain.access.target.as_str()).collect();
        let losing: BTreeSet<&str> = person.losses.iter().map(|loss| loss.access.target.as_str()).collect();
        let held_gains = gains
            .filter(|gain| !gain.change_set.is_empty())
            .map(|gain| &gain.access);
        let held_losses = person.losses.iter().filter(|loss| !loss.change_set.is_empty());
        let held = held_gains.chain(held_losses.map(|loss| &loss.access));
        let held: BTreeSet<&str> = held.map(|access| access.target.as_str()).collect();
        gaining
            .iter()
            .for_each(|target| totals.entry(target).or_default().people_gaining += 1);
        losing
            .iter()
            .for_each(|target| totals.entry(target).or_default().people_losing += 1);
        held.iter()
            .for_each(|target| totals.entry(target).or_default().people_held += 1);
    }
    let holders = |target: &str| survey.targets.get(target).map_or(0, |tally| tally.docket.holders.len());
    totals
        .into_iter()
        .map(|(target, total)| TargetTotal {
            target: target.to_owned(),
            holders: holders(target),
            ..total
        })
        .collect()
}

fn planned(survey: &Survey) -> Vec<Planned> {
    let planned = survey.policies.iter();
    planned
        .filter_map(|(name, tally)| {
            Some(Planned {
                policy: name.clone(),
                report: tally.plan.clone()?,
            })
        })
        .collect()
}
