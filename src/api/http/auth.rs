//! How calls are authenticated.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Call;
use crate::api::common::SecretKeyRef;
use crate::api::rules;

/// How calls are authenticated: exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.bearer), has(self.basic), has(self.header), has(self.oauth2), has(self.login)].filter(x, x).size() == 1").message("set exactly one of bearer, basic, header, oauth2 and login"))]
pub struct HttpAuth {
    /// `Authorization: Bearer` with a token that does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
    /// `Authorization: Basic` (RFC 7617).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// A header of its own, such as `X-Api-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderAuth>,
    /// OAuth 2 client credentials (RFC 6749 section 4.4); the token is kept until shortly before it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2Auth>,
    /// A call that yields a token, which is kept until it ends or is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginAuth>,
}

/// A bearer token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BearerAuth {
    /// The token.
    pub token_secret_ref: SecretKeyRef,
}

/// A user name and a password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// The user name.
    #[schemars(length(max = 256))]
    pub username: String,
    /// The password; without one it is empty, as where the user name is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
}

/// A header with a secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderAuth {
    /// The header's name.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Put before the value, such as `Token `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub prefix: String,
    /// The value.
    pub value_secret_ref: SecretKeyRef,
}

/// OAuth 2 client credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2Auth {
    /// The token endpoint.
    #[serde(rename = "tokenURL")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::base_url("https://example.com/oauth2/token"))]
    pub token_url: String,
    /// The client's id.
    #[schemars(length(max = 256))]
    pub client_id: String,
    /// The client's secret.
    pub client_secret_ref: SecretKeyRef,
    /// The scopes that are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub scopes: Vec<String>,
    /// More fields of the form, such as `audience`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub fields: BTreeMap<String, String>,
    /// Where the client's id and secret go: `Basic` (default), the header, or `Body`, the form.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
}

/// Where a client's id and secret go (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClientAuthentication {
    /// The `Authorization` header.
    #[default]
    Basic,
    /// The form.
    Body,
}

/// A call that yields a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginAuth {
    /// The call; its templates can speak of `secret.<name>`.
    pub request: Call,
    /// What `secret.<name>` is.
    #[schemars(extend("maxProperties" = 8))]
    pub secrets: BTreeMap<String, SecretKeyRef>,
    /// Reading over `response`: the token.
    #[schemars(length(max = 1024))]
    pub token: String,
    /// Reading over `response`: for how many seconds it is good. Without it, until it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub expires_in: Option<String>,
    /// The header that carries it. Default `Authorization`.
    #[serde(default = "authorization")]
    #[schemars(length(min = 1, max = 64))]
    pub header: String,
    /// Put before it. Default `Bearer `; a cookie is `header: Cookie` with `prefix: session=`.
    #[serde(default = "bearer")]
    #[schemars(length(max = 64))]
    pub prefix: String,
}

fn authorization() -> String {
    "Authorization".to_owned()
}

fn bearer() -> String {
    "Bearer ".to_owned()
}
