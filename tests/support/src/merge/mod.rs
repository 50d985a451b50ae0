//! A simulator of the Merge HRIS Unified API: a real HTTP server on 127.0.0.1 that holds one linked account's company,
//! answers as the documented API does for what a mirror reads, lets a test change the company as HR would, and fails
//! on demand.
//!
//! ```no_run
//! # async fn example() {
//! use rollcall_support::merge::{Company, MergeSim, NewHire};
//!
//! let sim = MergeSim::start(Company::realistic(80, 7)).await;
//! let ada = sim.hire(NewHire { department: "Platform".into(), ..NewHire::named("Ada", "Lovelace") });
//! sim.promote(&ada, "Staff Platform Engineer");
//! println!("{} serves {} people", sim.base_url(), sim.people().len());
//! # }
//! ```
//!
//! What Merge does not document is a switch here, with the choice that is harder on a client as its default where
//! there is one: whether time filters include their bound ([`MergeSim::set_bounds_inclusive`]), whether related
//! changes touch an employee's `modified_at` ([`MergeSim::set_related_changes_bump`]), and the order of lists
//! ([`MergeSim::set_list_order`]). The bodies of 400, 403, 405 and of a wrong cursor are assumptions.

// A test's support fails loudly, and the modules are one thing in several files.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod catalog;
mod changes;
mod company;
mod faults;
mod hire;
mod list;
mod names;
mod people;
mod query;
mod quirks;
mod random;
mod realistic;
mod render;
mod requests;
mod rows;
mod server;
mod state;
mod sync;

pub use company::Company;
pub use faults::Faults;
pub use hire::NewHire;
pub use people::Person;
pub use quirks::{FieldMappingShape, Quirks};
pub use requests::RequestLog;
pub use rows::{
    CompanyRow, EmployeeRow, EmploymentRow, GroupRow, Id, LocationRow, Meta, PayGroupRow, REMOTE_DATA_PATH,
};
pub use state::{ListOrder, RateLimit};

use state::{Hook, Shared, State};

/// The path below which every endpoint lies.
pub const BASE_PATH: &str = "/api/hris/v1";

const CANARY_DATE_OF_BIRTH: &str = "1901-02-03T00:00:00Z";
const CANARY_PAY_RATE: f64 = 7_654_321.25;

/// Text that occurs only in what must never leave the HR system: SSN, birth date, ethnicity, gender, marital status,
/// pay, home street and postcode, private address and telephone number. Whoever finds one of these in a log, an
/// event, a resource or a request to a target has found a leak. The API key and the account token end in
/// `-CANARY`, so a search for `CANARY` and for these finds them too.
pub const CANARIES: &[&str] = &[
    "000-CANARY-SSN",
    "1901-02-03",
    "CANARY-ETHNICITY",
    "CANARY-GENDER",
    "CANARY-MARITAL",
    "7654321.25",
    "Canary Street",
    "CANARY-ZIP",
    "canary.personal.",
    "555-CANARY",
];

/// A running simulator. Clones are handles to the same one; it stops with the last of them.
#[derive(Clone)]
pub struct MergeSim {
    shared: Shared,
    address: SocketAddr,
    _server: Arc<Server>,
}

struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl MergeSim {
    /// Serves the company on a free port of 127.0.0.1.
    pub async fn start(company: Company) -> Self {
        Self::start_on(company, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Serves the company on the given address.
    pub async fn start_on(company: Company, address: SocketAddr) -> Self {
        let shared = Shared::new(State::new(company));
        let listener = TcpListener::bind(address)
            .await
            .expect("the simulator's address is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let app = Router::new().fallback(server::handle).with_state(shared.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the Merge simulator stopped");
            }
        });
        Self {
            shared,
            address,
            _server: Arc::new(Server(task)),
        }
    }

    /// Where the endpoints are, without a trailing slash: `http://127.0.0.1:PORT/api/hris/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}{BASE_PATH}", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that `Authorization: Bearer` must carry.
    pub fn api_key(&self) -> String {
        self.shared.lock().api_key.clone()
    }

    /// The token that `X-Account-Token` must carry.
    pub fn account_token(&self) -> String {
        self.shared.lock().account_token.clone()
    }

    /// Replaces both credentials, as a rotation does; the old ones get 401 from now on.
    pub fn set_credentials(&self, api_key: &str, account_token: &str) {
        let mut state = self.shared.lock();
        api_key.clone_into(&mut state.api_key);
        account_token.clone_into(&mut state.account_token);
    }

    /// The identifier of the linked account, which webhooks carry.
    pub fn linked_account_id(&self) -> Id {
        self.shared.lock().account_id.clone()
    }

    /// The present time on Merge's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.lock().now()
    }

    /// How far Merge's clock is ahead of ours (behind if negative). Default zero. It shows in `created_at`,
    /// `modified_at`, the sync times and the `Date` header.
    pub fn set_clock_skew(&self, skew: SignedDuration) {
        let mut state = self.shared.lock();
        state.skew = skew;
        state.last_change = Timestamp::MIN;
    }

    /// The budget of the linked account, and a new window; `None` switches it off. Default [`RateLimit::default`].
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        let mut state = self.shared.lock();
        state.rate_limit = limit;
        state.spent.clear();
    }

    /// Whether a sender with more than 20 error answers (bar 429) within 10 s is turned away with 429. Off by default.
    pub fn set_error_limit(&self, on: bool) {
        self.shared.lock().error_limit = on;
    }

    /// Whether `*_after` and `*_before` include the instant they name. Default: they do not.
    pub fn set_bounds_inclusive(&self, inclusive: bool) {
        self.shared.lock().bounds_inclusive = inclusive;
    }

    /// Whether a change of a group, a position or a location also bumps `modified_at` of the employees that name it.
    /// Default: it does not.
    pub fn set_related_changes_bump(&self, bump: bool) {
        self.shared.lock().related_changes_bump = bump;
    }

    /// The order of lists. Any other than the default sorts the whole list for every page.
    pub fn set_list_order(&self, order: ListOrder) {
        self.shared.lock().order = order;
    }

    /// How often a sync ends when nothing changes; every change also ends one. Default one hour.
    pub fn set_sync_interval(&self, interval: Duration) {
        let interval = SignedDuration::try_from(interval).expect("an interval of less than 292 billion years");
        self.shared.lock().sync.interval = interval;
    }

    /// Changes how rows look on their way out: `sim.quirks(|quirks| quirks.raw_enums = true)`.
    pub fn quirks(&self, edit: impl FnOnce(&mut Quirks)) {
        edit(&mut self.shared.lock().quirks);
    }

    /// The switches for trouble.
    pub fn faults(&self) -> Faults {
        Faults(self.shared.clone())
    }

    /// Does something once, before the simulator answers the request for the path (a prefix) that comes after `skip` others from
    /// now on. With a clone of the simulator in the closure, the company changes while somebody pages.
    pub fn before_request(&self, path: &str, skip: usize, action: impl FnOnce() + Send + 'static) {
        let hook = Hook {
            path: path.to_owned(),
            skip,
            action: Box::new(action),
        };
        self.shared.lock().hooks.push(hook);
    }

    /// Every request since the start or the last reset, in the order of arrival.
    pub fn requests(&self) -> Vec<RequestLog> {
        self.shared.lock().log.clone()
    }

    /// How many requests arrived since the start or the last reset.
    pub fn request_count(&self) -> usize {
        self.shared.lock().log.len()
    }

    /// Forgets the requests so far.
    pub fn reset_requests(&self) {
        self.shared.lock().log.clear();
    }

    /// How often a resync was asked for.
    pub fn resync_count(&self) -> usize {
        self.shared.lock().sync.resyncs
    }
}
