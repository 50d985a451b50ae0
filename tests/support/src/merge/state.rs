//! Everything a running simulator knows, behind one lock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::company::Company;
use super::faults::FaultState;
use super::quirks::Quirks;
use super::requests::RequestLog;

/// How many requests a linked account may send in how much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests within the window. Default 600, Merge's limit for its Enterprise plan.
    pub requests: usize,
    /// The rolling window. Default 60 s.
    pub window: Duration,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests: 600,
            window: Duration::from_mins(1),
        }
    }
}

/// In which order lists are answered, which Merge does not document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// As rows were created: a change never moves a row. The default.
    #[default]
    Created,
    /// By `modified_at`, oldest first: a row that changes while somebody pages moves to the end and may be seen twice.
    Modified,
    /// By `modified_at`, newest first: a row that changes while somebody pages jumps to the front, and
    /// that pull misses it if it had not been answered yet.
    ModifiedLatestFirst,
}

pub(super) struct State {
    pub company: Company,
    pub skew: SignedDuration,
    /// The latest instant given to a change, so that two changes never share one.
    pub last_change: Timestamp,
    pub faults: FaultState,
    pub quirks: Quirks,
    pub sync: SyncState,
    pub order: ListOrder,
    pub bounds_inclusive: bool,
    pub related_changes_bump: bool,
    pub rate_limit: Option<RateLimit>,
    pub spent: VecDeque<Instant>,
    pub error_limit: bool,
    pub errors: VecDeque<Instant>,
    pub hooks: Vec<Hook>,
    pub log: Vec<RequestLog>,
    pub served: u64,
    pub api_key: String,
    pub account_token: String,
    pub account_id: String,
}

/// Something to do before one request is answered.
pub(super) struct Hook {
    pub path: String,
    /// How many requests for the path to let pass first.
    pub skip: usize,
    pub action: Box<dyn FnOnce() + Send>,
}

/// What `sync-status` and `account-details` tell.
pub(super) struct SyncState {
    /// How often an unforced sync ends, on Merge's clock.
    pub interval: SignedDuration,
    /// When the last change of each model was synced.
    pub changed: BTreeMap<&'static str, Timestamp>,
    /// Statuses that were set, with the last good sync before them.
    pub forced: BTreeMap<String, (String, Option<Timestamp>)>,
    /// Ends of the last sync that were set.
    pub pinned: BTreeMap<String, Timestamp>,
    pub initial: bool,
    pub relink_needed: Option<Timestamp>,
    pub resyncs: usize,
}

impl State {
    pub fn new(company: Company) -> Self {
        let account_id = super::random::uuid(company.seed, u64::MAX >> 1);
        Self {
            company,
            skew: SignedDuration::ZERO,
            last_change: Timestamp::MIN,
            faults: FaultState::default(),
            quirks: Quirks::default(),
            sync: SyncState {
                interval: SignedDuration::from_hours(1),
                changed: BTreeMap::new(),
                forced: BTreeMap::new(),
                pinned: BTreeMap::new(),
                initial: false,
                relink_needed: None,
                resyncs: 0,
            },
            order: ListOrder::default(),
            bounds_inclusive: false,
            related_changes_bump: false,
            rate_limit: Some(RateLimit::default()),
            spent: VecDeque::new(),
            error_limit: false,
            errors: VecDeque::new(),
            hooks: Vec::new(),
            log: Vec::new(),
            served: 0,
            api_key: "simulated-merge-api-key-CANARY".into(),
            account_token: "simulated-merge-account-token-CANARY".into(),
            account_id,
        }
    }

    /// Merge's present time, in whole microseconds.
    pub fn now(&self) -> Timestamp {
        let at = Timestamp::now() + self.skew;
        Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
    }

    /// The instant of a change of `model`: now, but later than any change before it.
    pub fn tick(&mut self, model: &'static str) -> Timestamp {
        let mut at = self.now();
        if at <= self.last_change {
            at = self.last_change + SignedDuration::from_micros(1);
        }
        self.last_change = at;
        self.sync.changed.insert(model, at);
        at
    }

    /// What has to happen before this request is answered.
    pub fn due_hooks(&mut self, path: &str) -> Vec<Hook> {
        let due = |hook: &mut Hook| {
            let fits = path.starts_with(&hook.path);
            let due = fits && hook.skip == 0;
            hook.skip = hook.skip.saturating_sub(usize::from(fits));
            due
        };
        self.hooks.extract_if(.., due).collect()
    }

    /// Counts a request against the budget; what is left to wait if it is used up.
    pub fn spend(&mut self, now: Instant) -> Option<Duration> {
        let limit = self.rate_limit?;
        while self
            .spent
            .front()
            .is_some_and(|&at| now.duration_since(at) >= limit.window)
        {
            self.spent.pop_front();
        }
        if self.spent.len() >= limit.requests {
            let oldest = self.spent.front().map_or(Duration::ZERO, |&at| now.duration_since(at));
            return Some(limit.window.saturating_sub(oldest));
        }
        self.spent.push_back(now);
        None
    }

    /// Whether one sender has caused too many errors lately: more than 20 within 10 s.
    pub fn too_many_errors(&mut self, now: Instant) -> bool {
        while self
            .errors
            .front()
            .is_some_and(|&at| now.duration_since(at) >= Duration::from_secs(10))
        {
            self.errors.pop_front();
        }
        self.error_limit && self.errors.len() > 20
    }
}

#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The state. A test that panicked while it held the lock leaves rows that are still readable.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
