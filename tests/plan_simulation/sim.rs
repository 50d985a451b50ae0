//! The loop: what `controllers/` do, one step at a time, in any order.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::api::ObjectMeta;
use rollcall::api::employee::{AccountState, EmployeeStatus, GrantState};
use rollcall::api::entitlement::RemoteObject;
use rollcall::api::{
    Employee, Entitlement, HRISConnection, PAUSED_ANNOTATION, ProvisioningPolicy, RELEASE_HELD_ANNOTATION, TargetSystem,
};
use rollcall::decide::effect::{AccountAction, AccountSight, Intent, Outcome, RemoteKey, Sight};
use rollcall::decide::guard::{Judgement, LossId, Verdict};
use rollcall::decide::index::Index;
use rollcall::decide::losses::{Named, account_name};
use rollcall::decide::plan::{Next, next};
use rollcall::decide::survey::{judge_all, survey};
use rollcall::decide::{Namespace, Person, resolve};
use serde_json::{Value, json};

use crate::checks::Ledger;
use crate::company::{Case, Facts, Fate, Fault, Op, PEOPLE, POLICIES, Rule, Settings, TARGETS, THINGS};
use crate::desk::{Desk, PersonDesk};
use crate::remote::{Account, Match, Remote};

/// Everything there is.
pub struct Sim {
    pub rules: [Rule; POLICIES],
    pub people: [Facts; PEOPLE],
    pub settings: [Settings; TARGETS.len()],
    pub index: Index,
    pub now: Timestamp,
    pub remotes: BTreeMap<&'static str, Remote>,
    pub ledger: Ledger,
    gone: BTreeSet<&'static str>,
    approvals: BTreeMap<&'static str, String>,
    version: u64,
    // From here on: what a crash forgets.
    desks: BTreeMap<&'static str, Desk>,
    issued: BTreeSet<LossId>,
    pub judgements: BTreeMap<String, Judgement>,
}

pub fn name_of(person: usize) -> String {
    format!("e{person}")
}

pub fn number_of(person: &str) -> usize {
    person[1..].parse().unwrap()
}

pub fn group(name: &str) -> RemoteObject {
    RemoteObject {
        kind: "Group".to_owned(),
        id: name.to_owned(),
    }
}

fn done(id: &str, attributes: Option<&str>) -> Outcome {
    Outcome::Done {
        account_id: id.to_owned(),
        attributes: attributes.map(str::to_owned),
    }
}

fn retrying() -> Outcome {
    Outcome::Retrying("may or may not have done it".to_owned())
}

fn refused() -> Outcome {
    Outcome::Refused("refuses the request".to_owned())
}

fn object(kind: &str, name: &str, version: u64, spec: &Value, status: &Value) -> Value {
    json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "spec": spec, "status": status,
        "metadata": {"namespace": "tenant", "name": name, "generation": version, "resourceVersion": version.to_string()}})
}

fn read<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"))
}

// ---- What is there -----------------------------------------------------------------------------------------------

impl Sim {
    pub fn new(case: &Case) -> Self {
        let mut sim = Self {
            rules: case.rules,
            people: case.people,
            settings: case.settings,
            index: Index::default(),
            now: "2026-06-20T12:00:00Z".parse().unwrap(),
            remotes: BTreeMap::new(),
            ledger: Ledger::default(),
            gone: BTreeSet::new(),
            approvals: BTreeMap::new(),
            version: 1,
            desks: BTreeMap::new(),
            issued: BTreeSet::new(),
            judgements: BTreeMap::new(),
        };
        let key = json!({"name": "s", "key": "k"});
        let hr = json!({"merge": {"region": "EU"}, "apiKeySecretRef": key, "accountTokenSecretRef": key,
            "termination": {"defaultTimeZone": "Europe/Berlin"}});
        sim.index.put(read::<HRISConnection>(object(
            "HRISConnection",
            "hr",
            1,
            &hr,
            &Value::Null,
        )));
        for (target, name) in TARGETS.into_iter().enumerate() {
            let mut remote = Remote {
                unique: case.settings[target].unique,
                ..Remote::default()
            };
            for (number, facts) in case.people.iter().enumerate() {
                let before = case.before[number][target];
                let id = if name == "cluster" {
                    Some(facts.email(number))
                } else {
                    before.account.map(|active| {
                        let account = Account {
                            external: None,
                            user: facts.email(number),
                            active,
                            digest: String::new(),
                        };
                        remote.add(name, account)
                    })
                };
                let (thing, _) = THINGS.iter().find(|(_, at)| *at == name).unwrap();
                if let Some(id) = id.filter(|_| before.member) {
                    remote.holders.entry((*thing).to_owned()).or_default().insert(id);
                }
            }
            remote.changes = 0;
            sim.remotes.insert(name, remote);
            sim.put_target(target);
        }
        for (name, target) in THINGS {
            let spec = json!({"targetRef": {"name": target}, "scimGroup": {"id": name}});
            let status = json!({"observedGeneration": 1, "remote": {"kind": "Group", "id": name},
                "holders": 0, "pending": 0, "held": 0});
            sim.index
                .put(read::<Entitlement>(object("Entitlement", name, 1, &spec, &status)));
        }
        for policy in 0..POLICIES {
            sim.put_policy(policy);
        }
        for person in 0..PEOPLE {
            sim.put_person(person, EmployeeStatus::default());
        }
        sim
    }

    fn version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn put_target(&mut self, number: usize) {
        let (name, version) = (TARGETS[number], self.version());
        if self.gone.contains(name) {
            self.index.remove::<TargetSystem>("tenant", name);
            self.desks.remove(name);
            return;
        }
        let settings = &self.settings[number];
        let end = |action: &str| match action {
            "Delete" => json!({"action": action, "after": "1d"}),
            _ => json!({"action": action}),
        };
        let mut spec = json!({"adopt": if settings.adopt { "Desired" } else { "Never" },
            "guard": {"maxPeople": settings.max_people, "maxPercent": 0}});
        if name == "cluster" {
            spec["kubernetes"] = json!({"serviceAccountRef": {"name": "sa"}});
        } else {
            spec["scim"] = json!({"baseURL": "https://x", "bearerTokenSecretRef": {"name": "s", "key": "k"}});
            spec["account"] = json!({"create": settings.create, "onUnused": end(settings.on_unused),
                "onTerminated": end(settings.on_terminated)});
        }
        let mut target = object("TargetSystem", name, version, &spec, &Value::Null);
        if let Some(digest) = self.approvals.get(name) {
            target["metadata"]["annotations"] = json!({RELEASE_HELD_ANNOTATION: digest});
        }
        self.index.put(read::<TargetSystem>(target));
    }

    fn put_policy(&mut self, number: usize) {
        let (rule, name, version) = (self.rules[number], format!("p{number}"), self.version());
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            namespace: Some("tenant".to_owned()),
            ..ObjectMeta::default()
        };
        match rule.fate {
            Fate::Gone => {
                self.index.remove::<ProvisioningPolicy>("tenant", &name);
                return;
            }
            Fate::Broken => {
                self.index
                    .put_broken::<ProvisioningPolicy>(&metadata, "no mode".to_owned());
                return;
            }
            _ => {}
        }
        let selector = match rule.department {
            Some(department) => json!({"department": {"in": [format!("D{department}")]}}),
            None => json!({"everyone": true}),
        };
        let parameters = if rule.limit > 0 {
            json!({"limit": "1"})
        } else {
            json!({})
        };
        let gives = THINGS.iter().zip(rule.gives).filter(|(_, given)| *given);
        let gives: Vec<Value> = gives
            .map(|((thing, _), _)| json!({"name": thing, "parameters": parameters}))
            .collect();
        let mode = if rule.fate == Fate::Plan { "Plan" } else { "Enforce" };
        let spec = json!({"mode": mode, "selector": selector, "entitlements": gives});
        let mut policy = object("ProvisioningPolicy", &name, version, &spec, &json!({}));
        match rule.fate {
            Fate::Deleting => policy["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
            Fate::Paused => policy["metadata"]["annotations"] = json!({PAUSED_ANNOTATION: ""}),
            _ => {}
        }
        self.index.put(read::<ProvisioningPolicy>(policy));
    }

    fn put_person(&mut self, number: usize, status: EmployeeStatus) {
        let facts = self.people[number];
        let version = self.version();
        let mut employee = Employee::new(&name_of(number), facts.spec(number));
        let metadata = &mut employee.metadata;
        metadata.namespace = Some("tenant".to_owned());
        metadata.uid = Some(format!("uid-{number}"));
        metadata.resource_version = Some(version.to_string());
        metadata.generation = Some(1);
        if facts.paused {
            metadata.annotations = Some(BTreeMap::from([(PAUSED_ANNOTATION.to_owned(), String::new())]));
        }
        if facts.deleting {
            metadata.deletion_timestamp = serde_json::from_value(json!("2026-06-01T00:00:00Z")).unwrap();
        }
        employee.status = Some(status);
        self.index.put(employee);
    }

    pub fn namespace(&self) -> &Namespace {
        self.index.namespace("tenant").unwrap()
    }

    /// The person as acknowledged; `None` once the object is gone.
    pub fn person(&self, number: usize) -> Option<Person> {
        self.namespace()
            .employees
            .get(&name_of(number))
            .map(|person| person.as_ref().clone())
    }

    pub fn remote(&mut self, target: &str) -> &mut Remote {
        self.remotes.get_mut(target).unwrap()
    }

    fn changes(&self) -> usize {
        self.remotes.values().map(|remote| remote.changes).sum()
    }
}

// ---- What happens ------------------------------------------------------------------------------------------------

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
            Op::Crash => {
                self.desks.clear();
                self.issued.clear();
                self.judgements.clear();
            }
            Op::Hours(hours) => self.now += SignedDuration::from_hours(hours),
            Op::Approve { target, stale } => {
                let held = self
                    .judgements
                    .get(TARGETS[target])
                    .and_then(|judgement| judgement.held.as_ref());
                match held {
                    Some(held) if !stale => self.approvals.insert(TARGETS[target], held.digest.clone()),
                    _ => self.approvals.remove(TARGETS[target]),
                };
                self.put_target(target);
            }
            Op::Target { target, gone } => {
                if gone {
                    self.gone.insert(TARGETS[target]);
                } else {
                    self.gone.remove(TARGETS[target]);
                }
                self.put_target(target);
            }
        }
        self.check_everything_is_on_record();
    }

    fn edit(&mut self, number: usize, change: impl FnOnce(&mut Facts)) {
        if let Some(person) = self.person(number) {
            change(&mut self.people[number]);
            self.put_person(number, person.status);
        }
    }

    fn judge(&mut self) {
        let survey = survey(self.index.namespace("tenant").unwrap(), self.now);
        self.judgements = judge_all(self.index.namespace("tenant").unwrap(), &survey, &mut self.issued);
    }

    /// What `person` should be recorded as, as `controllers/employee.rs` decides it.
    fn plan(&self, person: &Person, sight: &Sight) -> (bool, Next) {
        let resolution = resolve(self.namespace(), person, self.now);
        let verdict = |loss: &LossId| {
            let judgement = self.judgements.get(&loss.target);
            let verdict = judgement.and_then(|judgement| judgement.verdicts.get(loss));
            verdict.cloned().unwrap_or(Verdict::Wait)
        };
        let next = next(self.namespace(), person, &resolution, sight, &verdict, self.now);
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
            let of_target = |record: &&rollcall::api::employee::AccountRecord| record.target == *target;
            let mut account = person
                .status
                .accounts
                .iter()
                .find(of_target)
                .map(|record| record.id.clone());
            account = account.filter(|id| !id.is_empty());
            if let Some(known) = desk.people.get(&person.name) {
                sight.outcomes.extend(known.outcomes.iter().cloned());
                if let AccountSight::Present { id, .. } = &known.sight {
                    account.get_or_insert_with(|| id.clone());
                }
                sight.accounts.insert((*target).to_owned(), known.sight.clone());
            }
            if let Named::By(name) = account_name(self.namespace(), person, target) {
                account = Some(name);
            }
            let Some(account) = account else { continue };
            for (name, holders) in &desk.holders {
                let key = RemoteKey {
                    target: (*target).to_owned(),
                    object: group(name),
                };
                sight.holds.insert(key, holders.contains(&account));
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

// ---- The writer --------------------------------------------------------------------------------------------------

/// Something that a writer can do next.
enum Task {
    LookUp(String),
    LookAt(String),
    Job(String, rollcall::decide::effect::IntentKey),
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

    fn send_nth(&mut self, target: &'static str, pick: usize, fault: Fault) {
        let mut tasks = self.tasks(target);
        if !tasks.is_empty() {
            let task = tasks.swap_remove(pick % tasks.len());
            self.send(target, task, fault);
        }
    }

    fn deliver_nth(&mut self, pick: usize) {
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
    fn work(&mut self, fault: Fault) {
        for target in TARGETS {
            for task in self.tasks(target) {
                self.send(target, task, fault);
            }
        }
    }

    fn deliver_all(&mut self) {
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
                    (Fault::No | Fault::After, Match::None) => AccountSight::Absent,
                    (Fault::No | Fault::After, Match::Several) => AccountSight::Ambiguous("several match".to_owned()),
                    (Fault::No | Fault::After, Match::One(id)) => {
                        let account = &self.remotes[target].accounts[&id];
                        AccountSight::Present {
                            active: account.active,
                            ours: account.external.as_deref() == Some(&external),
                            id,
                        }
                    }
                    _ => AccountSight::Failed("the target does not answer".to_owned()),
                };
                let known = self.known(target, &name);
                known.look_up = matches!(sight, AccountSight::Failed(_) | AccountSight::Ambiguous(_));
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
                        key, account_id, hold, ..
                    } => self.send_membership(target, &name, &key.object.id, account_id, *hold, fault),
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
        let found = |sim: &Self| match sim.remotes[target].find(&external, &user) {
            Match::None => None,
            Match::One(id) => Some(Ok(id)),
            Match::Several => Some(Err("several match".to_owned())),
        };
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
            AccountAction::Create => {}
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
            AccountAction::Deactivate | AccountAction::Delete => {}
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
        hold: bool,
        fault: Fault,
    ) -> Option<Outcome> {
        if fault == Fault::Down {
            self.desks.get_mut(target).unwrap().holders.remove(name);
            return None;
        }
        let known = self.known(target, person);
        let (external, user) = (known.external.clone(), known.user.clone());
        let account = match (account, known.account_id.clone()) {
            ("", Some(id)) => id,
            ("", None) => match self.remotes[target].find(&external, &user) {
                Match::One(id) => id,
                _ if hold => return Some(Outcome::Retrying("has no account for it yet".to_owned())),
                _ => return Some(done("", None)),
            },
            (id, _) => id.to_owned(),
        };
        let seen = self.desks[target].holders.get(name).cloned();
        let fresh = seen.is_none();
        let seen = seen.unwrap_or_else(|| self.read(target, name));
        if !fresh || seen.contains(&account) != hold {
            let there = target == "cluster" || self.remotes[target].accounts.contains_key(&account);
            if fault == Fault::Refused || (hold && !there) {
                self.desks.get_mut(target).unwrap().holders.remove(name);
                return Some(refused());
            }
            if fault != Fault::Before && self.remotes[target].holds(name, &account) != hold {
                self.check_membership(target, person, name, &account, hold);
                let remote = self.remote(target);
                let holders = remote.holders.entry(name.to_owned()).or_default();
                if hold {
                    holders.insert(account.clone());
                } else {
                    holders.remove(&account);
                }
                remote.changes += 1;
            }
            if fault != Fault::No {
                self.desks.get_mut(target).unwrap().holders.remove(name);
                return Some(retrying());
            }
        }
        let holds = self.read(target, name).contains(&account);
        Some(if holds == hold {
            done(&account, None)
        } else {
            retrying()
        })
    }

    fn read(&mut self, target: &'static str, name: &str) -> BTreeSet<String> {
        let holders = self.remotes[target].holders.get(name).cloned().unwrap_or_default();
        let desk = self.desks.get_mut(target).unwrap();
        desk.holders.insert(name.to_owned(), holders.clone());
        holders
    }
}

fn is_running(known: &PersonDesk) -> bool {
    known.jobs.values().any(|job| job.running.is_some())
}

// ---- Rest --------------------------------------------------------------------------------------------------------

impl Sim {
    fn round(&mut self) {
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
        for (target, judgement) in &self.judgements {
            assert_eq!(judgement.held, None, "I6: what was approved at {target} does not go");
        }
    }
}
