//! The one writer of a target: leavers first, then everybody else; changes to one object travel together, and nothing
//! counts as done before it was read back.

mod accounts;
mod jobs;
mod memberships;
mod objects;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kube::ResourceExt;

use super::connect;
use super::context::Context;
use super::desk::Desk;
use crate::api::conditions::{self, Fact};
use crate::api::{PAUSED_ANNOTATION, TargetSystem};
use crate::decide::effect::AccountSight;
use crate::decide::index::Entry;
use crate::targets::{Target, TargetError};

/// Accounts that are worked on at the same time.
const CONCURRENCY: usize = 4;
/// Accounts per round, so that a leaver who comes in is not kept waiting by a long queue.
const ROUND: usize = 32;
/// How long a grant waits for others to the same object while accounts are still being made.
const LINGER: Duration = Duration::from_secs(2);
/// The longest pause before a target that cannot be used is tried again.
const HALT_MAX: Duration = Duration::from_secs(30);
/// The longest that a target's Retry-After is believed.
const THROTTLED_MAX: Duration = Duration::from_hours(1);
/// How long until something refused for good is tried again.
const REFUSED_AGAIN: Duration = Duration::from_mins(10);
/// How long until an entitlement whose object was not found is looked for again.
const MISSING_AGAIN: Duration = Duration::from_secs(30);

/// Something that concerns the whole target: everything else waits.
struct Halt(TargetError);

/// A target that can be called, and the settings that it was made with.
struct Connection {
    target: Arc<dyn Target>,
    generation: Option<i64>,
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
    while !writer.desk.closing.load(Ordering::SeqCst) {
        let pause = writer.round().await;
        tokio::select! {
            () = writer.desk.news.notified(), if pause.ends_with_news => {}
            () = writer.desk.closed.notified() => {}
            () = tokio::time::sleep(pause.length) => {}
        }
    }
}

/// What a writer does between rounds.
struct Pause {
    length: Duration,
    ends_with_news: bool,
}

struct Writer {
    context: Arc<Context>,
    desk: Arc<Desk>,
    connection: Option<Connection>,
    halts: u32,
    next_resync: Instant,
}

impl Writer {
    /// Does what is due.
    async fn round(&mut self) -> Pause {
        let until_news = |length| Pause {
            length,
            ends_with_news: true,
        };
        let Some(spec) = self.settings() else {
            return until_news(Duration::from_mins(1));
        };
        if !self.context.gate.is_open() || spec.annotations().contains_key(PAUSED_ANNOTATION) {
            return Pause {
                length: Duration::from_secs(1),
                ends_with_news: false,
            };
        }
        match self.work(&spec).await {
            Ok(()) => {
                self.halts = 0;
                until_news(self.next_due())
            }
            Err(Halt(error)) => {
                let wait = match &error {
                    // It answers, and says when; nothing is wrong with the way to it.
                    TargetError::Throttled(Some(wait)) => (*wait).min(THROTTLED_MAX),
                    TargetError::Throttled(None) => backoff(self.halts).min(HALT_MAX),
                    _ => {
                        self.connection = None;
                        self.say(&error);
                        backoff(self.halts).min(HALT_MAX)
                    }
                };
                self.halts += 1;
                // News does not make a target that is down answer any sooner, but a person may have mended it.
                Pause {
                    length: wait,
                    ends_with_news: false,
                }
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
            self.next_resync = Instant::now() + spec.spec.resync.get_or(Duration::from_mins(10));
        }
        Ok(())
    }

    async fn connect(&mut self, spec: &TargetSystem) -> Result<(), Halt> {
        let target = connect::connect(&self.context, &self.desk.namespace, spec)
            .await
            .map_err(Halt)?;
        let connection = Connection {
            target,
            generation: spec.metadata.generation,
        };
        let capabilities = connection.target.capabilities().await.map_err(Halt)?;
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

    fn halted(&self, halt: Option<Halt>) -> Result<(), Halt> {
        match halt {
            None => Ok(()),
            Some(halt) => {
                self.put_back();
                Err(halt)
            }
        }
    }
}

/// Whether an error concerns the whole target.
fn is_whole(error: &TargetError) -> bool {
    matches!(
        error,
        TargetError::Unreachable(_)
            | TargetError::Unauthorized(_)
            | TargetError::Misconfigured(_)
            | TargetError::AddressRefused(_)
            | TargetError::Throttled(_)
    )
}

/// Half a second, doubled by each try, five minutes at the most.
fn backoff(tries: u32) -> Duration {
    Duration::from_millis(500 << tries.min(10)).min(Duration::from_mins(5))
}
