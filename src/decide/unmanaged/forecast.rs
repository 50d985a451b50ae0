//! What an edit would take from strangers, as far as the lists tell.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::owner::explained;
use super::standing::{Bench, Standing, of_all};
use super::stray::{Stray, strays};
use super::{Scene, loss_id};
use crate::api::employee::Cause;
use crate::api::entitlement::{Unmanaged, UnmanagedState};
use crate::decide::effect::RemoteKey;
use crate::decide::guard::Loss;
use crate::decide::index::Namespace;

/// What the lists call for, and what they would after one more look, without asking any target: whose account a stranger
/// is, is known only where the list says it.
pub fn forecast(namespace: &Namespace, now: Timestamp) -> Vec<Loss> {
    let mut losses: Vec<Loss> = strays(namespace, now)
        .into_iter()
        .filter_map(Stray::into_loss)
        .collect();
    for (name, entry) in &namespace.entitlements {
        let Some(entitlement) = entry.readable() else { continue };
        let Some((status, remote)) = entitlement.status.as_ref().and_then(|s| Some((s, s.remote.clone()?))) else {
            continue;
        };
        let key = RemoteKey {
            target: entitlement.spec.target_ref.name.clone(),
            object: remote,
        };
        let scene = Scene {
            tenant: "",
            namespace,
            name,
            key: &key,
            seen: None,
            sights: &BTreeMap::new(),
            listed: &BTreeMap::new(),
            sending: &BTreeSet::new(),
            now,
        };
        if of_all(&scene).is_some() {
            continue;
        }
        let explained = explained(namespace, &key);
        let bench = Bench::new(&scene, explained.nameless);
        let goes = |entry: &&Unmanaged| {
            let known = !entry.employee.is_empty();
            let owners = known.then_some(entry.employee.as_str()).into_iter().collect();
            entry.state == UnmanagedState::Found
                && entry.cause.is_none()
                && !entry.left
                && !explained.accounts.contains(entry.account_id.as_str())
                && bench.of_one(&entry.account_id, &owners) == Standing::Taken
        };
        losses.extend(status.unmanaged.iter().filter(goes).map(|entry| Loss {
            id: loss_id(&key.target, name, &entry.account_id),
            cause: Cause::Drift,
            change_set: String::new(),
            label: name.clone(),
        }));
    }
    losses
}
