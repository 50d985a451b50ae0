//! Makes `ChangeSet`s, for the releaser, before any record names them.

use std::time::Duration;

use jiff::Timestamp;
use kube::Resource;
use kube::api::{Api, PostParams};

use super::context::Context;
use super::feed::overlay;
use super::recorder::{RecordError, api_error, may_act, patch_status};
use super::report::announce;
use crate::api::conditions::{self, Fact};
use crate::api::{ChangeSet, ChangeSetSpec, MANAGER, TargetSystem};
use crate::decide::guard::Opening;
use crate::decide::index::Entry;

/// How long the making of one may hold up the judgement of other namespaces.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes them, those that are there already aside. Returns whether all are there.
pub async fn make(context: &Context, namespace: &str, openings: &[Opening]) -> bool {
    let mut all = true;
    for opening in openings {
        let name = &opening.name;
        match tokio::time::timeout(PATIENCE, make_one(context, namespace, opening)).await {
            Ok(Ok(())) => {}
            // Nothing is made there any more, and nothing is revoked either.
            Ok(Err(RecordError::Api(_, error))) if is_terminating(&error) => {
                tracing::debug!(
                    namespace,
                    name,
                    "the namespace is being deleted, and takes no ChangeSet"
                );
            }
            Ok(Err(error)) => {
                all = false;
                let error = &error as &dyn std::error::Error;
                tracing::warn!(namespace, name, error, "a ChangeSet could not be made; tried again");
            }
            Err(_) => {
                all = false;
                tracing::warn!(namespace, name, "a ChangeSet could not be made in time; tried again");
            }
        }
    }
    all
}

async fn make_one(context: &Context, namespace: &str, opening: &Opening) -> Result<(), RecordError> {
    may_act(context)?;
    let api: Api<ChangeSet> = Api::namespaced(context.client.clone(), namespace);
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let empty = ChangeSet::new(&opening.name, ChangeSetSpec::default());
    let object = match api.create(&params, &empty).await {
        Err(kube::Error::Api(status)) if status.code == 409 => api.get(&opening.name).await,
        made => made,
    };
    let object = object.map_err(|error| api_error(&opening.name, error))?;
    if object.status.as_ref().is_some_and(|status| !status.digest.is_empty()) {
        overlay(context, object);
        return Ok(());
    }
    let status = opening.status(Timestamp::now());
    let version = object.meta().resource_version.clone().unwrap_or_default();
    let object: ChangeSet = patch_status(context, namespace, &opening.name, &version, &status).await?;
    let metadata = object.metadata.clone();
    overlay(context, object);

    let news = Fact::yes(conditions::CHANGES_HELD, conditions::OVER_BUDGET, sentence(opening));
    announce::<ChangeSet>(context, &metadata, std::slice::from_ref(&news)).await;
    for share in opening.targets() {
        let metadata = {
            let index = context.index.read();
            let content = index.namespace(namespace);
            let target = content.and_then(|content| content.targets.get(&share.target));
            target.and_then(Entry::readable).map(|target| target.metadata.clone())
        };
        if let Some(metadata) = metadata {
            announce::<TargetSystem>(context, &metadata, std::slice::from_ref(&news)).await;
        }
    }
    Ok(())
}

fn sentence(opening: &Opening) -> String {
    let (name, people, changes) = (&opening.name, opening.people(), opening.members.len());
    format!(
        "{changes} changes for {people} people wait for a person to decide on ChangeSet {name}. {} Look with `rollcall \
         changeset show {name}`.",
        opening.why
    )
}

fn is_terminating(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 404 || status.message.contains("is being terminated"),
        _ => false,
    }
}
