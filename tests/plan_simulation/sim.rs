//! Everything there is: the objects as the index has them, the targets, and what a crash forgets.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::api::ObjectMeta;
use rollcall::api::employee::EmployeeStatus;
use rollcall::api::entitlement::RemoteObject;
use rollcall::api::{
    AccessException, ChangeSet, Employee, Entitlement, HRISConnection, PAUSED_ANNOTATION, ProvisioningPolicy,
    TargetSystem,
};
use rollcall::decide::guard::{Judgement, Memory};
use rollcall::decide::index::Index;
use rollcall::decide::{Namespace, Person};
use serde_json::{Value, json};

use crate::checks::Ledger;
use crate::company::{
    Case, EXCEPTIONS, Facts, Fate, OTHERS_LIMIT, PEOPLE, POLICIES, Rule, Settings, Special, TARGETS, THINGS,
    number as called,
};
use crate::desk::Desk;
use crate::remote::{Account, Remote};

/// Everything there is.
pub struct Sim {
    pub rules: [Rule; POLICIES],
    pub people: [Facts; PEOPLE],
    /// Exceptions, and when each ends.
    pub specials: [Option<(Special, Timestamp)>; EXCEPTIONS],
    pub settings: [Settings; TARGETS.len()],
    pub index: Index,
    pub now: Timestamp,
    pub remotes: BTreeMap<&'static str, Remote>,
    pub ledger: Ledger,
    pub gone: BTreeSet<&'static str>,
    /// What was made of the openings, as the API server has it.
    pub change_sets: BTreeMap<String, Value>,
    pub version: u64,
    // From here on: what a crash forgets.
    pub desks: BTreeMap<&'static str, Desk>,
    pub memory: Memory,
    pub judgement: Judgement,
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

fn object(kind: &str, name: &str, version: u64, spec: &Value, status: &Value) -> Value {
    json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "spec": spec, "status": status,
        "metadata": {"namespace": "tenant", "name": name, "generation": version, "resourceVersion": version.to_string()}})
}

fn read<K: serde::de::DeserializeOwned>(object: &Value) -> K {
    serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"))
}

// ---- What is there -----------------------------------------------------------------------------------------------

impl Sim {
    pub fn new(case: &Case) -> Self {
        let mut sim = Self {
            rules: case.rules,
            people: case.people,
            specials: [None; EXCEPTIONS],
            settings: case.settings,
            index: Index::default(),
            now: "2026-06-20T12:00:00Z".parse().unwrap(),
            remotes: BTreeMap::new(),
            ledger: Ledger::default(),
            gone: BTreeSet::new(),
            change_sets: BTreeMap::new(),
            version: 1,
            desks: BTreeMap::new(),
            memory: Memory::default(),
            judgement: Judgement::default(),
        };
        let key = json!({"name": "s", "key": "k"});
        let hr = json!({"merge": {"region": "EU"}, "apiKeySecretRef": key, "accountTokenSecretRef": key,
            "termination": {"defaultTimeZone": "Europe/Berlin"}});
        sim.index.put(read::<HRISConnection>(&object(
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
                            locked: false,
                        };
                        remote.add(name, account)
                    })
                };
                let (thing, _) = THINGS.iter().find(|(_, at)| *at == name).unwrap();
                if let Some(id) = id.filter(|_| before.member) {
                    remote
                        .holders
                        .entry((*thing).to_owned())
                        .or_default()
                        .insert(id, OTHERS_LIMIT);
                }
            }
            remote.changes = 0;
            sim.remotes.insert(name, remote);
            sim.put_target(target);
        }
        for (name, target) in THINGS {
            let limit = json!({"name": "limit", "type": "Integer", "default": "0"});
            let spec = json!({"targetRef": {"name": target}, "scimGroup": {"id": name}, "parameters": [limit]});
            let status = json!({"observedGeneration": 1, "remote": {"kind": "Group", "id": name},
                "holders": 0, "pending": 0, "held": 0});
            sim.index
                .put(read::<Entitlement>(&object("Entitlement", name, 1, &spec, &status)));
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

    pub fn put_target(&mut self, number: usize) {
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
        let target = object("TargetSystem", name, version, &spec, &Value::Null);
        self.index.put(read::<TargetSystem>(&target));
    }

    /// Makes what the judgement says is to be made, and closes what nothing waits in any more.
    pub fn put_change_sets(&mut self) {
        for opening in self.judgement.openings.clone() {
            let set = json!({"spec": {}, "status": opening.status(self.now)});
            self.change_sets.insert(opening.name.clone(), set);
            self.put_change_set(&opening.name);
        }
        for (name, waiting) in self.judgement.waiting.clone() {
            let state = json!(if waiting == 0 { "Done" } else { "Open" });
            let set = self.change_sets.get_mut(&name).unwrap();
            if set["status"]["state"] != state {
                set["status"]["state"] = state;
                self.put_change_set(&name);
            }
        }
    }

    pub fn put_change_set(&mut self, name: &str) {
        let version = self.version();
        let set = self.change_sets[name].clone();
        let set = object("ChangeSet", name, version, &set["spec"], &set["status"]);
        self.index.put(read::<ChangeSet>(&set));
    }

    pub fn put_policy(&mut self, number: usize) {
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
        let parameters = if rule.limit > 0 && !rule.denies {
            json!({"limit": rule.limit.to_string()})
        } else {
            json!({})
        };
        let gives = THINGS.iter().zip(rule.gives).filter(|(_, given)| *given);
        let gives: Vec<Value> = gives
            .map(|((thing, _), _)| json!({"name": thing, "parameters": parameters}))
            .collect();
        let mode = if rule.fate == Fate::Plan { "Plan" } else { "Enforce" };
        let mut spec = json!({"mode": mode, "selector": selector, "entitlements": gives});
        if rule.denies {
            spec["effect"] = json!("Deny");
        } else if let Some(hours) = rule.grace {
            spec["lifecycle"] = json!({"grace": format!("{hours}h")});
        }
        let mut policy = object("ProvisioningPolicy", &name, version, &spec, &json!({}));
        match rule.fate {
            Fate::Deleting => policy["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
            Fate::Paused => policy["metadata"]["annotations"] = json!({PAUSED_ANNOTATION: ""}),
            _ => {}
        }
        self.index.put(read::<ProvisioningPolicy>(&policy));
    }

    pub fn put_exception(&mut self, number: usize, special: Option<Special>) {
        let (name, version) = (format!("x{number}"), self.version());
        let ends = special.map(|special| (special, self.now + SignedDuration::from_hours(special.hours)));
        self.specials[number] = ends;
        let Some((special, end)) = ends else {
            self.index.remove::<AccessException>("tenant", &name);
            return;
        };
        let spec = json!({"employee": called(special.person), "entitlementRef": {"name": THINGS[special.thing].0},
            "effect": format!("{:?}", special.effect), "reason": "asked for", "expiresAt": end});
        let exception = object("AccessException", &name, version, &spec, &Value::Null);
        self.index.put(read::<AccessException>(&exception));
    }

    pub fn put_person(&mut self, number: usize, status: EmployeeStatus) {
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

    pub fn changes(&self) -> usize {
        self.remotes.values().map(|remote| remote.changes).sum()
    }
}
