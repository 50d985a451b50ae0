//! The record of a person for whom the policies have been in force for long: what `rollcall plan` takes for people who
//! come from files, of whom nothing is on record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::definition::account_digest;
use super::index::{Namespace, Person};
use super::losses::{Named, account_name, readable_target};
use super::resolve::Resolution;
use crate::api::employee::{AccountRecord, AccountState, EmployeeStatus, EntitlementRecord, GrantState};

/// How long ago everything was granted: longer than any budget's window.
const LONG: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The record of `person`, had `resolution` been in force for long at targets that refuse nothing. Where a target gives
/// accounts ids of its own, the account's id is the name of the Employee.
pub fn as_enforced(namespace: &Namespace, person: &Person, resolution: &Resolution, now: Timestamp) -> EmployeeStatus {
    let mut status = EmployeeStatus {
        observed_generation: person.generation,
        phase: Some(resolution.phase),
        ..EmployeeStatus::default()
    };
    if resolution.ending.is_some() {
        return status;
    }
    let granted_at = now.checked_sub(LONG).ok().map(Time);
    let mut held = BTreeMap::new();
    let mut with_account = BTreeSet::new();
    for (key, desired) in &resolution.desired {
        if resolution.blocked.contains_key(key) || readable_target(namespace, &key.target).is_none() {
            continue;
        }
        let account_id = match account_name(namespace, person, &key.target) {
            Named::Account => {
                with_account.insert(key.target.clone());
                person.name.clone()
            }
            Named::By(name) => name,
            // Nothing can be granted to somebody whom the target cannot name.
            Named::Nothing => continue,
        };
        let record = EntitlementRecord {
            entitlement: desired.entitlement.clone(),
            target: key.target.clone(),
            kind: key.object.kind.clone(),
            remote_id: key.object.id.clone(),
            account_id,
            state: GrantState::Granted,
            grantors: desired.grantors.clone(),
            desired_parameters: desired.parameters.clone(),
            applied_parameters: desired.parameters.clone(),
            granted_at: granted_at.clone(),
            ..EntitlementRecord::default()
        };
        held.insert(key, record);
    }
    status.entitlements = held.into_values().collect();
    let account = |target: String| AccountRecord {
        applied_attributes: account_digest(namespace, person, &target).unwrap_or_default(),
        target,
        id: person.name.clone(),
        state: AccountState::Active,
        ..AccountRecord::default()
    };
    status.accounts = with_account.into_iter().map(account).collect();
    status
}
