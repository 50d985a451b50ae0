//! What entitlements stand for, and everybody who holds them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Connection, Halt, MISSING_AGAIN, Writer, is_whole};
use crate::api::entitlement::RemoteObject;
use crate::controllers::desk::{Listed, Resolved};
use crate::targets::Found;

impl Writer {
    /// Finds what entitlements stand for: new ones, changed ones, and again those that were not found.
    pub(super) async fn resolve(&self, connection: &Connection) -> Result<(), Halt> {
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
            let found = match connection.target.find_object(&entitlement.spec).await {
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

    /// Reads the holders of every object that an entitlement stands for, once for everybody.
    pub(super) async fn resync(&self, connection: &Connection) -> Result<(), Halt> {
        let objects: BTreeSet<RemoteObject> = {
            let state = self.desk.state.lock();
            let found = state.resolved.values().filter_map(|resolved| match &resolved.found {
                Ok(Found::One(object)) => Some(object.clone()),
                _ => None,
            });
            found.chain(state.holders.keys().cloned()).collect()
        };
        for object in objects {
            match self.read(connection, &object).await {
                Ok(_) => {}
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                Err(error) => tracing::warn!(target = self.desk.target, %error, "holders could not be read"),
            }
        }
        match connection.target.accounts().await {
            Ok(accounts) => {
                let at = Timestamp::now();
                self.desk.state.lock().accounts = accounts.map(|accounts| Listed { accounts, at });
            }
            Err(error) if is_whole(&error) => return Err(Halt(error)),
            Err(error) => tracing::warn!(target = self.desk.target, %error, "accounts could not be listed"),
        }
        let names: Vec<String> = {
            let mut state = self.desk.state.lock();
            state.health.last_resync = Some(Timestamp::now());
            state.resolved.keys().cloned().collect()
        };
        for name in &names {
            self.context.entitlements.wake(&self.desk.namespace, name);
        }
        self.context.targets.wake(&self.desk.namespace, &self.desk.target);
        Ok(())
    }
}
