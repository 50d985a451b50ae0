//! How an exception stands: whom it is for, whether it is in force, and what follows when it ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Resource;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;

use super::{broken, look_up, write};
use crate::api::AccessException;
use crate::api::access_exception::AccessExceptionStatus;
use crate::api::conditions::{self, Fact, clip};
use crate::controllers::context::Context;
use crate::controllers::recorder::RecordError;
use crate::controllers::report::{self, set_all};
use crate::decide::Namespace;
use crate::decide::resolve::{in_force, then};

/// The longest that a timer runs; waking early changes nothing.
const LONGEST_TIMER: Duration = Duration::from_hours(24);

/// Reconciles the status of one exception.
pub async fn exception(
    object: Arc<PartialObjectMeta<AccessException>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let now = Timestamp::now();
    let known = look_up(
        &context,
        &namespace,
        |content| content.exceptions.get(&name),
        |content, found| (found.clone(), standing(content, found, now)),
    );
    let Some(known) = known else {
        return Ok(Action::await_change());
    };
    let (found, (mut status, facts)) = match known {
        Ok(known) => known,
        Err(error) => return broken::<AccessException>(&context, object.meta(), &error).await,
    };
    let news = set_all(&mut status.conditions, &facts, found.metadata.generation, now);
    let over = found.spec.expires_at.0;
    write(&context, &found, status, |found| found.status.as_ref(), &news).await?;
    if over <= now {
        return Ok(Action::await_change());
    }
    let wait = Duration::try_from(now.duration_until(over)).unwrap_or(Duration::ZERO);
    Ok(Action::requeue(wait.min(LONGEST_TIMER) + Duration::from_millis(100)))
}

/// The status, and the facts for its conditions. Pure.
fn standing(content: &Namespace, exception: &AccessException, now: Timestamp) -> (AccessExceptionStatus, [Fact; 2]) {
    let spec = &exception.spec;
    let mut status = exception.status.clone().unwrap_or_default();
    status.observed_generation = exception.metadata.generation;
    let people: Vec<_> = content.people_called(&spec.employee).take(2).collect();
    let person = match people.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    status.employee_name = person.map(|person| person.name.clone());
    let lives = in_force(exception, now);
    status.then = person
        .filter(|_| lives)
        .and_then(|person| then(content, person, exception))
        .map(|what| clip(&what, 512).to_owned());

    let entitlement = &spec.entitlement_ref.name;
    let called = &spec.employee;
    let ready = if people.is_empty() {
        Fact::no(
            conditions::READY,
            conditions::REFERENCE_MISSING,
            format!(
                "No Employee is called {called}: name one by employeeNumber or workEmail. Until then it does nothing."
            ),
        )
    } else if people.len() > 1 {
        Fact::no(
            conditions::READY,
            conditions::REFERENCE_AMBIGUOUS,
            format!(
                "More than one Employee is called {called}, so that for each of them the entitlement stays as it is: name \
                 the one by what only they have, employeeNumber or workEmail."
            ),
        )
    } else if !content.entitlements.contains_key(entitlement) {
        Fact::no(
            conditions::READY,
            conditions::REFERENCE_MISSING,
            format!("There is no Entitlement {entitlement} in this namespace: apply it, or name another."),
        )
    } else {
        Fact::yes(conditions::READY, conditions::ACCEPTED, "Accepted.")
    };
    let expired = if spec.expires_at.0 <= now {
        Fact::yes(
            conditions::EXPIRED,
            conditions::EXPIRED,
            "It is over, and the policies alone decide. It can be deleted.",
        )
    } else {
        Fact::no(
            conditions::EXPIRED,
            conditions::IN_FORCE,
            format!("It ends at {}.", spec.expires_at.0),
        )
    };
    (status, [ready, expired])
}
