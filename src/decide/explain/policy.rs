//! What one policy says of one entitlement for one person, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;
use serde::Serialize;

use super::access::Desk;
use crate::api::employee::Phase;
use crate::api::policy::{Effect, GrantingPhase, Mode};
use crate::api::{Duration, PAUSED_ANNOTATION, ProvisioningPolicy};
use crate::decide::effect::RemoteKey;
use crate::decide::index::Entry;
use crate::decide::selector::{self, SelectorView, Tri};

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Says {
    /// The person should have it.
    Gives,
    /// The person must not have it.
    Denies,
    /// It speaks, but something stronger says otherwise: a denial, a freeze, a conflict.
    Overruled,
    /// What it gave before stays, and it gives nothing new: it is paused or in Plan mode.
    Keeps,
    /// It cannot be told: neither grants nor takes.
    CannotTell,
    /// It would give it in mode `Enforce`.
    WouldGive,
    /// It would deny it in mode `Enforce`.
    WouldDeny,
    /// Nothing, for this person at this time.
    Nothing,
}

/// One policy that names an entitlement, before one person.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    /// Its name.
    pub name: String,
    /// What it says.
    pub says: Says,
    /// Why, in plain words.
    pub why: String,
    /// How many conditions would have to be otherwise for it to speak: 0 where it does.
    pub misses: usize,
    /// What it asks for; absent where it cannot be read.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// What a policy asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Whether it acts.
    pub mode: Mode,
    /// Whether it gives or denies.
    pub effect: Effect,
    /// Whose parameters win.
    pub priority: i32,
    /// The phases that it is for.
    pub phases: Vec<GrantingPhase>,
    /// Whether the person is in one of them, or early enough before the first day.
    pub in_phase: bool,
    /// How long before the first day it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_before: Option<Duration>,
    /// How long people keep what it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
    /// The parameters that it asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Its selector, key by key.
    pub selector: SelectorView,
}

impl PolicyReport {
    /// In this order they are read: what bears on the person first, then near misses before far ones.
    pub(super) fn rank(&self) -> (Says, usize, &str) {
        let says = match self.says {
            Says::Denies => Says::Gives,
            says => says,
        };
        (says, self.misses, &self.name)
    }
}

impl Desk<'_> {
    /// Every policy that names the entitlement, in the order of [`PolicyReport::rank`].
    pub(super) fn policies(
        &self,
        entitlement: &str,
        key: Option<&RemoteKey>,
        grantors: &[String],
    ) -> Vec<PolicyReport> {
        let mut reports: Vec<PolicyReport> = self
            .namespace
            .policies
            .iter()
            .filter_map(|(name, entry)| match entry {
                // Which entitlements it names cannot be read; what it gave is on record.
                Entry::Broken { error, .. } => grantors.contains(name).then(|| PolicyReport {
                    name: name.clone(),
                    says: Says::CannotTell,
                    why: format!("cannot be read, so that what it gave stays: {error}"),
                    misses: 0,
                    terms: None,
                }),
                Entry::Readable(policy) => {
                    let grants = &policy.spec.entitlements;
                    let grant = grants.iter().find(|grant| grant.name == entitlement)?;
                    Some(self.policy(name, policy, &grant.parameters, key))
                }
            })
            .collect();
        reports.sort_by(|a, b| a.rank().cmp(&b.rank()));
        reports
    }

    fn policy(
        &self,
        name: &str,
        policy: &Arc<ProvisioningPolicy>,
        parameters: &BTreeMap<String, String>,
        key: Option<&RemoteKey>,
    ) -> PolicyReport {
        let spec = &policy.spec;
        let whole = self.namespace.selector(policy);
        let selector = selector::explain(
            &spec.selector,
            &whole,
            self.namespace,
            self.person,
            self.now,
            &self.zone,
        );
        let phases = &spec.lifecycle.phases;
        // Before the first day a denial holds already, and a policy with `startBefore` may give.
        let phase = match (self.resolution.phase, spec.effect) {
            (Phase::PreHire, Effect::Deny) => Phase::Active,
            (phase, _) => phase,
        };
        let in_phase = self.resolution.matched.contains(name) || phases.iter().any(|granting| granting.is(phase));
        let terms = Terms {
            mode: spec.mode,
            effect: spec.effect,
            priority: spec.priority,
            phases: phases.clone(),
            in_phase,
            start_before: spec.lifecycle.start_before.clone(),
            grace: spec.lifecycle.grace.clone(),
            parameters: parameters.clone(),
            selector,
        };
        let (says, why) = self.says(name, policy, &terms, key);
        let silent = matches!(says, Says::Nothing | Says::CannotTell);
        PolicyReport {
            name: name.to_owned(),
            says,
            why,
            misses: if silent {
                terms.selector.misses() + usize::from(!in_phase)
            } else {
                0
            },
            terms: Some(terms),
        }
    }

    /// What a policy says, in the order in which that is decided.
    fn says(&self, name: &str, policy: &ProvisioningPolicy, terms: &Terms, key: Option<&RemoteKey>) -> (Says, String) {
        let resolution = &self.resolution;
        let gives = key
            .and_then(|key| resolution.desired.get(key))
            .is_some_and(|desired| desired.grantors.iter().any(|grantor| grantor == name));
        if gives {
            return (Says::Gives, format!("matches in phase {:?}", resolution.phase));
        }
        if policy.metadata.deletion_timestamp.is_some() && terms.mode == Mode::Enforce {
            return (Says::Nothing, "is being deleted".to_owned());
        }
        if resolution.ending.is_some() {
            let why = match resolution.phase {
                Phase::Terminated => "the person has left",
                _ => "the Employee is being deleted, and its access goes",
            };
            return (Says::Nothing, why.to_owned());
        }
        let matches = terms.selector.answer;
        let speaks = matches == Tri::True && terms.in_phase;
        if terms.mode == Mode::Plan {
            let kept = resolution.undecided_grantors.contains_key(name);
            let kept = if kept { "; what it gave stays" } else { "" };
            return match (speaks, terms.effect) {
                (true, Effect::Grant) => (Says::WouldGive, format!("matches, and is in mode Plan{kept}")),
                (true, Effect::Deny) => (Says::WouldDeny, format!("matches, and is in mode Plan{kept}")),
                (false, _) if !kept.is_empty() => (Says::Keeps, "is in mode Plan: what it gave stays".to_owned()),
                (false, _) => (Says::Nothing, format!("is in mode Plan, and {}", self.silence(terms))),
            };
        }
        if let Some(why) = resolution.unclear_denials.get(name) {
            return (Says::CannotTell, why.clone());
        }
        if policy.annotations().contains_key(PAUSED_ANNOTATION) && terms.effect == Effect::Grant {
            let why = format!("is paused by the annotation {PAUSED_ANNOTATION}: what it gave stays");
            return (Says::Keeps, why);
        }
        if let Some(why) = resolution.undecided_grantors.get(name) {
            return (Says::CannotTell, why.clone());
        }
        match (terms.effect, matches) {
            (_, Tri::False) => (Says::Nothing, self.silence(terms)),
            _ if !terms.in_phase => (Says::Nothing, self.silence(terms)),
            (_, Tri::Unknown) => {
                let unknown = terms.selector.all.iter().find_map(|key| key.why.clone());
                let why = terms.selector.error.clone().or(unknown);
                (Says::CannotTell, why.unwrap_or_else(|| "it cannot be told".to_owned()))
            }
            // A freeze is stronger than a denial.
            (Effect::Deny, Tri::True) => match key.filter(|key| !resolution.denied.contains_key(key)) {
                Some(key) if resolution.undecided.contains_key(key) => (
                    Says::Overruled,
                    format!(
                        "matches in phase {:?} and would deny it, but {}",
                        resolution.phase, resolution.undecided[key]
                    ),
                ),
                _ => (Says::Denies, format!("matches in phase {:?}", resolution.phase)),
            },
            (Effect::Grant, Tri::True) => {
                let stronger = key.and_then(|key| {
                    let denied = resolution.denied.get(key);
                    denied.or_else(|| resolution.undecided.get(key))
                });
                match stronger {
                    Some(why) => (
                        Says::Overruled,
                        format!("matches in phase {:?}, but {why}", resolution.phase),
                    ),
                    None => (Says::Gives, format!("matches in phase {:?}", resolution.phase)),
                }
            }
        }
    }

    /// Why a policy says nothing.
    fn silence(&self, terms: &Terms) -> String {
        let mut why = Vec::new();
        if !terms.in_phase {
            let phases: Vec<String> = terms.phases.iter().map(|phase| format!("{phase:?}")).collect();
            let phase = self.resolution.phase;
            why.push(format!("is for {}, and the person is {phase:?}", phases.join(", ")));
        }
        match (terms.selector.answer, terms.selector.misses()) {
            (Tri::True, _) => {}
            (_, 1) => why.push("one condition does not hold".to_owned()),
            (_, misses) => why.push(format!("{misses} conditions do not hold")),
        }
        if why.is_empty() {
            "says nothing".to_owned()
        } else {
            why.join("; ")
        }
    }
}
