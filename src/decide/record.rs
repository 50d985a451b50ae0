//! The steps that one record can take.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::effect::Outcome;
use super::guard::Verdict;
use crate::api::conditions::clip;
use crate::api::employee::{AccountRecord, AccountState, Cause, EntitlementRecord, GrantState, Release};

/// Takes in what came of the effect that the record says is under way.
pub fn absorb_account(record: &mut AccountRecord, outcome: &Outcome) {
    record.last_error.clear();
    match outcome {
        // It is not there any more: a deletion of our own that we never heard back of, or somebody else's.
        Outcome::Done { account_id, .. }
            if account_id.is_empty()
                && !matches!(record.state, AccountState::Deactivating | AccountState::Deleting) =>
        {
            record.state = AccountState::Deleted;
        }
        Outcome::Done { account_id, attributes } => {
            record.id.clone_from(account_id);
            if let Some(digest) = attributes {
                record.applied_attributes.clone_from(digest);
            }
            record.state = match record.state {
                AccountState::Deactivating => AccountState::Deactivated,
                AccountState::Deleting => AccountState::Deleted,
                _ => AccountState::Active,
            };
        }
        Outcome::Retrying(why) => clip(why, 256).clone_into(&mut record.last_error),
        Outcome::Refused(why) => {
            clip(why, 256).clone_into(&mut record.last_error);
            // One that is to be usable again is not: the record would forget what is still to be done.
            if !matches!(
                record.state,
                AccountState::Activating | AccountState::Deactivating | AccountState::Deleting
            ) {
                record.state = AccountState::Failed;
            }
        }
        Outcome::Unknown(why) => {
            clip(why, 256).clone_into(&mut record.last_error);
            record.state = AccountState::Unknown;
        }
    }
}

/// Takes in what came of the effect that the record says is under way.
pub fn absorb_grant(record: &mut EntitlementRecord, outcome: &Outcome, now: Timestamp) {
    record.last_error.clear();
    match outcome {
        Outcome::Done { account_id, .. } => {
            if record.state == GrantState::Revoking {
                record.state = GrantState::Revoked;
                record.revoked_at = Some(Time(now));
            } else {
                record.state = GrantState::Granted;
                record.granted_at.get_or_insert(Time(now));
                record.reason.clear();
            }
            if !account_id.is_empty() {
                record.account_id.clone_from(account_id);
            }
        }
        Outcome::Retrying(why) => clip(why, 256).clone_into(&mut record.last_error),
        Outcome::Refused(why) => {
            clip(why, 256).clone_into(&mut record.last_error);
            if record.state != GrantState::Revoking {
                record.state = GrantState::Failed;
            }
        }
        Outcome::Unknown(why) => {
            clip(why, 256).clone_into(&mut record.last_error);
            record.state = GrantState::Unknown;
        }
    }
}

/// Lets an account go, or holds it, as judged.
pub fn lose_account(record: &mut AccountRecord, verdict: &Verdict, now: Timestamp) {
    match verdict {
        Verdict::Released {
            release,
            approval,
            cause,
        } => {
            record.state = AccountState::Deactivating;
            record.cause = Some(*cause);
            record.release = Some(*release);
            record.approval.clone_from(approval);
            record.released_at = Some(Time(now));
            why(*cause).clone_into(&mut record.reason);
        }
        Verdict::Held { cause, reason } if matches!(record.state, AccountState::Active | AccountState::Held) => {
            record.state = AccountState::Held;
            record.cause = Some(*cause);
            clip(reason, 256).clone_into(&mut record.reason);
        }
        Verdict::Held { .. } | Verdict::Wait => {}
    }
}

/// Lets a grant go, or holds it, as judged.
pub fn lose_grant(record: &mut EntitlementRecord, verdict: &Verdict, now: Timestamp) {
    match verdict {
        Verdict::Released {
            release,
            approval,
            cause,
        } => {
            record.state = GrantState::Revoking;
            record.cause = Some(*cause);
            record.release = Some(*release);
            record.approval.clone_from(approval);
            record.released_at = Some(Time(now));
            why(*cause).clone_into(&mut record.reason);
        }
        // What is still on its way in is held once it is there.
        Verdict::Held { cause, reason } if matches!(record.state, GrantState::Granted | GrantState::Held) => {
            record.state = GrantState::Held;
            record.cause = Some(*cause);
            clip(reason, 256).clone_into(&mut record.reason);
        }
        Verdict::Held { .. } | Verdict::Wait => {}
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Termination => "the person has left",
        Cause::AttributeChange => "the person's facts changed, and no policy gives it any more",
        Cause::PolicyChange => "a policy was edited or deleted, and none gives it any more",
        Cause::Manual => "asked for by deleting the Employee",
    }
}

/// Clears what the record says of an earlier loss, but for what the guard counts: that it was let go on the budget.
pub fn forget_loss(record: &mut EntitlementRecord) {
    record.cause = None;
    if record.release != Some(Release::Budget) {
        record.release = None;
        record.released_at = None;
    }
    record.approval.clear();
    record.revoked_at = None;
    record.reason.clear();
    record.last_error.clear();
}

/// Clears what the record says of an earlier end, for a new operation; but not what the guard counts.
pub fn start_over(record: &mut AccountRecord, operation: &str) {
    operation.clone_into(&mut record.operation_id);
    record.cause = None;
    if record.release != Some(Release::Budget) {
        record.release = None;
        record.released_at = None;
    }
    record.approval.clear();
    record.scheduled_at = None;
    record.reason.clear();
    record.last_error.clear();
}
