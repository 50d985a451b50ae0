//! What lies on a target's desk, as `controllers/desk.rs` keeps it. All of it is forgotten in a crash.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rollcall::api::employee::EmployeeSpec;
use rollcall::decide::Person;
use rollcall::decide::effect::{AccountSight, Intent, IntentKey, Outcome, attributes_digest, intents};

/// One target's desk.
#[derive(Debug, Default)]
pub struct Desk {
    pub people: BTreeMap<String, PersonDesk>,
    /// The last look at the holders of groups, and their limits.
    pub holders: BTreeMap<String, (BTreeMap<String, usize>, Timestamp)>,
    /// The last look at all accounts, with whether each is usable.
    pub accounts: Option<(BTreeMap<String, bool>, Timestamp)>,
    pub look_at: BTreeSet<String>,
}

/// One person at one target.
#[derive(Debug, Default)]
pub struct PersonDesk {
    pub external: String,
    pub user: String,
    pub digest: String,
    pub spec: EmployeeSpec,
    pub jobs: BTreeMap<IntentKey, Job>,
    pub sight: AccountSight,
    pub look_up: bool,
    pub account_id: Option<String>,
    pub outcomes: Vec<(Intent, Outcome)>,
}

/// One intent on its way.
#[derive(Clone, Debug)]
pub struct Job {
    pub intent: Intent,
    pub tries: u32,
    /// It was sent, and this came of it; it is not said yet.
    pub running: Option<Outcome>,
    /// The record came to mean something else meanwhile.
    superseded: bool,
    said: Option<Outcome>,
}

impl PersonDesk {
    pub fn refresh(&mut self, person: &Person) {
        let digest = attributes_digest(&person.spec);
        if self.digest == digest && !self.external.is_empty() {
            return;
        }
        self.sight = AccountSight::Unseen;
        self.digest = digest;
        self.external = format!("tenant/{}", person.name);
        self.spec = person.spec.clone();
        self.user = person.spec.work_email.clone().unwrap_or_default();
    }

    /// Takes on what the acknowledged record means for `target`.
    pub fn submit(&mut self, person: &Person, target: &str, consumed: &[(Intent, Outcome)]) {
        self.refresh(person);
        let meant: Vec<Intent> = intents(&person.status.accounts, &person.status.entitlements)
            .into_iter()
            .filter(|intent| intent.target() == target)
            .collect();
        self.outcomes.retain(|outcome| !consumed.contains(outcome));
        let keys: BTreeSet<IntentKey> = meant.iter().map(Intent::key).collect();
        self.jobs.retain(|key, job| keys.contains(key) || job.running.is_some());
        for job in self.jobs.values_mut() {
            job.superseded = job.running.is_some() && !meant.contains(&job.intent);
        }
        for intent in meant {
            let done =
                |(known, outcome): &(Intent, Outcome)| *known == intent && matches!(outcome, Outcome::Done { .. });
            if self.outcomes.iter().any(done) {
                continue;
            }
            match self.jobs.get(&intent.key()) {
                Some(old) if old.intent == intent || old.running.is_some() => {}
                _ => {
                    let job = Job {
                        intent,
                        tries: 0,
                        running: None,
                        superseded: false,
                        said: None,
                    };
                    self.jobs.insert(job.intent.key(), job);
                }
            }
        }
    }

    /// Under which names no account was there when one was to be made.
    pub fn sought(&self) -> String {
        match self.jobs.get(&IntentKey::Account).map(|job| &job.intent) {
            Some(Intent::Account { sought, .. }) => sought.clone(),
            _ => String::new(),
        }
    }

    /// Takes everything off, as while the person is paused.
    pub fn withdraw(&mut self, consumed: &[(Intent, Outcome)]) {
        self.jobs.retain(|_, job| job.running.is_some());
        self.jobs.values_mut().for_each(|job| job.superseded = true);
        self.outcomes.retain(|outcome| !consumed.contains(outcome));
    }

    /// Jobs that may be sent now.
    pub fn ready(&self) -> Vec<IntentKey> {
        let made = self.account_id.is_some() || !self.jobs.contains_key(&IntentKey::Account);
        let needs_account = |intent: &Intent| matches!(intent, Intent::Membership { hold: true, account_id, .. } if account_id.is_empty());
        let ready = self
            .jobs
            .values()
            .filter(|job| job.running.is_none() && (made || !needs_account(&job.intent)));
        ready.map(|job| job.intent.key()).collect()
    }

    /// Says what came of a job.
    pub fn post(&mut self, key: &IntentKey) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        let Some(outcome) = job.running.take() else { return };
        let intent = job.intent.clone();
        let mut news = true;
        if matches!(outcome, Outcome::Done { .. } | Outcome::Unknown(_)) || job.superseded {
            self.jobs.remove(key);
        } else {
            news = job.said.as_ref() != Some(&outcome);
            job.tries += 1;
            job.said = Some(outcome.clone());
        }
        if let (Intent::Account { .. }, Outcome::Done { account_id, .. }) = (&intent, &outcome) {
            let usable = !intent.is_loss() && !account_id.is_empty();
            self.account_id = usable.then(|| account_id.clone());
            self.sight = AccountSight::Unseen;
        }
        if news {
            self.outcomes.push((intent, outcome));
        }
    }
}
