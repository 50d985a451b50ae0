//! Policies, their selectors compiled when they come in, and for each person those of them that may concern the person.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use kube::ResourceExt;

use super::{Entry, Person};
use crate::api::{PAUSED_ANNOTATION, ProvisioningPolicy};
use crate::decide::selector::{Compiled, Field};

/// A policy's selector, or a sentence that says what is wrong with it.
pub type CompiledSelector = Arc<Result<Compiled, String>>;

/// Policies by object name. Read it like the map that it holds; they come in and go out by the index alone.
#[derive(Debug, Default)]
pub struct Policies {
    all: BTreeMap<String, Entry<ProvisioningPolicy>>,
    /// By policy name, each with the very policy that it was compiled from.
    selectors: HashMap<String, (Arc<ProvisioningPolicy>, CompiledSelector)>,
    /// Made when first asked for after a change of whom a policy is for.
    files: OnceLock<Files>,
}

impl Deref for Policies {
    type Target = BTreeMap<String, Entry<ProvisioningPolicy>>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<'a> IntoIterator for &'a Policies {
    type Item = (&'a String, &'a Entry<ProvisioningPolicy>);
    type IntoIter = std::collections::btree_map::Iter<'a, String, Entry<ProvisioningPolicy>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl Policies {
    /// The selector of `policy`, compiled when the policy was put in.
    pub(super) fn selector(&self, policy: &Arc<ProvisioningPolicy>) -> CompiledSelector {
        match policy.metadata.name.as_ref().and_then(|name| self.selectors.get(name)) {
            // A policy that did not come by `put` is not the one that is remembered.
            Some((known, selector)) if Arc::ptr_eq(known, policy) => selector.clone(),
            _ => Arc::new(Compiled::new(&policy.spec.selector)),
        }
    }

    /// Puts a policy in, in place of the one of that name.
    pub(super) fn insert(&mut self, name: String, entry: Entry<ProvisioningPolicy>) {
        let Entry::Readable(policy) = &entry else {
            self.selectors.remove(&name);
            self.files.take();
            self.all.insert(name, entry);
            return;
        };
        let known = self.selectors.get(&name);
        let same = known.filter(|(known, _)| known.spec.selector == policy.spec.selector);
        let selector = same.map(|(_, selector)| selector.clone());
        let filed_alike = same.is_some_and(|(known, _)| is_paused(known) == is_paused(policy));
        let selector = selector.unwrap_or_else(|| Arc::new(Compiled::new(&policy.spec.selector)));
        self.selectors.insert(name.clone(), (policy.clone(), selector));
        // Most updates are of the status alone.
        if let Some(files) = self.files.get_mut()
            && filed_alike
            && let Some(place) = files.place_of(&name)
        {
            files.policies[place].1 = entry.clone();
        } else {
            self.files.take();
        }
        self.all.insert(name, entry);
    }

    /// Takes a policy out.
    pub(super) fn remove(&mut self, name: &str) -> Option<Entry<ProvisioningPolicy>> {
        self.selectors.remove(name);
        self.files.take();
        self.all.remove(name)
    }

    /// See [`super::Namespace::candidates`].
    pub(super) fn candidates(&self, person: &Person) -> Vec<(&String, &Entry<ProvisioningPolicy>)> {
        let files = self.files.get_or_init(|| Files::new(self));
        // What is missing and not confirmed to be may have been any value.
        let source = person.spec.source.as_ref();
        if source.is_some_and(|source| !source.unconfirmed.is_empty()) {
            return files.policies.iter().map(|(name, entry)| (name, entry)).collect();
        }
        let mut places = files.for_all.clone();
        for (field, by_value) in &files.by_field {
            field.each_value(person.facts(), |value| {
                places.extend(by_value.get(value).into_iter().flatten());
            });
        }
        let recorded = person.status.entitlements.iter().flat_map(|record| &record.grantors);
        places.extend(recorded.filter_map(|name| files.place_of(name)));
        places.sort_unstable();
        places.dedup();
        let policies = places.into_iter().filter_map(|place| files.policies.get(place));
        policies.map(|(name, entry)| (name, entry)).collect()
    }
}

fn is_paused(policy: &ProvisioningPolicy) -> bool {
    policy.annotations().contains_key(PAUSED_ANNOTATION)
}

/// Policies, filed under the values of which a person must have one.
#[derive(Debug)]
struct Files {
    /// In order of name.
    policies: Vec<(String, Entry<ProvisioningPolicy>)>,
    /// Places in `policies` of those that may concern anybody.
    for_all: Vec<usize>,
    /// Places in `policies`.
    by_field: BTreeMap<Field, HashMap<String, Vec<usize>>>,
}

impl Files {
    fn new(policies: &Policies) -> Self {
        let mut files = Self {
            policies: Vec::with_capacity(policies.all.len()),
            for_all: Vec::new(),
            by_field: BTreeMap::new(),
        };
        for (place, (name, entry)) in policies.all.iter().enumerate() {
            files.policies.push((name.clone(), entry.clone()));
            // One that is paused or cannot be read keeps what it gave, and whom it would be for does not matter.
            let selector = match entry {
                Entry::Readable(policy) if !is_paused(policy) => Some(policies.selector(policy)),
                _ => None,
            };
            let selector = selector.as_deref().and_then(|selector| selector.as_ref().ok());
            match selector.and_then(Compiled::filed_under) {
                None => files.for_all.push(place),
                Some(values) => {
                    for (field, value) in values {
                        let by_value = files.by_field.entry(field).or_default();
                        by_value.entry(value.to_owned()).or_default().push(place);
                    }
                }
            }
        }
        files
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.policies
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
            .ok()
    }
}
