//! What entitlements stand for, and the regular look at everything.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::connection::Connection;
use super::look_ups::Listed;
use super::looks::Places;
use super::{Halt, MISSING_AGAIN, ROUND, Writer, is_whole};
use crate::api::TargetSystem;
use crate::api::entitlement::{EntitlementSpec, Ownership, RemoteObject, UnmanagedState};
use crate::api::target::ManagementPolicy;
use crate::controllers::desk::{DeskState, Place, Resolved};
use crate::decide::effect::RemoteKey;
use crate::decide::index::Entry;
use crate::decide::losses::{Named, account_name};
use crate::decide::managed::may;
use crate::targets::{Found, Looks};

/// What is still to be looked at of everything.
pub(super) struct Unread {
    /// When that began.
    began: Instant,
    /// Accounts, by id, where the target does not list them.
    accounts: BTreeSet<String>,
    /// Who holds what.
    places: Places,
}

impl Unread {
    fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.places.is_empty()
    }
}

impl Writer {
    /// Finds what entitlements stand for: new ones, changed ones, and again those that were not found.
    pub(super) async fn resolve(&self, connection: &Connection, spec: &TargetSystem) -> Result<(), Halt> {
        let may_make = may(&spec.spec, ManagementPolicy::Grant);
        let now = Instant::now();
        let wanted: Vec<_> = {
            let index = self.context.index.read();
            let state = self.desk.state.lock();
            let entitlements = index
                .namespace(&self.desk.namespace)
                .map(|content| &content.entitlements);
            entitlements
                .into_iter()
                .flatten()
                .filter_map(|(name, entry)| Some((name.clone(), entry.readable()?.clone())))
                .filter(|(_, entitlement)| entitlement.spec.target_ref.name == self.desk.target)
                .filter(|(name, entitlement)| {
                    state.resolved.get(name).is_none_or(|resolved| {
                        resolved.generation != entitlement.metadata.generation || resolved.again <= now
                    })
                })
                .collect()
        };
        for (name, entitlement) in wanted {
            let found = connection.read(|target| target.find_object(&entitlement.spec)).await;
            let found = match found {
                Ok(Found::None) if may_make && is_to_be_made(&entitlement.spec) => connection
                    .once(|target| target.create_object(&entitlement.spec))
                    .await
                    .map(Found::One),
                found => found,
            };
            let found = match found {
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                other => other.map_err(|error| format!("target {} {error}", self.desk.target)),
            };
            let again = match &found {
                Ok(Found::One(_)) => now + Duration::from_hours(24),
                _ => now + MISSING_AGAIN,
            };
            let resolved = Resolved {
                generation: entitlement.metadata.generation,
                found,
                again,
            };
            self.desk.state.lock().resolved.insert(name.clone(), resolved);
            self.context.entitlements.wake(&self.desk.namespace, &name);
        }
        Ok(())
    }

    /// Begins a look at everything: one list of the accounts, and then every place that shows who holds what.
    pub(super) async fn begin_resync(&self, connection: &Connection) -> Result<(), Halt> {
        let began = Instant::now();
        let accounts = match self.list(connection).await? {
            Listed::Never => {
                let ids = self.accounts_on_record();
                self.desk.state.lock().read.retain(|id, _| ids.contains(id));
                ids
            }
            Listed::All(_) | Listed::Failed => BTreeSet::new(),
        };
        let places = self.everywhere(connection);
        *self.unread.lock() = Some(Unread {
            began,
            accounts,
            places,
        });
        Ok(())
    }

    /// Looks at some more of what is still to be looked at, so that others are not kept waiting by all of it.
    pub(super) async fn go_on_with_resync(&self, connection: &Connection) -> Result<(), Halt> {
        let (accounts, some) = {
            let mut unread = self.unread.lock();
            let Some(unread) = unread.as_mut() else { return Ok(()) };
            let mut accounts = Vec::new();
            while accounts.len() < ROUND
                && let Some(id) = unread.accounts.pop_first()
            {
                accounts.push(id);
            }
            let mut some = Places::new();
            while accounts.len() + some.len() < ROUND
                && let Some((place, grant_id)) = unread.places.pop_first()
            {
                some.insert(place, grant_id);
            }
            (accounts, some)
        };
        if let Err(halt) = self.read_accounts(connection, accounts.clone()).await {
            if let Some(unread) = self.unread.lock().as_mut() {
                unread.accounts.extend(accounts);
                unread.places.extend(some);
            }
            return Err(halt);
        }
        match self.look_at_all(connection, &some).await {
            Ok(seen) => {
                for error in seen.values().filter_map(|shown| shown.as_ref().err()) {
                    tracing::warn!(target = self.desk.target, %error, "holders could not be read");
                }
            }
            Err(halt) => {
                if let Some(unread) = self.unread.lock().as_mut() {
                    unread.places.extend(some);
                }
                return Err(halt);
            }
        }
        let over = self.unread.lock().take_if(|unread| unread.is_empty());
        if let Some(unread) = over {
            self.end_resync(unread.began);
        }
        Ok(())
    }

    /// The ids of the accounts on record.
    pub(super) fn accounts_on_record(&self) -> BTreeSet<String> {
        let index = self.context.index.read();
        let people = index.namespace(&self.desk.namespace).map(|content| &content.employees);
        let people = people.into_iter().flat_map(|people| people.values().map(AsRef::as_ref));
        DeskState::on_record(&self.desk.target, people)
    }

    /// Every place to look at: what entitlements stand for, what was looked at before, and what is on record.
    fn everywhere(&self, connection: &Connection) -> Places {
        let mut places = Places::new();
        let mut objects: BTreeSet<RemoteObject> = BTreeSet::new();
        {
            let state = self.desk.state.lock();
            let found = state.resolved.values().filter_map(|resolved| match &resolved.found {
                Ok(Found::One(object)) => Some(object.clone()),
                _ => None,
            });
            objects.extend(found);
            objects.extend(state.looks.holders.keys().cloned());
        }
        for object in &objects {
            let looks = connection.target.looks(&object.kind);
            if matches!(looks, Looks::Object | Looks::Kind) {
                places.insert(Place::of(looks, object, ""), String::new());
            }
        }
        places.extend(
            self.by_account(connection)
                .into_iter()
                .map(|place| (place, String::new())),
        );
        let index = self.context.index.read();
        let people = index.namespace(&self.desk.namespace).map(|content| &content.employees);
        for person in people.into_iter().flat_map(|people| people.values()) {
            for record in &person.status.entitlements {
                if record.target == self.desk.target && record.state.may_be_held() && !record.account_id.is_empty() {
                    let object = RemoteKey::of(record).object;
                    let looks = connection.target.looks(&object.kind);
                    if matches!(looks, Looks::Account | Looks::One) {
                        let place = Place::of(looks, &object, &record.account_id);
                        places.insert(place, record.grant_id.clone());
                    }
                }
            }
        }
        places
    }

    /// The places that show what others gave where it is seen account by account: what each account holds that is known to be
    /// an Employee's or is on an Entitlement's list. What strangers hold takes a call for each of them, and is looked at only
    /// where it may be taken.
    fn by_account(&self, connection: &Connection) -> BTreeSet<Place> {
        let known = self.accounts_on_record();
        let index = self.context.index.read();
        let Some(content) = index.namespace(&self.desk.namespace) else {
            return BTreeSet::new();
        };
        let names =
            content
                .employees
                .values()
                .filter_map(|person| match account_name(content, person, &self.desk.target) {
                    Named::By(name) => Some(name),
                    _ => None,
                });
        let known: BTreeSet<String> = known.into_iter().chain(names).collect();
        let state = self.desk.state.lock();
        let mut places = BTreeSet::new();
        for (name, resolved) in &state.resolved {
            let Ok(Found::One(object)) = &resolved.found else {
                continue;
            };
            if connection.target.looks(&object.kind) != Looks::Account {
                continue;
            }
            let mut accounts = known.clone();
            let entitlement = content.entitlements.get(name).and_then(Entry::readable);
            if let Some(entitlement) = entitlement {
                let listed = entitlement.status.iter().flat_map(|status| &status.unmanaged);
                let listed = listed.filter(|entry| entry.state != UnmanagedState::Revoked);
                accounts.extend(listed.map(|entry| entry.account_id.clone()));
            }
            if entitlement.is_some_and(|entitlement| entitlement.spec.ownership == Ownership::Authoritative) {
                let strangers = state.accounts.iter().flat_map(|seen| seen.shown.accounts());
                accounts.extend(strangers.map(|account| account.id.clone()));
            }
            let of = |account| Place::Account(object.kind.clone(), account);
            places.extend(accounts.into_iter().map(of));
        }
        places
    }

    fn end_resync(&self, began: Instant) {
        let names: Vec<String> = {
            let mut state = self.desk.state.lock();
            state.looks.whole_since = Some(began);
            state.health.last_resync = Some(Timestamp::now());
            state.resolved.keys().cloned().collect()
        };
        for name in &names {
            self.context.entitlements.wake(&self.desk.namespace, name);
        }
        self.context.targets.wake(&self.desk.namespace, &self.desk.target);
        for name in self.stirred() {
            self.context.employees.wake(&self.desk.namespace, &name);
        }
    }

    /// Of whom something was seen that the record does not say.
    fn stirred(&self) -> Vec<String> {
        let index = self.context.index.read();
        let people = index.namespace(&self.desk.namespace).map(|content| &content.employees);
        let people = people.into_iter().flat_map(|people| people.values());
        let state = self.desk.state.lock();
        let stirred = people.filter(|person| state.is_stirred(&self.desk.target, person));
        stirred.map(|person| person.name.clone()).collect()
    }
}

/// Whether what an entitlement stands for is made where it is not there.
fn is_to_be_made(entitlement: &EntitlementSpec) -> bool {
    entitlement.scim_group.as_ref().is_some_and(|group| group.create)
}
