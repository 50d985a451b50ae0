//! How fast a target may be called, and whether at all.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// How often a request that may not be sent looks whether it may now.
const AGAIN: Duration = Duration::from_millis(100);

/// Lets so many requests through in a minute, all parts of Rollcall that call the target taken together.
pub struct Pace {
    limiter: DefaultDirectRateLimiter,
    may_send: Box<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pace")
    }
}

impl Pace {
    /// At most `requests` a minute; a tenth of them may go at once. At least 1.
    pub fn per_minute(requests: u32) -> Self {
        let requests = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(requests.get() / 10).unwrap_or(NonZeroU32::MIN);
        Self {
            limiter: RateLimiter::direct(Quota::per_minute(requests).allow_burst(burst)),
            may_send: Box::new(|| true),
        }
    }

    /// The same, and none while `may_send` says no. A process that slept through its Lease waits here for its end, with
    /// whatever it still had to send (I5).
    #[must_use]
    pub fn only_while(self, may_send: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            may_send: Box::new(may_send),
            ..self
        }
    }

    /// Waits until one more request may go.
    pub async fn ready(&self) {
        self.limiter.until_ready().await;
        while !(self.may_send)() {
            tokio::time::sleep(AGAIN).await;
        }
    }
}
