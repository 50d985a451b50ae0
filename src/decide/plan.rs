//! From what a person should have and what is on record to the next record: the plan leaves execution nothing to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::effect::{AccountSight, Intent, Outcome, RemoteKey, Sight, attributes_digest, intents, operation_id};
use super::guard::{Loss, LossId, Lost, Verdict};
use super::index::{Namespace, Person};
use super::losses::{Named, account_end, account_name, losses, readable_target};
use super::record::{absorb_account, absorb_grant, forget_loss, lose_account, lose_grant, start_over};
use super::resolve::{Desired, Resolution};
use crate::api::conditions::{self, Fact, clip};
use crate::api::employee::{
    AccountRecord, AccountState, Cause, Counts, EmployeeStatus, EntitlementRecord, GrantState, NextTransition, Origin,
    Release,
};
use crate::api::entitlement::RemoteObject;
use crate::api::target::{AccountAction, AccountSpec, Adopt};

/// How long after deactivation an account is deleted, where `after` says nothing.
const DELETE_AFTER: Duration = Duration::from_secs(30 * 86_400);
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
    /// Whether nothing that we manage is left or on its way, so that the object may go.
    pub empty: bool,
}

/// The next record of `person`. `verdict` says what may become of each loss that no exit explains.
pub fn next(
    namespace: &Namespace,
    person: &Person,
    resolution: &Resolution,
    sight: &Sight,
    verdict: &dyn Fn(&LossId) -> Verdict,
    now: Timestamp,
) -> Next {
    let mut planner = Planner {
        namespace,
        person,
        resolution,
        sight,
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
    for (intent, outcome) in &sight.outcomes {
        planner.absorb(intent, outcome);
    }
    let due = losses(namespace, &planner.as_recorded(), resolution);
    planner.lose(&due, verdict);
    if resolution.frozen.is_none() && resolution.ending.is_none() {
        planner.keep_what_is_no_longer_lost(&due);
        planner.give();
    }
    planner.delete_when_due();
    planner.finish()
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
                    absorb_account(record, outcome);
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

    fn lose(&mut self, due: &[Loss], verdict: &dyn Fn(&LossId) -> Verdict) {
        for loss in due {
            let verdict = if loss.cause == Cause::Termination {
                Verdict::Released {
                    release: Release::Evidence,
                    approval: String::new(),
                    cause: Cause::Termination,
                }
            } else {
                verdict(&loss.id)
            };
            if verdict == Verdict::Wait {
                self.next.unjudged = true;
                continue;
            }
            match &loss.id.what {
                Lost::Account => {
                    if let Some(record) = self.accounts.get_mut(&loss.id.target) {
                        lose_account(record, &verdict, self.now);
                    }
                }
                Lost::Membership(object, account_id) => {
                    let key = RemoteKey {
                        target: loss.id.target.clone(),
                        object: object.clone(),
                    };
                    if let Some(record) = self.grants.get_mut(&(key, account_id.clone())) {
                        lose_grant(record, &verdict, self.now);
                    }
                }
            }
        }
        // Nothing was sent for these.
        let wanted = |key: &RemoteKey| {
            self.resolution.ending.is_none()
                && (self.resolution.desired.contains_key(key) || self.resolution.undecided.contains_key(key))
        };
        if self.resolution.frozen.is_none() {
            self.grants.retain(|(key, _), record| {
                !matches!(record.state, GrantState::Pending | GrantState::Failed) || wanted(key)
            });
        }
    }

    fn keep_what_is_no_longer_lost(&mut self, due: &[Loss]) {
        for ((key, account_id), record) in &mut self.grants {
            let lost = due.iter().any(|loss| {
                loss.id.target == key.target && loss.id.what == Lost::Membership(key.object.clone(), account_id.clone())
            });
            if record.state == GrantState::Held && !lost {
                record.state = GrantState::Granted;
                record.cause = None;
                record.reason.clear();
            }
        }
        for (target, record) in &mut self.accounts {
            let lost = due
                .iter()
                .any(|loss| loss.id.target == *target && loss.id.what == Lost::Account);
            if record.state == AccountState::Held && !lost {
                record.state = AccountState::Active;
                record.cause = None;
                record.reason.clear();
            }
        }
    }

    fn give(&mut self) {
        let mut by_target: BTreeMap<&str, Vec<(&RemoteKey, &Desired)>> = BTreeMap::new();
        for (key, desired) in &self.resolution.desired {
            by_target.entry(&key.target).or_default().push((key, desired));
        }
        for (target, wanted) in by_target {
            let Some(spec) = readable_target(self.namespace, target).map(|target| &target.spec) else {
                continue;
            };
            let usable = match account_name(self.namespace, self.person, target) {
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
        if let Some(record) = self.accounts.get_mut(target) {
            match record.state {
                AccountState::Pending => {
                    self.accounts.remove(target);
                }
                AccountState::Deactivating | AccountState::Deactivated | AccountState::Deleting
                    if !record.id.is_empty() =>
                {
                    record.state = AccountState::Activating;
                    start_over(record, &operation);
                }
                AccountState::Deactivating
                | AccountState::Deactivated
                | AccountState::Deleting
                | AccountState::Deleted => {
                    record.state = AccountState::Creating;
                    record.id.clear();
                    start_over(record, &operation);
                }
                AccountState::Active if record.origin == Origin::Operator && record.applied_attributes != digest => {
                    record.state = AccountState::Updating;
                }
                _ => {}
            }
        }
        if let Some(record) = self.accounts.get(target) {
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
        match self.sight.account(target) {
            AccountSight::Unseen => {
                self.next.look_up.insert(target.to_owned());
                return Usable::NotKnown;
            }
            AccountSight::Failed(why) => return Usable::No(why.clone()),
            AccountSight::Ambiguous(why) => return Usable::No(why.clone()),
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
                    record.applied_attributes = digest;
                }
            }
            AccountSight::Present { .. } if adopt == Adopt::Never => {
                return Usable::No("an account is there that Rollcall did not make, and adopt is Never".to_owned());
            }
            AccountSight::Present { active: false, .. } => {
                return Usable::No("an account is there that somebody else deactivated: activate it there".to_owned());
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
        record.entitlement.clone_from(&desired.entitlement);
        record.grantors.clone_from(&desired.grantors);
        record.desired_parameters.clone_from(&desired.parameters);
        let begin = |record: &mut EntitlementRecord| {
            record.operation_id = operation_id(&self.person.uid, key, self.person.spec.start_date.as_deref());
            record.state = GrantState::Granting;
            record.origin = Origin::Operator;
            forget_loss(record);
        };
        match (record.state, usable) {
            (GrantState::Pending | GrantState::Revoked, Usable::NotKnown) => {
                // Said again once the account was looked up; nothing to record until then.
                if record.state == GrantState::Pending && record.reason.is_empty() {
                    return;
                }
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
                    self.sight.holds.get(key).copied()
                } {
                    None => {
                        self.next.look_at.insert(key.clone());
                        if record.revoked_at.is_none() && record.reason.is_empty() {
                            return;
                        }
                    }
                    Some(false) => begin(&mut record),
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

    fn delete_when_due(&mut self) {
        if self.resolution.frozen.is_some() {
            return;
        }
        for (target, record) in &mut self.accounts {
            let Some(end) = account_end(self.namespace, self.resolution, target) else {
                continue;
            };
            if record.state != AccountState::Deactivated || end.action != AccountAction::Delete {
                continue;
            }
            let Some(released) = &record.released_at else { continue };
            let delay = end.after.map_or(DELETE_AFTER, |after| after.get_or(DELETE_AFTER));
            // A delay too long for the calendar never comes due.
            let Ok(at) = released.0.checked_add(delay) else {
                continue;
            };
            if at <= self.now {
                record.state = AccountState::Deleting;
                record.scheduled_at = None;
            } else {
                record.scheduled_at = Some(Time(at));
            }
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
        status.entitlements = self.grants.into_values().collect();
        status.accounts = self.accounts.into_values().collect();
        status.counts = Some(count(&status.entitlements));
        status.next_transition = next_transition(self.resolution, &status.accounts);
        set_conditions(&mut status, self.resolution, self.person, now);
        self.next.empty = status
            .entitlements
            .iter()
            .all(|record| matches!(record.state, GrantState::Pending | GrantState::Revoked))
            && !status
                .accounts
                .iter()
                .any(|r| matches!(r.state, AccountState::Deactivating | AccountState::Deleting));
        self.next.status = status;
        self.next
    }
}

/// Whether the person can be granted things at a target.
enum Usable {
    /// With this account id; `fresh` where the account is only being made, so that it holds nothing yet.
    Yes { account_id: String, fresh: bool },
    /// Not before a person mends something.
    No(String),
    /// Not before the account was looked up.
    NotKnown,
}

fn count(records: &[EntitlementRecord]) -> Counts {
    let mut counts = Counts::default();
    for record in records {
        match record.state {
            GrantState::Granted | GrantState::Updating => counts.granted += 1,
            GrantState::Pending | GrantState::Granting | GrantState::Revoking => counts.pending += 1,
            GrantState::Held => counts.held += 1,
            GrantState::Failed | GrantState::Unknown => counts.failed += 1,
            GrantState::Revoked => {}
        }
    }
    counts
}

fn next_transition(resolution: &Resolution, accounts: &[AccountRecord]) -> Option<NextTransition> {
    let deletions = accounts.iter().filter_map(|record| {
        let at = record.scheduled_at.as_ref()?;
        Some(NextTransition {
            at: at.clone(),
            what: format!("delete the account at {}", record.target),
        })
    });
    let facts = resolution.next.iter().map(|(at, what)| NextTransition {
        at: Time(*at),
        what: what.clone(),
    });
    deletions.chain(facts).min_by_key(|next| next.at.0)
}

fn set_conditions(status: &mut EmployeeStatus, resolution: &Resolution, person: &Person, now: Timestamp) {
    let generation = person.generation;
    match &resolution.status_unknown {
        Some(reason) => {
            let fact = Fact::yes(conditions::STATUS_UNKNOWN, "Unreadable", reason.clone());
            conditions::set(&mut status.conditions, &fact, generation, now);
        }
        None => {
            conditions::clear(&mut status.conditions, conditions::STATUS_UNKNOWN);
        }
    }
    if resolution.conflicts.is_empty() {
        conditions::clear(&mut status.conditions, conditions::CONFLICT);
    } else {
        let policies: BTreeSet<&str> = resolution
            .conflicts
            .iter()
            .flat_map(|c| c.policies.iter().map(String::as_str))
            .collect();
        let names = policies.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!(
            "policies {names} give the same entitlement with different parameters at equal priority, so it stays as it is: \
             give one of them a higher priority"
        );
        let fact = Fact::yes(conditions::CONFLICT, conditions::PARAMETERS_DIFFER, message);
        conditions::set(&mut status.conditions, &fact, generation, now);
    }
}
