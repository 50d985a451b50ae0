//! Reading one key of a Secret, at each use, so that a rotated credential needs no restart.

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::Api;
use secrecy::SecretString;

use crate::api::SecretKeyRef;

/// Why a credential could not be read: a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The Secret or its key is missing, or is no text, or may not be read.
    #[error("{0}")]
    Missing(String),
    /// The API server did not answer.
    #[error("{0}")]
    Unreadable(String),
}

/// Reads one key of a Secret of `namespace`.
pub async fn read(client: &Client, namespace: &str, reference: &SecretKeyRef) -> Result<SecretString, SecretError> {
    let SecretKeyRef { name, key } = reference;
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = match api.get_opt(name).await {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            return Err(SecretError::Missing(format!(
                "Secret {name} does not exist in namespace {namespace}: create it with the key {key}"
            )));
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            return Err(SecretError::Missing(format!(
                "Rollcall may not read Secret {name} in namespace {namespace}: bind the ClusterRole rollcall-tenant to its \
                 ServiceAccount there"
            )));
        }
        Err(error) => {
            return Err(SecretError::Unreadable(format!(
                "Secret {name} could not be read: {error}"
            )));
        }
    };
    let data = secret.data.unwrap_or_default();
    let Some(value) = data.get(key) else {
        return Err(SecretError::Missing(format!("Secret {name} has no key {key}: add it")));
    };
    let text = String::from_utf8(value.0.clone()).map_err(|_| {
        SecretError::Missing(format!(
            "Secret {name} holds no text under {key}: put the credential itself there"
        ))
    })?;
    Ok(SecretString::from(text.trim().to_owned()))
}
