//! The writers of the targets, as `controllers/writer` do it: one call at a time, each of which can go wrong.

use std::collections::{BTreeMap, BTreeSet};

use rollcall::api::employee::AccountState;
use rollcall::decide::effect::{AccountAction, AccountSight, Holding, Intent, IntentKey, Match, Outcome, may_be_ours};

use crate::company::{Fault, TARGETS, THINGS};
use crate::desk::PersonDesk;
use crate::remote::{Account, Match as Found};
use crate::sim::Sim;

fn done(id: &str, attributes: Option<&str>) -> Outcome {
    Outcome::done(id.to_owned(), attributes.map(str::to_owned))
}

/// What a look shows of somebody who holds with this limit.
pub fn holding(limit: usize) -> Holding {
    Holding {
        parameters: BTreeMap::from([("limit".to_owned(), limit.to_string())]),
        ..Holding::default()
    }
}

fn retrying() -> Outcome {
    Outcome::Retrying("may or may not have done it".to_owned())
}

fn refused() -> Outcome {
    Outcome::Refused("refuses the request".to_owned())
}

/// Something that a writer can do next.
enum Task {
    LookUp(String),
    LookAt(String),
    Job(String, IntentKey),
}

impl Sim {
    fn tasks(&self, target: &str) -> Vec<Task> {
        let Some(desk) = self.desks.get(target) else {
            return Vec::new();
        };
        let mut tasks = Vec::new();
        for (name, known) in &desk.people {
            tasks.extend(known.look_up.then(|| Task::LookUp(name.clone())));
            tasks.extend(known.ready().into_iter().map(|key| Task::Job(name.clone(), key)));
        }
        tasks.extend(desk.look_at.iter().cloned().map(Task::LookAt));
        tasks
    }

    pub fn send_nth(&mut self, target: &'static str, pick: usize, fault: Fault) {
        let mut tasks = self.tasks(target);
        if !tasks.is_empty() {
            let task = tasks.swap_remove(pick % tasks.len());
            self.send(target, task, fault);
        }
    }

    pub fn deliver_nth(&mut self, pick: usize) {
        let mut running = Vec::new();
        for (target, desk) in &self.desks {
            for (name, known) in &desk.people {
                let jobs = known.jobs.iter().filter(|(_, job)| job.running.is_some());
                running.extend(jobs.map(|(key, _)| (*target, name.clone(), key.clone())));
            }
        }
        if !running.is_empty() {
            let (target, name, key) = running.swap_remove(pick % running.len());
            self.known(target, &name).post(&key);
        }
    }

    /// Every writer sends everything that is due.
    pub fn work(&mut self, fault: Fault) {
        for target in TARGETS {
            for task in self.tasks(target) {
                self.send(target, task, fault);
            }
        }
    }

    pub fn deliver_all(&mut self) {
        while self
            .desks
            .values()
            .flat_map(|desk| desk.people.values())
            .any(is_running)
        {
            self.deliver_nth(0);
        }
    }

    fn known(&mut self, target: &str, person: &str) -> &mut PersonDesk {
        let desk = self.desks.get_mut(target).unwrap();
        desk.people.get_mut(person).unwrap()
    }

    fn send(&mut self, target: &'static str, task: Task, fault: Fault) {
        match task {
            Task::LookUp(name) => {
                let (external, user) = {
                    let known = self.known(target, &name);
                    (known.external.clone(), known.user.clone())
                };
                let sight = match (fault, self.remotes[target].find(&external, &user)) {
                    (Fault::No | Fault::After, Found::None) => AccountSight::Absent,
                    (Fault::No | Fault::After, Found::Foreign(id)) => AccountSight::Foreign {
                        id,
                        why: "belongs to another".to_owned(),
                    },
                    (Fault::No | Fault::After, Found::Several) => AccountSight::Ambiguous("several match".to_owned()),
                    (Fault::No | Fault::After, Found::One(id)) => {
                        let account = &self.remotes[target].accounts[&id];
                        AccountSight::Present {
                            active: account.active,
                            ours: account.external.as_deref() == Some(&external),
                            by: Match::Name,
                            names: BTreeSet::from([account.user.clone()]),
                            id,
                        }
                    }
                    _ => AccountSight::Failed("the target does not answer".to_owned()),
                };
                let known = self.known(target, &name);
                known.look_up = matches!(
                    sight,
                    AccountSight::Failed(_) | AccountSight::Ambiguous(_) | AccountSight::Foreign { .. }
                );
                known.sight = sight;
            }
            Task::LookAt(name) => {
                if matches!(fault, Fault::No | Fault::After) {
                    self.read(target, &name);
                    self.desks.get_mut(target).unwrap().look_at.remove(&name);
                }
            }
            Task::Job(name, key) => {
                let job = self.known(target, &name).jobs[&key].clone();
                let outcome = match &job.intent {
                    Intent::Account { id, action, .. } => {
                        self.send_account(target, &name, id, *action, job.tries, fault)
                    }
                    Intent::Membership {
                        key,
                        account_id,
                        hold,
                        parameters,
                        ..
                    } => {
                        let limit = hold.then(|| parameters["limit"].parse().unwrap());
                        self.send_membership(target, &name, &key.object.id, account_id, limit, fault)
                    }
                };
                // Without one, nothing was sent: the whole target waits.
                if let Some(outcome) = outcome {
                    self.known(target, &name).jobs.get_mut(&key).unwrap().running = Some(outcome);
                }
            }
        }
    }

    fn send_account(
        &mut self,
        target: &'static str,
        person: &str,
        id: &str,
        action: AccountAction,
        tries: u32,
        fault: Fault,
    ) -> Option<Outcome> {
        if fault == Fault::Down {
            return None;
        }
        let (external, user, digest) = {
            let known = self.known(target, person);
            (known.external.clone(), known.user.clone(), known.digest.clone())
        };
        let found = |sim: &mut Self| sim.find_ours(target, person);
        if action == AccountAction::Create {
            let known = self.known(target, person);
            let fresh = tries == 0 && std::mem::take(&mut known.sight) == AccountSight::Absent;
            if !fresh && let Some(found) = found(self) {
                return Some(self.take_up(target, person, found, fault));
            }
            if fault == Fault::Refused {
                return Some(refused());
            }
            if fault != Fault::Before && self.remotes[target].takes_name(&user, "") {
                self.check_create(target, person, &external);
                let account = Account {
                    external: Some(external.clone()),
                    user: user.clone(),
                    active: true,
                    digest: digest.clone(),
                    locked: false,
                };
                self.remote(target).add(target, account);
            }
            if fault == Fault::AfterBlind {
                return Some(retrying());
            }
            return Some(match found(self) {
                Some(found) => self.take_up(target, person, found, Fault::No),
                None => retrying(),
            });
        }
        let id = match id {
            "" => match found(self) {
                Some(Ok(id)) => id,
                _ => return Some(done("", None)),
            },
            id => id.to_owned(),
        };
        if fault == Fault::Refused {
            return Some(refused());
        }
        let there = self.remotes[target].accounts.contains_key(&id);
        match action {
            AccountAction::Update | AccountAction::Activate if !there => return Some(done("", None)),
            AccountAction::Update | AccountAction::Activate => {
                if !self.remotes[target].takes_name(&user, &id) {
                    return Some(Outcome::Retrying("says that it conflicts".to_owned()));
                }
                if fault != Fault::Before {
                    self.check_account_update(target, person, &id, action);
                    let activate = action == AccountAction::Activate;
                    self.remote(target).update(&id, &user, &digest, activate);
                }
            }
            AccountAction::Deactivate if there && fault != Fault::Before => {
                self.check_account_loss(target, person, &id, AccountState::Deactivating);
                let remote = self.remote(target);
                let active = std::mem::take(&mut remote.accounts.get_mut(&id).unwrap().active);
                remote.changes += usize::from(active);
            }
            AccountAction::Delete if there && fault != Fault::Before => {
                self.check_account_loss(target, person, &id, AccountState::Deleting);
                self.remote(target).delete(&id);
            }
            AccountAction::Create | AccountAction::Deactivate | AccountAction::Delete => {}
        }
        let updated = matches!(action, AccountAction::Update | AccountAction::Activate).then_some(digest.as_str());
        Some(if fault == Fault::No {
            done(&id, updated)
        } else {
            retrying()
        })
    }

    /// An account that an earlier try left behind is made what it should be.
    fn take_up(&mut self, target: &'static str, person: &str, found: Result<String, String>, fault: Fault) -> Outcome {
        let id = match found {
            Ok(id) => id,
            Err(why) => return Outcome::Refused(why),
        };
        let known = self.known(target, person);
        let (user, digest) = (known.user.clone(), known.digest.clone());
        match fault {
            Fault::Refused => return refused(),
            Fault::Before => return retrying(),
            _ if !self.remotes[target].takes_name(&user, &id) => return retrying(),
            _ => {}
        }
        self.check_account_update(target, person, &id, AccountAction::Create);
        self.remote(target).update(&id, &user, &digest, true);
        if fault == Fault::No {
            done(&id, Some(&digest))
        } else {
            retrying()
        }
    }

    fn send_membership(
        &mut self,
        target: &'static str,
        person: &str,
        name: &str,
        account: &str,
        limit: Option<usize>,
        fault: Fault,
    ) -> Option<Outcome> {
        let hold = limit.is_some();
        if fault == Fault::Down {
            self.desks.get_mut(target).unwrap().holders.remove(name);
            return None;
        }
        let known = self.known(target, person);
        let account = match (account, known.account_id.clone()) {
            ("", Some(id)) => id,
            ("", None) => match self.find_ours(target, person) {
                Some(Ok(id)) => id,
                _ if hold => return Some(Outcome::Retrying("has no account for it yet".to_owned())),
                _ => return Some(done("", None)),
            },
            (id, _) => id.to_owned(),
        };
        let seen = self.desks[target].holders.get(name).map(|(seen, _)| seen.clone());
        let fresh = seen.is_none();
        let seen = seen.unwrap_or_else(|| self.read(target, name));
        if !fresh || seen.get(&account).copied() != limit {
            let there = target == "cluster" || self.remotes[target].accounts.contains_key(&account);
            if fault == Fault::Refused || (hold && !there) {
                self.desks.get_mut(target).unwrap().holders.remove(name);
                return Some(refused());
            }
            let now = self.remotes[target].limit(name, &account);
            if fault != Fault::Before && now != limit {
                match (now, limit) {
                    (Some(from), Some(to)) => self.check_limit(target, person, name, &account, (from, to)),
                    _ => self.check_membership(target, person, name, &account, hold),
                }
                let remote = self.remote(target);
                let holders = remote.holders.entry(name.to_owned()).or_default();
                match limit {
                    Some(limit) => holders.insert(account.clone(), limit),
                    None => holders.remove(&account),
                };
                remote.changes += 1;
            }
            if fault != Fault::No {
                self.desks.get_mut(target).unwrap().holders.remove(name);
                return Some(retrying());
            }
        }
        let now = self.read(target, name).get(&account).copied();
        Some(if now == limit {
            Outcome::Done {
                account_id: account,
                attributes: None,
                holding: limit.map(holding),
                invited: false,
            }
        } else {
            retrying()
        })
    }

    fn read(&mut self, target: &'static str, name: &str) -> BTreeMap<String, usize> {
        let holders = self.remotes[target].holders.get(name).cloned().unwrap_or_default();
        let now = self.now;
        let desk = self.desks.get_mut(target).unwrap();
        desk.holders.insert(name.to_owned(), (holders.clone(), now));
        holders
    }

    /// The account that was being made, where it is there; or why what is there is not that one.
    fn find_ours(&mut self, target: &'static str, person: &str) -> Option<Result<String, String>> {
        let known = self.known(target, person);
        let (external, user) = (known.external.clone(), known.user.clone());
        let (sought, spec) = (known.sought(), known.spec.clone());
        match self.remotes[target].find(&external, &user) {
            Found::None => None,
            Found::One(id) => {
                let account = self.remotes[target].accounts[&id].clone();
                if may_be_ours(account.external.as_deref(), &external, &sought, &spec) {
                    return Some(Ok(id));
                }
                self.known(target, person).sight = AccountSight::Present {
                    id,
                    active: account.active,
                    ours: false,
                    by: Match::Name,
                    names: BTreeSet::from([account.user]),
                };
                Some(Err("has an account of that name that is not the one".to_owned()))
            }
            Found::Several | Found::Foreign(_) => Some(Err("others match".to_owned())),
        }
    }

    /// Reads everything that a target shows of accounts and of the groups that were read before, for everybody at once.
    pub fn resync(&mut self, target: &'static str) {
        let now = self.now;
        let accounts = self.remotes[target].accounts.iter();
        let accounts: BTreeMap<String, bool> = accounts.map(|(id, account)| (id.clone(), account.active)).collect();
        let desk = self.desks.entry(target).or_default();
        // What was looked up says nothing of an account that is gone since.
        for known in desk.people.values_mut() {
            if let AccountSight::Present { id, .. } = &known.sight
                && !accounts.contains_key(id)
            {
                known.sight = AccountSight::Unseen;
            }
        }
        desk.accounts = Some((accounts, now));
        for (name, _) in THINGS.iter().filter(|(_, at)| *at == target) {
            self.read(target, name);
        }
    }
}

fn is_running(known: &PersonDesk) -> bool {
    known.jobs.values().any(|job| job.running.is_some())
}
