//! Parameters that a grant should have and has not, and what `managementPolicies` of a target leaves undone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{GrantKey, Planner};
use crate::api::conditions::clip;
use crate::api::employee::{AccountState, EntitlementRecord, GrantState};
use crate::api::target::{AccountAction, ManagementPolicy};
use crate::decide::drift::{Drift, is_own};
use crate::decide::effect::{Look, RemoteKey};
use crate::decide::losses::{account_end, is_unwanted, readable_target};
use crate::decide::managed::{is_barred, lacks};
use crate::decide::parameters::{Values, change, schema};
use crate::decide::record::change_grant;
use crate::decide::resolve::Desired;

/// How a record says that something which should go stays for want of a verb; [`left_for`] is the whole of it.
pub(super) const LEFT: &str = "is to go, and is left: ";
/// How a record says that a change is not sent for want of a verb.
const NOT_SENT: &str = "not changed: ";

impl Planner<'_> {
    /// Wants a grant to have the parameters that policies ask for. What takes nothing away is begun; what does was judged
    /// already, or waits for that. Returns whether it waits for a verdict.
    pub(super) fn want_parameters(
        &mut self,
        record: &mut EntitlementRecord,
        desired: &Desired,
        is_usable: bool,
    ) -> bool {
        let ask = &desired.parameters;
        match record.state {
            // Nothing is there that would be kept.
            GrantState::Pending | GrantState::Revoked | GrantState::Revoking => {
                record.desired_parameters.clone_from(ask);
                return false;
            }
            GrantState::Failed | GrantState::NoSeat if record.granted_at.is_none() => {
                // What the target did not take may be taken now.
                if is_usable && record.desired_parameters != *ask {
                    self.name_anew(&RemoteKey::of(record), record);
                    record.desired_parameters.clone_from(ask);
                    record.state = GrantState::Granting;
                }
                return false;
            }
            // What was sent is heard of first: the same operation is not sent with something else.
            GrantState::Granting | GrantState::Unknown | GrantState::Contended => return false,
            _ => {}
        }
        if record.reason.starts_with(NOT_SENT) {
            record.reason.clear();
        }
        if self.resolution.blocked.contains_key(&RemoteKey::of(record)) {
            return false;
        }
        let Some(change) = change(self.namespace, record, desired) else {
            record.desired_parameters.clone_from(ask);
            return false;
        };
        if let Some(target) = readable_target(self.namespace, &record.target)
            && is_barred(self.namespace, &record.target, ManagementPolicy::Update)
        {
            let why = lacks(&target.spec, &record.target, ManagementPolicy::Update);
            let words = format!("{NOT_SENT}{why}; it would be {}", change.text);
            clip(&words, 256).clone_into(&mut record.reason);
            return false;
        }
        if change.is_loss {
            return record.parameter_change != change.text;
        }
        change_grant(record, &change.text, ask);
        false
    }

    /// Takes in what others made of a grant's parameters where setting it back takes access away: that is judged first.
    /// Returns whether it is so.
    pub(super) fn take_in_more(&mut self, record: &mut EntitlementRecord, look: &Look, names: &[String]) -> bool {
        let Some(shown) = look.holding.as_ref().map(|holding| &holding.parameters) else {
            return false;
        };
        let shown: Values = shown
            .iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let schema = schema(self.namespace, &record.entitlement);
        if !schema.is_ok_and(|schema| schema.takes(&shown, &record.desired_parameters)) {
            return false;
        }
        record.applied_parameters.extend(shown);
        self.next.unjudged = true;
        true
    }

    /// The same of the last look, for a grant that was left alone for a while.
    pub(super) fn takes_in_more(&mut self, key: &RemoteKey, record: &mut EntitlementRecord) -> bool {
        let names: Vec<String> = record.desired_parameters.keys().cloned().collect();
        let look = self.sight.holds.get(key);
        look.is_some_and(|look| self.take_in_more(record, look, &names))
    }

    /// What should go and stays for want of a verb is gone once a look shows that somebody took it away by hand. No removal of ours
    /// could read it back.
    pub(super) fn settle_left(&mut self) {
        let is_left = |record: &EntitlementRecord| {
            is_barred(self.namespace, &record.target, ManagementPolicy::Revoke)
                && is_unwanted(self.namespace, self.person, self.resolution, record)
                && matches!(self.drift(record), Some((Drift::Gone, _)))
        };
        let gone: Vec<GrantKey> = self
            .grants
            .iter()
            .filter(|(_, record)| record.scheduled_at.is_none() && is_left(record))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            if let Some(record) = self.grants.get_mut(&key) {
                record.state = GrantState::Revoked;
                record.revoked_at = Some(Time(self.now));
                "somebody took it away at the target".clone_into(&mut record.reason);
            }
        }
    }

    /// Says of what should go and stays for want of a verb that it does, and takes that back where it is so no more.
    pub(super) fn say_left(&mut self) {
        let words = |target: &str, verb| {
            let spec = &readable_target(self.namespace, target)?.spec;
            is_barred(self.namespace, target, verb).then(|| left_for(&lacks(spec, target, verb)))
        };
        let keys: Vec<GrantKey> = self.grants.keys().cloned().collect();
        for key in keys {
            let Some(record) = self.grants.get_mut(&key) else {
                continue;
            };
            let there = record.state.may_be_held() && record.state != GrantState::Revoking;
            let unwanted = there
                && record.scheduled_at.is_none()
                && is_unwanted(self.namespace, self.person, self.resolution, record);
            let said = words(&record.target, ManagementPolicy::Revoke).filter(|_| unwanted);
            say(&mut record.reason, said);
        }
        for record in self.accounts.values_mut().filter(|record| is_own(record)) {
            let ends = account_end(self.namespace, self.resolution, &record.target);
            let ends = ends.is_some_and(|end| end.action != AccountAction::Keep);
            let live = !matches!(
                record.state,
                AccountState::Deactivating | AccountState::Deactivated | AccountState::Deleting | AccountState::Deleted
            );
            let said = words(&record.target, ManagementPolicy::Deactivate);
            say(
                &mut record.reason,
                said.filter(|_| ends && live && self.resolution.ending.is_some()),
            );
        }
    }
}

fn left_for(why: &str) -> String {
    clip(
        &format!("{LEFT}{why}: take it away there by hand, or add the verb"),
        256,
    )
    .to_owned()
}

fn say(reason: &mut String, words: Option<String>) {
    match words {
        Some(words) => *reason = words,
        None if reason.starts_with(LEFT) => reason.clear(),
        None => {}
    }
}
