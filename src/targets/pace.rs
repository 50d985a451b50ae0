//! How fast a target may be called.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Lets so many requests through in a minute, all parts of Rollcall that call the target taken together.
#[derive(Debug)]
pub struct Pace(DefaultDirectRateLimiter);

impl Pace {
    /// At most `requests` a minute; a tenth of them may go at once. At least 1.
    pub fn per_minute(requests: u32) -> Self {
        let requests = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(requests.get() / 10).unwrap_or(NonZeroU32::MIN);
        Self(RateLimiter::direct(Quota::per_minute(requests).allow_burst(burst)))
    }

    /// Waits until one more request may go.
    pub async fn ready(&self) {
        self.0.until_ready().await;
    }
}
