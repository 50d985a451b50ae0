//! From a `TargetSystem` to a target that can be called: credentials are read here, and protocols chosen.

use std::sync::Arc;

use super::context::Context;
use super::secrets::{self, SecretError};
use crate::api::TargetSystem;
use crate::targets::kubernetes::{KubernetesOptions, KubernetesTarget};
use crate::targets::pace::Pace;
use crate::targets::scim::{ScimOptions, ScimTarget};
use crate::targets::{Target, TargetError};

/// Makes the target that `system` describes; whatever it sends goes at `pace`.
pub async fn connect(
    context: &Context,
    namespace: &str,
    system: &TargetSystem,
    pace: Arc<Pace>,
) -> Result<Arc<dyn Target>, TargetError> {
    if let Some(scim) = &system.spec.scim {
        let token = secrets::read(&context.client, namespace, &scim.bearer_token_secret_ref)
            .await
            .map_err(|error| match error {
                SecretError::Missing(why) => TargetError::Misconfigured(why),
                SecretError::Unreadable(why) => TargetError::Unreachable(why),
            })?;
        let mut options = ScimOptions::new(&scim.base_url, token);
        options.pace = pace;
        return Ok(Arc::new(ScimTarget::new(&options)?));
    }
    if let Some(kubernetes) = &system.spec.kubernetes {
        let options = KubernetesOptions {
            client_config: context.cluster.clone(),
            operator: context.client.clone(),
            namespace: namespace.to_owned(),
            service_account: kubernetes.service_account_ref.name.clone(),
            pace,
        };
        return Ok(Arc::new(KubernetesTarget::new(options)));
    }
    Err(TargetError::Misconfigured(
        "spec has neither scim nor kubernetes: set one".to_owned(),
    ))
}
