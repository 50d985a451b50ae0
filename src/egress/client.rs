//! HTTP through the walls: one attempt a call, bounded in size and time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::{Body, ClientBuilder, Request, Response, StatusCode, redirect};

use super::fence::{Closed, Fence, Fenced};
use super::names::{Names, Refused, Vetted};
use super::rules::Rules;

/// The most headers of an answer; one with more is no answer. Their size is bounded by the HTTP library, at some 400 KB.
const HEADERS_MAX: usize = 100;

/// How patient to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// How long a connection may take, the look-up of the name and TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a request may take from its start to the last byte of its answer, however slowly that drips. Default 30 s.
    pub timeout: Duration,
    /// How long an idle connection is kept. Default 10 s: many services drop theirs after 20 s, and a request that meets
    /// such a connection ends with nobody knowing whether it was done.
    pub idle: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            idle: Duration::from_secs(10),
        }
    }
}

/// Why there is no answer, or not all of one. No message holds a secret, a path or a word of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Nothing was sent, and nothing will be before somebody changes the URL or the operator's flags. Says how to mend it.
    #[error("{0}")]
    Refused(String),
    /// Nothing was sent: no connection; says why.
    #[error("no connection ({0})")]
    NotSent(String),
    /// The request may have been sent, and no whole answer came.
    #[error("{why}")]
    NoAnswer {
        /// Whether time ran out.
        late: bool,
        /// What the network said.
        why: String,
    },
    /// The answer is larger than was asked for, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Sends requests to where the rules let it, and nowhere else: what it is made of is never handed out.
#[derive(Clone)]
pub struct EgressClient {
    rules: Arc<Rules>,
    sealed: reqwest::Client,
    clear: reqwest::Client,
}

impl fmt::Debug for EgressClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressClient").finish_non_exhaustive()
    }
}

impl EgressClient {
    pub(super) fn new(rules: &Arc<Rules>, names: &Arc<dyn Names>, options: &HttpOptions) -> Result<Self, EgressError> {
        // Two, since the one that looks names up is not told the scheme, and plain http reaches less.
        let builder = |clear| {
            reqwest::Client::builder()
                .dns_resolver(Vetted {
                    rules: rules.clone(),
                    names: names.clone(),
                    clear,
                })
                .no_proxy()
                .redirect(redirect::Policy::none())
                // One attempt a call: what may be repeated is the caller's to know.
                .retry(reqwest::retry::never())
                .connect_timeout(options.connect_timeout)
                .timeout(options.timeout)
                .pool_idle_timeout(options.idle)
                .http1_max_headers(HEADERS_MAX)
                .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
        };
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|_| {
                EgressError::Refused(
                    "no HTTP client can be made: install the certificates of authorities (ca-certificates) where the operator \
                     runs"
                        .to_owned(),
                )
            })
        };
        Ok(Self {
            rules: rules.clone(),
            sealed: build(builder(false).https_only(true))?,
            // It never speaks TLS, so the system's certificates need not be read again.
            clear: build(builder(true).tls_certs_only([]))?,
        })
    }

    /// Sends one request, once.
    ///
    /// # Errors
    /// As [`EgressError`] says. An answer of any status is an answer.
    pub async fn execute(&self, request: Request) -> Result<Answer, EgressError> {
        // Here for the sake of addresses, which are connected to without a look-up.
        self.rules.admit(request.url()).map_err(EgressError::Refused)?;
        let client = match request.url().scheme() {
            "https" => &self.sealed,
            _ => &self.clear,
        };
        let response = client.execute(request).await.map_err(unanswered)?;
        Ok(Answer { response })
    }

    /// Sends one request, once, unless `fence` says no at the last moment: when the connection stands and the body is
    /// about to be written. One without a body is asked about before that.
    ///
    /// # Errors
    /// As [`EgressError`] says; [`EgressError::NotSent`] where the fence says no.
    pub async fn execute_while(&self, mut request: Request, fence: &Fence) -> Result<Answer, EgressError> {
        if !fence() {
            return Err(EgressError::NotSent(Closed.to_string()));
        }
        let bytes = request.body().and_then(Body::as_bytes).map(Bytes::copy_from_slice);
        if let Some(bytes) = bytes {
            *request.body_mut() = Some(Body::wrap(Fenced::new(bytes, fence)));
        }
        self.execute(request).await
    }
}

/// The status and headers of an answer, whose body is still to be read.
#[derive(Debug)]
pub struct Answer {
    response: Response,
}

impl Answer {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Reads the body, as it was sent: nothing is decompressed.
    ///
    /// # Errors
    /// [`EgressError::TooLarge`] where it has more than `limit` bytes, and [`EgressError::NoAnswer`] where it breaks off or
    /// time runs out.
    pub async fn read(&mut self, limit: usize) -> Result<Vec<u8>, EgressError> {
        let announced = self
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        if announced
            .and_then(|length| length.parse().ok())
            .is_some_and(|length: usize| length > limit)
        {
            return Err(EgressError::TooLarge(limit));
        }
        // In pieces, since a body may be endless and its announced length left out.
        let mut body = Vec::new();
        while let Some(chunk) = self.response.chunk().await.map_err(unanswered)? {
            if body.len() + chunk.len() > limit {
                return Err(EgressError::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// What it means that there is no answer, or not all of one.
fn unanswered(error: reqwest::Error) -> EgressError {
    let error = error.without_url();
    if error.is_builder() {
        return EgressError::Refused("the request cannot be built: look at the URL".to_owned());
    }
    let mut deepest: &(dyn std::error::Error + 'static) = &error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
        if let Some(Refused(why)) = cause.downcast_ref() {
            return EgressError::Refused(why.clone());
        }
        if let Some(closed) = cause.downcast_ref::<Closed>() {
            return EgressError::NotSent(closed.to_string());
        }
    }
    let late = error.is_timeout();
    // An operating system's or a library's words, which hold nothing of ours.
    let why = if late {
        "it takes too long".to_owned()
    } else {
        deepest.to_string().chars().take(160).collect()
    };
    if error.is_connect() {
        EgressError::NotSent(why)
    } else {
        EgressError::NoAnswer { late, why }
    }
}
