//! One request, how its answer is read, and lists.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
