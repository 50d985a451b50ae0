//! The desk of each target: acknowledged intents on their way to its writer, what the writer saw, and what came of it.
//! All of it in memory: after a restart the records bring it back.

mod looks;
mod news;
mod person;
mod removals;
mod sight;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::task::JoinHandle;

pub use self::looks::{HoldersSeen, LastLooks, Place, Seen, Shown};
pub use self::news::News;
use self::person::MadeOf;
pub use self::person::{Job, Note, PersonDesk};
pub use self::removals::{place_of, wake};
use super::context::Context;
use super::writer;
use crate::api::conditions::Fact;
use crate::api::entitlement::RemoteObject;
use crate::api::target::{Capabilities, Quarantine};
use crate::decide::Person;
use crate::decide::drift::is_own;
use crate::decide::effect::{AccountSight, Intent, Outcome, RemoteKey, intents};
use crate::decide::losses::{Named, account_name};
use crate::targets::listing::Listing;
use crate::targets::{Account, Found};

/// How long a finished person waits for results from other targets, so that one record carries them all.
const GATHER: Duration = Duration::from_millis(400);

/// Every target's desk.
#[derive(Debug, Default)]
pub struct Desks(RwLock<HashMap<(String, String), Arc<Desk>>>);

/// One target's desk.
#[derive(Debug)]
pub struct Desk {
    /// Namespace of the `TargetSystem`.
    pub namespace: String,
    /// Its name.
    pub target: String,
    /// What is on it.
    pub state: Mutex<DeskState>,
    /// There is something new on it.
    pub news: News,
    /// Nothing more is to be taken off.
    pub closing: AtomicBool,
    /// Ends the pauses of the writer when `closing` is set.
    pub closed: News,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Whose turn it is with an object that is written whole.
    turns: Mutex<HashMap<RemoteObject, Arc<tokio::sync::Mutex<()>>>>,
}

/// What is on a desk.
#[derive(Debug, Default)]
pub struct DeskState {
    /// By Employee; what an Entitlement is to lose is under its own [`place_of`].
    pub people: BTreeMap<String, PersonDesk>,
    /// The last looks at who holds what.
    pub looks: LastLooks,
    /// Of which objects and accounts somebody waits for a look, and who.
    pub look_at: BTreeMap<(RemoteObject, String), BTreeSet<String>>,
    /// All accounts, as last listed; `None` where the target does not list them, or has not yet.
    pub accounts: Option<Arc<Seen<Listing>>>,
    /// Accounts as last read by id, where the target does not list them; `None` for one that is gone.
    pub read: BTreeMap<String, Seen<Option<Account>>>,
    /// When something was last sent for an account, by id: a list that was read before no longer tells.
    pub touched: BTreeMap<String, Instant>,
    /// What entitlements stand for, by name.
    pub resolved: BTreeMap<String, Resolved>,
    /// How the target is.
    pub health: Health,
}

/// What an entitlement stands for at the target.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The generation of the entitlement that was looked for.
    pub generation: Option<i64>,
    /// What was found, or why the search failed.
    pub found: Result<Found<RemoteObject>, String>,
    /// When to look again, where that can help.
    pub again: Instant,
}

/// How a target is.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Whether it answers; `None` before the first answer.
    pub reachable: Option<Fact>,
    /// What it says it can do.
    pub capabilities: Option<Capabilities>,
    /// When all holders were last read.
    pub last_resync: Option<Timestamp>,
    /// Set while it keeps failing and is tried again rarely.
    pub quarantine: Option<Quarantine>,
}

impl Desk {
    /// Waits for one's turn with an object that is written whole.
    pub async fn turn(&self, object: &RemoteObject) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self.turns.lock().entry(object.clone()).or_default().clone();
        turn.lock_owned().await
    }

    /// How the target names the person, where it has no accounts of its own.
    fn named(&self, context: &Context, person: &Person) -> Named {
        let index = context.index.read();
        let content = index.namespace(&self.namespace);
        content.map_or(Named::Account, |content| account_name(content, person, &self.target))
    }
}

impl DeskState {
    /// The person's account: from the record, else as the writer saw or made it.
    fn account(&self, target: &str, person: &Person, named: Named) -> Option<String> {
        if let Named::By(name) = named {
            return Some(name);
        }
        let records = person.status.accounts.iter();
        let recorded = records
            .filter(|record| record.target == target && is_own(record))
            .map(|record| record.id.clone())
            .next();
        let seen = || match self.people.get(&person.name).map(|known| &known.sight) {
            Some(AccountSight::Present { id, .. }) => Some(id.clone()),
            _ => None,
        };
        recorded.or_else(seen)
    }

    /// How many people wait for a seat.
    pub fn waiting_for_seats(&self) -> u32 {
        let waiting = self.people.values().filter(|known| known.waits_for_seat()).count();
        u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// The objects that a person may be asked about: what entitlements stand for, and what is on record.
    fn objects(&self, target: &str, person: &Person) -> BTreeSet<RemoteObject> {
        let found = self.resolved.values().filter_map(|resolved| match &resolved.found {
            Ok(Found::One(object)) => Some(object.clone()),
            _ => None,
        });
        let records = person.status.entitlements.iter();
        let recorded = records
            .filter(|record| record.target == target)
            .map(|record| RemoteKey::of(record).object);
        found.chain(recorded).collect()
    }
}

impl Desks {
    /// The desk of a target, with its writer at work; `None` where there is no such TargetSystem that can be read.
    pub fn open(&self, context: &Arc<Context>, namespace: &str, target: &str) -> Option<Arc<Desk>> {
        let key = (namespace.to_owned(), target.to_owned());
        if let Some(desk) = self.0.read().get(&key) {
            return Some(desk.clone());
        }
        context
            .index
            .read()
            .namespace(namespace)?
            .targets
            .get(target)?
            .readable()?;
        let mut desks = self.0.write();
        let desk = desks.entry(key).or_insert_with(|| {
            let desk = Arc::new(Desk {
                namespace: namespace.to_owned(),
                target: target.to_owned(),
                state: Mutex::default(),
                news: News::default(),
                closing: AtomicBool::new(false),
                closed: News::default(),
                writer: Mutex::default(),
                turns: Mutex::default(),
            });
            let task = tokio::spawn(writer::run(context.clone(), desk.clone()));
            *desk.writer.lock() = Some(task);
            desk
        });
        Some(desk.clone())
    }

    /// Ends the writer of a target that is gone. The records keep what was under way.
    pub fn close(&self, namespace: &str, target: &str) {
        if let Some(desk) = self.0.write().remove(&(namespace.to_owned(), target.to_owned()))
            && let Some(writer) = desk.writer.lock().take()
        {
            writer.abort();
        }
    }

    /// The desk of a target, if it is open.
    pub fn get(&self, namespace: &str, target: &str) -> Option<Arc<Desk>> {
        self.0.read().get(&(namespace.to_owned(), target.to_owned())).cloned()
    }

    fn of(&self, namespace: &str) -> Vec<Arc<Desk>> {
        self.0
            .read()
            .values()
            .filter(|desk| desk.namespace == namespace)
            .cloned()
            .collect()
    }

    /// Forgets a person whose Employee is gone.
    pub fn forget(&self, namespace: &str, employee: &str) {
        for desk in self.of(namespace) {
            desk.state.lock().people.remove(employee);
        }
    }

    /// Asks for what must be seen before anything is granted.
    pub fn look(
        &self,
        context: &Arc<Context>,
        namespace: &str,
        person: &Person,
        look_up: &BTreeSet<String>,
        look_at: &BTreeSet<RemoteKey>,
    ) {
        for target in look_up {
            let Some(desk) = self.open(context, namespace, target) else {
                continue;
            };
            let made_of = MadeOf::of(context, namespace, person, target);
            let mut state = desk.state.lock();
            let known = state.people.entry(person.name.clone()).or_default();
            known.refresh(namespace, person, made_of);
            known.look_up.get_or_insert_with(Instant::now);
            drop(state);
            desk.news.notify_one();
        }
        for key in look_at {
            let Some(desk) = self.open(context, namespace, &key.target) else {
                continue;
            };
            let named = desk.named(context, person);
            let mut state = desk.state.lock();
            let account = state.account(&desk.target, person, named).unwrap_or_default();
            state
                .look_at
                .entry((key.object.clone(), account))
                .or_default()
                .insert(person.name.clone());
            drop(state);
            desk.news.notify_one();
        }
    }

    /// Puts the intents of an acknowledged record on the desks, and takes off what it no longer means and what is suspended.
    /// `before` are those that were on record already, and `consumed` the outcomes that the record has taken in.
    pub fn submit(
        &self,
        context: &Arc<Context>,
        (namespace, person): (&str, &Person),
        suspended: &[Intent],
        before: &[Intent],
        consumed: &[(Intent, Outcome)],
    ) {
        let mut by_target: BTreeMap<String, Vec<Intent>> = BTreeMap::new();
        let mut meant = intents(&person.status.accounts, &person.status.entitlements);
        meant.retain(|intent| !suspended.contains(intent));
        for intent in meant {
            by_target.entry(intent.target().to_owned()).or_default().push(intent);
        }
        for desk in self.of(namespace) {
            by_target.entry(desk.target.clone()).or_default();
        }
        for (target, meant) in by_target {
            let Some(desk) = self.open(context, namespace, &target) else {
                continue;
            };
            let made_of = MadeOf::of(context, namespace, person, &target);
            let mut state = desk.state.lock();
            if meant.is_empty() && !state.people.contains_key(&person.name) {
                continue;
            }
            let known = state.people.entry(person.name.clone()).or_default();
            known.refresh(namespace, person, made_of);
            if known.take_on(meant, before, consumed, &person.status) {
                desk.news.notify_one();
            }
        }
    }

    /// Takes everything of a person off the desks, as while they are paused; what is being sent is finished.
    pub fn withdraw(&self, namespace: &str, employee: &str, consumed: &[(Intent, Outcome)]) {
        for desk in self.of(namespace) {
            if let Some(known) = desk.state.lock().people.get_mut(employee) {
                known.jobs.retain(|_, job| job.running.is_some());
                known.jobs.values_mut().for_each(|job| job.superseded = true);
                known.outcomes.retain(|outcome| !consumed.contains(outcome));
            }
        }
    }

    /// Ends every writer once it has finished what it is sending; what was not sent is on record.
    pub async fn shut(&self, patience: Duration) {
        let desks: Vec<Arc<Desk>> = self.0.write().drain().map(|(_, desk)| desk).collect();
        for desk in &desks {
            desk.closing.store(true, Ordering::SeqCst);
            desk.closed.notify_one();
        }
        let writers: Vec<_> = desks.iter().filter_map(|desk| desk.writer.lock().take()).collect();
        let ended = futures::future::join_all(writers.into_iter().map(|writer| async move {
            let abort = writer.abort_handle();
            if tokio::time::timeout(patience, writer).await.is_err() {
                abort.abort();
            }
        }));
        ended.await;
    }

    /// Wakes a person with whom a writer is done for now: at once, or a little later where another target is still at
    /// work, so that one record carries both results.
    pub fn finished(&self, context: &Arc<Context>, namespace: &str, employee: &str) {
        let now = Instant::now();
        let busy = self.of(namespace).iter().any(|desk| {
            let state = desk.state.lock();
            state.people.get(employee).is_some_and(|known| known.is_busy(now))
        });
        if !busy {
            wake(context, namespace, employee);
            return;
        }
        let (context, namespace, employee) = (context.clone(), namespace.to_owned(), employee.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(GATHER).await;
            wake(&context, &namespace, &employee);
        });
    }
}
