//! APIs described as data: a definition says what is sent and how answers are read, and this speaks it.
//!
//! ```text
//! speech     what templates are given
//! request    from a description to what is sent; values cannot change its shape
//! auth       credentials, and tokens that end
//! client     one attempt a call
//! answers    what an answer means
//! pages      lists to their end, or not at all
//! accounts, observe, change   the trait, in these words
//! ```

mod accounts;
mod answers;
mod auth;
mod change;
mod client;
mod observe;
mod pages;
mod request;
mod speech;
mod watch;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Mutex;

use self::answers::{Failure, Purpose, Verdict};
pub use self::auth::secret;
use self::client::Client;
use self::pages::{Asked, Read};
use self::request::With;
use self::speech::Speech;
pub use self::watch::{Exchange, Watch};
use super::pace::Pace;
use super::{Account, AccountFacts, Found, Holders, Holding, Looks, Order, Receipts, Repeats, Target, TargetError};
use crate::api::SecretKeyRef;
use crate::api::entitlement::{EntitlementSpec, RemoteObject};
use crate::api::http::{Http, Method};
use crate::api::target::Capabilities;
use crate::decide::definition::{By, Definition, Kind, Pages, Request};
use crate::decide::effect::short_digest;
use crate::egress::Egress;

/// Locks for sets that are written whole: two sets may share one, which costs no more than some patience.
const LOCKS: usize = 64;

/// What an API is, and how to speak to it.
#[derive(Debug)]
pub struct HttpTargetOptions {
    /// As it was written.
    pub api: Http,
    /// The same, compiled.
    pub definition: Arc<Definition>,
    /// By the names in [`secret`], or those of the login call.
    pub secrets: BTreeMap<String, SecretString>,
    /// How fast it may be called.
    pub pace: Arc<Pace>,
    /// The way out.
    pub egress: Egress,
}

/// The Secrets that calls are authenticated with, by the names that [`HttpTargetOptions::secrets`] has for them.
pub fn credentials(api: &Http) -> BTreeMap<String, &SecretKeyRef> {
    let Some(auth) = &api.auth else {
        return BTreeMap::new();
    };
    let bearer = auth.bearer.as_ref().map(|auth| (secret::TOKEN, &auth.token_secret_ref));
    let basic = auth.basic.as_ref().and_then(|auth| auth.password_secret_ref.as_ref());
    let basic = basic.map(|reference| (secret::PASSWORD, reference));
    let header = auth.header.as_ref().map(|auth| (secret::VALUE, &auth.value_secret_ref));
    let oauth2 = auth
        .oauth2
        .as_ref()
        .map(|auth| (secret::CLIENT, &auth.client_secret_ref));
    let one = [bearer, basic, header, oauth2].into_iter().flatten();
    let login = auth.login.iter().flat_map(|login| &login.secrets);
    one.map(|(name, reference)| (name.to_owned(), reference))
        .chain(login.map(|(name, reference)| (name.clone(), reference)))
        .collect()
}

/// An API described as data.
#[derive(Debug)]
pub struct HttpTarget {
    definition: Arc<Definition>,
    client: Client,
    locks: Vec<Mutex<()>>,
    /// What begins the keys that no other request has, and how many of them there were.
    keys: (String, AtomicU64),
}

impl HttpTarget {
    /// A target for the API. Nothing is sent yet.
    pub fn new(options: &HttpTargetOptions) -> Result<Self, TargetError> {
        Ok(Self {
            definition: options.definition.clone(),
            client: Client::new(options)?,
            locks: (0..LOCKS).map(|_| Mutex::default()).collect(),
            keys: (nonce(), AtomicU64::new(0)),
        })
    }

    /// Shows each request and answer to `watch`.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        self.client.wire.watch = Some(watch);
        self
    }

    /// An idempotency key for what does no harm when it is done twice, and much when an earlier answer stands for it: changes of
    /// accounts, and sets that are written whole.
    fn new_key(&self) -> String {
        let (nonce, number) = &self.keys;
        let number = number.fetch_add(1, Ordering::Relaxed).to_string();
        short_digest(["request", nonce, &number])
    }

    fn kind(&self, name: &str) -> Result<&Kind, TargetError> {
        self.definition.kinds.get(name).ok_or_else(|| {
            TargetError::Refused(format!(
                "nothing was sent: spec.http.kinds has no {name} any more; describe it again"
            ))
        })
    }

    /// Sends an effect. A 403 leaves open whether the credentials are refused, which concerns everything, or this change
    /// alone; a read tells.
    async fn effect(
        &self,
        request: &Request,
        speech: &Speech,
        with: With<'_>,
        words: &str,
    ) -> Result<answers::Answer, TargetError> {
        let done = self.client.call(request, speech, Purpose::Effect, with, words).await;
        match done {
            Err(Failure::Forbidden(why)) => match self.probe().await {
                Err(TargetError::Unauthorized(_)) => Err(TargetError::Unauthorized(why)),
                _ => Err(TargetError::Refused(format!(
                    "{why}: the credentials may read, but not do this"
                ))),
            },
            done => Ok(done?),
        }
    }

    /// Reads something that is always there.
    async fn probe(&self) -> Result<(), TargetError> {
        let list = self.definition.account.list.as_ref();
        let Some(request) = self.definition.probe.as_ref().or(list.map(|list| &list.request)) else {
            return self.client.can_log_in().await;
        };
        let page = list.and_then(|list| list.pages.as_ref()).map_or(1, Pages::first);
        let page = [("number".to_owned(), page.into()), ("offset".to_owned(), 0.into())];
        let speech = Speech::default().record("page", page.into());
        let answer = self
            .client
            .call(request, &speech, Purpose::Read, With::default(), "the probe")
            .await?;
        match answer.verdict {
            Verdict::Good | Verdict::Already => Ok(()),
            Verdict::Gone | Verdict::Conflict => Err(TargetError::Misconfigured(
                "what probe, or account.list, asks for is not there: are spec.http.baseURL and that path right?"
                    .to_owned(),
            )),
        }
    }
}

#[async_trait]
impl Target for HttpTarget {
    fn is_patient(&self) -> bool {
        true
    }

    async fn capabilities(&self) -> Result<Capabilities, TargetError> {
        self.probe().await?;
        Ok(Capabilities::default())
    }

    async fn find_object(&self, entitlement: &EntitlementSpec) -> Result<Found<RemoteObject>, TargetError> {
        let problems = self.definition.check(entitlement);
        if !problems.is_empty() {
            return Err(TargetError::Refused(crate::decide::definition::sentence(&problems)));
        }
        let Some(asked) = &entitlement.http else {
            return Err(TargetError::Refused("spec.http is missing".to_owned()));
        };
        self.object(&asked.kind, &asked.inputs).await
    }

    async fn find_account(&self, person: &AccountFacts) -> Result<Found<Account>, TargetError> {
        self.find_person(person).await
    }

    async fn accounts(&self) -> Result<Option<Vec<Account>>, TargetError> {
        self.list_accounts().await
    }

    async fn create_account(&self, person: &AccountFacts, operation_id: &str) -> Result<Account, TargetError> {
        self.make_account(person, operation_id).await
    }

    fn repeats(&self, object: Option<&RemoteObject>) -> Repeats {
        let again = |request: &Request| {
            let by_key = request.idempotency_header.is_some() || request.idempotent;
            let by_key = by_key.then_some(Repeats::ByKey);
            (request.method == Method::Put).then_some(Repeats::Safely).or(by_key)
        };
        let Some(object) = object else {
            let create = self.definition.account.create.as_ref();
            return create.and_then(again).unwrap_or(Repeats::Found);
        };
        let Ok(kind) = self.kind(&object.kind) else {
            return Repeats::Never;
        };
        match (&kind.grant, &kind.observe.by) {
            (None, _) => Repeats::Safely,
            (Some(grant), _) if let Some(again) = again(grant) => again,
            (
                _,
                By::One {
                    needs_grant_id: true, ..
                },
            ) => Repeats::Never,
            _ => Repeats::Found,
        }
    }

    async fn read_account(&self, id: &str) -> Result<Option<Account>, TargetError> {
        self.one_account(id).await
    }

    async fn update_account(&self, id: &str, person: &AccountFacts, activate: bool) -> Result<String, TargetError> {
        self.change_account(id, person, activate).await
    }

    async fn deactivate_account(&self, id: &str) -> Result<(), TargetError> {
        self.stop_account(id).await
    }

    async fn delete_account(&self, id: &str) -> Result<(), TargetError> {
        self.remove_account(id).await
    }

    fn looks(&self, kind: &str) -> Looks {
        match self.kind(kind).map(|kind| &kind.observe.by) {
            Ok(By::All(_)) => Looks::Kind,
            Ok(By::OfAccount(_)) => Looks::Account,
            Ok(By::One { .. }) => Looks::One,
            Ok(By::Holders(_)) | Err(_) => Looks::Object,
        }
    }

    async fn holders(&self, object: &RemoteObject) -> Result<Option<Holders>, TargetError> {
        self.look_at_object(object).await
    }

    async fn all_holders(&self, kind: &str) -> Result<BTreeMap<RemoteObject, Holders>, TargetError> {
        self.look_at_kind(kind).await
    }

    async fn holdings(&self, kind: &str, account_id: &str) -> Result<BTreeMap<RemoteObject, Holding>, TargetError> {
        let seen = self.look_at_account(kind, account_id).await?;
        Ok(seen
            .held
            .into_iter()
            .map(|(id, holding)| (remote(kind, id), holding))
            .collect())
    }

    async fn holding(
        &self,
        object: &RemoteObject,
        account_id: &str,
        grant_id: &str,
    ) -> Result<Option<Holding>, TargetError> {
        self.look_at_one(object, account_id, grant_id).await
    }

    /// What answers leave to be seen (already so, gone, changed meanwhile) is not in the receipts: the look tells.
    async fn change_holders(
        &self,
        object: &RemoteObject,
        orders: &[Order],
        _seen: Option<&Holders>,
    ) -> Result<Receipts, TargetError> {
        self.change(object, orders).await
    }

    async fn change_many(&self, changes: &[(RemoteObject, Vec<Order>)]) -> Vec<Result<Receipts, TargetError>> {
        self.change_sets(changes).await
    }
}

/// Something that no other process begins its keys with.
fn nonce() -> String {
    let numbers = [(); 2].map(|()| RandomState::new().hash_one(()));
    format!("{:016x}{:016x}", numbers[0], numbers[1])
}

fn remote(kind: &str, id: String) -> RemoteObject {
    RemoteObject {
        kind: kind.to_owned(),
        id,
    }
}
