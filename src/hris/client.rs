//! The HTTP client: credentials, pages, budget and back-off.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::error::HrisError;
use super::models::{AccountDetails, SyncStatus};
use crate::api::hris_connection::{Merge, Region};

/// The largest answer that is taken in, in bytes. A page of 100 employees has some 200 KB.
const BODY_MAX: usize = 32 << 20;
/// The most pages of one list: 500,000 rows at 100 a page.
const PAGES_MAX: u32 = 5_000;
/// Merge's upper bound on `page_size`.
const PAGE_SIZE_MAX: u32 = 100;
/// How often an answer that cannot be used is asked for again: it may have been cut on the way, or be what it is.
const MALFORMED_RETRIES: usize = 2;

/// The base URL up to and with `/api/hris/v1`: that of the region, or the one that is written.
pub fn base_url(merge: &Merge) -> &str {
    match (&merge.base_url, merge.region) {
        (Some(url), _) => url,
        (None, Some(Region::EU)) => "https://api-eu.merge.dev/api/hris/v1",
        (None, Some(Region::APAC)) => "https://api-ap.merge.dev/api/hris/v1",
        (None, Some(Region::US) | None) => "https://api.merge.dev/api/hris/v1",
    }
}

/// How to reach one linked account.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Base URL up to and with `/api/hris/v1`; see [`base_url`].
    pub base_url: String,
    /// The Merge API key. White space around it is ignored, as files end in a newline.
    pub api_key: SecretString,
    /// The token of the linked account; white space likewise.
    pub account_token: SecretString,
    /// The most requests in any minute, tries included. Default 100, Merge's smallest plan; at least 1.
    pub requests_per_minute: u32,
    /// Rows a page. Default 100, the most that Merge gives.
    pub page_size: u32,
    /// How patient to be.
    pub patience: Patience,
}

impl ClientOptions {
    /// These credentials at this base URL, with defaults for the rest.
    pub fn new(base_url: impl Into<String>, api_key: SecretString, account_token: SecretString) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            account_token,
            requests_per_minute: 100,
            page_size: PAGE_SIZE_MAX,
            patience: Patience::default(),
        }
    }
}

/// How long to wait, and how often to try again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection. Default 10 s.
    pub connect: Duration,
    /// For one whole answer. Default 60 s.
    pub answer: Duration,
    /// Tries after the first one, where the failure may pass. Default 4.
    pub retries: usize,
    /// The pause before the second try, which doubles from try to try, with jitter. Default 1 s.
    pub first_pause: Duration,
    /// The longest pause, and the longest `Retry-After` that is waited for rather than given up on. Default 90 s;
    /// Merge asks for 60 s when it throttles.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            retries: 4,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(90),
        }
    }
}

/// Which rows of a list to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListParams {
    /// Only rows that Merge changed after this instant, by Merge's clock.
    pub modified_after: Option<Timestamp>,
    /// Also rows that the HR system deleted, which Merge hides otherwise.
    pub include_deleted: bool,
}

/// A list, read to its end.
#[derive(Clone, Debug, Default)]
pub struct Listing<T> {
    /// The rows in Merge's order.
    pub rows: Vec<T>,
    /// How many pages it took.
    pub pages: u32,
    /// Merge's clock when the list began: the `Date` header of its first answer, to the second.
    pub started_at: Option<Timestamp>,
}

/// A client of one linked account. All calls share its budget of requests.
pub struct MergeClient {
    http: reqwest::Client,
    base: Url,
    limiter: DefaultDirectRateLimiter,
    page_size: u32,
    patience: Patience,
}

impl fmt::Debug for MergeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeClient").finish_non_exhaustive()
    }
}

impl MergeClient {
    /// A client with these options. Nothing is sent.
    ///
    /// # Errors
    /// [`HrisError::Options`] where the base URL is none, or a credential cannot be sent in a header.
    pub fn new(options: &ClientOptions) -> Result<Self, HrisError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let key = options.api_key.expose_secret().trim();
        headers.insert(AUTHORIZATION, secret("the API key", key, &format!("Bearer {key}"))?);
        let token = options.account_token.expose_secret().trim();
        headers.insert("x-account-token", secret("the account token", token, token)?);

        let mut base = Url::parse(&options.base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| HrisError::Options("merge.baseURL is not an http or https URL".to_owned()))?;
        base.set_query(None);
        base.set_fragment(None);
        let http = reqwest::Client::builder()
            .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .connect_timeout(options.patience.connect)
            .timeout(options.patience.answer)
            .build()
            .map_err(|error| HrisError::Options(format!("no HTTP client can be made: {}", cause(error))))?;
        Ok(Self {
            http,
            base,
            limiter: RateLimiter::direct(quota(options.requests_per_minute)),
            page_size: options.page_size.clamp(1, PAGE_SIZE_MAX),
            patience: options.patience,
        })
    }

    /// Reads a list to its end: `employees`, `employments`, `groups`, `locations`, `companies`.
    ///
    /// # Errors
    /// Whatever keeps the list from being read whole. Half a list is never returned.
    pub async fn list<T: DeserializeOwned>(&self, model: &str, params: ListParams) -> Result<Listing<T>, HrisError> {
        let mut query = vec![("page_size", self.page_size.to_string())];
        if params.include_deleted {
            query.push(("include_deleted_data", "true".to_owned()));
        }
        if let Some(after) = params.modified_after {
            query.push(("modified_after", after.to_string()));
        }
        self.pages(model, query).await
    }

    /// How Merge's own syncs with the HR system stand, model by model.
    ///
    /// # Errors
    /// As for [`Self::list`].
    pub async fn sync_status(&self) -> Result<Listing<SyncStatus>, HrisError> {
        self.pages("sync-status", vec![("page_size", self.page_size.to_string())])
            .await
    }

    /// The linked account.
    ///
    /// # Errors
    /// As for [`Self::list`].
    pub async fn account_details(&self) -> Result<AccountDetails, HrisError> {
        let model = "account-details";
        let url = self.url(model, &[], None)?;
        let read = |body: Value| {
            let known = ["id", "status", "integration"];
            if !known.iter().any(|name| body.get(name).is_some()) {
                return Err("it describes no account");
            }
            serde_json::from_value(body).map_err(|_| "it describes no account")
        };
        Ok(self.get(model, &url, read).await?.0)
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        model: &str,
        query: Vec<(&'static str, String)>,
    ) -> Result<Listing<T>, HrisError> {
        let mut listing = Listing {
            rows: Vec::new(),
            pages: 0,
            started_at: None,
        };
        let mut cursor: Option<String> = None;
        let mut seen = HashSet::new();
        loop {
            let url = self.url(model, &query, cursor.as_deref())?;
            let read = self.get(model, &url, read_page::<T>).await;
            let ((rows, next), date) = read.map_err(|error| match error {
                // Merge answers a cursor that it does not know with 404.
                HrisError::NotFound { .. } if cursor.is_some() => {
                    paging(model, "Merge does not know the page that its last one named")
                }
                other => other,
            })?;
            if listing.pages == 0 {
                listing.started_at = date;
            }
            listing.pages += 1;
            listing.rows.extend(rows);
            let Some(next) = next else {
                return Ok(listing);
            };
            if !seen.insert(next.clone()) {
                return Err(paging(model, "a page names one that was read before"));
            }
            if listing.pages >= PAGES_MAX {
                return Err(paging(model, "there are more than 5,000"));
            }
            cursor = Some(next);
        }
    }

    fn url(&self, model: &str, query: &[(&str, String)], cursor: Option<&str>) -> Result<Url, HrisError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| HrisError::Options("merge.baseURL is not an http or https URL".to_owned()))?
            .pop_if_empty()
            .push(model);
        if !query.is_empty() || cursor.is_some() {
            let mut pairs = url.query_pairs_mut();
            pairs.extend_pairs(query);
            if let Some(cursor) = cursor {
                pairs.append_pair("cursor", cursor);
            }
        }
        Ok(url)
    }

    /// One GET, tried again while that may help; `read` judges the body, and its refusal counts as a failed try.
    async fn get<R>(
        &self,
        model: &str,
        url: &Url,
        read: impl Fn(Value) -> Result<R, &'static str>,
    ) -> Result<(R, Option<Timestamp>), HrisError> {
        let patience = self.patience;
        let pauses = ExponentialBuilder::new()
            .with_min_delay(patience.first_pause)
            .with_max_delay(patience.longest_pause)
            .with_max_times(patience.retries)
            .with_jitter();
        let mut malformed_tries = 0;
        let attempt = || async {
            let (body, date) = self.attempt(model, url).await?;
            read(body)
                .map(|read| (read, date))
                .map_err(|what| malformed(model, what))
        };
        attempt
            .retry(pauses)
            .when(|error: &HrisError| {
                malformed_tries += usize::from(matches!(error, HrisError::Malformed { .. }));
                // A wait that is longer than our patience is the next sync's to wait for.
                let too_long = error.retry_after().is_some_and(|wait| wait > patience.longest_pause);
                error.is_passing() && malformed_tries <= MALFORMED_RETRIES && !too_long
            })
            .adjust(|error, pause| pause.map(|pause| error.retry_after().map_or(pause, |wait| wait.max(pause))))
            .notify(|error, pause| tracing::debug!(%error, ?pause, "asking Merge again"))
            .await
    }

    async fn attempt(&self, model: &str, url: &Url) -> Result<(Value, Option<Timestamp>), HrisError> {
        let unreachable = |error: reqwest::Error| HrisError::Unreachable {
            model: model.to_owned(),
            cause: cause(error),
        };
        self.limiter.until_ready().await;
        let mut response = self.http.get(url.clone()).send().await.map_err(unreachable)?;
        let date = response.headers().get(DATE).and_then(http_date);
        let model_name = || model.to_owned();
        match response.status().as_u16() {
            200 => {}
            status @ (401 | 403) => {
                return Err(HrisError::Unauthorized {
                    model: model_name(),
                    status,
                });
            }
            404 => return Err(HrisError::NotFound { model: model_name() }),
            status => {
                let wait = response.headers().get(RETRY_AFTER);
                let retry_after = wait.and_then(|value| retry_after(value, date.unwrap_or_else(Timestamp::now)));
                let model = model_name();
                return Err(if status == 429 {
                    HrisError::Throttled { model, retry_after }
                } else {
                    HrisError::Status {
                        model,
                        status,
                        retry_after,
                    }
                });
            }
        }
        // Read in pieces, since a body may be endless and its announced length wrong.
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(HrisError::TooLarge {
                    model: model_name(),
                    limit: BODY_MAX,
                });
            }
            body.extend_from_slice(&chunk);
        }
        // The parser's own words quote the body, so they stay here.
        let body = serde_json::from_slice(&body).map_err(|_| malformed(model, "it is not JSON, or was cut short"))?;
        Ok((body, date))
    }
}

/// A page's rows and the cursor of the next one.
type Page<T> = (Vec<T>, Option<String>);

fn read_page<T: DeserializeOwned>(body: Value) -> Result<Page<T>, &'static str> {
    let Value::Object(mut page) = body else {
        return Err("it is no page of a list");
    };
    // An error told with status 200 lands here.
    let Some(Value::Array(results)) = page.remove("results") else {
        return Err("it has no results");
    };
    let next = match page.remove("next") {
        None | Some(Value::Null) => None,
        Some(Value::String(next)) => Some(cursor_of(next)?).filter(|cursor| !cursor.is_empty()),
        Some(_) => return Err("its next page has no name"),
    };
    let rows = results
        .into_iter()
        .filter(|row| !row.is_null())
        .map(|row| match row {
            Value::Object(_) => serde_json::from_value(row).map_err(|_| "a row cannot be read"),
            _ => Err("a row is no object"),
        })
        .collect::<Result<_, _>>()?;
    Ok((rows, next))
}

/// The cursor in `next`, which is a cursor, or a URL with one. The URL itself is never followed.
fn cursor_of(next: String) -> Result<String, &'static str> {
    if !next.starts_with("http://") && !next.starts_with("https://") {
        return Ok(next);
    }
    let url = Url::parse(&next).map_err(|_| "its next page is a broken URL")?;
    url.query_pairs()
        .find(|(name, _)| name == "cursor")
        .map(|(_, cursor)| cursor.into_owned())
        .ok_or("its next page is a URL without a cursor")
}

fn malformed(model: &str, what: &'static str) -> HrisError {
    HrisError::Malformed {
        model: model.to_owned(),
        what,
    }
}

fn paging(model: &str, what: &'static str) -> HrisError {
    HrisError::Paging {
        model: model.to_owned(),
        what,
    }
}

/// A header that is left out of debug output.
fn secret(name: &str, given: &str, value: &str) -> Result<HeaderValue, HrisError> {
    if given.is_empty() {
        return Err(HrisError::Options(format!("{name} is empty")));
    }
    let mut header = HeaderValue::from_str(value).map_err(|_| {
        HrisError::Options(format!(
            "{name} has characters that cannot be sent, such as a line break within"
        ))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// At most `per_minute` requests in any 60 s: a burst of a tenth, and the rest spread, so that burst and refill
/// together stay within the minute.
fn quota(per_minute: u32) -> Quota {
    let per_minute = per_minute.max(1);
    let burst = NonZeroU32::new(per_minute / 10).unwrap_or(NonZeroU32::MIN);
    let refill = NonZeroU32::new(per_minute - burst.get() + 1).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(refill).allow_burst(burst)
}

fn http_date(value: &HeaderValue) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(value.as_bytes()).ok()
}

/// `Retry-After`: seconds, or a date on the clock of whoever sent it.
fn retry_after(value: &HeaderValue, sent: Timestamp) -> Option<Duration> {
    let seconds = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    seconds.map(Duration::from_secs).or_else(|| {
        let until = http_date(value)?.duration_since(sent);
        Some(Duration::try_from(until).unwrap_or_default())
    })
}

/// What the network said, without the URL, which may hold a cursor.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "it takes too long".to_owned();
    }
    let error = error.without_url();
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
