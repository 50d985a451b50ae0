//! What others did at the targets: taken in, set right, or left alone and said.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{GrantKey, Planner, grant_key};
use crate::api::conditions::clip;
use crate::api::employee::{AccountRecord, AccountState, EntitlementRecord, GrantState};
use crate::api::target::ManagementPolicy;
use crate::decide::drift::{
    Drift, LOCKED, contended_until, drift, is_account_news, is_news, is_own, is_said_locked, looked_through,
    note_undoing, settles, spelled,
};
use crate::decide::effect::{AccountLook, AccountSight, Intent, Look, RemoteKey};
use crate::decide::losses::{account_name, claimants, is_unwanted, readable_target};
use crate::decide::managed::is_barred;
use crate::decide::protected::{PROTECTED, is_known_protected, is_protected};
use crate::decide::record::forget_loss;
use crate::decide::resolve::Desired;

const GONE: &str = "others removed it at the target";
pub(super) const MISSING: &str =
    "the target has no such object any more: nothing is done until it is back, or the Entitlement stands for another";

impl Planner<'_> {
    /// The look at what a record speaks of, where it is of the same account and nothing of ours came out since.
    fn look(&self, record: &EntitlementRecord) -> Option<&Look> {
        let key = RemoteKey::of(record);
        let outcome = |intent: &Intent| matches!(intent, Intent::Membership { key: about, .. } if *about == key);
        if self.sight.outcomes.iter().any(|(intent, _)| outcome(intent)) {
            return None;
        }
        let named = account_name(self.namespace, self.person, &record.target);
        let through = looked_through(named, self.person, self.sight, &record.target)?;
        (through == record.account_id)
            .then(|| self.sight.holds.get(&key))
            .flatten()
    }

    /// What others did to a grant, as far as the looks tell.
    pub(super) fn drift(&self, record: &EntitlementRecord) -> Option<(Drift, Timestamp)> {
        let look = self.look(record)?;
        Some((drift(record, look)?, look.at))
    }

    /// Whether nobody may touch the person's account at `target`, by all that is known of it.
    pub(super) fn is_protected(&self, target: &str) -> bool {
        if is_known_protected(self.namespace, self.person, target) {
            return true;
        }
        let Some(spec) = readable_target(self.namespace, target).map(|target| &target.spec) else {
            return false;
        };
        let is = |id: &str, names: &std::collections::BTreeSet<String>| {
            is_protected(spec, id, names.iter().map(String::as_str))
        };
        let looked = self
            .sight
            .looks
            .get(target)
            .and_then(|look| Some((&look.id, look.found.as_ref()?)));
        looked.is_some_and(|(id, seen)| is(id, &seen.names))
            || match self.sight.account(target) {
                AccountSight::Present { id, names, .. } => is(id, names),
                AccountSight::Foreign { id, .. } => is(id, &std::collections::BTreeSet::new()),
                _ => false,
            }
    }

    /// Takes in what looks by id say of the accounts on record: gone, under another id, locked, an invitation accepted.
    pub(super) fn follow_accounts(&mut self) {
        for (target, look) in &self.sight.looks {
            let outcome = |intent: &Intent| matches!(intent, Intent::Account { target: about, .. } if about == target);
            let Some(record) = self.accounts.get_mut(target) else {
                continue;
            };
            if !is_account_news(record, look) || self.sight.outcomes.iter().any(|(intent, _)| outcome(intent)) {
                continue;
            }
            match &look.found {
                Some(seen) if seen.invited => {}
                Some(seen) => {
                    if record.state == AccountState::Invited && seen.active {
                        record.state = AccountState::Active;
                    }
                    if seen.active && is_said_locked(record) {
                        record.reason.clear();
                    } else if !seen.active && record.state == AccountState::Active {
                        // It may be locked for a reason that HR knows nothing of.
                        LOCKED.clone_into(&mut record.reason);
                    }
                }
                None => self.follow_gone_account(target, look),
            }
        }
    }

    /// An account that is not there under its id any more is looked for by our key; where that shows another id, it goes on
    /// under that.
    fn follow_gone_account(&mut self, target: &str, look: &AccountLook) {
        match self.sight.account(target) {
            AccountSight::Unseen => {
                self.next.look_up.insert(target.to_owned());
            }
            AccountSight::Present { id, ours: true, .. } if *id != look.id => {
                if let Some(record) = self.accounts.get_mut(target) {
                    record.id.clone_from(id);
                    record.confirmed_at = Some(Time(self.now));
                }
                self.rename_account(target, &look.id, id);
            }
            // One look says this and the other that.
            AccountSight::Present { id, .. } | AccountSight::Foreign { id, .. } if *id == look.id => {}
            AccountSight::Failed(_) | AccountSight::Ambiguous(_) => {}
            AccountSight::Absent | AccountSight::Present { .. } | AccountSight::Foreign { .. } => {
                if let Some(record) = self.accounts.get_mut(target) {
                    record.state = AccountState::Deleted;
                    "others deleted it at the target".clone_into(&mut record.reason);
                }
                for key in self.end_grants_of(target, &look.id) {
                    if let Some(record) = self.grants.get_mut(&key).filter(|record| !record.account_id.is_empty()) {
                        note_undoing(&mut record.undone_at, look.at);
                    }
                }
            }
        }
    }

    /// What the account held under its old id it holds under the new one.
    pub(super) fn rename_account(&mut self, target: &str, old: &str, new: &str) {
        let of_old = |(key, id): &GrantKey| key.target == target && id == old;
        let keys: Vec<GrantKey> = self.grants.keys().filter(|key| of_old(key)).cloned().collect();
        for (key, id) in keys {
            let Some(mut record) = self.grants.remove(&(key.clone(), id)) else {
                continue;
            };
            new.clone_into(&mut record.account_id);
            match self.grants.remove(&grant_key(&record)) {
                // Of two records of one thing that one goes on which says that it is there.
                Some(other) if other.state.may_be_held() && !record.state.may_be_held() => {
                    self.grants.insert((key, new.to_owned()), other);
                }
                Some(other) => {
                    // What the guard counts outlives the record.
                    if record.release.is_none() && !waits_for_verdict(&record) {
                        record.cause = other.cause;
                        record.release = other.release;
                        record.released_at = other.released_at;
                    }
                    self.grants.insert((key, new.to_owned()), record);
                }
                None => {
                    self.grants.insert((key, new.to_owned()), record);
                }
            }
        }
    }

    /// Takes in what the looks say of what is on record: invitations accepted, what was given back, and what others took
    /// that the person is not to have anyway.
    pub(super) fn take_in_looks(&mut self) {
        let keys: Vec<GrantKey> = self.grants.keys().cloned().collect();
        for key in keys {
            let Some(mut record) = self.grants.remove(&key) else {
                continue;
            };
            self.take_in_look(&mut record);
            self.grants.insert(key, record);
        }
    }

    fn take_in_look(&self, record: &mut EntitlementRecord) {
        let key = RemoteKey::of(record);
        let there = record.state.may_be_held() && record.state != GrantState::Revoking;
        if there && self.sight.missing.contains(&key) {
            MISSING.clone_into(&mut record.reason);
        }
        let Some(look) = self.look(record) else { return };
        if record.reason == MISSING {
            record.reason.clear();
        }
        match (record.state, &look.holding) {
            (GrantState::Invited, Some(holding)) if !holding.invited && is_news(record, look) => {
                record.state = GrantState::Granted;
            }
            // It was done after all. No look from before what was sent is kept, so that this one came after it.
            (GrantState::Unknown, Some(holding)) if settles(record, holding) => {
                record.state = if holding.invited {
                    GrantState::Invited
                } else {
                    GrantState::Granted
                };
                record.granted_at = Some(Time(look.at));
                record.applied_parameters.clone_from(&record.desired_parameters);
                record.applied_parameters.extend(holding.parameters.clone());
                if !holding.grant_id.is_empty() {
                    record.grant_id.clone_from(&holding.grant_id);
                }
                record.reason.clear();
                record.last_error.clear();
            }
            (GrantState::Contended, Some(holding)) if is_news(record, look) => {
                let is_applied = |(name, value): (&String, &String)| {
                    let shown = holding.parameters.get(name);
                    !record.desired_parameters.contains_key(name) || shown.is_none_or(|shown| shown == value)
                };
                if record.applied_parameters.iter().all(is_applied) {
                    record.state = GrantState::Granted;
                    record.granted_at.get_or_insert(Time(look.at));
                    record.reason.clear();
                }
            }
            _ => {}
        }
        let desired = self.resolution.desired.contains_key(&key);
        if self.resolution.ending.is_some() || self.is_protected(&record.target) {
            return;
        }
        match drift(record, look) {
            // A look may hide who holds something, and this one was not asked for by a removal: it is lost as anything is, and
            // the removal is sent and read back.
            Some(Drift::Gone) if is_unwanted(self.namespace, self.person, self.resolution, record) => {}
            Some(Drift::Gone) if !desired => {
                record.reason = format!("{GONE}; whether it is to be granted again cannot be told");
            }
            None if record.reason.starts_with(GONE) && look.holding.is_some() && is_news(record, look) => {
                record.reason.clear();
            }
            _ => {}
        }
    }

    /// Sets right what others did to a grant that the person should have, unless they keep doing it. Returns whether it
    /// must not be granted again now.
    pub(super) fn set_right(&mut self, key: &RemoteKey, desired: &Desired, record: &mut EntitlementRecord) {
        let Some((found, at)) = self.drift(record) else { return };
        let look = self.look(record).cloned();
        let verb = match found {
            Drift::Gone => ManagementPolicy::Grant,
            Drift::Changed(_) => ManagementPolicy::Update,
        };
        let what = match &found {
            Drift::Gone => GONE.to_owned(),
            Drift::Changed(names) => format!("others changed {} at the target", names.join(", ")),
        };
        if is_barred(self.namespace, &record.target, verb) {
            let why = format!("{what}; left so, since managementPolicies of the TargetSystem lacks {verb:?}");
            clip(&why, 256).clone_into(&mut record.reason);
            return;
        }
        note_undoing(&mut record.undone_at, at);
        if found == Drift::Gone {
            record.granted_at = None;
            // What was made for the grant is gone with it.
            record.grant_id.clear();
        }
        if contended_until(&record.undone_at, self.now).is_some() {
            self.contend(record);
        } else if let (Drift::Changed(names), Some(look)) = (&found, look)
            && self.take_in_more(record, &look, names)
        {
            record.reason = format!("{}; setting it back is judged first", clip(&what, 220));
        } else if found != Drift::Gone {
            record.state = GrantState::Updating;
            record.reason = format!("{}; set back", clip(&what, 240));
        } else if let Some(why) = self.resolution.blocked.get(key) {
            record.state = GrantState::Pending;
            forget_loss(record);
            let why = format!("{what}; not granted again: {why}");
            clip(&why, 256).clone_into(&mut record.reason);
        } else {
            record.desired_parameters.clone_from(&desired.parameters);
            self.begin(key, record);
            record.reason = format!("{what}; granted again");
        }
    }

    /// Leaves a grant alone that others keep undoing. Returns whether that is so.
    pub(super) fn contend(&self, record: &mut EntitlementRecord) -> bool {
        let Some(until) = contended_until(&record.undone_at, self.now) else {
            return false;
        };
        if record.state != GrantState::Contended {
            forget_loss(record);
            record.state = GrantState::Contended;
        }
        let until = spelled(until);
        record.reason = format!("others undid it at the target three times within a day: left alone until {until}");
        true
    }

    /// Says of what is kept at a protected account that it is, and takes that back where the account is protected no more.
    pub(super) fn say_protected(&mut self) {
        let targets: Vec<String> = {
            let of_grants = self.grants.keys().map(|(key, _)| key.target.clone());
            of_grants.chain(self.accounts.keys().cloned()).collect()
        };
        let protected: std::collections::BTreeSet<String> =
            targets.into_iter().filter(|target| self.is_protected(target)).collect();
        let say = |reason: &mut String, there: bool| {
            if there {
                PROTECTED.clone_into(reason);
            } else if reason == PROTECTED {
                reason.clear();
            }
        };
        for record in self.grants.values_mut() {
            if matches!(record.state, GrantState::Pending | GrantState::Revoked) {
                continue;
            }
            let unwanted = is_unwanted(self.namespace, self.person, self.resolution, record);
            say(&mut record.reason, unwanted && protected.contains(&record.target));
        }
        for record in self.accounts.values_mut().filter(|record| is_own(record)) {
            let ends = self.resolution.ending.is_some() && record.state != AccountState::Deleted;
            say(&mut record.reason, ends && protected.contains(&record.target));
        }
    }

    /// Whether others claim the account and the loss waits until that is resolved: neither an exit nor a denial does.
    pub(super) fn is_claimed(&self, target: &str, account_id: &str, key: Option<&RemoteKey>) -> bool {
        let denied = key.is_some_and(|key| self.resolution.denied.contains_key(key));
        self.resolution.ending.is_none()
            && !denied
            && !claimants(self.namespace, self.person, target, account_id).is_empty()
    }

    /// Drops claims to accounts at targets where nothing is wanted any more.
    pub(super) fn drop_claims(&mut self) {
        let wanted = |target: &str| {
            self.resolution.ending.is_none() && self.resolution.desired.keys().any(|key| key.target == target)
        };
        self.accounts
            .retain(|target, record| record.state != AccountState::Pending || wanted(target) || counts(record));
        for (_, record) in self.accounts.iter_mut().filter(|(target, _)| !wanted(target)) {
            if record.state == AccountState::Pending {
                record.state = AccountState::Deleted;
                record.id.clear();
            }
        }
    }
}

/// Whether the guard counts something by the record.
fn counts(record: &AccountRecord) -> bool {
    record.release.is_some() || record.deletion.is_some()
}

fn waits_for_verdict(record: &EntitlementRecord) -> bool {
    crate::decide::record::waits(&record.change_set, &record.approval)
}
