//! The steps that one record can take.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::effect::Outcome;
use super::guard::Verdict;
use super::losses::Grace;
use super::parameters::{Values, not_taken};
use crate::api::conditions::clip;
use crate::api::employee::{AccountRecord, AccountState, Cause, Deletion, EntitlementRecord, GrantState, Release};

/// Takes in what came of the effect that the record says is under way.
pub fn absorb_account(record: &mut AccountRecord, outcome: &Outcome, now: Timestamp) {
    record.last_error.clear();
    if matches!(outcome, Outcome::Done { .. }) {
        record.confirmed_at = Some(Time(now));
        record.sought.clear();
        (record.sought_email, record.sought_username) = (None, None);
    }
    match outcome {
        // It is not there any more: a deletion of our own that we never heard back of, or somebody else's.
        Outcome::Done { account_id, .. }
            if account_id.is_empty()
                && !matches!(record.state, AccountState::Deactivating | AccountState::Deleting) =>
        {
            record.state = AccountState::Deleted;
        }
        Outcome::Done {
            account_id,
            attributes,
            invited,
            ..
        } => {
            record.id.clone_from(account_id);
            if let Some(digest) = attributes {
                record.applied_attributes.clone_from(digest);
            }
            record.state = match record.state {
                AccountState::Deactivating => AccountState::Deactivated,
                AccountState::Deleting => AccountState::Deleted,
                _ if *invited => AccountState::Invited,
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
        Outcome::NoSeat(why) => {
            clip(why, 256).clone_into(&mut record.last_error);
            if record.state == AccountState::Creating {
                record.state = AccountState::NoSeat;
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
        Outcome::Done {
            account_id,
            holding,
            invited,
            ..
        } => {
            if record.state == GrantState::Revoking {
                record.state = GrantState::Revoked;
                record.revoked_at = Some(Time(now));
            } else {
                if record.state == GrantState::Granting {
                    record.granted_at = None;
                }
                record.state = if *invited {
                    GrantState::Invited
                } else {
                    GrantState::Granted
                };
                record.granted_at.get_or_insert(Time(now));
                record.reason.clear();
                record.applied_parameters.clone_from(&record.desired_parameters);
                if let Some(holding) = holding {
                    record.grant_id.clone_from(&holding.grant_id);
                    record.applied_parameters.extend(holding.parameters.clone());
                    // It would show the same after every other try: a person must mend it.
                    if let Some(why) = not_taken(&record.desired_parameters, &holding.parameters) {
                        clip(&why, 256).clone_into(&mut record.last_error);
                        record.state = GrantState::Failed;
                    }
                }
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
        Outcome::NoSeat(why) => {
            clip(why, 256).clone_into(&mut record.last_error);
            if record.state == GrantState::Granting {
                record.state = GrantState::NoSeat;
            }
        }
        Outcome::Unknown(why) => {
            clip(why, 256).clone_into(&mut record.last_error);
            record.state = GrantState::Unknown;
        }
    }
}

/// What a record of either kind says of a loss.
struct LossFields<'a> {
    cause: &'a mut Option<Cause>,
    release: &'a mut Option<Release>,
    change_set: &'a mut String,
    approval: &'a mut String,
    released_at: &'a mut Option<Time>,
    reason: &'a mut String,
    last_error: &'a mut String,
}

macro_rules! loss_fields {
    ($record:expr) => {
        LossFields {
            cause: &mut $record.cause,
            release: &mut $record.release,
            change_set: &mut $record.change_set,
            approval: &mut $record.approval,
            released_at: &mut $record.released_at,
            reason: &mut $record.reason,
            last_error: &mut $record.last_error,
        }
    };
}

impl LossFields<'_> {
    /// Says that it was let go. Returns whether it was.
    fn let_go(self, verdict: &Verdict, now: Timestamp) -> bool {
        let Verdict::Released {
            release,
            approval,
            cause,
        } = verdict
        else {
            return false;
        };
        *self.cause = Some(*cause);
        *self.release = Some(*release);
        self.approval.clone_from(approval);
        if *release != Release::Approved {
            self.change_set.clear();
        }
        *self.released_at = Some(Time(now));
        why(*cause).clone_into(self.reason);
        true
    }

    /// Says that it waits for a person. Returns whether it does.
    fn hold(self, verdict: &Verdict) -> bool {
        let Verdict::Held {
            cause,
            change_set,
            reason,
        } = verdict
        else {
            return false;
        };
        *self.cause = Some(*cause);
        self.change_set.clone_from(change_set);
        self.approval.clear();
        clip(reason, 256).clone_into(self.reason);
        true
    }

    /// Clears what is said of an earlier loss, but for what the guard counts: that it was let go on the budget.
    fn forget(self) {
        if *self.release != Some(Release::Budget) {
            *self.cause = None;
            *self.release = None;
            *self.released_at = None;
        }
        self.change_set.clear();
        self.approval.clear();
        self.reason.clear();
        self.last_error.clear();
    }
}

/// Lets an account go, or holds it, as judged.
pub fn lose_account(record: &mut AccountRecord, verdict: &Verdict, now: Timestamp) {
    if loss_fields!(record).let_go(verdict, now) {
        record.state = AccountState::Deactivating;
    } else if loss_fields!(record).hold(verdict) && record.state == AccountState::Active {
        record.state = AccountState::Held;
    }
}

/// Lets the deletion of an account go, or holds it, as judged.
pub fn delete_account(record: &mut AccountRecord, verdict: &Verdict, now: Timestamp) {
    match verdict {
        Verdict::Released {
            release,
            approval,
            cause,
        } => {
            let waited_in = record.deletion.take().map(|deletion| deletion.change_set);
            record.deletion = Some(Deletion {
                cause: *cause,
                release: Some(*release),
                change_set: waited_in.filter(|_| *release == Release::Approved).unwrap_or_default(),
                approval: approval.clone(),
                released_at: Some(Time(now)),
            });
            record.state = AccountState::Deleting;
            why(*cause).clone_into(&mut record.reason);
        }
        Verdict::Held {
            cause,
            change_set,
            reason,
        } => {
            record.deletion = Some(Deletion {
                cause: *cause,
                release: None,
                change_set: change_set.clone(),
                approval: String::new(),
                released_at: None,
            });
            clip(reason, 256).clone_into(&mut record.reason);
        }
        Verdict::Wait => {}
    }
}

/// Says that the deletion of an account no longer waits, where it did: it is not called for any more.
pub fn keep_account(record: &mut AccountRecord) {
    if record
        .deletion
        .as_ref()
        .is_some_and(|deletion| deletion.release.is_none())
    {
        record.deletion = None;
        record.cause.map(why).unwrap_or_default().clone_into(&mut record.reason);
    }
}

/// Sets a grant's parameters to less, or holds that, as judged. `change` says from what to what, `ask` to what. What waits keeps
/// the parameters that it has, and what is under way goes on until it is read back.
pub fn lower_grant(record: &mut EntitlementRecord, change: &str, ask: &Values, verdict: &Verdict, now: Timestamp) {
    if *verdict == Verdict::Wait {
        return;
    }
    change.clone_into(&mut record.parameter_change);
    if loss_fields!(record).let_go(verdict, now) {
        record.state = GrantState::Updating;
        record.desired_parameters.clone_from(ask);
        record.reason = format!("becomes less: {}", clip(change, 240));
        if record.change_set.is_empty() {
            record.parameter_change.clear();
        }
    } else if loss_fields!(record).hold(verdict) && record.state == GrantState::Granted {
        record.state = GrantState::Held;
    }
}

/// Sets a grant's parameters to what takes nothing away.
pub fn change_grant(record: &mut EntitlementRecord, change: &str, ask: &Values) {
    record.state = GrantState::Updating;
    record.desired_parameters.clone_from(ask);
    record.reason = format!("is changed: {}", clip(change, 240));
}

/// Lets a grant go, or holds it, as judged.
pub fn lose_grant(record: &mut EntitlementRecord, verdict: &Verdict, now: Timestamp) {
    if *verdict != Verdict::Wait {
        // What waited of its parameters is overtaken.
        record.parameter_change.clear();
    }
    // What is still on its way in is held once it is there; its record names the ChangeSet all the same.
    if loss_fields!(record).let_go(verdict, now) {
        record.state = GrantState::Revoking;
        record.scheduled_at = None;
    } else if loss_fields!(record).hold(verdict) && record.state == GrantState::Granted {
        record.state = GrantState::Held;
    }
}

/// Says that a loss no longer waits: it is not called for any more.
pub fn keep_grant(record: &mut EntitlementRecord) {
    // What is pending may wait to be granted, and what was let go does not wait.
    let let_go = matches!(
        record.state,
        GrantState::Pending | GrantState::Revoking | GrantState::Revoked
    );
    if waits(&record.change_set, &record.approval) && !let_go {
        record.change_set.clear();
        record.parameter_change.clear();
        record.cause = None;
        record.reason.clear();
    }
    if record.state == GrantState::Held {
        record.state = GrantState::Granted;
    }
}

/// The same of the end of an account.
pub fn keep_usable(record: &mut AccountRecord) {
    if waits(&record.change_set, &record.approval) {
        record.change_set.clear();
        record.cause = None;
        record.reason.clear();
    }
    if record.state == AccountState::Held {
        record.state = AccountState::Active;
    }
}

/// Whether what a record says of a `ChangeSet` is that it waits in it, and not that it was approved there.
pub fn waits(change_set: &str, approval: &str) -> bool {
    !change_set.is_empty() && approval.is_empty()
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Termination => "the person has left",
        Cause::AttributeChange => "the person's facts changed, and no policy gives it any more",
        Cause::Absence => "the person has been missing from the HRIS for too long",
        Cause::Drift => "no record explains it",
        Cause::PolicyChange => "a policy was edited or deleted, and none gives it any more",
        Cause::Manual => "a person asked for it",
    }
}

/// Clears what the record says of an earlier loss, but not what the guard counts.
pub fn forget_loss(record: &mut EntitlementRecord) {
    loss_fields!(record).forget();
    record.parameter_change.clear();
    record.revoked_at = None;
    record.scheduled_at = None;
}

/// Says that a grant which nothing gives any more is left until `grace` is over.
pub fn leave_for(record: &mut EntitlementRecord, grace: &Grace) {
    record.scheduled_at = Some(Time(grace.until));
    let until = grace.until.strftime("%Y-%m-%d %H:%M:%S UTC");
    let why = format!(
        "given no more, and left until {until} by the grace of policy {}",
        grace.policy
    );
    clip(&why, 256).clone_into(&mut record.reason);
}

/// Clears that a grant was to be left only for a time.
pub fn leave_for_good(record: &mut EntitlementRecord) {
    if record.scheduled_at.take().is_some() {
        record.reason.clear();
    }
}

/// Clears what the record says of an earlier end, for a new operation; but not what the guard counts.
pub fn start_over(record: &mut AccountRecord, operation: &str) {
    loss_fields!(record).forget();
    if record
        .deletion
        .as_ref()
        .is_some_and(|deletion| deletion.release != Some(Release::Budget))
    {
        record.deletion = None;
    }
    operation.clone_into(&mut record.operation_id);
    record.scheduled_at = None;
}
