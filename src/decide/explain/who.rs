//! Everybody who has an entitlement, is to have it, or is about to lose it.

use jiff::Timestamp;
use serde::Serialize;

use super::access::Desk;
use super::is_known;
use crate::api::Entitlement;
use crate::api::employee::{Cause, Counts, EntitlementRecord, GrantState, Origin, Phase};
use crate::api::entitlement::{Ownership, RemoteObject, Unmanaged, UnmanagedState};
use crate::decide::effect::RemoteKey;
use crate::decide::index::{Entry, Namespace};
use crate::decide::resolve::look_up;
use crate::decide::selector::Tri;

/// Who has an entitlement.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holders {
    /// Name of the `Entitlement`.
    pub entitlement: String,
    /// What it is, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Name of the `TargetSystem`.
    pub target: String,
    /// The remote object, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteObject>,
    /// How many are in which state.
    pub counts: Counts,
    /// Accounts that hold it and that no record of ours explains, as of the last resync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmanaged: Option<u32>,
    /// Whether others than those whom we know of are to lose it.
    pub ownership: Ownership,
    /// In order of display name.
    pub people: Vec<Holder>,
    /// Accounts that no record explains, those that were taken included, in order of id; at most 256.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<Stranger>,
}

/// An account that holds something by no record of ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stranger {
    /// Name of the `Entitlement`.
    pub entitlement: String,
    /// Name of the `TargetSystem`.
    pub target: String,
    /// The target's own id of the account.
    pub account: String,
    /// Name of the `Employee` whose account it is; empty where that is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub employee: String,
    /// Found, held, on its way out, gone.
    pub state: UnmanagedState,
    /// When it was first seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The `ChangeSet` that it waits in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub change_set: String,
    /// Why it stands so, in plain words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub because: String,
}

impl Stranger {
    /// The accounts that hold this entitlement by no record of ours.
    pub(super) fn all_of(name: &str, entitlement: &Entitlement) -> Vec<Self> {
        let list = entitlement.status.iter().flat_map(|status| &status.unmanaged);
        let stranger = |entry: &Unmanaged| Self {
            entitlement: name.to_owned(),
            target: entitlement.spec.target_ref.name.clone(),
            account: entry.account_id.clone(),
            employee: entry.employee.clone(),
            state: entry.state,
            since: entry.found_at.as_ref().map(|at| at.0),
            change_set: entry.change_set.clone(),
            because: entry.reason.clone(),
        };
        list.map(stranger).collect()
    }

    /// What the account of a person holds by no record of ours, or held until it was taken.
    pub(super) fn all_about(namespace: &Namespace, employee: &str) -> Vec<Self> {
        let all = namespace.entitlements.iter();
        let all = all.filter_map(|(name, entry)| Some(Self::all_of(name, entry.readable()?)));
        all.flatten().filter(|stranger| stranger.employee == employee).collect()
    }
}

/// One who has it, is to have it, or is about to lose it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Name of the `Employee`.
    pub employee: String,
    /// Full name as shown to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Work email.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_email: Option<String>,
    /// Where the person is between joining and leaving.
    pub phase: Phase,
    /// Where the grant is; absent where it is to be given and nothing is on record yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<GrantState>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether the person should have it now.
    pub wanted: Tri,
    /// Policies and exceptions that give it.
    pub grantors: Vec<String>,
    /// Whether we made the grant or found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Why it is being lost, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The `ChangeSet` that it waits in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub change_set: String,
    /// Why it stands so, in plain words, the strongest reason first.
    pub because: Vec<String>,
}

/// Who has the entitlement of this name at `now`, is to have it, or is about to lose it.
///
/// The error is a sentence: no entitlement is called so, and no record names it.
pub fn who(namespace: &Namespace, entitlement: &str, now: Timestamp) -> Result<Holders, String> {
    is_known(namespace, entitlement)?;
    let (key, _) = look_up(namespace, entitlement);
    let found = namespace.entitlements.get(entitlement).and_then(Entry::readable);
    let is_it =
        |record: &EntitlementRecord| record.entitlement == entitlement || key.as_ref() == Some(&RemoteKey::of(record));
    let mut counts = Counts::default();
    let mut people = Vec::new();
    for person in namespace.employees.values() {
        let desk = Desk::new(namespace, person, now);
        let desired = key
            .as_ref()
            .is_some_and(|key| desk.resolution.desired.contains_key(key));
        if !desired && !person.status.entitlements.iter().any(is_it) {
            continue;
        }
        let access = desk.access(entitlement);
        let record = access
            .records
            .first()
            .filter(|record| record.state != GrantState::Revoked);
        let state = record.map(|record| record.state);
        if state.is_none() && access.wanted != Tri::True {
            continue;
        }
        counts.add(state.unwrap_or(GrantState::Pending));
        people.push(Holder {
            employee: person.name.clone(),
            display_name: person.spec.display_name.clone(),
            work_email: person.spec.work_email.clone(),
            phase: desk.resolution.phase,
            state,
            since: access.since,
            wanted: access.wanted,
            origin: record.map(|record| record.origin),
            cause: record.and_then(|record| record.cause),
            change_set: record.map(|record| record.change_set.clone()).unwrap_or_default(),
            grantors: access.grantors,
            because: access.because,
        });
    }
    people.sort_by(|a, b| (&a.display_name, &a.employee).cmp(&(&b.display_name, &b.employee)));
    Ok(Holders {
        entitlement: entitlement.to_owned(),
        description: found.map(|found| found.spec.description.clone()).unwrap_or_default(),
        target: found
            .map(|found| found.spec.target_ref.name.clone())
            .unwrap_or_default(),
        remote: key.map(|key| key.object),
        counts,
        unmanaged: found.and_then(|found| found.status.as_ref()?.unmanaged_holders),
        ownership: found.map(|found| found.spec.ownership).unwrap_or_default(),
        strangers: found
            .map(|found| Stranger::all_of(entitlement, found))
            .unwrap_or_default(),
        people,
    })
}
