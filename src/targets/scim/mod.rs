//! SCIM 2.0 services (RFC 7643, RFC 7644): accounts are Users, what is granted is membership of Groups, and values of the
//! `roles` and `entitlements` of Users.
//!
//! Records are read as JSON objects and not as types of the schema: a PUT must give back what is not ours (extensions
//! included), and one odd attribute of one record must not make all the others unreadable.

mod accounts;
mod bulk;
mod bulk_calls;
mod client;
pub(super) mod errors;
mod group_search;
mod groups;
mod list;
mod members;
mod patch;
mod service;
mod told;
mod users;
mod value_calls;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use self::client::Client;
use self::errors::{Failure, Refusal};
use self::members::MOST_CHANGES;
use self::service::{Learned, Service};
use self::values::Attribute;
use super::pace::Pace;
use super::{
    Account, AccountFacts, Found, Holders, Holding, Looks, Order, Receipts, Repeats, Target, TargetError, sides,
};
use crate::api::entitlement::{EntitlementSpec, RemoteObject};
use crate::api::target::Capabilities;
use crate::decide::attributes::{AttributeMap, AttributePath};
use crate::egress::Egress;

const USERS: &str = "Users";
const GROUPS: &str = "Groups";
const SERVICE_PROVIDER_CONFIG: &str = "ServiceProviderConfig";

/// Where a SCIM service is and how to speak to it.
#[derive(Debug)]
pub struct ScimOptions {
    /// The address that `/Users` is appended to.
    pub base_url: String,
    /// The bearer token.
    pub token: SecretString,
    /// How long a connection may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a request may take, its answer included. Default 30 s.
    pub timeout: Duration,
    /// What of the network it may be found in.
    pub egress: Egress,
    /// How fast it may be called. Default 600 requests a minute.
    pub pace: Arc<Pace>,
    /// Whether accounts carry the enterprise extension. Default false.
    pub enterprise: bool,
    /// Attributes of accounts beside, or in the place of, those that are sent anyway. Default none.
    pub attributes: AttributeMap,
}

/// Requests of one call that are sent at the same time, where they do not fit into one. The pace is the target's own.
const AT_ONCE: usize = 4;

impl ScimOptions {
    /// The service at `base_url`, with the default times, reached through `egress`.
    pub fn new(base_url: impl Into<String>, token: SecretString, egress: Egress) -> Self {
        Self {
            base_url: base_url.into(),
            token,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            egress,
            pace: Arc::new(Pace::per_minute(600)),
            enterprise: false,
            attributes: AttributeMap::default(),
        }
    }
}

/// One SCIM service. What it learns of the service it keeps for as long as it lives: a new one is made when the
/// settings change.
#[derive(Debug)]
pub struct ScimTarget {
    client: Client,
    learned: Learned,
    enterprise: bool,
    attributes: AttributeMap,
}

impl ScimTarget {
    /// A target for the service. Nothing is sent yet.
    pub fn new(options: &ScimOptions) -> Result<Self, TargetError> {
        Ok(Self {
            client: Client::new(options)?,
            learned: Learned::default(),
            enterprise: options.enterprise,
            attributes: options.attributes.clone(),
        })
    }

    /// What the service can do, asked once.
    async fn service(&self) -> Result<Service, Failure> {
        if let Some(known) = self.learned.service() {
            return Ok(known);
        }
        let url = self.client.endpoint(SERVICE_PROVIDER_CONFIG);
        let service = match self.client.get(url, "service provider configuration").await {
            Ok(answer) => Service::announced(&answer.record),
            // Many services have no such endpoint.
            Err(Failure::Answered(refusal)) if refusal.gone() || refusal.unsupported() => Service::silent(),
            Err(failure) => return Err(failure),
        };
        self.learned.set_service(service);
        Ok(service)
    }

    async fn capabilities_known(&self) -> Result<Capabilities, Failure> {
        self.service().await.map(|service| service.capabilities)
    }

    /// Whether to send versions along.
    async fn versions(&self) -> Result<bool, Failure> {
        Ok(self.capabilities_known().await?.etag && !self.learned.no_versions())
    }

    /// What a failure means to the writer. A change answered with 403 leaves open whether the token is refused, which
    /// concerns everything, or this change alone, as of an administrator's account; a read tells.
    async fn settle<T>(&self, done: Result<T, Failure>) -> Result<T, TargetError> {
        let failure = match done {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if let Some(refusal) = failure.refusal().filter(|refusal| refusal.forbidden()) {
            return Err(match self.probe_users().await {
                Err(Failure::Answered(Refusal { status, .. })) if matches!(status.as_u16(), 401 | 403) => {
                    TargetError::Unauthorized(refusal.words())
                }
                _ => TargetError::Refused(format!("{}: the token may read, but not do this", refusal.words())),
            });
        }
        Err(failure.error())
    }
}

impl ScimTarget {
    async fn settle_all<T>(&self, done: Vec<Result<T, Failure>>) -> Vec<Result<T, TargetError>> {
        let mut settled: Vec<Result<T, TargetError>> = Vec::with_capacity(done.len());
        for done in done {
            settled.push(match (&done, settled.iter().find_map(|done| done.as_ref().err())) {
                // Whether the token is refused was asked for an earlier one.
                (Err(failure), Some(error @ TargetError::Unauthorized(_)))
                    if failure.refusal().is_some_and(Refusal::forbidden) =>
                {
                    Err(error.clone())
                }
                _ => self.settle(done).await,
            });
        }
        settled
    }
}

#[async_trait]
impl Target for ScimTarget {
    fn is_patient(&self) -> bool {
        true
    }

    /// Asks what the service can do once, and each time whether it takes the token: the first question is often
    /// answered to anybody.
    async fn capabilities(&self) -> Result<Capabilities, TargetError> {
        let known = self.capabilities_known().await;
        let capabilities = self.settle(known).await?;
        match self.probe_users().await {
            Ok(()) => Ok(capabilities),
            Err(Failure::Answered(refusal)) if refusal.gone() => Err(TargetError::Misconfigured(
                "there is no /Users under spec.scim.baseURL: is it the right address?".to_owned(),
            )),
            Err(failure) => Err(failure.error()),
        }
    }

    async fn find_object(&self, entitlement: &EntitlementSpec) -> Result<Found<RemoteObject>, TargetError> {
        let done = self.find_group(entitlement).await;
        self.settle(done).await
    }

    async fn find_account(&self, person: &AccountFacts) -> Result<Found<Account>, TargetError> {
        let done = self.find_user(person).await;
        self.settle(done).await
    }

    async fn create_object(&self, entitlement: &EntitlementSpec) -> Result<RemoteObject, TargetError> {
        let done = self.create_group(entitlement).await;
        self.settle(done).await
    }

    /// A list is looked through by the names that Rollcall gives by itself.
    fn listing_finds(&self) -> bool {
        !self.attributes.sets(&AttributePath::core("userName"))
    }

    async fn accounts(&self) -> Result<Option<Vec<Account>>, TargetError> {
        let done = self.all_users().await;
        self.settle(done).await.map(Some)
    }

    /// SCIM has no idempotency key: the correlation key is what a creation is found by.
    async fn create_account(&self, person: &AccountFacts, _operation_id: &str) -> Result<Account, TargetError> {
        let done = self.create_user(person).await;
        self.settle(done).await
    }

    /// Who is a member already is not made one twice; a second account is a second account, where the service has nothing
    /// against it.
    fn repeats(&self, object: Option<&RemoteObject>) -> Repeats {
        object.map_or(Repeats::Found, |_| Repeats::Safely)
    }

    async fn create_accounts(&self, people: &[(AccountFacts, String)]) -> Vec<Result<Account, TargetError>> {
        let people: Vec<&AccountFacts> = people.iter().map(|(person, _)| person).collect();
        let made = self.create_users(&people).await;
        self.settle_all(made).await
    }

    async fn read_account(&self, id: &str) -> Result<Option<Account>, TargetError> {
        let done = self.read_user(id).await;
        self.settle(done).await
    }

    async fn update_account(&self, id: &str, person: &AccountFacts, activate: bool) -> Result<String, TargetError> {
        let done = self.update_user(id, person, activate).await;
        self.settle(done).await?;
        Ok(id.to_owned())
    }

    async fn deactivate_account(&self, id: &str) -> Result<(), TargetError> {
        let done = self.deactivate_user(id).await;
        self.settle(done).await
    }

    async fn delete_account(&self, id: &str) -> Result<(), TargetError> {
        let done = self.delete_user(id).await;
        self.settle(done).await
    }

    /// Of a group, what ten requests change is read back in one.
    fn most_orders(&self, kind: &str) -> usize {
        if Attribute::of_kind(kind).is_some() {
            100
        } else {
            10 * MOST_CHANGES
        }
    }

    /// Roles and entitlements are attributes of the account, so that one look at it shows them all; groups show their members.
    fn looks(&self, kind: &str) -> Looks {
        match Attribute::of_kind(kind) {
            Some(_) => Looks::Account,
            None => Looks::Object,
        }
    }

    async fn holders(&self, object: &RemoteObject) -> Result<Option<Holders>, TargetError> {
        if Attribute::of_kind(&object.kind).is_some() {
            let mut all = self.all_holders(&object.kind).await?;
            return Ok(Some(all.remove(object).unwrap_or_default()));
        }
        let done = self.group_holders(object).await;
        self.settle(done).await
    }

    async fn all_holders(&self, kind: &str) -> Result<BTreeMap<RemoteObject, Holders>, TargetError> {
        let done = self.all_value_holders(kind).await;
        self.settle(done).await
    }

    async fn holdings(&self, kind: &str, account_id: &str) -> Result<BTreeMap<RemoteObject, Holding>, TargetError> {
        let done = self.account_values(kind, account_id).await;
        self.settle(done).await
    }

    async fn holding(
        &self,
        object: &RemoteObject,
        account_id: &str,
        _grant_id: &str,
    ) -> Result<Option<Holding>, TargetError> {
        if Attribute::of_kind(&object.kind).is_some() {
            return Ok(self.holdings(&object.kind, account_id).await?.remove(object));
        }
        let holders = self.holders(object).await?;
        Ok(holders.and_then(|mut holders| holders.ids.remove(account_id)))
    }

    /// `seen` is not needed: with PATCH only what changes is sent, and without it the whole group is read anyway.
    async fn change_holders(
        &self,
        object: &RemoteObject,
        orders: &[Order],
        _seen: Option<&Holders>,
    ) -> Result<Receipts, TargetError> {
        if Attribute::of_kind(&object.kind).is_some() {
            let mut done = self.change_values(&[(object, orders)]).await;
            return self.settle(done.pop().unwrap_or_else(|| Ok(Receipts::new()))).await;
        }
        let (add, remove) = sides(orders);
        let done = self.change_group(object, &add, &remove).await;
        self.settle(done).await
    }

    async fn change_many(&self, changes: &[(RemoteObject, Vec<Order>)]) -> Vec<Result<Receipts, TargetError>> {
        let done = self.change_together(changes).await;
        self.settle_all(done).await
    }
}
