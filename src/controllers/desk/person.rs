//! One person at one target: what is to be done, what was seen, what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::api::employee::{Cause, EmployeeStatus, GrantState};
use crate::controllers::context::Context;
use crate::decide::Person;
use crate::decide::account::manager_account;
use crate::decide::definition::{account_digest, matching_digest};
use crate::decide::effect::{AccountSight, Intent, IntentKey, Outcome, RemoteKey};
use crate::targets::AccountFacts;
use crate::targets::pace::Lane;

/// What an account is known by as that of this Employee.
pub(super) fn correlation_key(namespace: &str, employee: &str) -> String {
    format!("{namespace}/{employee}")
}

/// One person at one target.
#[derive(Debug, Default)]
pub struct PersonDesk {
    /// What accounts are matched by and made of.
    pub facts: AccountFacts,
    /// Digest of what the account is made of.
    pub digest: String,
    /// Digest of what the account is found by.
    pub matching: String,
    /// What is to be done.
    pub jobs: BTreeMap<IntentKey, Job>,
    /// The person's account, as last looked up.
    pub sight: AccountSight,
    /// When it was looked up.
    pub looked_up: Option<Instant>,
    /// When the account is to be looked up.
    pub look_up: Option<Instant>,
    /// How often that failed.
    pub look_up_tries: u32,
    /// The account's id, where the writer learned it before the record did.
    pub account_id: Option<String>,
    /// An id that the account on record had, and the one under which our key was found since.
    pub moved: Option<(String, String)>,
    /// When this process made the account: a moment later it can hold nothing but what was given it since.
    pub made: Option<Instant>,
    /// When the writer last made the account usable: grants to it could not be sent before.
    pub usable_since: Option<Instant>,
    /// What came of intents since the last record.
    pub outcomes: Vec<(Intent, Outcome)>,
}

/// Digests of what a person's account is made of and found by, where the target can be read.
#[derive(Debug, Default)]
pub(super) struct MadeOf {
    digest: String,
    pub matching: String,
    /// The account of the person's manager there.
    manager: Option<String>,
}

impl MadeOf {
    pub(super) fn of(context: &Context, namespace: &str, person: &Person, target: &str) -> Self {
        let index = context.index.read();
        let Some(content) = index.namespace(namespace) else {
            return Self::default();
        };
        Self {
            digest: account_digest(content, person, target).unwrap_or_default(),
            matching: matching_digest(content, person, target).unwrap_or_default(),
            manager: manager_account(content, person, target),
        }
    }
}

/// One intent on its way.
#[derive(Clone, Debug)]
pub struct Job {
    /// What is meant.
    pub intent: Intent,
    /// When it may be sent.
    pub due: Instant,
    /// When it came in.
    pub since: Instant,
    /// How often it failed.
    pub tries: u32,
    /// In which lane it is being sent; `None` while it waits.
    pub running: Option<Lane>,
    /// Whether it was on record before this process took it on: another may have sent it, and been cut short.
    pub inherited: bool,
    /// When a creation was last sent of which nobody knows whether it was done.
    pub attempted: Option<Instant>,
    /// Under which key it was.
    pub attempted_as: String,
    /// When that can no longer be under way.
    pub settled: Option<Instant>,
    /// Digest of what an account was then made of.
    pub sent: String,
    /// The target's own id of what it said it made for this grant.
    pub made: String,
    /// Whether it goes by itself, since it was refused together with others.
    pub alone: bool,
    /// Whether the record came to mean something else while it was being sent: it is not sent again.
    pub superseded: bool,
    /// What was last said of it, so that the same is not said twice.
    pub said: Option<Outcome>,
    /// For the audit line.
    pub note: Note,
}

impl Job {
    /// One that came in now, and of which nothing was sent.
    pub fn new(intent: Intent, note: Note, now: Instant) -> Self {
        Self {
            intent,
            due: now,
            since: now,
            tries: 0,
            running: None,
            inherited: false,
            attempted: None,
            attempted_as: String::new(),
            settled: None,
            sent: String::new(),
            made: String::new(),
            alone: false,
            superseded: false,
            said: None,
            note,
        }
    }
}

/// What the audit line says of an intent besides the intent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Note {
    /// Name of the Entitlement; empty for accounts.
    pub entitlement: String,
    /// Why access is lost.
    pub cause: Option<Cause>,
    /// The policies that give it, or gave it.
    pub grantors: Vec<String>,
    /// Whether the grant is there and its parameters are to change.
    pub updates: bool,
    /// The work email and the user name under which no account was there when one was to be made.
    pub sought: [Option<String>; 2],
    /// When the effect was begun, by the record.
    pub begun: Option<Timestamp>,
}

impl PersonDesk {
    pub(super) fn refresh(&mut self, namespace: &str, person: &Person, made_of: MadeOf) {
        if made_of.matching != self.matching {
            // Facts that identify a person changed: what was seen was of somebody else.
            self.sight = AccountSight::Unseen;
        }
        self.digest = made_of.digest;
        self.matching = made_of.matching;
        if *self.facts.employee == person.spec
            && self.facts.manager_account == made_of.manager
            && !self.facts.external_id.is_empty()
        {
            return;
        }
        self.facts = AccountFacts {
            external_id: correlation_key(namespace, &person.name),
            work_email: person.spec.work_email.clone(),
            username: person.spec.username.clone(),
            display_name: person.spec.display_name.clone(),
            given_name: person.spec.given_name.clone(),
            family_name: person.spec.family_name.clone(),
            job_title: person.spec.job_title.clone(),
            employee: Arc::new(person.spec.clone()),
            manager_account: made_of.manager,
        };
    }

    /// Under which names no account was there when one was to be made; empty where none is being made.
    pub fn sought(&self) -> String {
        match self.jobs.get(&IntentKey::Account).map(|job| &job.intent) {
            Some(Intent::Account { sought, .. }) => sought.clone(),
            _ => String::new(),
        }
    }

    /// Whether anything is being done, or due and not waiting for an account that is still to be made.
    pub fn is_busy(&self, now: Instant) -> bool {
        let busy = |job: &Job| job.running.is_some() || (job.due <= now && self.can_begin(job));
        self.look_up.is_some_and(|due| due <= now) || self.jobs.values().any(busy)
    }

    /// Whether the account that a job needs is there: a grant waits while it is being made.
    pub fn can_begin(&self, job: &Job) -> bool {
        let made = self.account_id.is_some() || !self.jobs.contains_key(&IntentKey::Account);
        made || !matches!(&job.intent, Intent::Membership { hold: true, account_id, .. } if account_id.is_empty())
    }

    /// Whether anything of theirs waits for a seat.
    pub fn waits_for_seat(&self) -> bool {
        let mut jobs = self.jobs.values();
        jobs.any(|job| matches!(job.said, Some(Outcome::NoSeat(_))))
    }

    /// Takes on what is meant. Returns whether there is anything to do.
    pub(super) fn take_on(
        &mut self,
        meant: Vec<Intent>,
        before: &[Intent],
        consumed: &[(Intent, Outcome)],
        status: &EmployeeStatus,
    ) -> bool {
        self.outcomes.retain(|outcome| !consumed.contains(outcome));
        let keys: BTreeSet<IntentKey> = meant.iter().map(Intent::key).collect();
        self.jobs.retain(|key, job| keys.contains(key) || job.running.is_some());
        for job in self.jobs.values_mut() {
            job.superseded = job.running.is_some() && !meant.contains(&job.intent);
        }
        let now = Instant::now();
        for intent in meant {
            // Done, and not yet recorded.
            let done =
                |(known, outcome): &(Intent, Outcome)| *known == intent && matches!(outcome, Outcome::Done { .. });
            if self.outcomes.iter().any(done) {
                continue;
            }
            let note = note(status, &intent);
            let mut job = Job {
                inherited: before.contains(&intent),
                ..Job::new(intent, note, now)
            };
            match self.jobs.get_mut(&job.intent.key()) {
                Some(old) if old.intent == job.intent && old.note.begun == job.note.begun => {}
                // What is being sent is finished first; its outcome no longer fits, and the intent comes again.
                Some(old) if old.running.is_some() => {}
                old => {
                    // What was sent for the intent before may still come.
                    if let Some(old) = old {
                        (job.attempted, job.settled) = (old.attempted, old.settled);
                        job.attempted_as = std::mem::take(&mut old.attempted_as);
                    }
                    self.jobs.insert(job.intent.key(), job);
                }
            }
        }
        !self.jobs.is_empty()
    }
}

fn note(status: &EmployeeStatus, intent: &Intent) -> Note {
    match intent {
        Intent::Account { target, .. } => {
            let record = status.accounts.iter().find(|record| record.target == *target);
            Note {
                cause: record.and_then(|record| record.cause),
                sought: record.map_or([None, None], |record| {
                    [record.sought_email.clone(), record.sought_username.clone()]
                }),
                begun: record.and_then(|record| Some(record.begun_at.as_ref()?.0)),
                ..Note::default()
            }
        }
        Intent::Membership { key, account_id, .. } => status
            .entitlements
            .iter()
            .find(|record| RemoteKey::of(record) == *key && record.account_id == *account_id)
            .map(|record| Note {
                entitlement: record.entitlement.clone(),
                cause: record.cause,
                grantors: record.grantors.clone(),
                updates: record.state == GrantState::Updating,
                begun: record.begun_at.as_ref().map(|at| at.0),
                ..Note::default()
            })
            .unwrap_or_default(),
    }
}
