//! How a target stands.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use super::{broken, write};
use crate::api::conditions::{self, Fact};
use crate::api::target::TargetSystemStatus;
use crate::api::{PAUSED_ANNOTATION, RELEASE_HELD_ANNOTATION, TargetSystem};
use crate::controllers::context::Context;
use crate::controllers::recorder::RecordError;
use crate::controllers::report::{self, set_all};
use crate::decide::index::Entry;

/// Reconciles the status of one target, and sees that its writer is at work.
pub async fn target(
    object: Arc<PartialObjectMeta<TargetSystem>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let known = {
        let index = context.index.read();
        let Some(content) = index.namespace(&namespace).filter(|_| index.is_synced()) else {
            return Ok(Action::await_change());
        };
        match content.targets.get(&name) {
            Some(Entry::Readable(target)) => Ok(target.clone()),
            Some(Entry::Broken { error, .. }) => Err(error.clone()),
            None => return Ok(Action::await_change()),
        }
    };
    let target = match known {
        Ok(target) => target,
        Err(error) => {
            context.desks.close(&namespace, &name);
            return broken::<TargetSystem>(&context, object.meta(), &error).await;
        }
    };
    let survey = context.releaser.survey(&namespace);
    let judgements = context.releaser.judgements(&namespace);
    let mut status: TargetSystemStatus = target.status.clone().unwrap_or_default();
    let mut facts = Vec::new();
    if target.annotations().contains_key(PAUSED_ANNOTATION) {
        facts.push(Fact::yes(
            conditions::READY,
            conditions::PAUSED,
            format!("Accepted; nothing is sent while the annotation {PAUSED_ANNOTATION} is there."),
        ));
    } else {
        facts.push(Fact::yes(conditions::READY, conditions::ACCEPTED, "Accepted."));
    }
    if let Some(desk) = context.desks.open(&context, &namespace, &name) {
        let health = desk.state.lock().health.clone();
        desk.news.notify_one();
        facts.extend(health.reachable);
        status.capabilities = health.capabilities.or(status.capabilities);
        status.last_resync = health.last_resync.map(Time).or(status.last_resync);
    }
    if let Some(tally) = survey.targets.get(&name) {
        status.accounts = tally.accounts;
    }
    if let Some(judgement) = judgements.get(&name) {
        status.held.clone_from(&judgement.held);
    }
    facts.push(match &status.held {
        Some(held) => Fact::yes(conditions::CHANGES_HELD, conditions::OVER_BUDGET, format!(
            "{} people would lose {} grants or accounts here, and the budget is {} in 24 h. Look at status.held; to let \
             exactly these go: kubectl annotate tsys {name} --overwrite {RELEASE_HELD_ANNOTATION}={}",
            held.people, held.changes, held.budget, held.digest
        )),
        None => Fact::no(conditions::CHANGES_HELD, conditions::AS_EXPECTED, "No loss waits for a decision."),
    });
    facts.push(context.clock.fact());
    status.observed_generation = target.metadata.generation;
    let news = set_all(
        &mut status.conditions,
        &facts,
        target.metadata.generation,
        Timestamp::now(),
    );
    write(&context, &target, status, |target| target.status.as_ref(), &news).await
}
