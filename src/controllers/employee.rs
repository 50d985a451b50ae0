//! One person: read, decide, have losses judged, record, hand the acknowledged intents to the writers. Never waits for
//! an effect.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace as KubeNamespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::Api;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;

use super::broken;
use super::context::Context;
use super::recorder::{self, RecordError};
use super::report;
use super::standing;
use crate::api::Employee;
use crate::api::conditions::{self, Fact};
use crate::api::employee::{AccountState, DeletionPolicy, EmployeeStatus, GrantState};
use crate::decide::effect::intents;
use crate::decide::plan::{Next, next};
use crate::decide::{Person, resolve};

/// How long a record waits for look-ups, so that one record carries the intents for all targets.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest that a timer runs; waking early changes nothing.
const LONGEST_TIMER: Duration = Duration::from_hours(24);

/// Why a person could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum EmployeeError {
    /// The record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The namespace could not be read.
    #[error("the namespace could not be read")]
    Namespace(#[source] Box<kube::Error>),
}

/// Reconciles one person.
pub async fn reconcile(
    object: Arc<PartialObjectMeta<Employee>>,
    context: Arc<Context>,
) -> Result<Action, EmployeeError> {
    let (namespace, name) = report::key(object.meta());

    // 1. A snapshot (pure). Nothing is decided before every store has synced; the last one to do so wakes everybody.
    let Some(person) = snapshot(&context, &namespace, &name) else {
        if let Some(error) = unreadable(&context, &namespace, &name) {
            say_unreadable(&context, object.meta(), &error).await?;
        }
        return Ok(Action::await_change());
    };

    // 2. The object's own life: a finalizer before anything is recorded, and off again when nothing holds it (IO).
    if person.deleting && (!person.has_finalizer() || lets_go(&context, &namespace, &person).await?) {
        if person.has_finalizer() {
            standing::leave(&context, &namespace, &person).await?;
            recorder::remove_finalizer(&context, &namespace, &person).await?;
        }
        return Ok(Action::await_change());
    }
    if !person.has_finalizer() {
        recorder::add_finalizer(&context, &namespace, &person).await?;
        return Ok(Action::requeue(Duration::ZERO));
    }

    // 3. Decide, with the losses judged by the releaser (pure).
    let now = context.clock.now_for(&person.status);
    let sight = context.desks.sight(&context, &namespace, &person);
    let Some((frozen, next)) = decide(&context, &namespace, &person, &sight, now) else {
        return Ok(Action::await_change());
    };
    if next.unjudged {
        // The releaser wakes this person when it has judged.
        context.releaser.mark(&namespace);
    }

    // 4. What must be seen first is asked for; nothing is recorded meanwhile, unless it cannot wait.
    context
        .desks
        .look(&context, &namespace, &person, &next.look_up, &next.look_at);
    let looks = next.look_up.len() + next.look_at.len();
    let patience = context.patience(&namespace, &name, looks > 0);
    if looks > 0 && sight.outcomes.is_empty() && !takes_away(&person.status, &next.status) && patience < PATIENCE {
        return Ok(Action::requeue(PATIENCE.saturating_sub(patience)));
    }

    // 5. Record, if it differs (IO).
    let before = intents(&person.status.accounts, &person.status.entitlements);
    let acknowledged = if next.status == person.status {
        person
    } else {
        let acknowledged = recorder::record(&context, &namespace, &person, &next.status).await?;
        let news = news(&person.status, &next.status);
        report::announce::<Employee>(&context, object.meta(), &news).await;
        acknowledged
    };

    // 6. Hand over what the acknowledged record means (memory).
    if frozen {
        context.desks.withdraw(&namespace, &name, &sight.outcomes);
    } else {
        let whom = (namespace.as_str(), &acknowledged);
        context
            .desks
            .submit(&context, whom, &next.suspended, &before, &sight.outcomes);
    }

    // 7. Let go of an object that asked for it, once nothing is left.
    if acknowledged.deleting && next.empty {
        recorder::remove_finalizer(&context, &namespace, &acknowledged).await?;
        return Ok(Action::await_change());
    }
    // By the clock as it is now: recording took its time.
    let now = context.clock.now_for(&acknowledged.status);
    Ok(timer(&acknowledged.status, now))
}

fn snapshot(context: &Context, namespace: &str, name: &str) -> Option<Person> {
    let index = context.index.read();
    if !index.is_synced() {
        return None;
    }
    index
        .namespace(namespace)?
        .employees
        .get(name)
        .map(|person| person.as_ref().clone())
}

/// Why a person cannot be read, where that is so.
fn unreadable(context: &Context, namespace: &str, name: &str) -> Option<String> {
    let index = context.index.read();
    index.namespace(namespace)?.broken_employees.get(name).cloned()
}

/// Says of a person that they cannot be read, and lets one go whose deletion nothing holds up.
async fn say_unreadable(context: &Context, metadata: &ObjectMeta, error: &str) -> Result<(), EmployeeError> {
    let (namespace, _) = report::key(metadata);
    if metadata.deletion_timestamp.is_some()
        && (!broken::asks_to_revoke(context, metadata).await? || is_terminating(context, &namespace).await?)
    {
        return Ok(broken::remove_finalizer(context, metadata).await?);
    }
    let fact = Fact::no(
        conditions::READY,
        conditions::INVALID,
        format!(
            "The Employee cannot be read, so that all access stays as it is, an exit included: {error}. Apply it anew as the \
             installed CRD describes it."
        ),
    );
    Ok(broken::say::<Employee>(context, metadata, &fact).await?)
}

fn decide(
    context: &Context,
    namespace: &str,
    person: &Person,
    sight: &crate::decide::effect::Sight,
    now: Timestamp,
) -> Option<(bool, Next)> {
    let index = context.index.read();
    let content = index.namespace(namespace)?;
    let resolution = resolve(content, person, now);
    let judge = context.releaser.judge(namespace);
    Some((
        resolution.frozen.is_some(),
        next(content, person, &resolution, sight, &judge, now),
    ))
}

/// Whether a deletion goes ahead at once: it revokes nothing unless the object says so, and a terminating namespace is
/// never held up.
async fn lets_go(context: &Context, namespace: &str, person: &Person) -> Result<bool, EmployeeError> {
    if person.spec.deletion_policy == DeletionPolicy::Orphan {
        return Ok(true);
    }
    is_terminating(context, namespace).await
}

async fn is_terminating(context: &Context, namespace: &str) -> Result<bool, EmployeeError> {
    let api: Api<KubeNamespace> = Api::all(context.client.clone());
    let found = api
        .get_opt(namespace)
        .await
        .map_err(|error| EmployeeError::Namespace(Box::new(error)))?;
    Ok(found.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()))
}

/// Whether the next record lets a loss go, which never waits.
fn takes_away(old: &EmployeeStatus, new: &EmployeeStatus) -> bool {
    let losing = |status: &EmployeeStatus| {
        status
            .entitlements
            .iter()
            .filter(|record| record.state == GrantState::Revoking)
            .count()
            + status
                .accounts
                .iter()
                .filter(|record| matches!(record.state, AccountState::Deactivating | AccountState::Deleting))
                .count()
    };
    losing(new) > losing(old)
}

/// What the record says of what a leaver still holds, where it did not say so before.
fn news(old: &EmployeeStatus, new: &EmployeeStatus) -> Vec<Fact> {
    let said = |status: &EmployeeStatus| {
        let mut conditions = status.conditions.iter();
        let condition = conditions.find(|condition| condition.type_ == conditions::UNMANAGED_ACCESS);
        condition.map(|condition| condition.message.clone())
    };
    match (said(old), said(new)) {
        (None, Some(message)) => vec![Fact::yes(
            conditions::UNMANAGED_ACCESS,
            conditions::GIVEN_BY_OTHERS,
            message,
        )],
        (Some(_), None) => vec![Fact::no(
            conditions::UNMANAGED_ACCESS,
            conditions::AS_EXPECTED,
            "The person holds nothing any more that Rollcall did not give.",
        )],
        _ => Vec::new(),
    }
}

/// Wakes when time alone changes something. A timer runs by the monotonic clock: who is woken before the instant has come
/// is given another for the rest, and when the clock is set or can be trusted again, everybody is woken.
fn timer(status: &EmployeeStatus, now: Timestamp) -> Action {
    let Some(transition) = &status.next_transition else {
        return Action::await_change();
    };
    let wait = Duration::try_from(now.duration_until(transition.at.0)).unwrap_or(Duration::ZERO);
    Action::requeue(wait.min(LONGEST_TIMER) + Duration::from_millis(100))
}

impl Context {
    /// How long a person has been waiting for look-ups.
    fn patience(&self, namespace: &str, name: &str, waiting: bool) -> Duration {
        let key = (namespace.to_owned(), name.to_owned());
        let mut since = self.waiting_since.lock();
        if waiting {
            since.entry(key).or_insert_with(Instant::now).elapsed()
        } else {
            since.remove(&key);
            Duration::ZERO
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn timer_at(now: &str) -> Action {
        let next = serde_json::json!({"nextTransition": {"at": "2026-06-30T22:00:00Z", "what": "phase Terminated"}});
        timer(&serde_json::from_value(next).unwrap(), now.parse().unwrap())
    }

    /// Semantics 2: one timer wakes when the next transition is due, and never before.
    #[test]
    fn the_timer_runs_until_the_next_transition() {
        let moment = Duration::from_millis(100);
        let until = |duration| Action::requeue(duration + moment);
        assert_eq!(timer_at("2026-06-30T21:59:59Z"), until(Duration::from_secs(1)));
        assert_eq!(timer_at("2026-06-30T21:59:59.9995Z"), until(Duration::from_micros(500)));
        assert_eq!(timer_at("2026-06-30T09:00:00Z"), until(Duration::from_hours(13)));
        // Further off than timers run: woken once a day, nothing is due, and the rest is waited for.
        assert_eq!(timer_at("2026-05-30T22:00:00Z"), until(LONGEST_TIMER));
        assert_eq!(timer_at("2026-06-30T22:00:00Z"), until(Duration::ZERO));
        assert_eq!(timer_at("2026-07-01T22:00:00Z"), until(Duration::ZERO));
        let nothing = EmployeeStatus::default();
        assert_eq!(timer(&nothing, Timestamp::UNIX_EPOCH), Action::await_change());
    }
}
