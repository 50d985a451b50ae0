//! People's accounts.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Call, Listing, Pages};

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
