//! What a person should have and does not: an account first, then a place among the holders.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::account::Usable;
use super::drift::MISSING;
use super::{Planner, RECORDS_MAX, grant_key};
use crate::api::conditions::clip;
use crate::api::employee::{EntitlementRecord, GrantState, Origin};
use crate::api::target::{Adopt, ManagementPolicy};
use crate::decide::drift::contended_until;
use crate::decide::effect::{RemoteKey, operation_id};
use crate::decide::guard::{Admission, GainId};
use crate::decide::losses::{Named, account_name, readable_target};
use crate::decide::managed::{is_barred, lacks};
use crate::decide::protected::PROTECTED;
use crate::decide::record::{forget_loss, leave_for_good};
use crate::decide::resolve::Desired;

/// The most grantors that the CRD lets a record have.
const GRANTORS_MAX: usize = 64;

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
    pub(super) fn lacks_grant(&self, target: &str) -> Option<String> {
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
        let barred =
            |record: &EntitlementRecord| !held(record) && contended_until(&record.undone_at, self.now).is_some();
        (!self.resolution.blocked.contains_key(key) && !records().any(barred)) || records().any(held)
    }

    /// Begins a grant: from here on it may be sent.
    pub(super) fn begin(&self, key: &RemoteKey, record: &mut EntitlementRecord) {
        self.name_anew(key, record);
        record.state = GrantState::Granting;
        record.origin = Origin::Operator;
        forget_loss(record);
    }

    /// Gives what is granted now another operation than what was before: an API that remembers its key would answer with that, be
    /// it gone, being taken, or refused with other parameters.
    pub(super) fn name_anew(&self, key: &RemoteKey, record: &mut EntitlementRecord) {
        let start_date = self.person.spec.start_date.as_deref();
        record.operation_id = operation_id(&self.person.uid, key, start_date, &record.operation_id);
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
        if !self.is_protected(&record.target) && self.want_parameters(&mut record, desired, is_usable) {
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
                    // Setting back what takes access away is judged like any other loss, and so is planned from what is there.
                    Some(true) if self.takes_in_more(key, &mut record) => {
                        record.state = GrantState::Granted;
                        record.reason.clear();
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
