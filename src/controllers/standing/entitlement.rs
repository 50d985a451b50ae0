//! How an entitlement stands.

use std::sync::Arc;

use jiff::Timestamp;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use super::{broken, look_up, unmanaged, write};
use crate::api::conditions::{self, Fact};
use crate::api::employee::Counts;
use crate::api::entitlement::{EntitlementStatus, UnmanagedState};
use crate::api::{Entitlement, TargetSystem};
use crate::controllers::context::Context;
use crate::controllers::desk::Resolved;
use crate::controllers::recorder::RecordError;
use crate::controllers::report::{self, set_all};
use crate::decide::Namespace;
use crate::decide::definition::sentence;
use crate::decide::index::Entry;
use crate::decide::parameters::Schema;
use crate::decide::unmanaged::{given_again, of_another_object};
use crate::targets::Found;

/// Reconciles the status of one entitlement.
pub async fn entitlement(
    object: Arc<PartialObjectMeta<Entitlement>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let tally = context.releaser.entitlement(&namespace, &name).unwrap_or_default();
    let known = look_up(
        &context,
        &namespace,
        |content| content.entitlements.get(&name),
        |content, entitlement| {
            let target = content.targets.get(&entitlement.spec.target_ref.name);
            let target = target.and_then(Entry::readable);
            let problems = problems(content, entitlement);
            (
                entitlement.clone(),
                target.is_some(),
                elder(content, entitlement),
                problems,
            )
        },
    );
    let Some(known) = known else {
        return Ok(Action::await_change());
    };
    let (entitlement, target_there, elder, problems) = match known {
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
        _ if problems.is_some() => Fact::no(
            conditions::READY,
            conditions::INVALID,
            format!(
                "{}. Nothing is granted or revoked through it until then.",
                problems.unwrap_or_default()
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
            Some(_) => return tally_entitlement(&context, &entitlement, status, tally, Vec::new()).await,
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
    tally_entitlement(&context, &entitlement, status, tally, news).await
}

async fn tally_entitlement(
    context: &Arc<Context>,
    entitlement: &Arc<Entitlement>,
    mut status: EntitlementStatus,
    tally: Counts,
    mut news: Vec<Fact>,
) -> Result<Action, RecordError> {
    let namespace = entitlement.namespace().unwrap_or_default();
    status.holders = tally.granted;
    status.pending = tally.pending;
    status.held = tally.held;
    let after = unmanaged::list(context, &namespace, entitlement, &mut status);
    let waiting = status
        .unmanaged
        .iter()
        .filter(|entry| entry.state == UnmanagedState::Held);
    status.held += u32::try_from(waiting.count()).unwrap_or(u32::MAX);
    let now = context.clock.now();
    let contended = {
        let index = context.index.read();
        let content = index.namespace(&namespace);
        content.and_then(|content| given_again(content, &status.unmanaged, now))
    };
    match contended {
        Some(fact) => {
            let generation = entitlement.metadata.generation;
            news.extend(set_all(&mut status.conditions, &[fact], generation, Timestamp::now()));
        }
        None => {
            conditions::clear(&mut status.conditions, conditions::CONTENDED);
        }
    }
    let action = write(
        context,
        entitlement,
        status,
        |entitlement| entitlement.status.as_ref(),
        &news,
    )
    .await?;
    unmanaged::follow(context, &namespace, entitlement, after);
    Ok(action)
}

/// What contradicts itself or its target's definition, or why the target cannot tell.
fn problems(content: &Namespace, entitlement: &Entitlement) -> Option<String> {
    of_its_kind(content, entitlement).or_else(|| Schema::of(content, entitlement).err())
}

/// What its target's definition has against what it names there.
fn of_its_kind(content: &Namespace, entitlement: &Entitlement) -> Option<String> {
    let name = &entitlement.spec.target_ref.name;
    let is_http = |target: &Arc<TargetSystem>| target.spec.http.is_some();
    let target_is_http = content.targets.get(name)?.readable().is_some_and(is_http);
    if !target_is_http {
        let asks = entitlement.spec.http.is_some();
        return asks
            .then(|| format!("TargetSystem {name} is no http target: say what that one grants, in the place of http"));
    }
    match content.definition(name)?.as_ref() {
        Ok(definition) => {
            let problems = definition.check(&entitlement.spec);
            (!problems.is_empty()).then(|| sentence(&problems))
        }
        Err(_) => Some(format!(
            "TargetSystem {name} is not valid: mend it first, its condition Ready says how"
        )),
    }
}

/// The name of an older entitlement that stands for the same object.
fn elder(content: &Namespace, entitlement: &Entitlement) -> Option<String> {
    let identity = |e: &Entitlement| {
        (
            e.spec.target_ref.clone(),
            e.spec.scim_group.clone(),
            (
                e.spec.scim_role.clone(),
                e.spec.scim_entitlement.clone(),
                e.spec.http.clone(),
            ),
            e.spec.role_binding.clone(),
            e.spec.cluster_role_binding.clone(),
        )
    };
    // One may name by id what the other names by name.
    let remote = |e: &Entitlement| e.status.as_ref().and_then(|status| status.remote.clone());
    let same = |other: &Entitlement| {
        identity(other) == identity(entitlement)
            || (other.spec.target_ref == entitlement.spec.target_ref
                && remote(other).is_some_and(|object| remote(entitlement) == Some(object)))
    };
    let age = |e: &Entitlement| (e.creation_timestamp().map(|at| at.0), e.name_any());
    content
        .entitlements
        .values()
        .filter_map(Entry::readable)
        .filter(|other| other.name_any() != entitlement.name_any() && same(other))
        .filter(|other| age(other) < age(entitlement))
        .min_by_key(|other| age(other))
        .map(|other| other.name_any())
}

fn found(status: &mut EntitlementStatus, resolved: &Resolved, target: &str) -> Fact {
    match &resolved.found {
        Ok(Found::One(object)) => {
            if status.remote.as_ref().is_some_and(|old| old != object) {
                of_another_object(&mut status.unmanaged, Timestamp::now());
            }
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
        Ok(Found::Several(why) | Found::Foreign(_, why)) => Fact::no(
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
