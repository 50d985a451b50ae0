//! How a set of held changes stands.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Resource;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;

use super::{broken, write};
use crate::api::ChangeSet;
use crate::api::conditions::{self, Fact};
use crate::controllers::context::Context;
use crate::controllers::recorder::RecordError;
use crate::controllers::report::{self, set_all};
use crate::decide::index::Entry;

/// Reconciles the status of one set of held changes.
pub async fn change_set(
    object: Arc<PartialObjectMeta<ChangeSet>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());
    let known = {
        let index = context.index.read();
        let Some(content) = index.namespace(&namespace).filter(|_| index.is_synced()) else {
            return Ok(Action::await_change());
        };
        match content.change_sets.get(&name) {
            Some(Entry::Readable(found)) => Ok(found.clone()),
            Some(Entry::Broken { error, .. }) => Err(error.clone()),
            None => return Ok(Action::await_change()),
        }
    };
    let found = match known {
        Ok(found) => found,
        Err(error) => return broken::<ChangeSet>(&context, object.meta(), &error).await,
    };
    let mut status = found.status.clone().unwrap_or_default();
    status.observed_generation = found.metadata.generation;
    let ready = Fact::yes(conditions::READY, conditions::ACCEPTED, "Accepted.");
    let news = set_all(
        &mut status.conditions,
        &[ready],
        found.metadata.generation,
        Timestamp::now(),
    );
    write(&context, &found, status, |found| found.status.as_ref(), &news).await
}
