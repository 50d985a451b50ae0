//! SCIM 2.0 services (RFC 7643, RFC 7644): accounts are Users, what is granted is membership of Groups.
//!
//! Records are read as JSON objects and not as types of the schema: a PUT must give back what is not ours (extensions
//! included), and one odd attribute of one record must not make all the others unreadable.

mod accounts;
mod client;
pub(super) mod errors;
mod groups;
mod list;
mod patch;
mod users;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::Value;

use self::client::{Client, Record, attribute};
use self::errors::{Failure, Refusal};
use super::pace::Pace;
use super::{Account, AccountFacts, Found, Holders, Order, Receipts, Target, TargetError, sides};
use crate::api::entitlement::{EntitlementSpec, RemoteObject};
use crate::api::target::Capabilities;
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
}

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
        }
    }
}

/// One SCIM service. What it learns of the service it keeps for as long as it lives: a new one is made when the
/// settings change.
#[derive(Debug)]
pub struct ScimTarget {
    client: Client,
    learned: Learned,
}

/// What a service has shown of itself.
#[derive(Debug, Default)]
struct Learned {
    capabilities: Mutex<Option<Capabilities>>,
    single_filters: AtomicBool,
    members_shown: AtomicBool,
}

impl Learned {
    fn capabilities(&self) -> Option<Capabilities> {
        *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_capabilities(&self, capabilities: Capabilities) {
        *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner) = Some(capabilities);
    }

    /// It announced PATCH, or nothing, and has answered one with 501 or 405.
    fn learn_no_patch(&self) {
        if let Some(capabilities) = self
            .capabilities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            capabilities.patch = false;
        }
    }

    /// It refuses filters with `or`, or heeds a part of them.
    fn learn_single_filters(&self) {
        self.single_filters.store(true, Ordering::Relaxed);
    }

    fn single_filters(&self) -> bool {
        self.single_filters.load(Ordering::Relaxed)
    }

    /// It shows members when they are asked for by name.
    fn learn_members_shown(&self) {
        self.members_shown.store(true, Ordering::Relaxed);
    }

    fn members_shown(&self) -> bool {
        self.members_shown.load(Ordering::Relaxed)
    }
}

impl ScimTarget {
    /// A target for the service. Nothing is sent yet.
    pub fn new(options: &ScimOptions) -> Result<Self, TargetError> {
        Ok(Self {
            client: Client::new(options)?,
            learned: Learned::default(),
        })
    }

    /// What the service can do, asked once.
    async fn capabilities_known(&self) -> Result<Capabilities, Failure> {
        if let Some(known) = self.learned.capabilities() {
            return Ok(known);
        }
        let url = self.client.endpoint(SERVICE_PROVIDER_CONFIG);
        let capabilities = match self.client.get(url, "service provider configuration").await {
            Ok(answer) => announced(&answer.record),
            // Many services have no such endpoint. Nearly all of those can do both; one that cannot says so when asked.
            Err(Failure::Answered(refusal)) if refusal.gone() || refusal.unsupported() => Capabilities {
                patch: true,
                filter: true,
                bulk: false,
                etag: false,
            },
            Err(failure) => return Err(failure),
        };
        self.learned.set_capabilities(capabilities);
        Ok(capabilities)
    }

    /// What a failure means to the writer. A change answered with 403 leaves open whether the token is refused, which
    /// concerns everything, or this change alone, as of an administrator's account; a read tells.
    async fn settle<T>(&self, done: Result<T, Failure>) -> Result<T, TargetError> {
        let failure = match done {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if let Some(refusal) = failure.refusal()
            && refusal.status.as_u16() == 403
            && refusal.about.effect
        {
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

/// Reads a service provider configuration (RFC 7643 section 5). What is not announced is not supported.
fn announced(config: &Record) -> Capabilities {
    let supported = |name: &str| {
        let feature = attribute(config, name).and_then(Value::as_object);
        match feature.and_then(|feature| attribute(feature, "supported")) {
            Some(Value::Bool(supported)) => *supported,
            Some(Value::String(supported)) => supported.eq_ignore_ascii_case("true"),
            _ => false,
        }
    };
    Capabilities {
        patch: supported("patch"),
        filter: supported("filter"),
        bulk: supported("bulk"),
        etag: supported("etag"),
    }
}

#[async_trait]
impl Target for ScimTarget {
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

    async fn create_account(&self, person: &AccountFacts, _operation_id: &str) -> Result<Account, TargetError> {
        let done = self.create_user(person).await;
        self.settle(done).await
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

    async fn holders(&self, object: &RemoteObject) -> Result<Option<Holders>, TargetError> {
        let done = self.group_holders(object).await;
        self.settle(done).await
    }

    /// `seen` is not needed: with PATCH only what changes is sent, and without it the whole group is read anyway.
    async fn change_holders(
        &self,
        object: &RemoteObject,
        orders: &[Order],
        _seen: Option<&Holders>,
    ) -> Result<Receipts, TargetError> {
        let (add, remove) = sides(orders);
        let done = self.change_group(object, &add, &remove).await;
        self.settle(done).await?;
        Ok(Receipts::new())
    }
}
