//! What can go wrong on the way to Merge or at Merge, switched on and off by a test.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::state::Shared;

/// Switches for trouble. Paths are prefixes below the base path: `/employees` also means one employee, and an empty
/// one means everything. What is switched on stays on until [`clear`](Self::clear), unless it counts.
#[derive(Clone)]
pub struct Faults(pub(super) Shared);

#[derive(Default)]
pub(super) struct FaultState {
    pub fail: Vec<Failure>,
    pub bodies: Vec<(String, BadBody)>,
    pub empty: Vec<String>,
    pub pages: Vec<(String, usize, u16)>,
    pub throttle: Option<(Duration, usize)>,
    pub slow: BTreeMap<String, Duration>,
    pub partial_lists: Vec<(String, usize)>,
}

pub(super) struct Failure {
    pub left: usize,
    pub status: u16,
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    ErrorWith200,
    Truncated,
    NotJson502,
    CutConnection,
}

impl FaultState {
    /// The status with which this request has to fail, if it has to.
    pub fn failure(&mut self, path: &str) -> Option<u16> {
        let failure = self
            .fail
            .iter_mut()
            .find(|failure| failure.left > 0 && path.starts_with(&failure.path))?;
        failure.left -= 1;
        Some(failure.status)
    }

    pub fn body(&self, path: &str) -> Option<BadBody> {
        self.bodies
            .iter()
            .find(|(prefix, _)| path.starts_with(prefix))
            .map(|(_, body)| *body)
    }

    pub fn delay(&self, path: &str) -> Duration {
        let fits = self.slow.iter().filter(|(prefix, _)| path.starts_with(prefix.as_str()));
        fits.map(|(_, delay)| *delay).max().unwrap_or_default()
    }
}

impl Faults {
    /// The next `n` requests for the path fail with the status: 401, 404, 429 and the 5xx with the bodies that Merge
    /// sends.
    pub fn fail_next(&self, n: usize, status: u16, path: &str) {
        let failure = Failure {
            left: n,
            status,
            path: path.to_owned(),
        };
        self.0.lock().faults.fail.push(failure);
    }

    /// Every request for the path fails with the status.
    pub fn fail_always(&self, status: u16, path: &str) {
        self.fail_next(usize::MAX, status, path);
    }

    /// Answers with status 200 and a body that tells of an error.
    pub fn error_body_with_200(&self, path: &str) {
        self.bad_body(path, BadBody::ErrorWith200);
    }

    /// Answers with status 200 and the first half of the body, as if that were all.
    pub fn truncated_json(&self, path: &str) {
        self.bad_body(path, BadBody::Truncated);
    }

    /// Answers with status 200 and drops the connection in the middle of the body.
    pub fn cut_connection(&self, path: &str) {
        self.bad_body(path, BadBody::CutConnection);
    }

    /// Answers with status 502 and a page of HTML, as a gateway does.
    pub fn non_json_502(&self, path: &str) {
        self.bad_body(path, BadBody::NotJson502);
    }

    fn bad_body(&self, path: &str, body: BadBody) {
        self.0.lock().faults.bodies.push((path.to_owned(), body));
    }

    /// Answers lists without any rows, as if the company had nobody.
    pub fn empty_results(&self, path: &str) {
        self.0.lock().faults.empty.push(path.to_owned());
    }

    /// Ends lists after the first `rows` rows as if there were no more: a well-formed answer that lacks people.
    pub fn short_results(&self, path: &str, rows: usize) {
        self.0.lock().faults.partial_lists.push((path.to_owned(), rows));
    }

    /// Fails one page of a list, the first being 0, with the status.
    pub fn fail_page(&self, path: &str, page_index: usize, status: u16) {
        self.0.lock().faults.pages.push((path.to_owned(), page_index, status));
    }

    /// The next `times` requests are answered 429 with `Retry-After` (in whole seconds, rounded up).
    pub fn throttle(&self, retry_after: Duration, times: usize) {
        self.0.lock().faults.throttle = Some((retry_after, times));
    }

    /// Answers come only after the delay.
    pub fn slow(&self, path: &str, delay: Duration) {
        self.0.lock().faults.slow.insert(path.to_owned(), delay);
    }

    /// Sets what `sync-status` says of a model (`Employee`, or `*` for all): `SYNCING`, `DONE`, `FAILED`, `DISABLED`, `PAUSED`,
    /// `PARTIALLY_SYNCED` or anything else. The end of the last sync stays where it was, except with `DONE` and
    /// `PARTIALLY_SYNCED`. `DONE` goes back to normal.
    pub fn set_sync_status(&self, model: &str, status: &str) {
        let mut state = self.0.lock();
        for name in super::sync::models(model) {
            let finished = super::sync::last_finished(&state, &name);
            if status == "DONE" {
                state.sync.forced.remove(&name);
            } else {
                state.sync.forced.insert(name, (status.to_owned(), finished));
            }
        }
    }

    /// Pins the end of the last sync of a model (`*` for all), to let data look stale.
    pub fn set_last_sync(&self, model: &str, finished: Timestamp) {
        let mut state = self.0.lock();
        for name in super::sync::models(model) {
            state.sync.pinned.insert(name, finished);
        }
    }

    /// Whether the initial sync is still running: rows are readable, no sync has a result yet.
    pub fn set_initial_sync(&self, running: bool) {
        self.0.lock().sync.initial = running;
    }

    /// The HR system has refused Merge's credentials: the account says `RELINK_NEEDED`, syncs stop, rows stay readable.
    pub fn relink_needed(&self) {
        let mut state = self.0.lock();
        state.sync.relink_needed = Some(state.now());
    }

    /// Everything above is off again, the account and its syncs are well.
    pub fn clear(&self) {
        let mut state = self.0.lock();
        state.faults = FaultState::default();
        state.sync.forced.clear();
        state.sync.pinned.clear();
        state.sync.initial = false;
        state.sync.relink_needed = None;
        state.errors.clear();
    }
}
