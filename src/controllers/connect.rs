//! From a `TargetSystem` to a target that can be called: credentials are read here, and protocols chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;

use super::context::Context;
use super::secrets::{self, SecretError};
use crate::api::http::Http;
use crate::api::{SecretKeyRef, TargetSystem};
use crate::decide::attributes::AttributeMap;
use crate::decide::definition::{Definition, sentence};
use crate::targets::http::{HttpTarget, HttpTargetOptions, secret};
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
            .map_err(unread)?;
        let mut options = ScimOptions::new(&scim.base_url, token, context.settings.egress.clone());
        options.pace = pace;
        options.enterprise = scim.enterprise;
        options.attributes = attributes(context, namespace, system)?;
        return Ok(Arc::new(ScimTarget::new(&options)?));
    }
    if let Some(http) = &system.spec.http {
        let definition = definition(context, namespace, system)?;
        let mut secrets = BTreeMap::new();
        for (name, reference) in credentials(http) {
            let secret = secrets::read(&context.client, namespace, reference).await;
            secrets.insert(name, secret.map_err(unread)?);
        }
        return Ok(Arc::new(HttpTarget::new(&HttpTargetOptions {
            api: http.clone(),
            definition: Arc::new(definition),
            secrets,
            pace,
            egress: context.settings.egress.clone(),
        })?));
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
        "spec has none of scim, http and kubernetes: set one".to_owned(),
    ))
}

fn unread(error: SecretError) -> TargetError {
    match error {
        SecretError::Missing(why) => TargetError::Misconfigured(why),
        SecretError::Unreadable(why) => TargetError::Unreachable(why),
    }
}

/// What the target describes, as the index has it.
fn definition(context: &Context, namespace: &str, system: &TargetSystem) -> Result<Definition, TargetError> {
    let index = context.index.read();
    let known = index
        .namespace(namespace)
        .and_then(|content| content.definition(&system.name_any()));
    match known.map(AsRef::as_ref) {
        Some(Ok(definition)) => Ok(definition.clone()),
        Some(Err(problems)) => Err(TargetError::Misconfigured(sentence(problems))),
        None => Err(TargetError::Misconfigured("spec.http was not read yet".to_owned())),
    }
}

/// The Secrets that calls are authenticated with, by the names that the target knows them by.
fn credentials(http: &Http) -> BTreeMap<String, &SecretKeyRef> {
    let Some(auth) = &http.auth else {
        return BTreeMap::new();
    };
    let one = |name: &str, reference| Some((name.to_owned(), reference));
    let bearer = auth
        .bearer
        .as_ref()
        .and_then(|auth| one(secret::TOKEN, &auth.token_secret_ref));
    let basic = auth
        .basic
        .as_ref()
        .and_then(|auth| one(secret::PASSWORD, auth.password_secret_ref.as_ref()?));
    let header = auth
        .header
        .as_ref()
        .and_then(|auth| one(secret::VALUE, &auth.value_secret_ref));
    let oauth2 = auth
        .oauth2
        .as_ref()
        .and_then(|auth| one(secret::CLIENT, &auth.client_secret_ref));
    let login = auth.login.iter().flat_map(|login| &login.secrets);
    let login = login.map(|(name, reference)| (name.clone(), reference));
    bearer
        .into_iter()
        .chain(basic)
        .chain(header)
        .chain(oauth2)
        .chain(login)
        .collect()
}

/// The attributes that a SCIM target spells out, as the index has them.
fn attributes(context: &Context, namespace: &str, system: &TargetSystem) -> Result<AttributeMap, TargetError> {
    let index = context.index.read();
    let compiled = index
        .namespace(namespace)
        .and_then(|content| content.attribute_map(&system.name_any()));
    match compiled.map(AsRef::as_ref) {
        None => Ok(AttributeMap::default()),
        Some(Ok(map)) => Ok(map.clone()),
        Some(Err(problems)) => Err(TargetError::Misconfigured(invalid_attributes(problems))),
    }
}

/// What is wrong with the attributes that a SCIM target spells out, in a sentence.
pub fn invalid_attributes(problems: &[String]) -> String {
    let said: Vec<&str> = problems.iter().take(3).map(String::as_str).collect();
    let more = match problems.len().saturating_sub(said.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("spec.scim.attributes: {}{more}", said.join("; "))
}
