//! What a person should have and does not: an account first, then a place among the holders.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::drift::MISSING;
use super::{Planner, RECORDS_MAX, grant_key};
use crate::api::conditions::clip;
use crate::api::employee::{AccountRecord, AccountState, EmployeeSpec, EntitlementRecord, GrantState, Origin, Release};
use crate::api::entitlement::RemoteObject;
use crate::api::target::{AccountSpec, Adopt, ManagementPolicy};
use crate::decide::drift::contended_until;
use crate::decide::effect::{AccountSight, Match, RemoteKey, attributes_digest, identity_digest, operation_id};
use crate::decide::facts::fold;
use crate::decide::guard::{Admission, GainId};
use crate::decide::losses::{Named, account_left_behind, account_name, account_of_another, readable_target};
use crate::decide::managed::{is_barred, lacks};
use crate::decide::protected::PROTECTED;
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

/// The words for what is not given for want of a verb.
fn not_granted(why: &str) -> String {
    clip(
        &format!("not given: {why}; give it there by hand, or add the verb"),
        256,
    )
    .to_owned()
}

impl Planner<'_> {
    /// Why nothing may be begun at `target`, where `managementPolicies` says so. What is found there may still be adopted.
    fn lacks_grant(&self, target: &str) -> Option<String> {
        let spec = &readable_target(self.namespace, target)?.spec;
        let barred = is_barred(self.namespace, target, ManagementPolicy::Grant);
        barred.then(|| not_granted(&lacks(spec, target, ManagementPolicy::Grant)))
    }

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
                _ if is_barred(self.namespace, target, ManagementPolicy::Observe) => {
                    Usable::No(not_granted(&lacks(spec, target, ManagementPolicy::Observe)))
                }
                _ if self.is_protected(target) => Usable::No(PROTECTED.to_owned()),
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
        let records = || {
            self.grants
                .iter()
                .filter(|((known, _), _)| known == key)
                .map(|(_, record)| record)
        };
        let barred = |record: &EntitlementRecord| !held(record) && contended_until(record, self.now).is_some();
        (!self.resolution.blocked.contains_key(key) && !records().any(barred)) || records().any(held)
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
        let digest = attributes_digest(&self.person.spec);
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
                        && (!record.id.is_empty() || !is_gone(record)) =>
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
                    start_over(record, &operation);
                }
                AccountState::Active
                    if record.origin == Origin::Operator && record.applied_attributes != digest && may_update =>
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
            AccountSight::Absent if settings.create => record.sought = identity_digest(&self.person.spec),
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
                    record.applied_attributes = digest;
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

    /// Begins a grant: from here on it may be sent.
    pub(super) fn begin(&self, key: &RemoteKey, record: &mut EntitlementRecord) {
        record.operation_id = operation_id(&self.person.uid, key, self.person.spec.start_date.as_deref());
        record.state = GrantState::Granting;
        record.origin = Origin::Operator;
        forget_loss(record);
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
            .or_else(|| {
                // Others undid it, and its account since: that is still held against the next one.
                let mut records = self.grants.iter();
                let found = records.find(|((k, _), record)| k == key && record.state == GrantState::Contended);
                found.map(|(k, _)| k)
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
        if matches!(usable, Usable::Yes { .. }) {
            self.set_right(key, desired, &mut record);
        }
        // The grantors of before say why a change of parameters is called for, until that is judged.
        let is_usable = matches!(usable, Usable::Yes { .. });
        if !record.state.may_be_held() {
            record.desired_parameters.clone_from(&desired.parameters);
        }
        if is_usable && self.want_parameters(&mut record, desired) {
            self.next.unjudged = true;
        } else {
            record.grantors = self.grantors(&record, desired);
        }
        let waits = matches!(
            record.state,
            GrantState::Pending | GrantState::Revoked | GrantState::Contended
        );
        if waits && !matches!(usable, Usable::No(_)) && self.contend(&mut record) {
            self.grants.insert(grant_key(&record), record);
            return;
        }
        match (record.state, usable) {
            // A day has passed since others last undid it: as it looks now.
            (GrantState::Contended, Usable::Yes { account_id, fresh }) => {
                record.account_id.clone_from(account_id);
                let held = if *fresh { Some(false) } else { self.sight.holds(key) };
                match held {
                    None if self.sight.missing.contains(key) => MISSING.clone_into(&mut record.reason),
                    None => {
                        self.next.look_at.insert(key.clone());
                    }
                    Some(false) if let Some(why) = self.lacks_grant(&key.target) => record.reason = why,
                    Some(false) => {
                        record.grant_id.clear();
                        record.desired_parameters.clone_from(&desired.parameters);
                        self.begin(key, &mut record);
                    }
                    Some(true) => {
                        record.state = GrantState::Updating;
                        record.reason.clear();
                    }
                }
            }
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
                    None if self.sight.missing.contains(key) => {
                        record.state = GrantState::Pending;
                        forget_loss(&mut record);
                        MISSING.clone_into(&mut record.reason);
                    }
                    None => {
                        self.next.look_at.insert(key.clone());
                        if record.revoked_at.is_none() && record.reason.is_empty() {
                            return;
                        }
                    }
                    Some(false) if let Some(why) = self.lacks_grant(&key.target) => {
                        record.state = GrantState::Pending;
                        forget_loss(&mut record);
                        record.reason = why;
                    }
                    Some(false) => match self.admission(key) {
                        Admission::Free => self.begin(key, &mut record),
                        Admission::Approved { change_set, approval } => {
                            self.begin(key, &mut record);
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
                        self.begin(key, &mut record);
                        record.state = GrantState::Granted;
                        record.origin = Origin::Adopted;
                        record.granted_at = Some(Time(self.now));
                        // Where that is not what policies ask for, it is changed by the same rules as any other grant.
                        let holding = self.sight.holds.get(key).and_then(|look| look.holding.as_ref());
                        record.applied_parameters = holding.map(|held| held.parameters.clone()).unwrap_or_default();
                        record.grant_id = holding.map(|held| held.grant_id.clone()).unwrap_or_default();
                    }
                    Some(true) => {
                        record.state = GrantState::Pending;
                        forget_loss(&mut record);
                        "already there, given by somebody else, and adopt is Never".clone_into(&mut record.reason);
                    }
                }
            }
            // Wanted again before it was gone: what is under way is turned around.
            (GrantState::Revoking, Usable::Yes { account_id, .. }) if self.lacks_grant(key.target.as_str()).is_none() => {
                record.account_id.clone_from(account_id);
                self.begin(key, &mut record);
            }
            _ => {}
        }
        if self.grants.len() < RECORDS_MAX {
            self.grants.insert(grant_key(&record), record);
        }
    }
}
