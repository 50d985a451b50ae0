//! What exceptions say of one person, and what follows when one ends.

use jiff::Timestamp;
use kube::ResourceExt;

use super::heard::{Allowance, Denial, Heard};
use super::object::look_up;
use super::{Resolution, resolve};
use crate::api::PAUSED_ANNOTATION;
use crate::api::access_exception::{AccessException, ExceptionEffect};
use crate::api::employee::{Cause, GrantState};
use crate::decide::effect::{RemoteKey, exception_grantor, exception_of};
use crate::decide::index::{Entry, Namespace, Person};
use crate::decide::selector::nameless;

/// Whether an exception is in force: its end is to come, and its deletion was not asked for.
pub fn in_force(exception: &AccessException, now: Timestamp) -> bool {
    exception.metadata.deletion_timestamp.is_none() && now < exception.spec.expires_at.0
}

/// Takes in what exceptions say of `person`.
pub(super) fn hear<'a>(
    namespace: &'a Namespace,
    person: &Person,
    now: Timestamp,
    resolution: &mut Resolution,
    heard: &mut Heard<'a>,
) {
    keep_what_cannot_be_read(namespace, person, resolution);
    for (name, exception) in namespace.exceptions_about(person) {
        let paused = exception.annotations().contains_key(PAUSED_ANNOTATION);
        if in_force(exception, now) {
            resolution.sooner(exception.spec.expires_at.0, || format!("AccessException {name} ends"));
            let speech = Speech {
                namespace,
                name,
                exception,
            };
            if namespace.people_called(&exception.spec.employee).nth(1).is_some() {
                let called = &exception.spec.employee;
                let why = format!("AccessException {name} is for {called}, and more than one Employee is called so");
                if let Some(key) = speech.key() {
                    heard.frozen.entry(key).or_insert(why);
                }
            } else if paused {
                let why = format!("AccessException {name} is paused by the annotation {PAUSED_ANNOTATION}");
                speech.doubt(why, is_recorded(person, name), resolution, heard);
            } else {
                speech.say(resolution, heard);
            }
        } else if paused && exception.metadata.deletion_timestamp.is_none() && is_recorded(person, name) {
            let why = format!("paused by the annotation {PAUSED_ANNOTATION}: what it gave stays");
            resolution.undecided_grantors.insert(exception_grantor(name), why);
        }
    }
    hear_who_may_be_meant(namespace, person, now, resolution, heard);
}

/// What an exception gave that cannot be read any more stays.
fn keep_what_cannot_be_read(namespace: &Namespace, person: &Person, resolution: &mut Resolution) {
    let grantors = person.status.entitlements.iter().flat_map(|record| &record.grantors);
    for grantor in grantors {
        let entry = exception_of(grantor).and_then(|name| namespace.exceptions.get(name));
        if let Some(Entry::Broken { error, .. }) = entry {
            let why = format!("the exception cannot be read: {error}");
            resolution.undecided_grantors.insert(grantor.clone(), why);
        }
    }
}

/// Who lost the name that an exception may call them by, and that is not confirmed, may be the one that it means.
fn hear_who_may_be_meant<'a>(
    namespace: &'a Namespace,
    person: &Person,
    now: Timestamp,
    resolution: &mut Resolution,
    heard: &mut Heard<'a>,
) {
    let Some(doubt) = nameless(person) else { return };
    for (name, entry) in &namespace.exceptions {
        let Some(exception) = entry.readable().filter(|exception| in_force(exception, now)) else {
            continue;
        };
        if namespace.people_called(&exception.spec.employee).next().is_none() {
            let speech = Speech {
                namespace,
                name,
                exception,
            };
            let why = format!("AccessException {name} may be for this person: {doubt}");
            speech.doubt(why, is_recorded(person, name), resolution, heard);
        }
    }
}

fn is_recorded(person: &Person, name: &str) -> bool {
    let grantors = person.status.entitlements.iter().flat_map(|record| &record.grantors);
    grantors.into_iter().any(|grantor| exception_of(grantor) == Some(name))
}

/// What one exception says of a person whom it is for.
struct Speech<'a> {
    namespace: &'a Namespace,
    name: &'a str,
    exception: &'a AccessException,
}

impl<'a> Speech<'a> {
    fn key(&self) -> Option<RemoteKey> {
        look_up(self.namespace, &self.exception.spec.entitlement_ref.name).0
    }

    fn say(&self, resolution: &mut Resolution, heard: &mut Heard<'a>) {
        let spec = &self.exception.spec;
        match look_up(self.namespace, &spec.entitlement_ref.name) {
            (Some(key), None) => match spec.effect {
                ExceptionEffect::Allow => heard.allowances.entry(key).or_default().push(Allowance {
                    grantor: exception_grantor(self.name),
                    entitlement: &spec.entitlement_ref.name,
                }),
                ExceptionEffect::Deny => heard.deny(
                    key,
                    Denial {
                        why: format!("AccessException {} denies it", self.name),
                        cause: Cause::Manual,
                    },
                ),
                ExceptionEffect::Freeze => {
                    let why = format!("frozen by AccessException {}", self.name);
                    heard.frozen.insert(key, why);
                }
            },
            (_, fault) => {
                let why = format!("AccessException {}: {}", self.name, fault.unwrap_or_default());
                self.doubt(why, true, resolution, heard);
            }
        }
    }

    /// Takes in that it cannot be told what the exception comes to: nothing is given or taken by it.
    fn doubt(&self, why: String, recorded: bool, resolution: &mut Resolution, heard: &mut Heard<'a>) {
        let key = self.key();
        match self.exception.spec.effect {
            ExceptionEffect::Allow if recorded => {
                if let Some(key) = key {
                    resolution.undecided.entry(key).or_insert_with(|| why.clone());
                }
                let grantors = &mut resolution.undecided_grantors;
                grantors.entry(exception_grantor(self.name)).or_insert(why);
            }
            ExceptionEffect::Allow => {}
            ExceptionEffect::Deny => {
                if let Some(key) = key {
                    let why = format!("whether it is denied cannot be told: {why}");
                    heard.doubts.entry(key).or_insert(why);
                }
            }
            ExceptionEffect::Freeze => {
                if let Some(key) = key {
                    heard.frozen.entry(key).or_insert(why);
                }
            }
        }
    }
}

/// What follows for `person` when `exception` ends, in a few words: `policy eng gives it`, `it is revoked`, `nothing
/// changes`. By the facts and policies of now, at the instant of its end. `None` where its entitlement is not known.
pub fn then(namespace: &Namespace, person: &Person, exception: &AccessException) -> Option<String> {
    let (key, _) = look_up(namespace, &exception.spec.entitlement_ref.name);
    let key = key?;
    let after = resolve(namespace, person, exception.spec.expires_at.0);
    let held = person.status.entitlements.iter().any(|record| {
        RemoteKey::of(record) == key && record.state.may_be_held() && record.state != GrantState::Revoking
    });
    let has = held || exception.spec.effect == ExceptionEffect::Allow;
    Some(if let Some(why) = &after.frozen {
        format!("nothing changes: {why}")
    } else if let Some(cause) = after.ending {
        let why = if cause == Cause::Termination {
            "the person has left by then"
        } else {
            "the Employee is being deleted"
        };
        format!("it is revoked: {why}")
    } else if let Some(why) = after.denied.get(&key) {
        if has {
            format!("it is revoked: {why}")
        } else {
            format!("nothing changes: {why}")
        }
    } else if let Some(why) = after.undecided.get(&key) {
        format!("nothing changes: {why}")
    } else if let Some(desired) = after.desired.get(&key) {
        let names = desired.grantors.join(", ");
        let gives = match desired.grantors.as_slice() {
            [one] if exception_of(one).is_some() => format!("{} gives it", one.replace('/', " ")),
            [_] => format!("policy {names} gives it"),
            _ => format!("policies {names} give it"),
        };
        match after.blocked.get(&key).filter(|_| !held) {
            Some(why) => format!("{gives}, and it waits: {why}"),
            None => gives,
        }
    } else if has {
        "it is revoked".to_owned()
    } else {
        "nothing changes".to_owned()
    })
}
