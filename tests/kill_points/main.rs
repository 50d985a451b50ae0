//! Is it safe to kill the operator at any moment?
//!
//! The operator is killed (SIGKILL) before and after every single request that a hire, a transfer and a leave make it
//! send to the API server and to the directory, and started again. Each time: what is at the targets right after the
//! kill has a record that explains it (I3); in the end everything is exactly as it should be, with one account per
//! person that was created once (I4); nobody else lost anything, and nothing was taken without a record (I1); and then
//! nothing is written any more (I7).

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod book;
mod ledger;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use book::{Book, Point};
use ledger::Ledger;
use rollcall_support::operator::Operator;
use rollcall_support::proxy::{Entry, Script};
use rollcall_support::story::{Chapter, Person, Story, belongs, shape, text};

/// Tenants that are worked through side by side.
const TENANTS: usize = 4;
/// So long it may take to get there, restart included.
const PATIENCE: Duration = Duration::from_secs(40);

/// I1, I3, I4, I7, at every request of a hire, a transfer and a leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_may_be_killed_before_and_after_every_request() {
    let started = Instant::now();
    let book = Book::default();
    let tenants: Vec<_> = (0..TENANTS)
        .map(|_| {
            let book = book.clone();
            tokio::spawn(async move {
                while book.is_open() {
                    Tenant::new().await.live(&book).await;
                }
            })
        })
        .collect();
    for tenant in tenants {
        tenant.await.expect("a tenant lives through it");
    }
    eprintln!("{book}in {:.0?}", started.elapsed());
    let violations = book.violations();
    assert!(violations.is_empty(), "{}", violations.join("\n\n"));
    let missed = book.missed();
    assert!(missed.is_empty(), "never killed: {missed:#?}");
}

/// A tenant, its operator, and for whom accounts were created.
struct Tenant {
    story: Story,
    script: Script,
    operator: Operator,
    created: BTreeSet<String>,
}

impl Tenant {
    async fn new() -> Self {
        let script = Script::new(belongs);
        let args = ["--lease-seconds", "5"];
        let story = Story::new(env!("CARGO_BIN_EXE_rollcall"), Some(script.clone()), &args).await;
        let operator = story.world.start().await;
        let tenant = Self {
            story,
            script,
            operator,
            created: BTreeSet::new(),
        };
        if let Err(wrongs) = tenant.story.settle(PATIENCE).await {
            panic!(
                "the tenant never was as it should be: {wrongs:#?}\n{}",
                tenant.operator.logs()
            );
        }
        tenant
    }

    /// Person after person, a kill in each chapter, until every point was tried or something went wrong, after which
    /// this tenant's state proves nothing.
    async fn live(mut self, book: &Book) {
        while book.is_open() {
            let mut person = self.story.newcomer();
            for chapter in Chapter::ALL {
                let point = book.next(chapter);
                if point.is_none() && chapter == Chapter::Leave && book.knows(chapter) {
                    // Nobody needs the person to have left.
                    break;
                }
                let wrongs = self.chapter(book, chapter, point.clone(), &mut person).await;
                if !wrongs.is_empty() {
                    let at = point
                        .as_ref()
                        .map_or_else(|| "without a kill".to_owned(), ToString::to_string);
                    let log: Vec<String> = self.script.log().iter().map(ToString::to_string).collect();
                    let last = rollcall_support::process::tail(self.operator.log(), 15);
                    book.violated(format!(
                        "{chapter} of {}, {at}:\n  {}\nrequests:\n  {}\nthe log ends:\n{last}",
                        person.email,
                        wrongs.join("\n  "),
                        log.join("\n  ")
                    ));
                    return;
                }
            }
        }
    }

    /// Lives through one chapter, with a kill at `point`. What is wrong.
    async fn chapter(
        &mut self,
        book: &Book,
        chapter: Chapter,
        point: Option<Point>,
        person: &mut Person,
    ) -> Vec<String> {
        let before = self.story.look().await;
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
        self.story.forget();
        self.story.tell(chapter, person);
        let mut settled = self.story.settle(PATIENCE).await;
        let mut wrongs = Vec::new();
        if self.script.fired().is_some() {
            // What is under way at a server when its client dies is done all the same.
            let quiet = self.script.wait_quiet(Duration::ZERO, Duration::from_secs(10)).await;
            quiet.expect("servers answer");
            wrongs.extend(self.story.look().await.unexplained());
            self.restart().await;
            settled = self.story.settle(PATIENCE).await;
        }
        self.script.disarm();
        let log = self.script.log();
        match (point, self.script.fired()) {
            (Some(point), Some(_)) => book.tried(chapter, point),
            _ => book.seen(chapter, log.iter().map(|entry| shape(&entry.request))),
        }
        wrongs.extend(settled.err().unwrap_or_default());
        wrongs.extend(Ledger::unrecorded(&before, &log, &self.story.look().await));
        wrongs.extend(self.twice(&log));
        wrongs
    }

    async fn restart(&self) {
        self.story.world.free_lease().await;
        self.story.forget();
        self.script.reopen();
        self.operator.restart().expect("the operator starts again");
    }

    /// I4: creations after one that was done, whether the directory did them again or had to refuse them.
    fn twice(&mut self, log: &[Entry]) -> Vec<String> {
        let creations = log
            .iter()
            .filter(|entry| entry.status.is_some() && shape(&entry.request) == "scim POST Users");
        let mut found = Vec::new();
        for entry in creations {
            let body = entry.request.json().unwrap_or_default();
            let person = text(&body["externalId"]).to_owned();
            if self.created.contains(&person) {
                found.push(format!("I4: sent again after it was done: {entry}"));
            }
            if entry.status.is_some_and(|status| status.is_success()) {
                self.created.insert(person);
            }
        }
        found
    }
}
