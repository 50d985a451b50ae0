//! How a target stands.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use super::{broken, look_up, write};
use crate::api::conditions::{self, Fact};
use crate::api::target::{Quarantine, TargetSystemStatus};
use crate::api::{PAUSED_ANNOTATION, TargetSystem};
use crate::controllers::connect::invalid_attributes;
use crate::controllers::context::Context;
use crate::controllers::recorder::RecordError;
use crate::controllers::report::{self, set_all};
use crate::decide::definition::sentence;

/// Reconciles the status of one target, and sees that its writer is at work.
pub async fn target(
    object: Arc<PartialObjectMeta<TargetSystem>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let known = look_up(
        &context,
        &namespace,
        |content| content.targets.get(&name),
        |content, target| {
            let definition = content.definition(&name).map(AsRef::as_ref);
            let problems = definition.and_then(|compiled| compiled.as_ref().err());
            let map = content.attribute_map(&name).map(AsRef::as_ref);
            let odd = map.and_then(|compiled| compiled.as_ref().err());
            let problems = problems.map(|problems| sentence(problems));
            (
                target.clone(),
                problems.or_else(|| odd.map(|problems| invalid_attributes(problems))),
            )
        },
    );
    let Some(known) = known else {
        return Ok(Action::await_change());
    };
    let (target, invalid) = match known {
        Ok(known) => known,
        Err(error) => {
            context.desks.close(&namespace, &name);
            return broken::<TargetSystem>(&context, object.meta(), &error).await;
        }
    };
    let judgement = context.releaser.judgement(&namespace);
    let mut status: TargetSystemStatus = target.status.clone().unwrap_or_default();
    let mut facts = Vec::new();
    if let Some(problems) = invalid {
        facts.push(Fact::no(
            conditions::READY,
            conditions::INVALID,
            format!("Nothing is sent, and nothing is lost, until this is mended: {problems}."),
        ));
    } else if target.annotations().contains_key(PAUSED_ANNOTATION) {
        facts.push(Fact::yes(
            conditions::READY,
            conditions::PAUSED,
            format!("Accepted; nothing is sent while the annotation {PAUSED_ANNOTATION} is there."),
        ));
    } else {
        facts.push(Fact::yes(conditions::READY, conditions::ACCEPTED, "Accepted."));
    }
    if let Some(desk) = context.desks.open(&context, &namespace, &name) {
        let (health, waiting) = {
            let state = desk.state.lock();
            (state.health.clone(), state.waiting_for_seats())
        };
        desk.news.notify_one();
        facts.push(quarantined(health.quarantine.as_ref()));
        facts.push(seats(waiting));
        status.quarantine = health.quarantine;
        status.waiting_for_seats = waiting;
        facts.extend(health.reachable);
        status.capabilities = health.capabilities.or(status.capabilities);
        status.last_resync = health.last_resync.map(Time).or(status.last_resync);
    }
    if let Some(accounts) = context.releaser.accounts(&namespace, &name) {
        status.accounts = accounts;
    }
    status.held = judgement.held.get(&name).cloned();
    facts.push(match &status.held {
        Some(held) => Fact::yes(
            conditions::CHANGES_HELD,
            conditions::OVER_BUDGET,
            format!(
                "{} changes for {} people wait here for a person's decision, in ChangeSet {}. Look with `kubectl get chgset`, \
                 or `rollcall changeset show {}`.",
                held.changes,
                held.people,
                held.change_sets.join(", "),
                held.change_sets.first().map_or("NAME", String::as_str),
            ),
        ),
        None => Fact::no(
            conditions::CHANGES_HELD,
            conditions::AS_EXPECTED,
            "No change waits for a decision.",
        ),
    });
    facts.push(context.clock.fact());
    status.observed_generation = target.metadata.generation;
    let mut news = set_all(
        &mut status.conditions,
        &facts,
        target.metadata.generation,
        Timestamp::now(),
    );
    // Said when each ChangeSet was made.
    news.retain(|fact| fact.type_ != conditions::CHANGES_HELD || fact.holds == Some(false));
    write(&context, &target, status, |target| target.status.as_ref(), &news).await
}

fn quarantined(quarantine: Option<&Quarantine>) -> Fact {
    match quarantine {
        Some(quarantine) => Fact::yes(
            conditions::QUARANTINED,
            conditions::UNREACHABLE,
            format!(
                "It failed {} times in a row, the first time at {}: it is tried again at {}, and nothing else is sent \
                 meanwhile. It is tried at once when this TargetSystem is edited, and soon after its Secret is.",
                quarantine.failures, quarantine.since.0, quarantine.until.0
            ),
        ),
        None => Fact::no(
            conditions::QUARANTINED,
            conditions::AS_EXPECTED,
            "It does not keep failing.",
        ),
    }
}

fn seats(waiting: u32) -> Fact {
    match waiting {
        0 => Fact::no(
            conditions::SEATS_EXHAUSTED,
            conditions::AS_EXPECTED,
            "Nobody waits for a seat.",
        ),
        _ => Fact::yes(
            conditions::SEATS_EXHAUSTED,
            conditions::WAITING,
            format!(
                "{waiting} people wait for a seat, a licence or a budget: buy more, or have somebody give theirs back. It is \
                 tried again when one is given back here, and every ten minutes."
            ),
        ),
    }
}
