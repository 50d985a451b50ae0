//! Everybody's shares, added up so that each can be taken out again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::{Share, Touched};
use crate::api::employee::{Counts, EntitlementRecord};
use crate::api::policy::Mode;
use crate::decide::effect::RemoteKey;
use crate::decide::guard::Docket;
use crate::decide::index::{Namespace, Person};
use crate::decide::survey::{Plan, PolicyTally, Survey, count_account, count_grant, is_there};
use crate::decide::unmanaged::Stray;

/// What is needed beside the survey itself to take a share out of it.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub survey: Survey,
    names: HashSet<Arc<str>>,
    policies: BTreeMap<String, OfPolicy>,
    /// By entitlement and by target, how many records and losses name it.
    entitlements: BTreeMap<String, u32>,
    targets: BTreeMap<String, u32>,
    /// By target, remote object and account id, how many records explain it.
    explained: BTreeMap<(String, RemoteKey, String), u32>,
    /// What the lists of Entitlements add; few, and put in anew each time.
    strays: Vec<Stray>,
}

/// A policy's figures, whether it is there or only in records.
#[derive(Debug, Default)]
struct OfPolicy {
    matched: u32,
    grants: Counts,
    /// Person to why.
    undecided: BTreeMap<String, String>,
    /// The other policy to the number of people.
    at_odds: BTreeMap<Arc<str>, u32>,
    plan: Plan,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Sum {
    /// The one copy of a name.
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        self.names.insert(new.clone());
        new
    }

    pub(super) fn put_in(&mut self, namespace: &Namespace, share: &Share, touched: &mut Touched) {
        self.count(share, Way::In, touched);
        let person = &share.person;
        for loss in &share.losses {
            let losses = &mut self.docket(&loss.id.target).losses;
            let place = losses.partition_point(|other| other.id.employee <= person.name);
            losses.insert(place, loss.clone());
        }
        for gain in &share.gains {
            let gains = &mut self.docket(&gain.id.key.target).gains;
            let place = gains.partition_point(|other| other.id.employee <= person.name);
            gains.insert(place, gain.clone());
        }
        for record in &person.status.entitlements {
            count_grant(&mut self.survey, namespace, person, record, share.at);
        }
        for record in &person.status.accounts {
            count_account(&mut self.survey, namespace, person, record, share.at);
        }
    }

    pub(super) fn take_out(&mut self, share: &Share, touched: &mut Touched) {
        let name = &share.person.name;
        let status = &share.person.status;
        for target in share.targets().collect::<BTreeSet<_>>() {
            let Some(tally) = self.survey.targets.get_mut(target) else {
                continue;
            };
            let docket = &mut tally.docket;
            docket.holders.remove(name);
            docket.gained.remove(name);
            docket.spent.remove(name);
            let losses = place_of(&docket.losses, name, |loss| &loss.id.employee);
            docket.losses.drain(losses);
            let gains = place_of(&docket.gains, name, |gain| &gain.id.employee);
            docket.gains.drain(gains);
        }
        for record in status.accounts.iter().filter(|record| is_there(record)) {
            if let Some(tally) = self.survey.targets.get_mut(&record.target) {
                tally.accounts = tally.accounts.saturating_sub(1);
            }
        }
        self.survey.spent.remove(name);
        for change_set in change_sets(&share.person) {
            if let Some(members) = self.survey.members.get_mut(change_set) {
                members.retain(|member| member.employee != *name);
                if members.is_empty() {
                    self.survey.members.remove(change_set);
                }
            }
        }
        self.count(share, Way::Out, touched);
    }

    /// What is a number goes up or down.
    fn count(&mut self, share: &Share, way: Way, touched: &mut Touched) {
        let person = &share.person;
        if let Some(connection) = &person.spec.connection_ref {
            bump(&mut self.survey.phases, (connection.name.clone(), share.phase), way);
        }
        for policy in &share.matched {
            let matched = &mut self.of_policy(policy, touched).matched;
            *matched = match way {
                Way::In => *matched + 1,
                Way::Out => matched.saturating_sub(1),
            };
        }
        for (policy, why) in &share.undecided {
            let undecided = &mut self.of_policy(policy, touched).undecided;
            match way {
                Way::In => undecided.insert(person.name.clone(), why.clone()),
                Way::Out => undecided.remove(&person.name),
            };
        }
        for (policy, other) in &share.at_odds {
            bump(&mut self.of_policy(policy, touched).at_odds, other.clone(), way);
        }
        for (policy, grant, what) in &share.planned {
            let plan = &mut self.of_policy(policy, touched).plan;
            let lines = if *grant { &mut plan.grants } else { &mut plan.revokes };
            let line = (person.name.clone(), what.clone());
            match way {
                Way::In => lines.insert(line),
                Way::Out => lines.remove(&line),
            };
        }
        for record in &person.status.entitlements {
            self.count_record(record, way, touched);
        }
        for target in share.targets() {
            self.name_target(target, way, touched);
        }
    }

    fn count_record(&mut self, record: &EntitlementRecord, way: Way, touched: &mut Touched) {
        let state = record.state;
        let recount = |counts: &mut Counts| match way {
            Way::In => counts.add(state),
            Way::Out => counts.remove(state),
        };
        touched.entitlements.insert(record.entitlement.clone());
        recount(self.survey.entitlements.entry(record.entitlement.clone()).or_default());
        if !bump(&mut self.entitlements, record.entitlement.clone(), way) {
            self.survey.entitlements.remove(&record.entitlement);
        }
        for grantor in &record.grantors {
            recount(&mut self.of_policy(grantor, touched).grants);
        }
        if record.state.may_be_held() {
            let remote = RemoteKey::of(record);
            let key = (record.target.clone(), remote, record.account_id.clone());
            if !bump(&mut self.explained, key.clone(), way) {
                let (target, remote, account) = key;
                if let Some(tally) = self.survey.targets.get_mut(&target)
                    && let Some(accounts) = tally.explained.get_mut(&remote)
                {
                    accounts.remove(&account);
                    if accounts.is_empty() {
                        tally.explained.remove(&remote);
                    }
                }
            }
        }
    }

    fn name_target(&mut self, target: &str, way: Way, touched: &mut Touched) {
        touched.targets.insert(target.to_owned());
        if !bump(&mut self.targets, target.to_owned(), way) {
            self.survey.targets.remove(target);
        }
    }

    /// Takes out what the lists of Entitlements added. To be put in again once the people are counted.
    pub(super) fn leave_out_strays(&mut self) {
        for stray in std::mem::take(&mut self.strays) {
            stray.take_out(&mut self.survey);
            if !self.targets.contains_key(stray.target()) {
                self.survey.targets.remove(stray.target());
            }
        }
    }

    pub(super) fn take_in_strays(&mut self, strays: Vec<Stray>) {
        for stray in &strays {
            stray.put_in(&mut self.survey);
        }
        self.strays = strays;
    }

    fn docket(&mut self, target: &str) -> &mut Docket {
        &mut self.survey.targets.entry(target.to_owned()).or_default().docket
    }

    fn of_policy(&mut self, name: &str, touched: &mut Touched) -> &mut OfPolicy {
        touched.policies.insert(name.to_owned());
        self.policies.entry(name.to_owned()).or_default()
    }

    /// Says of these policies what their figures are now.
    pub(super) fn settle(&mut self, namespace: &Namespace, touched: &BTreeSet<String>) {
        for name in touched {
            let Some(entry) = namespace.policies.get(name) else {
                self.survey.policies.remove(name);
                continue;
            };
            let known = self.policies.entry(name.clone()).or_default();
            let policy = entry.readable();
            let tally = PolicyTally {
                generation: policy.and_then(|policy| policy.metadata.generation),
                matched: known.matched,
                grants: known.grants,
                plan: policy
                    .filter(|policy| policy.spec.mode == Mode::Plan)
                    .map(|_| known.plan.report()),
                at_odds_with: known.at_odds.keys().map(ToString::to_string).collect(),
                undecided: known.undecided.values().next().cloned(),
            };
            self.survey.policies.insert(name.clone(), tally);
        }
    }
}

impl Share {
    /// The targets that it names, as often as it does.
    fn targets(&self) -> impl Iterator<Item = &String> {
        let status = &self.person.status;
        let of_records = status.entitlements.iter().map(|record| &record.target);
        let of_accounts = status.accounts.iter().map(|record| &record.target);
        let of_losses = self.losses.iter().map(|loss| &loss.id.target);
        let of_gains = self.gains.iter().map(|gain| &gain.id.key.target);
        of_records.chain(of_accounts).chain(of_losses).chain(of_gains)
    }
}

/// The `ChangeSet`s that the records of a person name.
fn change_sets(person: &Person) -> impl Iterator<Item = &String> {
    let of_grants = person.status.entitlements.iter().map(|record| &record.change_set);
    let of_accounts = person.status.accounts.iter().flat_map(|record| {
        let deletion = record.deletion.as_ref().map(|deletion| &deletion.change_set);
        std::iter::once(&record.change_set).chain(deletion)
    });
    of_grants.chain(of_accounts).filter(|name| !name.is_empty())
}

/// Where those of one person are, among what is in order of people.
fn place_of<T>(sorted: &[T], person: &str, of: impl Fn(&T) -> &String) -> Range<usize> {
    let from = sorted.partition_point(|one| of(one).as_str() < person);
    let to = sorted.partition_point(|one| of(one).as_str() <= person);
    from..to
}

/// Counts one more or one less; whether anything is left.
fn bump<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K, way: Way) -> bool {
    match way {
        Way::In => {
            *counts.entry(key).or_default() += 1;
            true
        }
        Way::Out => match counts.get_mut(&key) {
            Some(count) if *count > 1 => {
                *count -= 1;
                true
            }
            _ => {
                counts.remove(&key);
                false
            }
        },
    }
}
