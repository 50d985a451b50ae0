//! The one writer of a target: what takes away has a half of its own, which no queue of grants holds up; changes to one
//! object travel together, and nothing counts as done before it was read back.

mod accounts;
mod change;
mod connection;
mod creation;
mod health;
mod jobs;
mod line;
mod look_ups;
mod looks;
mod memberships;
mod moved;
mod objects;
mod once;
mod verdict;
mod wall;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use parking_lot::Mutex;

use self::connection::Connection;
use self::health::{Failures, MENDED, backoff, is_whole};
use self::objects::Unread;
use super::connect;
use super::context::Context;
use super::desk::Desk;
use crate::api::conditions::{self, Fact};
use crate::api::target::{ManagementPolicy, RateLimit};
use crate::api::{PAUSED_ANNOTATION, TargetSystem};
use crate::decide::effect::AccountSight;
use crate::decide::index::Entry;
use crate::decide::managed::may;
use crate::targets::pace::{Lane, Pace};
use crate::targets::{Target, TargetError};

/// Accounts per round, so that what is found out is used before more is begun.
const ROUND: usize = 32;
/// How long a grant waits for others to the same object while they still come in, and a look-up for others that one list
/// serves.
const LINGER: Duration = Duration::from_secs(5);
/// How long a grant that could be sent waits while accounts are made for others.
const LINGER_FOR_ACCOUNTS: Duration = Duration::from_secs(30);
/// How long none may have come in before those that did are sent together.
const CALM: Duration = Duration::from_millis(300);
/// How long until a grant that was refused is tried again for the first time; doubled by each further refusal.
const REFUSED_SOON: Duration = Duration::from_secs(15);
/// The longest until then, and how long one waits that found no seat.
const REFUSED_AGAIN: Duration = Duration::from_mins(10);
/// How long until an entitlement whose object was not found is looked for again.
const MISSING_AGAIN: Duration = Duration::from_secs(30);
/// How long one creation in doubt waits for others, so that one look does for all of them.
const DOUBTS_WAIT: Duration = Duration::from_secs(15);
/// So soon the accounts in doubt are looked for that grants to others wait for theirs.
const NEAR: Duration = Duration::from_secs(2);
/// So many times as long as it takes to go through the desk, a round waits for more news.
const BREATH: u32 = 30;
/// The longest that it does.
const BREATH_MAX: Duration = Duration::from_millis(100);
/// How long a request may take where the target does not say otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that it may.
const TIMEOUT_MAX: Duration = Duration::from_mins(2);

/// Something that concerns the whole target: everything else waits.
struct Halt(TargetError);

/// Works for one target until the process ends or the target goes.
pub async fn run(context: Arc<Context>, desk: Arc<Desk>) {
    let writer = Writer {
        context,
        desk,
        connection: tokio::sync::Mutex::default(),
        pace: Mutex::default(),
        failures: Mutex::default(),
        next_resync: Mutex::new(Instant::now()),
        unread: Mutex::default(),
    };
    tokio::join!(
        Lane::Losses.around(writer.half(Lane::Losses)),
        Lane::Rest.around(writer.half(Lane::Rest)),
    );
}

/// What a half of a writer does between rounds.
struct Pause {
    length: Duration,
    ends_with_news: bool,
    /// How long it waits for more news after the first.
    breath: Duration,
}

impl Pause {
    fn until_news(length: Duration) -> Self {
        Self {
            length,
            ends_with_news: true,
            breath: Duration::ZERO,
        }
    }
}

/// How long a request to a target may take.
fn timeout(spec: &TargetSystem) -> Duration {
    let own = spec.spec.http.as_ref().and_then(|http| http.timeout.as_ref());
    own.map_or(TIMEOUT, |timeout| timeout.get_or(TIMEOUT).min(TIMEOUT_MAX))
}

/// Whether anything may be looked at.
fn sees(spec: &TargetSystem) -> bool {
    may(&spec.spec, ManagementPolicy::Observe)
}

struct Writer {
    context: Arc<Context>,
    desk: Arc<Desk>,
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
    /// Outlives connections: what was sent before a new one counts.
    pace: Mutex<Option<(RateLimit, Arc<Pace>)>>,
    failures: Mutex<Failures>,
    next_resync: Mutex<Instant>,
    /// What is still to be looked at of everything, while that is under way.
    unread: Mutex<Option<Unread>>,
}

impl Writer {
    async fn half(&self, lane: Lane) {
        while !self.desk.closing.load(Ordering::SeqCst) {
            let pause = self.round(lane).await;
            tokio::select! {
                () = self.desk.news.notified(lane), if pause.ends_with_news => tokio::time::sleep(pause.breath).await,
                () = self.desk.closed.notified(lane) => {}
                () = tokio::time::sleep(pause.length) => {}
            }
        }
    }

    /// Does what is due.
    async fn round(&self, lane: Lane) -> Pause {
        let Some(spec) = self.settings() else {
            return Pause::until_news(Duration::from_mins(1));
        };
        if !self.context.gate.is_open() || spec.annotations().contains_key(PAUSED_ANNOTATION) {
            return Pause {
                length: Duration::from_secs(1),
                ends_with_news: false,
                breath: Duration::ZERO,
            };
        }
        if let Some(length) = self.waits(&spec).await {
            // News does not make a target that is down answer any sooner, but a person may have mended it.
            return Pause::until_news(length.min(MENDED));
        }
        let worked = match self.connected(&spec).await {
            Ok(connection) => match lane {
                Lane::Losses => self.losses(&connection).await,
                Lane::Rest => self.rest(&connection, &spec).await,
            }
            .map(|sent| (sent, connection.gathers())),
            Err(halt) => Err(halt),
        };
        match worked {
            Ok((sent, gathers)) => {
                if sent > 0 || lane == Lane::Rest {
                    self.answers();
                }
                let began = Instant::now();
                let length = self.next_due(lane, sees(&spec), gathers);
                Pause {
                    // A desk with thousands on it is not gone through anew for each who comes.
                    breath: (began.elapsed() * BREATH).min(BREATH_MAX),
                    ..Pause::until_news(length)
                }
            }
            Err(halt) => {
                self.fails(&spec, &halt.0).await;
                Pause::until_news(Duration::ZERO)
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

    /// Takes away what is to go. Returns how many effects.
    async fn losses(&self, connection: &Connection) -> Result<usize, Halt> {
        let mut sent = 0;
        loop {
            let ended = self.accounts(connection, Lane::Losses).await?;
            let taken = self.memberships(connection, Lane::Losses).await?;
            sent += ended + taken;
            if ended + taken == 0 {
                return Ok(sent);
            }
        }
    }

    /// Everything else. Returns how many effects and look-ups.
    async fn rest(&self, connection: &Connection, spec: &TargetSystem) -> Result<usize, Halt> {
        let mut sent = 0;
        if !sees(spec) {
            // Nothing is looked at either. What is on record meets the wall, and says so.
            let met = self.accounts(connection, Lane::Rest).await?;
            return Ok(met + self.memberships(connection, Lane::Rest).await?);
        }
        loop {
            self.resolve(connection, spec).await?;
            let looked = self.look_up(connection).await?;
            let made = self.accounts(connection, Lane::Rest).await?;
            sent += looked + made;
            if looked + made > 0 && !self.has_lingered() {
                continue;
            }
            if self.doubts_end_soon() && !self.has_lingered() {
                break;
            }
            self.look_at(connection).await?;
            let given = self.memberships(connection, Lane::Rest).await?;
            sent += given;
            if given + looked + made == 0 {
                break;
            }
        }
        if *self.next_resync.lock() <= Instant::now() {
            self.begin_resync(connection).await?;
            *self.next_resync.lock() = Instant::now() + spec.spec.resync.get_or(Duration::from_mins(10));
        }
        self.go_on_with_resync(connection).await?;
        Ok(sent)
    }

    /// The connection for these settings; made anew where they changed, and after a failure.
    async fn connected(&self, spec: &TargetSystem) -> Result<Arc<Connection>, Halt> {
        let mut current = self.connection.lock().await;
        if let Some(connection) = current.as_ref()
            && connection.generation == spec.metadata.generation
        {
            return Ok(connection.clone());
        }
        *current = None;
        let pace = self.pace(&spec.spec.rate_limit);
        let target = connect::connect(&self.context, &self.desk.namespace, spec, pace.clone())
            .await
            .map_err(Halt)?;
        let mut connection = Connection {
            target,
            pace,
            concurrency: usize::try_from(spec.spec.rate_limit.concurrency).unwrap_or(1).max(1),
            bulk: false,
            patch: false,
            timeout: timeout(spec),
            generation: spec.metadata.generation,
        };
        let capabilities = connection.read(Target::capabilities).await.map_err(Halt)?;
        connection.bulk = capabilities.bulk;
        connection.patch = capabilities.patch;
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
        *self.next_resync.lock() = Instant::now();
        self.context.targets.wake(&self.desk.namespace, &self.desk.target);
        let connection = Arc::new(connection);
        *current = Some(connection.clone());
        Ok(connection)
    }

    fn pace(&self, limit: &RateLimit) -> Arc<Pace> {
        let mut pace = self.pace.lock();
        if let Some((known, pace)) = pace.as_ref()
            && known == limit
        {
            return pace.clone();
        }
        let gate = self.context.gate.clone();
        let at_once = usize::try_from(limit.concurrency).unwrap_or(1);
        let made = Pace::per_minute(limit.requests_per_minute)
            .at_once(at_once)
            .only_while(move || gate.is_open())
            .patient();
        let made = Arc::new(made);
        *pace = Some((limit.clone(), made.clone()));
        made
    }

    /// How long everything still waits after a failure; `None` where it does not, or where somebody may have mended it.
    async fn waits(&self, spec: &TargetSystem) -> Option<Duration> {
        let (rest, made_of) = {
            let failures = self.failures.lock();
            let rest = failures.until?.checked_duration_since(Instant::now())?;
            (rest, failures.made_of.clone())
        };
        if made_of.is_some_and(|(generation, _)| generation != spec.metadata.generation) {
            self.failures.lock().until = None;
            return None;
        }
        if !self.failures.lock().is_check_due(Instant::now()) {
            return Some(rest);
        }
        let secrets = self.secrets(spec).await;
        let mut failures = self.failures.lock();
        if failures.made_of.as_ref().is_some_and(|(_, known)| *known != secrets) {
            failures.until = None;
            return None;
        }
        Some(rest)
    }

    /// Which Secrets the target needs, with their versions.
    async fn secrets(&self, spec: &TargetSystem) -> Vec<String> {
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), &self.desk.namespace);
        let mut versions = Vec::new();
        for name in spec.spec.secrets() {
            let found = api.get_metadata_opt(&name).await.ok().flatten();
            let version = found.and_then(|secret| secret.metadata.resource_version);
            versions.push(format!("{name} {}", version.unwrap_or_default()));
        }
        versions
    }

    /// The target answers.
    fn answers(&self) {
        self.failures.lock().end();
        let quarantine = self.desk.state.lock().health.quarantine.take();
        if quarantine.is_some() {
            self.context.targets.wake(&self.desk.namespace, &self.desk.target);
        }
    }

    /// The target failed as a whole.
    async fn fails(&self, spec: &TargetSystem, error: &TargetError) {
        let secrets = self.secrets(spec).await;
        let quarantine = {
            let mut failures = self.failures.lock();
            let (now, time) = (Instant::now(), Timestamp::now());
            failures.add(error, now, time);
            failures.made_of = Some((spec.metadata.generation, secrets));
            failures.quarantine(now, time)
        };
        self.desk.state.lock().health.quarantine = quarantine;
        if !matches!(error, TargetError::Throttled(_)) {
            *self.connection.lock().await = None;
            self.say(spec, error);
        }
    }

    /// Whether what the target's settings describe cannot be used, whatever its Secrets hold.
    fn is_invalid(&self, spec: &TargetSystem) -> bool {
        let index = self.context.index.read();
        let content = index.namespace(&self.desk.namespace);
        content.is_some_and(|content| {
            let name = spec.name_any();
            let definition = content.definition(&name).is_some_and(|known| known.is_err());
            definition || content.attribute_map(&name).is_some_and(|known| known.is_err())
        })
    }

    /// Says why everything waits: on the target, and to those whose account could not be looked up.
    fn say(&self, spec: &TargetSystem, error: &TargetError) {
        let (reason, mend) = match error {
            TargetError::Unauthorized(_) => (conditions::UNAUTHORIZED, "put valid credentials in the Secret"),
            TargetError::Misconfigured(_) if self.is_invalid(spec) => {
                (conditions::INVALID, "nothing is sent until then")
            }
            TargetError::Misconfigured(_) => (conditions::SECRET_MISSING, "nothing is sent until then"),
            TargetError::AddressRefused(_) => (conditions::ADDRESS_REFUSED, "nothing is sent until then"),
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
        for name in &waiting {
            self.context.employees.wake(&self.desk.namespace, name);
        }
        self.context.targets.wake(&self.desk.namespace, &self.desk.target);
    }

    /// Tells those who wait for what was seen or done.
    fn finished<'a>(&self, people: impl IntoIterator<Item = &'a String>) {
        for name in people.into_iter().collect::<BTreeSet<_>>() {
            self.context.desks.finished(&self.context, &self.desk.namespace, name);
        }
    }

    fn halted(&self, lane: Lane, halt: Option<Halt>) -> Result<(), Halt> {
        match halt {
            None => Ok(()),
            Some(halt) => {
                self.put_back(lane);
                Err(halt)
            }
        }
    }
}
