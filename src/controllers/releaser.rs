//! The sole authority over losses: surveys a namespace when it has settled, and judges what would be lost and gained.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::context::Context;
use super::opening;
use crate::decide::guard::{Admission, GainId, Judge, Judgement, LossId, Memory, Terms, Verdict};
use crate::decide::survey::{Survey, edition, judge_all, survey};

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
    survey: Arc<Survey>,
    judgement: Arc<Judgement>,
    memory: Memory,
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

    /// The last survey of a namespace.
    pub fn survey(&self, namespace: &str) -> Arc<Survey> {
        self.namespaces
            .lock()
            .get(namespace)
            .map(|state| state.survey.clone())
            .unwrap_or_default()
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
        let (mut memory, last_edition) = {
            let mut namespaces = self.namespaces.lock();
            let state = namespaces.entry(namespace.to_owned()).or_default();
            state.dirty = None;
            state.again = None;
            (std::mem::take(&mut state.memory), state.edition.clone())
        };

        // 1. Judge what is in the index (pure). Whether edits have settled is told from the same look at it: one that
        //    arrives meanwhile is neither in the survey nor taken for settled.
        let (survey, judgement, edition, settles_at) = {
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
                now: Timestamp::now(),
            };
            let survey = survey(content, terms.now);
            let judgement = judge_all(content, &survey, &terms, &mut memory);
            let settles_at = (!terms.settled).then_some(settles_at);
            (survey, judgement, (edition, since), settles_at)
        };

        // 2. Make the ChangeSets before any record names them (IO). Where one cannot be made, its changes wait all the
        //    same, and it is tried again.
        let made = opening::make(context, namespace, &judgement.openings).await;

        // 3. Publish the verdicts (memory).
        let (old_survey, old_judgement) = {
            let mut namespaces = self.namespaces.lock();
            let state = namespaces.entry(namespace.to_owned()).or_default();
            state.memory = memory;
            state.edition = Some(edition);
            state.again = settles_at
                .into_iter()
                .chain((!made).then(|| Instant::now() + AGAIN))
                .min();
            (
                std::mem::replace(&mut state.survey, Arc::new(survey)),
                std::mem::replace(&mut state.judgement, Arc::new(judgement)),
            )
        };
        self.announce(context, namespace, &old_survey, &old_judgement);
    }

    fn announce(&self, context: &Context, namespace: &str, old_survey: &Survey, old: &Judgement) {
        let survey = self.survey(namespace);
        let new = self.judgement(namespace);
        let losses = new
            .verdicts
            .iter()
            .filter(|(id, verdict)| old.verdicts.get(id) != Some(*verdict));
        let gains = new
            .admissions
            .iter()
            .filter(|(id, verdict)| old.admissions.get(id) != Some(*verdict));
        let people = losses
            .map(|(id, _)| &id.employee)
            .chain(gains.map(|(id, _)| &id.employee));
        for name in people.collect::<BTreeSet<_>>() {
            context.employees.wake(namespace, name);
        }
        for (name, tally) in &survey.policies {
            if old_survey.policies.get(name) != Some(tally) || old.enforced != new.enforced {
                context.policies.wake(namespace, name);
            }
        }
        let entitlements = survey.entitlements.keys().chain(old_survey.entitlements.keys());
        for name in entitlements.collect::<BTreeSet<_>>() {
            if old_survey.entitlements.get(name) != survey.entitlements.get(name) {
                context.entitlements.wake(namespace, name);
            }
        }
        let targets = survey.targets.keys().chain(old_survey.targets.keys());
        for name in targets.collect::<BTreeSet<_>>() {
            if old_survey.targets.get(name) != survey.targets.get(name) || old.held.get(name) != new.held.get(name) {
                context.targets.wake(namespace, name);
            }
        }
        for (name, waiting) in &new.waiting {
            if old.waiting.get(name) != Some(waiting) {
                context.change_sets.wake(namespace, name);
            }
        }
    }
}
