//! How a set of held changes stands.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::api::{Api, DeleteParams, Preconditions};
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;

use super::{broken, look_up, write};
use crate::api::ChangeSet;
use crate::api::change_set::{ChangeSetState, ChangeSetStatus, Decision};
use crate::api::conditions::{self, Fact};
use crate::controllers::context::Context;
use crate::controllers::recorder::{RecordError, api_error, may_act};
use crate::controllers::report::{self, set_all};
use crate::decide::guard::Known;

/// How long a set is kept for readers once nothing of it waits any more.
const KEEP_DONE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Reconciles the status of one set of held changes.
pub async fn change_set(
    object: Arc<PartialObjectMeta<ChangeSet>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let known = look_up(
        &context,
        &namespace,
        |content| content.change_sets.get(&name),
        |_, found| found.clone(),
    );
    let Some(known) = known else {
        return Ok(Action::await_change());
    };
    let found = match known {
        Ok(found) => found,
        Err(error) => return broken::<ChangeSet>(&context, object.meta(), &error).await,
    };
    let now = Timestamp::now();
    let mut status = found.status.clone().unwrap_or_default();
    let closed_for = status.closed_at.as_ref().map(|at| at.0.duration_until(now));
    if status.state == ChangeSetState::Done && closed_for.is_some_and(|age| age >= KEEP_DONE) {
        return delete(&context, &namespace, &found).await;
    }
    let known = Known::from(found.as_ref());
    // The releaser's first word on it comes first.
    if known.digest.is_none() {
        return Ok(Action::await_change());
    }
    // Before the first judgement nothing is known of what waits.
    let judgement = context.releaser.judgement(&namespace);
    if let Some(waiting) = judgement.waiting.get(&name) {
        stand(&mut status, *waiting, known.decision, now);
    }
    status.observed_generation = found.metadata.generation;
    let facts = facts(&status, &known);
    let news = set_all(&mut status.conditions, &facts, found.metadata.generation, now);
    let done_at = status.closed_at.as_ref().map(|at| at.0);
    let action = write(&context, &found, status, |found| found.status.as_ref(), &news).await?;
    Ok(done_at.map_or(action, |at| {
        let left = KEEP_DONE.saturating_sub(at.duration_until(now));
        Action::requeue(Duration::try_from(left).unwrap_or_default() + Duration::from_secs(1))
    }))
}

/// Says what still waits, and what follows from it.
fn stand(status: &mut ChangeSetStatus, waiting: u32, decision: Option<Decision>, now: Timestamp) {
    status.waiting = waiting;
    status.state = match decision {
        _ if waiting == 0 => ChangeSetState::Done,
        None => ChangeSetState::Open,
        Some(Decision::Approve) => ChangeSetState::Approved,
        Some(Decision::Reject) => ChangeSetState::Rejected,
    };
    if status.state == ChangeSetState::Done {
        status.closed_at.get_or_insert(Time(now));
    } else {
        status.closed_at = None;
    }
}

fn facts(status: &ChangeSetStatus, known: &Known) -> Vec<Fact> {
    let decided = match known.decision {
        Some(Decision::Approve) => Fact::yes(conditions::DECIDED, conditions::APPROVED, "What still waits is let go."),
        Some(Decision::Reject) => Fact::yes(
            conditions::DECIDED,
            conditions::REJECTED,
            "What it has stays as it is, for as long as the same is called for.",
        ),
        None => Fact::no(
            conditions::DECIDED,
            conditions::WAITING,
            "Nobody has decided: set spec.decision to Approve or Reject, and spec.digest to status.digest.",
        ),
    };
    let done = match status.waiting {
        0 => Fact::yes(
            conditions::DONE,
            conditions::AS_EXPECTED,
            "Nothing of it waits any more.",
        ),
        waiting => Fact::no(
            conditions::DONE,
            conditions::WAITING,
            format!("{waiting} changes wait."),
        ),
    };
    let ready = Fact::yes(conditions::READY, conditions::ACCEPTED, "Accepted.");
    vec![ready, decided, done]
}

/// Deletes a set that nobody needs any more, unless it changed meanwhile.
async fn delete(context: &Context, namespace: &str, found: &ChangeSet) -> Result<Action, RecordError> {
    may_act(context)?;
    let name = found.metadata.name.clone().unwrap_or_default();
    let api: Api<ChangeSet> = Api::namespaced(context.client.clone(), namespace);
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: found.metadata.uid.clone(),
            resource_version: found.metadata.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    match api.delete(&name, &params).await {
        Ok(_) => Ok(Action::await_change()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Action::await_change()),
        Err(error) => Err(api_error(&name, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_done_when_nothing_waits_and_open_again_when_something_does() {
        let mut status = ChangeSetStatus::default();
        let now = Timestamp::UNIX_EPOCH;
        for (waiting, decision, state) in [
            (3, None, ChangeSetState::Open),
            (3, Some(Decision::Approve), ChangeSetState::Approved),
            (3, Some(Decision::Reject), ChangeSetState::Rejected),
            (0, Some(Decision::Reject), ChangeSetState::Done),
            (0, None, ChangeSetState::Done),
            (1, None, ChangeSetState::Open),
        ] {
            stand(&mut status, waiting, decision, now);
            assert_eq!((status.waiting, status.state), (waiting, state));
            assert_eq!(status.closed_at.is_some(), state == ChangeSetState::Done);
        }
    }
}
