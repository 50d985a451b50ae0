//! The two tenants of a plan: as it is, and as it would be.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::complete::{complete, in_force};
use super::load::{Manifest, Manifests, Object, Problem};
use crate::api::policy::Effect;
use crate::decide::enforced::as_enforced;
use crate::decide::index::{Entry, Indexed, Kind};
use crate::decide::{Namespace, Person, resolve};

/// Kinds whose absence says something: what they gave is no longer asked for.
const PRUNED: [Kind; 3] = [Kind::ProvisioningPolicy, Kind::Entitlement, Kind::AccessException];

/// What was read.
pub struct Inputs {
    /// What is in the cluster, where it was read.
    pub cluster: Option<Namespace>,
    /// Employees, and what else both sides have; `None` where none were named.
    pub employees: Option<Manifests>,
    /// As it is.
    pub before: Manifests,
    /// As it would be.
    pub after: Manifests,
    /// Whether what is in no file of `after` goes.
    pub prune: bool,
    /// The namespace.
    pub namespace: String,
}

/// As it is, as it would be, and what is wrong with that.
pub struct Tenants {
    /// As it is.
    pub before: Namespace,
    /// As it would be.
    pub after: Namespace,
    /// What is wrong with what would be put in.
    pub problems: Vec<Problem>,
}

/// Lays the manifests over each other: `before` over what both sides have, and `after` over that. What is in `before`
/// and not in `after` is removed, and so is, to prune, all else that is not in
/// `after`, of the kinds that it has any of.
pub fn combine(inputs: Inputs, now: Timestamp) -> Tenants {
    let name = inputs.namespace;
    let mut before = inputs.cluster.unwrap_or_default();
    let mut unrecorded = BTreeSet::new();
    if let Some(employees) = inputs.employees {
        if employees
            .objects
            .iter()
            .any(|manifest| manifest.object.kind() == Kind::Employee)
        {
            before
                .employees
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .iter()
                .for_each(|name| {
                    crate::api::Employee::remove(&mut before, name);
                });
        }
        put_in_force(employees, &mut before, &mut unrecorded);
    }
    let named: BTreeSet<(Kind, String)> = inputs.before.objects.iter().map(key).collect();
    put_in_force(inputs.before, &mut before, &mut unrecorded);
    complete(&mut before, &name);
    record(&mut before, &unrecorded, now);

    let mut after = before.clone();
    let kept: BTreeSet<(Kind, String)> = inputs.after.objects.iter().map(key).collect();
    let mut gone: BTreeSet<(Kind, String)> = named;
    if inputs.prune {
        // A directory of policies alone says nothing of entitlements.
        for kind in PRUNED
            .into_iter()
            .filter(|kind| kept.iter().any(|(named, _)| named == kind))
        {
            gone.extend(names(&before, kind).into_iter().map(|name| (kind, name)));
        }
    }
    for (kind, name) in gone.difference(&kept) {
        remove(&mut after, *kind, name);
    }
    let mut placed = Vec::new();
    for manifest in inputs.after.objects {
        placed.push((key(&manifest), manifest.place.to_string()));
        carry_over(&before, manifest.object).put(&mut after);
    }
    complete(&mut after, &name);
    let mut problems = Vec::new();
    for ((kind, name), place) in placed {
        let messages = faults(&after, kind, &name).into_iter();
        problems.extend(messages.map(|message| Problem {
            place: place.clone(),
            message,
        }));
    }
    if before.employees.is_empty() && after.employees.is_empty() {
        problems.push(Problem {
            place: format!("namespace {name}"),
            message: "there are no employees to plan for: name a source that has them with --employees".to_owned(),
        });
    }
    Tenants {
        before,
        after,
        problems,
    }
}

fn key(manifest: &Manifest) -> (Kind, String) {
    (manifest.object.kind(), manifest.object.name().to_owned())
}

fn names(namespace: &Namespace, kind: Kind) -> Vec<String> {
    match kind {
        Kind::ProvisioningPolicy => namespace.policies.keys().cloned().collect(),
        Kind::Entitlement => namespace.entitlements.keys().cloned().collect(),
        Kind::AccessException => namespace.exceptions.keys().cloned().collect(),
        Kind::ChangeSet | Kind::Employee | Kind::HRISConnection | Kind::TargetSystem => Vec::new(),
    }
}

/// Takes an object of a pruned kind out. What is not there of other kinds proves nothing, and takes nothing.
fn remove(namespace: &mut Namespace, kind: Kind, name: &str) {
    match kind {
        Kind::ProvisioningPolicy => crate::api::ProvisioningPolicy::remove(namespace, name),
        Kind::Entitlement => crate::api::Entitlement::remove(namespace, name),
        Kind::AccessException => crate::api::AccessException::remove(namespace, name),
        Kind::ChangeSet | Kind::Employee | Kind::HRISConnection | Kind::TargetSystem => return,
    };
}

/// Puts in what counts as in force. `unrecorded` are the people of whom nothing is on record.
fn put_in_force(manifests: Manifests, namespace: &mut Namespace, unrecorded: &mut BTreeSet<String>) {
    for manifest in manifests.objects {
        let mut object = carry_over(namespace, manifest.object);
        if let Object::Employee(employee) = &object
            && employee.status.is_none()
        {
            unrecorded.insert(employee.name_any());
        }
        in_force(&mut object);
        object.put(namespace);
    }
}

/// Gives people of whom nothing is on record what they would have, had the policies been in force for long.
fn record(namespace: &mut Namespace, unrecorded: &BTreeSet<String>, now: Timestamp) {
    let people = unrecorded.iter().filter_map(|name| namespace.employees.get(name));
    let recorded: Vec<Person> = people
        .map(|person| {
            let resolution = resolve(namespace, person, now);
            Person {
                status: as_enforced(namespace, person, &resolution, now),
                ..person.as_ref().clone()
            }
        })
        .collect();
    for person in recorded {
        namespace.employees.insert(person.name.clone(), Arc::new(person));
    }
}

/// What `kubectl apply` would make of an object over the one of its name: the record stays, and an edit makes a new
/// generation.
fn carry_over(before: &Namespace, object: Object) -> Object {
    macro_rules! over {
        ($new:ident, $field:ident) => {
            if let Some(Entry::Readable(old)) = before.$field.get(&$new.name_any()) {
                let own = std::mem::replace(&mut $new.metadata, old.metadata.clone());
                // What an apply does not name stays, where others may have written it.
                let mut annotations = match &old.metadata.uid {
                    Some(_) => old.metadata.annotations.clone().unwrap_or_default(),
                    None => Default::default(),
                };
                annotations.extend(own.annotations.unwrap_or_default());
                $new.metadata.annotations = Some(annotations).filter(|all| !all.is_empty());
                if old.spec != $new.spec {
                    $new.metadata.generation = Some(old.metadata.generation.unwrap_or_default() + 1);
                }
                $new.status.clone_from(&old.status);
            } else if $new.metadata.generation.is_none() {
                $new.metadata.generation = Some(1);
            }
        };
    }
    let mut object = object;
    match &mut object {
        Object::AccessException(new) => over!(new, exceptions),
        Object::ChangeSet(new) => over!(new, change_sets),
        Object::Entitlement(new) => {
            let known = new.status.take();
            over!(new, entitlements);
            // It is looked up anew, and found: what it stands for cannot be edited.
            if new.status.is_none() {
                new.status = known;
            }
            if let Some(status) = &mut new.status {
                status.observed_generation = new.metadata.generation;
            }
        }
        Object::HRISConnection(new) => over!(new, connections),
        Object::ProvisioningPolicy(new) => over!(new, policies),
        Object::TargetSystem(new) => over!(new, targets),
        Object::Employee(new) => {
            if let Some(old) = before.employees.get(&new.name_any()) {
                if new.status.is_none() {
                    new.status = Some(old.status.clone());
                }
                new.metadata.uid = Some(old.uid.clone());
                new.metadata.finalizers = Some(old.finalizers.clone());
            }
        }
    }
    object
}

/// What is wrong with an object that would be put in, beyond its form.
fn faults(namespace: &Namespace, kind: Kind, name: &str) -> Vec<String> {
    match kind {
        Kind::ProvisioningPolicy => {
            let Some(policy) = namespace.policies.get(name).and_then(Entry::readable) else {
                return Vec::new();
            };
            let mut faults = Vec::new();
            if let Err(why) = namespace.selector(policy).as_ref() {
                faults.push(format!("ProvisioningPolicy {name}: the selector cannot be read: {why}"));
            }
            let missing = policy
                .spec
                .entitlements
                .iter()
                .filter(|grant| !namespace.entitlements.contains_key(&grant.name));
            faults.extend(missing.map(|grant| {
                let verb = if policy.spec.effect == Effect::Deny { "denies" } else { "gives" };
                format!(
                    "ProvisioningPolicy {name} {verb} entitlement {}, which is not there: correct the name, or name a source that \
                     has the Entitlement",
                    grant.name
                )
            }));
            faults
        }
        Kind::Entitlement => {
            let entitlement = namespace.entitlements.get(name).and_then(Entry::readable);
            let target = entitlement.map(|entitlement| &entitlement.spec.target_ref.name);
            let missing = target.filter(|target| !namespace.targets.contains_key(*target));
            missing
                .map(|target| {
                    format!(
                        "Entitlement {name} is of target {target}, which is not there: correct the name, or name a source that has \
                         the TargetSystem"
                    )
                })
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}
