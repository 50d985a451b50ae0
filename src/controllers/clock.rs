//! Which instant decisions are made at: that of our clock, while the API server's agrees with it.
//!
//! A host whose clock is wrong would end employments early or late, and nobody here can tell by looking at it alone. So
//! the API server is asked what time it is, at the start and then every half minute, unless told otherwise. While the two differ, the instant
//! of decisions stands still: facts still count, and nothing begins by time alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;

use super::context::Context;
use crate::api::conditions::{self, Fact};
use crate::api::employee::EmployeeStatus;

/// How far the two clocks may be apart.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// A step of our clock that moves timers.
const STEP: SignedDuration = SignedDuration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long until the API server is asked again that has not answered yet.
const AGAIN: Duration = Duration::from_secs(2);

/// The instant of decisions.
#[derive(Debug)]
pub struct Clock(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Our clock and the monotonic one when the API server last agreed; none while it does not.
    agreed: Option<(Timestamp, Instant)>,
    /// The latest instant that decisions were made at, where they stand while the two differ.
    stands: Timestamp,
    /// The later of the two clocks, where they differed from the start.
    later: Timestamp,
    /// What is said of it.
    fact: Fact,
}

/// What a comparison changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Nothing.
    None,
    /// They differ since.
    Differ,
    /// They agree since.
    Agree,
    /// Our clock was set, by less than counts; timers run by the monotonic one.
    Step,
}

/// Two readings of our clock, the first before the API server was asked and the second after it answered.
#[derive(Clone, Copy, Debug)]
struct Reading {
    asked: Timestamp,
    answered: Timestamp,
    monotonic: Instant,
}

impl Default for Clock {
    /// A clock that stands until the API server was asked.
    fn default() -> Self {
        let now = Timestamp::now();
        Self(Mutex::new(State {
            agreed: None,
            stands: now,
            later: now,
            fact: Fact {
                holds: None,
                ..Fact::yes(
                    conditions::CLOCK_TRUSTED,
                    conditions::UNREACHABLE,
                    "The API server was not asked yet.",
                )
            },
        }))
    }
}

impl Clock {
    /// The instant of decisions. It never goes back by less than the clocks may differ, and stands still while they do.
    pub fn now(&self) -> Timestamp {
        self.0.lock().now(Timestamp::now(), Instant::now())
    }

    /// The same for one person. Where the clocks differ from the start, it is not before what the record already says
    /// has happened, so that nobody's first or last day is taken back.
    pub fn now_for(&self, status: &EmployeeStatus) -> Timestamp {
        let now = self.now();
        let state = self.0.lock();
        match (state.agreed, recorded(status)) {
            (None, Some(recorded)) => now.max(recorded.min(state.later)),
            _ => now,
        }
    }

    /// The condition `ClockTrusted`.
    pub fn fact(&self) -> Fact {
        self.0.lock().fact.clone()
    }

    /// Compares the clocks for the first time, before which nothing is decided. Ends when the API server has answered.
    pub async fn begin(context: &Context) {
        while !context.clock.compare(context).await {
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Compares the clocks again and again. Ends only with the process.
    pub async fn run(context: Arc<Context>) {
        loop {
            tokio::time::sleep(context.settings.compare_clocks).await;
            context.clock.compare(&context).await;
        }
    }

    /// Compares the clocks, and wakes whom the result concerns. Without an answer the last verdict stands.
    async fn compare(&self, context: &Context) -> bool {
        let asked = Timestamp::now();
        let theirs = match ask(&context.client).await {
            Ok(theirs) => theirs,
            Err(why) => {
                tracing::warn!(why, "the API server does not say what time it is; asked again");
                return false;
            }
        };
        let reading = Reading {
            asked,
            answered: Timestamp::now(),
            monotonic: Instant::now(),
        };
        let change = self.0.lock().hear(theirs, reading);
        let ours = reading.answered;
        match change {
            Change::None => return true,
            Change::Differ => tracing::error!(
                %ours, %theirs,
                "our clock and the API server's differ: nothing begins by time alone until they agree; set both by NTP"
            ),
            Change::Agree => tracing::info!(%ours, %theirs, "our clock and the API server's agree"),
            Change::Step => tracing::info!(%ours, "our clock was set"),
        }
        context.wake_all();
        true
    }
}

impl State {
    fn now(&mut self, wall: Timestamp, monotonic: Instant) -> Timestamp {
        // A jump since the last comparison waits for the next one.
        if self.stepped(wall, monotonic).is_some_and(|step| step <= TOLERANCE) {
            self.stands = self.stands.max(wall);
        }
        self.stands
    }

    /// How far our clock moved otherwise than time did since both agreed, where they do.
    fn stepped(&self, wall: Timestamp, monotonic: Instant) -> Option<SignedDuration> {
        let (at, since) = self.agreed?;
        let passed = SignedDuration::try_from(monotonic.saturating_duration_since(since)).ok()?;
        Some((wall.duration_since(at) - passed).abs())
    }

    fn hear(&mut self, theirs: Timestamp, reading: Reading) -> Change {
        let Reading {
            asked,
            answered,
            monotonic,
        } = reading;
        // They wrote it in between, in whole seconds.
        let nearest = theirs.clamp(asked.min(answered), answered.max(asked));
        let apart = theirs.duration_since(nearest).abs();
        let known = self.fact.holds;
        if apart > TOLERANCE {
            if known.is_none() {
                self.stands = theirs.min(answered);
                self.later = theirs.max(answered);
            }
            self.agreed = None;
            if known == Some(false) {
                return Change::None;
            }
            self.fact = Fact::no(
                conditions::CLOCK_TRUSTED,
                conditions::CLOCKS_DIFFER,
                format!(
                    "The operator's clock and the API server's differ by {} min: nothing begins by time alone, such as a first \
                     day or the end of a last one, until they agree again. See that both hosts are set by NTP.",
                    apart.as_mins()
                ),
            );
            return Change::Differ;
        }
        let change = match self.stepped(answered, monotonic) {
            _ if known != Some(true) => Change::Agree,
            Some(step) if step > STEP => Change::Step,
            _ => Change::None,
        };
        // Both were set back, by more than any two may differ: it was the time before that was wrong.
        if self.stands.duration_since(answered) > TOLERANCE {
            self.stands = answered;
        }
        self.agreed = Some((answered, monotonic));
        self.fact = Fact::yes(
            conditions::CLOCK_TRUSTED,
            conditions::AS_EXPECTED,
            "The operator's clock and the API server's agree.",
        );
        change
    }
}

/// What time it is by the API server, to the second.
async fn ask(client: &Client) -> Result<Timestamp, String> {
    let request = http::Request::get("/version").body(Body::empty());
    let request = request.map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(PATIENCE, client.send(request)).await;
    let answer = answer
        .map_err(|_| "no answer".to_owned())?
        .map_err(|error| error.to_string())?;
    // Whoever may not read the version is told the time all the same.
    if answer.status().is_server_error() {
        return Err(answer.status().to_string());
    }
    let date = answer
        .headers()
        .get(http::header::DATE)
        .ok_or("an answer without a Date")?;
    let parser = DateTimeParser::new();
    parser
        .parse_timestamp(date.as_bytes())
        .map_err(|error| error.to_string())
}

/// The latest instant at which something happened by this record.
fn recorded(status: &EmployeeStatus) -> Option<Timestamp> {
    let grants = status.entitlements.iter();
    let grants = grants.flat_map(|record| [&record.granted_at, &record.released_at, &record.revoked_at]);
    let conditions = status
        .conditions
        .iter()
        .map(|condition| condition.last_transition_time.0);
    grants.flatten().map(|time| time.0).chain(conditions).max()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    /// Our clock, the API server's and the monotonic one, all of them in seconds from the same instant.
    struct Bench {
        state: State,
        origin: Instant,
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    impl Bench {
        fn new() -> Self {
            let Clock(state) = Clock::default();
            Self {
                state: state.into_inner(),
                origin: Instant::now(),
            }
        }

        fn monotonic(&self, passed: u64) -> Instant {
            self.origin + Duration::from_secs(passed)
        }

        fn hear(&mut self, ours: i64, theirs: i64, passed: u64) -> Change {
            let reading = Reading {
                asked: at(ours),
                answered: at(ours),
                monotonic: self.monotonic(passed),
            };
            self.state.hear(at(theirs), reading)
        }

        fn now(&mut self, ours: i64, passed: u64) -> Timestamp {
            let monotonic = self.monotonic(passed);
            self.state.now(at(ours), monotonic)
        }
    }

    #[test]
    fn clocks_that_agree_give_our_time() {
        let mut bench = Bench::new();
        assert_eq!(bench.hear(0, 300, 0), Change::Agree);
        assert_eq!(bench.now(10, 10), at(10));
        assert_eq!(bench.hear(30, -270, 30), Change::None);
        assert_eq!(bench.now(40, 40), at(40));
        assert_eq!(bench.state.fact.holds, Some(true));
    }

    /// Semantics 2: no effect is caused by time while the clocks differ by more than five minutes.
    #[test]
    fn decisions_stand_at_the_last_instant_that_both_agreed_on() {
        let mut bench = Bench::new();
        bench.hear(0, 0, 0);
        assert_eq!(bench.now(20, 20), at(20));
        assert_eq!(bench.hear(30, 331, 30), Change::Differ);
        assert_eq!(bench.now(40, 40), at(20));
        assert_eq!(bench.hear(60, 400, 60), Change::None, "said once");
        assert_eq!(bench.now(3_600, 3_600), at(20));
        assert_eq!(bench.hear(3_630, 3_630, 3_630), Change::Agree);
        assert_eq!(bench.now(3_640, 3_640), at(3_640));
    }

    /// At the start nobody knows which of the two is right: nothing ends by the later one.
    #[test]
    fn clocks_that_differ_from_the_start_stand_at_the_earlier_of_the_two() {
        for (ours, theirs) in [(0, 301), (301, 0)] {
            let mut bench = Bench::new();
            assert_eq!(bench.hear(ours, theirs, 0), Change::Differ);
            assert_eq!(bench.now(ours + 10, 10), at(0));
            assert_eq!(bench.state.later, at(301));
            assert!(
                bench.state.fact.message.contains("differ by 5 min"),
                "{}",
                bench.state.fact.message
            );
        }
    }

    /// A jump between two comparisons has no effect before the next one, whether it is wrong or mends what was.
    #[test]
    fn a_jump_waits_for_the_next_comparison() {
        let mut bench = Bench::new();
        bench.hear(0, 0, 0);
        assert_eq!(bench.now(10, 10), at(10));
        assert_eq!(bench.now(86_400, 20), at(10));
        assert_eq!(bench.hear(86_410, 30, 30), Change::Differ);
        assert_eq!(bench.now(86_420, 40), at(10));
        // As after a suspension, in which the monotonic clock stood: both know the time.
        assert_eq!(bench.hear(86_460, 86_460, 60), Change::Agree);
        assert_eq!(bench.now(86_470, 70), at(86_470));
        assert_eq!(bench.now(90_000, 80), at(86_470));
        assert_eq!(
            bench.hear(90_010, 90_010, 90),
            Change::Step,
            "whoever was not woken is woken"
        );
        assert_eq!(bench.now(90_020, 100), at(90_020));
    }

    /// Time does not go back by a small correction; where both clocks go back far, it was wrong before.
    #[test]
    fn a_small_correction_takes_nothing_back() {
        let mut bench = Bench::new();
        bench.hear(200, 0, 0);
        assert_eq!(bench.now(210, 10), at(210));
        assert_eq!(bench.hear(30, 30, 30), Change::Step);
        assert_eq!(bench.now(40, 40), at(210));
        assert_eq!(bench.now(220, 220), at(220));
        assert_eq!(bench.hear(-86_400, -86_400, 230), Change::Step);
        assert_eq!(bench.now(-86_390, 240), at(-86_390));
    }

    /// A record that is later than the instant at which decisions stand goes first: what happened has happened.
    #[test]
    fn nobody_goes_back_before_what_is_on_record() {
        let status = |time: i64| -> EmployeeStatus {
            let condition = Fact::yes(conditions::ZONE_UNKNOWN, conditions::GUESSED, "");
            let mut status = EmployeeStatus::default();
            conditions::set(&mut status.conditions, &condition, None, at(time));
            status
        };
        let mut bench = Bench::new();
        bench.hear(0, 86_400, 0);
        let clock = Clock(Mutex::new(bench.state));
        assert_eq!(clock.now_for(&EmployeeStatus::default()), at(0));
        assert_eq!(clock.now_for(&status(-10)), at(0));
        assert_eq!(clock.now_for(&status(600)), at(600));
        assert_eq!(clock.now_for(&status(900_000)), at(86_400), "not beyond both clocks");
    }
}
