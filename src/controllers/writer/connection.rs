//! A target that can be called, and calls of it that a pause or a hiccup does not spoil.

use std::sync::Arc;
use std::time::Duration;

use super::health::backoff;
use super::jobs::Gathers;
use crate::targets::pace::Pace;
use crate::targets::{Target, TargetError};

/// How often one call is sent again because the target asked to slow down.
const THROTTLED_TRIES: u32 = 4;
/// The longest pause that a call sits out; a longer one concerns everything.
const SIT_OUT: Duration = Duration::from_mins(1);

/// A target that can be called, and the settings that it was made with.
pub(super) struct Connection {
    pub target: Arc<dyn Target>,
    pub pace: Arc<Pace>,
    /// How many requests may be under way.
    pub concurrency: usize,
    /// Whether several changes fit into one request.
    pub bulk: bool,
    /// Whether parts of a thing can be changed; else changes of one thing go one after the other.
    pub patch: bool,
    /// How long a request may take.
    pub timeout: Duration,
    /// The generation of the `TargetSystem` that it was made of.
    pub generation: Option<i64>,
}

/// What of a call can be sent again at once when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// It only reads.
    Read,
    /// It does no more the second time.
    Change,
    /// Nothing: only a look tells whether it was done.
    Never,
}

impl Connection {
    /// What waits for others of its kind.
    pub fn gathers(&self) -> Gathers {
        Gathers {
            look_ups: self.target.listing_finds(),
            creations: self.bulk,
        }
    }

    /// Reads; once more at once where the answer was none.
    pub async fn read<'a, T, F>(&'a self, call: impl Fn(&'a dyn Target) -> F) -> Result<T, TargetError>
    where
        F: Future<Output = Result<T, TargetError>>,
    {
        self.call(call, Again::Read).await
    }

    /// Changes what can be changed twice without harm; once more at once where nobody knows whether it was done.
    pub async fn change<'a, T, F>(&'a self, call: impl Fn(&'a dyn Target) -> F) -> Result<T, TargetError>
    where
        F: Future<Output = Result<T, TargetError>>,
    {
        self.call(call, Again::Change).await
    }

    /// Does what must not be done twice: sent again only where the target said that it did not do it.
    pub async fn once<'a, T, F>(&'a self, call: impl Fn(&'a dyn Target) -> F) -> Result<T, TargetError>
    where
        F: Future<Output = Result<T, TargetError>>,
    {
        self.call(call, Again::Never).await
    }

    async fn call<'a, T, F>(&'a self, call: impl Fn(&'a dyn Target) -> F, again: Again) -> Result<T, TargetError>
    where
        F: Future<Output = Result<T, TargetError>>,
    {
        let mut throttled = 0;
        let mut failed = false;
        loop {
            match call(self.target.as_ref()).await {
                Err(TargetError::Throttled(pause)) if throttled < THROTTLED_TRIES && !self.target.is_patient() => {
                    let pause = pause.unwrap_or_else(|| backoff(throttled));
                    if pause > SIT_OUT {
                        return Err(TargetError::Throttled(Some(pause)));
                    }
                    // Not this call alone: whoever else waits would be told the same.
                    self.pace.hold(pause);
                    throttled += 1;
                }
                Err(error) if !failed && helps(again, &error) => failed = true,
                done => return done,
            }
        }
    }
}

fn helps(again: Again, error: &TargetError) -> bool {
    match error {
        TargetError::Ambiguous(_) => again != Again::Never,
        TargetError::Unreachable(_) | TargetError::Malformed(_) => again == Again::Read,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I4: what may have been done is sent again only where that does no harm.
    #[test]
    fn only_what_does_no_harm_is_sent_again() {
        let ambiguous = TargetError::Ambiguous("time-out".to_owned());
        assert!(helps(Again::Read, &ambiguous) && helps(Again::Change, &ambiguous));
        assert!(!helps(Again::Never, &ambiguous));
        // Nothing was sent, and the next attempt would find the same.
        let unreachable = TargetError::Unreachable("no connection".to_owned());
        assert!(!helps(Again::Change, &unreachable) && !helps(Again::Never, &unreachable));
        let refused = TargetError::Refused("400".to_owned());
        assert!(!helps(Again::Read, &refused) && !helps(Again::Change, &refused));
    }
}
