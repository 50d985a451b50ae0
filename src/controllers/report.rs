//! Conditions and Events: how the kinds that Git applies say what is wrong and how to mend it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::Resource;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType};
use parking_lot::Mutex;

use super::context::Context;
use crate::api::conditions::{self, Fact, MESSAGE_MAX, clip};
use crate::decide::effect::short_digest;

/// Namespace and name.
pub fn key(metadata: &ObjectMeta) -> (String, String) {
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

/// Sets the facts among the conditions, and returns those that are news and bad, or good again.
pub fn set_all(conditions: &mut Vec<Condition>, facts: &[Fact], generation: Option<i64>, now: Timestamp) -> Vec<Fact> {
    let mut news = Vec::new();
    for fact in facts {
        let before = conditions
            .iter()
            .find(|condition| condition.type_ == fact.type_)
            .map(|c| c.status.clone());
        let changed = conditions::set(conditions, fact, generation, now);
        // The first word on an object that is well is no news, and neither is that nothing is known yet.
        let known = before.is_some_and(|status| status != "Unknown");
        if changed && (is_bad(fact) || (known && fact.holds.is_some())) {
            news.push(fact.clone());
        }
    }
    news
}

/// Whether a fact is one that a person should mend.
fn is_bad(fact: &Fact) -> bool {
    let bad_when = matches!(
        fact.type_,
        conditions::CHANGES_HELD
            | conditions::STATUS_UNKNOWN
            | conditions::ZONE_UNKNOWN
            | conditions::CONFLICT
            | conditions::UNMANAGED_ACCESS
    );
    // What was given an end comes to it.
    fact.type_ != conditions::EXPIRED && fact.holds == Some(bad_when)
}

/// Publishes an Event for each fact. An Event that cannot be published is logged: the condition says the same.
pub async fn announce<K: Resource<DynamicType = ()>>(context: &Context, metadata: &ObjectMeta, facts: &[Fact]) {
    let reference = ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        ..ObjectReference::default()
    };
    for fact in facts {
        let event = Event {
            type_: if is_bad(fact) {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: fact.reason.to_owned(),
            note: Some(clip(&fact.message, MESSAGE_MAX).to_owned()),
            // The recorder takes Events of one action for the same and repeats the words of the first.
            action: format!("{}-{}", fact.type_, short_digest([fact.message.as_str()])),
            secondary: None,
        };
        if let Err(error) = context.events.publish(&event, &reference).await {
            tracing::warn!(kind = %K::kind(&()), name = metadata.name, %error, "an Event could not be published");
        }
    }
}

/// Tries again after a failure: at once after a stale write, else ever later, by object. A `Controller` has one policy
/// for errors and no memory of them (kube#1916).
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<(String, String), u32>>);

impl Failures {
    /// When to try an object again that failed.
    pub fn again<K>(&self, object: &Arc<PartialObjectMeta<K>>, stale: bool) -> Action {
        if stale {
            return Action::requeue(Duration::from_millis(100));
        }
        let mut failures = self.0.lock();
        let count = failures.entry(key(&object.metadata)).or_default();
        let wait = Duration::from_millis(500 << (*count).min(9));
        *count += 1;
        Action::requeue(wait)
    }

    /// Says that an object went well.
    pub fn clear(&self, namespace: &str, name: &str) {
        let mut failures = self.0.lock();
        if !failures.is_empty() {
            failures.remove(&(namespace.to_owned(), name.to_owned()));
        }
    }
}
