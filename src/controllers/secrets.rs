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
    if !is_plain(name) {
        return Err(SecretError::Missing(
            "the reference to a Secret holds something else than the name of an object of its namespace: correct it"
                .to_owned(),
        ));
    }
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

/// Whether this is a name and not a way out of the namespace: it becomes a part of a path. The definitions refuse anything
/// else, but not in an object that an older one let through.
fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !name.is_empty() && name.chars().all(allowed) && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i9_a_name_cannot_climb_out_of_its_namespace() {
        for name in ["directory", "a-1.b", "0"] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../../other/secrets/theirs",
            "%2e%2e",
            "a/b",
            "a?b",
            "a#b",
            "a%2Fb",
            "A",
            "a b",
            "a\\b",
        ] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
