//! From what a person should have and what is on record to the next record: the plan leaves execution nothing to decide.

mod account;
mod drift;
mod give;
mod summary;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::summary::{count, next_transition, set_conditions};
use super::deletions::{deletion_at, deletion_id};
use super::effect::{Intent, Outcome, RemoteKey, Sight, date_effects, intents};
use super::guard::{Judge, Loss, Lost, Verdict, is_kin, is_same};
use super::index::{Namespace, Person};
use super::losses::{account_used_by_another, cause, grace, held_by_another, is_unwanted, losses, may_need_account};
use super::managed::is_barred;
use super::record::{
    absorb_account, absorb_grant, delete_account, keep_account, keep_grant, keep_usable, leave_for, lose_account,
    lose_grant, lower_grant,
};
use super::resolve::Resolution;
use crate::api::employee::{
    AccountRecord, AccountState, Cause, EmployeeStatus, EntitlementRecord, GrantState, Release,
};
use crate::api::target::ManagementPolicy;

/// How long a record of something revoked is kept; longer than the guard's window, which counts from it.
const KEEP_REVOKED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The most records that the CRD lets an Employee have.
const RECORDS_MAX: usize = 256;

/// The next record, and what it still waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Next {
    /// The record as it should be.
    pub status: EmployeeStatus,
    /// Targets at which the person's account must be looked up before anything is granted there.
    pub look_up: BTreeSet<String>,
    /// Objects whose holders must be read before the person is put among them.
    pub look_at: BTreeSet<RemoteKey>,
    /// Whether a loss has not been judged yet.
    pub unjudged: bool,
    /// What the record says is being taken, and is not to be sent for now: since it was let go it is wanted again, or it cannot
    /// be told any more whether it is.
    pub suspended: Vec<Intent>,
    /// Whether nothing that we manage is left or on its way, so that the object may go.
    pub empty: bool,
}

/// The next record of `person`. `judge` says what may become of each change.
pub fn next(
    namespace: &Namespace,
    person: &Person,
    resolution: &Resolution,
    sight: &Sight,
    judge: &dyn Judge,
    now: Timestamp,
) -> Next {
    let mut planner = Planner {
        namespace,
        person,
        resolution,
        sight,
        judge,
        now,
        accounts: person
            .status
            .accounts
            .iter()
            .map(|r| (r.target.clone(), r.clone()))
            .collect(),
        grants: person
            .status
            .entitlements
            .iter()
            .map(|r| (grant_key(r), r.clone()))
            .collect(),
        next: Next::default(),
    };
    // Grants first: an outcome names the account by the id that it had.
    let (accounts, grants): (Vec<_>, Vec<_>) = sight
        .outcomes
        .iter()
        .partition(|(intent, _)| matches!(intent, Intent::Account { .. }));
    for (intent, outcome) in grants.into_iter().chain(accounts) {
        planner.absorb(intent, outcome);
    }
    if resolution.frozen.is_none() {
        if resolution.ending.is_none() {
            planner.follow_accounts();
            planner.take_in_looks();
        }
        planner.drop_claims();
    }
    let due = losses(namespace, &planner.as_recorded(), resolution);
    planner.lose(&due);
    planner.leave_accounts_to_who_took_them();
    if resolution.frozen.is_none() && resolution.ending.is_none() {
        planner.keep_what_is_no_longer_lost(&due);
        planner.leave_for_a_grace();
        planner.give();
    }
    planner.delete_when_due();
    if resolution.frozen.is_none() {
        planner.settle_left();
        planner.say_left();
        planner.say_protected();
    }
    planner.finish()
}

/// Whether a verdict speaks of a loss for this cause. It may be of a moment ago, when the same was lost for another reason
/// and counted as that; but what an edit called for looks like any other change once the edit is enforced.
fn is_on(verdict: &Verdict, now: Cause) -> bool {
    match verdict {
        Verdict::Released { cause, .. } => is_same(*cause, now),
        Verdict::Held { cause, .. } => is_kin(*cause, now),
        Verdict::Wait => false,
    }
}

type GrantKey = (RemoteKey, String);

fn grant_key(record: &EntitlementRecord) -> GrantKey {
    (RemoteKey::of(record), record.account_id.clone())
}

struct Planner<'a> {
    namespace: &'a Namespace,
    person: &'a Person,
    resolution: &'a Resolution,
    sight: &'a Sight,
    judge: &'a dyn Judge,
    now: Timestamp,
    accounts: BTreeMap<String, AccountRecord>,
    grants: BTreeMap<GrantKey, EntitlementRecord>,
    next: Next,
}

impl Planner<'_> {
    /// The person with the records as they are after the outcomes.
    fn as_recorded(&self) -> Person {
        let mut person = self.person.clone();
        person.status.accounts = self.accounts.values().cloned().collect();
        person.status.entitlements = self.grants.values().cloned().collect();
        person
    }

    /// Takes in what came of an intent, if the record still says that it was meant.
    fn absorb(&mut self, intent: &Intent, outcome: &Outcome) {
        match intent {
            Intent::Account { target, .. } => {
                if let Some(record) = self.accounts.get_mut(target)
                    && intents(std::slice::from_ref(record), &[]).contains(intent)
                {
                    let before = record.id.clone();
                    absorb_account(record, outcome, self.now);
                    let id = record.id.clone();
                    if record.state == AccountState::Deleted {
                        self.end_grants_of(target, &id);
                    } else if !before.is_empty() && !id.is_empty() && before != id {
                        self.rename_account(target, &before, &id);
                    }
                }
            }
            Intent::Membership { key, account_id, .. } => {
                let found = (key.clone(), account_id.clone());
                let Some(record) = self.grants.get(&found) else { return };
                if !intents(&[], std::slice::from_ref(record)).contains(intent) {
                    return;
                }
                if let Some(mut record) = self.grants.remove(&found) {
                    absorb_grant(&mut record, outcome, self.now);
                    self.grants.insert(grant_key(&record), record);
                }
            }
        }
    }

    /// What an account held went with it, and has to be granted anew to the next one. Returns which grants.
    fn end_grants_of(&mut self, target: &str, id: &str) -> Vec<GrantKey> {
        let mut ended = Vec::new();
        for (key, record) in &mut self.grants {
            let there = record.state.may_be_held() && record.state != GrantState::Revoking;
            // One without an id waited for this account.
            let of_it = record.account_id == id || record.account_id.is_empty();
            if record.target == target && of_it && there && !id.is_empty() {
                record.state = GrantState::Revoked;
                record.revoked_at = Some(Time(self.now));
                "its account is gone".clone_into(&mut record.reason);
                record.grant_id.clear();
                ended.push(key.clone());
            }
        }
        ended
    }

    fn lose(&mut self, due: &[Loss]) {
        for loss in due {
            let cause = loss.cause;
            if self.is_withheld(loss) {
                continue;
            }
            let verdict = if cause == Cause::Termination {
                Verdict::Released {
                    release: Release::Evidence,
                    approval: String::new(),
                    cause,
                }
            } else {
                match self.judge.loss(&loss.id) {
                    verdict if is_on(&verdict, cause) => verdict,
                    _ => Verdict::Wait,
                }
            };
            if verdict == Verdict::Wait {
                self.next.unjudged = true;
                continue;
            }
            match &loss.id.what {
                Lost::Deletion | Lost::Unmanaged(_) => {}
                Lost::Account => {
                    if let Some(record) = self.accounts.get_mut(&loss.id.target) {
                        lose_account(record, &verdict, self.now);
                    }
                }
                Lost::Parameters {
                    object,
                    account_id,
                    change,
                } => {
                    let key = RemoteKey {
                        target: loss.id.target.clone(),
                        object: object.clone(),
                    };
                    let ask = self.resolution.desired.get(&key).map(|desired| &desired.parameters);
                    if let Some((record, ask)) = self.grants.get_mut(&(key, account_id.clone())).zip(ask) {
                        lower_grant(record, change, ask, &verdict, self.now);
                    }
                }
                Lost::Membership(object, account_id) => {
                    let key = RemoteKey {
                        target: loss.id.target.clone(),
                        object: object.clone(),
                    };
                    if let Some(record) = self.grants.get_mut(&(key, account_id.clone())) {
                        lose_grant(record, &verdict, self.now);
                        // I8: what another still holds by the same account is not taken from them.
                        if record.state == GrantState::Revoking
                            && let Some(other) = held_by_another(self.namespace, self.person, record, self.now)
                        {
                            record.state = GrantState::Revoked;
                            record.revoked_at = Some(Time(self.now));
                            record.reason =
                                format!("nothing was removed: Employee {other} holds it by the same account");
                        }
                    }
                }
            }
        }
        // Nothing was sent for what is pending; but what was let go before it was wanted again still counts.
        let wanted = |key: &RemoteKey| {
            self.resolution.ending.is_none()
                && (self.resolution.desired.contains_key(key) || self.resolution.undecided.contains_key(key))
        };
        if self.resolution.frozen.is_none() {
            self.grants.retain(|(key, _), record| {
                let forgotten = record.state == GrantState::Pending && !wanted(key);
                if forgotten && record.release == Some(Release::Budget) {
                    record.state = GrantState::Revoked;
                    record.revoked_at.clone_from(&record.released_at);
                    record.reason.clear();
                }
                !forgotten || record.state == GrantState::Revoked
            });
            self.take_back_what_failed();
        }
    }

    /// Whether a loss waits for what a person must mend first: a claim of somebody else, or that the account is protected.
    fn is_withheld(&self, loss: &Loss) -> bool {
        let target = &loss.id.target;
        let claimed = match &loss.id.what {
            Lost::Membership(object, account_id) | Lost::Parameters { object, account_id, .. } => {
                let key = RemoteKey {
                    target: target.clone(),
                    object: object.clone(),
                };
                self.is_claimed(target, account_id, Some(&key))
            }
            Lost::Account | Lost::Deletion => {
                let record = self.accounts.get(target);
                record.is_some_and(|record| self.is_claimed(target, &record.id, None))
            }
            Lost::Unmanaged(_) => false,
        };
        claimed || self.is_protected(target)
    }

    /// What was refused may have been done by a try before. It was never seen there, so that no budget counts it; but it
    /// stays on record until it was read back and not there.
    fn take_back_what_failed(&mut self) {
        for record in self.grants.values_mut() {
            if matches!(record.state, GrantState::Failed | GrantState::NoSeat)
                && record.granted_at.is_none()
                && is_unwanted(self.namespace, self.person, self.resolution, record)
                && !is_barred(self.namespace, &record.target, ManagementPolicy::Revoke)
            {
                record.state = GrantState::Revoking;
                record.change_set.clear();
                record.cause = Some(cause(self.namespace, self.resolution, record));
                "was not done, and is no longer wanted: taken back, should it be there all the same"
                    .clone_into(&mut record.reason);
            }
        }
    }

    fn keep_what_is_no_longer_lost(&mut self, due: &[Loss]) {
        for ((key, account_id), record) in &mut self.grants {
            // A grant that is lost as a whole waits for nothing about its parameters, nor the other way round.
            let lost = due.iter().any(|loss| {
                loss.id.target == key.target
                    && match &loss.id.what {
                        Lost::Membership(object, id) => {
                            *object == key.object && id == account_id && record.parameter_change.is_empty()
                        }
                        Lost::Parameters {
                            object,
                            account_id: id,
                            change,
                        } => *object == key.object && id == account_id && record.parameter_change == *change,
                        Lost::Account | Lost::Deletion | Lost::Unmanaged(_) => false,
                    }
            });
            if !lost {
                keep_grant(record);
            }
        }
        for (target, record) in &mut self.accounts {
            let lost = due
                .iter()
                .any(|loss| loss.id.target == *target && loss.id.what == Lost::Account);
            if !lost {
                keep_usable(record);
            }
        }
    }

    /// An account that another Employee took over is not ended any more: it is no longer this person's.
    fn leave_accounts_to_who_took_them(&mut self) {
        if self.resolution.frozen.is_some() {
            return;
        }
        for record in self.accounts.values_mut() {
            let ending = matches!(
                record.state,
                AccountState::Deactivating | AccountState::Deactivated | AccountState::Deleting
            );
            if ending && let Some(other) = account_used_by_another(self.namespace, self.person, record, self.now) {
                record.state = AccountState::Deleted;
                record.scheduled_at = None;
                record.reason = format!("its account is now Employee {other}'s");
            }
        }
    }

    /// What is given no more is lost once its grace is over; until then the record says so.
    fn leave_for_a_grace(&mut self) {
        for record in self.grants.values_mut() {
            if !is_unwanted(self.namespace, self.person, self.resolution, record) {
                continue;
            }
            // One that is over stays on record: the loss may have to wait for a person.
            match grace(self.namespace, self.resolution, record) {
                Some(grace) if grace.until > self.now => leave_for(record, &grace),
                _ => {}
            }
        }
    }

    fn delete_when_due(&mut self) {
        if self.resolution.frozen.is_some() {
            return;
        }
        let protected: BTreeSet<String> = self
            .accounts
            .keys()
            .filter(|target| self.is_protected(target))
            .cloned()
            .collect();
        for (target, record) in &mut self.accounts {
            if protected.contains(target) {
                continue;
            }
            let at = deletion_at(self.namespace, self.resolution, record);
            record.scheduled_at = at.filter(|at| *at > self.now).map(Time);
            if at.is_none_or(|at| at > self.now) {
                keep_account(record);
                continue;
            }
            // Exits included: it cannot be undone.
            let verdict = self.judge.loss(&deletion_id(self.person, target));
            self.next.unjudged |= verdict == Verdict::Wait;
            delete_account(record, &verdict, self.now);
        }
    }

    fn finish(mut self) -> Next {
        let now = self.now;
        self.grants
            .retain(|_, record| match (&record.state, &record.revoked_at) {
                (GrantState::Revoked, Some(at)) => at.0.duration_until(now) < KEEP_REVOKED,
                _ => true,
            });
        let mut status = EmployeeStatus {
            observed_generation: self.person.generation,
            phase: Some(self.resolution.phase),
            conditions: self.person.status.conditions.clone(),
            ..EmployeeStatus::default()
        };
        let nothing_to_lose = match self.resolution.frozen {
            None => losses(self.namespace, &self.as_recorded(), self.resolution).is_empty(),
            // Nothing is judged meanwhile.
            Some(_) => self
                .accounts
                .values()
                .all(|record| record.state == AccountState::Pending),
        };
        let protected: BTreeSet<String> = self
            .grants
            .keys()
            .map(|(key, _)| &key.target)
            .chain(self.accounts.keys())
            .filter(|target| self.is_protected(target))
            .cloned()
            .collect();
        status.entitlements = self.grants.into_values().collect();
        status.accounts = self.accounts.into_values().collect();
        self.next.suspended = suspended(self.namespace, self.person, self.resolution, &status);
        date_effects(&mut status, &self.person.status, now);
        status.counts = Some(count(&status.entitlements));
        status.next_transition = next_transition(self.resolution, &status, now);
        set_conditions(&mut status, self.namespace, self.resolution, self.person, now);
        self.next.empty = nothing_to_lose
            && status
                .entitlements
                .iter()
                .filter(|record| !protected.contains(&record.target))
                .all(|record| matches!(record.state, GrantState::Pending | GrantState::Revoked))
            && !status
                .accounts
                .iter()
                .any(|r| matches!(r.state, AccountState::Deactivating | AccountState::Deleting));
        self.next.status = status;
        self.next
    }
}

/// I1: what was let go and not sent yet, as while the target was being mended, is not sent on the ground of what was called for
/// then. What has to make room for something else goes on.
fn suspended(namespace: &Namespace, person: &Person, resolution: &Resolution, status: &EmployeeStatus) -> Vec<Intent> {
    if resolution.ending.is_some() || resolution.frozen.is_some() {
        return Vec::new();
    }
    let is_kept = |record: &&EntitlementRecord| {
        record.state == GrantState::Revoking
            && !resolution.blocked.contains_key(&RemoteKey::of(record))
            && !is_unwanted(namespace, person, resolution, record)
    };
    let is_used = |record: &&AccountRecord| {
        matches!(record.state, AccountState::Deactivating | AccountState::Deleting)
            && may_need_account(resolution, &record.target)
    };
    let grants: Vec<EntitlementRecord> = status.entitlements.iter().filter(is_kept).cloned().collect();
    let accounts: Vec<AccountRecord> = status.accounts.iter().filter(is_used).cloned().collect();
    intents(&accounts, &grants)
}

#[cfg(test)]
mod tests;
