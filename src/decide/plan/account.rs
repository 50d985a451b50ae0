//! The account that a person needs at a target: looked up, found again, taken over, made, or claimed in vain.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Planner;
use crate::api::conditions::clip;
use crate::api::employee::{AccountRecord, AccountState, EmployeeSpec, Origin, Release};
use crate::api::entitlement::RemoteObject;
use crate::api::target::{AccountSpec, Adopt, ManagementPolicy};
use crate::decide::definition::account_digest;
use crate::decide::effect::{AccountSight, Match, RemoteKey, identity_digest, operation_id};
use crate::decide::facts::fold;
use crate::decide::losses::{account_left_behind, account_of_another};
use crate::decide::managed::is_barred;
use crate::decide::record::start_over;

/// Whether the person can be granted things at a target.
pub(super) enum Usable {
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

/// Whether an account that matches is surely this person's. An address alone may be how others reach whoever looks after the
/// account, as that of a robot; so the account must go by the person's user name too.
fn is_strong(by: Match, names: &BTreeSet<String>, facts: &EmployeeSpec) -> bool {
    let username = facts.username.as_deref().map(fold).filter(|name| !name.is_empty());
    by != Match::Email || username.is_some_and(|username| names.iter().any(|name| fold(name) == username))
}

fn weak_match(id: &str) -> String {
    format!(
        "account {} has this person's address but another user name, and may be somebody else's: if it is theirs, give it \
         that user name there, or the Employee its username",
        clip(id, 60)
    )
}

impl Planner<'_> {
    /// Wants a usable account at `target`.
    pub(super) fn want_account(&mut self, target: &str, adopt: Adopt, settings: &AccountSpec) -> Usable {
        let key = RemoteKey {
            target: target.to_owned(),
            object: RemoteObject {
                kind: "Account".into(),
                id: String::new(),
            },
        };
        let before = self.accounts.get(target).map(|record| record.operation_id.as_str());
        let start_date = self.person.spec.start_date.as_deref();
        let operation = operation_id(&self.person.uid, &key, start_date, before.unwrap_or_default());
        let digest = account_digest(self.namespace, self.person, target);
        let lacks_grant = self.lacks_grant(target);
        let may_update = !is_barred(self.namespace, target, ManagementPolicy::Update);
        let claim = self
            .accounts
            .get(target)
            .filter(|record| record.state == AccountState::Pending)
            .cloned();
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
                    if let Some(why) = &lacks_grant
                        && !is_gone(record) =>
                {
                    return Usable::No(why.clone());
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
                    // A creation that may still come is not doubled.
                    let same = record.operation_id.clone();
                    start_over(record, if same.is_empty() { &operation } else { &same });
                }
                AccountState::Active
                    if may_update
                        && digest
                            .as_ref()
                            .is_some_and(|digest| record.applied_attributes != *digest) =>
                {
                    record.state = AccountState::Updating;
                }
                _ => {}
            }
        }
        let gone = self
            .accounts
            .get(target)
            .filter(|record| is_gone(record))
            .or(claim.as_ref());
        if let Some(record) = self.accounts.get(target).filter(|record| !is_gone(record)) {
            return match record.state {
                // One that does not take its attributes is there all the same.
                AccountState::Failed if record.id.is_empty() => Usable::No("its account could not be made".to_owned()),
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
            confirmed_at: Some(Time(self.now)),
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
            AccountSight::Absent if let Some(why) = lacks_grant => return Usable::No(why),
            AccountSight::Present { active: false, .. } if let Some(why) = lacks_grant => return Usable::No(why),
            // A rehire in a new row: the account of the old one, with the key and the attributes of the new.
            _ if let Some((owner, old)) = left_behind => {
                record.id.clone_from(&old.id);
                record.state = AccountState::Activating;
                record.origin = old.origin;
                record.reason = format!("was the account of Employee {owner}, who left");
            }
            AccountSight::Unseen => {
                self.accounts.extend(claim.map(|claim| (target.to_owned(), claim)));
                self.next.look_up.insert(target.to_owned());
                return Usable::NotKnown;
            }
            AccountSight::Failed(why) | AccountSight::Ambiguous(why) => {
                self.accounts.extend(claim.map(|claim| (target.to_owned(), claim)));
                return Usable::No(why.clone());
            }
            AccountSight::Foreign { id, .. } | AccountSight::Present { id, ours: false, .. }
                if let Some(other) = account_of_another(self.namespace, self.person, target, id) =>
            {
                return self.claim(record, id, belongs_to(other));
            }
            AccountSight::Foreign { why, .. } => return Usable::No(why.clone()),
            AccountSight::Absent if settings.create => {
                let facts = &self.person.spec;
                record.sought = identity_digest(facts);
                record.sought_email.clone_from(&facts.work_email);
                record.sought_username.clone_from(&facts.username);
            }
            AccountSight::Absent => {
                return Usable::No("there is no account, and account.create is false".to_owned());
            }
            AccountSight::Present {
                id, active, ours: true, ..
            } => {
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
            AccountSight::Present { id, by, names, .. } if !is_strong(*by, names, &self.person.spec) => {
                return Usable::No(weak_match(id));
            }
            AccountSight::Present { id, .. } => {
                record.id.clone_from(id);
                // It is looked at again, and sent what it lacks.
                record.state = if may_update && digest.is_some() {
                    AccountState::Updating
                } else {
                    AccountState::Active
                };
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

    /// Puts on record that the account which matches is another Employee's, so that both sides see it.
    fn claim(&mut self, mut record: AccountRecord, id: &str, why: String) -> Usable {
        record.state = AccountState::Pending;
        id.clone_into(&mut record.id);
        record.operation_id.clear();
        record.confirmed_at = None;
        clip(&why, 256).clone_into(&mut record.reason);
        self.accounts.insert(record.target.clone(), record);
        Usable::No(why)
    }
}
