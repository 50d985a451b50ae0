//! How a policy stands.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Resource;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;

use super::{broken, look_up, write};
use crate::api::ProvisioningPolicy;
use crate::api::conditions::{self, Fact};
use crate::api::policy::ProvisioningPolicyStatus;
use crate::controllers::context::Context;
use crate::controllers::recorder::RecordError;
use crate::controllers::report::{self, set_all};
use crate::decide::Namespace;
use crate::decide::index::Entry;
use crate::decide::parameters::faults;

/// Reconciles the status of one policy.
pub async fn policy(
    object: Arc<PartialObjectMeta<ProvisioningPolicy>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let tally = context.releaser.policy(&namespace, &name).unwrap_or_default();
    let enforced = context.releaser.judgement(&namespace).enforced;
    let found = look_up(
        &context,
        &namespace,
        |content| content.policies.get(&name),
        |content, policy| {
            (
                policy.clone(),
                missing_entitlements(content, policy),
                faults(content, policy),
                content.selector(policy),
            )
        },
    );
    let Some(found) = found else {
        return Ok(Action::await_change());
    };
    let (policy, missing, refused, selector) = match found {
        Ok(found) => found,
        Err(error) => return broken::<ProvisioningPolicy>(&context, object.meta(), &error).await,
    };
    let mut status: ProvisioningPolicyStatus = policy.status.clone().unwrap_or_default();
    status.observed_generation = policy.metadata.generation;
    // Before the first survey nothing is known.
    if tally.generation == policy.metadata.generation {
        // While an edit settles, and until what it takes is on record, losses are its doing.
        if enforced {
            status.enforced_generation = tally.generation;
        }
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
    } else if !refused.is_empty() {
        Fact::no(
            conditions::READY,
            conditions::PARAMETERS_REFUSED,
            format!("{} Until then nothing is granted or revoked for it.", refused.join(" ")),
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
                "It contradicts {others} at equal priority: they give the same entitlement with different parameters, or \
             different entitlements of one exclusive group, so that nothing changes for those whom both match: \
             give one of them a higher priority, or the same parameters."
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
                sentences.push(format!("Entitlement {} cannot be read: apply it anew.", grant.name));
            }
            Some(Entry::Readable(_)) => {}
        }
    }
    sentences
}
