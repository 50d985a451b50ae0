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
use reqwest::{Method, Request};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::error::HrisError;
use super::models::{AccountDetails, Row, SyncStatus};
use super::options::PAGE_SIZE_MAX;
pub use super::options::{ClientOptions, Patience, base_url};
use super::page::read_page;
use crate::api::hris_connection::CustomField;
use crate::egress::{EgressClient, EgressError, HttpOptions};

/// The largest answer that is taken in, in bytes. A page of 100 employees has some 200 KB.
const BODY_MAX: usize = 32 << 20;
/// The most pages of one list: 500,000 rows at 100 a page.
const PAGES_MAX: u32 = 5_000;
/// How often an answer that cannot be used is asked for again: it may have been cut on the way, or be what it is.
const MALFORMED_RETRIES: usize = 2;

/// Which rows of a list to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListParams<'a> {
    /// Only rows that Merge changed after this instant, by Merge's clock.
    pub modified_after: Option<Timestamp>,
    /// Also rows that the HR system deleted, which Merge hides otherwise.
    pub include_deleted: bool,
    /// The custom fields to read off each row. The HR system's own data are asked for if one of them comes from there.
    pub custom_fields: &'a [CustomField],
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
    http: EgressClient,
    headers: HeaderMap,
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
        let http = HttpOptions {
            connect_timeout: options.patience.connect,
            timeout: options.patience.answer,
            ..HttpOptions::default()
        };
        let http = options
            .egress
            .client(&http)
            .map_err(|error| HrisError::Options(error.to_string()))?;
        Ok(Self {
            http,
            headers,
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
    pub async fn list<T: Row>(&self, model: &str, params: ListParams<'_>) -> Result<Listing<T>, HrisError> {
        let mut query = vec![("page_size", self.page_size.to_string())];
        if params.include_deleted {
            query.push(("include_deleted_data", "true".to_owned()));
        }
        if let Some(after) = params.modified_after {
            query.push(("modified_after", after.to_string()));
        }
        if params.custom_fields.iter().any(|field| field.remote_data.is_some()) {
            query.push(("include_remote_data", "true".to_owned()));
        }
        self.pages(model, query, |row| T::read(row, params.custom_fields)).await
    }

    /// How Merge's own syncs with the HR system stand, model by model.
    ///
    /// # Errors
    /// As for [`Self::list`].
    pub async fn sync_status(&self) -> Result<Listing<SyncStatus>, HrisError> {
        let query = vec![("page_size", self.page_size.to_string())];
        self.pages("sync-status", query, serde_json::from_value).await
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

    async fn pages<T>(
        &self,
        model: &str,
        query: Vec<(&'static str, String)>,
        read_row: impl Fn(Value) -> serde_json::Result<T>,
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
            let read = self.get(model, &url, |body| read_page(body, &read_row)).await;
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
        let mut request = Request::new(Method::GET, url.clone());
        request.headers_mut().clone_from(&self.headers);
        self.limiter.until_ready().await;
        let answer = self.http.execute(request).await;
        let mut response = answer.map_err(|error| unanswered(model, error))?;
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
        let body = response.read(BODY_MAX).await;
        let body = body.map_err(|error| unanswered(model, error))?;
        // The parser's own words quote the body, so they stay here.
        let body = serde_json::from_slice(&body).map_err(|_| malformed(model, "it is not JSON, or was cut short"))?;
        Ok((body, date))
    }
}

fn unanswered(model: &str, error: EgressError) -> HrisError {
    let model = model.to_owned();
    match error {
        EgressError::Refused(why) => HrisError::Refused(why),
        EgressError::NotSent(cause) | EgressError::NoAnswer { why: cause, .. } => {
            HrisError::Unreachable { model, cause }
        }
        EgressError::TooLarge(limit) => HrisError::TooLarge { model, limit },
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use axum::Router;
    use axum::body::Body;
    use axum::response::Response;
    use secrecy::SecretString;

    use super::*;
    use crate::api::hris_connection::{Merge, Region};
    use crate::egress::{Egress, Rules};
    use crate::hris::models::{EmployeeRow, GroupRow};

    type Script = Arc<Mutex<(VecDeque<Response>, Vec<String>)>>;

    /// A server that gives these answers one after the other, and then 418; what it is asked for is kept.
    async fn server(answers: Vec<Response>) -> (String, Script) {
        let script: Script = Arc::new(Mutex::new((answers.into(), Vec::new())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/hris/v1/", listener.local_addr().unwrap());
        let kept = Arc::clone(&script);
        let app = Router::new().fallback(move |request: axum::extract::Request| async move {
            let mut script = kept.lock().unwrap();
            script.1.push(request.uri().to_string());
            script.0.pop_front().unwrap_or_else(|| answer(418, &[], "{}"))
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        (url, script)
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Body::from(body.to_owned())).unwrap()
    }

    fn ok(body: &str) -> Response {
        answer(200, &[], body)
    }

    fn loopback() -> Egress {
        Egress::new(Rules::opening(&["127.0.0.0/8"]).unwrap())
    }

    fn client(url: &str) -> MergeClient {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let mut options = ClientOptions::new(url, secret("key-CANARY\n"), secret(" token-CANARY\n"), loopback());
        options.requests_per_minute = 60_000;
        options.patience.first_pause = Duration::from_millis(2);
        options.patience.longest_pause = Duration::from_secs(3);
        MergeClient::new(&options).unwrap()
    }

    async fn list(url: &str) -> Result<Listing<EmployeeRow>, HrisError> {
        client(url).list("employees", ListParams::default()).await
    }

    fn asked(script: &Script) -> Vec<String> {
        script.lock().unwrap().1.clone()
    }

    #[tokio::test]
    async fn parameters_stay_the_same_on_every_page() {
        let date = [("date", "Mon, 23 Nov 2026 06:00:00 GMT")];
        let (url, script) = server(vec![
            answer(200, &date, r#"{"next": "a=", "results": [{"id": "1"}]}"#),
            ok(r#"{"next": "http://x.example/?cursor=b%3D", "results": []}"#),
            ok(r#"{"next": null, "results": [{"id": "2"}]}"#),
        ])
        .await;
        let params = ListParams {
            modified_after: Some("2026-11-23T05:00:00Z".parse().unwrap()),
            include_deleted: true,
            custom_fields: &[],
        };
        let listing = client(&url).list::<GroupRow>("groups", params).await.unwrap();
        assert_eq!((listing.rows.len(), listing.pages), (2, 3));
        assert_eq!(listing.started_at, Some("2026-11-23T06:00:00Z".parse().unwrap()));
        let query =
            "/api/hris/v1/groups?page_size=100&include_deleted_data=true&modified_after=2026-11-23T05%3A00%3A00Z";
        let expected = [
            query.to_owned(),
            format!("{query}&cursor=a%3D"),
            format!("{query}&cursor=b%3D"),
        ];
        assert_eq!(asked(&script), expected);
    }

    #[tokio::test]
    async fn pages_that_go_round_in_circles_are_left() {
        let pages = ["a", "b", "a"].map(|next| ok(&format!(r#"{{"next": "{next}", "results": []}}"#)));
        let (url, script) = server(pages.into()).await;
        assert!(matches!(list(&url).await, Err(HrisError::Paging { .. })));
        assert_eq!(asked(&script).len(), 3);
    }

    #[tokio::test]
    async fn a_cursor_that_is_not_known_is_not_a_missing_list() {
        let lost = || answer(404, &[], r#"{"detail": "Invalid cursor"}"#);
        let (url, _) = server(vec![ok(r#"{"next": "a", "results": []}"#), lost()]).await;
        assert!(matches!(list(&url).await, Err(HrisError::Paging { .. })));
        let (url, _) = server(vec![lost()]).await;
        assert!(matches!(list(&url).await, Err(HrisError::NotFound { .. })));
    }

    #[tokio::test]
    async fn redirects_are_not_followed_and_refusals_not_repeated() {
        for status in [301, 302, 307, 400, 401, 403, 404] {
            let to = [("location", "http://127.0.0.1:1/")];
            let (url, script) = server(vec![answer(status, &to, "CANARY")]).await;
            let error = list(&url).await.unwrap_err();
            assert_eq!(asked(&script).len(), 1, "{status}: {error}");
            assert!(!error.is_passing());
        }
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_a_bounded_number_of_times() {
        for (status, body, tries) in [
            (500, "", 5),
            (408, "", 5),
            (429, "", 5),
            (200, "<html>", 3),
            (200, "{}", 3),
        ] {
            let (url, script) = server((0..9).map(|_| answer(status, &[], body)).collect()).await;
            assert!(list(&url).await.is_err());
            assert_eq!(asked(&script).len(), tries, "{status} {body}");
        }
    }

    #[tokio::test]
    async fn retry_after_is_honoured_as_seconds_and_as_a_date_and_not_beyond_patience() {
        let page = || ok(r#"{"results": []}"#);
        let date = ("date", "Mon, 23 Nov 2026 06:00:00 GMT");
        for (status, wait) in [(429, "1"), (503, "Mon, 23 Nov 2026 06:00:01 GMT")] {
            let (url, _) = server(vec![answer(status, &[date, ("retry-after", wait)], ""), page()]).await;
            let start = Instant::now();
            list(&url).await.unwrap();
            assert!(start.elapsed() >= Duration::from_secs(1), "{wait}");
        }
        let (url, script) = server(vec![answer(429, &[("retry-after", "4")], ""), page()]).await;
        let error = list(&url).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(4)));
        assert_eq!(
            error.to_string(),
            "Merge throttles requests for employees (status 429) and asks to wait 4 s"
        );
        assert_eq!(asked(&script).len(), 1);
        // A date gone by, and nonsense, wait no longer than usual.
        for wait in ["Mon, 23 Nov 2026 05:00:00 GMT", "soon", "-1", ""] {
            let (url, _) = server(vec![answer(429, &[date, ("retry-after", wait)], ""), page()]).await;
            list(&url).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_endless_answer_is_left() {
        let large = "x".repeat(BODY_MAX + 1);
        let (url, script) = server(vec![ok(&large)]).await;
        assert!(matches!(list(&url).await, Err(HrisError::TooLarge { .. })));
        assert_eq!(asked(&script).len(), 1);
    }

    #[tokio::test]
    async fn i9_no_error_holds_a_credential_a_url_or_an_answer() {
        let bodies = [
            "CANARY",
            r#"{"detail": "CANARY"}"#,
            r#"{"results": ["CANARY"]}"#,
            r#"{"next": "http://CANARY", "results": []}"#,
        ];
        let mut errors = Vec::new();
        for status in [200, 302, 400, 401, 404, 429, 500] {
            for body in bodies {
                let (url, _) = server((0..9).map(|_| answer(status, &[], body)).collect()).await;
                errors.push(list(&url).await.unwrap_err());
            }
        }
        errors.push(list("http://127.0.0.1:1/CANARY").await.unwrap_err());
        let broken = ClientOptions::new("CANARY", SecretString::from("a"), SecretString::from("b"), loopback());
        errors.push(MergeClient::new(&broken).unwrap_err());
        let broken = ClientOptions::new(
            "http://h",
            SecretString::from("CANARY\nb"),
            SecretString::from("b"),
            loopback(),
        );
        errors.push(MergeClient::new(&broken).unwrap_err());
        for error in errors {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("CANARY") && !text.contains("127.0.0.1"), "{text}");
        }
        let client = client("http://127.0.0.1:1/");
        assert!(!format!("{client:?}").contains("CANARY"));
    }

    #[test]
    fn the_budget_holds_in_any_minute() {
        for per_minute in [0, 1, 2, 9, 10, 100, 400, 60_000] {
            let quota = quota(per_minute);
            let burst = u64::from(quota.burst_size().get());
            let refilled = Duration::from_mins(1)
                .as_nanos()
                .div_ceil(quota.replenish_interval().as_nanos())
                - 1;
            let most = burst + u64::try_from(refilled).unwrap();
            // The interval is whole nanoseconds, which can let one more through at high rates.
            assert!(most <= u64::from(per_minute.max(1)) + 1, "{per_minute}: {most}");
        }
    }

    #[test]
    fn each_region_has_its_place() {
        let region = |region| Merge {
            region: Some(region),
            base_url: None,
        };
        assert_eq!(base_url(&region(Region::US)), "https://api.merge.dev/api/hris/v1");
        assert_eq!(base_url(&region(Region::EU)), "https://api-eu.merge.dev/api/hris/v1");
        assert_eq!(base_url(&region(Region::APAC)), "https://api-ap.merge.dev/api/hris/v1");
        let own = Merge {
            region: None,
            base_url: Some("http://proxy/hris".into()),
        };
        assert_eq!(base_url(&own), "http://proxy/hris");
    }
}
