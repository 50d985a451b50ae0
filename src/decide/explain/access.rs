//! One person and one entitlement: what is on record, what is wanted, what stands in the way, and what is next.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::Upcoming;
use super::policy::PolicyReport;
use crate::api::access_exception::ExceptionEffect;
use crate::api::employee::{EntitlementRecord, GrantState, Phase};
use crate::api::entitlement::RemoteObject;
use crate::api::{AccessException, PAUSED_ANNOTATION, ProvisioningPolicy};
use crate::decide::effect::RemoteKey;
use crate::decide::guard::Loss;
use crate::decide::index::{Entry, Namespace, Person};
use crate::decide::losses::{Grace, grace, is_unwanted, losses};
use crate::decide::phase::{PhaseRules, Zone, calendar_date, phase};
use crate::decide::resolve::{Resolution, in_force, look_up, resolve, then};
use crate::decide::selector::Tri;

/// One entitlement, before one person.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Name of the `Entitlement`.
    pub entitlement: String,
    /// What it is, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Name of the `TargetSystem`; empty where the entitlement is not there and no record names it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// The remote object, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteObject>,
    /// Where the grant is; absent where nothing is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<GrantState>,
    /// Since when the person has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether the person should have it now.
    pub wanted: Tri,
    /// Why it must not be begun though it is wanted, where it must not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Policies and exceptions that give it: those on record, or those that will, where nothing is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grantors: Vec<String>,
    /// Why it stands so, in plain words, the strongest reason first.
    pub because: Vec<String>,
    /// Exceptions of this person about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<ExceptionReport>,
    /// Every policy that names it: what bears on the person first, then near misses before far ones.
    pub policies: Vec<PolicyReport>,
    /// What happens to it next by time alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Upcoming>,
    /// The records, as they stand in `Employee.status`; more than one while an old account goes and a new one comes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<EntitlementRecord>,
}

/// An `AccessException` about one person and one entitlement.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionReport {
    /// Its name.
    pub name: String,
    /// What it does.
    pub effect: ExceptionEffect,
    /// Why, as its author says.
    pub reason: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Why it does nothing, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
    /// What follows when it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
}

/// One person, with what was decided.
pub(super) struct Desk<'a> {
    pub(super) namespace: &'a Namespace,
    pub(super) person: &'a Person,
    pub(super) resolution: Resolution,
    pub(super) zone: Zone,
    pub(super) now: Timestamp,
    pub(super) losses: Vec<Loss>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(namespace: &'a Namespace, person: &'a Person, now: Timestamp) -> Self {
        let resolution = resolve(namespace, person, now);
        Self {
            losses: losses(namespace, person, &resolution),
            zone: PhaseRules::of(namespace, &person.spec).zone,
            namespace,
            person,
            resolution,
            now,
        }
    }

    /// What happens to the person next, whatever it does to the entitlements.
    pub(super) fn next(&self) -> Vec<Upcoming> {
        let rules = PhaseRules::of(self.namespace, &self.person.spec);
        let view = phase(&self.person.spec, self.person.status.phase, &rules, self.now);
        let next = view.next.into_iter().chain(self.resolution.next.clone());
        next.map(|(at, what)| Upcoming { at, what }).collect()
    }

    /// The entitlements that concern the person: on record, given, denied, or not to be told; in order of name.
    pub(super) fn concerning(&self) -> BTreeSet<&'a str> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let records = &self.person.status.entitlements;
        names.extend(records.iter().map(|record| record.entitlement.as_str()));
        for (name, entry) in &self.namespace.policies {
            let speaks = self.resolution.matched.contains(name)
                || self.resolution.undecided_grantors.contains_key(name)
                || self.resolution.unclear_denials.contains_key(name);
            if let Some(policy) = entry.readable().filter(|_| speaks) {
                names.extend(policy.spec.entitlements.iter().map(|grant| grant.name.as_str()));
            }
        }
        for name in self.namespace.entitlements.keys() {
            let (key, _) = look_up(self.namespace, name);
            let said = key.is_some_and(|key| {
                self.resolution.denied.contains_key(&key)
                    || self.resolution.undecided.contains_key(&key)
                    || self.resolution.blocked.contains_key(&key)
            });
            if said || !self.exceptions(name).is_empty() {
                names.insert(name);
            }
        }
        names
    }

    /// What there is to say of the entitlement called `name`.
    pub(super) fn access(&self, name: &str) -> Access {
        let found = self.namespace.entitlements.get(name).and_then(Entry::readable);
        let (key, fault) = look_up(self.namespace, name);
        let mut records: Vec<&EntitlementRecord> = self
            .person
            .status
            .entitlements
            .iter()
            .filter(|record| key.as_ref() == Some(&RemoteKey::of(record)) || record.entitlement == name)
            .collect();
        // What the person may hold first, then what is under way.
        records.sort_by_key(|record| (!record.state.may_be_held(), record.state == GrantState::Revoked));
        let record = records.first().copied();
        let key = key.or_else(|| record.map(RemoteKey::of));
        let desired = key.as_ref().and_then(|key| self.resolution.desired.get(key));
        let live = record.filter(|record| record.state != GrantState::Revoked);
        let grantors = match (live, desired) {
            (Some(record), _) if !record.grantors.is_empty() => record.grantors.clone(),
            (_, Some(desired)) => desired.grantors.clone(),
            _ => Vec::new(),
        };
        let policies = self.policies(name, key.as_ref(), &grantors);
        let exceptions = self.exceptions(name);
        let target = found.map(|found| &found.spec.target_ref.name);
        let target = target.or(record.map(|record| &record.target));
        Access {
            entitlement: name.to_owned(),
            description: found.map(|found| found.spec.description.clone()).unwrap_or_default(),
            target: target.cloned().unwrap_or_default(),
            remote: key.as_ref().map(|key| key.object.clone()),
            state: record.map(|record| record.state),
            since: live
                .filter(|record| record.state.may_be_held())
                .and_then(|record| Some(record.granted_at.as_ref()?.0)),
            wanted: self.wanted(key.as_ref(), record),
            blocked: key.as_ref().and_then(|key| self.resolution.blocked.get(key)).cloned(),
            because: self.because(name, key.as_ref(), record, fault),
            next: self.upcoming(name, record, &exceptions),
            grantors,
            exceptions,
            policies,
            records: records.into_iter().cloned().collect(),
        }
    }

    fn wanted(&self, key: Option<&RemoteKey>, record: Option<&EntitlementRecord>) -> Tri {
        let resolution = &self.resolution;
        if resolution.ending.is_some() {
            return Tri::False;
        }
        let Some(key) = key else { return Tri::Unknown };
        if resolution.desired.contains_key(key) {
            return Tri::True;
        }
        let kept = record.is_some_and(|record| {
            let mut grantors = record.grantors.iter();
            record.state.may_be_held() && grantors.any(|grantor| resolution.undecided_grantors.contains_key(grantor))
        });
        if resolution.undecided.contains_key(key) || (kept && !resolution.denied.contains_key(key)) {
            Tri::Unknown
        } else {
            Tri::False
        }
    }

    /// The exceptions of this person about the entitlement called `name`, in order of name.
    pub(super) fn exceptions(&self, name: &str) -> Vec<ExceptionReport> {
        self.namespace
            .exceptions_about(self.person)
            .filter(|(_, exception)| exception.spec.entitlement_ref.name == name)
            .map(|(own, exception)| ExceptionReport {
                name: own.clone(),
                effect: exception.spec.effect,
                reason: exception.spec.reason.clone(),
                expires_at: exception.spec.expires_at.0,
                void: self.void(exception),
                then: in_force(exception, self.now)
                    .then(|| then(self.namespace, self.person, exception))
                    .flatten(),
            })
            .collect()
    }

    /// Why an exception does nothing, where it does.
    fn void(&self, exception: &AccessException) -> Option<String> {
        let called = self.namespace.people_called(&exception.spec.employee);
        let called: Vec<&str> = called.map(|person| person.name.as_str()).collect();
        if exception.metadata.deletion_timestamp.is_some() {
            Some("it is being deleted".to_owned())
        } else if !in_force(exception, self.now) {
            Some("it has ended".to_owned())
        } else if called.len() > 1 {
            Some(format!(
                "{} can mean {}: until one is meant, everything stays as it is",
                exception.spec.employee,
                called.join(", ")
            ))
        } else if exception.annotations().contains_key(PAUSED_ANNOTATION) {
            Some(format!("it is paused by the annotation {PAUSED_ANNOTATION}"))
        } else {
            None
        }
    }

    fn upcoming(
        &self,
        name: &str,
        record: Option<&EntitlementRecord>,
        exceptions: &[ExceptionReport],
    ) -> Vec<Upcoming> {
        let mut next = BTreeSet::new();
        let scheduled = record.and_then(|record| Some(record.scheduled_at.as_ref()?.0));
        let grace = record.and_then(|record| self.grace(record)).map(|grace| grace.until);
        if let Some(at) = scheduled.or(grace).filter(|at| *at > self.now) {
            next.insert(Upcoming {
                at,
                what: format!("{name} is taken, unless it is wanted again by then"),
            });
        }
        for exception in exceptions.iter().filter(|exception| exception.expires_at > self.now) {
            let then = exception.then.as_ref().map(|then| format!(": {then}"));
            next.insert(Upcoming {
                at: exception.expires_at,
                what: format!("AccessException {} ends{}", exception.name, then.unwrap_or_default()),
            });
        }
        for (policy_name, entry) in &self.namespace.policies {
            let Some(policy) = entry.readable() else { continue };
            if !policy.spec.entitlements.iter().any(|grant| grant.name == name) {
                continue;
            }
            let compiled = self.namespace.selector(policy);
            let Ok(selector) = compiled.as_ref() else { continue };
            if let Some(at) = self.early_start(policy) {
                next.insert(Upcoming {
                    at,
                    what: format!("policy {policy_name} begins to give to those whom it matches"),
                });
            }
            if let Some((at, tri)) = selector.next_change(self.namespace, self.person, self.now, &self.zone) {
                let verb = match tri {
                    Tri::True => "begins to match",
                    Tri::False => "stops matching",
                    Tri::Unknown => "cannot be told to match",
                };
                next.insert(Upcoming {
                    at,
                    what: format!("policy {policy_name} {verb}"),
                });
            }
        }
        next.into_iter().collect()
    }

    /// When a policy with `startBefore` begins to give to a person whose first day is to come.
    fn early_start(&self, policy: &ProvisioningPolicy) -> Option<Timestamp> {
        let before = policy.spec.lifecycle.start_before.as_ref()?.get()?;
        let start = self.person.spec.start_date.as_deref().and_then(calendar_date)?;
        let at = self.zone.start_of(start)?.checked_sub(before).ok()?;
        (self.resolution.phase == Phase::PreHire && at > self.now).then_some(at)
    }

    /// How long the person is left what a record speaks of, though it is not wanted any more.
    pub(super) fn grace(&self, record: &EntitlementRecord) -> Option<Grace> {
        let unwanted = is_unwanted(self.namespace, self.person, &self.resolution, record);
        grace(self.namespace, &self.resolution, record).filter(|_| unwanted)
    }
}
