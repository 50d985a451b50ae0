//! What may be sent of a creation that may have been sent before (I4). Pure.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::controllers::desk::Job;
use crate::targets::Repeats;

/// How much longer than a request's time-out a creation of which nobody heard is waited for.
const LATE: Duration = Duration::from_secs(5);

/// How long ago a process that ended sent the last it sent, at the least, when another takes over: its Lease had to run out.
const TAKEN_OVER: Duration = Duration::from_secs(15);

/// How long an API remembers an idempotency key, at the least: those that say so speak of a day, from its first use.
const KEY_KEPT: SignedDuration = SignedDuration::from_hours(20);

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// It is sent.
    Send,
    /// It is looked for.
    Look,
}

/// What comes of a look that does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// It is sent: there is none.
    Send,
    /// It may still come: looked for again.
    Wait,
    /// Nothing more is sent: a person must say.
    Stop,
}

/// How long ago it may have been sent, so that it may still come.
pub(super) fn age(job: &Job) -> Option<Duration> {
    let inherited = || job.inherited.then(|| job.since.elapsed() + TAKEN_OVER);
    job.attempted.map(|at| at.elapsed()).or_else(inherited)
}

/// When one that was sent now can no longer be under way.
pub(super) fn settled(now: Instant, timeout: Duration) -> Instant {
    now + timeout + LATE
}

/// How a creation may be sent again under `key` now. What was sent under another key is not known by this one, and neither is
/// what the target may have forgotten: both are looked for.
pub(super) fn now(repeats: Repeats, job: &Job, key: &str, now: Timestamp) -> Repeats {
    if repeats != Repeats::ByKey {
        return repeats;
    }
    let other = job.attempted.is_some() && job.attempted_as != key;
    let kept = job.note.begun.is_some_and(|begun| begun.duration_until(now) < KEY_KEPT);
    if kept && !other {
        Repeats::Safely
    } else {
        Repeats::Found
    }
}

/// Whether it is looked for before it is sent. `absence_seen`: a look of this process showed none, and nothing was sent
/// since.
pub(super) fn first(repeats: Repeats, age: Option<Duration>, absence_seen: bool) -> First {
    match (repeats, age) {
        // The same key again, or the same address: it is done once.
        (Repeats::Safely, Some(_)) => First::Send,
        (_, None) if absence_seen => First::Send,
        _ => First::Look,
    }
}

/// What comes of a look that does not show it. `made`: the target said that it made it. `timeout`: how long a request may
/// take, and so one that went before still be under way.
pub(super) fn unseen(repeats: Repeats, age: Option<Duration>, made: bool, timeout: Duration) -> Unseen {
    match (repeats, age) {
        (Repeats::Never, Some(_)) => Unseen::Stop,
        (Repeats::Found | Repeats::ByKey, Some(age)) if age < timeout + LATE => Unseen::Wait,
        (Repeats::Found | Repeats::ByKey, _) if made => Unseen::Stop,
        _ => Unseen::Send,
    }
}

/// Why nothing more is sent, and what a person can do.
pub(super) fn stopped(what: &str, made: &str) -> String {
    let mend = "look there, end it if it is there, and then set the record's state to Pending (kubectl edit --subresource=status)";
    if made.is_empty() {
        format!("{what} may have been made, and no look at the target tells: {mend}")
    } else {
        format!("the target says that it made {what} {made}, and does not show it: {mend}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::desk::Note;
    use crate::decide::effect::{Intent, RemoteKey};

    fn job(begun: Option<Timestamp>, attempted_as: &str) -> Job {
        let now = Instant::now();
        let intent = Intent::Membership {
            key: RemoteKey::default(),
            account_id: "A1".to_owned(),
            hold: true,
            grant_id: String::new(),
            parameters: std::collections::BTreeMap::new(),
            operation_id: "op".to_owned(),
        };
        let note = Note {
            begun,
            ..Note::default()
        };
        Job {
            attempted: (!attempted_as.is_empty()).then_some(now),
            attempted_as: attempted_as.to_owned(),
            ..Job::new(intent, note, now)
        }
    }

    /// I4: a key is as good as a look for as long as the target remembers it, and for no other effect. How long ago it was first
    /// used, the record says, whatever process sent it.
    #[test]
    fn a_key_that_may_be_forgotten_is_no_protection() {
        let begun = Timestamp::from_second(1_000_000).ok();
        let after = |hours| begun.unwrap_or_default() + SignedDuration::from_hours(hours);
        for (begun, attempted_as, hours, is) in [
            (begun, "", 0, Repeats::Safely),
            (begun, "op", 19, Repeats::Safely),
            (begun, "op", 20, Repeats::Found),
            (begun, "", 20, Repeats::Found),
            // A record from before it said so.
            (None, "op", 0, Repeats::Found),
            // What may still come was sent under another key.
            (begun, "other", 0, Repeats::Found),
        ] {
            let job = job(begun, attempted_as);
            let found = super::now(Repeats::ByKey, &job, "op", after(hours));
            assert_eq!(found, is, "{begun:?} {attempted_as} {hours}");
            for other in [Repeats::Safely, Repeats::Found, Repeats::Never] {
                assert_eq!(super::now(other, &job, "op", after(hours)), other);
            }
        }
    }

    /// I4: nothing is made twice where a second call would make a second one.
    #[test]
    fn what_may_have_been_made_is_looked_for_before_it_is_made_again() {
        let (now, late) = (Some(Duration::ZERO), Some(Duration::from_secs(35)));
        for (repeats, age, absence_seen, is) in [
            (Repeats::Safely, now, false, First::Send),
            // What others made under that name must not be overwritten.
            (Repeats::Safely, None, false, First::Look),
            (Repeats::Safely, None, true, First::Send),
            (Repeats::Found, None, true, First::Send),
            (Repeats::Found, None, false, First::Look),
            (Repeats::Found, now, true, First::Look),
            (Repeats::Found, late, true, First::Look),
            (Repeats::Never, None, true, First::Send),
            (Repeats::Never, now, true, First::Look),
        ] {
            assert_eq!(
                first(repeats, age, absence_seen),
                is,
                "{repeats:?} {age:?} {absence_seen}"
            );
        }
        for (repeats, age, made, is) in [
            (Repeats::Safely, now, false, Unseen::Send),
            (Repeats::Found, None, false, Unseen::Send),
            // One that is slow is not doubled.
            (Repeats::Found, now, false, Unseen::Wait),
            (Repeats::Found, late, false, Unseen::Send),
            (Repeats::Found, now, true, Unseen::Wait),
            (Repeats::Found, late, true, Unseen::Stop),
            (Repeats::Never, None, false, Unseen::Send),
            (Repeats::Never, now, false, Unseen::Stop),
            (Repeats::Never, late, false, Unseen::Stop),
        ] {
            assert_eq!(
                unseen(repeats, age, made, Duration::from_secs(30)),
                is,
                "{repeats:?} {age:?} {made}"
            );
        }
    }
}
