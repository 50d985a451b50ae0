//! HTTP as SCIM uses it (RFC 7644 section 3): bounded in time and size, no redirects.

use std::sync::Arc;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH};
use reqwest::{Method, Request, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use url::Url;

use super::ScimOptions;
use super::errors::{About, Failure, Refusal, no_answer};
use crate::egress::{EgressClient, HttpOptions};
use crate::targets::TargetError;
use crate::targets::pace::Pace;
use crate::targets::patience::{Again, Patience};

/// The media type of RFC 7644 section 8.1.
const SCIM_JSON: &str = "application/scim+json";

/// The largest answer that is read: some 100,000 members of a group.
const LARGEST_ANSWER: usize = 16 << 20;

/// The most that is read of an answer of which only the status matters, so that its connection can be used again.
const LARGEST_ASIDE: usize = 64 << 10;

/// A JSON object.
pub(super) type Record = Map<String, Value>;

/// Speaks to one SCIM service.
#[derive(Debug)]
pub(super) struct Client {
    http: EgressClient,
    base: Url,
    authorization: HeaderValue,
    pace: Arc<Pace>,
}

/// A resource, with its version where the answer carries one.
#[derive(Debug)]
pub(super) struct Resource {
    /// The resource.
    pub record: Record,
    /// From `ETag`, or else from `meta.version` (RFC 7644 section 3.14).
    pub version: Option<String>,
}

/// What is read of a good answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// All of it.
    Whole,
    /// The status alone.
    Aside,
}

impl Client {
    pub fn new(options: &ScimOptions) -> Result<Self, TargetError> {
        let bad = |why: &str| TargetError::Misconfigured(why.to_owned());
        let mut base = Url::parse(&options.base_url).map_err(|_| bad("spec.scim.baseURL is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(bad("spec.scim.baseURL is not an http or https URL"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad(
                "spec.scim.baseURL carries credentials: put the token into the Secret",
            ));
        }
        base.set_query(None);
        base.set_fragment(None);
        // A token out of a file often ends with a line feed, which no header can carry.
        let token = options.token.expose_secret().trim();
        if token.is_empty() {
            return Err(bad("the bearer token is empty"));
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| bad("the bearer token holds characters that no header can carry"))?;
        authorization.set_sensitive(true);
        let http = HttpOptions {
            connect_timeout: options.connect_timeout,
            timeout: options.timeout,
            ..HttpOptions::default()
        };
        let http = options.egress.client(&http).map_err(|error| bad(&error.to_string()))?;
        Ok(Self {
            http,
            base,
            authorization,
            pace: options.pace.clone(),
        })
    }

    /// The URL of an endpoint, such as `Users`.
    pub fn endpoint(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(name);
        }
        url
    }

    /// The URL of a resource. Its id is one segment of the path, whatever it holds.
    pub fn resource(&self, endpoint: &str, id: &str) -> Result<Url, Failure> {
        // A path of `..` climbs, encoded or not, and an empty one is the whole collection.
        if matches!(id, "" | "." | "..") || id.len() > 512 {
            return Err(TargetError::Refused("an id that cannot be part of a URL".to_owned()).into());
        }
        let mut url = self.endpoint(endpoint);
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id);
        }
        Ok(url)
    }

    /// Reads a JSON object.
    pub async fn get(&self, url: Url, what: &'static str) -> Result<Resource, Failure> {
        let about = About {
            method: Method::GET,
            what,
            effect: false,
        };
        let (headers, body) = self.send(url, about, None, None, Reading::Whole).await?;
        let unreadable = || TargetError::Malformed(format!("GET of {what}: not a JSON object, or not all of it"));
        let record = serde_json::from_slice::<Record>(&body.ok_or_else(unreadable)?).map_err(|_| unreadable())?;
        let version = version(&headers, &record);
        Ok(Resource { record, version })
    }

    /// Asks whether a read is answered with 2xx, and looks at nothing more.
    pub async fn probe(&self, url: Url, what: &'static str) -> Result<(), Failure> {
        let about = About {
            method: Method::GET,
            what,
            effect: false,
        };
        self.send(url, about, None, None, Reading::Aside).await.map(|_| ())
    }

    /// Creates a resource; what came back, if it can be read.
    pub async fn post(&self, url: Url, body: &Value, what: &'static str) -> Result<Option<Record>, Failure> {
        let about = About {
            method: Method::POST,
            what,
            effect: true,
        };
        let (_, answer) = self.send(url, about, Some(body), None, Reading::Whole).await?;
        Ok(answer.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Changes a resource. Any 2xx is good, with a body or without; `version` guards against newer state.
    pub async fn change(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        version: Option<&str>,
        what: &'static str,
    ) -> Result<(), Failure> {
        let about = About {
            method,
            what,
            effect: true,
        };
        self.send(url, about, body, version, Reading::Aside).await.map(|_| ())
    }

    /// For a request that was not sent yet.
    pub fn patience(&self) -> Patience<'_> {
        Patience::new(&self.pace)
    }

    /// Adds to and takes from a set, by value: told twice it does no more.
    pub async fn change_set(&self, url: Url, body: &Value, what: &'static str) -> Result<(), Failure> {
        let mut patience = self.patience();
        loop {
            let done = self.change(Method::PATCH, url.clone(), Some(body), None, what).await;
            match done {
                Err(Failure::Answered(refusal)) if refusal.is_open() && patience.allows(Again::Soon).await => {}
                done => return done,
            }
        }
    }

    /// Of a good answer, the headers and the body, `None` where the body cannot be had whole.
    async fn send(
        &self,
        url: Url,
        about: About,
        body: Option<&Value>,
        version: Option<&str>,
        reading: Reading,
    ) -> Result<(HeaderMap, Option<Vec<u8>>), Failure> {
        let mut patience = self.patience();
        loop {
            let done = self.attempt(url.clone(), about.clone(), body, version, reading).await;
            match done.as_ref().err().and_then(again) {
                Some(again) if patience.allows(again).await => {}
                _ => return done,
            }
        }
    }

    /// One attempt. Of a good answer, the headers and the body, `None` where the body cannot be had whole.
    async fn attempt(
        &self,
        url: Url,
        about: About,
        body: Option<&Value>,
        version: Option<&str>,
        reading: Reading,
    ) -> Result<(HeaderMap, Option<Vec<u8>>), Failure> {
        let mut request = Request::new(about.method.clone(), url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static(SCIM_JSON));
        if let Some(version) = version.and_then(|version| HeaderValue::from_str(version).ok()) {
            headers.insert(IF_MATCH, version);
        }
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(SCIM_JSON));
            *request.body_mut() = Some(body.to_string().into());
        }
        let _permit = self.pace.ready().await;
        let answer = self.http.execute_while(request, self.pace.fence()).await;
        let mut answer = answer.map_err(|error| no_answer(&about, error))?;
        let status = answer.status();
        if !status.is_success() {
            let body = answer.read(LARGEST_ASIDE).await.unwrap_or_default();
            return Err(Failure::Answered(Refusal::new(about, status, answer.headers(), &body)));
        }
        let limit = match reading {
            Reading::Whole => LARGEST_ANSWER,
            Reading::Aside => LARGEST_ASIDE,
        };
        let body = if status == StatusCode::NO_CONTENT {
            None
        } else {
            answer.read(limit).await.ok()
        };
        Ok((answer.headers().clone(), body))
    }
}

/// Whether a request of which this came can be sent again as it is.
fn again(failure: &Failure) -> Option<Again> {
    let refusal = failure.refusal()?;
    match refusal.error() {
        TargetError::Throttled(pause) => Some(Again::Later(pause)),
        _ => refusal.failed_to_read().then_some(Again::Soon),
    }
}

fn version(headers: &HeaderMap, record: &Record) -> Option<String> {
    let header = headers.get(ETAG).and_then(|tag| tag.to_str().ok());
    let meta = || attribute(record, "meta")?.get("version")?.as_str();
    header
        .or_else(meta)
        .filter(|version| !version.is_empty())
        .map(str::to_owned)
}

/// Sets the query. Spaces become `%20`, which every server reads; `+` is left to forms.
pub(super) fn with_query(mut url: Url, pairs: &[(&str, &str)]) -> Url {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
        .replace('+', "%20");
    url.set_query(Some(&query));
    url
}

/// A string as a filter's value: JSON's string (RFC 7644 section 3.4.2.2), quotes and backslashes escaped.
pub(super) fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// An attribute by its name, which has no case (RFC 7643 section 2.1). Null is unassigned (section 2.5).
pub(super) fn attribute<'a>(record: &'a Record, name: &str) -> Option<&'a Value> {
    record
        .get(name)
        .or_else(|| {
            let mut others = record.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            others.next().map(|(_, value)| value)
        })
        .filter(|value| !value.is_null())
}

/// A string attribute, where it is one and not empty. A number is taken for its digits: some ids are numbers.
pub(super) fn text(record: &Record, name: &str) -> Option<String> {
    match attribute(record, name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::egress::Egress;

    fn options(base_url: &str, token: &str) -> ScimOptions {
        ScimOptions::new(base_url, token.to_owned().into(), Egress::default())
    }

    fn client(base_url: &str) -> Client {
        Client::new(&options(base_url, "t")).unwrap()
    }

    #[test]
    fn an_id_is_one_segment_of_the_path_whatever_it_holds() {
        for base in [
            "https://x.io/scim/v2",
            "https://x.io/scim/v2/",
            "https://x.io/scim/v2?a=b#c",
        ] {
            let client = client(base);
            assert_eq!(client.endpoint("Users").as_str(), "https://x.io/scim/v2/Users");
            for (id, segment) in [
                ("7", "7"),
                ("a/b", "a%2Fb"),
                ("../Groups", "..%2FGroups"),
                ("%2e%2e", "%252e%252e"),
                ("a?b#c", "a%3Fb%23c"),
                ("ada@x.io", "ada@x.io"),
            ] {
                let url = client.resource("Users", id).unwrap();
                assert_eq!(url.as_str(), format!("https://x.io/scim/v2/Users/{segment}"));
            }
            for id in ["", ".", ".."] {
                assert!(matches!(
                    client.resource("Users", id),
                    Err(Failure::Broken(TargetError::Refused(_)))
                ));
            }
        }
    }

    #[test]
    fn a_filter_value_cannot_end_its_quotes() {
        assert_eq!(
            literal(r#"a" or userName pr or x eq "\"#),
            r#""a\" or userName pr or x eq \"\\""#
        );
        assert_eq!(literal("Zoë\n"), "\"Zoë\\n\"");
        let url = with_query(
            client("http://x.io").endpoint("Users"),
            &[("filter", "userName eq \"a+b&c\"")],
        );
        assert_eq!(url.query(), Some("filter=userName%20eq%20%22a%2Bb%26c%22"));
    }

    #[test]
    fn a_base_url_or_token_that_cannot_work_is_said_at_once_and_without_the_token() {
        for (base, token) in [
            ("no url", "s3cr3t"),
            ("ftp://x.io", "s3cr3t"),
            ("https://u:s3cr3t@x.io", "s3cr3t"),
            ("https://x.io", " \n"),
            ("https://x.io", "s3cr3t\nX: y"),
        ] {
            let error = Client::new(&options(base, token)).unwrap_err();
            assert!(matches!(error, TargetError::Misconfigured(_)), "{base}");
            assert!(!error.to_string().contains("s3cr3t"));
        }
        let kept = Client::new(&options("https://x.io", "s3cr3t\n")).unwrap();
        assert!(!format!("{kept:?}").contains("s3cr3t"));
    }
}
