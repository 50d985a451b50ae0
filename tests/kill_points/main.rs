//! Is it safe to kill the operator at any moment?
//!
//! The operator is killed (SIGKILL) before every single request that it is made to send to the API server and to a
//! target, when that was done and before its answer arrives, and a moment after it arrived; and started again. Each time:
//! what is at the targets right after the kill has a record that explains it (I3); in the end everything is exactly as it
//! should be, with one account per person and one card per grant, created once (I4); nobody else lost anything, and
//! nothing was taken without a record (I1); and then nothing is written any more (I7).
//!
//! A run tries a sample, the same of the same seed, and of a hire, a transfer and a leave at a directory more than of all
//! else; `campaign` tries every point.

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod book;
mod ledger;
mod tales;

use std::time::{Duration, Instant};

use book::{Book, OneIn, Point};
use futures::future::join_all;
use rollcall_support::operator::Operator;
use rollcall_support::proxy::{Entry, Script};
use rollcall_support::story::{Person, belongs, shape};
use tales::{AtTheBank, Directory, Tale};

/// Tenants that are worked through side by side, of each tale.
const TENANTS: usize = 2;
/// How many people a tenant sees: of more, a namespace's guard would hold what they lose.
const LIVES: usize = 20;
/// So long it may take to get there, restart included.
const PATIENCE: Duration = Duration::from_mins(1);
/// Every point, and one of so many.
const ALL: OneIn = OneIn(1);
const MANY: OneIn = OneIn(5);
const SOME: OneIn = OneIn(12);
const ARGS: [&str; 2] = ["--lease-seconds", "5"];

/// I1, I3, I4, I7, at the requests of a hire, a transfer and a leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hire_a_transfer_and_a_leave() {
    everywhere("a life", MANY, async |script| {
        Directory::new(script, &ARGS, Directory::LIFE).await
    })
    .await;
}

/// I1, I4: an account and a membership that others made become ours, and neither is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_and_a_membership_that_are_there_already() {
    everywhere("adoption", SOME, async |script| {
        Directory::new(script, &ARGS, Directory::FOUND).await
    })
    .await;
}

/// I1, I4: whoever takes another address keeps the account and everything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_name() {
    everywhere("user name", SOME, async |script| {
        Directory::new(script, &ARGS, Directory::RENAMED).await
    })
    .await;
}

/// I4: a card by an idempotency key; and invitations that are cancelled before anybody accepted them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_by_an_idempotency_key_and_an_invitation_that_is_cancelled() {
    everywhere("keyed card", SOME, async |script| {
        AtTheBank::new(script, &ARGS, AtTheBank::KEYED).await
    })
    .await;
}

/// I4: a card that is found by the operation that made it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_is_found_by_its_mark() {
    everywhere("marked card", SOME, async |script| {
        AtTheBank::new(script, &ARGS, AtTheBank::MARKED).await
    })
    .await;
}

/// I4: a card that nobody can find ends as Unknown where it may have been issued, and never as two cards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_nobody_can_find() {
    everywhere("blind card", SOME, async |script| {
        AtTheBank::new(script, &ARGS, AtTheBank::BLIND).await
    })
    .await;
}

/// I1, I4: an account whose id is the login changes its id, and is followed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_id_changes_with_the_address() {
    everywhere("login", SOME, async |script| {
        AtTheBank::new(script, &ARGS, AtTheBank::LOGINS).await
    })
    .await;
}

/// Everything above at every point, which takes the better part of an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign: cargo test --test kill_points campaign -- --ignored --nocapture"]
async fn campaign() {
    for acts in [Directory::LIFE, Directory::FOUND, Directory::RENAMED] {
        everywhere(acts[0].0, ALL, async |script| Directory::new(script, &ARGS, acts).await).await;
    }
    for acts in [AtTheBank::KEYED, AtTheBank::MARKED, AtTheBank::BLIND, AtTheBank::LOGINS] {
        everywhere(acts[0].0, ALL, async |script| AtTheBank::new(script, &ARGS, acts).await).await;
    }
}

/// Kills at every point of a tale, or at some, in several tenants side by side.
async fn everywhere<T: Tale>(name: &str, one_in: OneIn, tale: impl AsyncFn(&Script) -> T) {
    let started = Instant::now();
    let book = Book::new(one_in);
    let work = (0..TENANTS).map(async |_| {
        while book.is_open() {
            Tenant::new(&tale).await.live(&book).await;
        }
    });
    join_all(work).await;
    eprintln!("{name}: {book}in {:.0?}", started.elapsed());
    let violations = book.violations();
    assert!(violations.is_empty(), "{}", violations.join("\n\n"));
    let missed = book.missed();
    assert!(missed.is_empty(), "never killed: {missed:#?}");
}

/// A tenant and its operator.
struct Tenant<T> {
    tale: T,
    script: Script,
    operator: Operator,
}

impl<T: Tale> Tenant<T> {
    async fn new(tale: &impl AsyncFn(&Script) -> T) -> Self {
        let script = Script::new(belongs);
        let tale = tale(&script).await;
        let operator = tale.world().start().await;
        if let Err(wrongs) = tale.settle(PATIENCE).await {
            panic!("the tenant never was as it should be: {wrongs:#?}\n{}", operator.logs());
        }
        Self { tale, script, operator }
    }

    /// Person after person, a kill in each act, until every point was tried or something went wrong, after which this
    /// tenant's state proves nothing.
    async fn live(mut self, book: &Book) {
        for _ in 0..LIVES {
            if !book.is_open() {
                return;
            }
            let mut person = self.tale.newcomer();
            let acts = self.tale.acts();
            for (at, (act, killed)) in acts.iter().copied().enumerate() {
                let point = book.next(act).filter(|_| killed);
                if point.is_none() && at + 1 == acts.len() && (book.knows(act) || !killed) {
                    // Nobody needs the person to live through it.
                    break;
                }
                let wrongs = self.act(book, (act, killed), point.clone(), &mut person).await;
                if !wrongs.is_empty() {
                    let at = point
                        .as_ref()
                        .map_or_else(|| "without a kill".to_owned(), ToString::to_string);
                    let log: Vec<String> = self.script.log().iter().map(ToString::to_string).collect();
                    let last = rollcall_support::process::tail(self.operator.log(), 15);
                    book.violated(format!(
                        "{act} of {}, {at}:\n  {}\nrequests:\n  {}\nthe log ends:\n{last}",
                        person.email,
                        wrongs.join("\n  "),
                        log.join("\n  ")
                    ));
                    return;
                }
            }
        }
    }

    /// Lives through one act, with a kill at `point`. What is wrong.
    async fn act(
        &mut self,
        book: &Book,
        (act, killed): tales::Act,
        point: Option<Point>,
        person: &mut Person,
    ) -> Vec<String> {
        let before = self.tale.look().await;
        self.script.reset();
        if let Some(point) = &point {
            let operator = self.operator.clone();
            let (mut left, wanted) = (point.nth, point.shape.clone());
            let fits = move |entry: &Entry| {
                left -= usize::from(shape(&entry.request) == wanted);
                left == 0
            };
            self.script.arm_at(fits, point.when, move || operator.kill());
        }
        self.tale.forget();
        self.tale.tell(act, person).await;
        let mut settled = self.tale.settle(PATIENCE).await;
        let mut wrongs = Vec::new();
        if self.script.fired().is_some() {
            // What is under way at a server when its client dies is done all the same.
            let quiet = self.script.wait_quiet(Duration::ZERO, Duration::from_secs(10)).await;
            quiet.expect("servers answer");
            wrongs.extend(T::unexplained(&self.tale.look().await));
            self.restart().await;
            settled = self.tale.settle(PATIENCE).await;
        }
        self.script.disarm();
        let log = self.script.log();
        match (point, self.script.fired()) {
            (Some(point), Some(_)) => book.tried(act, point),
            _ if killed => book.seen(act, log.iter().map(|entry| shape(&entry.request))),
            _ => {}
        }
        wrongs.extend(settled.err().unwrap_or_default());
        wrongs.extend(T::unrecorded(&before, &log, &self.tale.look().await));
        wrongs.extend(self.tale.twice(act, &log));
        wrongs
    }

    async fn restart(&self) {
        self.tale.world().free_lease().await;
        self.tale.forget();
        self.script.reopen();
        self.operator.restart().expect("the operator starts again");
    }
}
