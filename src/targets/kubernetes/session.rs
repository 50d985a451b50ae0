//! A client that is a `ServiceAccount`, by tokens that live an hour.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::AuthInfo;
use kube::{Api, Client, Config};
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::errors::About;
use crate::targets::TargetError;
use crate::targets::pace::Pace;

/// How long a token is asked to live.
const LIFE: u32 = 3_600;
/// The shortest that the API server gives.
const SHORTEST_LIFE: u32 = 600;
/// How much of its life a token is used for, in percent.
const USED: u32 = 80;

/// Gives clients that are one `ServiceAccount` and nobody else.
pub(super) struct Session {
    config: Config,
    operator: Client,
    namespace: String,
    service_account: String,
    words: String,
    pace: Arc<Pace>,
    current: Mutex<Option<Current>>,
}

struct Current {
    client: Client,
    until: Instant,
}

impl Session {
    /// Only the address and the trust of `config` are used: its credentials are dropped here.
    pub fn new(config: &Config, operator: Client, namespace: String, service_account: String, pace: Arc<Pace>) -> Self {
        let mut config = config.clone();
        config.auth_info = AuthInfo::default();
        config.headers.clear();
        config.connect_timeout = Some(Duration::from_secs(5));
        config.read_timeout = Some(Duration::from_secs(30));
        config.write_timeout = Some(Duration::from_secs(30));
        config.reset_reader_on_write = true;
        // One attempt a call: the writer repeats.
        config.default_retry = false;
        config.default_namespace.clone_from(&namespace);
        Self {
            config,
            operator,
            words: format!("{namespace}/{service_account}"),
            namespace,
            service_account,
            pace,
            current: Mutex::new(None),
        }
    }

    /// The `ServiceAccount`, `namespace/name`.
    pub fn account(&self) -> &str {
        &self.words
    }

    /// A client that is the `ServiceAccount`. Callers that come while a token is asked for wait for that one.
    pub async fn client(&self) -> Result<Client, TargetError> {
        self.pace.ready().await;
        let mut current = self.current.lock().await;
        if let Some(current) = current.as_ref().filter(|current| Instant::now() < current.until) {
            return Ok(current.client.clone());
        }
        let asked = Instant::now();
        let (token, life) = self.token().await?;
        let mut config = self.config.clone();
        config.auth_info.token = Some(token);
        let client = Client::try_from(config).map_err(|_| {
            TargetError::Misconfigured("no client can be made of the cluster's address and CA".to_owned())
        })?;
        *current = Some(Current {
            client: client.clone(),
            until: asked + life * USED / 100,
        });
        Ok(client)
    }

    /// The token was refused: the next client gets another.
    pub async fn forget(&self) {
        *self.current.lock().await = None;
    }

    async fn token(&self) -> Result<(SecretString, Duration), TargetError> {
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(LIFE.into()),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.operator.clone(), &self.namespace);
        let parameters = PostParams::default();
        let asking = accounts.create_token_request(&self.service_account, &parameters, &request);
        let timely = tokio::time::timeout(Duration::from_secs(30), asking).await;
        let answer = timely
            .map_err(|_| TargetError::Unreachable("no token in 30 s".to_owned()))?
            .map_err(|error| self.no_token(&error))?;
        // The server says how long it really gives, which no clock of ours is needed for.
        let life = answer
            .spec
            .expiration_seconds
            .and_then(|seconds| u32::try_from(seconds).ok())
            .map_or(SHORTEST_LIFE, |seconds| seconds.clamp(SHORTEST_LIFE, LIFE));
        let token = answer
            .status
            .map(|status| status.token)
            .filter(|token| !token.is_empty())
            .ok_or_else(|| TargetError::Malformed("a TokenRequest without a token".to_owned()))?;
        Ok((token.into(), Duration::from_secs(life.into())))
    }

    fn no_token(&self, error: &kube::Error) -> TargetError {
        let Self {
            namespace,
            service_account,
            ..
        } = self;
        match error {
            kube::Error::Api(status) if status.code == 404 => TargetError::Misconfigured(format!(
                "ServiceAccount {service_account} does not exist in namespace {namespace}: create it"
            )),
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => TargetError::Misconfigured(format!(
                "Rollcall may not get tokens of ServiceAccount {service_account} in namespace {namespace}: give Rollcall's own ServiceAccount the verb create on serviceaccounts/token there"
            )),
            other => {
                let about = About {
                    account: "of Rollcall",
                    // A token asked for in vain harms nobody, so it is no effect.
                    verb: "get",
                    what: "a token",
                    role: None,
                };
                about.error(other)
            }
        }
    }
}
