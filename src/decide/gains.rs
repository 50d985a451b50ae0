//! What a person should have by us and has not, where a target has a ceiling on grants.

use super::effect::RemoteKey;
use super::guard::{Gain, GainId};
use super::index::{Namespace, Person};
use super::losses::readable_target;
use super::resolve::Resolution;
use crate::api::employee::{EntitlementRecord, GrantState};

/// Everything that `person` is about to gain at targets with `guard.grants`. What is found to be there already, and what
/// something else stands in the way of, is no gain.
pub fn gains(namespace: &Namespace, person: &Person, resolution: &Resolution) -> Vec<Gain> {
    if resolution.frozen.is_some() || resolution.ending.is_some() {
        return Vec::new();
    }
    let has_ceiling = |target: &str| {
        let target = readable_target(namespace, target);
        target.is_some_and(|target| target.spec.guard.grants.is_some())
    };
    let mut gains = Vec::new();
    for (key, desired) in &resolution.desired {
        if !has_ceiling(&key.target) || resolution.blocked.contains_key(key) {
            continue;
        }
        let mut records = person
            .status
            .entitlements
            .iter()
            .filter(|record| RemoteKey::of(record) == *key);
        if records
            .clone()
            .any(|record| record.state.may_be_held() || is_hindered(record))
        {
            continue;
        }
        gains.push(Gain {
            id: GainId {
                employee: person.name.clone(),
                key: key.clone(),
            },
            change_set: records
                .find(|record| record.state == GrantState::Pending)
                .map(|record| record.change_set.clone())
                .unwrap_or_default(),
            label: desired.entitlement.clone(),
        });
    }
    gains
}

/// Whether something else than a person's decision stands in the way.
fn is_hindered(record: &EntitlementRecord) -> bool {
    record.state == GrantState::Pending && record.change_set.is_empty() && !record.reason.is_empty()
}

/// Whether the person gained it, or is about to, on no approval: what a ceiling counts, where it is within the window.
pub fn is_gain(record: &EntitlementRecord) -> bool {
    record.state.may_be_held() && !is_approved(record)
}

/// Whether what the record says of a `ChangeSet` is about a gain.
pub fn is_about_gain(record: &EntitlementRecord) -> bool {
    record.state == GrantState::Pending || is_approved(record)
}

/// Whether a person approved the gain. Of a loss that was approved, the release says so.
fn is_approved(record: &EntitlementRecord) -> bool {
    !record.approval.is_empty() && record.release != Some(crate::api::employee::Release::Approved)
}
