//! One request sent again as it is, where its answer says that nothing came of it. A call of several requests, such as a
//! list of a hundred pages, does not begin anew for one of them.

use std::time::Duration;

use super::pace::Pace;

/// How often one request is sent again because the target asked to slow down.
const LATER_TRIES: u32 = 4;
/// How often a read that failed is sent again.
const SOON_TRIES: u32 = 2;
/// The longest pause that a request sits out; a longer one concerns everything.
const SIT_OUT: Duration = Duration::from_mins(1);
/// The pause where the target does not say how long, doubled by each try.
const PAUSE: Duration = Duration::from_millis(500);

/// Why one request can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The target did nothing, and asks for a pause: for so long, where it says.
    Later(Option<Duration>),
    /// It changes nothing, or no more the second time, and the answer was none that can be used.
    Soon,
}

/// How often one request was sent again.
#[derive(Debug)]
pub struct Patience<'a> {
    pace: &'a Pace,
    later: u32,
    soon: u32,
}

impl<'a> Patience<'a> {
    /// For a request that was not sent yet. Without a [patient](Pace::patient) pace every request is sent once.
    pub fn new(pace: &'a Pace) -> Self {
        Self {
            pace,
            later: 0,
            soon: 0,
        }
    }

    /// Whether the request is to be sent again; waits until it may be.
    pub async fn allows(&mut self, again: Again) -> bool {
        if !self.pace.is_patient() {
            return false;
        }
        match again {
            Again::Later(pause) => {
                let pause = pause.unwrap_or(PAUSE * (1 << self.later));
                if self.later == LATER_TRIES || pause > SIT_OUT {
                    return false;
                }
                // Not this request alone: whoever else waits would be told the same.
                self.pace.hold(pause);
                self.later += 1;
            }
            Again::Soon if self.soon == SOON_TRIES => return false,
            Again::Soon => {
                // Often it was a hiccup, and else a moment helps.
                tokio::time::sleep(PAUSE * self.soon).await;
                self.soon += 1;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn patience_ends() {
        let pace = Pace::per_minute(600_000).patient();
        let mut patience = Patience::new(&pace);
        let later = Again::Later(Some(Duration::ZERO));
        for _ in 0..LATER_TRIES {
            assert!(patience.allows(later).await);
        }
        assert!(!patience.allows(later).await);
        // A pause that was asked for is no failure.
        assert!(patience.allows(Again::Soon).await && patience.allows(Again::Soon).await);
        assert!(!patience.allows(Again::Soon).await);
        // An hour concerns everything, and is not for one request to sit out.
        let hour = Again::Later(Some(Duration::from_hours(1)));
        assert!(!Patience::new(&pace).allows(hour).await);
    }

    #[tokio::test]
    async fn without_a_patient_pace_each_request_is_sent_once() {
        let pace = Pace::per_minute(600_000);
        let mut patience = Patience::new(&pace);
        assert!(!patience.allows(Again::Soon).await && !patience.allows(Again::Later(None)).await);
    }

    /// Whoever is told to wait has everybody wait.
    #[tokio::test]
    async fn a_pause_holds_every_request() {
        let pace = Pace::per_minute(600_000).patient();
        let pause = Duration::from_millis(60);
        let since = std::time::Instant::now();
        assert!(Patience::new(&pace).allows(Again::Later(Some(pause))).await);
        drop(pace.ready().await);
        assert!(since.elapsed() >= pause);
    }
}
