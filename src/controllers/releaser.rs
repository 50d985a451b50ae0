//! The sole authority over losses: surveys a namespace when it has settled, and judges what would be lost and gained.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::context::Context;
use super::opening;
use crate::api::employee::Counts;
use crate::decide::effect::RemoteKey;
use crate::decide::guard::{Admission, GainId, Judge, Judgement, Keeper, LossId, Memory, Terms, Verdict};
use crate::decide::ledger::{Ledger, Touched};
use crate::decide::survey::{PolicyTally, edition, judge_all};

/// A namespace that never settles is judged all the same, after this many times the settling time.
const PATIENCE: u32 = 5;
/// How long until a `ChangeSet` is made that could not be.
const AGAIN: Duration = Duration::from_secs(10);

/// Surveys and verdicts by namespace.
#[derive(Debug, Default)]
pub struct Releaser {
    namespaces: Mutex<BTreeMap<String, State>>,
    marked: Notify,
}

/// The last judgement of a namespace.
#[derive(Debug)]
pub struct Bench(Arc<Judgement>);

impl Judge for Bench {
    fn loss(&self, loss: &LossId) -> Verdict {
        self.0.loss(loss)
    }

    fn gain(&self, gain: &GainId) -> Admission {
        self.0.gain(gain)
    }
}

#[derive(Debug, Default)]
struct State {
    /// First and last change since the last judgement.
    dirty: Option<(Instant, Instant)>,
    /// When to judge even if nothing changes.
    again: Option<Instant>,
    /// What policies said at the last judgement, and since when. The start of the process counts as an edit.
    edition: Option<(String, Instant)>,
    /// What was judged by, kept up to date from one judgement to the next. Only the releaser writes it, with the index read
    /// meanwhile: who reads it must not look at the index before letting go.
    ledger: Arc<RwLock<Ledger>>,
    figures: Figures,
    judgement: Arc<Judgement>,
    memory: Memory,
}

/// What statuses say of the last survey. Kept beside the ledger, so that no policy is taken for enforced by figures that
/// nothing was judged by yet.
#[derive(Debug, Default)]
struct Figures {
    policies: BTreeMap<String, PolicyTally>,
    entitlements: BTreeMap<String, Counts>,
    accounts: BTreeMap<String, u32>,
}

impl Figures {
    /// Takes in what the ledger says of all that was touched, and returns the part of it that differs.
    fn take_in(&mut self, ledger: &Ledger, touched: &Touched) -> Touched {
        fn differ<T: Clone + PartialEq>(
            known: &mut BTreeMap<String, T>,
            names: &BTreeSet<String>,
            now: impl Fn(&str) -> Option<T>,
        ) -> BTreeSet<String> {
            let differs = |name: &&String| match now(name) {
                Some(now) if known.get(*name) == Some(&now) => false,
                Some(now) => {
                    known.insert((*name).clone(), now);
                    true
                }
                None => known.remove(*name).is_some(),
            };
            names.iter().filter(differs).cloned().collect()
        }
        let survey = ledger.survey();
        Touched {
            people: BTreeSet::new(),
            policies: differ(&mut self.policies, &touched.policies, |name| {
                survey.policies.get(name).cloned()
            }),
            entitlements: differ(&mut self.entitlements, &touched.entitlements, |name| {
                survey.entitlements.get(name).copied()
            }),
            targets: differ(&mut self.accounts, &touched.targets, |name| {
                survey.targets.get(name).map(|tally| tally.accounts)
            }),
        }
    }
}

impl Releaser {
    /// Says that something in the namespace changed.
    pub fn mark(&self, namespace: &str) {
        let now = Instant::now();
        let mut namespaces = self.namespaces.lock();
        let state = namespaces.entry(namespace.to_owned()).or_default();
        state.dirty = Some((state.dirty.map_or(now, |(first, _)| first), now));
        drop(namespaces);
        self.marked.notify_one();
    }

    /// What may become of changes, as last judged.
    pub fn judge(&self, namespace: &str) -> Bench {
        Bench(self.judgement(namespace))
    }

    /// A policy in figures, as of the last judgement; `None` where it was not there.
    pub fn policy(&self, namespace: &str, name: &str) -> Option<PolicyTally> {
        self.of(namespace, |state| state.figures.policies.get(name).cloned())
    }

    /// Names of the policies that were there at the last judgement.
    fn policies(&self, namespace: &str) -> Vec<String> {
        let names = |state: &State| Some(state.figures.policies.keys().cloned().collect());
        self.of(namespace, names).unwrap_or_default()
    }

    /// An entitlement in figures, as of the last judgement; `None` where no record names it.
    pub fn entitlement(&self, namespace: &str, name: &str) -> Option<Counts> {
        self.of(namespace, |state| state.figures.entitlements.get(name).copied())
    }

    /// How many accounts of a target are ours, as of the last judgement; `None` where no record names it.
    pub fn accounts(&self, namespace: &str, target: &str) -> Option<u32> {
        self.of(namespace, |state| state.figures.accounts.get(target).copied())
    }

    /// Account ids among the holders of an object that records explained when it was last looked.
    pub fn explained(&self, namespace: &str, key: &RemoteKey) -> BTreeSet<String> {
        let ledger = self.of(namespace, |state| Some(state.ledger.clone()));
        let Some(ledger) = ledger else {
            return BTreeSet::new();
        };
        let ledger = ledger.read();
        let tally = ledger.survey().targets.get(&key.target);
        tally
            .and_then(|tally| tally.explained.get(key))
            .cloned()
            .unwrap_or_default()
    }

    fn of<T>(&self, namespace: &str, read: impl FnOnce(&State) -> Option<T>) -> Option<T> {
        self.namespaces.lock().get(namespace).and_then(read)
    }

    /// The last judgement of a namespace.
    pub fn judgement(&self, namespace: &str) -> Arc<Judgement> {
        self.namespaces
            .lock()
            .get(namespace)
            .map(|state| state.judgement.clone())
            .unwrap_or_default()
    }

    /// Surveys and judges each namespace once it has settled. Ends only with the process.
    pub async fn run(context: Arc<Context>) {
        let settle = context.settings.settle;
        loop {
            let due = context.releaser.next_due(settle);
            match due {
                None => context.releaser.marked.notified().await,
                Some((_, at)) if at > Instant::now() => {
                    tokio::select! {
                        () = context.releaser.marked.notified() => {}
                        () = tokio::time::sleep_until(at.into()) => {}
                    }
                }
                Some((namespace, _)) => {
                    if context.index.read().is_synced() {
                        context.releaser.look(&context, &namespace).await;
                    } else {
                        tokio::time::sleep(settle).await;
                    }
                }
            }
        }
    }

    fn next_due(&self, settle: Duration) -> Option<(String, Instant)> {
        self.namespaces
            .lock()
            .iter()
            .filter_map(|(name, state)| {
                let settled = state
                    .dirty
                    .map(|(first, last)| (last + settle).min(first + settle * PATIENCE));
                let at = settled.into_iter().chain(state.again).min()?;
                Some((name.clone(), at))
            })
            .min_by_key(|(_, at)| *at)
    }

    /// Surveys and judges one namespace, and wakes whom the result concerns.
    async fn look(&self, context: &Context, namespace: &str) {
        let (mut memory, last_edition, ledger) = {
            let mut namespaces = self.namespaces.lock();
            let state = namespaces.entry(namespace.to_owned()).or_default();
            state.dirty = None;
            state.again = None;
            (
                std::mem::take(&mut state.memory),
                state.edition.clone(),
                state.ledger.clone(),
            )
        };

        // 1. Judge what is in the index (pure). Whether edits have settled is told from the same look at it: one that
        //    arrives meanwhile is neither in the survey nor taken for settled.
        let (touched, mut judgement, edition, settles_at) = {
            let index = context.index.read();
            let Some(content) = index.namespace(namespace) else {
                self.namespaces.lock().remove(namespace);
                return;
            };
            let now = Instant::now();
            let edition = edition(content);
            let since = last_edition
                .filter(|(last, _)| *last == edition)
                .map_or(now, |(_, since)| since);
            let settles_at = since + context.settings.policy_settle;
            let terms = Terms {
                limits: context.settings.limits.clone(),
                settled: settles_at <= now,
                now: context.clock.now(),
            };
            let mut ledger = ledger.write();
            let touched = ledger.refresh(content, terms.now);
            let judgement = judge_all(content, ledger.survey(), &terms, &mut memory);
            let settles_at = (!terms.settled).then_some(settles_at);
            (touched, judgement, (edition, since), settles_at)
        };

        // 2. Make the ChangeSets (IO). No record names one that is not there, whole: after a crash the rest of its members
        //    could not be told from newcomers.
        let missing = opening::make(context, namespace, &judgement.openings).await;
        judgement.put_off(&missing.names);

        // 3. Publish the verdicts (memory).
        let judgement = Arc::new(judgement);
        let (differs, old) = {
            let mut namespaces = self.namespaces.lock();
            let state = namespaces.entry(namespace.to_owned()).or_default();
            state.memory = memory;
            state.edition = Some(edition);
            state.again = settles_at
                .into_iter()
                .chain(missing.again.then(|| Instant::now() + AGAIN))
                .min();
            (
                state.figures.take_in(&ledger.read(), &touched),
                std::mem::replace(&mut state.judgement, judgement.clone()),
            )
        };
        announce(context, namespace, &differs, &old, &judgement);
    }
}

/// Wakes whom a judgement concerns, and what `differs` by it.
fn announce(context: &Context, namespace: &str, differs: &Touched, old: &Judgement, new: &Judgement) {
    let losses = new
        .verdicts
        .iter()
        .filter(|(id, verdict)| old.verdicts.get(id) != Some(*verdict));
    let gains = new
        .admissions
        .iter()
        .filter(|(id, verdict)| old.admissions.get(id) != Some(*verdict));
    let mut people: BTreeSet<&str> = gains.map(|(id, _)| id.employee.as_str()).collect();
    let mut entitlements: BTreeSet<&str> = differs.entitlements.iter().map(String::as_str).collect();
    for (id, _) in losses {
        match id.keeper() {
            Keeper::Employee(name) => people.insert(name),
            Keeper::Entitlement(name) => entitlements.insert(name),
        };
    }
    for name in people {
        context.employees.wake(namespace, name);
    }
    for name in &differs.policies {
        context.policies.wake(namespace, name);
    }
    if old.enforced != new.enforced {
        context
            .releaser
            .policies(namespace)
            .iter()
            .for_each(|name| context.policies.wake(namespace, name));
    }
    for name in entitlements {
        context.entitlements.wake(namespace, name);
    }
    let held = old.held.keys().chain(new.held.keys());
    let held = held.filter(|name| old.held.get(*name) != new.held.get(*name));
    for name in held.chain(&differs.targets).collect::<BTreeSet<_>>() {
        context.targets.wake(namespace, name);
    }
    for (name, waiting) in &new.waiting {
        if old.waiting.get(name) != Some(waiting) {
            context.change_sets.wake(namespace, name);
        }
    }
}
