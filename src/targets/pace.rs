//! How fast a target may be called, in which order, and whether at all.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex as Lock;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::egress::Fence;

/// How often a request that may not be sent looks whether it may now.
const AGAIN: Duration = Duration::from_millis(100);

tokio::task_local! {
    /// Set around what a writer does, since the requests are made far below it.
    static LANE: Lane;
}

/// Which of the two queues for a target's requests one stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What takes away: it goes before everything that waits in the other.
    Losses,
    /// Everything else.
    Rest,
}

impl Lane {
    /// Has every request that `work` makes stand in this lane.
    pub async fn around<F: Future>(self, work: F) -> F::Output {
        LANE.scope(self, work).await
    }

    fn current() -> Self {
        LANE.try_with(|lane| *lane).unwrap_or(Self::Rest)
    }
}

/// Lets so many requests through in a minute, and so many at the same time, all parts of Rollcall that call the target
/// taken together; losses before all others. When the target asks for a pause, everything waits.
pub struct Pace {
    limiter: DefaultDirectRateLimiter,
    places: Arc<Semaphore>,
    /// Changes whenever a place was given back.
    freed: watch::Sender<()>,
    /// How many losses wait.
    losses: watch::Sender<usize>,
    /// Who is next in each lane, first come, first served.
    turns: [Mutex<()>; 2],
    held_until: Lock<Option<Instant>>,
    patient: bool,
    may_send: Fence,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pace")
    }
}

/// The right to send one request; kept until its answer is there.
#[derive(Debug)]
pub struct Permit {
    place: Option<OwnedSemaphorePermit>,
    freed: watch::Sender<()>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        drop(self.place.take());
        self.freed.send_replace(());
    }
}

/// A loss that waits, for as long as it does.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(losses: &'a watch::Sender<usize>) -> Self {
        losses.send_modify(|number| *number += 1);
        Self(losses)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|number| *number = number.saturating_sub(1));
    }
}

impl Pace {
    /// At most `requests` a minute; a tenth of them may go at once. At least 1.
    pub fn per_minute(requests: u32) -> Self {
        let requests = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(requests.get() / 10).unwrap_or(NonZeroU32::MIN);
        Self::of(Quota::per_minute(requests).allow_burst(burst))
    }

    fn of(quota: Quota) -> Self {
        Self {
            limiter: RateLimiter::direct(quota),
            places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            freed: watch::Sender::new(()),
            losses: watch::Sender::new(0),
            turns: [Mutex::new(()), Mutex::new(())],
            held_until: Lock::new(None),
            patient: false,
            may_send: Arc::new(|| true),
        }
    }

    /// The same, and at most so many requests whose answer is not there yet. At least 1.
    #[must_use]
    pub fn at_once(self, requests: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(requests.max(1))),
            ..self
        }
    }

    /// The same, and a request of which nothing came is sent again, as [`Patience`](super::patience::Patience) has it.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { patient: true, ..self }
    }

    pub(super) fn is_patient(&self) -> bool {
        self.patient
    }

    /// The same, and none while `may_send` says no. A process that slept through its Lease waits here for its end, with
    /// whatever it still had to send (I5).
    #[must_use]
    pub fn only_while(self, may_send: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            may_send: Arc::new(may_send),
            ..self
        }
    }

    /// Whether something may be sent now: to be asked once more in the instant of sending.
    pub fn fence(&self) -> &Fence {
        &self.may_send
    }

    /// Nothing goes for this long, since the target asked for a pause.
    pub fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut held = self.held_until.lock();
        *held = Some(held.map_or(until, |held| held.max(until)));
    }

    /// Waits until one more request may go. A loss goes before all others that wait, whenever they came: so a leaver is
    /// not kept by a long queue of grants.
    pub async fn ready(&self) -> Permit {
        let lane = Lane::current();
        let _waiting = (lane == Lane::Losses).then(|| Waiting::new(&self.losses));
        let mut freed = self.freed.subscribe();
        let mut losses = self.losses.subscribe();
        let _turn = self.turns[usize::from(lane == Lane::Rest)].lock().await;
        loop {
            if lane == Lane::Rest {
                // The sender is ours, so that this never fails.
                let _ = losses.wait_for(|waiting| *waiting == 0).await;
            }
            let held_until = *self.held_until.lock();
            if let Some(until) = held_until.filter(|until| *until > Instant::now()) {
                tokio::time::sleep_until(until).await;
                continue;
            }
            let Ok(place) = self.places.clone().try_acquire_owned() else {
                let _ = freed.changed().await;
                continue;
            };
            let permit = Permit {
                place: Some(place),
                freed: self.freed.clone(),
            };
            if let Err(not_until) = self.limiter.check() {
                drop(permit);
                tokio::time::sleep(not_until.wait_time_from(self.limiter.clock().now())).await;
                continue;
            }
            while !(self.may_send)() {
                tokio::time::sleep(AGAIN).await;
            }
            return permit;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    /// One at a time, 20 ms apart.
    fn slow() -> Pace {
        Pace::of(Quota::with_period(Duration::from_millis(20)).unwrap())
    }

    /// Who got through, in this order, when all of these stood in the queue and only then it began to move.
    async fn order(pace: Pace, lanes: &[Lane]) -> Vec<Lane> {
        let pace = Arc::new(pace);
        let first = pace.ready().await;
        pace.hold(Duration::from_millis(50));
        let through = Arc::new(Lock::new(Vec::new()));
        let tasks: Vec<_> = lanes
            .iter()
            .map(|lane| {
                let (lane, pace, through) = (*lane, pace.clone(), through.clone());
                tokio::spawn(lane.around(async move {
                    let permit = pace.ready().await;
                    through.lock().push(lane);
                    drop(permit);
                }))
            })
            .collect();
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *through.lock())
    }

    /// A leaver who comes in behind a queue of grants goes out with the next permits.
    #[tokio::test]
    async fn losses_overtake_grants_that_wait() {
        use Lane::{Losses, Rest};
        let came = [Rest, Rest, Rest, Rest, Losses, Losses];
        let went = [Losses, Losses, Rest, Rest, Rest, Rest];
        assert_eq!(order(slow(), &came).await, went);
        assert_eq!(order(slow().at_once(1), &came).await, went);
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_may_be() {
        let pace = Pace::per_minute(600_000).at_once(2);
        let (first, second) = (pace.ready().await, pace.ready().await);
        let third = tokio::time::timeout(Duration::from_millis(50), pace.ready());
        assert!(third.await.is_err());
        drop(first);
        let third = tokio::time::timeout(Duration::from_secs(10), pace.ready());
        drop((third.await.unwrap(), second));
    }

    /// Retry-After is the target's, not the request's: everything waits, losses too.
    #[tokio::test]
    async fn a_pause_that_was_asked_for_holds_everything() {
        let pace = Pace::per_minute(600_000);
        pace.hold(Duration::from_millis(80));
        // A shorter one that is asked for later does not cut it short.
        pace.hold(Duration::from_millis(1));
        let since = Instant::now();
        drop(Lane::Losses.around(pace.ready()).await);
        assert!(since.elapsed() >= Duration::from_millis(80));
    }

    /// A loss that gave up waiting, as when its writer ends, leaves the way free.
    #[tokio::test]
    async fn who_no_longer_waits_holds_nobody_up() {
        let pace = slow().at_once(1);
        let first = pace.ready().await;
        let gone = tokio::time::timeout(Duration::from_millis(30), Lane::Losses.around(pace.ready()));
        assert!(gone.await.is_err());
        drop(first);
        let next = tokio::time::timeout(Duration::from_secs(10), pace.ready());
        drop(next.await.unwrap());
    }
}
