//! How policies, entitlements and targets stand: their conditions and figures, from the index, the last survey and the
//! writers. Thin: gather, compare, write.

mod change_set;
mod entitlement;
mod exception;
mod policy;
mod target;
mod unmanaged;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::controller::Action;

pub use self::change_set::change_set;
pub use self::entitlement::entitlement;
pub use self::exception::exception;
pub use self::policy::policy;
pub use self::target::target;
pub use self::unmanaged::leave;
use super::broken::say;
use super::context::Context;
use super::feed::{Fed, overlay};
use super::recorder::{RecordError, patch_status};
use super::report::{announce, key};
use crate::api::conditions::{self, Fact};
use crate::decide::Namespace;
use crate::decide::index::Entry;

/// What is to be known of an object, all from one look at the index; or why it cannot be read. `None` where it is not
/// there, or nothing may be decided yet.
fn look_up<K, T>(
    context: &Context,
    namespace: &str,
    find: impl FnOnce(&Namespace) -> Option<&Entry<K>>,
    read: impl FnOnce(&Namespace, &Arc<K>) -> T,
) -> Option<Result<T, String>> {
    let index = context.index.read();
    let content = index.namespace(namespace).filter(|_| index.is_synced())?;
    Some(match find(content)? {
        Entry::Readable(object) => Ok(read(content, object)),
        Entry::Broken { error, .. } => Err(error.clone()),
    })
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
    K: Fed,
    S: serde::Serialize + PartialEq,
{
    if old(object) == Some(&status) {
        return Ok(Action::await_change());
    }
    let (namespace, name) = key(object.meta());
    let version = object.meta().resource_version.clone().unwrap_or_default();
    let written: K = patch_status(context, &namespace, &name, &version, &status).await?;
    overlay(context, written);
    announce::<K>(context, object.meta(), news).await;
    Ok(Action::await_change())
}

/// Says of an object that it cannot be read. Its status may not be readable either, so that only its conditions are
/// touched.
async fn broken<K: Fed>(context: &Arc<Context>, metadata: &ObjectMeta, error: &str) -> Result<Action, RecordError> {
    let fact = Fact::no(
        conditions::READY,
        conditions::INVALID,
        format!(
            "The object cannot be read, so that nothing is granted or revoked because of it: {error}. Apply it anew as the \
         installed CRD describes it."
        ),
    );
    say::<K>(context, metadata, &fact).await?;
    Ok(Action::await_change())
}
