//! The holders of an Entitlement's object that no record explains: looked at, listed, and taken once that is on record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::Entitlement;
use crate::api::entitlement::{EntitlementStatus, Ownership, Unmanaged, UnmanagedState};
use crate::controllers::context::Context;
use crate::controllers::desk::Desk;
use crate::controllers::recorder::RecordError;
use crate::decide::Person;
use crate::decide::effect::{AccountSight, Intent, Outcome, RemoteKey};
use crate::decide::index::Entry;
use crate::decide::unmanaged::{Listed, Next, Scene, Seen, leave as leave_on, next};
use crate::targets::Account;

/// What follows once the list is on record.
#[derive(Debug, Default)]
pub(super) struct After {
    intents: Vec<Intent>,
    consumed: Vec<(Intent, Outcome)>,
    unjudged: bool,
    /// Employees of whom the list says something else than before.
    people: BTreeSet<String>,
}

/// Brings the list of `status` up to date with the last look at the holders.
pub(super) fn list(
    context: &Context,
    namespace: &str,
    entitlement: &Entitlement,
    status: &mut EntitlementStatus,
) -> After {
    let name = entitlement.metadata.name.clone().unwrap_or_default();
    let target = &entitlement.spec.target_ref.name;
    let (Some(remote), Some(desk)) = (&status.remote, context.desks.get(namespace, target)) else {
        return After::default();
    };
    let key = RemoteKey {
        target: target.clone(),
        object: remote.clone(),
    };
    // Before the look: what a removal came to was read back before it was said.
    let (outcomes, sending) = desk.removals(&name);
    let listed = status.unmanaged.iter();
    let listed = listed.filter(|entry| entry.state != UnmanagedState::Revoked);
    let listed = listed.map(|entry| entry.account_id.as_str());
    let seen = desk.state.lock().looks.whole(remote, listed);
    let Some(seen) = seen else {
        return After::default();
    };
    let explained = context.releaser.explained(namespace, &key);
    let holders = seen.holders.as_ref();
    let strange: BTreeSet<&str> = holders
        .into_iter()
        .flat_map(|holders| holders.ids.keys())
        .filter(|id| !explained.contains(*id))
        .map(String::as_str)
        .collect();
    if holders.is_some() && strange.is_empty() && status.unmanaged.is_empty() {
        status.unmanaged_holders = Some(0);
        return After::default();
    }
    let (accounts, sights) = known_accounts(&desk, &strange);
    let listed = accounts.iter().map(|account| {
        let shown = Listed {
            key: account.external_id.as_deref(),
            names: &account.names,
        };
        (account.id.as_str(), shown)
    });
    let listed: BTreeMap<&str, Listed<'_>> = listed.collect();
    let old = std::mem::take(&mut status.unmanaged);
    let Next {
        unmanaged,
        count,
        intents,
        unjudged,
    } = {
        let index = context.index.read();
        let Some(content) = index.namespace(namespace) else {
            status.unmanaged = old;
            return After::default();
        };
        let scene = Scene {
            tenant: namespace,
            namespace: content,
            name: &name,
            key: &key,
            seen: holders.map(|holders| Seen {
                ids: &holders.ids,
                at: seen.time,
            }),
            sights: &sights,
            listed: &listed,
            sending: &sending,
            now: context.clock.now(),
        };
        next(&scene, &old, &context.releaser.judge(namespace), &outcomes)
    };
    status.unmanaged_holders = count;
    let people = of_whom(&old, &unmanaged);
    status.unmanaged = unmanaged;
    After {
        intents,
        consumed: outcomes,
        unjudged,
        people,
    }
}

/// Does what follows from a list that is on record.
pub(super) fn follow(context: &Arc<Context>, namespace: &str, entitlement: &Entitlement, after: After) {
    let name = entitlement.metadata.name.clone().unwrap_or_default();
    let target = &entitlement.spec.target_ref.name;
    context
        .desks
        .remove(context, (namespace, target), &name, after.intents, &after.consumed);
    if after.unjudged {
        context.releaser.mark(namespace);
    }
    for person in &after.people {
        context.employees.wake(namespace, person);
    }
}

/// Puts on record, before an Employee's object goes, what the person holds of Authoritative Entitlements: with the object
/// goes the record that explains it, and deleting it takes nothing.
pub async fn leave(context: &Arc<Context>, namespace: &str, person: &Person) -> Result<(), RecordError> {
    let entitlements: Vec<(Arc<Entitlement>, EntitlementStatus)> = {
        let index = context.index.read();
        let Some(content) = index.namespace(namespace) else {
            return Ok(());
        };
        let all = content.entitlements.values().filter_map(Entry::readable);
        let ours = all.filter(|entitlement| {
            let is_going = entitlement.metadata.deletion_timestamp.is_some();
            entitlement.spec.ownership == Ownership::Authoritative && !is_going
        });
        let left = ours.filter_map(|entitlement| {
            let mut status = entitlement.status.clone()?;
            let key = RemoteKey {
                target: entitlement.spec.target_ref.name.clone(),
                object: status.remote.clone()?,
            };
            leave_on(&mut status.unmanaged, &key, person, context.clock.now()).then(|| (entitlement.clone(), status))
        });
        left.collect()
    };
    for (entitlement, status) in entitlements {
        let written = super::write(
            context,
            &entitlement,
            status,
            |entitlement| entitlement.status.as_ref(),
            &[],
        );
        match written.await {
            Err(error) if !is_gone(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn is_gone(error: &RecordError) -> bool {
    matches!(error, RecordError::Api(_, error) if matches!(&**error, kube::Error::Api(status) if status.code == 404))
}

/// What is known of accounts beyond the records: the target's list as far as it speaks of `ids`, and the accounts that
/// were found when those of Employees were looked up.
fn known_accounts(desk: &Desk, ids: &BTreeSet<&str>) -> (Vec<Account>, BTreeMap<String, AccountSight>) {
    let state = desk.state.lock();
    let accounts = state.accounts.iter().flat_map(|listed| listed.shown.accounts());
    let accounts = accounts.filter(|account| ids.contains(account.id.as_str())).cloned();
    let sights = state
        .people
        .iter()
        .filter(|(_, known)| known.sight != AccountSight::Unseen);
    let sights = sights.map(|(name, known)| (name.clone(), known.sight.clone()));
    (accounts.collect(), sights.collect())
}

/// The Employees whose part in a list differs.
fn of_whom(old: &[Unmanaged], new: &[Unmanaged]) -> BTreeSet<String> {
    let part = |list: &[Unmanaged]| -> BTreeSet<(String, String)> {
        let held = list
            .iter()
            .filter(|entry| entry.state != UnmanagedState::Revoked && !entry.employee.is_empty());
        held.map(|entry| (entry.employee.clone(), entry.account_id.clone()))
            .collect()
    };
    let (old, new) = (part(old), part(new));
    old.symmetric_difference(&new)
        .map(|(employee, _)| employee.clone())
        .collect()
}
