//! Target systems: one trait, and one folder per protocol. Effects never decide: what to do comes as an argument.

pub mod http;
pub mod kubernetes;
pub mod listing;
pub mod pace;
pub mod patience;
pub mod scim;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::api::employee::EmployeeSpec;
use crate::api::entitlement::{EntitlementSpec, RemoteObject};
use crate::api::target::Capabilities;
use crate::decide::effect::short_digest;
pub use crate::decide::effect::{Holding, Match};

/// A system that holds access. Every call is one attempt: retries, limits and order belong to the writer, and single requests
/// are sent again only with a pace that is [patient](pace::Pace::patient).
#[async_trait]
pub trait Target: Send + Sync {
    /// Whether requests that were told to wait are sent again below the call, with a patient pace.
    fn is_patient(&self) -> bool {
        false
    }

    /// Whether it answers and takes our credentials, and what it says it can do.
    async fn capabilities(&self) -> Result<Capabilities, TargetError>;

    /// Finds what an entitlement stands for.
    async fn find_object(&self, entitlement: &EntitlementSpec) -> Result<Found<RemoteObject>, TargetError>;

    /// Finds the account that matches a person, by correlation key first. Every returned record is checked to match.
    async fn find_account(&self, person: &AccountFacts) -> Result<Found<Account>, TargetError>;

    /// Creates what an entitlement stands for, where it asks for that and nothing was found.
    async fn create_object(&self, _entitlement: &EntitlementSpec) -> Result<RemoteObject, TargetError> {
        Err(TargetError::Refused(
            "nothing can be created here but by its owner".to_owned(),
        ))
    }

    /// All accounts, for one look at everybody; `None` where it cannot list them.
    async fn accounts(&self) -> Result<Option<Vec<Account>>, TargetError> {
        Ok(None)
    }

    /// Whether a person's account is found in the list of [`accounts`](Self::accounts) by correlation key and names just as
    /// [`find_account`](Self::find_account) would find it, so that one listing does for many look-ups.
    fn listing_finds(&self) -> bool {
        false
    }

    /// Creates the account. A result that leaves open whether it was done is [`TargetError::Ambiguous`]. `operation_id` travels
    /// with it where the target takes an idempotency key.
    async fn create_account(&self, person: &AccountFacts, operation_id: &str) -> Result<Account, TargetError>;

    /// Creates several, in as few requests as the target allows, each with its operation id; an answer for each, in order.
    async fn create_accounts(&self, people: &[(AccountFacts, String)]) -> Vec<Result<Account, TargetError>> {
        let mut answers = Vec::with_capacity(people.len());
        for (person, operation_id) in people {
            answers.push(self.create_account(person, operation_id).await);
        }
        answers
    }

    /// What of its creations can be done again when nobody knows whether they were done.
    fn repeats(&self, _object: Option<&RemoteObject>) -> Repeats {
        Repeats::Found
    }

    /// How many orders one [`change_holders`](Self::change_holders) is given at the most. Where each takes a request of its
    /// own few are better, since what is being sent is not overtaken.
    fn most_orders(&self, _kind: &str) -> usize {
        100
    }

    /// Reads the account by its id; `None` where it is gone.
    async fn read_account(&self, id: &str) -> Result<Option<Account>, TargetError>;

    /// Gives the account today's attributes, and makes it usable where `activate`. Its id, which a new name may have changed.
    async fn update_account(&self, id: &str, person: &AccountFacts, activate: bool) -> Result<String, TargetError>;

    /// Makes the account unusable.
    async fn deactivate_account(&self, id: &str) -> Result<(), TargetError>;

    /// Deletes the account. Gone already is done.
    async fn delete_account(&self, id: &str) -> Result<(), TargetError>;

    /// How it is seen who holds objects of this kind.
    fn looks(&self, _kind: &str) -> Looks {
        Looks::Object
    }

    /// Reads who holds the object; `None` where the object is gone. For [`Looks::Object`], and the one object of others.
    async fn holders(&self, object: &RemoteObject) -> Result<Option<Holders>, TargetError>;

    /// Reads who holds what, all objects of the kind at once. For [`Looks::Kind`].
    async fn all_holders(&self, kind: &str) -> Result<BTreeMap<RemoteObject, Holders>, TargetError> {
        Err(TargetError::Refused(format!("{kind} cannot be listed")))
    }

    /// Reads what one account holds of a kind. For [`Looks::Account`].
    async fn holdings(&self, kind: &str, _account_id: &str) -> Result<BTreeMap<RemoteObject, Holding>, TargetError> {
        Err(TargetError::Refused(format!("{kind} cannot be listed by account")))
    }

    /// Reads what one account holds of one object; `None` where it holds nothing of it. For [`Looks::One`].
    async fn holding(
        &self,
        object: &RemoteObject,
        account_id: &str,
        _grant_id: &str,
    ) -> Result<Option<Holding>, TargetError> {
        let holders = self.holders(object).await?;
        Ok(holders.and_then(|holders| holders.ids.get(account_id).cloned()))
    }

    /// Changes holders in as few requests as the target allows. `seen` is the last look at the holders, for
    /// targets that write them whole. The caller reads them back: of whom nothing is said here, that look tells.
    async fn change_holders(
        &self,
        object: &RemoteObject,
        orders: &[Order],
        seen: Option<&Holders>,
    ) -> Result<Receipts, TargetError>;

    /// Changes the holders of several objects, in as few requests as the target allows; an answer for each, in order.
    async fn change_many(&self, changes: &[(RemoteObject, Vec<Order>)]) -> Vec<Result<Receipts, TargetError>> {
        let mut answers = Vec::with_capacity(changes.len());
        for (object, orders) in changes {
            answers.push(self.change_holders(object, orders, None).await);
        }
        answers
    }
}

/// How it is seen who holds objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// One look shows all holders of one object.
    Object,
    /// One look shows all holders of all objects of the kind.
    Kind,
    /// One look shows what one account holds of the kind.
    Account,
    /// One look shows what one account holds of one object.
    One,
}

/// Whether a creation can be sent again when nobody knows whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// At once: it is done once however often it is sent, as a `PUT` to its own address.
    Safely,
    /// At once, while the target remembers the key that it was first sent under; then as [`Found`](Self::Found).
    ByKey,
    /// Once a look that would show it shows nothing.
    Found,
    /// Never: no look would show it.
    Never,
}

/// What is to become of one account's hold of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The account.
    pub account_id: String,
    /// What is to become of it.
    pub verb: Verb,
    /// The person whose account it is, where that is known.
    pub person: AccountFacts,
    /// What the Entitlement says of the object; nothing for a loss, which needs no Entitlement.
    pub inputs: BTreeMap<String, String>,
    /// What the grant's parameters are to be.
    pub parameters: BTreeMap<String, String>,
    /// The target's own id of the grant, where that is known.
    pub grant_id: String,
    /// Identifies the grant, as its idempotency key and as the key that it is found by.
    pub operation_id: String,
    /// Tells this effect from others of the same grant; empty where it has but one of each verb.
    pub effect: String,
}

impl Order {
    /// The idempotency key. The same effect sent again has the same, and no other effect has it: an API that remembers keys
    /// answers with what came of the first, or refuses what is not the same.
    pub fn key(&self) -> String {
        let verb = match self.verb {
            Verb::Grant => return self.operation_id.clone(),
            Verb::Update => "update",
            Verb::Revoke => "revoke",
        };
        let parameters = self.parameters.iter();
        let parameters = parameters.flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        short_digest([verb, &self.operation_id, &self.effect].into_iter().chain(parameters))
    }

    /// A plain grant or revocation.
    pub fn new(verb: Verb, account_id: impl Into<String>) -> Self {
        Self {
            account_id: account_id.into(),
            verb,
            person: AccountFacts::default(),
            inputs: BTreeMap::new(),
            parameters: BTreeMap::new(),
            grant_id: String::new(),
            operation_id: String::new(),
            effect: String::new(),
        }
    }
}

/// What is to become of an account's hold of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is to hold it.
    Grant,
    /// It holds it, and is to with other parameters.
    Update,
    /// It is not to hold it any more.
    Revoke,
}

/// What became of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The target's own id of the grant, where the answer says it.
    pub grant_id: String,
}

/// What became of orders, by account.
pub type Receipts = BTreeMap<String, Result<Receipt, TargetError>>;

/// Plain orders: grants to `add`, revocations from `remove`.
pub fn orders(add: &BTreeSet<String>, remove: &BTreeSet<String>) -> Vec<Order> {
    let grants = add.iter().map(|id| Order::new(Verb::Grant, id));
    grants
        .chain(remove.iter().map(|id| Order::new(Verb::Revoke, id)))
        .collect()
}

/// The accounts that `orders` are to add, and those that they are to remove.
pub fn sides(orders: &[Order]) -> (BTreeSet<String>, BTreeSet<String>) {
    let of = |loses: bool| {
        let those = orders.iter().filter(move |order| (order.verb == Verb::Revoke) == loses);
        those.map(|order| order.account_id.clone()).collect()
    };
    (of(false), of(true))
}

/// The facts of a person that accounts are matched by and made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountFacts {
    /// Our correlation key: the `Employee`'s uid-independent identity, `namespace/name`.
    pub external_id: String,
    /// Work email, in lower case.
    pub work_email: Option<String>,
    /// User name in the HRIS.
    pub username: Option<String>,
    /// Full name.
    pub display_name: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// All facts, for attributes and calls that are described as data.
    pub employee: Arc<EmployeeSpec>,
    /// The account of the person's manager here, where there is one.
    pub manager_account: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// Nothing that matches.
    None,
    /// Exactly one that matches.
    One(T),
    /// Exactly one that matches, and carries the correlation key of another; says so, for a person.
    Foreign(T, String),
    /// Several that match, or one that matches in part; says what, for a person.
    Several(String),
}

/// An account as the target shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The target's own id.
    pub id: String,
    /// Whether it is usable.
    pub active: bool,
    /// The correlation key that it carries, where the target shows it.
    pub external_id: Option<String>,
    /// How it matches the person who was looked for; of no meaning where it was not found by a search for one.
    pub matched: Match,
    /// The name that its owner signs in with, where the target tells it from other names.
    pub login: Option<String>,
    /// What it goes by: user name, email addresses.
    pub names: BTreeSet<String>,
    /// Whether it is an invitation that the person has not accepted yet.
    pub invited: bool,
}

/// Who holds a remote object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// By account id, how each holds it.
    pub ids: BTreeMap<String, Holding>,
    /// The object's version, where the target has one, for writes that must not overwrite newer state.
    pub version: Option<String>,
}

impl Holders {
    /// The accounts alone.
    pub fn accounts(&self) -> BTreeSet<String> {
        self.ids.keys().cloned().collect()
    }
}

/// Why a target did not do or say what was asked. Messages are ours: they carry no body and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing was sent: no connection. Concerns the whole target.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It refuses our credentials (401, 403). Concerns the whole target.
    #[error("refuses the credentials: {0}")]
    Unauthorized(String),
    /// A Secret or `ServiceAccount` that the target needs is missing. Concerns the whole target.
    #[error("{0}")]
    Misconfigured(String),
    /// Nothing was sent: its address may not be reached, until somebody changes it or the operator's flags. Concerns the
    /// whole target.
    #[error("may not be reached: {0}")]
    AddressRefused(String),
    /// It asks us to slow down (429, 503 with Retry-After). Concerns the whole target.
    #[error("asks to slow down{}", .0.map(|d| format!(", for {} s", d.as_secs())).unwrap_or_default())]
    Throttled(Option<Duration>),
    /// It refuses this request for good (another 4xx).
    #[error("refuses the request: {0}")]
    Refused(String),
    /// No seat, licence or budget is free.
    #[error("has no free seat: {0}")]
    NoSeat(String),
    /// The thing changed or exists already (409, 412): look again.
    #[error("says that it conflicts: {0}")]
    Conflict(String),
    /// The thing is not there (404).
    #[error("has no {0}")]
    Gone(String),
    /// It may or may not have been done (time-out after sending, 5xx).
    #[error("may or may not have done it: {0}")]
    Ambiguous(String),
    /// It answered something that cannot be read.
    #[error("answers what cannot be read: {0}")]
    Malformed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I4: no effect is answered with what came of another; one that is sent twice is the same.
    #[test]
    fn every_effect_has_a_key_of_its_own() {
        let order = |verb, limit: &str, effect: &str| {
            let order = Order {
                parameters: [("limit".to_owned(), limit.to_owned())].into(),
                operation_id: "op".to_owned(),
                effect: effect.to_owned(),
                ..Order::new(verb, "A1")
            };
            order.key()
        };
        // A lost record finds the grant by its operation alone.
        assert_eq!(order(Verb::Grant, "5", "2026-06-15T12:00:00Z"), "op");
        let effects = [
            (Verb::Grant, "5", ""),
            (Verb::Update, "5", "2026-06-15T12:00:00Z"),
            (Verb::Update, "9", "2026-06-15T12:00:00Z"),
            (Verb::Update, "5", "2026-06-15T12:00:01Z"),
            (Verb::Revoke, "5", "2026-06-15T12:00:01Z"),
            (Verb::Revoke, "5", "2026-06-15T12:00:02Z"),
        ];
        let keys = || effects.map(|(verb, limit, effect)| order(verb, limit, effect));
        assert_eq!(keys(), keys());
        assert_eq!(BTreeSet::from(keys()).len(), effects.len());
    }
}
