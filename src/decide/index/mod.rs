//! What the watches have brought: facts, records, policies, and the ways to look them up.
//!
//! Our own writes are put in as soon as the API server acknowledges them, so that nothing is decided on what we know
//! to be old; the watch's later copy of the same version changes nothing.

mod attribute_maps;
mod definitions;
mod kinds;
mod people;
mod policies;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use self::attribute_maps::AttributeMaps;
pub use self::attribute_maps::CompiledAttributes;
pub use self::definitions::CompiledDefinition;
use self::definitions::Definitions;
pub use self::kinds::Indexed;
pub use self::people::{People, accounts};
pub use self::policies::{CompiledSelector, Policies};
use super::expression::Schema;
pub use super::facts::identifier;
use super::facts::{Facts, Folded, Pool};
use super::phase::is_unconfirmed;
use crate::api::employee::{Employee, EmployeeSpec, EmployeeStatus};
use crate::api::{
    AccessException, ChangeSet, EMPLOYEE_FINALIZER, Entitlement, HRISConnection, PAUSED_ANNOTATION, ProvisioningPolicy,
    TargetSystem,
};

/// Every namespace that has an object of ours.
#[derive(Debug, Default)]
pub struct Index {
    namespaces: BTreeMap<String, Namespace>,
    synced: BTreeSet<Kind>,
}

/// The kinds that a decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the kind of that name")]
pub enum Kind {
    AccessException,
    ChangeSet,
    Employee,
    Entitlement,
    HRISConnection,
    ProvisioningPolicy,
    TargetSystem,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AccessException,
        Self::ChangeSet,
        Self::Employee,
        Self::Entitlement,
        Self::HRISConnection,
        Self::ProvisioningPolicy,
        Self::TargetSystem,
    ];
}

/// One tenant.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// People by object name.
    pub employees: People,
    /// Policies by object name.
    pub policies: Policies,
    /// Entitlements by object name.
    pub entitlements: BTreeMap<String, Entry<Entitlement>>,
    /// Targets by object name.
    pub targets: BTreeMap<String, Entry<TargetSystem>>,
    /// Exceptions by object name.
    pub exceptions: BTreeMap<String, Entry<AccessException>>,
    /// Held changes by object name.
    pub change_sets: BTreeMap<String, Entry<ChangeSet>>,
    /// Connections by object name.
    pub connections: BTreeMap<String, Entry<HRISConnection>>,
    /// Employees that cannot be decoded: name to why. Nothing is decided about them, and nothing revoked.
    pub broken_employees: BTreeMap<String, String>,
    /// What `http` targets describe, compiled.
    definitions: Definitions,
    /// The attributes that SCIM targets spell out, compiled.
    attribute_maps: AttributeMaps,
    /// Names of people, in order; nearly always one.
    by_identifier: HashMap<Arc<str>, Vec<String>>,
    /// Names of exceptions by whom they are for.
    exceptions_by_identifier: HashMap<String, BTreeSet<String>>,
    reports: HashMap<String, BTreeSet<String>>,
    pool: Pool,
}

/// An object as it can be read, or why it cannot.
#[derive(Clone, Debug)]
pub enum Entry<K> {
    /// Decoded.
    Readable(Arc<K>),
    /// An older CRD let it through, or a newer one wrote it.
    Broken {
        /// What the decoder said.
        error: String,
        /// Its generation, for conditions.
        generation: Option<i64>,
    },
}

impl<K> Entry<K> {
    /// The object, where it can be read.
    pub fn readable(&self) -> Option<&Arc<K>> {
        match self {
            Self::Readable(object) => Some(object),
            Self::Broken { .. } => None,
        }
    }
}

/// One person: facts, record, and what else of the object matters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// Name of the `Employee`.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its version, for writes that must not overwrite newer state.
    pub resource_version: String,
    /// The generation of the spec.
    pub generation: Option<i64>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// The finalizers on it.
    pub finalizers: Vec<String>,
    /// Whether effects are paused by annotation.
    pub paused: bool,
    /// The facts.
    pub spec: EmployeeSpec,
    /// The record.
    pub status: EmployeeStatus,
    /// See [`Person::facts`].
    pub folded: Folded,
}

impl From<Employee> for Person {
    fn from(employee: Employee) -> Self {
        Self {
            name: employee.name_any(),
            uid: employee.metadata.uid.clone().unwrap_or_default(),
            resource_version: employee.metadata.resource_version.clone().unwrap_or_default(),
            generation: employee.metadata.generation,
            deleting: employee.metadata.deletion_timestamp.is_some(),
            finalizers: employee.finalizers().to_vec(),
            paused: employee.annotations().contains_key(PAUSED_ANNOTATION),
            spec: employee.spec,
            status: employee.status.unwrap_or_default(),
            folded: Folded::default(),
        }
    }
}

impl Person {
    /// Whether our finalizer is on it, so that no deletion loses the record.
    pub fn has_finalizer(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == EMPLOYEE_FINALIZER)
    }

    /// The facts in the form in which policies compare them. They are made once: to change `spec`, change a copy.
    pub fn facts(&self) -> &Facts {
        self.folded.get(&self.spec)
    }

    /// Whether something is missing of which it is not confirmed that it is.
    pub fn is_unsure(&self) -> bool {
        let source = self.spec.source.as_ref();
        source.is_some_and(|source| !source.unconfirmed.is_empty())
    }

    /// What policies may call this person by: work email and employee number, in the form of [`identifier`].
    pub fn identifiers(&self) -> impl Iterator<Item = &Arc<str>> {
        self.facts().identifiers.iter()
    }
}

fn remove_from(map: &mut HashMap<String, BTreeSet<String>>, key: &str, name: &str) {
    if let Some(names) = map.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            map.remove(key);
        }
    }
}

/// A step up in the chain of managers.
#[derive(Debug)]
pub enum Rung<'a> {
    /// The next manager.
    Manager(&'a Arc<Person>),
    /// Who comes next cannot be told, and why.
    Lost(String),
}

impl Namespace {
    /// The managers above `person`, from the nearest on. It ends where there is none, where it breaks off, and where it
    /// goes round: before `person`, or after some managers more than once.
    pub fn chain<'a>(&'a self, person: &'a Person) -> impl Iterator<Item = Rung<'a>> {
        let mut at = Some(person);
        let mut steps: u64 = 0;
        // A round that `person` is not in comes back to this place in the end.
        let mut milestone = person.name.as_str();
        std::iter::from_fn(move || {
            let below = at.take()?;
            let Some(manager) = &below.spec.manager_ref else {
                return is_unconfirmed(&below.spec, "managerRef").then(|| {
                    let name = &below.name;
                    Rung::Lost(format!(
                        "managerRef of {name} had a value and has none now, which is not confirmed yet"
                    ))
                });
            };
            if manager.name == person.name || manager.name == milestone {
                return None;
            }
            let Some(next) = self.employees.get(&manager.name) else {
                let (name, manager) = (&below.name, &manager.name);
                return Some(Rung::Lost(format!(
                    "the manager of {name} is {manager}, which is not there"
                )));
            };
            steps += 1;
            if steps.is_power_of_two() {
                milestone = &next.name;
            }
            at = Some(next);
            Some(Rung::Manager(next))
        })
    }

    /// The people whom a policy or an exception calls `text`: by work email or employee number, without regard to case.
    pub fn people_called(&self, text: &str) -> impl Iterator<Item = &Arc<Person>> {
        self.by_identifier
            .get(identifier(text).as_str())
            .into_iter()
            .flatten()
            .filter_map(|name| self.employees.get(name))
    }

    /// The exceptions that can be read and call `person` by one of their names, whether they are in force or not.
    pub fn exceptions_about(&self, person: &Person) -> impl Iterator<Item = (&String, &Arc<AccessException>)> {
        let identifiers = (!self.exceptions_by_identifier.is_empty()).then(|| person.identifiers());
        let names: BTreeSet<&String> = identifiers
            .into_iter()
            .flatten()
            .filter_map(|identifier| self.exceptions_by_identifier.get(&**identifier))
            .flatten()
            .collect();
        names
            .into_iter()
            .filter_map(|name| Some((name, self.exceptions.get(name)?.readable()?)))
    }

    fn remember_exception(&mut self, exception: &Arc<AccessException>) {
        let name = exception.name_any();
        self.forget_exception(&name);
        let names = self
            .exceptions_by_identifier
            .entry(identifier(&exception.spec.employee));
        names.or_default().insert(name);
    }

    /// Takes an exception off the person that it was for; before it is replaced or taken out.
    fn forget_exception(&mut self, name: &str) {
        if let Some(old) = self.exceptions.get(name).and_then(Entry::readable) {
            let called = identifier(&old.spec.employee);
            remove_from(&mut self.exceptions_by_identifier, &called, name);
        }
    }

    /// Whom an exception is for: nobody where there is none, perhaps anybody where it cannot be read or where nobody is
    /// called so, who may have lost the name.
    fn whom_exception_concerns(&self, name: &str) -> Option<Vec<String>> {
        match self.exceptions.get(name) {
            None => Some(Vec::new()),
            Some(Entry::Broken { .. }) => None,
            Some(Entry::Readable(exception)) => {
                let people: Vec<String> = self.names_called(&exception.spec.employee).collect();
                (!people.is_empty()).then_some(people)
            }
        }
    }

    /// Who has a name that an exception calls `name` by: where one of them comes or goes, it may be for the other.
    fn who_shares_an_exception(&self, name: &str) -> Vec<String> {
        let person = self.employees.get(name);
        let exceptions = person.into_iter().flat_map(|person| self.exceptions_about(person));
        exceptions
            .flat_map(|(_, exception)| self.names_called(&exception.spec.employee))
            .collect()
    }

    fn names_called(&self, text: &str) -> impl Iterator<Item = String> {
        self.people_called(text).map(|person| person.name.clone())
    }

    /// The names of those whose `managerRef` is `manager`.
    pub fn reports_of(&self, manager: &str) -> impl Iterator<Item = &String> {
        self.reports.get(manager).into_iter().flatten()
    }

    /// The names of everybody below `manager`; cycles end where they began.
    pub fn everybody_below(&self, manager: &str) -> BTreeSet<String> {
        let mut below = BTreeSet::new();
        let mut open = vec![manager.to_owned()];
        while let Some(name) = open.pop() {
            for report in self.reports_of(&name) {
                if report != manager && below.insert(report.clone()) {
                    open.push(report.clone());
                }
            }
        }
        below
    }

    /// The selector of `policy`, compiled when the policy was put in.
    pub fn selector(&self, policy: &Arc<ProvisioningPolicy>) -> CompiledSelector {
        self.policies.selector(policy)
    }

    /// Compiles expressions anew where the connections declare other custom fields than before.
    fn connections_changed(&mut self) {
        let schema = Schema::of(self.connections.values().map(|entry| entry.readable().map(Arc::as_ref)));
        self.definitions.set_schema(&schema, &self.targets);
        self.attribute_maps.set_schema(&schema, &self.targets);
        self.policies.set_schema(schema);
    }

    /// Compiles the definitions of those targets that are new or changed.
    fn targets_changed(&mut self) {
        self.definitions.follow(&self.targets);
        self.attribute_maps.follow(&self.targets);
    }

    /// The attributes of accounts that the SCIM target of this name spells out, compiled when it came in; `None` where it spells out
    /// none.
    pub fn attribute_map(&self, target: &str) -> Option<&CompiledAttributes> {
        self.attribute_maps.get(target)
    }

    /// What the `http` target of this name describes, compiled when it came in; `None` where there is no such target, or it
    /// is of another protocol.
    pub fn definition(&self, target: &str) -> Option<&CompiledDefinition> {
        self.definitions.get(target)
    }

    /// The policies that may concern `person`, in order of name. All others neither match nor leave it untold, now or at
    /// any other time while facts and policies stay as they are, and gave nothing that the record knows of.
    pub fn candidates(&self, person: &Person) -> Vec<(&String, &Entry<ProvisioningPolicy>)> {
        self.policies.candidates(self, person)
    }

    fn link(&mut self, person: &Person) {
        for identifier in person.identifiers() {
            let names = self.by_identifier.entry(identifier.clone()).or_default();
            if names.is_empty() {
                self.policies.rename();
            }
            if let Err(place) = names.binary_search(&person.name) {
                names.insert(place, person.name.clone());
            }
        }
        if let Some(manager) = &person.spec.manager_ref {
            self.reports
                .entry(manager.name.clone())
                .or_default()
                .insert(person.name.clone());
        }
    }

    fn unlink(&mut self, person: &Person) {
        for identifier in person.identifiers() {
            if let Some(names) = self.by_identifier.get_mut(identifier) {
                names.retain(|name| *name != person.name);
                if names.is_empty() {
                    self.by_identifier.remove(identifier);
                    self.policies.rename();
                }
            }
        }
        if let Some(manager) = &person.spec.manager_ref {
            remove_from(&mut self.reports, &manager.name, &person.name);
        }
    }

    /// Whether a target's accounts name the account of the person's manager.
    fn names_managers(&self) -> bool {
        let targets = self.targets.values().filter_map(Entry::readable);
        targets
            .into_iter()
            .any(|target| target.spec.scim.as_ref().is_some_and(|scim| scim.enterprise))
    }

    /// Puts a person in, unless what is there is newer. Returns what was there before, or `None` where nothing changed.
    fn put_person(&mut self, mut person: Person) -> Change {
        let old = self.employees.get(&person.name).cloned();
        if let Some(old) = &old {
            if old.uid == person.uid && !is_newer(&person.resource_version, &old.resource_version) {
                return Change::None;
            }
            self.unlink(old);
        }
        self.broken_employees.remove(&person.name);
        person.folded = match &old {
            // Most updates are of the status alone.
            Some(old) if old.spec == person.spec => old.folded.shared(),
            _ => Folded::new(Facts::of(&person.spec, &mut self.pool)),
        };
        self.link(&person);
        let change = match &old {
            None => Change::Facts,
            Some(old) if old.spec.manager_ref != person.spec.manager_ref => Change::Facts,
            Some(old) if !old.identifiers().eq(person.identifiers()) => Change::Facts,
            // What is not confirmed to be missing leaves open who is above those below.
            Some(old) if unconfirmed(old) != unconfirmed(&person) => Change::Facts,
            // The accounts of those below name their manager's.
            Some(old) if self.names_managers() && !account_ids(old).eq(account_ids(&person)) => Change::Facts,
            Some(_) => Change::Own,
        };
        self.employees.insert(person.name.clone(), Arc::new(person));
        drop(old);
        self.pool.tidy();
        change
    }

    fn remove_person(&mut self, name: &str) -> Change {
        self.broken_employees.remove(name);
        match self.employees.remove(name) {
            Some(old) => {
                self.unlink(&old);
                Change::Facts
            }
            None => Change::None,
        }
    }

    fn is_empty(&self) -> bool {
        self.employees.is_empty()
            && self.broken_employees.is_empty()
            && self.policies.is_empty()
            && self.entitlements.is_empty()
            && self.targets.is_empty()
            && self.exceptions.is_empty()
            && self.change_sets.is_empty()
            && self.connections.is_empty()
    }
}

/// The ids of a person's accounts, by target.
fn account_ids(person: &Person) -> impl Iterator<Item = (&str, &str)> {
    let records = person.status.accounts.iter();
    records.map(|record| (record.target.as_str(), record.id.as_str()))
}

fn unconfirmed(person: &Person) -> &[String] {
    let source = person.spec.source.as_ref();
    source.map_or(&[], |source| source.unconfirmed.as_slice())
}

/// What an update of the index touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: an echo of what was known.
    None,
    /// The object itself.
    Own,
    /// What others are decided on: of a person, the place in the chain of managers and what policies call them; of
    /// other kinds, what they ask for.
    Facts,
}

/// Whether version `new` comes after `old`. Versions are compared as numbers (they are comparable as such since
/// Kubernetes 1.35, KEP-5504, and on every etcd-backed API server before); what is no number is taken as newer.
fn is_newer(new: &str, old: &str) -> bool {
    match (new.parse::<u64>(), old.parse::<u64>()) {
        (Ok(new), Ok(old)) => new > old,
        _ => true,
    }
}

impl Index {
    /// The namespace, if anything of ours is in it.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }

    /// All namespaces that have an object of ours.
    pub fn namespaces(&self) -> impl Iterator<Item = (&String, &Namespace)> {
        self.namespaces.iter()
    }

    /// Whether every kind has been listed whole. Nothing is decided before.
    pub fn is_synced(&self) -> bool {
        self.synced.len() == Kind::ALL.len()
    }

    /// Says that a kind has been listed whole.
    pub fn set_synced(&mut self, kind: Kind) {
        self.synced.insert(kind);
    }

    /// Puts an object in, unless what is there is newer.
    pub fn put<K: Indexed>(&mut self, object: K) -> Change {
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        object.put(self.namespaces.entry(namespace).or_default())
    }

    /// Puts in that an object cannot be read.
    pub fn put_broken<K: Indexed>(&mut self, metadata: &ObjectMeta, error: String) -> Change {
        let namespace = metadata.namespace.clone().unwrap_or_default();
        K::put_broken(self.namespaces.entry(namespace).or_default(), metadata, error)
    }

    /// Takes an object out.
    pub fn remove<K: Indexed>(&mut self, namespace: &str, name: &str) -> Change {
        let Some(content) = self.namespaces.get_mut(namespace) else {
            return Change::None;
        };
        let change = K::remove(content, name);
        if content.is_empty() {
            self.namespaces.remove(namespace);
        }
        change
    }

    /// Namespace and name of every object of a kind, readable or not.
    pub fn names<K: Indexed>(&self) -> BTreeSet<(String, String)> {
        self.namespaces
            .iter()
            .flat_map(|(namespace, content)| K::names(content).into_iter().map(|name| (namespace.clone(), name)))
            .collect()
    }
}
