//! What becomes of a record, transition by transition. Each test is a story of one person, Ada, with two policies, two
//! SCIM targets and the cluster.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::*;
use crate::api::employee::{Origin, Phase};
use crate::api::entitlement::RemoteObject;
use crate::api::target::Budget;
use crate::api::{Employee, Entitlement, ProvisioningPolicy, TargetSystem};
use crate::decide::effect::{AccountAction as Act, AccountSight, Look, Match, attributes_digest};
use crate::decide::guard::{LossId, Memory, Terms};
use crate::decide::index::Indexed;
use crate::decide::resolve::resolve;
use crate::decide::survey::{judge_all, survey};

mod drift;
mod giving;
mod losing;
mod outcomes;
mod parameters;
mod strength;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What the story says of losses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ruling {
    /// What survey and guard say.
    Judged,
    Hold,
    Wait,
}

/// One person, and all that is decided about her.
struct Story {
    namespace: Namespace,
    now: Timestamp,
    sight: Sight,
    ruling: Ruling,
    adopt: &'static str,
    account: Value,
    guard: Value,
    /// What entitlements made from here on declare.
    parameters: Value,
    /// What targets made from here on let us do.
    verbs: Value,
}

impl Story {
    /// Ada is in Sales; policy `basics` gives everybody `chat`, and nothing was ever done.
    fn new() -> Self {
        let mut story = Self {
            namespace: Namespace::default(),
            now: at("2026-06-15T12:00:00Z"),
            sight: Sight::default(),
            ruling: Ruling::Judged,
            adopt: "Desired",
            account: json!({}),
            guard: json!({}),
            parameters: json!([{"name": "limit", "type": "Integer"}]),
            verbs: json!(["Observe", "Grant", "Update", "Revoke", "Deactivate", "Delete"]),
        };
        story.target("okta");
        story.entitlement("chat", "okta");
        story.entitlement("code", "okta");
        story.policy("basics", &json!({}));
        story.facts(&json!({}));
        story
    }

    fn put<K: Indexed + serde::de::DeserializeOwned>(&mut self, object: &Value) {
        let object: K = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"));
        object.put(&mut self.namespace);
    }

    fn target(&mut self, name: &str) {
        let key = json!({"name": "s", "key": "k"});
        let spec = json!({"adopt": self.adopt, "account": self.account, "guard": self.guard, "managementPolicies": self.verbs,
            "scim": {"baseURL": "https://x", "bearerTokenSecretRef": key}});
        self.put::<TargetSystem>(&object("TargetSystem", name, &spec, &json!({})));
    }

    fn cluster(&mut self) {
        let spec = json!({"adopt": "Desired", "kubernetes": {"serviceAccountRef": {"name": "sa"}}});
        self.put::<TargetSystem>(&object("TargetSystem", "cluster", &spec, &json!({})));
        self.entitlement("admin", "cluster");
    }

    /// An entitlement that stands for the group of the same name.
    fn entitlement(&mut self, name: &str, target: &str) {
        self.entitlement_of(name, target, name);
    }

    fn entitlement_of(&mut self, name: &str, target: &str, group: &str) {
        let spec = json!({"targetRef": {"name": target}, "scimGroup": {"id": group}, "parameters": self.parameters});
        let status = json!({"observedGeneration": 1, "remote": {"kind": "Group", "id": group},
            "holders": 0, "pending": 0, "held": 0});
        self.put::<Entitlement>(&object("Entitlement", name, &spec, &status));
    }

    /// A policy that gives everybody `chat`, but for what `with` says.
    fn policy(&mut self, name: &str, with: &Value) {
        let mut spec = json!({"mode": "Enforce", "selector": {"everyone": true}, "entitlements": [{"name": "chat"}]});
        spec.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        self.put::<ProvisioningPolicy>(&object(
            "ProvisioningPolicy",
            name,
            &spec,
            &json!({"enforcedGeneration": 1}),
        ));
    }

    fn break_policy(&mut self, name: &str) {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        ProvisioningPolicy::put_broken(&mut self.namespace, &metadata, "no mode".to_owned());
    }

    fn drop_policy(&mut self, name: &str) {
        ProvisioningPolicy::remove(&mut self.namespace, name);
    }

    /// Gives Ada these facts on top of her usual ones; `null` takes one away.
    fn facts(&mut self, with: &Value) {
        let mut spec = json!({"workEmail": "ada@x.io", "username": "ada", "startDate": "2026-01-01",
            "departments": [{"path": ["Sales"]}]});
        for (name, value) in with.as_object().unwrap() {
            spec[name] = value.clone();
        }
        spec.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let status = self.namespace.employees.get("e-ada").map(|ada| ada.status.clone());
        let mut object = object("Employee", "e-ada", &spec, &json!(status.unwrap_or_default()));
        object["metadata"]["uid"] = json!("uid-ada");
        self.put::<Employee>(&object);
    }

    fn edit(&mut self, change: impl FnOnce(&mut Person)) {
        let mut ada = self.ada().clone();
        change(&mut ada);
        self.namespace.employees.insert(ada.name.clone(), Arc::new(ada));
    }

    fn ada(&self) -> &Person {
        &self.namespace.employees["e-ada"]
    }

    fn saw(&mut self, account: AccountSight) {
        self.sight.accounts.insert("okta".to_owned(), account);
    }

    fn holds(&mut self, name: &str, holds: bool) {
        self.sight.holds.insert(key("okta", name), Look::plain(holds, self.now));
    }

    /// What would be recorded now.
    fn plan(&self) -> Next {
        let resolution = resolve(&self.namespace, self.ada(), self.now);
        let survey = survey(&self.namespace, self.now);
        let terms = Terms {
            limits: Budget {
                max_people: 25,
                max_percent: 10,
            },
            settled: true,
            now: self.now,
        };
        let judgement = judge_all(&self.namespace, &survey, &terms, &mut Memory::default());
        let verdict = |loss: &LossId| match self.ruling {
            Ruling::Wait => Verdict::Wait,
            Ruling::Hold => {
                let mut losses = survey.targets[&loss.target].docket.losses.iter();
                losses
                    .find(|found| found.id == *loss)
                    .map_or(Verdict::Wait, |found| Verdict::Held {
                        cause: found.cause,
                        change_set: "cs".to_owned(),
                        reason: "waits for a person".to_owned(),
                    })
            }
            Ruling::Judged => judgement.loss(loss),
        };
        let judge: &dyn Judge = match self.ruling {
            Ruling::Judged => &judgement,
            _ => &verdict,
        };
        next(&self.namespace, self.ada(), &resolution, &self.sight, judge, self.now)
    }

    /// Records what is planned, and takes the outcomes as consumed.
    fn step(&mut self) -> Next {
        let next = self.plan();
        self.sight.outcomes.clear();
        let status = next.status.clone();
        self.edit(|ada| ada.status = status);
        next
    }

    fn intents(&self) -> Vec<Intent> {
        intents(&self.ada().status.accounts, &self.ada().status.entitlements)
    }

    /// Everything that is under way comes to `outcome`, then is recorded.
    fn all_come_to(&mut self, outcome: &Outcome) -> Next {
        self.sight.outcomes = self
            .intents()
            .into_iter()
            .map(|intent| (intent, outcome.clone()))
            .collect();
        self.step()
    }

    fn all_done(&mut self) -> Next {
        let digest = attributes_digest(&self.ada().spec);
        self.sight.outcomes = self
            .intents()
            .into_iter()
            .map(|intent| {
                let id = match &intent {
                    Intent::Account { id, .. } => id,
                    Intent::Membership { account_id, .. } => account_id,
                };
                let account_id = if id.is_empty() { "A1" } else { id }.to_owned();
                let attributes = intent
                    .key()
                    .eq(&crate::decide::effect::IntentKey::Account)
                    .then(|| digest.clone());
                (intent, Outcome::done(account_id, attributes))
            })
            .collect();
        self.step()
    }

    /// Ada has an account and everything that she should have, made by us.
    fn settled() -> Self {
        Self::new().settle()
    }

    fn settle(mut self) -> Self {
        self.saw(AccountSight::Absent);
        self.step();
        self.all_done();
        self.sight = Sight::default();
        self
    }

    fn terminate(&mut self) {
        self.facts(&json!({"employmentStatus": "INACTIVE"}));
    }

    fn grant(&self, name: &str) -> &EntitlementRecord {
        let records = &self.ada().status.entitlements;
        let of_it: Vec<_> = records.iter().filter(|record| record.remote_id == name).collect();
        assert_eq!(of_it.len(), 1, "{records:?}");
        of_it[0]
    }

    fn state(&self, name: &str) -> GrantState {
        self.grant(name).state
    }

    fn account(&self) -> &AccountRecord {
        assert_eq!(self.ada().status.accounts.len(), 1);
        &self.ada().status.accounts[0]
    }

    /// I7: what was recorded is what is planned again.
    fn assert_stable(&self) {
        assert_eq!(self.plan().status, self.ada().status);
        assert_eq!(self.intents(), []);
    }
}

fn object(kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
    json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "generation": 1},
        "spec": spec, "status": status})
}

fn key(target: &str, id: &str) -> RemoteKey {
    RemoteKey {
        target: target.to_owned(),
        object: RemoteObject {
            kind: "Group".to_owned(),
            id: id.to_owned(),
        },
    }
}

fn present(active: bool, ours: bool) -> AccountSight {
    AccountSight::Present {
        id: "A9".to_owned(),
        active,
        ours,
        by: if ours { Match::Key } else { Match::Name },
        names: BTreeSet::new(),
    }
}
