//! The invariants, told from a plain model of facts and policies, and from what was really done at the targets.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rollcall::api::employee::{
    AccountRecord, AccountState, Cause, EmployeeStatus, EntitlementRecord, GrantState, Origin, Phase, Release,
};
use rollcall::decide::Person;
use rollcall::decide::effect::AccountAction;

use crate::company::{Effect, Fate, PEOPLE, Rule, TARGETS, THINGS};
use crate::sim::{Sim, name_of, number_of};

/// What a test remembers that the operator may not.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Places among holders that we gave or took over: target, group, account; and whose they are.
    memberships: BTreeMap<(String, String, String), usize>,
    /// Accounts that we made or took over: target and id; and whose they are.
    accounts: BTreeMap<(String, String), usize>,
    /// Who ever had an exception.
    pub excepted: BTreeSet<usize>,
    /// The last release of each thing that a person had: person, target, what.
    releases: BTreeMap<(usize, String, String), (Cause, Release, Timestamp)>,
}

impl Sim {
    fn acting(&self, number: usize, thing: usize) -> impl Iterator<Item = &Rule> {
        let facts = &self.people[number];
        self.rules
            .iter()
            .filter(move |rule| rule.gives[thing] && rule.matches(facts))
    }

    fn is_excepted(&self, number: usize, thing: usize, effect: Effect) -> bool {
        let mut specials = self.specials.iter().flatten();
        specials.any(|(special, end)| {
            (special.person, special.thing, special.effect) == (number, thing, effect) && self.now < *end
        })
    }

    /// Whether it stays as it is, by an exception.
    fn stays(&self, number: usize, thing: usize) -> bool {
        self.is_excepted(number, thing, Effect::Freeze)
    }

    fn is_denied(&self, number: usize, thing: usize) -> bool {
        let mut acting = self.acting(number, thing);
        !self.stays(number, thing)
            && (self.is_excepted(number, thing, Effect::Deny)
                || acting.any(|rule| rule.denies && rule.fate == Fate::Fine))
    }

    /// Whether it cannot be told if it is denied: nothing new is given.
    fn may_be_denied(&self, number: usize, thing: usize) -> bool {
        let mut acting = self.acting(number, thing);
        acting.any(|rule| rule.denies && rule.fate == Fate::Paused)
    }

    /// Whether it is given, for all that can be told; whether it cannot be told.
    fn stance(&self, number: usize, thing: usize) -> (bool, bool) {
        if self.is_denied(number, thing) || self.stays(number, thing) {
            return (false, self.stays(number, thing));
        }
        let giving = self.acting(number, thing);
        let giving = giving.filter(|rule| rule.fate == Fate::Fine && !rule.denies);
        let limits: BTreeSet<usize> = giving.map(|rule| rule.limit).collect();
        let allowed = self.is_excepted(number, thing, Effect::Allow);
        (limits.len() == 1 || (limits.is_empty() && allowed), limits.len() > 1)
    }

    /// The longest that policies leave what they gave to those whom they match no more.
    fn grace(&self, record: &EntitlementRecord) -> Option<SignedDuration> {
        let thing = thing_of(record);
        let policies = record.grantors.iter().filter_map(|grantor| self.policy(grantor));
        let leaving = policies.filter(|rule| rule.fate == Fate::Fine && !rule.denies && rule.gives[thing]);
        leaving
            .filter_map(|rule| rule.grace)
            .max()
            .map(SignedDuration::from_hours)
    }

    fn policy(&self, grantor: &str) -> Option<&Rule> {
        self.rules.get(grantor.strip_prefix('p')?.parse::<usize>().ok()?)
    }

    fn is_frozen(&self, number: usize) -> bool {
        let facts = &self.people[number];
        facts.paused || (facts.absent && !self.has_left(number))
    }

    /// Whether the person left; whose exit was on record before they vanished from the HRIS stays gone.
    fn has_left(&self, number: usize) -> bool {
        let facts = &self.people[number];
        let phase = || self.person(number).and_then(|person| person.status.phase);
        facts.left || (facts.absent && phase() == Some(Phase::Terminated))
    }

    /// Whether the record is of a name that the person has no more.
    fn renamed(&self, record: &EntitlementRecord, number: usize) -> bool {
        record.target == "cluster" && record.account_id != self.people[number].email(number)
    }

    /// Whether the person may still need what the record speaks of: a loss without exit would be wrong.
    fn is_wanted(&self, person: &Person, record: &EntitlementRecord) -> bool {
        let number = number_of(&person.name);
        let thing = thing_of(record);
        if self.is_denied(number, thing) {
            return false;
        }
        let (given, contradicted) = self.stance(number, thing);
        let named_otherwise = self.renamed(record, number);
        let unclear = |grantor: &String| self.policy(grantor).is_some_and(Rule::is_unclear);
        contradicted || (given && !named_otherwise) || (!given && record.grantors.iter().any(unclear))
    }

    /// Whether the record says that it is left for a time which is not over.
    fn is_left(&self, record: &EntitlementRecord) -> bool {
        record.scheduled_at.as_ref().is_some_and(|at| at.0 > self.now)
    }

    /// Semantics 2: a grace begins once, is as long as a policy says, and ends no later for it.
    fn check_grace(&self, old: Option<&EntitlementRecord>, record: &EntitlementRecord) {
        let Some(until) = &record.scheduled_at else { return };
        if let Some(before) = old.and_then(|old| old.scheduled_at.as_ref()) {
            assert!(until.0 <= before.0, "a grace that is longer than it was: {record:?}");
        } else {
            let grace = self.grace(record).map(|grace| self.now + grace);
            assert_eq!(Some(until.0), grace, "a grace that no policy leaves: {record:?}");
        }
    }

    // ---- At every record -----------------------------------------------------------------------------------------

    pub fn check_record(&mut self, before: &Person, after: &EmployeeStatus) {
        let number = number_of(&before.name);
        for record in &after.entitlements {
            let same = |old: &&EntitlementRecord| old.target == record.target && old.remote_id == record.remote_id;
            let same = |old: &&EntitlementRecord| {
                same(old)
                    && (old.account_id == record.account_id
                        || old.account_id.is_empty()
                        || record.account_id.is_empty())
            };
            let exact = |old: &&EntitlementRecord| same(old) && old.account_id == record.account_id;
            let records = &before.status.entitlements;
            let old = records.iter().find(exact).or_else(|| records.iter().find(same));
            let lost = |state: GrantState| matches!(state, GrantState::Revoking | GrantState::Revoked);
            let was = old.map_or(GrantState::Revoked, |old| old.state);
            self.check_grace(old, record);
            if let Some(old) = old.filter(|old| record.state == GrantState::Revoking && !lost(old.state)) {
                let there = matches!(old.state, GrantState::Granted | GrantState::Held);
                let leaves = there && !self.is_denied(number, thing_of(old)) && !self.renamed(old, number);
                let by_policy = matches!(record.cause, Some(Cause::AttributeChange | Cause::PolicyChange));
                if leaves && by_policy && self.grace(old).is_some() {
                    assert!(
                        old.scheduled_at.is_some() && !self.is_left(old),
                        "a grace is cut short: {old:?}, then {record:?}"
                    );
                }
            }
            if record.state == GrantState::Revoked && !lost(was) && was != GrantState::Pending {
                let there = self.remotes[record.target.as_str()].holds(&record.remote_id, &record.account_id);
                let shared = record.reason.contains("by the same account");
                assert!(
                    !there || shared,
                    "I2: given up at the target while it is there: {record:?}"
                );
            }
            if record.state == GrantState::Revoking && !lost(was) {
                let why = (record.cause, record.release);
                self.check_release(
                    before,
                    &record.target,
                    &record.remote_id,
                    why,
                    old.is_some_and(|old| self.is_wanted(before, old)),
                );
            }
            let taken = record.origin == Origin::Adopted && record.state == GrantState::Granted;
            if taken {
                self.check_adoption(&record.target);
                let place = (
                    record.target.clone(),
                    record.remote_id.clone(),
                    record.account_id.clone(),
                );
                self.ledger.memberships.insert(place, number);
            }
        }
        for record in &after.accounts {
            let old = before.status.accounts.iter().find(|old| old.target == record.target);
            let lost = |state| {
                use AccountState::{Deactivated, Deactivating, Deleted, Deleting};
                matches!(state, Deactivating | Deactivated | Deleting | Deleted)
            };
            // Found gone at the target is no loss of our making.
            let found_gone = record.state == AccountState::Deleted;
            if lost(record.state) && !found_gone && !old.is_some_and(|old| lost(old.state)) {
                let targets = before
                    .status
                    .entitlements
                    .iter()
                    .filter(|old| old.target == record.target);
                let needed = targets.filter(|old| old.state.may_be_held() && old.state != GrantState::Revoking);
                let needed = needed
                    .into_iter()
                    // A policy that was edited to give it no more ends the grace.
                    .any(|old| self.is_wanted(before, old) || (self.is_left(old) && self.grace(old).is_some()));
                self.check_release(before, &record.target, "", (record.cause, record.release), needed);
            }
            if record.state == AccountState::Deleting && old.is_none_or(|old| old.state != AccountState::Deleting) {
                let deletion = record.deletion.as_ref().unwrap();
                let release = deletion.release.unwrap();
                assert_ne!(release, Release::Evidence, "I6: an account is deleted unjudged");
                self.check_budget(
                    (number, record.target.clone(), "deletion".to_owned()),
                    deletion.cause,
                    release,
                );
            }
            if record.origin == Origin::Adopted && old.is_none() {
                self.check_adoption(&record.target);
                self.ledger
                    .accounts
                    .insert((record.target.clone(), record.id.clone()), number);
            }
        }
        assert!(after.entitlements.len() <= 256);
    }

    fn check_adoption(&self, target: &str) {
        let settings = self.settings[TARGETS.iter().position(|name| *name == target).unwrap()];
        assert!(settings.adopt, "I1: taken over at {target} without leave");
    }

    fn check_release(
        &mut self,
        person: &Person,
        target: &str,
        what: &str,
        (cause, release): (Option<Cause>, Option<Release>),
        wanted: bool,
    ) {
        let number = number_of(&person.name);
        let (facts, left) = (self.people[number], self.has_left(number));
        assert!(!facts.paused, "a loss while paused");
        let cause = cause.unwrap_or_else(|| panic!("I6: a loss at {target} without a cause"));
        match cause {
            Cause::Termination => assert!(left, "I6: taken for an exit"),
            Cause::Manual => {
                let excepted = self.ledger.excepted.contains(&number);
                assert!(facts.deleting || excepted, "I6: taken for what a person asked for");
                assert!(
                    facts.deleting || !wanted,
                    "I8: {} loses {what} at {target} for an exception, and it is given",
                    person.name
                );
            }
            Cause::Absence | Cause::Drift => panic!("I6: nothing here is lost by {cause:?}"),
            Cause::AttributeChange | Cause::PolicyChange => {
                assert!(!left, "an exit has another cause");
                assert!(
                    !wanted,
                    "I8: {} loses {what} at {target}, which is still given or cannot be told",
                    person.name
                );
            }
        }
        let Some(release) = release else { return };
        self.check_budget((number, target.to_owned(), what.to_owned()), cause, release);
    }

    /// I6
    fn check_budget(&mut self, at: (usize, String, String), cause: Cause, release: Release) {
        let target = at.1.clone();
        self.ledger.releases.insert(at, (cause, release, self.now));
        let settings = self.settings[TARGETS.iter().position(|name| *name == target).unwrap()];
        let day = SignedDuration::from_hours(24);
        let spent: BTreeSet<usize> = self
            .ledger
            .releases
            .iter()
            .filter(|((_, at, _), (why, release, when))| {
                *at == target && *why == cause && *release == Release::Budget && when.duration_until(self.now) < day
            })
            .map(|((number, ..), _)| *number)
            .collect();
        let budget = match cause {
            Cause::Termination => PEOPLE,
            _ => settings.max_people as usize,
        };
        assert!(
            spent.len() <= budget,
            "I6: {spent:?} lost something at {target} by {cause:?} on a budget of {budget}"
        );
    }

    // ---- At every effect -----------------------------------------------------------------------------------------

    fn grants(&self, person: &str, target: &str, name: &str, account: &str) -> Vec<EntitlementRecord> {
        let Some(person) = self.namespace().employees.get(person) else {
            return Vec::new();
        };
        let records = person.status.entitlements.iter().filter(|record| {
            record.target == target
                && record.remote_id == name
                && (record.account_id == account || record.account_id.is_empty())
        });
        records.cloned().collect()
    }

    fn account(&self, person: &str, target: &str, id: &str) -> Option<AccountRecord> {
        let person = self.namespace().employees.get(person)?;
        let mut records = person.status.accounts.iter();
        let found = records.find(|record| record.target == target && (record.id == id || record.id.is_empty()));
        found.cloned()
    }

    pub fn check_membership(&mut self, target: &str, person: &str, name: &str, account: &str, hold: bool) {
        let place = (target.to_owned(), name.to_owned(), account.to_owned());
        let records = self.grants(person, target, name, account);
        if hold {
            let meant = |record: &EntitlementRecord| matches!(record.state, GrantState::Granting | GrantState::Failed);
            assert!(
                records.iter().any(meant),
                "I3: {person} is given {name} without an intent on record: {records:?}"
            );
            self.ledger.memberships.insert(place, number_of(person));
        } else {
            let released = |record: &EntitlementRecord| record.state == GrantState::Revoking;
            assert!(
                records.iter().any(released),
                "I1: {person} loses {name} without a release on record: {records:?}"
            );
            let whose = self.ledger.memberships.remove(&place);
            assert_eq!(
                whose,
                Some(number_of(person)),
                "I1: {name} of {account} at {target} was not ours to take"
            );
        }
    }

    /// I4
    pub fn check_create(&mut self, target: &'static str, person: &str, external: &str) {
        let ours = |id: &str| self.remotes[target].accounts[id].external.as_deref() == Some(external);
        let others: Vec<&String> = self.remotes[target].accounts.keys().filter(|id| ours(id)).collect();
        assert!(
            others.is_empty(),
            "I4: a second account for {person} at {target}, beside {others:?}"
        );
        let record = self.account(person, target, "");
        let state = record.map(|record| record.state);
        let meant = matches!(state, Some(AccountState::Creating | AccountState::Failed));
        assert!(
            meant,
            "I3: an account for {person} at {target} without an intent on record: {state:?}"
        );
    }

    pub fn check_account_update(&self, target: &'static str, person: &str, id: &str, action: AccountAction) {
        self.check_account_is_ours(target, person, id);
        let state = self.account(person, target, id).map(|record| record.state);
        let meant = match action {
            AccountAction::Activate => state == Some(AccountState::Activating),
            AccountAction::Create => matches!(state, Some(AccountState::Creating | AccountState::Failed)),
            _ => matches!(state, Some(AccountState::Updating | AccountState::Failed)),
        };
        assert!(meant, "I3: {action:?} of {id} without an intent on record: {state:?}");
    }

    pub fn check_account_loss(&self, target: &'static str, person: &str, id: &str, meant: AccountState) {
        let state = self.account(person, target, id).map(|record| record.state);
        assert_eq!(
            state,
            Some(meant),
            "I1: {person} loses account {id} without a release on record"
        );
        self.check_account_is_ours(target, person, id);
    }

    fn check_account_is_ours(&self, target: &'static str, person: &str, id: &str) {
        let made = self.remotes[target].accounts[id].external.as_deref() == Some(format!("tenant/{person}").as_str());
        let taken = self.ledger.accounts.get(&(target.to_owned(), id.to_owned()));
        assert!(
            made || taken == Some(&number_of(person)),
            "I1: account {id} at {target} is not ours"
        );
    }

    // ---- After every step ----------------------------------------------------------------------------------------

    /// I3: whatever we put at a target or took over there is on record while it is there.
    pub fn check_everything_is_on_record(&self) {
        for ((target, name, account), number) in &self.ledger.memberships {
            if self.person(*number).is_none() || !self.remotes[target.as_str()].holds(name, account) {
                continue;
            }
            let records = self.grants(&name_of(*number), target, name, account);
            let known = records.iter().any(|record| record.state.may_be_held());
            assert!(
                known,
                "I3: {name} of {account} at {target} is on no record of e{number}: {records:?}"
            );
        }
        for (target, remote) in &self.remotes {
            for (id, account) in &remote.accounts {
                let whose = account.external.as_deref().and_then(|key| key.strip_prefix("tenant/"));
                let Some(person) = whose.filter(|name| self.namespace().employees.contains_key(*name)) else {
                    continue;
                };
                let record = self.account(person, target, id);
                let known = record
                    .as_ref()
                    .is_some_and(|record| record.state != AccountState::Deleted);
                assert!(
                    known,
                    "I3: account {id} at {target} is on no record of {person}: {record:?}"
                );
            }
        }
    }

    fn left_at(&self, number: usize, target: &str) -> Vec<String> {
        let remote = &self.remotes[target];
        let places =
            self.ledger.memberships.iter().filter(|((at, name, account), whose)| {
                at == target && **whose == number && remote.holds(name, account)
            });
        places
            .map(|((_, name, account), _)| format!("{name} of {account}"))
            .collect()
    }

    fn usable_accounts(&self, number: usize, target: &str) -> Vec<String> {
        let key = format!("tenant/e{number}");
        let accounts = self.remotes[target].accounts.iter().filter(|(id, account)| {
            let taken = self.ledger.accounts.get(&(target.to_owned(), (*id).clone())) == Some(&number);
            account.active && (taken || account.external.as_deref() == Some(key.as_str()))
        });
        accounts.map(|(id, _)| id.clone()).collect()
    }

    /// I2: an Employee that is let go holds nothing by us.
    pub fn check_nothing_is_left(&mut self, number: usize) {
        for (target, settings) in TARGETS.into_iter().zip(self.settings) {
            // Of a target that is not there, nobody says what becomes of accounts.
            if self.gone.contains(target) {
                continue;
            }
            assert_eq!(
                self.left_at(number, target),
                [""; 0],
                "I2: e{number} goes with something left at {target}"
            );
            let end = if self.has_left(number) {
                settings.on_terminated
            } else {
                settings.on_unused
            };
            if end != "Keep" {
                let accounts = self.usable_accounts(number, target);
                assert_eq!(
                    accounts, [""; 0],
                    "I2: e{number} goes with a usable account at {target}"
                );
            }
        }
        // The records go with the object, and what they said of the budget.
        self.ledger.releases.retain(|(whose, ..), _| *whose != number);
    }

    // ---- At rest -------------------------------------------------------------------------------------------------

    pub fn check_rest(&self, number: usize) {
        let Some(person) = self.person(number) else { return };
        if self.is_frozen(number) {
            return;
        }
        let (facts, left) = (&self.people[number], self.has_left(number));
        for (target, settings) in TARGETS.into_iter().zip(self.settings) {
            let held = person.status.entitlements.iter().any(|r| r.state == GrantState::Held)
                || person.status.accounts.iter().any(|r| r.state == AccountState::Held);
            if left {
                assert_eq!(
                    self.left_at(number, target),
                    [""; 0],
                    "I2: e{number} left, and holds something at {target}"
                );
                if settings.on_terminated != "Keep" {
                    let accounts = self.usable_accounts(number, target);
                    assert_eq!(
                        accounts, [""; 0],
                        "I2: e{number} left, with a usable account at {target}"
                    );
                }
            } else if facts.deleting {
                assert!(held, "e{number} is being deleted, and neither goes nor is held");
            }
        }
        if left || facts.deleting {
            return;
        }
        for (thing, (name, target)) in THINGS.into_iter().enumerate() {
            let records = person
                .status
                .entitlements
                .iter()
                .filter(|record| record.remote_id == name);
            let (given, contradicted) = self.stance(number, thing);
            if given && !contradicted && !self.may_be_denied(number, thing) {
                self.check_given(&person, name, target, records.clone());
            }
            for record in records {
                let settled = match record.state {
                    GrantState::Granted => self.is_wanted(&person, record) || self.is_left(record),
                    GrantState::Held => !self.is_wanted(&person, record),
                    GrantState::Pending => given || contradicted,
                    GrantState::Revoked => true,
                    // Their account cannot be made: somebody else's is in the way.
                    GrantState::Granting => is_blocked(&person, target),
                    _ => false,
                };
                assert!(
                    settled,
                    "not settled: {record:?}, accounts {:?}",
                    person.status.accounts
                );
            }
        }
    }

    /// Desired is held, or something stands in the way that the record names.
    fn check_given<'a>(
        &self,
        person: &Person,
        name: &str,
        target: &str,
        mut records: impl Iterator<Item = &'a EntitlementRecord>,
    ) {
        let number = number_of(&person.name);
        let remote = &self.remotes[target];
        let account = if target == "cluster" {
            Some(self.people[number].email(number))
        } else {
            let mut accounts = person.status.accounts.iter();
            let found = accounts.find(|record| record.target == target);
            found.map(|record| record.id.clone())
        };
        let here = |record: &&EntitlementRecord| Some(&record.account_id) == account.as_ref();
        let reached = records.find(|record| match record.state {
            GrantState::Granted => {
                let account = remote.accounts.get(&record.account_id);
                let usable = target == "cluster" || account.is_some_and(|account| account.active || account.locked);
                here(record) && usable && remote.holds(name, &record.account_id)
            }
            GrantState::Pending => !record.reason.is_empty(),
            GrantState::Granting => is_blocked(person, target),
            _ => false,
        });
        assert!(
            reached.is_some(),
            "{} should have {name} at {target}, and has not: {:?}; {remote:?}",
            person.name,
            person.status
        );
        let settings = self.settings[TARGETS.iter().position(|at| *at == target).unwrap()];
        if reached.is_some_and(|record| record.state == GrantState::Pending) {
            let named = |account: &crate::remote::Account| {
                account.external.is_none() && account.user == self.people[number].email(number)
            };
            let foreign = remote.accounts.values().any(named);
            let foreign = foreign || account.is_some_and(|account| remote.holds(name, &account));
            let failed = person
                .status
                .accounts
                .iter()
                .any(|record| record.state == AccountState::Failed);
            assert!(
                foreign || failed || !settings.create,
                "nothing stands in the way of {name}: {reached:?}"
            );
        }
    }
}

fn thing_of(record: &EntitlementRecord) -> usize {
    THINGS.iter().position(|(name, _)| *name == record.remote_id).unwrap()
}

fn is_blocked(person: &Person, target: &str) -> bool {
    let mut accounts = person.status.accounts.iter();
    accounts.any(|record| record.target == target && record.state == AccountState::Failed)
}

const _: () = assert!(PEOPLE < 10);
