//! How policies, entitlements and targets stand: their conditions and figures, from the index, the last survey and the
//! writers. Thin: gather, compare, write.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use super::context::Context;
use super::desk::Resolved;
use super::recorder::{RecordError, patch_status};
use super::report::{self, announce, set_all};
use crate::api::conditions::{self, Fact};
use crate::api::entitlement::EntitlementStatus;
use crate::api::policy::ProvisioningPolicyStatus;
use crate::api::target::TargetSystemStatus;
use crate::api::{Entitlement, PAUSED_ANNOTATION, ProvisioningPolicy, RELEASE_HELD_ANNOTATION, TargetSystem};
use crate::decide::Namespace;
use crate::decide::effect::RemoteKey;
use crate::decide::index::{Entry, Indexed};
use crate::targets::Found;

/// Reconciles the status of one policy.
pub async fn policy(
    object: Arc<PartialObjectMeta<ProvisioningPolicy>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let survey = context.releaser.survey(&namespace);
    let found = {
        let index = context.index.read();
        let Some(content) = index.namespace(&namespace).filter(|_| index.is_synced()) else {
            return Ok(Action::await_change());
        };
        match content.policies.get(&name) {
            Some(Entry::Readable(policy)) => Ok((
                policy.clone(),
                missing_entitlements(content, policy),
                content.selector(policy),
            )),
            Some(Entry::Broken { error, .. }) => Err(error.clone()),
            None => return Ok(Action::await_change()),
        }
    };
    let (policy, missing, selector) = match found {
        Ok(found) => found,
        Err(error) => return broken::<ProvisioningPolicy>(&context, object.meta(), &error).await,
    };
    let tally = survey.policies.get(&name).cloned().unwrap_or_default();
    let mut status: ProvisioningPolicyStatus = policy.status.clone().unwrap_or_default();
    status.observed_generation = policy.metadata.generation;
    // Before the first survey nothing is known.
    if tally.generation == policy.metadata.generation {
        status.enforced_generation = tally.generation;
        status.matched = tally.matched;
        status.granted = tally.grants.granted;
        status.pending = tally.grants.pending;
        status.held = tally.grants.held;
        status.failed = tally.grants.failed;
        status.plan = tally.plan;
    }
    let ready = if !missing.is_empty() {
        Fact::no(
            conditions::READY,
            conditions::REFERENCE_MISSING,
            format!("{} Until then nothing is granted or revoked for it.", missing.join(" ")),
        )
    } else if let Err(why) = selector.as_ref() {
        Fact::no(
            conditions::READY,
            conditions::INVALID,
            format!("The selector cannot be read: {why}"),
        )
    } else {
        Fact::yes(conditions::READY, conditions::ACCEPTED, "Accepted.")
    };
    let conflict = if tally.at_odds_with.is_empty() {
        Fact::no(
            conditions::CONFLICT,
            conditions::AS_EXPECTED,
            "No other policy contradicts it.",
        )
    } else {
        let others = tally
            .at_odds_with
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        Fact::yes(
            conditions::CONFLICT,
            conditions::PARAMETERS_DIFFER,
            format!(
                "It gives the same entitlement as {others} at equal priority but with different parameters, so that nothing \
             changes for those whom both match: give one of them a higher priority, or the same parameters."
            ),
        )
    };
    let news = set_all(
        &mut status.conditions,
        &[ready, conflict],
        policy.metadata.generation,
        Timestamp::now(),
    );
    write(&context, &policy, status, |policy| policy.status.as_ref(), &news).await
}

/// A sentence for each entitlement that the policy names and that cannot be granted.
fn missing_entitlements(content: &Namespace, policy: &ProvisioningPolicy) -> Vec<String> {
    let mut sentences = Vec::new();
    for grant in &policy.spec.entitlements {
        match content.entitlements.get(&grant.name) {
            None => sentences.push(format!(
                "There is no Entitlement {} in this namespace: create it, or correct the name in spec.entitlements.",
                grant.name
            )),
            Some(Entry::Broken { .. }) => {
                sentences.push(format!("Entitlement {} cannot be read: apply it anew.", grant.name))
            }
            Some(Entry::Readable(_)) => {}
        }
    }
    sentences
}

/// Reconciles the status of one entitlement.
pub async fn entitlement(
    object: Arc<PartialObjectMeta<Entitlement>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let survey = context.releaser.survey(&namespace);
    let known = {
        let index = context.index.read();
        let Some(content) = index.namespace(&namespace).filter(|_| index.is_synced()) else {
            return Ok(Action::await_change());
        };
        match content.entitlements.get(&name) {
            Some(Entry::Readable(entitlement)) => {
                let target = content
                    .targets
                    .get(&entitlement.spec.target_ref.name)
                    .and_then(Entry::readable);
                Ok((entitlement.clone(), target.is_some(), elder(content, entitlement)))
            }
            Some(Entry::Broken { error, .. }) => Err(error.clone()),
            None => return Ok(Action::await_change()),
        }
    };
    let (entitlement, target_there, elder) = match known {
        Ok(known) => known,
        Err(error) => return broken::<Entitlement>(&context, object.meta(), &error).await,
    };
    let target = &entitlement.spec.target_ref.name;
    let mut status: EntitlementStatus = entitlement.status.clone().unwrap_or_default();
    let resolved = if target_there {
        let desk = context.desks.open(&context, &namespace, target);
        desk.and_then(|desk| {
            desk.news.notify_one();
            desk.state.lock().resolved.get(&name).cloned()
        })
    } else {
        None
    };
    let generation = entitlement.metadata.generation;
    let ready = match (&resolved, &elder) {
        _ if !target_there => Fact::no(
            conditions::READY,
            conditions::REFERENCE_MISSING,
            format!(
                "There is no TargetSystem {target} in this namespace that can be read: create it. What was granted stays."
            ),
        ),
        (_, Some(elder)) => Fact::no(
            conditions::READY,
            conditions::DUPLICATE,
            format!(
                "Entitlement {elder} already stands for the same object at {target}: delete one of the two. Nothing is \
             granted or revoked through this one."
            ),
        ),
        (Some(resolved), None) if resolved.generation == generation => found(&mut status, resolved, target),
        // The writer has not looked yet; what was found before still stands.
        _ => match status
            .conditions
            .iter()
            .find(|c| c.type_ == conditions::READY && c.observed_generation == generation)
        {
            Some(_) => return tally_entitlement(&context, &entitlement, status, &survey, Vec::new()).await,
            None => Fact {
                holds: None,
                ..Fact::no(
                    conditions::READY,
                    conditions::UNREACHABLE,
                    format!("Its object at {target} has not been looked up yet."),
                )
            },
        },
    };
    status.observed_generation = generation;
    let news = set_all(&mut status.conditions, &[ready], generation, Timestamp::now());
    tally_entitlement(&context, &entitlement, status, &survey, news).await
}

async fn tally_entitlement(
    context: &Arc<Context>,
    entitlement: &Arc<Entitlement>,
    mut status: EntitlementStatus,
    survey: &crate::decide::survey::Survey,
    news: Vec<Fact>,
) -> Result<Action, RecordError> {
    let namespace = entitlement.namespace().unwrap_or_default();
    let tally = survey
        .entitlements
        .get(&entitlement.name_any())
        .copied()
        .unwrap_or_default();
    status.holders = tally.granted;
    status.pending = tally.pending;
    status.held = tally.held;
    let target = &entitlement.spec.target_ref.name;
    if let (Some(remote), Some(desk)) = (&status.remote, context.desks.get(&namespace, target)) {
        let key = RemoteKey {
            target: target.clone(),
            object: remote.clone(),
        };
        let nobody = BTreeSet::new();
        let explained = survey
            .targets
            .get(target)
            .and_then(|tally| tally.explained.get(&key))
            .unwrap_or(&nobody);
        let seen = desk.state.lock().holders.get(remote).cloned();
        status.unmanaged_holders = seen
            .and_then(|seen| seen.holders)
            .map(|holders| u32::try_from(holders.ids.difference(explained).count()).unwrap_or(u32::MAX));
    }
    write(
        context,
        entitlement,
        status,
        |entitlement| entitlement.status.as_ref(),
        &news,
    )
    .await
}

/// The name of an older entitlement that stands for the same object.
fn elder(content: &Namespace, entitlement: &Entitlement) -> Option<String> {
    let identity = |e: &Entitlement| {
        (
            e.spec.target_ref.clone(),
            e.spec.scim_group.clone(),
            e.spec.role_binding.clone(),
            e.spec.cluster_role_binding.clone(),
        )
    };
    let age = |e: &Entitlement| (e.creation_timestamp().map(|at| at.0), e.name_any());
    content
        .entitlements
        .values()
        .filter_map(Entry::readable)
        .filter(|other| other.name_any() != entitlement.name_any() && identity(other) == identity(entitlement))
        .filter(|other| age(other) < age(entitlement))
        .min_by_key(|other| age(other))
        .map(|other| other.name_any())
}

fn found(status: &mut EntitlementStatus, resolved: &Resolved, target: &str) -> Fact {
    match &resolved.found {
        Ok(Found::One(object)) => {
            status.remote = Some(object.clone());
            Fact::yes(conditions::READY, conditions::ACCEPTED, format!("Found at {target}."))
        }
        Ok(Found::None) => Fact::no(
            conditions::READY,
            conditions::REMOTE_MISSING,
            format!(
                "{target} has no such object: create it there, or correct this Entitlement. Nothing is granted or revoked \
             through it until then."
            ),
        ),
        Ok(Found::Several(why)) => Fact::no(
            conditions::READY,
            conditions::REMOTE_AMBIGUOUS,
            format!("{why} Nothing is granted or revoked through it until then."),
        ),
        Err(why) => Fact::no(
            conditions::READY,
            conditions::UNREACHABLE,
            format!("Its object could not be looked up: {why}. It is tried again by itself."),
        ),
    }
}

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
    status.observed_generation = target.metadata.generation;
    let news = set_all(
        &mut status.conditions,
        &facts,
        target.metadata.generation,
        Timestamp::now(),
    );
    write(&context, &target, status, |target| target.status.as_ref(), &news).await
}

/// Writes a status that differs, and publishes the news.
async fn write<K, S>(
    context: &Arc<Context>,
    object: &Arc<K>,
    status: S,
    old: impl Fn(&K) -> Option<&S>,
    news: &[Fact],
) -> Result<Action, RecordError>
where
    K: super::feed::Fed,
    S: serde::Serialize + PartialEq,
{
    if old(object) == Some(&status) {
        return Ok(Action::await_change());
    }
    let (namespace, name) = report::key(object.meta());
    let version = object.meta().resource_version.clone().unwrap_or_default();
    let written: K = patch_status(context, &namespace, &name, &version, &status).await?;
    super::feed::overlay(context, written);
    announce::<K>(context, object.meta(), news).await;
    Ok(Action::await_change())
}

/// Says of an object that it cannot be read. Its status may not be readable either, so that only its conditions are
/// touched.
async fn broken<K: super::feed::Fed + Indexed>(
    context: &Arc<Context>,
    metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    error: &str,
) -> Result<Action, RecordError> {
    let fact = Fact::no(
        conditions::READY,
        conditions::INVALID,
        format!(
            "The object cannot be read, so that nothing is granted or revoked because of it: {error}. Apply it anew as the \
         installed CRD describes it."
        ),
    );
    super::broken::say::<K>(context, metadata, &fact).await?;
    Ok(Action::await_change())
}
