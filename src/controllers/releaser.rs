//! The sole authority over losses: surveys a namespace when it has settled, and judges what would be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::context::Context;
use crate::decide::guard::{Admission, GainId, Judge, Judgement, LossId, Verdict};
use crate::decide::survey::{Survey, judge_all, survey};

/// A namespace that never settles is judged all the same, after this many times the settling time.
const PATIENCE: u32 = 5;

/// Surveys and verdicts by namespace.
#[derive(Debug, Default)]
pub struct Releaser {
    namespaces: Mutex<BTreeMap<String, State>>,
    marked: Notify,
}

/// The last judgements of a namespace.
#[derive(Debug)]
pub struct Bench(Arc<BTreeMap<String, Judgement>>);

impl Judge for Bench {
    fn loss(&self, loss: &LossId) -> Verdict {
        let judgement = self.0.get(&loss.target);
        let verdict = judgement.and_then(|judgement| judgement.verdicts.get(loss));
        verdict.cloned().unwrap_or(Verdict::Wait)
    }

    fn gain(&self, _: &GainId) -> Admission {
        Admission::Free
    }
}

#[derive(Debug, Default)]
struct State {
    /// First and last change since the last judgement.
    dirty: Option<(Instant, Instant)>,
    survey: Arc<Survey>,
    judgements: Arc<BTreeMap<String, Judgement>>,
    /// Let go on the budget, and not yet seen on record.
    issued: BTreeSet<LossId>,
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
        Bench(self.judgements(namespace))
    }

    /// The last survey of a namespace.
    pub fn survey(&self, namespace: &str) -> Arc<Survey> {
        self.namespaces
            .lock()
            .get(namespace)
            .map(|state| state.survey.clone())
            .unwrap_or_default()
    }

    /// The last judgements of a namespace, by target.
    pub fn judgements(&self, namespace: &str) -> Arc<BTreeMap<String, Judgement>> {
        self.namespaces
            .lock()
            .get(namespace)
            .map(|state| state.judgements.clone())
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
                        context.releaser.look(&context, &namespace);
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
                let (first, last) = state.dirty?;
                Some((name.clone(), (last + settle).min(first + settle * PATIENCE)))
            })
            .min_by_key(|(_, at)| *at)
    }

    /// Surveys and judges one namespace, and wakes whom the result concerns.
    fn look(&self, context: &Context, namespace: &str) {
        let mut issued = {
            let mut namespaces = self.namespaces.lock();
            let state = namespaces.entry(namespace.to_owned()).or_default();
            state.dirty = None;
            std::mem::take(&mut state.issued)
        };
        let index = context.index.read();
        let Some(content) = index.namespace(namespace) else {
            return;
        };
        let survey = survey(content, context.clock.now());
        let judgements = judge_all(content, &survey, &mut issued);
        drop(index);

        let (old_survey, old_judgements) = {
            let mut namespaces = self.namespaces.lock();
            let state = namespaces.entry(namespace.to_owned()).or_default();
            state.issued = issued;
            (
                std::mem::replace(&mut state.survey, Arc::new(survey)),
                std::mem::replace(&mut state.judgements, Arc::new(judgements)),
            )
        };
        self.announce(context, namespace, &old_survey, &old_judgements);
    }

    fn announce(
        &self,
        context: &Context,
        namespace: &str,
        old_survey: &Survey,
        old_judgements: &BTreeMap<String, Judgement>,
    ) {
        let survey = self.survey(namespace);
        let judgements = self.judgements(namespace);
        let mut people = BTreeSet::new();
        for (target, judgement) in judgements.iter() {
            let old = old_judgements.get(target);
            for (loss, verdict) in &judgement.verdicts {
                if old.and_then(|old| old.verdicts.get(loss)) != Some(verdict) {
                    people.insert(loss.employee.clone());
                }
            }
        }
        for name in &people {
            context.employees.wake(namespace, name);
        }
        for (name, tally) in &survey.policies {
            if old_survey.policies.get(name) != Some(tally) {
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
            if old_survey.targets.get(name) != survey.targets.get(name)
                || old_judgements.get(name) != judgements.get(name)
            {
                context.targets.wake(namespace, name);
            }
        }
    }
}
