//! What a person should have, by every policy at once.
//!
//! Each policy takes a stance on the person: it gives or denies, it does not, or it cannot be told. What cannot be told
//! neither grants nor takes: what such a policy would give is `undecided`, and what it gave before stays by
//! `undecided_grantors`; what it would deny is `blocked`. The strongest word wins: an exit, an exception that denies, a
//! policy that denies, an exception that allows, a policy that gives. An exception that freezes leaves things as they
//! are, but for an exit.

mod exception;
mod exclusive;
mod heard;
mod object;
mod policy;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use self::exception::{in_force, then};
use self::heard::Heard;
pub(super) use self::object::look_up;
use self::policy::Judge;
use super::effect::RemoteKey;
use super::index::{Entry, Namespace, Person};
use super::phase::{PhaseRules, phase};
use crate::api::PAUSED_ANNOTATION;
use crate::api::employee::{Cause, DeletionPolicy, EntitlementRecord, GrantState, Phase};
use crate::api::policy::Mode;

/// What a person should have.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    /// The instant that it speaks of.
    pub at: Timestamp,
    /// Where the person is between joining and leaving.
    pub phase: Phase,
    /// Why the employment status could not be read, where it could not; the phase is then the last one.
    pub status_unknown: Option<String>,
    /// The next instant at which time alone changes something, and what.
    pub next: Option<(Timestamp, String)>,
    /// Everything stays as it is, and why (person missing from the HRIS, effects paused).
    pub frozen: Option<String>,
    /// Everything goes, and why. Set for the terminated, and for a deletion that asks for it; never beside `frozen`,
    /// which is stronger. Then `desired`, `undecided`, `undecided_grantors`, `conflicts` and `matched` are empty.
    pub ending: Option<Cause>,
    /// What policies give. Empty where `ending` is set.
    pub desired: BTreeMap<RemoteKey, Desired>,
    /// What is desired but must not be begun, and why (an unclear Deny, a separation of duties). What is held stays.
    pub blocked: BTreeMap<RemoteKey, String>,
    /// What a policy or an exception denies, and which. Never in `desired`.
    pub denied: BTreeMap<RemoteKey, String>,
    /// Why what is denied would be lost. Has the keys of `denied`.
    pub denied_causes: BTreeMap<RemoteKey, Cause>,
    /// Policies that may deny something, which cannot be told, and why.
    pub unclear_denials: BTreeMap<String, String>,
    /// Why the time zone is only a guess, where it is.
    pub zone_unknown: Option<String>,
    /// Objects about which nothing can be decided, and why: neither granted nor revoked.
    pub undecided: BTreeMap<RemoteKey, String>,
    /// Policies about which nothing can be decided, and why: what they gave stays.
    pub undecided_grantors: BTreeMap<String, String>,
    /// Policies that contradict each other for this person; the objects are in `undecided` or `blocked` too.
    pub conflicts: Vec<Conflict>,
    /// Policies (of any mode) that match this person in a phase in which they give access.
    pub matched: BTreeSet<String>,
}

/// One thing that policies give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Name of the `Entitlement` (the first by name, where several name one remote object).
    pub entitlement: String,
    /// The policies and exceptions that give it, in order of name; an exception as
    /// [`exception_grantor`](super::effect::exception_grantor) has it.
    pub grantors: Vec<String>,
    /// Parameters of the policy of highest priority; those of the record where a policy that cannot be told about has
    /// a say in them.
    pub parameters: BTreeMap<String, String>,
}

/// Policies of equal priority that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What they give.
    pub key: RemoteKey,
    /// The policies.
    pub policies: Vec<String>,
    /// In what they do.
    pub about: Disagreement,
}

/// What policies of equal priority can disagree about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// They give one thing with different parameters.
    Parameters,
    /// They give different things of this exclusive group, of which nobody holds two.
    Exclusive(String),
}

/// What `Enforce` would change for one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanDelta {
    /// What would be granted, in order of remote object.
    pub grants: Vec<PlannedChange>,
    /// What would go, in order of remote object.
    pub revokes: Vec<PlannedChange>,
}

/// One grant or loss of a [`PlanDelta`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedChange {
    /// The remote object.
    pub key: RemoteKey,
    /// Name of the `Entitlement` that stands for it.
    pub entitlement: String,
}

impl Resolution {
    /// Whether the person should not have what a record of `key` speaks of.
    pub fn takes(&self, key: &RemoteKey, record: &EntitlementRecord) -> bool {
        let undecided = |grantor: &String| self.undecided_grantors.contains_key(grantor);
        self.ending.is_some()
            || self.denied.contains_key(key)
            || !(self.desired.contains_key(key)
                || self.undecided.contains_key(key)
                || record.grantors.iter().any(undecided))
    }

    /// Takes in that time alone changes something at `instant`.
    fn sooner(&mut self, instant: Timestamp, what: impl FnOnce() -> String) {
        if self.next.as_ref().is_none_or(|(next, _)| instant < *next) {
            self.next = Some((instant, what()));
        }
    }
}

/// What `person` should have now. Only to be asked of an index that is synced.
pub fn resolve(namespace: &Namespace, person: &Person, now: Timestamp) -> Resolution {
    resolve_with(namespace, person, now, None)
}

/// What would change for `person` if the policy called `policy`, now in mode `Plan`, were in mode `Enforce`. Nothing,
/// for a policy that is not in mode `Plan`.
pub fn would(namespace: &Namespace, person: &Person, policy: &str, now: Timestamp) -> PlanDelta {
    let planned = namespace.policies.get(policy).and_then(Entry::readable);
    if planned.is_none_or(|policy| policy.spec.mode != Mode::Plan) {
        return PlanDelta::default();
    }
    let after = resolve_with(namespace, person, now, Some(policy));
    if after.frozen.is_some() || after.ending.is_some() {
        return PlanDelta::default();
    }
    let before = resolve(namespace, person, now);
    let held: BTreeMap<RemoteKey, _> = person
        .status
        .entitlements
        .iter()
        .filter(|record| record.state.may_be_held() && record.state != GrantState::Revoking)
        .map(|record| (RemoteKey::of(record), record))
        .collect();
    let grants = after.desired.iter().filter(|(key, desired)| {
        desired.grantors.iter().any(|grantor| grantor == policy)
            && !after.blocked.contains_key(*key)
            && !before.desired.contains_key(*key)
            && !held.contains_key(*key)
    });
    let revokes = held
        .iter()
        .filter(|(key, record)| after.takes(key, record) && !before.takes(key, record));
    let change = |key: &RemoteKey, entitlement: &str| PlannedChange {
        key: key.clone(),
        entitlement: entitlement.to_owned(),
    };
    PlanDelta {
        grants: grants.map(|(key, desired)| change(key, &desired.entitlement)).collect(),
        revokes: revokes.map(|(key, record)| change(key, &record.entitlement)).collect(),
    }
}

/// `enforce_as` names a policy that is taken as if its mode were `Enforce`.
fn resolve_with(namespace: &Namespace, person: &Person, now: Timestamp, enforce_as: Option<&str>) -> Resolution {
    let rules = PhaseRules::of(namespace, &person.spec);
    let view = phase(&person.spec, person.status.phase, &rules, now);
    let mut resolution = Resolution {
        at: now,
        phase: view.phase,
        status_unknown: view.status_unknown,
        next: view.next,
        frozen: frozen(person, view.phase),
        ending: None,
        desired: BTreeMap::new(),
        blocked: BTreeMap::new(),
        denied: BTreeMap::new(),
        denied_causes: BTreeMap::new(),
        unclear_denials: BTreeMap::new(),
        // Who has left needs no zone any more.
        zone_unknown: rules.zone_unknown.filter(|_| view.phase != Phase::Terminated),
        undecided: BTreeMap::new(),
        undecided_grantors: BTreeMap::new(),
        conflicts: Vec::new(),
        matched: BTreeSet::new(),
    };
    if resolution.frozen.is_none() {
        resolution.ending = ending(person, view.phase);
        if resolution.ending.is_some() {
            return resolution;
        }
    }
    let mut heard = Heard::default();
    for (name, entry) in namespace.candidates(person) {
        match entry {
            Entry::Broken { error, .. } => {
                let why = format!("the policy cannot be read: {error}");
                resolution.undecided_grantors.insert(name.clone(), why);
            }
            Entry::Readable(policy) => {
                let judge = Judge {
                    namespace,
                    person,
                    now,
                    zone: &rules.zone,
                    enforced: policy.spec.mode == Mode::Enforce || enforce_as == Some(name),
                    name,
                };
                judge.hear(policy, &mut resolution, &mut heard);
            }
        }
    }
    exception::hear(namespace, person, now, &mut resolution, &mut heard);
    heard.settle(namespace, person, &mut resolution);
    resolution
}

fn frozen(person: &Person, phase: Phase) -> Option<String> {
    if person.paused {
        Some(format!(
            "paused by the annotation {PAUSED_ANNOTATION}: everything stays as it is, a termination included"
        ))
    } else if phase == Phase::Missing {
        Some("not in the last trusted read of the HRIS, which proves nothing: everything stays as it is".to_owned())
    } else {
        None
    }
}

fn ending(person: &Person, phase: Phase) -> Option<Cause> {
    if phase == Phase::Terminated {
        Some(Cause::Termination)
    } else if person.deleting && person.spec.deletion_policy == DeletionPolicy::Revoke {
        Some(Cause::Manual)
    } else {
        None
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
mod tests {

    use kube::api::ObjectMeta;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{Employee, Entitlement, HRISConnection, ProvisioningPolicy, TargetSystem};
    use crate::decide::index::Indexed;

    mod strength;

    fn now() -> Timestamp {
        "2026-06-15T12:00:00Z".parse().unwrap()
    }

    fn put<K: Indexed + serde::de::DeserializeOwned>(namespace: &mut Namespace, object: Value) {
        let object: K = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"));
        object.put(namespace);
    }

    fn put_policy(namespace: &mut Namespace, name: &str, spec: Value) {
        let mut whole = json!({"mode": "Enforce", "selector": {"everyone": true}, "entitlements": [{"name": "chat"}]});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        put::<ProvisioningPolicy>(
            namespace,
            json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "ProvisioningPolicy",
                "metadata": {"name": name, "generation": 1}, "spec": whole}),
        );
    }

    fn entitlement(name: &str, id: &str) -> Value {
        json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "Entitlement",
            "metadata": {"name": name, "generation": 1},
            "spec": {"targetRef": {"name": "okta"}, "scimGroup": {"displayName": name},
                "parameters": [{"name": "limit", "type": "Integer"}]},
            "status": {"observedGeneration": 1, "remote": {"kind": "Group", "id": id}, "holders": 0, "pending": 0, "held": 0}})
    }

    fn condition(type_: &str, status: &str, reason: &str) -> Value {
        json!([{"type": type_, "status": status, "reason": reason, "message": "the group is gone",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    }

    /// A namespace with one target and three entitlements, of which two stand for the same group.
    fn tenant() -> Namespace {
        let mut namespace = Namespace::default();
        put::<TargetSystem>(
            &mut namespace,
            json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "TargetSystem", "metadata": {"name": "okta"},
                "spec": {"adopt": "Never", "scim": {"baseURL": "https://x", "bearerTokenSecretRef": {"name": "s", "key": "k"}}}}),
        );
        put::<Entitlement>(&mut namespace, entitlement("chat", "g1"));
        put::<Entitlement>(&mut namespace, entitlement("chat-by-another-name", "g1"));
        put::<Entitlement>(&mut namespace, entitlement("code", "g2"));
        namespace
    }

    fn key(id: &str) -> RemoteKey {
        RemoteKey {
            target: "okta".to_owned(),
            object: crate::api::entitlement::RemoteObject {
                kind: "Group".to_owned(),
                id: id.to_owned(),
            },
        }
    }

    fn employee(spec: &Value, status: &Value) -> Person {
        let object = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "Employee", "metadata": {"name": "ada"},
            "spec": spec, "status": status});
        Person::from(serde_json::from_value::<Employee>(object).unwrap())
    }

    fn ada() -> Person {
        employee(&json!({"company": "X"}), &json!({}))
    }

    /// Somebody who holds the group `id` by the policies `grantors`.
    fn holder(spec: &Value, id: &str, state: &str, grantors: &[&str], parameters: &Value) -> Person {
        let record = json!({"entitlement": "chat", "target": "okta", "kind": "Group", "remoteId": id,
            "accountId": "a", "state": state, "grantors": grantors, "desiredParameters": parameters});
        employee(spec, &json!({"phase": "Active", "entitlements": [record]}))
    }

    fn said<'a>(map: &'a BTreeMap<String, String>, name: &str) -> &'a str {
        map.get(name).map_or("", String::as_str)
    }

    /// I8: what two policies give is one grant with two grantors, also through two names of one remote object.
    #[test]
    fn two_policies_that_give_one_group_are_two_grantors_of_one_grant() {
        let mut namespace = tenant();
        put_policy(&mut namespace, "zeta", json!({}));
        let other = json!({"entitlements": [{"name": "chat-by-another-name"}, {"name": "code"}]});
        put_policy(&mut namespace, "alpha", other);
        let resolution = resolve(&namespace, &ada(), now());
        let chat = &resolution.desired[&key("g1")];
        assert_eq!(
            (chat.entitlement.as_str(), &chat.grantors[..]),
            ("chat", &["alpha".to_owned(), "zeta".to_owned()][..])
        );
        assert_eq!(resolution.desired[&key("g2")].grantors, ["alpha"]);
        assert!(resolution.undecided.is_empty() && resolution.undecided_grantors.is_empty());
        assert_eq!(resolution.matched.len(), 2);
    }

    /// Semantics 4: the higher priority's parameters win; equal ones that differ change nothing.
    #[test]
    fn parameters_come_from_the_highest_priority_or_are_a_conflict() {
        let gives = |priority: i32, limit: &str| json!({"priority": priority, "entitlements": [{"name": "chat", "parameters": {"limit": limit}}]});
        let mut namespace = tenant();
        put_policy(&mut namespace, "low", gives(-1, "10"));
        put_policy(&mut namespace, "high", gives(5, "500"));
        let resolution = resolve(&namespace, &ada(), now());
        assert_eq!(resolution.desired[&key("g1")].parameters["limit"], "500");
        assert_eq!(resolution.desired[&key("g1")].grantors, ["high", "low"]);

        put_policy(&mut namespace, "rival", gives(5, "700"));
        let resolution = resolve(&namespace, &ada(), now());
        assert!(resolution.desired.is_empty());
        let policies = vec!["high".to_owned(), "rival".to_owned()];
        assert_eq!(
            resolution.conflicts,
            [Conflict {
                key: key("g1"),
                policies,
                about: Disagreement::Parameters,
            }]
        );
        assert!(resolution.undecided[&key("g1")].contains("high, rival"));

        put_policy(&mut namespace, "rival", gives(5, "500"));
        let resolution = resolve(&namespace, &ada(), now());
        assert!(
            resolution.conflicts.is_empty(),
            "the same value twice is no contradiction"
        );
        assert_eq!(resolution.desired[&key("g1")].grantors, ["high", "low", "rival"]);
    }

    /// Semantics 3 and 7: a policy that cannot be told about lowers no parameter that it gave.
    #[test]
    fn a_limit_stays_while_the_policy_that_raised_it_cannot_be_told_about() {
        let gives = |priority: i32, limit: &str, more: Value| {
            let mut spec =
                json!({"priority": priority, "entitlements": [{"name": "chat", "parameters": {"limit": limit}}]});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spec
        };
        let mut namespace = tenant();
        put_policy(&mut namespace, "all", gives(0, "10", json!({})));
        let unsure = json!({"selector": {"manager": {"under": ["nobody@x.io"]}}});
        put_policy(&mut namespace, "managers", gives(5, "500", unsure.clone()));
        let person = holder(
            &json!({}),
            "g1",
            "Granted",
            &["all", "managers"],
            &json!({"limit": "500"}),
        );
        let desired = &resolve(&namespace, &person, now()).desired[&key("g1")];
        assert_eq!(desired.parameters["limit"], "500");
        assert_eq!(desired.grantors, ["all"]);
        // A weaker policy has no say, whether it can be told about or not.
        put_policy(&mut namespace, "managers", gives(-5, "500", unsure));
        assert_eq!(
            resolve(&namespace, &person, now()).desired[&key("g1")].parameters["limit"],
            "10"
        );
    }

    /// Semantics 3: whatever cannot be read, compiled or found neither grants nor takes.
    #[test]
    fn what_cannot_be_told_is_undecided_and_never_desired() {
        let mut namespace = tenant();
        let unready = [
            (
                "not-ready",
                json!({"conditions": condition("Ready", "False", "RemoteMissing")}),
                "the group is gone",
            ),
            (
                "duplicate",
                json!({"conditions": condition("Conflict", "True", "Duplicate")}),
                "older entitlement",
            ),
            (
                "stale",
                json!({"observedGeneration": 0}),
                "changed and was not looked up",
            ),
            ("no-remote", json!({"remote": null}), "was not found at its target yet"),
        ];
        for (name, status, _) in &unready {
            let mut object = entitlement(name, name);
            object["status"]
                .as_object_mut()
                .unwrap()
                .extend(status.as_object().unwrap().clone());
            put::<Entitlement>(&mut namespace, object);
        }
        let mut unseen = entitlement("unseen", "");
        unseen.as_object_mut().unwrap().remove("status");
        put::<Entitlement>(&mut namespace, unseen);
        let mut elsewhere = entitlement("elsewhere", "elsewhere");
        elsewhere["spec"]["targetRef"]["name"] = json!("gone");
        put::<Entitlement>(&mut namespace, elsewhere);
        let mut going = entitlement("going", "going");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        put::<Entitlement>(&mut namespace, going);
        let broken = ObjectMeta {
            name: Some("broken".to_owned()),
            ..ObjectMeta::default()
        };
        Entitlement::put_broken(&mut namespace, &broken, "no targetRef".to_owned());
        let mut table: Vec<(&str, &str)> = unready.iter().map(|(name, _, why)| (*name, *why)).collect();
        table.extend([
            ("unseen", "was not looked up at its target yet"),
            ("elsewhere", "target gone of entitlement elsewhere is not there"),
            ("going", "is being deleted"),
            ("broken", "no targetRef"),
            ("missing", "entitlement missing is not there"),
        ]);
        for (name, why) in table {
            put_policy(
                &mut namespace,
                "p",
                json!({"entitlements": [{"name": name}, {"name": "code"}]}),
            );
            let resolution = resolve(&namespace, &ada(), now());
            assert_eq!(
                resolution.desired.len(),
                1,
                "{name}: the other entitlement is given all the same"
            );
            assert!(
                said(&resolution.undecided_grantors, "p").contains(why),
                "{name}: {resolution:?}"
            );
            let known = ["not-ready", "duplicate", "stale", "elsewhere", "going"].contains(&name);
            assert_eq!(
                resolution.undecided.len(),
                usize::from(known),
                "{name}: {:?}",
                resolution.undecided
            );
        }
    }

    /// Semantics 3: policies that cannot be read, compiled, or told to match keep what they gave.
    #[test]
    fn policies_that_cannot_be_told_about_keep_what_they_gave() {
        let mut namespace = tenant();
        put_policy(
            &mut namespace,
            "typo",
            json!({"selector": {"tenure": {"atLeast": "5m"}}}),
        );
        let unsure = json!({"selector": {"manager": {"under": ["nobody@x.io"]}}, "entitlements": [{"name": "code"}]});
        put_policy(&mut namespace, "unsure", unsure);
        let broken = ObjectMeta {
            name: Some("broken".to_owned()),
            ..ObjectMeta::default()
        };
        ProvisioningPolicy::put_broken(&mut namespace, &broken, "no mode".to_owned());
        let resolution = resolve(&namespace, &ada(), now());
        assert!(resolution.desired.is_empty());
        assert!(said(&resolution.undecided_grantors, "broken").contains("no mode"));
        assert!(said(&resolution.undecided_grantors, "typo").contains("whole number of days"));
        assert!(said(&resolution.undecided_grantors, "unsure").contains("nobody@x.io"));
        assert_eq!(
            resolution.undecided.keys().collect::<Vec<_>>(),
            [&key("g1"), &key("g2")]
        );
        assert!(resolution.matched.is_empty());
        // Who is certain is not held up by who is not.
        put_policy(&mut namespace, "certain", json!({}));
        let resolution = resolve(&namespace, &ada(), now());
        assert_eq!(resolution.desired[&key("g1")].grantors, ["certain"]);
        assert!(!resolution.undecided.contains_key(&key("g1")));
        assert!(resolution.undecided_grantors.contains_key("typo"));
    }

    /// A policy gives nothing outside its phases, is gone once its deletion was asked for, and stays quiet when paused.
    #[test]
    fn phases_deletion_and_pause_of_a_policy() {
        let mut namespace = tenant();
        put_policy(&mut namespace, "p", json!({"lifecycle": {"phases": ["OnLeave"]}}));
        let resolution = resolve(&namespace, &ada(), now());
        assert!(resolution.desired.is_empty() && resolution.matched.is_empty());
        assert!(
            resolution.undecided_grantors.is_empty(),
            "not in its phases is a plain no"
        );
        let prehire = employee(&json!({"startDate": "2026-07-01"}), &json!({}));
        put_policy(&mut namespace, "p", json!({}));
        let resolution = resolve(&namespace, &prehire, now());
        assert_eq!((resolution.phase, resolution.desired.len()), (Phase::PreHire, 0));
        assert!(resolution.next.is_some_and(|(_, what)| what == "phase Active"));

        let with = |metadata: Value| {
            let mut namespace = tenant();
            put::<ProvisioningPolicy>(
                &mut namespace,
                json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "ProvisioningPolicy", "metadata": metadata,
                    "spec": {"mode": "Enforce", "selector": {"everyone": true}, "entitlements": [{"name": "chat"}]}}),
            );
            resolve(&namespace, &ada(), now())
        };
        let deleting = with(json!({"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}));
        assert!(deleting.desired.is_empty() && deleting.undecided_grantors.is_empty());
        let paused = with(json!({"name": "p", "annotations": {"rollcall.dev/paused": ""}}));
        assert!(paused.desired.is_empty() && said(&paused.undecided_grantors, "p").contains("paused"));
        assert!(paused.matched.contains("p"));
    }

    /// I2, and semantics 4: who has left desires nothing; who is deleted with `Revoke` loses all by hand; who is missing
    /// or paused keeps everything.
    #[test]
    fn ending_and_frozen_are_never_both() {
        let mut namespace = tenant();
        put_policy(&mut namespace, "p", json!({}));
        put_policy(
            &mut namespace,
            "unsure",
            json!({"selector": {"manager": {"under": ["nobody@x.io"]}}}),
        );
        let left = employee(&json!({"employmentStatus": "INACTIVE"}), &json!({}));
        let resolution = resolve(&namespace, &left, now());
        assert_eq!(
            (resolution.phase, resolution.ending),
            (Phase::Terminated, Some(Cause::Termination))
        );
        assert!(resolution.desired.is_empty() && resolution.undecided.is_empty());
        assert!(
            resolution.undecided_grantors.is_empty(),
            "doubt about a policy keeps no leaver's access"
        );

        let mut paused = left;
        paused.paused = true;
        let resolution = resolve(&namespace, &paused, now());
        assert_eq!((resolution.phase, resolution.ending), (Phase::Terminated, None));
        assert!(
            resolution
                .frozen
                .is_some_and(|why| why.contains("a termination included"))
        );
        assert!(resolution.desired.is_empty());

        let mut deleted = employee(&json!({"deletionPolicy": "Revoke"}), &json!({}));
        deleted.deleting = true;
        assert_eq!(resolve(&namespace, &deleted, now()).ending, Some(Cause::Manual));
        deleted.spec.deletion_policy = DeletionPolicy::Orphan;
        assert_eq!(resolve(&namespace, &deleted, now()).ending, None);

        let absent =
            json!({"connectionRef": {"name": "hr"}, "source": {"state": "Absent"}, "deletionPolicy": "Revoke"});
        let mut missing = employee(&absent, &json!({"phase": "Active"}));
        missing.deleting = true;
        let resolution = resolve(&namespace, &missing, now());
        assert_eq!((resolution.phase, resolution.ending), (Phase::Missing, None));
        assert!(resolution.frozen.is_some());
    }

    /// Semantics 1 and 2: the connection says in which zone the last day ends.
    #[test]
    fn the_zone_of_the_connection_ends_the_last_day() {
        let mut namespace = tenant();
        let connect = |namespace: &mut Namespace, zone: &str, version: &str| {
            let key = json!({"name": "s", "key": "k"});
            put::<HRISConnection>(
                namespace,
                json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "HRISConnection",
                    "metadata": {"name": "hr", "resourceVersion": version},
                    "spec": {"merge": {"region": "EU"}, "apiKeySecretRef": key, "accountTokenSecretRef": key,
                        "termination": {"defaultTimeZone": zone}}}),
            );
        };
        let leaver = json!({"connectionRef": {"name": "hr"}, "source": {"state": "Present"},
            "employmentStatus": "ACTIVE", "terminationDate": "2026-06-15"});
        let end = |namespace: &Namespace| {
            let next = resolve(namespace, &employee(&leaver, &json!({})), now()).next;
            next.map(|(instant, _)| instant.to_string())
        };
        assert_eq!(
            end(&namespace).as_deref(),
            Some("2026-06-16T12:00:00Z"),
            "no connection: last on earth"
        );
        connect(&mut namespace, "Europe/Berlin", "1");
        assert_eq!(end(&namespace).as_deref(), Some("2026-06-15T22:00:00Z"));
        connect(&mut namespace, "Mars/Olympus", "2");
        assert_eq!(
            end(&namespace).as_deref(),
            Some("2026-06-16T12:00:00Z"),
            "no such zone: last on earth"
        );
        connect(&mut namespace, "Pacific/Apia", "3");
        assert_eq!(end(&namespace), None, "over already");
    }

    /// The next transition is the earliest of the phase's and of those of the policies that could give something.
    #[test]
    fn the_next_transition_is_the_earliest() {
        let mut namespace = tenant();
        put_policy(
            &mut namespace,
            "later",
            json!({"selector": {"tenure": {"atLeast": "60d"}}}),
        );
        put_policy(
            &mut namespace,
            "soon",
            json!({"selector": {"tenure": {"lessThan": "30d"}}}),
        );
        let on_leave_only = json!({"selector": {"tenure": {"atLeast": "15d"}}, "lifecycle": {"phases": ["OnLeave"]}});
        put_policy(&mut namespace, "elsewhere", on_leave_only);
        let mut facts = json!({"startDate": "2026-06-01"});
        let next = |facts: &Value| {
            let next = resolve(&namespace, &employee(facts, &json!({})), now()).next;
            next.map(|(instant, what)| format!("{instant} {what}"))
                .unwrap_or_default()
        };
        assert_eq!(next(&facts), "2026-07-01T00:00:00Z policy soon stops matching");
        facts["terminationDate"] = json!("2026-06-20");
        assert_eq!(next(&facts), "2026-06-21T00:00:00Z phase Terminated");
    }

    /// A policy that goes from Enforce to Plan takes nothing, and says what it would do.
    #[test]
    fn plan_mode_gives_nothing_takes_nothing_and_says_what_enforce_would_do() {
        let mut namespace = tenant();
        put_policy(
            &mut namespace,
            "p",
            json!({"mode": "Plan", "entitlements": [{"name": "chat"}, {"name": "code"}]}),
        );
        let chat = PlannedChange {
            key: key("g1"),
            entitlement: "chat".to_owned(),
        };
        let code = PlannedChange {
            key: key("g2"),
            entitlement: "code".to_owned(),
        };
        let fresh = resolve(&namespace, &ada(), now());
        assert!(fresh.desired.is_empty() && fresh.undecided_grantors.is_empty());
        assert!(fresh.matched.contains("p"), "matched counts any mode");
        assert_eq!(
            would(&namespace, &ada(), "p", now()).grants,
            [chat.clone(), code.clone()]
        );

        let has_chat = holder(&json!({}), "g1", "Granted", &["p"], &json!({}));
        let resolution = resolve(&namespace, &has_chat, now());
        assert!(said(&resolution.undecided_grantors, "p").contains("what it gave stays"));
        let delta = would(&namespace, &has_chat, "p", now());
        assert_eq!((delta.grants, delta.revokes), (vec![code.clone()], vec![]));

        // Narrowed, it would take what it alone gave.
        put_policy(
            &mut namespace,
            "p",
            json!({"mode": "Plan", "selector": {"company": ["Y"]}}),
        );
        assert_eq!(would(&namespace, &has_chat, "p", now()).revokes, [chat]);
        let both = holder(&json!({}), "g1", "Granted", &["p", "other"], &json!({}));
        put_policy(&mut namespace, "other", json!({}));
        assert_eq!(
            would(&namespace, &both, "p", now()),
            PlanDelta::default(),
            "I8: another grantor keeps it"
        );
        put_policy(
            &mut namespace,
            "other",
            json!({"selector": {"manager": {"under": ["nobody@x.io"]}}}),
        );
        assert_eq!(
            would(&namespace, &both, "p", now()),
            PlanDelta::default(),
            "another may keep it"
        );
        let gone = holder(&json!({}), "g1", "Revoked", &["p"], &json!({}));
        assert_eq!(would(&namespace, &gone, "p", now()), PlanDelta::default());
        let left = holder(
            &json!({"employmentStatus": "INACTIVE"}),
            "g1",
            "Granted",
            &["p"],
            &json!({}),
        );
        assert_eq!(
            would(&namespace, &left, "p", now()),
            PlanDelta::default(),
            "all goes anyway"
        );
        assert_eq!(
            would(&namespace, &ada(), "other", now()),
            PlanDelta::default(),
            "not in Plan mode"
        );
        assert_eq!(would(&namespace, &ada(), "none", now()), PlanDelta::default());
    }

    /// The compiled selector is that of the policy as it is now.
    #[test]
    fn an_edited_selector_is_compiled_anew() {
        let mut namespace = tenant();
        put_policy(&mut namespace, "p", json!({}));
        assert_eq!(resolve(&namespace, &ada(), now()).desired.len(), 1);
        put_policy(&mut namespace, "p", json!({"selector": {"company": ["Y"]}}));
        assert!(resolve(&namespace, &ada(), now()).desired.is_empty());
        put_policy(&mut namespace, "p", json!({"selector": {"company": ["X"]}}));
        assert_eq!(resolve(&namespace, &ada(), now()).desired.len(), 1);
    }
}
