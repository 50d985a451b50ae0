//! A target that fails as a whole: how long everything waits, and when it counts as sick. Pure.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::target::Quarantine;
use crate::targets::TargetError;

/// So many failures in a row put a target into quarantine.
const QUARANTINE_AFTER: u32 = 5;
/// The longest pause before that.
const HALT_MAX: Duration = Duration::from_secs(30);
/// The longest pause in quarantine.
const QUARANTINE_MAX: Duration = Duration::from_mins(10);
/// The longest that a target's Retry-After is believed.
const THROTTLED_MAX: Duration = Duration::from_hours(1);

/// How often it is looked whether somebody mended a target that cannot be used.
pub(super) const MENDED: Duration = Duration::from_secs(10);

/// What is known of a target's failures.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// How many in a row.
    pub number: u32,
    /// When the first of them was.
    since: Option<Timestamp>,
    /// Until when everything waits.
    pub until: Option<Instant>,
    /// What it was when it last failed: the generation of its `TargetSystem`, and the versions of its Secrets. Where
    /// that is another now, a person may have mended it.
    pub made_of: Option<(Option<i64>, Vec<String>)>,
    /// When the Secrets were last looked at.
    checked: Option<Instant>,
}

impl Failures {
    /// Takes in a failure of the whole target at `now`. Both halves of a writer may run into the same one, which counts once.
    pub fn add(&mut self, error: &TargetError, now: Instant, time: Timestamp) {
        if self.until.is_some_and(|until| until > now) {
            return;
        }
        let pause = match error {
            // It answers, and says when; nothing is wrong with the way to it.
            TargetError::Throttled(pause) => {
                self.until = Some(now + pause.unwrap_or_else(|| backoff(self.number)).min(THROTTLED_MAX));
                return;
            }
            _ => pause(self.number),
        };
        self.since.get_or_insert(time);
        self.number += 1;
        self.checked = Some(now);
        self.until = Some(now + pause);
    }

    /// Whether the Secrets are to be looked at again. Says yes once, and then not for a while.
    pub fn is_check_due(&mut self, now: Instant) -> bool {
        let due = self.checked.is_none_or(|at| now.duration_since(at) >= MENDED);
        if due {
            self.checked = Some(now);
        }
        due
    }

    /// It answered.
    pub fn end(&mut self) {
        *self = Self::default();
    }

    /// What is said of it while it fails on and on.
    pub fn quarantine(&self, now: Instant, time: Timestamp) -> Option<Quarantine> {
        let rest = self.until?.saturating_duration_since(now);
        (self.number >= QUARANTINE_AFTER).then(|| Quarantine {
            since: Time(self.since.unwrap_or(time)),
            until: Time(time.checked_add(rest).unwrap_or(time)),
            failures: self.number,
        })
    }
}

/// How long everything waits after a failure that came after so many others.
fn pause(before: u32) -> Duration {
    match (before + 1).checked_sub(QUARANTINE_AFTER) {
        None => backoff(before).min(HALT_MAX),
        Some(more) => (HALT_MAX * (1 << more.min(8))).min(QUARANTINE_MAX),
    }
}

/// Whether an error concerns the whole target.
pub(super) fn is_whole(error: &TargetError) -> bool {
    matches!(
        error,
        TargetError::Unreachable(_)
            | TargetError::Unauthorized(_)
            | TargetError::Misconfigured(_)
            | TargetError::AddressRefused(_)
            | TargetError::Throttled(_)
    )
}

/// Half a second, doubled by each try, five minutes at the most.
pub(super) fn backoff(tries: u32) -> Duration {
    Duration::from_millis(500 << tries.min(10)).min(Duration::from_mins(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_keeps_failing_is_tried_ever_more_rarely() {
        let pauses: Vec<u64> = (0..12).map(|before| pause(before).as_secs()).collect();
        assert_eq!(pauses, [0, 1, 2, 4, 30, 60, 120, 240, 480, 600, 600, 600]);
        assert_eq!(pause(u32::MAX - 1).as_secs(), 600);
    }

    #[test]
    fn five_failures_in_a_row_are_a_quarantine_and_one_answer_ends_it() {
        let down = TargetError::Unreachable("no connection".to_owned());
        let mut failures = Failures::default();
        let (mut now, time) = (Instant::now(), Timestamp::UNIX_EPOCH);
        for number in 1..=5 {
            assert_eq!(failures.quarantine(now, time), None);
            failures.add(&down, now, time);
            // The other half of the writer was under way when it happened.
            failures.add(&down, now, time);
            assert_eq!(failures.number, number);
            if number < 5 {
                now = failures.until.unwrap_or(now);
            }
        }
        let quarantine = failures.quarantine(now, time);
        let until = quarantine.as_ref().map(|quarantine| quarantine.until.0.as_second());
        assert_eq!(
            (quarantine.map(|quarantine| quarantine.failures), until),
            (Some(5), Some(30))
        );
        failures.end();
        assert_eq!((failures.number, failures.quarantine(now, time)), (0, None));
    }

    /// A target that asks for a pause is well.
    #[test]
    fn a_pause_that_was_asked_for_is_no_failure() {
        let mut failures = Failures::default();
        let now = Instant::now();
        failures.add(
            &TargetError::Throttled(Some(Duration::from_secs(7))),
            now,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(failures.until, Some(now + Duration::from_secs(7)));
        assert_eq!(failures.number, 0);
        let hours = TargetError::Throttled(Some(Duration::from_hours(9)));
        failures.add(&hours, now + Duration::from_secs(8), Timestamp::UNIX_EPOCH);
        assert_eq!(failures.until, Some(now + Duration::from_secs(8) + THROTTLED_MAX));
    }
}
