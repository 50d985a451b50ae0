//! What a person should have and does not: an account first, then a place among the holders.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Planner, RECORDS_MAX, grant_key};
use crate::api::conditions::clip;
use crate::api::employee::{AccountRecord, AccountState, EntitlementRecord, GrantState, Origin, Release};
use crate::api::entitlement::RemoteObject;
use crate::api::target::{AccountSpec, Adopt};
use crate::decide::definition::account_digest;
use crate::decide::effect::{AccountSight, RemoteKey, operation_id};
use crate::decide::guard::{Admission, GainId};
use crate::decide::losses::{Named, account_left_behind, account_name, account_of_another, readable_target};
use crate::decide::record::{forget_loss, leave_for_good, start_over};
use crate::decide::resolve::Desired;

/// The most grantors that the CRD lets a record have.
const GRANTORS_MAX: usize = 64;

/// Whether the person can be granted things at a target.
enum Usable {
    /// With this account id; `fresh` where the account is only being made, so that it holds nothing yet.
    Yes { account_id: String, fresh: bool },
    /// Not before a person mends something.
    No(String),
    /// Not before the account was looked up.
    NotKnown,
}

/// Whether the target was read back and there was no account: what is there by now, if anything, was made by others.
fn is_gone(record: &AccountRecord) -> bool {
    match record.state {
        AccountState::Deleted => true,
        AccountState::Deactivated => record.id.is_empty(),
        _ => false,
    }
}

fn belongs_to(other: &str) -> String {
    format!(
        "the account that matches belongs to Employee {other}: an account belongs to one person, so tell the two apart by \
         workEmail or username"
    )
}

impl Planner<'_> {
    pub(super) fn give(&mut self) {
        let mut by_target: BTreeMap<&str, Vec<(&RemoteKey, &Desired)>> = BTreeMap::new();
        for (key, desired) in &self.resolution.desired {
            by_target.entry(&key.target).or_default().push((key, desired));
        }
        for (target, wanted) in by_target {
            let Some(spec) = readable_target(self.namespace, target).map(|target| &target.spec) else {
                continue;
            };
            // No account is made for the sake of what must not be begun.
            let may_begin = wanted.iter().any(|(key, _)| self.may_begin(key));
            let usable = match account_name(self.namespace, self.person, target) {
                _ if !may_begin => Usable::NotKnown,
                Named::By(name) => Usable::Yes {
                    account_id: name,
                    fresh: false,
                },
                Named::Nothing => {
                    Usable::No("the person lacks the attribute that names subjects at this target".to_owned())
                }
                Named::Account => {
                    let settings = spec.account.clone().unwrap_or_default();
                    self.want_account(target, spec.adopt, &settings)
                }
            };
            for (key, desired) in wanted {
                self.want_grant(key, desired, &usable, spec.adopt);
            }
        }
    }

    /// Whether what is desired of `key` may be done: it is not blocked, or is held already.
    fn may_begin(&self, key: &RemoteKey) -> bool {
        let held = |record: &EntitlementRecord| record.state.may_be_held() && record.state != GrantState::Revoking;
        !self.resolution.blocked.contains_key(key)
            || self
                .grants
                .iter()
                .any(|((known, _), record)| known == key && held(record))
    }

    /// Wants a usable account at `target`.
    fn want_account(&mut self, target: &str, adopt: Adopt, settings: &AccountSpec) -> Usable {
        let key = RemoteKey {
            target: target.to_owned(),
            object: RemoteObject {
                kind: "Account".into(),
                id: String::new(),
            },
        };
        let operation = operation_id(&self.person.uid, &key, self.person.spec.start_date.as_deref());
        let digest = account_digest(self.namespace, self.person, target);
        if let Some(record) = self.accounts.get_mut(target) {
            match record.state {
                AccountState::Pending => {
                    self.accounts.remove(target);
                }
                // None could be made since one is there: it is judged as any that is found.
                AccountState::Failed
                    if record.id.is_empty()
                        && matches!(
                            self.sight.account(target),
                            AccountSight::Present { .. } | AccountSight::Foreign { .. }
                        ) =>
                {
                    self.accounts.remove(target);
                }
                AccountState::Deactivating | AccountState::Deactivated | AccountState::Deleting
                    if !record.id.is_empty() =>
                {
                    record.state = AccountState::Activating;
                    start_over(record, &operation);
                }
                AccountState::Deactivating | AccountState::Deleting => {
                    record.state = AccountState::Creating;
                    record.id.clear();
                    start_over(record, &operation);
                }
                AccountState::Active
                    if record.origin == Origin::Operator
                        && digest
                            .as_ref()
                            .is_some_and(|digest| record.applied_attributes != *digest) =>
                {
                    record.state = AccountState::Updating;
                }
                _ => {}
            }
        }
        let gone = self.accounts.get(target).filter(|record| is_gone(record));
        if let Some(record) = self.accounts.get(target).filter(|record| !is_gone(record)) {
            return match record.state {
                AccountState::Failed => Usable::No("its account could not be made".to_owned()),
                AccountState::Unknown => Usable::No("whether its account was made is not known".to_owned()),
                _ => Usable::Yes {
                    account_id: record.id.clone(),
                    fresh: record.id.is_empty(),
                },
            };
        }
        let mut record = AccountRecord {
            target: target.to_owned(),
            operation_id: operation,
            state: AccountState::Creating,
            ..AccountRecord::default()
        };
        // What the guard counts outlives the account.
        if let Some(gone) = gone.filter(|gone| gone.release == Some(Release::Budget)) {
            record.cause = gone.cause;
            record.release = gone.release;
            record.released_at.clone_from(&gone.released_at);
        }
        let deletion = gone.and_then(|gone| gone.deletion.clone());
        record.deletion = deletion.filter(|deletion| deletion.release == Some(Release::Budget));
        let seen = match self.sight.account(target) {
            AccountSight::Foreign { id, .. } | AccountSight::Present { id, ours: false, .. } => Some(id),
            _ => None,
        };
        let left_behind = seen.and_then(|id| account_left_behind(self.namespace, self.person, target, id, self.now));
        match self.sight.account(target) {
            // A rehire in a new row: the account of the old one, with the key and the attributes of the new.
            _ if let Some((owner, old)) = left_behind => {
                record.id.clone_from(&old.id);
                record.state = AccountState::Activating;
                record.origin = old.origin;
                record.reason = format!("was the account of Employee {owner}, who left");
            }
            AccountSight::Unseen => {
                self.next.look_up.insert(target.to_owned());
                return Usable::NotKnown;
            }
            AccountSight::Failed(why) | AccountSight::Ambiguous(why) => return Usable::No(why.clone()),
            AccountSight::Foreign { id, why } => {
                let other = account_of_another(self.namespace, self.person, target, id);
                return Usable::No(other.map_or_else(|| why.clone(), belongs_to));
            }
            AccountSight::Absent if settings.create => {}
            AccountSight::Absent => {
                return Usable::No("there is no account, and account.create is false".to_owned());
            }
            AccountSight::Present { id, active, ours: true } => {
                // The record was lost, the effect was not.
                record.id.clone_from(id);
                record.state = if *active {
                    AccountState::Active
                } else {
                    AccountState::Activating
                };
                if *active {
                    record.applied_attributes = digest.unwrap_or_default();
                }
            }
            AccountSight::Present { .. } if adopt == Adopt::Never => {
                return Usable::No("an account is there that Rollcall did not make, and adopt is Never".to_owned());
            }
            AccountSight::Present { active: false, .. } => {
                return Usable::No("an account is there that somebody else deactivated: activate it there".to_owned());
            }
            AccountSight::Present { id, .. } => {
                if let Some(other) = account_of_another(self.namespace, self.person, target, id) {
                    return Usable::No(belongs_to(other));
                }
                record.id.clone_from(id);
                record.state = AccountState::Active;
                record.origin = Origin::Adopted;
            }
        }
        let usable = Usable::Yes {
            account_id: record.id.clone(),
            fresh: record.id.is_empty(),
        };
        self.accounts.insert(target.to_owned(), record);
        usable
    }

    /// What may become of a gain; where the target has no ceiling on grants, it goes ahead.
    fn admission(&self, key: &RemoteKey) -> Admission {
        let target = readable_target(self.namespace, &key.target);
        if target.is_none_or(|target| target.spec.guard.grants.is_none()) {
            return Admission::Free;
        }
        self.judge.gain(&GainId {
            employee: self.person.name.clone(),
            key: key.clone(),
        })
    }

    /// Who gives it: those that do now, and those that gave it before and cannot be told about, since they have not
    /// withdrawn it (I8).
    fn grantors(&self, record: &EntitlementRecord, desired: &Desired) -> Vec<String> {
        let unclear = |grantor: &&String| self.resolution.undecided_grantors.contains_key(*grantor);
        let before = record
            .grantors
            .iter()
            .filter(|_| record.state.may_be_held())
            .filter(unclear);
        let all: BTreeSet<&String> = desired.grantors.iter().chain(before).collect();
        all.into_iter().take(GRANTORS_MAX).cloned().collect()
    }

    fn want_grant(&mut self, key: &RemoteKey, desired: &Desired, usable: &Usable, adopt: Adopt) {
        let account_id = match usable {
            Usable::Yes { account_id, .. } => account_id.clone(),
            _ => String::new(),
        };
        // A record from before the account had an id, or of an account that was made anew.
        let existing = self
            .grants
            .keys()
            .find(|(k, id)| k == key && *id == account_id)
            .or_else(|| {
                self.grants
                    .keys()
                    .find(|(k, id)| k == key && (id.is_empty() || account_id.is_empty()))
            })
            .cloned();
        let mut record = existing
            .and_then(|k| self.grants.remove(&k))
            .unwrap_or_else(|| EntitlementRecord {
                target: key.target.clone(),
                kind: key.object.kind.clone(),
                remote_id: key.object.id.clone(),
                ..EntitlementRecord::default()
            });
        if let Some(why) = self.resolution.blocked.get(key)
            && matches!(
                record.state,
                GrantState::Pending | GrantState::Revoked | GrantState::Revoking
            )
        {
            // What is on its way out goes on, and is not begun anew.
            if record.state != GrantState::Revoking {
                record.state = GrantState::Pending;
                record.entitlement.clone_from(&desired.entitlement);
                record.grantors.clone_from(&desired.grantors);
                forget_loss(&mut record);
                clip(why, 256).clone_into(&mut record.reason);
            }
            if self.grants.len() < RECORDS_MAX {
                self.grants.insert(grant_key(&record), record);
            }
            return;
        }
        leave_for_good(&mut record);
        record.entitlement.clone_from(&desired.entitlement);
        record.grantors = self.grantors(&record, desired);
        record.desired_parameters.clone_from(&desired.parameters);
        let begin = |record: &mut EntitlementRecord| {
            record.operation_id = operation_id(&self.person.uid, key, self.person.spec.start_date.as_deref());
            record.state = GrantState::Granting;
            record.origin = Origin::Operator;
            forget_loss(record);
        };
        match (record.state, usable) {
            (GrantState::Pending | GrantState::Revoked, Usable::NotKnown)
                // Said again once the account was looked up; nothing to record until then.
                if record.state == GrantState::Pending && record.reason.is_empty() => {
                    return;
                }
            (GrantState::Pending | GrantState::Revoked, Usable::No(why)) => {
                record.state = GrantState::Pending;
                forget_loss(&mut record);
                clip(why, 256).clone_into(&mut record.reason);
            }
            (GrantState::Pending | GrantState::Revoked, Usable::Yes { account_id, fresh }) => {
                record.account_id.clone_from(account_id);
                match if *fresh {
                    Some(false)
                } else {
                    self.sight.holds(key)
                } {
                    None => {
                        self.next.look_at.insert(key.clone());
                        if record.revoked_at.is_none() && record.reason.is_empty() {
                            return;
                        }
                    }
                    Some(false) => match self.admission(key) {
                        Admission::Free => begin(&mut record),
                        Admission::Approved { change_set, approval } => {
                            begin(&mut record);
                            record.change_set = change_set;
                            record.approval = approval;
                        }
                        Admission::Held { change_set, reason } => {
                            record.state = GrantState::Pending;
                            forget_loss(&mut record);
                            record.change_set = change_set;
                            clip(&reason, 256).clone_into(&mut record.reason);
                        }
                        Admission::Wait => {
                            self.next.unjudged = true;
                            if record.state == GrantState::Pending && record.change_set.is_empty() {
                                // Whatever stood in the way is gone: it is counted among what is about to be granted.
                                record.reason.clear();
                            }
                        }
                    },
                    Some(true) if adopt == Adopt::Desired => {
                        begin(&mut record);
                        record.state = GrantState::Granted;
                        record.origin = Origin::Adopted;
                        record.granted_at = Some(Time(self.now));
                    }
                    Some(true) => {
                        record.state = GrantState::Pending;
                        forget_loss(&mut record);
                        "already there, given by somebody else, and adopt is Never".clone_into(&mut record.reason);
                    }
                }
            }
            // Wanted again before it was gone: what is under way is turned around.
            (GrantState::Revoking, Usable::Yes { account_id, .. }) => {
                record.account_id.clone_from(account_id);
                begin(&mut record);
            }
            _ => {}
        }
        if self.grants.len() < RECORDS_MAX {
            self.grants.insert(grant_key(&record), record);
        }
    }
}
