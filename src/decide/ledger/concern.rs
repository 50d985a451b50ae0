//! Whom a change can concern.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::{Share, Touched};
use crate::api::{AccessException, Entitlement, HRISConnection, PAUSED_ANNOTATION, ProvisioningPolicy, TargetSystem};
use crate::decide::effect::exception_grantor;
use crate::decide::index::{Entry, Namespace, Person, accounts};
use crate::decide::phase::{PhaseRules, Zone};
use crate::decide::selector::{Compiled, Tri};

/// The objects that the shares were counted by.
#[derive(Debug, Default)]
pub(super) struct Basis {
    policies: Known<ProvisioningPolicy>,
    entitlements: Known<Entitlement>,
    targets: Known<TargetSystem>,
    exceptions: Known<AccessException>,
    connections: Known<HRISConnection>,
}

type Known<K> = BTreeMap<String, Entry<K>>;

/// An object that came, went or changed: what was there, and what is.
type Edit<'a, K> = (&'a String, Option<&'a Entry<K>>, Option<&'a Entry<K>>);

/// A person who came, went or changed: who was there.
pub(super) type Changed<'a> = (&'a String, Option<&'a Arc<Person>>);

impl Basis {
    /// Remembers the objects as they are, and says which policies have another generation.
    pub(super) fn take_in(&mut self, namespace: &Namespace) -> Touched {
        let mut touched = Touched::default();
        for (name, _, _) in edits(&self.policies, &namespace.policies, |_| ()) {
            touched.policies.insert(name.clone());
        }
        remember(&mut self.policies, &namespace.policies);
        remember(&mut self.entitlements, &namespace.entitlements);
        remember(&mut self.targets, &namespace.targets);
        remember(&mut self.exceptions, &namespace.exceptions);
        remember(&mut self.connections, &namespace.connections);
        touched
    }

    /// Whom the edits, and the changes of other people, can concern; `None` where that may be anybody. People who
    /// changed themselves need not be among them.
    pub(super) fn concerned(
        &self,
        namespace: &Namespace,
        shares: &BTreeMap<String, Share>,
        changed: &[Changed<'_>],
        now: Timestamp,
    ) -> Option<BTreeSet<String>> {
        let others = edits(&self.targets, &namespace.targets, |_| ()).next().is_some()
            || edits(&self.connections, &namespace.connections, |_| ())
                .next()
                .is_some();
        // These are rare, and concern most people.
        if others {
            return None;
        }
        let enforced = |policy: &ProvisioningPolicy| policy.status.as_ref()?.enforced_generation;
        let mut policies: Vec<Edit<'_, _>> = edits(&self.policies, &namespace.policies, enforced).collect();
        let mut people = BTreeSet::new();
        let renamed = self.follow_people(namespace, shares, changed, &mut people);
        // Where nobody was called so and somebody is now, or the other way round, it is as if the policy was edited.
        let unedited = namespace.policies.iter().filter(|(name, entry)| {
            let selector = entry.readable().map(|policy| namespace.selector(policy));
            let selector = selector.as_deref().and_then(|selector| selector.as_ref().ok());
            selector.is_some_and(|selector| selector.managers().any(|called| renamed.contains(called)))
                && policies.iter().all(|(edited, ..)| edited != name)
        });
        let unedited: Vec<_> = unedited.map(|(name, entry)| (name, Some(entry), Some(entry))).collect();
        policies.extend(unedited);
        Self::follow_policies(namespace, shares, &policies, now, &mut people)?;
        self.follow_entitlements(namespace, shares, &mut people);
        self.follow_exceptions(namespace, shares, &mut people)?;
        Some(people)
    }

    /// Whom the changes of others concern, and which names came or went.
    fn follow_people(
        &self,
        namespace: &Namespace,
        shares: &BTreeMap<String, Share>,
        changed: &[Changed<'_>],
        people: &mut BTreeSet<String>,
    ) -> BTreeSet<Arc<str>> {
        let mut renamed = BTreeSet::new();
        for (name, old) in changed {
            let new = namespace.employees.get(*name);
            let seen_from_below = |person: Option<&Arc<Person>>| {
                person.map(|person| {
                    let source = person.spec.source.as_ref();
                    let unconfirmed = source.map(|source| source.unconfirmed.clone()).unwrap_or_default();
                    let names: Vec<Arc<str>> = person.identifiers().cloned().collect();
                    (person.spec.manager_ref.clone(), names, unconfirmed)
                })
            };
            let (before, after) = (seen_from_below(*old), seen_from_below(new));
            if before == after {
                continue;
            }
            people.extend(namespace.everybody_below(name));
            let names = |seen: &Option<(_, Vec<Arc<str>>, _)>| -> BTreeSet<Arc<str>> {
                seen.iter().flat_map(|(_, names, _)| names.iter().cloned()).collect()
            };
            renamed.extend(names(&before).symmetric_difference(&names(&after)).cloned());
        }
        let exceptions = self.exceptions.len() + namespace.exceptions.len();
        if !renamed.is_empty() && exceptions > 0 {
            let called = renamed.iter().flat_map(|name| namespace.people_called(name));
            people.extend(called.map(|person| person.name.clone()));
            people.extend(unsure(shares).cloned());
        }
        renamed
    }

    /// `None` where a policy may concern anybody.
    fn follow_policies(
        namespace: &Namespace,
        shares: &BTreeMap<String, Share>,
        edits: &[Edit<'_, ProvisioningPolicy>],
        now: Timestamp,
        people: &mut BTreeSet<String>,
    ) -> Option<()> {
        for (name, _, after) in edits {
            let after = match after {
                Some(entry) => Some(plain_selector(namespace, entry)?),
                None => None,
            };
            let after = after.as_deref().and_then(|selector| selector.as_ref().ok());
            // Whom it was for before, the share says.
            let concerns = |share: &&Share| {
                hears(share, name) || after.is_some_and(|selector| may_match(selector, namespace, &share.person, now))
            };
            let concerned = shares.values().filter(concerns);
            people.extend(concerned.map(|share| share.person.name.clone()));
        }
        Some(())
    }

    fn follow_entitlements(
        &self,
        namespace: &Namespace,
        shares: &BTreeMap<String, Share>,
        people: &mut BTreeSet<String>,
    ) {
        let said = |entitlement: &Entitlement| {
            let status = entitlement.status.as_ref()?;
            Some((
                status.remote.clone(),
                status.conditions.clone(),
                status.observed_generation,
            ))
        };
        for (name, before, after) in edits(&self.entitlements, &namespace.entitlements, said) {
            let targets: BTreeSet<&String> = [before, after]
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.readable().map(|entitlement| &entitlement.spec.target_ref.name))
                .collect();
            let policies: BTreeSet<&str> = namespace
                .policies
                .iter()
                .filter(|(_, entry)| {
                    let policy = entry.readable();
                    policy.is_some_and(|policy| policy.spec.entitlements.iter().any(|grant| grant.name == *name))
                })
                .map(|(policy, _)| policy.as_str())
                .collect();
            for share in shares.values() {
                let heard = share
                    .matched
                    .iter()
                    .chain(share.undecided.iter().map(|(policy, _)| policy));
                let mut heard = heard.into_iter();
                let mut records = share.person.status.entitlements.iter();
                if records.any(|record| record.entitlement == *name || targets.contains(&record.target))
                    || heard.any(|policy| policies.contains(&**policy))
                {
                    people.insert(share.person.name.clone());
                }
            }
            for exception in namespace.exceptions.values().filter_map(Entry::readable) {
                if exception.spec.entitlement_ref.name == *name {
                    let called = namespace.people_called(&exception.spec.employee);
                    people.extend(called.map(|person| person.name.clone()));
                    people.extend(unsure(shares).cloned());
                }
            }
        }
    }

    /// `None` where an exception may be for anybody.
    fn follow_exceptions(
        &self,
        namespace: &Namespace,
        shares: &BTreeMap<String, Share>,
        people: &mut BTreeSet<String>,
    ) -> Option<()> {
        for (name, before, after) in edits(&self.exceptions, &namespace.exceptions, |_| ()) {
            for entry in [before, after].into_iter().flatten() {
                let called = namespace.people_called(&entry.readable()?.spec.employee);
                people.extend(called.map(|person| person.name.clone()));
            }
            let grantor = exception_grantor(name);
            let recorded = shares.values().filter(|share| has_grantor(&share.person, &grantor));
            people.extend(recorded.map(|share| share.person.name.clone()));
            people.extend(unsure(shares).cloned());
        }
        Some(())
    }
}

/// The selector of a policy that concerns only those whom it matches, may match or gave something.
fn plain_selector(namespace: &Namespace, entry: &Entry<ProvisioningPolicy>) -> Option<Arc<Result<Compiled, String>>> {
    let policy = entry.readable()?;
    let selector = namespace.selector(policy);
    (selector.is_ok() && !is_paused(policy)).then_some(selector)
}

/// Whether a selector matches a person, now or at any later time, or may for all that can be told.
fn may_match(selector: &Compiled, namespace: &Namespace, person: &Person, now: Timestamp) -> bool {
    // Days matter to tenure alone, and where they begin takes some finding out.
    let zone = if selector.has_tenure() {
        PhaseRules::of(namespace, &person.spec).zone
    } else {
        Zone::utc()
    };
    selector.matches(namespace, person, now, &zone).tri != Tri::False
        || selector.next_change(namespace, person, now, &zone).is_some()
}

/// Names of those whom an edit of the policy called `name` can concern, of which `before` was in the index and `after`
/// is: whom it matched or matches, now or at any later time, or may for all that can be told; whom it gave something by
/// record; and those with whom they share an account, who may keep it for them. `None` where that may be anybody.
pub fn whom_an_edit_concerns(
    namespace: &Namespace,
    name: &str,
    before: Option<&Entry<ProvisioningPolicy>>,
    after: Option<&Entry<ProvisioningPolicy>>,
    now: Timestamp,
) -> Option<BTreeSet<String>> {
    let versions = before.into_iter().chain(after);
    let selectors: Option<Vec<_>> = versions.map(|entry| plain_selector(namespace, entry)).collect();
    let selectors = selectors?;
    let selectors: Vec<&Compiled> = selectors
        .iter()
        .filter_map(|selector| selector.as_ref().as_ref().ok())
        .collect();
    let concerns = |person: &&Arc<Person>| {
        has_grantor(person, name)
            || selectors
                .iter()
                .any(|selector| may_match(selector, namespace, person, now))
    };
    let concerned: Vec<&Arc<Person>> = namespace.employees.values().filter(concerns).collect();
    let sharing = concerned.iter().flat_map(|person| accounts(person));
    let sharing = sharing.flat_map(|(target, id)| namespace.employees.with_account(target, id));
    Some(
        sharing
            .chain(concerned.iter().copied())
            .map(|person| person.name.clone())
            .collect(),
    )
}

fn is_paused(policy: &ProvisioningPolicy) -> bool {
    policy.annotations().contains_key(PAUSED_ANNOTATION)
}

/// Whether a policy had a say in a share.
fn hears(share: &Share, policy: &str) -> bool {
    share.matched.iter().any(|name| **name == *policy)
        || share.undecided.iter().any(|(name, _)| **name == *policy)
        || share.planned.iter().any(|(name, ..)| **name == *policy)
        || has_grantor(&share.person, policy)
}

fn has_grantor(person: &Person, grantor: &str) -> bool {
    let records = person.status.entitlements.iter();
    records.flat_map(|record| &record.grantors).any(|name| name == grantor)
}

/// Who lacks something that is not confirmed to be missing.
fn unsure(shares: &BTreeMap<String, Share>) -> impl Iterator<Item = &String> {
    let people = shares.values().map(|share| &share.person);
    people
        .filter(|person| {
            let source = person.spec.source.as_ref();
            source.is_some_and(|source| !source.unconfirmed.is_empty())
        })
        .map(|person| &person.name)
}

/// What of a kind came, went, or asks for something else now. `said` is what of the status matters.
fn edits<'a, K, S>(
    before: &'a Known<K>,
    after: &'a Known<K>,
    said: impl Fn(&K) -> S + 'a,
) -> impl Iterator<Item = Edit<'a, K>>
where
    K: Resource,
    S: PartialEq,
{
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    let gone = gone.map(|(name, entry)| (name, Some(entry), None));
    let there = after.iter().filter_map(move |(name, entry)| {
        let old = before.get(name);
        let same = match (old, entry) {
            (Some(Entry::Readable(old)), Entry::Readable(new)) => {
                Arc::ptr_eq(old, new) || (same_words(old.as_ref(), new.as_ref()) && said(old) == said(new))
            }
            (
                Some(Entry::Broken { error, generation }),
                Entry::Broken {
                    error: e,
                    generation: g,
                },
            ) => error == e && generation == g,
            _ => false,
        };
        (!same).then_some((name, old, Some(entry)))
    });
    gone.chain(there)
}

/// Whether two versions of an object ask for the same, as far as their metadata say.
fn same_words<K: Resource>(old: &K, new: &K) -> bool {
    let (old, new) = (old.meta(), new.meta());
    old.uid == new.uid
        && old.generation.is_some()
        && old.generation == new.generation
        && old.annotations == new.annotations
        && old.deletion_timestamp == new.deletion_timestamp
}

fn remember<K: Clone>(known: &mut Known<K>, now: &Known<K>) {
    known.retain(|name, _| now.contains_key(name));
    for (name, entry) in now {
        match (known.get(name), entry) {
            (Some(Entry::Readable(old)), Entry::Readable(new)) if Arc::ptr_eq(old, new) => {}
            _ => {
                known.insert(name.clone(), entry.clone());
            }
        }
    }
}
