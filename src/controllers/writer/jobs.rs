//! Taking jobs off a desk and saying what came of them.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{LINGER, REFUSED_AGAIN, Writer, backoff};
use crate::controllers::audit::AuditLine;
use crate::controllers::desk::{Job, wake};
use crate::decide::effect::{AccountAction, AccountSight, Intent, IntentKey, Outcome};
use crate::targets::AccountFacts;

/// A job as it is taken off the desk.
pub(super) struct Task {
    /// Name of the Employee.
    pub employee: String,
    /// What the account is matched by and made of.
    pub facts: AccountFacts,
    /// Digest of those facts.
    pub digest: String,
    /// What is to be done.
    pub job: Job,
}

impl Writer {
    pub(super) fn next_due(&self) -> Duration {
        let state = self.desk.state.lock();
        let jobs = state.people.values().flat_map(|known| {
            known
                .jobs
                .values()
                .filter(|job| !job.running)
                .map(|job| job.due)
                .chain(known.look_up)
        });
        let again = state.resolved.values().map(|resolved| resolved.again);
        let next = jobs
            .chain(again)
            .chain([self.next_resync])
            .min()
            .unwrap_or(self.next_resync);
        next.saturating_duration_since(Instant::now())
            .max(Duration::from_millis(5))
    }

    /// Whether a grant has waited long enough for others.
    pub(super) fn has_lingered(&self) -> bool {
        let state = self.desk.state.lock();
        state.people.values().flat_map(|known| known.jobs.values()).any(|job| {
            matches!(job.intent, Intent::Membership { hold: true, .. })
                && job.tries == 0
                && job.since.elapsed() > LINGER
        })
    }

    /// Takes jobs that are due off the desk; they are marked as running until an outcome is posted.
    pub(super) fn take(&self, limit: usize, wanted: impl Fn(&Job) -> bool) -> Vec<Task> {
        let now = Instant::now();
        let mut state = self.desk.state.lock();
        let mut taken = Vec::new();
        if self.desk.closing.load(Ordering::SeqCst) || !self.context.gate.is_open() {
            return taken;
        }
        for (name, known) in &mut state.people {
            let made = known.account_id.is_some() || !known.jobs.contains_key(&IntentKey::Account);
            for job in known.jobs.values_mut() {
                let ready = !job.running && job.due <= now && (made || !needs_account(&job.intent));
                if taken.len() < limit && ready && wanted(job) {
                    job.running = true;
                    taken.push(Task {
                        employee: name.clone(),
                        facts: known.facts.clone(),
                        digest: known.digest.clone(),
                        job: job.clone(),
                    });
                }
            }
        }
        taken
    }

    /// Puts jobs back that a halt kept from being sent.
    pub(super) fn put_back(&self) {
        let mut state = self.desk.state.lock();
        let mut changed = Vec::new();
        for (name, known) in &mut state.people {
            if known.jobs.values().any(|job| job.superseded) {
                known.jobs.retain(|_, job| !job.superseded);
                changed.push(name.clone());
            }
            known.jobs.values_mut().for_each(|job| job.running = false);
        }
        drop(state);
        // What the record means instead comes when it is looked at.
        for name in &changed {
            wake(&self.context, &self.desk.namespace, name);
        }
    }

    /// Posts what came of a job, and wakes the person when nothing else is being done for them here.
    pub(super) fn post(&self, employee: &str, job: &Job, outcome: Outcome) {
        self.audit(employee, job, &outcome);
        let now = Instant::now();
        let key = job.intent.key();
        let mut state = self.desk.state.lock();
        let Some(known) = state.people.get_mut(employee) else {
            return;
        };
        if let (Intent::Account { .. }, Outcome::Done { account_id, .. }) = (&job.intent, &outcome) {
            let usable = !job.intent.is_loss() && !account_id.is_empty();
            known.account_id = usable.then(|| account_id.clone());
            known.sight = AccountSight::Unseen;
        }
        let news = match &outcome {
            Outcome::Done { .. } | Outcome::Unknown(_) => {
                known.jobs.remove(&key);
                true
            }
            Outcome::Retrying(_) | Outcome::Refused(_) | Outcome::NoSeat(_) => {
                let refused = !matches!(outcome, Outcome::Retrying(_));
                let superseded = known.jobs.get(&key).is_some_and(|kept| kept.superseded);
                if superseded {
                    known.jobs.remove(&key);
                }
                known.jobs.get_mut(&key).is_none_or(|kept| {
                    kept.running = false;
                    kept.due = now + if refused { REFUSED_AGAIN } else { backoff(kept.tries) };
                    kept.tries += 1;
                    let news = kept.said.as_ref() != Some(&outcome);
                    kept.said = Some(outcome.clone());
                    news
                })
            }
        };
        if news {
            known.outcomes.push((job.intent.clone(), outcome));
        }
        let done = !known.is_busy(now) && !known.outcomes.is_empty();
        drop(state);
        if done {
            self.context
                .desks
                .finished(&self.context, &self.desk.namespace, employee);
        }
    }

    pub(super) fn audit(&self, employee: &str, job: &Job, outcome: &Outcome) {
        let answer = match outcome {
            Outcome::Done { .. } => "done, and read back".to_owned(),
            Outcome::Retrying(why) => format!("not done, will be tried again: {why}"),
            Outcome::Refused(why) => format!("refused: {why}"),
            Outcome::NoSeat(why) => format!("no seat is free: {why}"),
            Outcome::Unknown(why) => format!("not known: {why}"),
        };
        let (effect, object, account, operation) = match &job.intent {
            Intent::Account {
                action,
                id,
                operation_id,
                ..
            } => {
                let effect = match action {
                    AccountAction::Create => "createAccount",
                    AccountAction::Update => "updateAccount",
                    AccountAction::Activate => "activateAccount",
                    AccountAction::Deactivate => "deactivateAccount",
                    AccountAction::Delete => "deleteAccount",
                };
                (effect, String::new(), id, operation_id)
            }
            Intent::Membership {
                key,
                hold,
                account_id,
                operation_id,
                ..
            } => {
                let effect = if *hold { "grant" } else { "revoke" };
                (
                    effect,
                    format!("{}/{}", key.object.kind, key.object.id),
                    account_id,
                    operation_id,
                )
            }
        };
        let account = match outcome {
            Outcome::Done { account_id, .. } if !account_id.is_empty() => account_id,
            _ => account,
        };
        self.context.audit.write(&AuditLine {
            time: Timestamp::now(),
            namespace: &self.desk.namespace,
            employee,
            target: &self.desk.target,
            effect,
            object: &object,
            entitlement: &job.note.entitlement,
            account,
            cause: job.note.cause,
            grantors: &job.note.grantors,
            operation,
            answer: &answer,
        });
    }
}

/// Whether an intent is a grant to an account that is still being made.
fn needs_account(intent: &Intent) -> bool {
    matches!(intent, Intent::Membership { hold: true, account_id, .. } if account_id.is_empty())
}
