//! What others did at a target: what they took away, changed, and do not stop doing.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::effect::{AccountLook, AccountSight, Holding, Look, Sight};
use super::index::Person;
use super::losses::Named;
use crate::api::employee::{AccountRecord, AccountState, EntitlementRecord, GrantState};

/// How often others may undo a grant within [`CONTENDED_FOR`] before it is left alone.
pub const UNDONE_MAX: usize = 3;
/// Within what time undoings are counted, and how long nothing is sent after the last of them.
pub const CONTENDED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What others did to a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is not there any more.
    Gone,
    /// It is there, with other values of these parameters than the target confirmed.
    Changed(Vec<String>),
}

/// The id of the account that the looks in [`Sight::holds`] are about; `named` is how the target knows the person.
pub fn looked_through(named: Named, person: &Person, sight: &Sight, target: &str) -> Option<String> {
    if let Named::By(name) = named {
        return Some(name);
    }
    let mut records = person.status.accounts.iter();
    let record = records.find(|record| record.target == target && is_own(record));
    if record.is_some() {
        return record.map(|record| record.id.clone());
    }
    match sight.account(target) {
        AccountSight::Present { id, .. } => Some(id.clone()),
        _ => None,
    }
}

/// Whether a record names an account that is this person's; a claim names somebody else's.
pub fn is_own(record: &AccountRecord) -> bool {
    record.state != AccountState::Pending && !record.id.is_empty()
}

/// What others did to the grant that a record speaks of, as far as `look` tells: it is of the same account, and later than
/// all that we did and noticed.
pub fn drift(record: &EntitlementRecord, look: &Look) -> Option<Drift> {
    if !is_there(record.state) || !is_news(record, look) {
        return None;
    }
    let Some(holding) = &look.holding else {
        return Some(Drift::Gone);
    };
    // What policies do not speak of is others' to change.
    let changed = record.desired_parameters.keys().filter(|name| {
        let applied = record.applied_parameters.get(*name);
        let shown = holding.parameters.get(*name);
        applied.is_some() && shown.is_some() && applied != shown
    });
    let changed: Vec<String> = changed.cloned().collect();
    // A change of our own is under way.
    (!changed.is_empty() && record.state != GrantState::Updating).then_some(Drift::Changed(changed))
}

/// Whether the record says that the target has it.
fn is_there(state: GrantState) -> bool {
    matches!(
        state,
        GrantState::Granted | GrantState::Updating | GrantState::Held | GrantState::Invited
    )
}

/// Whether a look came after everything that the record says was done by us or noticed of others.
pub fn is_news(record: &EntitlementRecord, look: &Look) -> bool {
    let known = record.granted_at.iter().chain(record.undone_at.last());
    known.map(|at| at.0).max().is_some_and(|known| look.at > known)
}

/// Whether a look says something of a record that it does not say itself, so that the person is to be planned for anew: for
/// whoever reads everybody's holdings at once.
pub fn stirs(record: &EntitlementRecord, look: &Look) -> bool {
    match (record.state, &look.holding) {
        (GrantState::Invited, Some(holding)) if !holding.invited => is_news(record, look),
        (GrantState::Contended, Some(_)) => is_news(record, look),
        (GrantState::Unknown, Some(holding)) => settles(record, holding),
        _ => drift(record, look).is_some(),
    }
}

/// Whether what is held is what a record does not know whether it was made: the target says nothing else of who made it.
pub fn settles(record: &EntitlementRecord, holding: &Holding) -> bool {
    holding.operation_id.is_empty() || holding.operation_id == record.operation_id
}

/// Whether a look by id says something of an account that its record does not say.
pub fn stirs_account(record: &AccountRecord, look: &AccountLook) -> bool {
    is_account_news(record, look)
        && match &look.found {
            None => true,
            Some(seen) if seen.invited => false,
            Some(seen) => record.state == AccountState::Invited || seen.active == is_said_locked(record),
        }
}

/// Whether a look by id is of the account that a record says is there, and later than what we did to it.
pub fn is_account_news(record: &AccountRecord, look: &AccountLook) -> bool {
    let there = matches!(
        record.state,
        AccountState::Active | AccountState::Updating | AccountState::Held | AccountState::Invited
    );
    there && record.id == look.id && record.confirmed_at.as_ref().is_some_and(|at| look.at > at.0)
}

/// What the record of an account says that others made unusable.
pub const LOCKED: &str = "somebody deactivated the account at the target, and Rollcall leaves it so: activate it there, if the \
                          person is to work with it";

/// Whether the record says that others made the account unusable.
pub fn is_said_locked(record: &AccountRecord) -> bool {
    record.reason == LOCKED
}

/// Writes down that others undid what we did; the last [`UNDONE_MAX`] times are kept.
pub fn note_undoing(times: &mut Vec<Time>, at: Timestamp) {
    times.push(Time(at));
    let surplus = times.len().saturating_sub(UNDONE_MAX);
    times.drain(..surplus);
}

/// Until when what others undid at these times is left alone, where they keep doing so at `now`.
pub fn contended_until(times: &[Time], now: Timestamp) -> Option<Timestamp> {
    let (first, last) = (times.first()?.0, times.last()?.0);
    let often = times.len() >= UNDONE_MAX && first.duration_until(last) < CONTENDED_FOR;
    let until = last.checked_add(CONTENDED_FOR).ok()?;
    (often && now < until).then_some(until)
}

/// An instant, for people.
pub fn spelled(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::decide::effect::{AccountSeen, Holding};

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn granted(hour: i64) -> EntitlementRecord {
        EntitlementRecord {
            state: GrantState::Granted,
            granted_at: Some(Time(at(hour))),
            ..EntitlementRecord::default()
        }
    }

    /// I4: a look from before the grant was read back is no proof that it is gone, and what is gone already is not gone again.
    #[test]
    fn only_a_look_from_after_what_we_did_says_what_others_did() {
        let mut record = granted(2);
        assert_eq!(drift(&record, &Look::plain(false, at(1))), None);
        assert_eq!(drift(&record, &Look::plain(false, at(2))), None);
        assert_eq!(drift(&record, &Look::plain(true, at(3))), None);
        assert_eq!(drift(&record, &Look::plain(false, at(3))), Some(Drift::Gone));
        note_undoing(&mut record.undone_at, at(3));
        assert_eq!(drift(&record, &Look::plain(false, at(3))), None);
        // A record that does not say when it was there proves nothing.
        let record = EntitlementRecord {
            granted_at: None,
            ..granted(2)
        };
        assert_eq!(drift(&record, &Look::plain(false, at(3))), None);
        for state in [
            GrantState::Pending,
            GrantState::Granting,
            GrantState::Revoking,
            GrantState::Revoked,
            GrantState::Failed,
            GrantState::Unknown,
            GrantState::NoSeat,
            GrantState::Contended,
        ] {
            let record = EntitlementRecord { state, ..granted(2) };
            assert_eq!(drift(&record, &Look::plain(false, at(3))), None, "{state:?}");
        }
    }

    #[test]
    fn only_what_policies_ask_for_and_the_target_shows_can_be_changed_by_others() {
        let map = |pairs: &[(&str, &str)]| -> std::collections::BTreeMap<String, String> {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            pairs.collect()
        };
        let record = EntitlementRecord {
            desired_parameters: map(&[("limit", "100"), ("currency", "EUR")]),
            // The target writes the number its own way.
            applied_parameters: map(&[("limit", "100.00"), ("currency", "EUR"), ("colour", "red")]),
            ..granted(2)
        };
        let look = |shown: &[(&str, &str)]| Look {
            holding: Some(Holding {
                parameters: map(shown),
                ..Holding::default()
            }),
            at: at(3),
        };
        assert_eq!(drift(&record, &look(&[("limit", "100.00"), ("colour", "blue")])), None);
        assert_eq!(drift(&record, &look(&[])), None);
        let changed = Some(Drift::Changed(vec!["limit".to_owned()]));
        assert_eq!(drift(&record, &look(&[("limit", "9000")])), changed);
        let updating = EntitlementRecord {
            state: GrantState::Updating,
            ..record
        };
        assert_eq!(drift(&updating, &look(&[("limit", "9000")])), None);
    }

    #[test]
    fn three_undoings_within_a_day_are_too_many_for_a_day() {
        let mut record = granted(0);
        for hour in [1, 13] {
            note_undoing(&mut record.undone_at, at(hour));
            assert_eq!(contended_until(&record.undone_at, at(hour)), None, "{hour}");
        }
        note_undoing(&mut record.undone_at, at(24));
        assert_eq!(contended_until(&record.undone_at, at(24)), Some(at(48)));
        assert_eq!(contended_until(&record.undone_at, at(48)), None);
        // A day lies between the first and the third of these.
        note_undoing(&mut record.undone_at, at(37));
        assert_eq!(record.undone_at, [at(13), at(24), at(37)].map(Time));
        assert_eq!(contended_until(&record.undone_at, at(37)), None);
    }

    #[test]
    fn a_look_stirs_only_those_of_whom_it_says_something_new() {
        let invited = Look {
            holding: Some(Holding {
                invited: true,
                ..Holding::default()
            }),
            at: at(3),
        };
        let there = Look::plain(true, at(3));
        let of = |state| EntitlementRecord { state, ..granted(2) };
        assert!(!stirs(&of(GrantState::Granted), &there));
        assert!(stirs(&of(GrantState::Granted), &Look::plain(false, at(3))));
        assert!(!stirs(&of(GrantState::Invited), &invited));
        assert!(stirs(&of(GrantState::Invited), &there));
        assert!(stirs(&of(GrantState::Contended), &there));
        assert!(!stirs(&of(GrantState::Contended), &Look::plain(false, at(3))));
        assert!(stirs(&of(GrantState::Unknown), &there));
        assert!(!stirs(&of(GrantState::Unknown), &Look::plain(false, at(3))));

        let look = |found, hour| AccountLook {
            id: "A1".to_owned(),
            found,
            at: at(hour),
        };
        let seen = |active| {
            Some(AccountSeen {
                active,
                ..AccountSeen::default()
            })
        };
        let record = AccountRecord {
            id: "A1".to_owned(),
            state: AccountState::Active,
            confirmed_at: Some(Time(at(2))),
            ..AccountRecord::default()
        };
        assert!(
            !stirs_account(&record, &look(None, 2)),
            "a list from before the account was made"
        );
        assert!(stirs_account(&record, &look(None, 3)));
        assert!(!stirs_account(&record, &look(seen(true), 3)));
        assert!(stirs_account(&record, &look(seen(false), 3)));
        let locked = AccountRecord {
            reason: LOCKED.to_owned(),
            ..record.clone()
        };
        assert!(!stirs_account(&locked, &look(seen(false), 3)));
        assert!(stirs_account(&locked, &look(seen(true), 3)));
        let another = AccountLook {
            id: "A2".to_owned(),
            ..look(None, 3)
        };
        assert!(!stirs_account(&record, &another));
    }
}
