//! An API described as data: the `http` of a `TargetSystem`.
//!
//! A **template** is a text, or a tree of JSON, in which `${...}` holds CEL. A **reading** is CEL alone, over an answer
//! or over one item of it. Both are checked for names and types when the object is applied, before anything is sent.
//! What they can speak of is said at each field; `employee` is an Employee's spec, as in a policy's `expression`. What takes
//! something away or looks at it never speaks of `employee`: whoever left may have no Employee any more, and the record of
//! what was done must be enough.

mod account;
mod auth;
mod call;
mod kind;

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

pub use self::account::{HttpAccount, Search};
pub use self::auth::{BasicAuth, BearerAuth, ClientAuthentication, HeaderAuth, HttpAuth, LoginAuth, OAuth2Auth};
pub use self::call::{Answers, Call, Listing, Method, Pages, Tree};
pub use self::kind::{Field, FieldType, HttpKind, ObjectSearch, Observe, Replace, SetOf};
use super::common::{Duration, SecretKeyRef};
use super::rules;

/// An API described as data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// Base URL, such as `https://example.com/api/v1`; the paths of the calls are appended to it.
    #[serde(rename = "baseURL")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::base_url("https://example.com/api/v1"))]
    pub base_url: String,
    /// How calls are authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HttpAuth>,
    /// Headers of every call, such as `Accept`; plain texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub headers: BTreeMap<String, String>,
    /// How long a call may take, its answer included. Default `30s`, at most `120s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How answers are read, where a call does not say otherwise.
    #[serde(default)]
    pub answers: Answers,
    /// A read that shows whether the API answers and takes our credentials. Default: the first read of the accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Call>,
    /// People's accounts.
    pub account: HttpAccount,
    /// What can be granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub kinds: Vec<HttpKind>,
}

impl Http {
    /// The keys of Secrets that hold its credentials.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretKeyRef> {
        let auth = self.auth.as_ref();
        let one = [
            auth.and_then(|auth| auth.bearer.as_ref())
                .map(|auth| &auth.token_secret_ref),
            auth.and_then(|auth| auth.basic.as_ref())
                .and_then(|auth| auth.password_secret_ref.as_ref()),
            auth.and_then(|auth| auth.header.as_ref())
                .map(|auth| &auth.value_secret_ref),
            auth.and_then(|auth| auth.oauth2.as_ref())
                .map(|auth| &auth.client_secret_ref),
        ];
        let login = auth.and_then(|auth| auth.login.as_ref());
        let more = login.into_iter().flat_map(|login| login.secrets.values());
        one.into_iter().flatten().chain(more)
    }
}
