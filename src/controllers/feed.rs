//! One watch per kind: it feeds the index, and its echo, stripped to metadata, triggers the kind's controller.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt};
use kube::core::metadata::{PartialObjectMeta, PartialObjectMetaExt};
use kube::core::{DeserializeGuard, NamespaceResourceScope, ObjectMeta};
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use serde::de::DeserializeOwned;

use super::context::Context;
use super::report::key;
use crate::api::ProvisioningPolicy;
use crate::decide::index::{Change, Entry, Indexed, Kind};
use crate::decide::ledger;

/// The kinds that have a feed.
pub trait Fed:
    Indexed
    + kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + DeserializeOwned
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl<K> Fed for K where
    K: Indexed
        + kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// Watches a kind. An object that cannot be decoded is put in as such, and breaks nothing else.
pub fn feed<K: Fed>(
    context: &Arc<Context>,
) -> (
    impl Stream<Item = Result<PartialObjectMeta<K>, watcher::Error>> + Send + 'static,
    Store<PartialObjectMeta<K>>,
) {
    let api = context
        .settings
        .scope
        .api::<DeserializeGuard<K>>(context.client.clone());
    let (reader, writer) = reflector::store();
    let context = context.clone();
    let mut listed = BTreeSet::new();
    let stream = watch(api, watcher::Config::default())
        .default_backoff()
        .inspect_err(|error| tracing::warn!(kind = %K::kind(&()), %error, "the watch broke and starts again"))
        .map(move |event| event.map(|event| take_in(&context, event, &mut listed)))
        .reflect(writer)
        .touched_objects();
    (stream, reader)
}

fn take_in<K: Fed>(
    context: &Context,
    event: Event<DeserializeGuard<K>>,
    listed: &mut BTreeSet<(String, String)>,
) -> Event<PartialObjectMeta<K>> {
    match event {
        Event::Init => {
            listed.clear();
            Event::Init
        }
        Event::InitApply(object) => {
            let metadata = put(context, object);
            listed.insert(key(&metadata));
            Event::InitApply(metadata.into_response_partial())
        }
        Event::InitDone => {
            let gone: Vec<_> = context.index.read().names::<K>().difference(listed).cloned().collect();
            for (namespace, name) in gone {
                remove::<K>(context, &namespace, &name);
            }
            let ready = {
                let mut index = context.index.write();
                index.set_synced(K::KIND);
                index.is_synced()
            };
            if ready {
                // What was reconciled before had to wait for this.
                let namespaces: Vec<String> = context
                    .index
                    .read()
                    .namespaces()
                    .map(|(name, _)| name.clone())
                    .collect();
                for namespace in namespaces {
                    context.releaser.mark(&namespace);
                    context.wake_everybody(&namespace);
                    wake_the_rest(context, &namespace);
                    let index = context.index.read();
                    for name in index
                        .namespace(&namespace)
                        .into_iter()
                        .flat_map(|content| content.connections.keys())
                    {
                        context.connections.wake(&namespace, name);
                    }
                }
            }
            Event::InitDone
        }
        Event::Apply(object) => Event::Apply(put(context, object).into_response_partial()),
        Event::Delete(object) => {
            let metadata = metadata(&object);
            let (namespace, name) = key(&metadata);
            remove::<K>(context, &namespace, &name);
            Event::Delete(metadata.into_response_partial())
        }
    }
}

fn metadata<K: Fed>(object: &DeserializeGuard<K>) -> ObjectMeta {
    match &object.0 {
        Ok(object) => object.meta().clone(),
        Err(invalid) => invalid.metadata.clone(),
    }
}

/// Puts an object in the index and wakes whom it concerns. Returns its metadata without what nobody here reads.
fn put<K: Fed>(context: &Context, object: DeserializeGuard<K>) -> ObjectMeta {
    let mut metadata = metadata(&object);
    metadata.managed_fields = None;
    let (namespace, name) = key(&metadata);
    let (before, policy) = (
        concerns::<K>(context, &namespace, &name),
        policy::<K>(context, &namespace, &name),
    );
    let change = match object.0 {
        Ok(object) => context.index.write().put(object),
        Err(invalid) => context.index.write().put_broken::<K>(&metadata, invalid.error),
    };
    let people = match K::KIND {
        Kind::ProvisioningPolicy => whom_an_edit_concerns(context, &namespace, &name, change, policy.as_ref()),
        _ => both(before, concerns::<K>(context, &namespace, &name)),
    };
    touched(context, K::KIND, &namespace, &name, change, people);
    metadata
}

fn remove<K: Fed>(context: &Context, namespace: &str, name: &str) {
    let (before, policy) = (
        concerns::<K>(context, namespace, name),
        policy::<K>(context, namespace, name),
    );
    let change = context.index.write().remove::<K>(namespace, name);
    let people = match K::KIND {
        Kind::ProvisioningPolicy => whom_an_edit_concerns(context, namespace, name, change, policy.as_ref()),
        _ => before,
    };
    match K::KIND {
        Kind::Employee => context.desks.forget(namespace, name),
        Kind::TargetSystem => context.desks.close(namespace, name),
        _ => {}
    }
    touched(context, K::KIND, namespace, name, change, people);
}

/// Whom an object concerns, as it is in the index; `None` where that may be anybody.
fn concerns<K: Fed>(context: &Context, namespace: &str, name: &str) -> Option<Vec<String>> {
    let index = context.index.read();
    match index.namespace(namespace) {
        Some(content) => K::concerns(content, name),
        None => Some(Vec::new()),
    }
}

/// The policy of this name as it is in the index, where the kind is that of policies.
fn policy<K: Fed>(context: &Context, namespace: &str, name: &str) -> Option<Entry<ProvisioningPolicy>> {
    if K::KIND != Kind::ProvisioningPolicy {
        return None;
    }
    let index = context.index.read();
    index.namespace(namespace)?.policies.get(name).cloned()
}

/// Whom the edit of a policy concerns that was `before`; `None` where that may be anybody. Only asked about an edit: a
/// status of ours concerns nobody, and to ask everybody about each would cost much.
fn whom_an_edit_concerns(
    context: &Context,
    namespace: &str,
    name: &str,
    change: Change,
    before: Option<&Entry<ProvisioningPolicy>>,
) -> Option<Vec<String>> {
    let index = context.index.read();
    let Some(content) = index.namespace(namespace).filter(|_| change == Change::Facts) else {
        return Some(Vec::new());
    };
    // Until all is known everybody is woken in the end.
    if !index.is_synced() {
        return None;
    }
    let after = content.policies.get(name);
    let people = ledger::whom_an_edit_concerns(content, name, before, after, context.clock.now())?;
    Some(people.into_iter().collect())
}

/// Whom an object concerned or concerns.
fn both(before: Option<Vec<String>>, after: Option<Vec<String>>) -> Option<Vec<String>> {
    Some([before?, after?].concat())
}

/// Wakes whom a change concerns: those below a person, these people, or everybody where it is about what anybody may be
/// judged by.
fn touched(context: &Context, kind: Kind, namespace: &str, name: &str, change: Change, concerned: Option<Vec<String>>) {
    if change == Change::None || !context.index.read().is_synced() {
        return;
    }
    // A connection's own change is the heartbeat of its syncs. Nobody is judged by it, and where syncs are more frequent
    // than the settling time is long, the namespace would never settle.
    if change == Change::Own && kind == Kind::HRISConnection {
        return;
    }
    // Of a set of held changes, only what people decide concerns anybody, and the releaser tells whom.
    if kind == Kind::ChangeSet {
        if change == Change::Facts {
            context.releaser.mark(namespace);
        }
        return;
    }
    context.releaser.mark(namespace);
    if kind == Kind::Employee {
        wake_exceptions_about(context, namespace, name);
    }
    if change == Change::Own {
        // A record alone changed, and not by us: it may name an account that others name too.
        if kind == Kind::Employee {
            for person in concerned.into_iter().flatten() {
                context.employees.wake(namespace, &person);
            }
        }
        return;
    }
    if kind == Kind::Employee {
        // Who is called otherwise now is so for exceptions too, by the old name and by the new.
        wake_exceptions(context, namespace);
        // Who is below somebody does not depend on that person's own facts, so that those from before are among them.
        let people = {
            let index = context.index.read();
            index
                .namespace(namespace)
                .map(|content| content.everybody_below(name))
                .unwrap_or_default()
        };
        for person in people.into_iter().chain(concerned.into_iter().flatten()) {
            context.employees.wake(namespace, &person);
        }
    } else if let Some(people) = concerned {
        for person in people {
            context.employees.wake(namespace, &person);
        }
        wake_the_rest(context, namespace);
    } else {
        context.wake_everybody(namespace);
        wake_the_rest(context, namespace);
    }
}

/// Exceptions say what follows for their person when they end, which hangs on the person's facts and record.
fn wake_exceptions_about(context: &Context, namespace: &str, employee: &str) {
    let index = context.index.read();
    let Some(content) = index.namespace(namespace) else {
        return;
    };
    if let Some(person) = content.employees.get(employee) {
        for (name, _) in content.exceptions_about(person) {
            context.exceptions.wake(namespace, name);
        }
    }
}

fn wake_exceptions(context: &Context, namespace: &str) {
    let index = context.index.read();
    for name in index
        .namespace(namespace)
        .into_iter()
        .flat_map(|content| content.exceptions.keys())
    {
        context.exceptions.wake(namespace, name);
    }
}

/// Policies, entitlements and targets speak of each other in their conditions.
fn wake_the_rest(context: &Context, namespace: &str) {
    let index = context.index.read();
    let Some(content) = index.namespace(namespace) else {
        return;
    };
    content
        .policies
        .keys()
        .for_each(|name| context.policies.wake(namespace, name));
    content
        .entitlements
        .keys()
        .for_each(|name| context.entitlements.wake(namespace, name));
    content
        .targets
        .keys()
        .for_each(|name| context.targets.wake(namespace, name));
    content
        .exceptions
        .keys()
        .for_each(|name| context.exceptions.wake(namespace, name));
    content
        .change_sets
        .keys()
        .for_each(|name| context.change_sets.wake(namespace, name));
}

/// Puts in what we just wrote, as the API server acknowledged it, before the watch says so; and wakes whom it concerns.
pub fn overlay<K: Fed>(context: &Context, object: K) {
    put(context, DeserializeGuard(Ok(object)));
}
