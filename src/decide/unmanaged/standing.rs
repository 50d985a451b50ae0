//! Whether a holder that no record explains may be taken out.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::Scene;
use crate::api::entitlement::Ownership;
use crate::api::policy::Effect;
use crate::api::target::ManagementPolicy;
use crate::api::{HRISConnection, PAUSED_ANNOTATION, ProvisioningPolicy, TargetSystem};
use crate::decide::effect::AccountSight;
use crate::decide::facts::identifier;
use crate::decide::index::{Entry, Namespace, Person};
use crate::decide::losses::{Named, account_name, readable_target};
use crate::decide::resolve::{look_up, resolve};
use crate::decide::selector::Glob;

/// Whether a holder that no record explains may be taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is to go, as judged.
    Taken,
    /// It is left, and why; nothing where nobody asks for more.
    Left(String),
    /// It cannot be told, and why: what is stays as it is.
    Unclear(String),
}

/// What holds for every holder of an Entitlement's object; `None` where each is to be looked at by itself.
pub(super) fn of_all(scene: &Scene<'_>) -> Option<Standing> {
    let entitlement = scene.namespace.entitlements.get(scene.name)?.readable()?;
    if entitlement.spec.ownership == Ownership::Additive {
        return Some(Standing::Left(String::new()));
    }
    let unclear = |why: String| Some(Standing::Unclear(why));
    match look_up(scene.namespace, scene.name) {
        (_, Some(fault)) => return unclear(fault),
        (Some(key), None) if key == *scene.key => {}
        (_, None) => return unclear("stands for another object now".to_owned()),
    }
    let target = readable_target(scene.namespace, &scene.key.target)?;
    let paused = |annotated: bool| annotated.then(|| format!("paused by the annotation {PAUSED_ANNOTATION}"));
    let is_paused = entitlement.annotations().contains_key(PAUSED_ANNOTATION)
        || target.annotations().contains_key(PAUSED_ANNOTATION);
    if let Some(why) = paused(is_paused) {
        return unclear(why);
    }
    if !target.spec.management_policies.contains(&ManagementPolicy::Revoke) {
        return Some(Standing::Left(
            "left, since managementPolicies of the target leave out Revoke".to_owned(),
        ));
    }
    who_cannot_be_told(scene.namespace).and_then(unclear)
}

/// Why it cannot be told who all the people are, where it cannot.
fn who_cannot_be_told(namespace: &Namespace) -> Option<String> {
    if let Some(name) = namespace.broken_employees.keys().next() {
        return Some(format!(
            "may be by the record of Employee {name}, which cannot be read: mend that object"
        ));
    }
    let unread = |entry: &Entry<HRISConnection>| {
        let status = entry.readable().and_then(|connection| connection.status.as_ref());
        status.is_none_or(|status| status.last_trusted_sync.is_none())
    };
    let mut connections = namespace.connections.iter();
    let (name, _) = connections.find(|(_, entry)| unread(entry))?;
    Some(format!(
        "may be somebody's of HRISConnection {name}, which has not been read whole yet"
    ))
}

/// What single holders are judged by, found out once for all of them.
pub(super) struct Bench<'a> {
    scene: &'a Scene<'a>,
    target: Option<&'a TargetSystem>,
    protected: Protected,
    /// An Employee who may hold it by an account that the record does not know yet.
    nameless: Option<&'a str>,
    awaited: OnceCell<Option<String>>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, nameless: Option<&'a str>) -> Self {
        let target = readable_target(scene.namespace, &scene.key.target);
        Self {
            scene,
            target,
            protected: target.map(Protected::of).unwrap_or_default(),
            nameless,
            awaited: OnceCell::new(),
        }
    }

    /// Whether the account `id` is to lose it. `owners` are the Employees whose account it is, or may be.
    pub(super) fn of_one(&self, id: &str, owners: &BTreeSet<&str>) -> Standing {
        let scene = self.scene;
        let Some(target) = self.target else {
            return Standing::Unclear("its target cannot be read".to_owned());
        };
        let people = || owners.iter().filter_map(|name| scene.namespace.employees.get(*name));
        let listed = scene.listed.get(id);
        // Where the account is only a name there is nothing more to know of it.
        let is_known = listed.is_some() || !owners.is_empty() || target.spec.kubernetes.is_some();
        let facts = people().flat_map(|person| [&person.spec.work_email, &person.spec.username]);
        let names = listed.into_iter().flat_map(|account| account.names.iter());
        let names = names.chain(facts.flatten()).map(String::as_str);
        if self.protected.speak_of(names.chain([id])) {
            return Standing::Left("left: one of the target's protectedAccounts".to_owned());
        }
        if !is_known && !self.protected.0.is_empty() {
            return Standing::Unclear(
                "may be one of the target's protectedAccounts: its names are not known, since the target does not list its \
                 accounts"
                    .to_owned(),
            );
        }
        for person in people() {
            match is_meant(scene, person) {
                Meant::No => {}
                Meant::Yes => return Standing::Left(format!("left: Employee {} is to have it", person.name)),
                Meant::Perhaps(why) => {
                    let name = &person.name;
                    return Standing::Unclear(format!("whether Employee {name} is to have it cannot be told: {why}"));
                }
            }
        }
        if !is_known && let Some(name) = self.whose_it_may_be() {
            return Standing::Unclear(format!(
                "may be the account of Employee {name}, who is to have it and whose account is not known yet"
            ));
        }
        Standing::Taken
    }

    /// An Employee who holds it, is to have it or may be, and whose account is not known.
    fn whose_it_may_be(&self) -> Option<&str> {
        let awaited = || self.awaited.get_or_init(|| awaited(self.scene)).as_deref();
        self.nameless.or_else(awaited)
    }
}

/// The accounts that a target never loses anything for.
#[derive(Debug, Default)]
pub(super) struct Protected(Vec<Glob>);

impl Protected {
    pub(super) fn of(target: &TargetSystem) -> Self {
        let patterns = target.spec.protected_accounts.iter();
        Self(patterns.map(|pattern| Glob::new(&identifier(pattern))).collect())
    }

    /// Whether they speak of an account that goes by these names.
    pub(super) fn speak_of<'a>(&self, names: impl Iterator<Item = &'a str>) -> bool {
        let mut names = names.map(identifier);
        !self.0.is_empty() && names.any(|name| self.0.iter().any(|glob| glob.matches(&name)))
    }
}

/// Whether a person is to have the object.
enum Meant {
    Yes,
    No,
    Perhaps(String),
}

/// Whether a person is to have the object, by policies of any mode: one that is planned or paused today gives it tomorrow.
fn is_meant(scene: &Scene<'_>, person: &Person) -> Meant {
    let resolution = resolve(scene.namespace, person, scene.now);
    let key = scene.key;
    if let Some(why) = resolution.frozen {
        return Meant::Perhaps(why);
    }
    if resolution.ending.is_some() || resolution.denied.contains_key(key) {
        return Meant::No;
    }
    if resolution.desired.contains_key(key) {
        return Meant::Yes;
    }
    if let Some(why) = resolution.undecided.get(key) {
        return Meant::Perhaps(why.clone());
    }
    let gives = |policy: &String| match scene.namespace.policies.get(policy) {
        Some(Entry::Readable(policy)) => policy.spec.effect == Effect::Grant && names_it(scene, policy),
        // What cannot be read, or is an exception, may give anything.
        Some(Entry::Broken { .. }) | None => true,
    };
    let mut doubts = resolution.undecided_grantors.iter();
    if let Some((_, why)) = doubts.find(|(policy, _)| gives(policy)) {
        return Meant::Perhaps(why.clone());
    }
    match resolution.matched.iter().find(|policy| gives(policy)) {
        Some(policy) => Meant::Perhaps(format!("policy {policy} matches, and does not act yet")),
        None => Meant::No,
    }
}

/// The name of an Employee who is to have the object, or may be, and whose account at its target is not known.
fn awaited(scene: &Scene<'_>) -> Option<String> {
    let target = &scene.key.target;
    let has_account = |person: &Person| {
        let mut accounts = person.status.accounts.iter();
        matches!(
            scene.sights.get(&person.name),
            Some(AccountSight::Absent | AccountSight::Present { .. } | AccountSight::Foreign { .. })
        ) || accounts.any(|record| record.target == *target && !record.id.is_empty())
            || !matches!(account_name(scene.namespace, person, target), Named::Account)
    };
    let may_be_given = |person: &Person| {
        let candidates = scene.namespace.candidates(person);
        let mut exceptions = scene.namespace.exceptions_about(person);
        let about_it = |(_, entry): &(_, &Entry<ProvisioningPolicy>)| {
            let policy = entry.readable();
            policy.is_none_or(|policy| names_it(scene, policy))
        };
        candidates.iter().any(about_it) || exceptions.next().is_some()
    };
    let waits = |person: &&Arc<Person>| {
        !has_account(person) && may_be_given(person) && !matches!(is_meant(scene, person), Meant::No)
    };
    let mut people = scene.namespace.employees.values();
    people.find(waits).map(|person| person.name.clone())
}

/// Whether a policy is about an Entitlement that stands for the object.
fn names_it(scene: &Scene<'_>, policy: &ProvisioningPolicy) -> bool {
    let mut grants = policy.spec.entitlements.iter();
    grants.any(|grant| look_up(scene.namespace, &grant.name).0.as_ref() == Some(scene.key))
}
