//! An API described as data: the `http` of a `TargetSystem`.
//!
//! A **template** is a text, or a tree of JSON, in which `${...}` holds CEL. A **reading** is CEL alone, over an answer
//! or over one item of it. Both are checked for names and types when the object is applied, before anything is sent.
//! What they can speak of is said at each field; `employee` is an Employee's spec, as in a policy's `expression`. What takes
//! something away or looks at it never speaks of `employee`: whoever left may have no Employee any more, and the record of
//! what was done must be enough.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// One request, with a body of `json` or of `form`.
// That it is not both is for the definition's check: no rule of a CRD can see a field of any shape, as `json` is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Template of the path, appended to the base URL. What a `${...}` gives is one part of the path, encoded.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.startsWith('/')").message("must begin with /; it is appended to baseURL"))]
    pub path: String,
    /// Templates of the query. One without a value is left out, and one that is a list is sent once for each element.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub query: BTreeMap<String, String>,
    /// Templates of headers. With `json`, `Content-Type` may be another one than `application/json`, such as
    /// `application/merge-patch+json`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub headers: BTreeMap<String, String>,
    /// Template of a JSON body; not with `form`. No rule of the CRD can say so: CEL does not see a field without a type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Tree>,
    /// Templates of the fields of a form body. One without a value is left out, and one that is a list, such as `${set}`, is sent
    /// once for each element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub form: Option<BTreeMap<String, String>>,
    /// The header that carries our idempotency key, such as `Idempotency-Key`, where the API takes one: it does the same
    /// key's call once, so that one which may have been done can be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub idempotency_header: Option<String>,
    /// Whether the API does the same call once however often it is sent, in another way than by such a header: as where the body
    /// carries `${operation.uuid}` as a key that the API keeps to. A `PUT` is taken to be so. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// How the answer is read, where it differs from `http.answers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
}

/// A method of HTTP (RFC 9110 section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `GET`
    #[default]
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

/// JSON of any shape.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree(pub Value);

impl JsonSchema for Tree {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tree".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"x-kubernetes-preserve-unknown-fields": true})
    }
}

/// How answers are read: each a reading over `response` (`status`, `headers`, `body`) that is true or false. The first that is
/// true counts, in this order; where none is, 2xx is good and everything else is not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// The credentials are refused. Default: 401.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub unauthorized: Option<String>,
    /// It asks to slow down; `Retry-After` says for how long. Default: 429, and 503 with `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub throttled: Option<String>,
    /// No seat, licence or budget is free. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub no_seat: Option<String>,
    /// What was asked for is so already: done, once a look confirms it. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub already: Option<String>,
    /// What it is about is not there. Default: 404 and 410.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub gone: Option<String>,
    /// It changed or exists: look again. Default: 409 and 412.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub conflict: Option<String>,
    /// It failed although the status says otherwise, as an envelope with `"ok": false` does. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub failed: Option<String>,
}

/// A read that gives a list, page by page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// The request; it can also speak of `page` (`token`, `number`, `offset`).
    pub request: Call,
    /// Reading over `response`: the list. Default `response.body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub items: Option<String>,
    /// How there is a next page. Without it, there is one page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
}

/// How there is a next page: exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.token), has(self.link), has(self.full), has(self.more)].filter(x, x).size() == 1").message("set exactly one of token, link, full and more"))]
pub struct Pages {
    /// Reading over `response`: `page.token` of the next page, empty or without a value after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub token: Option<String>,
    /// Reading over `response`: the next page's URL on the same host, or `header` for a `Link` header with `rel="next"`
    /// (RFC 8288).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub link: Option<String>,
    /// How many items a page has that is not the last; `page.number` counts from `first`, `page.offset` from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub full: Option<u32>,
    /// Reading over `response`: whether there is another page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub more: Option<String>,
    /// The number of the first page. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub first: u32,
}

fn one() -> u32 {
    1
}

/// People's accounts. Templates of `find`, `create`, `update` and `activate` speak of `employee` and `correlationKey`
/// (`namespace/name` of the Employee); those of `create` also of `operation` (`id`, `uuid`), and once there is an account, all
/// but `find` and `list` of `account.id`. Readings of a record speak of `item`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpAccount {
    /// Template over `employee` of the id, where whoever has this name has an account: nothing is looked up, created or ended.
    /// Such as `${employee.workEmail}` where groups hold addresses. With it, leave out everything else of `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub named: Option<String>,
    /// Searches, the strongest first: the first that finds a record that `matches` counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub find: Vec<Search>,
    /// All accounts, for one look at everybody and for the count of orphans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Listing>,
    /// Reads one account: `response.body`, or what `record` gives, is its record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Call>,
    /// Reading over `response` of `read`: the record. Default `response.body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub record: Option<String>,
    /// Reading over `item`: its id, a text or a number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub id: String,
    /// Reading over `item`: whether it is usable. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub active: Option<String>,
    /// Reading over `item`: whether it is an invitation that the person has not accepted yet. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub invited: Option<String>,
    /// Reading over `item`: our correlation key, where the API keeps it for us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub correlation_key: Option<String>,
    /// Reading over `response` of `read`: the record's version, such as `response.headers['etag']`. It is read before each change
    /// of the account, and sent as `If-Match` (RFC 9110 section 13.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub version: Option<String>,
    /// Reading over `item`: the names that the account goes by, a list of texts, for `protectedAccounts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub names: Option<String>,
    /// Reading over `item`, `employee` and `correlationKey`: whether the account is this person's. Every record found is
    /// asked, since an API may ignore a filter. A strong match: a key, a login or an address that only one can have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub matches: String,
    /// Creates one. Without it, accounts are made by others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<Call>,
    /// Reading over `response` of `create`: the new account's id. Default: it is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub created_id: Option<String>,
    /// Gives it today's attributes. Without it, attributes stay as they were at creation. `update`, `activate`, `deactivate` and
    /// `delete` can speak of `item`, the record as it is, which is then read first, by `read` or else out of `list`: as where
    /// groups know people by a user name, which is the id then, and these calls want a number, `${item.number}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Call>,
    /// Reading over `response` of `update`: the account's id, where an update can change it. Default: the id stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub updated_id: Option<String>,
    /// Makes it usable again. Without it, `create` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activate: Option<Call>,
    /// Makes it unusable; `active` shows whether it did. Without it, accounts cannot be deactivated, and `spec.account` must not
    /// ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deactivate: Option<Call>,
    /// Deletes it, or cancels an invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Call>,
}

/// A search for one record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    /// The request. `gone` means that nothing was found.
    pub request: Call,
    /// Reading over `response`: the list of what was found. Without it, `response.body` is the one record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub items: Option<String>,
    /// How there is a next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
}

/// A kind of thing that can be granted. Templates of `grant`, `update` and `revoke` speak of `account.id`, `object.id` and `operation`
/// (`id`, `uuid`), and those of `grant` and `update` also of `employee`, `correlationKey`, `inputs.<name>` and `parameters.<name>`. `revoke`,
/// `observe.one` and `update` can speak of `grant.id` where a grant has one. With `identity`, `object.<input>` stands beside `object.id`,
/// which is all of them joined; where `id` is the one input, it is the input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.find) != has(self.identity)").message("set exactly one of identity, the inputs that name the object, and find, which looks it up"),
    validation = Rule::new("has(self.replace) != has(self.grant)").message("set grant (with revoke), or replace where the API takes a whole set")
)]
pub struct HttpKind {
    /// Its name, which Entitlements give as `http.kind`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// What an Entitlement says of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub inputs: Vec<Field>,
    /// What a policy says of a grant, such as a card's limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parameters: Vec<Field>,
    /// The inputs that together are the object's id: access is counted by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub identity: Option<Vec<String>>,
    /// Looks the object up by its inputs, as a team by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<ObjectSearch>,
    /// How it is seen who holds it.
    pub observe: Observe,
    /// Gives it to one account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Call>,
    /// Reading over `response` of `grant`: the id of what was made for this grant alone, such as a card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub grant_id: Option<String>,
    /// Changes the parameters of a grant. Without it, `grant` does, and must be repeatable (`PUT`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Call>,
    /// Takes it from one account, or cancels the invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<Call>,
    /// Where the API takes a whole set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<Replace>,
}

/// An input or a parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Field {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-zA-Z][a-zA-Z0-9_]*$')").message("must be a name: letters, digits and _, a letter first"))]
    pub name: String,
    /// What it is. Default `String`.
    #[serde(default, rename = "type")]
    pub type_: FieldType,
    /// Whether it may be left out; `has()` asks whether it is there. Default false.
    #[serde(default)]
    pub optional: bool,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub description: String,
}

/// The type of an input or a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FieldType {
    /// A text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
}

/// Looks an object up by its inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectSearch {
    /// The request; it can speak of `inputs`. `gone` means that nothing was found.
    pub request: Call,
    /// Reading over `response`: the list of what was found. Without it, `response.body` is the one record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub items: Option<String>,
    /// How there is a next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
    /// Reading over `item`: its id.
    #[schemars(length(max = 1024))]
    pub id: String,
    /// Reading over `item` and `inputs`: whether it is the one.
    #[schemars(length(max = 1024))]
    pub matches: String,
}

/// How it is seen who holds an object: exactly one of `holders`, `all`, `ofAccount` and `one`. The readings are over `item`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.holders), has(self.all), has(self.ofAccount), has(self.one)].filter(x, x).size() == 1").message("set exactly one of holders, all, ofAccount and one"))]
pub struct Observe {
    /// Lists who holds one object; can speak of `object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<Listing>,
    /// Lists who holds what, all objects of the kind at once: `object` says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Listing>,
    /// Lists what one account holds; can speak of `account`: `object` says which. What others gave to accounts of Employees is
    /// seen; what they gave to other accounts takes a call for each, and is looked at only where an Entitlement of the kind is
    /// Authoritative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_account: Option<Listing>,
    /// Reads what one account holds of one object; can speak of `account` and `object`. `gone` means nothing. It shows what
    /// was granted, and never what others gave: prefer one of the others where the API has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one: Option<Call>,
    /// Reading over `item`: the list of its parts, where one item stands for several holdings, as a user with a set of roles
    /// does: `item.roles`. The other readings, but for `account`, then speak of `part` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub each: Option<String>,
    /// Reading: the id of the account that holds it; with `holders` and `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub account: Option<String>,
    /// Readings of the object's identity, by name of the input, or `id` where `find` looks objects up; with `all` and
    /// `ofAccount`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub object: BTreeMap<String, String>,
    /// Reading: whether the item is a holding at all, as where lists also show what has ended. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub held: Option<String>,
    /// Reading: the grant's own id, such as a card's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub grant_id: Option<String>,
    /// Reading: our operation id, where the API keeps it for us: so a grant is found whose making was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub operation_id: Option<String>,
    /// Reading: whether it is an invitation that the person has not accepted yet. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub invited: Option<String>,
    /// Readings of parameters as they are at the target, by name. One without a reading is taken as it was sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub parameters: BTreeMap<String, String>,
    /// Reading over `response`: the version of the set, such as `response.headers['etag']`; sent as `If-Match` with
    /// `replace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub version: Option<String>,
}

/// Writes a whole set. It is read, changed by what is ours, and written back, one writer at a time; what others put in
/// stays in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replace {
    /// Whose set it is: `Account`, what the account holds of this kind, seen by `ofAccount` or `all`; or `Object`, who holds the
    /// object, seen by `holders`.
    pub of: SetOf,
    /// The request; it can speak of `account` or `object`, of `set`, a list of object ids or of account ids, and of `response`, the
    /// read that the set was taken from (its first page); where `observe.each` has the account's record as `item`, of that too.
    /// Objects need an id of one part: one input as `identity`, or `find`.
    pub request: Call,
    /// Sent in the place of `request` where the set would become empty and the API refuses an empty one. It must leave a set
    /// that is read as empty, or as gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<Call>,
}

/// Whose set it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SetOf {
    /// What an account holds.
    #[default]
    Account,
    /// Who holds an object.
    Object,
}
