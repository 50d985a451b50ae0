//! Figures of a comparison.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Access, Edit, EntitlementTotal, PersonChange, Planned, PolicyTotal, TargetTotal, Unknown};
use crate::api::policy::Mode;
use crate::decide::index::{Entry, Namespace};
use crate::decide::resolve::Resolution;
use crate::decide::survey::Survey;

/// What the policies say of people, counted.
#[derive(Default)]
pub(super) struct Tellers {
    pub before: Told,
    pub after: Told,
}

#[derive(Default)]
pub(super) struct Told {
    matched: BTreeMap<String, u32>,
    unknown: BTreeMap<String, (String, usize)>,
}

impl Told {
    pub fn hear(&mut self, resolution: &Resolution) {
        for policy in &resolution.matched {
            // Most people are matched by policies that were counted before.
            match self.matched.get_mut(policy) {
                Some(count) => *count += 1,
                None => drop(self.matched.insert(policy.clone(), 1)),
            }
        }
        for (policy, why) in resolution.undecided_grantors.iter().chain(&resolution.unclear_denials) {
            let count = self.unknown.entry(policy.clone()).or_insert_with(|| (why.clone(), 0));
            count.1 += 1;
        }
    }
}

impl Tellers {
    pub fn policies(&self, before: &Namespace, after: &Namespace) -> Vec<PolicyTotal> {
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

    pub fn unknown(&self, after: &Namespace) -> Vec<Unknown> {
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

pub(super) fn entitlement_totals(people: &[PersonChange]) -> Vec<EntitlementTotal> {
    let mut totals: BTreeMap<Access, EntitlementTotal> = BTreeMap::new();
    for person in people {
        for gain in person.coming() {
            let total = totals.entry(gain.access.clone()).or_default();
            total.gains += 1;
            total.held += usize::from(!gain.change_set.is_empty());
        }
        for loss in person.going() {
            let total = totals.entry(loss.access.clone()).or_default();
            total.losses += 1;
            total.held += usize::from(!loss.change_set.is_empty());
        }
        let changed: BTreeSet<(&Access, bool)> = person
            .changing()
            .map(|change| (&change.access, !change.change_set.is_empty()))
            .collect();
        for (access, is_held) in changed {
            let total = totals.entry(access.clone()).or_default();
            total.parameters += 1;
            total.held += usize::from(is_held);
        }
    }
    totals
        .into_iter()
        .map(|(access, total)| EntitlementTotal { access, ..total })
        .collect()
}

pub(super) fn target_totals(people: &[PersonChange], survey: &Survey) -> Vec<TargetTotal> {
    let mut totals: BTreeMap<&str, TargetTotal> = BTreeMap::new();
    for person in people {
        let gaining: BTreeSet<&str> = person.coming().map(|gain| gain.access.target.as_str()).collect();
        // The budget counts who gets less as well.
        let less = person.changing().filter(|change| change.cause.is_some());
        let losing = person.going().map(|loss| &loss.access);
        let losing = losing.chain(less.clone().map(|change| &change.access));
        let losing: BTreeSet<&str> = losing.map(|access| access.target.as_str()).collect();
        let held_gains = person
            .coming()
            .filter(|gain| !gain.change_set.is_empty())
            .map(|gain| &gain.access);
        let held_losses = person.going().filter(|loss| !loss.change_set.is_empty());
        let held_changes = less.filter(|change| !change.change_set.is_empty());
        let held = held_gains
            .chain(held_losses.map(|loss| &loss.access))
            .chain(held_changes.map(|change| &change.access));
        let held: BTreeSet<&str> = held.map(|access| access.target.as_str()).collect();
        for target in gaining {
            totals.entry(target).or_default().people_gaining += 1;
        }
        for target in losing {
            totals.entry(target).or_default().people_losing += 1;
        }
        for target in held {
            totals.entry(target).or_default().people_held += 1;
        }
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

pub(super) fn planned(survey: &Survey) -> Vec<Planned> {
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
