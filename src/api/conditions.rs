//! Condition types and reasons, each once, and the one way to set them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The object is accepted and able to act. Held or planned work never makes it false.
pub const READY: &str = "Ready";
/// The last read of the HRIS was whole and could be believed.
pub const SOURCE_TRUSTED: &str = "SourceTrusted";
/// The target system answers and takes our credentials.
pub const REACHABLE: &str = "Reachable";
/// Losses at this target wait for a person's decision.
pub const CHANGES_HELD: &str = "ChangesHeld";
/// A person decided on held changes.
pub const DECIDED: &str = "Decided";
/// Nothing of the held changes waits any more.
pub const DONE: &str = "Done";
/// The HR system gives no employment status that can be read, so the last phase stays.
pub const STATUS_UNKNOWN: &str = "StatusUnknown";
/// Where the person works does not tell the time zone, so a last day ends when it has ended wherever it may be.
pub const ZONE_UNKNOWN: &str = "ZoneUnknown";
/// Our clock and the API server's agree; while they do not, nothing begins by time alone.
pub const CLOCK_TRUSTED: &str = "ClockTrusted";
/// Two policies, or two entitlements, contradict each other; what they concern stays as it is.
pub const CONFLICT: &str = "Conflict";

/// The person's account at a target is claimed by another Employee too, or looks like somebody else's.
pub const ACCOUNT_CONFLICT: &str = "AccountConflict";
/// Others made an account of the person unusable, and Rollcall leaves it so.
pub const ACCOUNT_LOCKED: &str = "AccountLocked";
/// Others keep undoing what Rollcall grants.
pub const CONTENDED: &str = "Contended";
/// Somebody who left still holds what Rollcall did not give.
pub const UNMANAGED_ACCESS: &str = "UnmanagedAccess";
/// The target keeps failing and is tried again rarely.
pub const QUARANTINED: &str = "Quarantined";
/// The target has no free seat for everybody who should have one.
pub const SEATS_EXHAUSTED: &str = "SeatsExhausted";

/// Accepted, nothing to mend.
pub const ACCEPTED: &str = "Accepted";
/// The stored object cannot be decoded, as when an older CRD let it through.
pub const INVALID: &str = "Invalid";
/// A Secret, or a key of it, is missing.
pub const SECRET_MISSING: &str = "SecretMissing";
/// The credentials were refused (401 or 403).
pub const UNAUTHORIZED: &str = "Unauthorized";
/// The other side does not answer.
pub const UNREACHABLE: &str = "Unreachable";
/// The address of the other side is one that the operator may not reach.
pub const ADDRESS_REFUSED: &str = "AddressRefused";
/// The other side answers and takes our credentials.
pub const ANSWERING: &str = "Answering";
/// The object that a reference names is not there.
pub const REFERENCE_MISSING: &str = "ReferenceMissing";
/// The target has no such group or role.
pub const REMOTE_MISSING: &str = "RemoteMissing";
/// More than one remote object goes by that name.
pub const REMOTE_AMBIGUOUS: &str = "RemoteAmbiguous";
/// The answer could not be read, or is not what the protocol says.
pub const MALFORMED: &str = "Malformed";
/// Effects are paused by annotation.
pub const PAUSED: &str = "Paused";
/// Everything is as it should be.
pub const AS_EXPECTED: &str = "AsExpected";
/// The budget for losses is used up.
pub const OVER_BUDGET: &str = "OverBudget";
/// A person has to decide, or something is still under way.
pub const WAITING: &str = "Waiting";
/// A person approved it.
pub const APPROVED: &str = "Approved";
/// A person rejected it.
pub const REJECTED: &str = "Rejected";
/// An older object already stands for the same remote object.
pub const DUPLICATE: &str = "Duplicate";
/// Policies of equal priority give the same entitlement with different parameters.
pub const PARAMETERS_DIFFER: &str = "ParametersDiffer";

/// Policies of equal priority give different entitlements of one exclusive group.
pub const EXCLUSIVE: &str = "Exclusive";
/// Others undid a grant three times within a day.
pub const UNDONE: &str = "UndoneByOthers";
/// An account matches two people.
pub const CLAIMED_TWICE: &str = "ClaimedTwice";
/// The account is one that nobody may touch.
pub const PROTECTED: &str = "Protected";
/// `managementPolicies` of the target leaves out the verb that would do it.
pub const NOT_MANAGED: &str = "NotManaged";
/// The same, and the deletion of the Employee waits until it is gone.
pub const DELETION_WAITS: &str = "DeletionWaits";
/// Somebody did it at the target.
pub const BY_OTHERS: &str = "ByOthers";
/// A policy gives parameters that the entitlement does not take.
pub const PARAMETERS_REFUSED: &str = "ParametersRefused";
/// The end that the object names is over.
pub const EXPIRED: &str = "Expired";
/// The end that the object names is still to come.
pub const IN_FORCE: &str = "InForce";
/// More than one object goes by the name that a reference gives.
pub const REFERENCE_AMBIGUOUS: &str = "ReferenceAmbiguous";
/// The clocks differ by more than is believed.
pub const CLOCKS_DIFFER: &str = "ClocksDiffer";
/// Others gave it.
pub const GIVEN_BY_OTHERS: &str = "GivenByOthers";
/// What would settle it is not known.
pub const GUESSED: &str = "Guessed";

/// Longest message of a condition, in bytes, so that one Event can carry it (event notes end at 1 kB).
pub const MESSAGE_MAX: usize = 900;

/// A condition before it is compared with the one already there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// One of the condition types above.
    pub type_: &'static str,
    /// Whether it holds; `None` is `Unknown`.
    pub holds: Option<bool>,
    /// One of the reasons above.
    pub reason: &'static str,
    /// A sentence for a person: what is so, and where it is wrong, how to mend it.
    pub message: String,
}

impl Fact {
    /// A condition that is true.
    pub fn yes(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            type_,
            holds: Some(true),
            reason,
            message: message.into(),
        }
    }

    /// A condition that is false.
    pub fn no(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            type_,
            holds: Some(false),
            reason,
            message: message.into(),
        }
    }

    fn status(&self) -> &'static str {
        match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// Sets `fact` among `conditions`, keeping the transition time where the status stays. Returns true where status or
/// reason changed, which is when an Event is due.
pub fn set(conditions: &mut Vec<Condition>, fact: &Fact, generation: Option<i64>, now: Timestamp) -> bool {
    let message = clip(&fact.message, MESSAGE_MAX).to_owned();
    let status = fact.status();
    if let Some(old) = conditions.iter_mut().find(|c| c.type_ == fact.type_) {
        let moved = old.status != status;
        let news = moved || old.reason != fact.reason;
        if moved {
            old.last_transition_time = Time(now);
        }
        status.clone_into(&mut old.status);
        fact.reason.clone_into(&mut old.reason);
        old.message = message;
        old.observed_generation = generation;
        return news;
    }
    conditions.push(Condition {
        type_: fact.type_.to_owned(),
        status: status.to_owned(),
        reason: fact.reason.to_owned(),
        message,
        observed_generation: generation,
        last_transition_time: Time(now),
    });
    true
}

/// Removes the condition of this type. Returns true where it was there.
pub fn clear(conditions: &mut Vec<Condition>, type_: &str) -> bool {
    let before = conditions.len();
    conditions.retain(|c| c.type_ != type_);
    conditions.len() != before
}

/// `text` cut to at most `max` bytes, at a character's edge.
pub fn clip(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
