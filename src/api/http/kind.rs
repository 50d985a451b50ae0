//! What can be granted.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, Listing, Pages};

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
