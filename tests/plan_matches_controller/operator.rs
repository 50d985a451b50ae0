//! The operator without its waiting: planner and guard, and targets that do at once what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rollcall::api::change_set::ChangeSetState;
use rollcall::api::employee::{AccountState, Cause, EntitlementRecord, GrantState};
use rollcall::api::entitlement::RemoteObject;
use rollcall::api::{
    AccessException, ChangeSet, ChangeSetSpec, Employee, Entitlement, PAUSED_ANNOTATION, ProvisioningPolicy,
    TargetSystem,
};
use rollcall::decide::compare::Access;
use rollcall::decide::effect::{AccountAction, AccountSight, Intent, Look, Outcome, RemoteKey, Sight, intents};
use rollcall::decide::guard::{Judgement, Memory, Terms};
use rollcall::decide::index::{Entry, Indexed};
use rollcall::decide::survey::{judge_all, survey};
use rollcall::decide::{Namespace, Person, plan, resolve};
use serde_json::{Value, json};

use crate::company::{Case, Edit, Exception, Facts, Fate, Rule, TARGETS, THINGS, limits, now};

/// What changed on record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Gained(String, Access),
    GainHeld(String, Access, String),
    Lost(String, Access, Cause),
    Held(String, Access, String),
    /// It was held, and is not to be lost any more.
    Kept(String, Access),
    Parameter(String, Access, String, String),
    /// It is left until then only.
    Left(String, Access, Timestamp),
    /// It was left for a time only, and stays.
    Stays(String, Access),
}

pub struct Operator {
    pub namespace: Namespace,
    /// Who holds what, by account.
    holders: BTreeSet<(RemoteKey, String)>,
    heard: BTreeMap<String, Vec<(Intent, Outcome)>>,
    memory: Memory,
    version: i64,
}

fn object(kind: &str, name: &str, version: i64, spec: &Value, status: &Value) -> Value {
    json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "spec": spec, "status": status,
        "metadata": {"namespace": "tenant", "name": name, "uid": format!("{kind}-{name}"), "generation": version,
            "resourceVersion": version.to_string()}})
}

fn read<K: serde::de::DeserializeOwned>(object: &Value) -> K {
    serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"))
}

impl Operator {
    pub fn new(case: &Case) -> Self {
        let mut operator = Self {
            namespace: Namespace::default(),
            holders: BTreeSet::new(),
            heard: BTreeMap::new(),
            memory: Memory::default(),
            version: 1,
        };
        let key = json!({"name": "s", "key": "k"});
        for (name, settings) in TARGETS.into_iter().zip(case.settings) {
            let mut guard = json!({"maxPeople": settings.max_people, "maxPercent": 0});
            if let Some(ceiling) = settings.grants {
                guard["grants"] = json!({"maxPeople": ceiling, "maxPercent": 0});
            }
            let spec = if name == "cluster" {
                json!({"adopt": "Never", "guard": guard, "kubernetes": {"serviceAccountRef": {"name": "sa"}}})
            } else {
                json!({"adopt": "Never", "guard": guard, "account": {"onUnused": {"action": settings.on_unused}},
                    "scim": {"baseURL": "https://x", "bearerTokenSecretRef": key}})
            };
            read::<TargetSystem>(&object("TargetSystem", name, 1, &spec, &Value::Null)).put(&mut operator.namespace);
        }
        for ((name, target), is_exclusive) in THINGS.into_iter().zip(case.exclusive) {
            let mut spec = json!({"targetRef": {"name": target}, "scimGroup": {"id": name}, "parameters": [{"name": "limit", "type": "Integer"}]});
            if is_exclusive {
                spec["exclusiveGroup"] = json!("duties");
            }
            let status = json!({"observedGeneration": 1, "remote": {"kind": "Group", "id": name},
                "holders": 0, "pending": 0, "held": 0});
            read::<Entitlement>(&object("Entitlement", name, 1, &spec, &status)).put(&mut operator.namespace);
        }
        for (number, facts) in case.people.iter().enumerate() {
            operator.put_facts(number, facts);
        }
        for (number, rule) in case.rules.iter().enumerate() {
            operator.put_rule(number, rule.as_ref());
        }
        for (number, exception) in case.exceptions.iter().enumerate() {
            operator.put_exception(number, exception.as_ref());
        }
        operator.judged_by_all();
        operator
    }

    fn next_version(&mut self) -> i64 {
        self.version += 1;
        self.version
    }

    fn put_facts(&mut self, number: usize, facts: &Facts) {
        let name = format!("e{number}");
        let status = self.namespace.employees.get(&name).map(|person| person.status.clone());
        let version = self.next_version();
        let mut employee: Employee = read(&object("Employee", &name, version, &facts.spec(number), &Value::Null));
        employee.status = status;
        employee.put(&mut self.namespace);
    }

    fn put_rule(&mut self, number: usize, rule: Option<&Rule>) {
        let name = format!("p{number}");
        let old = self.namespace.policies.get(&name).and_then(Entry::readable).cloned();
        let Some(rule) = rule else {
            ProvisioningPolicy::remove(&mut self.namespace, &name);
            return;
        };
        let version = self.next_version();
        let mut policy: ProvisioningPolicy = read(&object(
            "ProvisioningPolicy",
            &name,
            version,
            &rule.spec(),
            &Value::Null,
        ));
        if rule.paused {
            policy.metadata.annotations = Some([(PAUSED_ANNOTATION.to_owned(), "yes".to_owned())].into());
        }
        if let Some(old) = old {
            if old.spec == policy.spec {
                policy.metadata.generation = old.metadata.generation;
            }
            policy.status.clone_from(&old.status);
        }
        policy.put(&mut self.namespace);
    }

    fn put_exception(&mut self, number: usize, exception: Option<&Exception>) {
        let name = format!("x{number}");
        AccessException::remove(&mut self.namespace, &name);
        if let Some(exception) = exception {
            let version = self.next_version();
            let spec = exception.spec();
            read::<AccessException>(&object("AccessException", &name, version, &spec, &Value::Null))
                .put(&mut self.namespace);
        }
    }

    pub fn put_in(&mut self, edit: &Edit) {
        for (number, rule) in edit.rules.iter().enumerate() {
            match rule {
                Fate::Same => {}
                Fate::Gone => self.put_rule(number, None),
                Fate::Is(rule) => self.put_rule(number, Some(rule)),
            }
        }
        for (number, exception) in edit.exceptions.iter().enumerate() {
            match exception {
                Fate::Same => {}
                Fate::Gone => self.put_exception(number, None),
                Fate::Is(exception) => self.put_exception(number, Some(exception)),
            }
        }
        for (number, facts) in &edit.moves {
            self.put_facts(*number, facts);
        }
    }

    /// What the policies' controller writes after everybody was judged.
    pub fn judged_by_all(&mut self) {
        let policies: Vec<Arc<ProvisioningPolicy>> = self
            .namespace
            .policies
            .values()
            .filter_map(Entry::readable)
            .cloned()
            .collect();
        for policy in policies {
            let mut policy = Arc::unwrap_or_clone(policy);
            policy.metadata.resource_version = Some(self.next_version().to_string());
            policy.status.get_or_insert_default().enforced_generation = policy.metadata.generation;
            policy.put(&mut self.namespace);
        }
    }

    /// Judges, reconciles and does, until nothing changes any more.
    pub fn come_to_rest(&mut self) {
        for _ in 0..30 {
            let judgement = self.judge();
            let people: Vec<Arc<Person>> = self.namespace.employees.values().cloned().collect();
            let mut rested = true;
            for person in people {
                let heard = self.heard.remove(&person.name).unwrap_or_default();
                let resolution = resolve(&self.namespace, &person, now());
                let sight = self.sight(&person, heard);
                let next = plan::next(&self.namespace, &person, &resolution, &sight, &judgement, now());
                let done: Vec<(Intent, Outcome)> = intents(&next.status.accounts, &next.status.entitlements)
                    .into_iter()
                    .map(|intent| {
                        let outcome = self.carry_out(&person, &intent);
                        (intent, outcome)
                    })
                    .collect();
                rested &= done.is_empty() && next.status == person.status;
                self.heard.insert(person.name.clone(), done);
                let version = self.next_version().to_string();
                let recorded = Person {
                    status: next.status,
                    resource_version: version,
                    ..person.as_ref().clone()
                };
                self.namespace.employees.insert(person.name.clone(), Arc::new(recorded));
            }
            if rested {
                return;
            }
        }
        panic!("no rest after 30 rounds");
    }

    fn sight(&self, person: &Person, outcomes: Vec<(Intent, Outcome)>) -> Sight {
        let mut sight = Sight {
            outcomes,
            ..Sight::default()
        };
        for (name, target) in THINGS {
            let object = RemoteObject {
                kind: "Group".to_owned(),
                id: name.to_owned(),
            };
            let key = RemoteKey {
                target: target.to_owned(),
                object,
            };
            let account = account_of(person, target);
            sight
                .holds
                .insert(key.clone(), Look::plain(self.holders.contains(&(key, account)), now()));
            sight.accounts.insert(target.to_owned(), AccountSight::Absent);
        }
        sight
    }

    fn carry_out(&mut self, person: &Person, intent: &Intent) -> Outcome {
        let (account_id, attributes) = match intent {
            Intent::Account { action, .. } => {
                let gives = !matches!(action, AccountAction::Deactivate | AccountAction::Delete);
                let digest = rollcall::decide::effect::attributes_digest(&person.spec);
                (person.name.clone(), gives.then_some(digest))
            }
            Intent::Membership {
                key, account_id, hold, ..
            } => {
                let account = if account_id.is_empty() {
                    &person.name
                } else {
                    account_id
                };
                let holder = (key.clone(), account.clone());
                if *hold {
                    self.holders.insert(holder);
                } else {
                    self.holders.remove(&holder);
                }
                (account.clone(), None)
            }
        };
        Outcome::done(account_id, attributes)
    }

    /// Judges, and makes the `ChangeSet`s that this calls for.
    fn judge(&mut self) -> Judgement {
        let all = survey(&self.namespace, now());
        let terms = Terms {
            limits: limits(),
            settled: true,
            now: now(),
        };
        let judgement = judge_all(&self.namespace, &all, &terms, &mut self.memory);
        for opening in &judgement.openings {
            let mut set = ChangeSet::new(&opening.name, ChangeSetSpec::default());
            set.metadata.resource_version = Some(self.next_version().to_string());
            set.status = Some(opening.status(now()));
            set.put(&mut self.namespace);
        }
        for (name, waiting) in &judgement.waiting {
            self.stand(name, *waiting);
        }
        judgement
    }

    /// What the sets' controller writes of one in which so many changes wait.
    fn stand(&mut self, name: &str, waiting: u32) {
        let Some(set) = self.namespace.change_sets.get(name).and_then(Entry::readable).cloned() else {
            return;
        };
        let mut set = Arc::unwrap_or_clone(set);
        set.metadata.resource_version = Some(self.next_version().to_string());
        let status = set.status.get_or_insert_default();
        status.waiting = waiting;
        if waiting == 0 {
            status.state = ChangeSetState::Done;
        }
        set.put(&mut self.namespace);
    }

    /// The digests that the cluster shows.
    pub fn digests(&self) -> BTreeSet<String> {
        let sets = self.namespace.change_sets.values().filter_map(Entry::readable);
        sets.filter_map(|set| Some(set.status.as_ref()?.digest.clone()))
            .collect()
    }
}

fn account_of(person: &Person, target: &str) -> String {
    if target == "cluster" {
        return person.spec.work_email.clone().unwrap_or_default();
    }
    person.name.clone()
}

/// Where a grant or an account is.
#[derive(Clone, Debug, Default, PartialEq)]
struct Standing {
    had: bool,
    change_set: String,
    /// Of its parameters, where that is what waits.
    change: String,
    cause: Option<Cause>,
    parameters: BTreeMap<String, String>,
    gain_held: bool,
    left_until: Option<Timestamp>,
}

fn standings(person: &Person) -> BTreeMap<(Access, String), Standing> {
    let grants = person.status.entitlements.iter().map(|record: &EntitlementRecord| {
        let had = matches!(
            record.state,
            GrantState::Granted | GrantState::Updating | GrantState::Held
        );
        let standing = Standing {
            had,
            change_set: record.change_set.clone(),
            change: record.parameter_change.clone(),
            cause: record.cause,
            parameters: record.desired_parameters.clone(),
            gain_held: record.state == GrantState::Pending,
            left_until: record
                .scheduled_at
                .as_ref()
                .map(|at| at.0)
                .filter(|_| record.change_set.is_empty()),
        };
        let access = Access {
            target: record.target.clone(),
            entitlement: record.entitlement.clone(),
        };
        let account = if record.account_id.is_empty() {
            account_of(person, &record.target)
        } else {
            record.account_id.clone()
        };
        ((access, account), standing)
    });
    let accounts = person.status.accounts.iter().map(|record| {
        let standing = Standing {
            had: matches!(
                record.state,
                AccountState::Active | AccountState::Updating | AccountState::Held
            ),
            change_set: record.change_set.clone(),
            cause: record.cause,
            ..Standing::default()
        };
        let access = Access {
            target: record.target.clone(),
            entitlement: "account".to_owned(),
        };
        ((access, record.id.clone()), standing)
    });
    grants.chain(accounts).collect()
}

/// What changed on record between two times of rest. That an account is made is no change of its own.
pub fn changes(before: &Namespace, after: &Namespace) -> BTreeSet<Change> {
    let mut changes = BTreeSet::new();
    for person in after.employees.values() {
        let who = || person.name.clone();
        let old = before
            .employees
            .get(&person.name)
            .map(|old| standings(old))
            .unwrap_or_default();
        for ((access, account), is) in standings(person) {
            let was = old.get(&(access.clone(), account)).cloned().unwrap_or_default();
            let held = |standing: &Standing| standing.had && !standing.change_set.is_empty();
            if is.had && !was.had && access.entitlement != "account" {
                changes.insert(Change::Gained(who(), access.clone()));
            }
            if is.gain_held && !is.change_set.is_empty() && was.change_set.is_empty() {
                changes.insert(Change::GainHeld(who(), access.clone(), is.change_set.clone()));
            }
            if was.had && !is.had {
                changes.insert(Change::Lost(who(), access.clone(), is.cause.unwrap()));
            }
            // Another change of the same grant waits for another decision.
            if held(&is) && (!held(&was) || is.change != was.change) {
                changes.insert(Change::Held(who(), access.clone(), is.change_set.clone()));
            }
            if held(&was) && is.had && !held(&is) {
                changes.insert(Change::Kept(who(), access.clone()));
            }
            if is.had && is.left_until != was.left_until {
                if let Some(until) = is.left_until {
                    changes.insert(Change::Left(who(), access.clone(), until));
                } else if is.change_set.is_empty() || !is.change.is_empty() {
                    changes.insert(Change::Stays(who(), access.clone()));
                }
            }
            if is.had && was.had && is.parameters != was.parameters {
                let text = |standing: &Standing| standing.parameters.get("limit").cloned().unwrap_or_default();
                changes.insert(Change::Parameter(who(), access, text(&was), text(&is)));
            }
        }
    }
    changes
}
