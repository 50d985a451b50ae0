//! One policy before one person.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::Resolution;
use super::heard::{Denial, Heard, Offer};
use super::object::look_up;
use crate::api::common::Duration;
use crate::api::employee::{Cause, Phase};
use crate::api::policy::{Effect, GrantingPhase, Lifecycle};
use crate::api::{PAUSED_ANNOTATION, ProvisioningPolicy};
use crate::decide::index::{Namespace, Person};
use crate::decide::parameters::settle;
use crate::decide::phase::{Zone, calendar_date, is_unconfirmed};
use crate::decide::selector::{Compiled, Match, Tri};

/// One policy before one person.
pub(super) struct Judge<'a> {
    pub namespace: &'a Namespace,
    pub person: &'a Person,
    pub now: Timestamp,
    pub zone: &'a Zone,
    /// Whether the policy acts.
    pub enforced: bool,
    pub name: &'a str,
}

/// Whether a policy speaks of a person at this point of the employment.
enum Timing {
    /// It does.
    Now,
    /// It cannot be told, and why.
    Unknown(String),
    /// It will, without anybody's doing. Before that it may be that it does already, from `perhaps` on.
    From {
        perhaps: Option<Timestamp>,
        begins: Timestamp,
    },
    /// It does not.
    Not,
}

impl<'a> Judge<'a> {
    pub(super) fn hear(&self, policy: &'a Arc<ProvisioningPolicy>, resolution: &mut Resolution, heard: &mut Heard<'a>) {
        // What is being deleted says nothing any more.
        if self.enforced && policy.metadata.deletion_timestamp.is_some() {
            return;
        }
        match policy.spec.effect {
            Effect::Grant => self.hear_grant(policy, resolution, heard),
            Effect::Deny => self.hear_denial(policy, resolution, heard),
        }
    }

    fn hear_grant(&self, policy: &'a Arc<ProvisioningPolicy>, resolution: &mut Resolution, heard: &mut Heard<'a>) {
        if !self.enforced && self.is_recorded() {
            self.leave_undecided(resolution, "in Plan mode: what it gave stays".to_owned());
        }
        let paused = policy.annotations().contains_key(PAUSED_ANNOTATION);
        if self.enforced && paused {
            let why = format!("paused by the annotation {PAUSED_ANNOTATION}: what it gave stays");
            self.leave_undecided(resolution, why);
        }
        let answer = match self.namespace.selector(policy).as_ref() {
            Ok(selector) => {
                let timing = self.timing(&policy.spec.lifecycle, resolution);
                self.ask(selector, timing, resolution)
            }
            Err(why) => Match::unknown(why.clone()),
        };
        if !self.enforced || paused || answer.tri == Tri::False {
            return;
        }
        let doubt = (answer.tri == Tri::Unknown).then(|| answer.why.unwrap_or_default());
        if let Some(why) = &doubt {
            self.leave_undecided(resolution, why.clone());
        }
        for grant in &policy.spec.entitlements {
            match (look_up(self.namespace, &grant.name), &doubt) {
                ((Some(key), _), Some(why)) => {
                    let undecided = &mut resolution.undecided;
                    undecided
                        .entry(key)
                        .or_insert_with(|| format!("policy {}: {why}", self.name));
                }
                ((None, _), Some(_)) => {}
                ((Some(key), None), None) => match settle(self.namespace, &grant.name, &grant.parameters) {
                    Ok(parameters) => heard.offers.entry(key).or_default().push(Offer {
                        policy: self.name,
                        priority: policy.spec.priority,
                        entitlement: &grant.name,
                        parameters,
                    }),
                    Err(why) => {
                        let said = format!("policy {}: {why}", self.name);
                        resolution.undecided.entry(key).or_insert(said);
                        self.leave_undecided(resolution, why);
                    }
                },
                ((key, fault), None) => {
                    let why = fault.unwrap_or_default();
                    if let Some(key) = key {
                        resolution.undecided.entry(key).or_insert_with(|| why.clone());
                    }
                    self.leave_undecided(resolution, why);
                }
            }
        }
    }

    fn hear_denial(&self, policy: &'a Arc<ProvisioningPolicy>, resolution: &mut Resolution, heard: &mut Heard<'a>) {
        let answer = match self.namespace.selector(policy).as_ref() {
            Ok(selector) => {
                // Who is given something before the first day is denied it as well.
                let phase = match resolution.phase {
                    Phase::PreHire => Phase::Active,
                    phase => phase,
                };
                let timing = if speaks_in(&policy.spec.lifecycle, phase) {
                    Timing::Now
                } else {
                    Timing::Not
                };
                self.ask(selector, timing, resolution)
            }
            Err(why) => Match::unknown(why.clone()),
        };
        let paused = policy.annotations().contains_key(PAUSED_ANNOTATION);
        if self.is_recorded() && (!self.enforced || paused || answer.tri == Tri::Unknown) {
            let why = "it gave before what it denies now, and cannot be told about or does not act".to_owned();
            self.leave_undecided(resolution, why);
        }
        if !self.enforced || answer.tri == Tri::False {
            return;
        }
        let doubt = if paused {
            Some(format!("paused by the annotation {PAUSED_ANNOTATION}"))
        } else if answer.tri == Tri::Unknown {
            Some(answer.why.unwrap_or_default())
        } else {
            None
        };
        for grant in &policy.spec.entitlements {
            let (key, fault) = look_up(self.namespace, &grant.name);
            let doubt = doubt.clone().or(fault);
            match (key, doubt) {
                (Some(key), None) => heard.deny(
                    key,
                    Denial {
                        why: format!("policy {} denies it", self.name),
                        cause: denial_cause(policy),
                    },
                ),
                (key, doubt) => {
                    let why = doubt.unwrap_or_default();
                    let unclear = &mut resolution.unclear_denials;
                    unclear.entry(self.name.to_owned()).or_insert_with(|| why.clone());
                    if let Some(key) = key {
                        heard
                            .doubts
                            .entry(key)
                            .or_insert_with(|| format!("whether policy {} denies it cannot be told: {why}", self.name));
                    }
                }
            }
        }
    }

    /// Whether the policy is about the person now. Puts down whom it matches, and when that changes.
    fn ask(&self, selector: &Compiled, timing: Timing, resolution: &mut Resolution) -> Match {
        let matches_at = |instant| selector.matches(self.namespace, self.person, instant, self.zone);
        let mut answer = matches_at(self.now);
        match timing {
            Timing::Now => {}
            Timing::Unknown(why) => answer = answer.and(Match::unknown(why)),
            Timing::From { perhaps, begins } => {
                // Who does not match when it could first give may do so later and still not have begun.
                let first = |instant| match matches_at(instant).tri {
                    Tri::False => {
                        let later = selector.next_change(self.namespace, self.person, instant, self.zone);
                        later.map(|(later, _)| later)
                    }
                    Tri::True | Tri::Unknown => Some(instant),
                };
                if let Some(begins) = first(begins) {
                    resolution.sooner(begins, || format!("policy {} begins to give", self.name));
                }
                if let Some(perhaps) = perhaps.and_then(first) {
                    resolution.sooner(perhaps, || format!("policy {} may begin to give", self.name));
                }
                return Match::of(Tri::False);
            }
            Timing::Not => return Match::of(Tri::False),
        }
        if answer.tri == Tri::True {
            resolution.matched.insert(self.name.to_owned());
        }
        if let Some((instant, tri)) = selector.next_change(self.namespace, self.person, self.now, self.zone) {
            let verb = match tri {
                Tri::True => "begins to match",
                Tri::False => "stops matching",
                Tri::Unknown => "cannot be told to match",
            };
            resolution.sooner(instant, || format!("policy {} {verb}", self.name));
        }
        answer
    }

    /// Whether a policy with this lifecycle gives at this point of the employment.
    fn timing(&self, lifecycle: &Lifecycle, resolution: &Resolution) -> Timing {
        if speaks_in(lifecycle, resolution.phase) {
            return Timing::Now;
        }
        let before = lifecycle.start_before.as_ref().and_then(Duration::get);
        let Some(before) =
            before.filter(|_| resolution.phase == Phase::PreHire && lifecycle.phases.contains(&GrantingPhase::Active))
        else {
            return Timing::Not;
        };
        // Who is taken for not begun for want of a status may long have left.
        if let Some(why) = &resolution.status_unknown {
            return Timing::Unknown(why.clone());
        }
        let spec = &self.person.spec;
        let Some(text) = spec.start_date.as_deref().filter(|text| !text.trim().is_empty()) else {
            return if is_unconfirmed(spec, "startDate") {
                Timing::Unknown("startDate had a value and has none now, which is not confirmed yet".to_owned())
            } else {
                Timing::Not
            };
        };
        let less = |start: Option<Timestamp>| start?.checked_sub(before).ok();
        let date = calendar_date(text);
        // A zone that is guessed begins late; but what was begun by the true one is not taken back.
        let perhaps = less(date.and_then(|date| self.zone.first_start_of(date)));
        match less(date.and_then(|date| self.zone.start_of(date))) {
            Some(begins) if begins <= self.now => Timing::Now,
            Some(_) if perhaps.is_some_and(|perhaps| perhaps <= self.now) => {
                Timing::Unknown("the time zone is not known, and today it makes a difference".to_owned())
            }
            Some(begins) => Timing::From {
                perhaps: perhaps.filter(|perhaps| *perhaps < begins),
                begins,
            },
            None => Timing::Not,
        }
    }

    fn is_recorded(&self) -> bool {
        let records = &self.person.status.entitlements;
        records
            .iter()
            .flat_map(|record| &record.grantors)
            .any(|grantor| grantor == self.name)
    }

    fn leave_undecided(&self, resolution: &mut Resolution, why: String) {
        let grantors = &mut resolution.undecided_grantors;
        grantors.entry(self.name.to_owned()).or_insert(why);
    }
}

fn speaks_in(lifecycle: &Lifecycle, phase: Phase) -> bool {
    lifecycle.phases.iter().any(|granting| granting.is(phase))
}

/// Why what a `Deny` takes is lost: because of the policy while that is new or edited, else because of the facts.
fn denial_cause(policy: &ProvisioningPolicy) -> Cause {
    let enforced = policy.status.as_ref().and_then(|status| status.enforced_generation);
    if policy.metadata.generation == enforced {
        Cause::AttributeChange
    } else {
        Cause::PolicyChange
    }
}
