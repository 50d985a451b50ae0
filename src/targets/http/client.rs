//! Sends what a definition describes, bounded in time and size, through the walls.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use reqwest::Request as Sendable;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::answers::{Answer, Failure, Purpose, Raw, judge, no_answer};
use super::auth::Auth;
use super::request::{With, build};
use super::speech::Speech;
use super::watch::{Exchange, Watch};
use crate::decide::definition::Request;
use crate::egress::{EgressClient, HttpOptions};
use crate::targets::TargetError;
use crate::targets::http::HttpTargetOptions;
use crate::targets::pace::Pace;
use crate::targets::patience::{Again, Patience};

/// The largest answer to a read: some 50,000 records on a page.
const LARGEST_ANSWER: usize = 16 << 20;
/// The largest answer to an effect.
const LARGEST_RECEIPT: usize = 1 << 20;

/// The way to an API, without credentials.
pub(super) struct Wire {
    http: EgressClient,
    pace: Arc<Pace>,
    pub base: Url,
    pub headers: HeaderMap,
    pub watch: Option<Watch>,
}

/// Speaks to one API.
pub(super) struct Client {
    pub wire: Wire,
    auth: Auth,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Wire {
    /// One request, once.
    pub async fn send(&self, request: Sendable, purpose: Purpose, words: &str) -> Result<Raw, TargetError> {
        self.exchange(request, purpose, words, false).await
    }

    /// One request about credentials, once.
    pub async fn send_privately(&self, request: Sendable, words: &str) -> Result<Raw, TargetError> {
        self.exchange(request, Purpose::Read, words, true).await
    }

    async fn exchange(
        &self,
        request: Sendable,
        purpose: Purpose,
        words: &str,
        private: bool,
    ) -> Result<Raw, TargetError> {
        let _permit = self.pace.ready().await;
        let Some(watch) = &self.watch else {
            return self.attempt(request, purpose, words).await;
        };
        let (method, url) = (request.method().clone(), request.url().clone());
        let sent = request.body().and_then(|body| body.as_bytes()).map(<[u8]>::to_vec);
        let began = Instant::now();
        let answer = self.attempt(request, purpose, words).await;
        watch.show(&Exchange {
            method: method.as_str(),
            url: &url,
            status: answer.as_ref().ok().map(|raw| raw.status.as_u16()),
            took: began.elapsed(),
            private,
            sent: sent.as_deref(),
            answered: answer.as_ref().ok().and_then(|raw| raw.body.as_deref()),
        });
        answer
    }

    async fn attempt(&self, request: Sendable, purpose: Purpose, words: &str) -> Result<Raw, TargetError> {
        let answer = self.http.execute_while(request, self.pace.fence()).await;
        let mut answer = answer.map_err(|error| no_answer(error, purpose, words))?;
        let status = answer.status();
        let limit = match purpose {
            Purpose::Read => LARGEST_ANSWER,
            Purpose::Effect => LARGEST_RECEIPT,
        };
        // The status of a refusal counts, whatever becomes of its body; that of a good one says that it was done.
        let body = match answer.read(limit).await {
            Ok(body) => Some(body),
            Err(error) if purpose == Purpose::Read && status.is_success() => {
                return Err(no_answer(error, purpose, words));
            }
            Err(_) => None,
        };
        Ok(Raw {
            status,
            headers: answer.headers().clone(),
            body,
        })
    }
}

impl Client {
    pub fn new(options: &HttpTargetOptions) -> Result<Self, TargetError> {
        let bad = |why: &str| TargetError::Misconfigured(why.to_owned());
        let mut base = Url::parse(&options.api.base_url).map_err(|_| bad("spec.http.baseURL is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(bad("spec.http.baseURL is not an http or https URL"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad(
                "spec.http.baseURL carries credentials: put them under spec.http.auth",
            ));
        }
        base.set_query(None);
        base.set_fragment(None);
        let mut headers = HeaderMap::new();
        for (name, value) in &options.definition.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value);
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(bad("spec.http.headers holds what no header can carry"));
            };
            headers.insert(name, value);
        }
        let http = HttpOptions {
            timeout: options.definition.timeout,
            ..HttpOptions::default()
        };
        let http = options.egress.client(&http).map_err(|error| bad(&error.to_string()))?;
        let login = options.definition.login.as_ref();
        Ok(Self {
            auth: Auth::new(options.api.auth.as_ref(), login, &options.secrets)?,
            wire: Wire {
                http,
                pace: options.pace.clone(),
                base,
                headers,
                watch: None,
            },
        })
    }

    /// Sends what `request` describes and reads the answer. `words` names it, for people.
    pub async fn call(
        &self,
        request: &Request,
        speech: &Speech,
        purpose: Purpose,
        with: With<'_>,
        words: &str,
    ) -> Result<Answer, Failure> {
        let sendable = self.build(request, speech, with)?;
        self.send(sendable, request, purpose, words).await
    }

    pub fn build(&self, request: &Request, speech: &Speech, with: With<'_>) -> Result<Sendable, TargetError> {
        build(&self.wire.base, &self.wire.headers, request, speech, with)
    }

    /// Sends a request that was built; with another token, once, where the first is refused: nothing was done then. And as it
    /// is where the answer says that nothing came of it.
    pub async fn send(
        &self,
        sendable: Sendable,
        request: &Request,
        purpose: Purpose,
        words: &str,
    ) -> Result<Answer, Failure> {
        let words = format!("{words}: {}", sendable.method());
        let mut renews = self.auth.renews();
        let mut patience = Patience::new(&self.wire.pace);
        loop {
            let mut attempt = super::request::at(&sendable, sendable.url().clone());
            let token = match self.auth.apply(&self.wire, &mut attempt).await {
                Ok(token) => token,
                Err(error) => match again(&error.clone().into(), Purpose::Read) {
                    Some(again) if patience.allows(again).await => continue,
                    _ => return Err(error.into()),
                },
            };
            let raw = self.wire.send(attempt, purpose, &words).await?;
            match judge(&raw, &request.answers, purpose, &words) {
                Err(Failure::Error(TargetError::Unauthorized(_))) if renews => {
                    renews = false;
                    self.auth.refuse(token).await;
                }
                Err(failure) => match again(&failure, purpose) {
                    Some(again) if patience.allows(again).await => {}
                    _ => return Err(failure),
                },
                judged => return judged,
            }
        }
    }

    /// Whether the credentials yield a token, where one must be fetched.
    pub async fn can_log_in(&self) -> Result<(), TargetError> {
        let mut request = Sendable::new(reqwest::Method::GET, self.wire.base.clone());
        self.auth.apply(&self.wire, &mut request).await.map(|_| ())
    }
}

/// Whether a request of whose answer this came can be sent again as it is.
fn again(failure: &Failure, purpose: Purpose) -> Option<Again> {
    match failure {
        Failure::Error(TargetError::Throttled(pause)) => Some(Again::Later(*pause)),
        Failure::Error(TargetError::Unreachable(_) | TargetError::Malformed(_)) if purpose == Purpose::Read => {
            Some(Again::Soon)
        }
        _ => None,
    }
}
