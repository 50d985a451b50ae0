//! The one writer of a target: leavers first, then everybody else; changes to one object travel together, and nothing
//! counts as done before it was read back.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use kube::ResourceExt;

use super::audit::AuditLine;
use super::connect;
use super::context::Context;
use super::desk::{Desk, HoldersSeen, Job, Resolved};
use crate::api::conditions::{self, Fact};
use crate::api::entitlement::RemoteObject;
use crate::api::{PAUSED_ANNOTATION, TargetSystem};
use crate::decide::effect::{AccountAction, AccountSight, Intent, IntentKey, Outcome};
use crate::decide::index::Entry;
use crate::targets::{AccountFacts, Found, Target, TargetError};

/// Accounts that are worked on at the same time.
const CONCURRENCY: usize = 4;
/// Accounts per round, so that a leaver who comes in is not kept waiting by a long queue.
const ROUND: usize = 32;
/// How long a grant waits for others to the same object while accounts are still being made.
const LINGER: Duration = Duration::from_secs(2);
/// How long until something refused for good is tried again.
const REFUSED_AGAIN: Duration = Duration::from_secs(600);
/// How long until an entitlement whose object was not found is looked for again.
const MISSING_AGAIN: Duration = Duration::from_secs(30);

/// Something that concerns the whole target: everything else waits.
struct Halt(TargetError);

/// A target that can be called, and the settings that it was made with.
struct Connection {
    target: Arc<dyn Target>,
    limiter: DefaultDirectRateLimiter,
    generation: Option<i64>,
}

impl Connection {
    /// Waits until the rate limit lets one more call through.
    async fn call(&self) -> &dyn Target {
        self.limiter.until_ready().await;
        self.target.as_ref()
    }
}

/// Works for one target until the process ends or the target goes.
pub async fn run(context: Arc<Context>, desk: Arc<Desk>) {
    let mut writer = Writer {
        context,
        desk,
        connection: None,
        halts: 0,
        next_resync: Instant::now(),
    };
    loop {
        let wait = writer.round().await;
        tokio::select! {
            () = writer.desk.news.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

struct Writer {
    context: Arc<Context>,
    desk: Arc<Desk>,
    connection: Option<Connection>,
    halts: u32,
    next_resync: Instant,
}

impl Writer {
    /// Does what is due. Returns how long there is nothing to do, news aside.
    async fn round(&mut self) -> Duration {
        let Some(spec) = self.settings() else {
            return Duration::from_secs(60);
        };
        if !self.context.gate.is_open() || spec.annotations().contains_key(PAUSED_ANNOTATION) {
            return Duration::from_secs(1);
        }
        match self.work(&spec).await {
            Ok(()) => {
                self.halts = 0;
                self.next_due()
            }
            Err(Halt(error)) => {
                self.connection = None;
                self.say(&error);
                let wait = match &error {
                    TargetError::Throttled(Some(wait)) => *wait,
                    _ => backoff(self.halts),
                };
                self.halts += 1;
                // News does not make a target that is down answer any sooner.
                tokio::time::sleep(wait).await;
                Duration::ZERO
            }
        }
    }

    fn settings(&self) -> Option<Arc<TargetSystem>> {
        let index = self.context.index.read();
        index
            .namespace(&self.desk.namespace)?
            .targets
            .get(&self.desk.target)
            .and_then(Entry::readable)
            .cloned()
    }

    async fn work(&mut self, spec: &TargetSystem) -> Result<(), Halt> {
        if self
            .connection
            .as_ref()
            .is_none_or(|connection| connection.generation != spec.metadata.generation)
        {
            self.connect(spec).await?;
        }
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        loop {
            self.accounts(connection, true).await?;
            self.memberships(connection, true).await?;
            self.resolve(connection).await?;
            let looked = self.look_up(connection).await?;
            let made = self.accounts(connection, false).await?;
            if looked + made > 0 && !self.has_lingered() {
                continue;
            }
            self.look_at(connection).await?;
            if self.memberships(connection, false).await? + looked + made == 0 {
                break;
            }
        }
        if self.next_resync <= Instant::now() {
            self.resync(connection).await?;
            self.next_resync = Instant::now() + spec.spec.resync.get_or(Duration::from_secs(600));
        }
        Ok(())
    }

    async fn connect(&mut self, spec: &TargetSystem) -> Result<(), Halt> {
        let target = connect::connect(&self.context, &self.desk.namespace, spec)
            .await
            .map_err(Halt)?;
        let per_minute = NonZeroU32::new(spec.spec.rate_limit.requests_per_minute).unwrap_or(NonZeroU32::MIN);
        // A tenth of a minute's worth may go at once.
        let burst = NonZeroU32::new(per_minute.get() / 10).unwrap_or(NonZeroU32::MIN);
        let limiter = RateLimiter::direct(Quota::per_minute(per_minute).allow_burst(burst));
        let connection = Connection {
            target,
            limiter,
            generation: spec.metadata.generation,
        };
        let capabilities = connection.call().await.capabilities().await.map_err(Halt)?;
        {
            let mut state = self.desk.state.lock();
            state.health.capabilities = Some(capabilities);
            state.health.reachable = Some(Fact::yes(
                conditions::REACHABLE,
                conditions::ANSWERING,
                "The target answers.",
            ));
            // The entitlements may stand for something else now.
            state.resolved.clear();
        }
        self.next_resync = Instant::now();
        self.connection = Some(connection);
        self.context.targets.wake(&self.desk.namespace, &self.desk.target);
        Ok(())
    }

    /// Says why everything waits: on the target, and to those whose account could not be looked up.
    fn say(&self, error: &TargetError) {
        let (reason, mend) = match error {
            TargetError::Unauthorized(_) => (conditions::UNAUTHORIZED, "put valid credentials in the Secret"),
            TargetError::Misconfigured(_) => (conditions::SECRET_MISSING, "nothing is sent until then"),
            _ => (
                conditions::UNREACHABLE,
                "it is tried again by itself, and nothing is lost meanwhile",
            ),
        };
        let fact = Fact::no(conditions::REACHABLE, reason, format!("The target {error}; {mend}."));
        let mut waiting = Vec::new();
        {
            let mut state = self.desk.state.lock();
            state.health.reachable = Some(fact);
            let why = AccountSight::Failed(format!("target {} {error}", self.desk.target));
            for (name, known) in &mut state.people {
                if known.look_up.is_some() && known.sight != why {
                    known.sight = why.clone();
                    waiting.push(name.clone());
                }
            }
        }
        tracing::warn!(namespace = self.desk.namespace, target = self.desk.target, %error, "the target cannot be used");
        waiting
            .iter()
            .for_each(|name| self.context.employees.wake(&self.desk.namespace, name));
        self.context.targets.wake(&self.desk.namespace, &self.desk.target);
    }

    fn next_due(&self) -> Duration {
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
    fn has_lingered(&self) -> bool {
        let state = self.desk.state.lock();
        state.people.values().flat_map(|known| known.jobs.values()).any(|job| {
            matches!(job.intent, Intent::Membership { hold: true, .. })
                && job.tries == 0
                && job.since.elapsed() > LINGER
        })
    }

    /// Takes jobs that are due off the desk; they are marked as running until an outcome is posted.
    fn take(&self, limit: usize, wanted: impl Fn(&Job) -> bool) -> Vec<(String, AccountFacts, String, Job)> {
        let now = Instant::now();
        let mut state = self.desk.state.lock();
        let mut taken = Vec::new();
        for (name, known) in &mut state.people {
            let made = known.account_id.is_some() || !known.jobs.contains_key(&IntentKey::Account);
            for job in known.jobs.values_mut() {
                let ready = !job.running && job.due <= now && (made || !needs_account(&job.intent));
                if taken.len() < limit && ready && wanted(job) {
                    job.running = true;
                    taken.push((name.clone(), known.facts.clone(), known.digest.clone(), job.clone()));
                }
            }
        }
        taken
    }

    /// Puts jobs back that a halt kept from being sent.
    fn put_back(&self) {
        let mut state = self.desk.state.lock();
        for job in state.people.values_mut().flat_map(|known| known.jobs.values_mut()) {
            job.running = false;
        }
    }

    /// Posts what came of a job, and wakes the person when nothing else is being done for them here.
    fn post(&self, employee: &str, job: &Job, outcome: Outcome) {
        self.audit(employee, job, &outcome);
        let now = Instant::now();
        let key = job.intent.key();
        let mut state = self.desk.state.lock();
        let Some(known) = state.people.get_mut(employee) else {
            return;
        };
        if let (Intent::Account { .. }, Outcome::Done { account_id, .. }) = (&job.intent, &outcome) {
            known.account_id = Some(account_id.clone());
            known.sight = AccountSight::Unseen;
        }
        let news = match &outcome {
            Outcome::Done { .. } | Outcome::Unknown(_) => {
                known.jobs.remove(&key);
                true
            }
            Outcome::Retrying(_) | Outcome::Refused(_) => {
                let refused = matches!(outcome, Outcome::Refused(_));
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

    fn audit(&self, employee: &str, job: &Job, outcome: &Outcome) {
        let answer = match outcome {
            Outcome::Done { .. } => "done, and read back".to_owned(),
            Outcome::Retrying(why) => format!("not done, will be tried again: {why}"),
            Outcome::Refused(why) => format!("refused: {why}"),
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

    /// Works on accounts: those being ended, or all others. Returns how many.
    async fn accounts(&self, connection: &Connection, losses: bool) -> Result<usize, Halt> {
        let jobs = self.take(ROUND, |job| {
            matches!(job.intent, Intent::Account { .. }) && job.intent.is_loss() == losses
        });
        let count = jobs.len();
        let results: Vec<_> = stream::iter(jobs)
            .map(|(name, facts, digest, job)| async move {
                let result = self.account(connection, &facts, &digest, &job).await;
                (name, job, result)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let mut halt = None;
        for (name, job, result) in results {
            match settle(result) {
                Ok(outcome) => self.post(&name, &job, outcome),
                Err(error) => halt = Some(error),
            }
        }
        self.halted(halt).map(|()| count)
    }

    fn halted(&self, halt: Option<Halt>) -> Result<(), Halt> {
        match halt {
            None => Ok(()),
            Some(halt) => {
                self.put_back();
                Err(halt)
            }
        }
    }

    async fn account(
        &self,
        connection: &Connection,
        facts: &AccountFacts,
        digest: &str,
        job: &Job,
    ) -> Result<Outcome, TargetError> {
        let Intent::Account { id, action, .. } = &job.intent else {
            return Ok(Outcome::Refused("is no account".to_owned()));
        };
        let done = |id: &str, attributes: Option<&str>| Outcome::Done {
            account_id: id.to_owned(),
            attributes: attributes.map(str::to_owned),
        };
        let id = match (action, id.as_str()) {
            (AccountAction::Create, _) => return self.create(connection, facts, digest, job.tries).await,
            // The account was being made when it was ended.
            (_, "") => match connection.call().await.find_account(facts).await? {
                Found::One(account) if account.external_id.as_deref() == Some(&facts.external_id) => account.id,
                _ => return Ok(done("", None)),
            },
            (_, id) => id.to_owned(),
        };
        match action {
            AccountAction::Create => Ok(done(&id, None)),
            AccountAction::Update => {
                connection.call().await.update_account(&id, facts, false).await?;
                Ok(done(&id, Some(digest)))
            }
            AccountAction::Activate => {
                connection.call().await.update_account(&id, facts, true).await?;
                match connection.call().await.read_account(&id).await? {
                    Some(account) if account.active => Ok(done(&id, Some(digest))),
                    Some(_) => Ok(Outcome::Retrying(
                        "was told to activate the account, and it is not active".into(),
                    )),
                    None => Err(TargetError::Gone("such account".into())),
                }
            }
            AccountAction::Deactivate => {
                match connection.call().await.deactivate_account(&id).await {
                    Err(TargetError::Gone(_)) => return Ok(done(&id, None)),
                    other => other?,
                }
                match connection.call().await.read_account(&id).await? {
                    Some(account) if account.active => Ok(Outcome::Retrying(
                        "was told to deactivate the account, and it is still active".into(),
                    )),
                    _ => Ok(done(&id, None)),
                }
            }
            AccountAction::Delete => {
                connection.call().await.delete_account(&id).await?;
                match connection.call().await.read_account(&id).await? {
                    Some(_) => Ok(Outcome::Retrying(
                        "was told to delete the account, and it is still there".into(),
                    )),
                    None => Ok(done(&id, None)),
                }
            }
        }
    }

    /// Creates an account at most once: what may have been done is looked for before it is tried again.
    async fn create(
        &self,
        connection: &Connection,
        facts: &AccountFacts,
        digest: &str,
        tries: u32,
    ) -> Result<Outcome, TargetError> {
        let ours = |found: Found<crate::targets::Account>| match found {
            Found::One(account) if account.external_id.as_deref() == Some(&facts.external_id) => Some(Ok(account.id)),
            Found::One(_) => Some(Err(
                "has an account of that user name that Rollcall did not make".to_owned()
            )),
            Found::Several(why) => Some(Err(why)),
            Found::None => None,
        };
        // The look-up that led to this intent was made by this process a moment ago, or not at all.
        let fresh = tries == 0 && self.saw_absent(&facts.external_id);
        if !fresh && let Some(found) = ours(connection.call().await.find_account(facts).await?) {
            return Ok(created(found, digest));
        }
        match connection.call().await.create_account(facts).await {
            Ok(account) => Ok(created(Ok(account.id), digest)),
            Err(TargetError::Ambiguous(why) | TargetError::Conflict(why)) => {
                match ours(connection.call().await.find_account(facts).await?) {
                    Some(found) => Ok(created(found, digest)),
                    None => Ok(Outcome::Retrying(why)),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn saw_absent(&self, external_id: &str) -> bool {
        let state = self.desk.state.lock();
        state
            .people
            .values()
            .any(|known| known.facts.external_id == external_id && known.sight == AccountSight::Absent)
    }

    /// Looks accounts up. Returns how many.
    async fn look_up(&self, connection: &Connection) -> Result<usize, Halt> {
        let now = Instant::now();
        let wanted: Vec<(String, AccountFacts)> = {
            let state = self.desk.state.lock();
            let due = state
                .people
                .iter()
                .filter(|(_, known)| known.look_up.is_some_and(|due| due <= now));
            due.take(ROUND)
                .map(|(name, known)| (name.clone(), known.facts.clone()))
                .collect()
        };
        let results: Vec<_> = stream::iter(wanted)
            .map(|(name, facts)| async move {
                let found = connection.call().await.find_account(&facts).await;
                (name, facts, found)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let count = results.len();
        let mut halt = None;
        for (name, facts, found) in results {
            let sight = match found {
                Ok(Found::None) => AccountSight::Absent,
                Ok(Found::Several(why)) => AccountSight::Ambiguous(why),
                Ok(Found::One(account)) => AccountSight::Present {
                    ours: account.external_id.as_deref() == Some(&facts.external_id),
                    id: account.id,
                    active: account.active,
                },
                Err(error) if is_whole(&error) => {
                    halt = Some(Halt(error));
                    continue;
                }
                Err(error) => AccountSight::Failed(format!("target {} {error}", self.desk.target)),
            };
            let mut state = self.desk.state.lock();
            let Some(known) = state.people.get_mut(&name) else {
                continue;
            };
            if known.facts != facts {
                continue;
            }
            known.look_up_tries = if matches!(sight, AccountSight::Failed(_)) {
                known.look_up_tries + 1
            } else {
                0
            };
            known.look_up = match sight {
                AccountSight::Failed(_) => Some(now + backoff(known.look_up_tries)),
                // A person may mend it at the target.
                AccountSight::Ambiguous(_) => Some(now + REFUSED_AGAIN),
                _ => None,
            };
            known.sight = sight;
            drop(state);
            self.context.desks.finished(&self.context, &self.desk.namespace, &name);
        }
        self.halted(halt).map(|()| count)
    }

    /// Changes holders, object by object: of objects that lose somebody, or of all. Returns how many changes.
    async fn memberships(&self, connection: &Connection, losses: bool) -> Result<usize, Halt> {
        let now = Instant::now();
        let objects: BTreeSet<RemoteObject> = {
            let state = self.desk.state.lock();
            let due = state.people.values().flat_map(|known| known.jobs.values());
            due.filter(|job| !job.running && job.due <= now)
                .filter_map(|job| match &job.intent {
                    Intent::Membership { key, hold, .. } if !losses || !hold => Some(key.object.clone()),
                    _ => None,
                })
                .collect()
        };
        let mut count = 0;
        for object in objects {
            let jobs = self.take(
                usize::MAX,
                |job| matches!(&job.intent, Intent::Membership { key, .. } if key.object == object),
            );
            count += jobs.len();
            if let Err(halt) = self.membership(connection, &object, jobs).await {
                self.put_back();
                return Err(halt);
            }
        }
        Ok(count)
    }

    async fn membership(
        &self,
        connection: &Connection,
        object: &RemoteObject,
        jobs: Vec<(String, AccountFacts, String, Job)>,
    ) -> Result<(), Halt> {
        let mut add = BTreeMap::new();
        let mut remove = BTreeMap::new();
        for (name, facts, _, job) in jobs {
            let Intent::Membership { hold, .. } = job.intent else {
                continue;
            };
            match self.account_id(connection, &name, &facts, &job).await {
                Ok(Some(id)) if hold => add.entry(id).or_insert_with(Vec::new).push((name, job)),
                Ok(Some(id)) => remove.entry(id).or_insert_with(Vec::new).push((name, job)),
                Ok(None) if hold => self.post(&name, &job, Outcome::Retrying("has no account for it yet".into())),
                Ok(None) => self.post(&name, &job, done("")),
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                Err(error) => self.post(&name, &job, Outcome::Retrying(error.to_string())),
            }
        }
        // Who is wanted and unwanted at once keeps it: taking is what cannot be made good.
        remove.retain(|id, _| !add.contains_key(id));
        let outcome = self.change(connection, object, &add, &remove).await;
        let post = |jobs: BTreeMap<String, Vec<(String, Job)>>, outcome: &dyn Fn(&str, &Job) -> Outcome| {
            for (id, jobs) in jobs {
                for (name, job) in jobs {
                    let outcome = outcome(&id, &job);
                    self.post(&name, &job, outcome);
                }
            }
        };
        match outcome {
            Ok(Some(holders)) => {
                post(add, &|id, _| {
                    if holders.ids.contains(id) {
                        done(id)
                    } else {
                        not_seen("was told to add the account, and it is not there")
                    }
                });
                post(remove, &|id, _| {
                    if holders.ids.contains(id) {
                        not_seen("was told to remove the account, and it is still there")
                    } else {
                        done(id)
                    }
                });
            }
            Ok(None) => {
                post(add, &|_, _| {
                    Outcome::Refused(format!("has no such {} any more", object.kind))
                });
                post(remove, &|id, _| done(id));
            }
            Err(error) if is_whole(&error) => return Err(Halt(error)),
            Err(TargetError::Refused(why)) => {
                post(add, &|_, _| Outcome::Refused(why.clone()));
                post(remove, &|_, _| Outcome::Refused(why.clone()));
            }
            Err(error) => {
                post(add, &|_, _| Outcome::Retrying(error.to_string()));
                post(remove, &|_, _| Outcome::Retrying(error.to_string()));
            }
        }
        Ok(())
    }

    /// The account that a membership is about: from the record, from the writer's own work, else looked up.
    async fn account_id(
        &self,
        connection: &Connection,
        name: &str,
        facts: &AccountFacts,
        job: &Job,
    ) -> Result<Option<String>, TargetError> {
        let Intent::Membership { account_id, .. } = &job.intent else {
            return Ok(None);
        };
        if !account_id.is_empty() {
            return Ok(Some(account_id.clone()));
        }
        let known = self
            .desk
            .state
            .lock()
            .people
            .get(name)
            .and_then(|known| known.account_id.clone());
        if known.is_some() {
            return Ok(known);
        }
        Ok(match connection.call().await.find_account(facts).await? {
            Found::One(account) if account.external_id.as_deref() == Some(&facts.external_id) => Some(account.id),
            _ => None,
        })
    }

    /// Changes the holders of an object to include and exclude these accounts, as far as they do not already, and reads
    /// them back.
    async fn change(
        &self,
        connection: &Connection,
        object: &RemoteObject,
        add: &BTreeMap<String, Vec<(String, Job)>>,
        remove: &BTreeMap<String, Vec<(String, Job)>>,
    ) -> Result<Option<crate::targets::Holders>, TargetError> {
        let seen = self.desk.state.lock().holders.get(object).cloned();
        let (seen, fresh) = match seen {
            Some(HoldersSeen { holders: Some(holders) }) => (holders, false),
            _ => match self.read(connection, object).await? {
                Some(holders) => (holders, true),
                None => return Ok(None),
            },
        };
        // Only a fresh look may spare the call: an older one may be out of date.
        let needed = |ids: &BTreeMap<String, Vec<(String, Job)>>, there: bool| -> BTreeSet<String> {
            ids.keys()
                .filter(|id| !fresh || seen.ids.contains(*id) == there)
                .cloned()
                .collect()
        };
        let (add, remove) = (needed(add, false), needed(remove, true));
        if add.is_empty() && remove.is_empty() {
            return Ok(Some(seen));
        }
        match connection
            .call()
            .await
            .change_holders(object, &add, &remove, Some(&seen))
            .await
        {
            Ok(()) => {}
            Err(TargetError::Gone(_)) => {
                self.desk.state.lock().holders.remove(object);
            }
            Err(error) => {
                // What is there now is not what was seen.
                self.desk.state.lock().holders.remove(object);
                return Err(error);
            }
        }
        self.read(connection, object).await
    }

    async fn read(
        &self,
        connection: &Connection,
        object: &RemoteObject,
    ) -> Result<Option<crate::targets::Holders>, TargetError> {
        let holders = connection.call().await.holders(object).await?;
        self.desk.state.lock().holders.insert(
            object.clone(),
            HoldersSeen {
                holders: holders.clone(),
            },
        );
        Ok(holders)
    }

    /// Reads the holders that somebody waits for.
    async fn look_at(&self, connection: &Connection) -> Result<(), Halt> {
        let wanted = std::mem::take(&mut self.desk.state.lock().look_at);
        for (object, people) in wanted {
            if let Err(error) = self.read(connection, &object).await {
                self.desk.state.lock().look_at.entry(object).or_default().extend(people);
                if is_whole(&error) {
                    return Err(Halt(error));
                }
                tracing::warn!(target = self.desk.target, %error, "holders could not be read");
                continue;
            }
            for name in people {
                self.context.desks.finished(&self.context, &self.desk.namespace, &name);
            }
        }
        Ok(())
    }

    /// Finds what entitlements stand for: new ones, changed ones, and again those that were not found.
    async fn resolve(&self, connection: &Connection) -> Result<(), Halt> {
        let now = Instant::now();
        let wanted: Vec<_> = {
            let index = self.context.index.read();
            let state = self.desk.state.lock();
            let entitlements = index
                .namespace(&self.desk.namespace)
                .map(|content| &content.entitlements);
            entitlements
                .into_iter()
                .flatten()
                .filter_map(|(name, entry)| Some((name.clone(), entry.readable()?.clone())))
                .filter(|(_, entitlement)| entitlement.spec.target_ref.name == self.desk.target)
                .filter(|(name, entitlement)| {
                    state.resolved.get(name).is_none_or(|resolved| {
                        resolved.generation != entitlement.metadata.generation || resolved.again <= now
                    })
                })
                .collect()
        };
        for (name, entitlement) in wanted {
            let found = match connection.call().await.find_object(&entitlement.spec).await {
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                other => other.map_err(|error| format!("target {} {error}", self.desk.target)),
            };
            let again = match &found {
                Ok(Found::One(_)) => now + Duration::from_secs(86_400),
                _ => now + MISSING_AGAIN,
            };
            let resolved = Resolved {
                generation: entitlement.metadata.generation,
                found,
                again,
            };
            self.desk.state.lock().resolved.insert(name.clone(), resolved);
            self.context.entitlements.wake(&self.desk.namespace, &name);
        }
        Ok(())
    }

    /// Reads the holders of every object that an entitlement stands for, once for everybody.
    async fn resync(&self, connection: &Connection) -> Result<(), Halt> {
        let objects: BTreeSet<RemoteObject> = {
            let state = self.desk.state.lock();
            let found = state.resolved.values().filter_map(|resolved| match &resolved.found {
                Ok(Found::One(object)) => Some(object.clone()),
                _ => None,
            });
            found.chain(state.holders.keys().cloned()).collect()
        };
        for object in objects {
            match self.read(connection, &object).await {
                Ok(_) => {}
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                Err(error) => tracing::warn!(target = self.desk.target, %error, "holders could not be read"),
            }
        }
        let names: Vec<String> = {
            let mut state = self.desk.state.lock();
            state.health.last_resync = Some(Timestamp::now());
            state.resolved.keys().cloned().collect()
        };
        names
            .iter()
            .for_each(|name| self.context.entitlements.wake(&self.desk.namespace, name));
        self.context.targets.wake(&self.desk.namespace, &self.desk.target);
        Ok(())
    }
}

/// Whether an intent is a grant to an account that is still being made.
fn needs_account(intent: &Intent) -> bool {
    matches!(intent, Intent::Membership { hold: true, account_id, .. } if account_id.is_empty())
}

fn done(id: &str) -> Outcome {
    Outcome::Done {
        account_id: id.to_owned(),
        attributes: None,
    }
}

fn not_seen(why: &str) -> Outcome {
    Outcome::Retrying(why.to_owned())
}

fn created(found: Result<String, String>, digest: &str) -> Outcome {
    match found {
        Ok(id) => Outcome::Done {
            account_id: id,
            attributes: Some(digest.to_owned()),
        },
        Err(why) => Outcome::Refused(why),
    }
}

/// Whether an error concerns the whole target.
fn is_whole(error: &TargetError) -> bool {
    matches!(
        error,
        TargetError::Unreachable(_)
            | TargetError::Unauthorized(_)
            | TargetError::Misconfigured(_)
            | TargetError::Throttled(_)
    )
}

/// What an error of one account's effect comes to.
fn settle(result: Result<Outcome, TargetError>) -> Result<Outcome, Halt> {
    match result {
        Ok(outcome) => Ok(outcome),
        Err(error) if is_whole(&error) => Err(Halt(error)),
        Err(TargetError::Refused(why)) => Ok(Outcome::Refused(why)),
        Err(error @ TargetError::Gone(_)) => Ok(Outcome::Refused(error.to_string())),
        Err(error) => Ok(Outcome::Retrying(error.to_string())),
    }
}

/// Half a second, doubled by each try, five minutes at the most.
fn backoff(tries: u32) -> Duration {
    Duration::from_millis(500 << tries.min(10)).min(Duration::from_secs(300))
}
