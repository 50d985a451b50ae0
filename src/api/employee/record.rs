//! The record: what was done for a person, grant by grant and account by account.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was done for a person, and what comes next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmployeeStatus {
    /// The generation of the spec that this status was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the person is between joining and leaving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Every grant that we made or adopted, and those under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub entitlements: Vec<EntitlementRecord>,
    /// Every account that we made or adopted, one at most per target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub accounts: Vec<AccountRecord>,
    /// How many entitlements are in which state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The next instant at which time alone changes something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition: Option<NextTransition>,
    /// `StatusUnknown`, `ZoneUnknown`, `Conflict`, `AccountConflict`, `AccountLocked`, `Contended`, `UnmanagedAccess`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// Where a person is between joining and leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// The first day is still to come.
    PreHire,
    /// At work.
    Active,
    /// Away, and coming back. Keeps access unless a policy says otherwise.
    OnLeave,
    /// At work, with a last day set.
    Leaving,
    /// Gone: the last day is over, the HRIS says inactive, or it deleted the row.
    Terminated,
    /// Not in the last trusted read, which proves nothing: everything stays as it is.
    Missing,
}

/// How many of a person's entitlements are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Counts {
    /// Granted, or being updated.
    pub granted: u32,
    /// On their way in or out: Pending, Granting, Revoking.
    pub pending: u32,
    /// Losses that wait for a person's decision.
    pub held: u32,
    /// Failed or Unknown.
    pub failed: u32,
}

impl Counts {
    /// Counts one more entitlement in this state; what was revoked does not count.
    pub fn add(&mut self, state: GrantState) {
        if let Some(count) = self.of(state) {
            *count += 1;
        }
    }

    /// Counts one entitlement in this state less.
    pub fn remove(&mut self, state: GrantState) {
        if let Some(count) = self.of(state) {
            *count = count.saturating_sub(1);
        }
    }

    fn of(&mut self, state: GrantState) -> Option<&mut u32> {
        match state {
            GrantState::Granted | GrantState::Updating | GrantState::Invited => Some(&mut self.granted),
            GrantState::Pending | GrantState::Granting | GrantState::Revoking | GrantState::NoSeat => {
                Some(&mut self.pending)
            }
            GrantState::Held => Some(&mut self.held),
            GrantState::Failed | GrantState::Unknown | GrantState::Contended => Some(&mut self.failed),
            GrantState::Revoked => None,
        }
    }
}

/// The next instant at which time alone changes something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct NextTransition {
    /// When.
    pub at: Time,
    /// What, in plain words: `phase Terminated`.
    #[schemars(length(max = 256))]
    pub what: String,
}

/// One grant: the record that makes a later revocation ours to make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntitlementRecord {
    /// Name of the `Entitlement` it was granted by. The remote object, not this name, is what the grant is.
    pub entitlement: String,
    /// Name of the `TargetSystem`.
    pub target: String,
    /// Kind of the remote object, such as `Group` or `RoleBinding`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// The target's own id of the remote object.
    #[schemars(length(max = 512))]
    pub remote_id: String,
    /// The target's own id of the person's account; empty until the account is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub account_id: String,
    /// The target's own id of what was made for this grant alone, such as a card; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub grant_id: String,
    /// Where the grant is.
    pub state: GrantState,
    /// Names of the policies that give it, and of exceptions as `AccessException/name`. It goes when the last of them
    /// withdraws.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 269)))]
    pub grantors: Vec<String>,
    /// Whether we made the grant or found it and took it over.
    #[serde(default)]
    pub origin: Origin,
    /// Identifies the grant. Derived from employee, remote object and start date, so that a lost record finds its effect again; and
    /// from the one before it, where it is given anew.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub operation_id: String,
    /// When the effect under way, or the last one, was begun, in whole seconds; no two of one record are begun in the same. Its
    /// idempotency key is made of that and of `operationId`, and no API has known it for longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Time>,
    /// Parameters that the policies ask for, as far as that was let go: what the grant has, or is being changed to. What waits
    /// for a person is in `parameterChange`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub desired_parameters: BTreeMap<String, String>,
    /// Parameters that the target has confirmed, as it shows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied_parameters: BTreeMap<String, String>,
    /// When the target was read back and had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at: Option<Time>,
    /// Why it is lost; set with `releasedAt`, or while the loss is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// On what ground the loss was let go; set with `releasedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The `ChangeSet` that this change waits in, or waited in until it was approved.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub change_set: String,
    /// The digest of the `ChangeSet` whose approval let this change go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub approval: String,
    /// The change of parameters that `changeSet` is about, as it shows it: `limit 500 -> 100`. Empty where it is about the grant
    /// as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub parameter_change: String,
    /// When the loss was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
    /// When the target was read back and no longer had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// When others undid the grant at the target, the last three times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub undone_at: Vec<Time>,
    /// Until when it is left to the person although nothing gives it any more: a policy's `grace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Time>,
    /// Why it is in this state, in plain words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub reason: String,
    /// What the target last refused, in our words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_error: String,
}

/// Where a grant is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum GrantState {
    /// Wanted, nothing sent yet: `reason` says what it waits for.
    #[default]
    Pending,
    /// May have been sent; not yet read back.
    Granting,
    /// Read back and there.
    Granted,
    /// There, with a change of parameters under way.
    Updating,
    /// There, no longer wanted or wanted with less, and kept as it is until a person decides.
    Held,
    /// Let go; the removal may have been sent and is not yet read back.
    Revoking,
    /// Read back and gone.
    Revoked,
    /// The target refuses it for good: `lastError` says what to mend.
    Failed,
    /// It cannot be found out whether the target did it. Nothing more is sent until that is known.
    Unknown,
    /// There as an invitation that the person has not accepted yet.
    Invited,
    /// The target has no free seat, licence or budget for it; tried again when one is given back, and rarely.
    NoSeat,
    /// Others undid it at the target three times within a day: nothing more is sent until that day is over.
    Contended,
}

impl GrantState {
    /// Whether the person may hold it at the target because of us.
    pub fn may_be_held(self) -> bool {
        !matches!(self, Self::Pending | Self::Revoked)
    }
}

/// Whether we made it or found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// Rollcall made it.
    #[default]
    Operator,
    /// It was there, is what we would have made, and `adopt: Desired` made it ours.
    Adopted,
}

/// Why access is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Cause {
    /// The person left, with evidence.
    Termination,
    /// The person's facts changed.
    AttributeChange,
    /// The person was missing from the HRIS for so long that it counts as having left.
    Absence,
    /// A policy or an entitlement was edited or deleted.
    PolicyChange,
    /// The target has what no record of ours explains.
    Drift,
    /// A person asked for it: an `AccessException` that denies, or one that allowed and ended, or the deletion of an
    /// Employee with `deletionPolicy: Revoke`.
    Manual,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Termination,
        Self::AttributeChange,
        Self::Absence,
        Self::PolicyChange,
        Self::Drift,
        Self::Manual,
    ];
}

/// On what ground a loss was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Release {
    /// An evidenced exit, which no budget blocks.
    Evidence,
    /// The budget of the target had room.
    Budget,
    /// A person approved the digest of the held changes.
    Approved,
}

/// One account of the person at one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountRecord {
    /// Name of the `TargetSystem`.
    pub target: String,
    /// The target's own id; empty until the account is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub id: String,
    /// Where the account is.
    pub state: AccountState,
    /// Whether we made it or found it.
    #[serde(default)]
    pub origin: Origin,
    /// Derived from employee, target and start date.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub operation_id: String,
    /// When the effect under way, or the last one, was begun, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Time>,
    /// Digest of the names under which the target had no such account when its creation was put on record: what is found
    /// under other names later may be somebody else's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub sought: String,
    /// The work email among those names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub sought_email: Option<String>,
    /// The user name among those names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub sought_username: Option<String>,
    /// When the target last confirmed what we made of it; only a look after that says what others did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Time>,
    /// Digest of the attributes that the target confirmed; accounts of our own are updated when it differs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub applied_attributes: String,
    /// Why it is deactivated or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// On what ground that was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The `ChangeSet` that its end waits in, or waited in until that was approved.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub change_set: String,
    /// The digest of the `ChangeSet` whose approval let it go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub approval: String,
    /// When that was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
    /// What was decided of its deletion, once that was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// When a deletion is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Time>,
    /// Why it is in this state, in plain words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub reason: String,
    /// What the target last refused, in our words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub last_error: String,
}

/// What was decided of the deletion of an account, which cannot be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// Why it is deleted.
    pub cause: Cause,
    /// On what ground the deletion was let go; set with `releasedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The `ChangeSet` that the deletion waits in, or waited in until it was approved.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub change_set: String,
    /// The digest of the `ChangeSet` whose approval let it go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub approval: String,
    /// When the deletion was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
}

/// Where an account is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum AccountState {
    /// Wanted, nothing sent yet: `reason` says what it waits for. With an id it is another Employee's account, which matches
    /// this person too (`AccountConflict`).
    #[default]
    Pending,
    /// May have been sent; not yet confirmed.
    Creating,
    /// There and usable.
    Active,
    /// There and usable, with a change of attributes under way.
    Updating,
    /// Being made usable again.
    Activating,
    /// There, no longer wanted, and left usable until a person decides.
    Held,
    /// Being made unusable; not yet read back.
    Deactivating,
    /// Read back and unusable.
    Deactivated,
    /// Being deleted; not yet read back.
    Deleting,
    /// Read back and gone.
    Deleted,
    /// The target refuses for good: `lastError` says what to mend.
    Failed,
    /// It cannot be found out whether the target did it. Nothing more is sent until that is known.
    Unknown,
    /// There as an invitation that the person has not accepted yet.
    Invited,
    /// The target has no free seat for it; tried again when one is given back, and rarely.
    NoSeat,
}
