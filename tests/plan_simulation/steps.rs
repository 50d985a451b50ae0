//! What happens, one step at a time, in any order: facts and policies change, the releaser judges, people are reconciled.

use jiff::SignedDuration;
use rollcall::api::Employee;
use rollcall::api::employee::{AccountState, EmployeeStatus, GrantState};
use rollcall::api::target::Budget;
use rollcall::decide::drift::looked_through;
use rollcall::decide::effect::{AccountLook, AccountSeen, Look, RemoteKey, Sight};
use rollcall::decide::guard::{Judgement, Memory, Terms};
use rollcall::decide::losses::account_name;
use rollcall::decide::plan::{Next, next};
use rollcall::decide::survey::{judge_all, survey};
use rollcall::decide::{Person, resolve};

use serde_json::json;

use crate::company::{Facts, Fault, Op, PEOPLE, TARGETS};
use crate::sim::{Sim, group};
use crate::writer::holding;

impl Sim {
    pub fn apply(&mut self, op: Op) {
        match op {
            Op::Reconcile { person, patient, lost } => self.reconcile(person, patient, lost),
            Op::Judge => self.judge(),
            Op::Send { target, pick, fault } => self.send_nth(TARGETS[target], pick, fault),
            Op::Deliver { pick } => self.deliver_nth(pick),
            Op::Everything { fault, heard } => {
                self.judge();
                for person in 0..PEOPLE {
                    self.reconcile(person, true, false);
                }
                self.work(fault);
                if heard {
                    self.deliver_all();
                }
            }
            Op::Move { person, department } => self.edit(person, |facts| facts.department = department),
            Op::Rename { person, email, title } => self.edit(person, |facts| {
                facts.email = email;
                facts.title = title;
            }),
            Op::Leave { person } => self.edit(person, |facts| facts.left = true),
            Op::Return { person, start } => self.edit(person, |facts| {
                facts.left = false;
                facts.start = start;
            }),
            Op::Vanish { person, absent } => self.edit(person, |facts| facts.absent = absent),
            Op::Pause { person, paused } => self.edit(person, |facts| facts.paused = paused),
            Op::Delete { person } => self.edit(person, |facts| facts.deleting = true),
            Op::Edit { policy, rule } => {
                self.rules[policy] = rule;
                self.put_policy(policy);
            }
            Op::Except { number, special } => {
                self.ledger.excepted.extend(special.map(|special| special.person));
                self.put_exception(number, special);
            }
            Op::Crash => {
                self.desks.clear();
                self.memory = Memory::default();
                self.judgement = Judgement::default();
            }
            Op::Hours(hours) => self.now += SignedDuration::from_hours(hours),
            Op::Approve { target, stale } => {
                let held = self.judgement.held.get(TARGETS[target]).cloned().unwrap_or_default();
                for name in held.change_sets {
                    let set = self.change_sets.get_mut(&name).unwrap();
                    let digest = if stale {
                        json!("another")
                    } else {
                        set["status"]["digest"].clone()
                    };
                    set["spec"] = json!({"decision": "Approve", "digest": digest});
                    self.put_change_set(&name);
                }
            }
            Op::Target { target, gone } => {
                if gone {
                    self.gone.insert(TARGETS[target]);
                } else {
                    self.gone.remove(TARGETS[target]);
                }
                self.put_target(target);
            }
            Op::Others { target, pick, deed } => self.remote(TARGETS[target]).suffer(deed, pick),
            Op::Look { target } if self.gone.contains(TARGETS[target]) => {}
            Op::Look { target } => self.look_again(TARGETS[target]),
        }
        self.check_everything_is_on_record();
    }

    fn look_again(&mut self, target: &'static str) {
        self.now += SignedDuration::from_secs(1);
        self.resync(target);
    }

    fn edit(&mut self, number: usize, change: impl FnOnce(&mut Facts)) {
        if let Some(person) = self.person(number) {
            change(&mut self.people[number]);
            self.put_person(number, person.status);
        }
    }

    fn judge(&mut self) {
        let survey = survey(self.index.namespace("tenant").unwrap(), self.now);
        let terms = Terms {
            limits: Budget {
                max_people: 1000,
                max_percent: 0,
            },
            settled: true,
            now: self.now,
        };
        let namespace = self.index.namespace("tenant").unwrap();
        self.judgement = judge_all(namespace, &survey, &terms, &mut self.memory);
        self.put_change_sets();
    }

    /// What `person` should be recorded as, as `controllers/employee.rs` decides it.
    fn plan(&self, person: &Person, sight: &Sight) -> (bool, Next) {
        let resolution = resolve(self.namespace(), person, self.now);
        let next = next(self.namespace(), person, &resolution, sight, &self.judgement, self.now);
        (resolution.frozen.is_some(), next)
    }

    fn reconcile(&mut self, number: usize, patient: bool, lost: bool) {
        let Some(person) = self.person(number) else { return };
        let sight = self.sight(&person);
        let (frozen, next) = self.plan(&person, &sight);
        self.look(&person, &next);
        let waits = !next.look_up.is_empty() || !next.look_at.is_empty();
        if lost || (waits && patient && sight.outcomes.is_empty() && !takes_away(&person.status, &next.status)) {
            return;
        }
        if next.status != person.status {
            self.check_record(&person, &next.status);
            self.put_person(number, next.status);
        }
        let acknowledged = self.person(number).unwrap();
        for target in TARGETS.iter().filter(|target| !self.gone.contains(*target)) {
            let known = self
                .desks
                .entry(target)
                .or_default()
                .people
                .entry(person.name.clone())
                .or_default();
            if frozen {
                known.withdraw(&sight.outcomes);
            } else {
                known.submit(&acknowledged, target, &sight.outcomes);
            }
        }
        if acknowledged.deleting && next.empty {
            self.check_nothing_is_left(number);
            self.index.remove::<Employee>("tenant", &person.name);
            for desk in self.desks.values_mut() {
                desk.people.remove(&person.name);
            }
        }
    }

    fn sight(&self, person: &Person) -> Sight {
        let mut sight = Sight::default();
        for (target, desk) in &self.desks {
            if let Some(known) = desk.people.get(&person.name) {
                sight.outcomes.extend(known.outcomes.iter().cloned());
                sight.accounts.insert((*target).to_owned(), known.sight.clone());
            }
            let named = account_name(self.namespace(), person, target);
            let account = looked_through(named, person, &sight, target);
            let Some(account) = account else { continue };
            if let Some((accounts, at)) = &desk.accounts {
                let active = accounts.get(&account);
                let look = AccountLook {
                    id: account.clone(),
                    found: active.map(|active| AccountSeen {
                        active: *active,
                        ..AccountSeen::default()
                    }),
                    at: *at,
                };
                sight.looks.insert((*target).to_owned(), look);
            }
            for (name, (holders, at)) in &desk.holders {
                let key = RemoteKey {
                    target: (*target).to_owned(),
                    object: group(name),
                };
                let holding = holders.get(&account).map(|limit| holding(*limit));
                sight.holds.insert(key, Look { holding, at: *at });
            }
        }
        sight
    }

    fn look(&mut self, person: &Person, next: &Next) {
        for name in TARGETS.into_iter().filter(|name| !self.gone.contains(name)) {
            let desk = self.desks.entry(name).or_default();
            if next.look_up.contains(name) {
                let known = desk.people.entry(person.name.clone()).or_default();
                known.refresh(person);
                known.look_up = true;
            }
            let wanted = next.look_at.iter().filter(|key| key.target == name);
            desk.look_at.extend(wanted.map(|key| key.object.id.clone()));
        }
    }
}

fn takes_away(old: &EmployeeStatus, new: &EmployeeStatus) -> bool {
    let losing = |status: &EmployeeStatus| {
        let grants = status
            .entitlements
            .iter()
            .filter(|record| record.state == GrantState::Revoking);
        let ending = [AccountState::Deactivating, AccountState::Deleting];
        grants.count()
            + status
                .accounts
                .iter()
                .filter(|record| ending.contains(&record.state))
                .count()
    };
    losing(new) > losing(old)
}

// ---- Rest --------------------------------------------------------------------------------------------------------

impl Sim {
    fn round(&mut self) {
        for target in TARGETS {
            self.look_again(target);
        }
        self.judge();
        for person in 0..PEOPLE {
            self.reconcile(person, true, false);
        }
        self.work(Fault::No);
        self.deliver_all();
        self.check_everything_is_on_record();
    }

    /// Faults have stopped: everything is done that is due.
    pub fn come_to_rest(&mut self) {
        self.gone.clear();
        for target in 0..TARGETS.len() {
            self.put_target(target);
        }
        self.rounds();
        // What was to be deleted later is deleted.
        self.now += SignedDuration::from_hours(25);
        self.rounds();
    }

    /// Rounds until nothing happens any more. What was only looked at may make a difference in the next one.
    fn rounds(&mut self) {
        let mut quiet = 0;
        for _ in 0..40 {
            let before = (self.changes(), self.version);
            self.round();
            quiet = if before == (self.changes(), self.version) {
                quiet + 1
            } else {
                0
            };
            if quiet == 3 {
                return;
            }
        }
        panic!("I7: does not come to rest");
    }

    /// Exceptions and what is left for a time come to their end.
    pub fn let_all_end(&mut self) {
        self.now += SignedDuration::from_hours(24 * 5);
    }

    pub fn approve_all(&mut self) {
        for target in 0..TARGETS.len() {
            self.apply(Op::Approve { target, stale: false });
        }
    }

    /// I7: another round changes nothing, at the targets and on record.
    pub fn assert_rest(&mut self) {
        let changes = self.changes();
        let before: Vec<_> = (0..PEOPLE).map(|number| self.person(number)).collect();
        self.round();
        let after: Vec<_> = (0..PEOPLE).map(|number| self.person(number)).collect();
        assert_eq!(before, after, "I7: the records do not come to rest");
        assert_eq!(changes, self.changes(), "I7: the targets do not come to rest");
        for number in 0..PEOPLE {
            self.check_rest(number);
        }
    }

    pub fn assert_nothing_held(&self) {
        let held = &self.judgement.held;
        assert!(held.is_empty(), "I6: what was approved does not go: {held:?}");
    }
}
