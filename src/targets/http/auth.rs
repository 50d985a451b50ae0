//! How calls are authenticated. Secrets live here and in the requests, and are never printed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request as Sendable};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::answers::{Answer, Purpose, Verdict, judge};
use super::client::Wire;
use super::request::{With, build};
use super::speech::Speech;
use crate::api::http::{ClientAuthentication, HttpAuth, LoginAuth, OAuth2Auth};
use crate::decide::definition::{Answers, Login};
use crate::decide::expression::Values;
use crate::targets::TargetError;

/// The names that secrets go by between whoever reads them and here.
pub mod secret {
    /// The bearer token.
    pub const TOKEN: &str = "token";
    /// The password.
    pub const PASSWORD: &str = "password";
    /// The value of a header.
    pub const VALUE: &str = "value";
    /// The secret of an OAuth client.
    pub const CLIENT: &str = "client";
}

/// A token is renewed this long before it ends, or a quarter of its life before, whichever is less.
const LEEWAY: Duration = Duration::from_mins(1);

/// Puts credentials on requests.
pub(super) struct Auth {
    way: Way,
    /// The lock is held while a token is fetched: who comes meanwhile waits for that one.
    token: Mutex<Option<Token>>,
}

enum Way {
    None,
    Fixed(HeaderName, HeaderValue),
    OAuth2(Box<OAuth2Auth>, Url, SecretString),
    Login(Box<LoginAuth>, Box<Login>, BTreeMap<String, SecretString>),
}

struct Token {
    header: (HeaderName, HeaderValue),
    ends: Option<Instant>,
    /// Which one it is, so that one refusal renews it once.
    number: u64,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

fn bad(why: &str) -> TargetError {
    TargetError::Misconfigured(why.to_owned())
}

fn sensitive(text: &str) -> Result<HeaderValue, TargetError> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| bad("the credential holds characters that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn name(name: &str) -> Result<HeaderName, TargetError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| bad("the header of spec.http.auth has no name that a header can have"))
}

impl Auth {
    /// From the settings and the secrets, by the names in [`secret`], or those of a login call.
    pub fn new(
        auth: Option<&HttpAuth>,
        login: Option<&Login>,
        secrets: &BTreeMap<String, SecretString>,
    ) -> Result<Self, TargetError> {
        let secret = |name: &str| {
            let secret = secrets.get(name).map(|secret| secret.expose_secret().trim());
            secret
                .filter(|secret| !secret.is_empty())
                .ok_or_else(|| bad("the credential is empty"))
        };
        let way = match auth {
            None => Way::None,
            Some(HttpAuth { bearer: Some(_), .. }) => {
                Way::Fixed(AUTHORIZATION, sensitive(&format!("Bearer {}", secret(secret::TOKEN)?))?)
            }
            Some(HttpAuth { basic: Some(basic), .. }) => {
                let password = match &basic.password_secret_ref {
                    Some(_) => secret(secret::PASSWORD)?,
                    None => "",
                };
                let pair = BASE64.encode(format!("{}:{password}", basic.username).as_bytes());
                Way::Fixed(AUTHORIZATION, sensitive(&format!("Basic {pair}"))?)
            }
            Some(HttpAuth {
                header: Some(header), ..
            }) => {
                let value = format!("{}{}", header.prefix, secret(secret::VALUE)?);
                Way::Fixed(name(&header.name)?, sensitive(&value)?)
            }
            Some(HttpAuth {
                oauth2: Some(oauth), ..
            }) => {
                let url =
                    Url::parse(&oauth.token_url).map_err(|_| bad("spec.http.auth.oauth2.tokenURL is not a URL"))?;
                Way::OAuth2(Box::new(oauth.clone()), url, secret(secret::CLIENT)?.to_owned().into())
            }
            Some(HttpAuth {
                login: Some(settings), ..
            }) => {
                let login = login.ok_or_else(|| bad("spec.http.auth.login was not compiled"))?;
                name(&settings.header)?;
                Way::Login(Box::new(settings.clone()), Box::new(login.clone()), secrets.clone())
            }
            Some(_) => return Err(bad("spec.http.auth sets none of its ways: set one")),
        };
        Ok(Self {
            way,
            token: Mutex::new(None),
        })
    }

    /// Whether a refusal may be mended by another token.
    pub fn renews(&self) -> bool {
        matches!(self.way, Way::OAuth2(..) | Way::Login(..))
    }

    /// Puts credentials on a request. Returns which token that was, for [`Auth::refuse`].
    pub async fn apply(&self, wire: &Wire, request: &mut Sendable) -> Result<u64, TargetError> {
        match &self.way {
            Way::None => Ok(0),
            Way::Fixed(name, value) => {
                request.headers_mut().insert(name.clone(), value.clone());
                Ok(0)
            }
            Way::OAuth2(..) | Way::Login(..) => {
                let mut known = self.token.lock().await;
                let number = known.as_ref().map_or(0, |token| token.number);
                let good = known
                    .as_ref()
                    .is_some_and(|token| token.ends.is_none_or(|ends| Instant::now() < ends));
                if !good {
                    *known = None;
                    *known = Some(self.fetch(wire, number + 1).await?);
                }
                let Some(token) = known.as_ref() else {
                    return Err(bad("there is no token"));
                };
                let (name, value) = token.header.clone();
                request.headers_mut().insert(name, value);
                Ok(token.number)
            }
        }
    }

    /// Says that the token of this number was refused: the next request gets another.
    pub async fn refuse(&self, number: u64) {
        let mut known = self.token.lock().await;
        if let Some(token) = known.as_mut().filter(|token| token.number == number) {
            token.ends = Some(Instant::now());
        }
    }

    async fn fetch(&self, wire: &Wire, number: u64) -> Result<Token, TargetError> {
        let asked = Instant::now();
        let (header, seconds) = match &self.way {
            Way::OAuth2(oauth, url, secret) => client_credentials(wire, oauth, url, secret).await?,
            Way::Login(settings, login, secrets) => log_in(wire, settings, login, secrets).await?,
            Way::None | Way::Fixed(..) => return Err(bad("there is no token")),
        };
        let ends = seconds.map(|seconds| {
            let life = Duration::from_secs(seconds.min(365 * 86_400));
            asked + life.saturating_sub(LEEWAY.min(life / 4))
        });
        Ok(Token { header, ends, number })
    }
}

type Fetched = ((HeaderName, HeaderValue), Option<u64>);

/// The request of the client credentials grant (RFC 6749 section 4.4).
fn token_request(oauth: &OAuth2Auth, url: &Url, secret: &SecretString) -> Result<Sendable, TargetError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !oauth.scopes.is_empty() {
        form.append_pair("scope", &oauth.scopes.join(" "));
    }
    form.extend_pairs(&oauth.fields);
    let mut request = Sendable::new(Method::POST, url.clone());
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    match oauth.client_authentication {
        ClientAuthentication::Basic => {
            // Each is encoded as in a form first (RFC 6749 section 2.3.1).
            let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encode(&oauth.client_id), encode(secret.expose_secret()));
            headers.insert(
                AUTHORIZATION,
                sensitive(&format!("Basic {}", BASE64.encode(pair.as_bytes())))?,
            );
        }
        ClientAuthentication::Body => {
            form.append_pair("client_id", &oauth.client_id);
            form.append_pair("client_secret", secret.expose_secret());
        }
    }
    *request.body_mut() = Some(form.finish().into());
    Ok(request)
}

async fn client_credentials(
    wire: &Wire,
    oauth: &OAuth2Auth,
    url: &Url,
    secret: &SecretString,
) -> Result<Fetched, TargetError> {
    let request = token_request(oauth, url, secret)?;
    let answer = ask(wire, request, &Answers::default(), "the request for a token").await?;
    let body = &answer.response["body"];
    let token = body["access_token"].as_str().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| TargetError::Malformed("the token endpoint gives no access_token".to_owned()))?;
    let kind = body["token_type"].as_str().unwrap_or("Bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(bad(
            "the token endpoint gives tokens of a kind other than Bearer, and others cannot be used",
        ));
    }
    let header = (AUTHORIZATION, sensitive(&format!("Bearer {token}"))?);
    Ok((header, seconds(&body["expires_in"])))
}

async fn log_in(
    wire: &Wire,
    settings: &LoginAuth,
    login: &Login,
    secrets: &BTreeMap<String, SecretString>,
) -> Result<Fetched, TargetError> {
    let known = secrets
        .iter()
        .map(|(name, secret)| (name.clone(), Json::from(secret.expose_secret().trim())));
    let speech = Speech::default().record("secret", known.collect());
    let request = build(&wire.base, &wire.headers, &login.request, &speech, With::default())?;
    let answer = ask(wire, request, &login.request.answers, "the login call").await?;
    let values = Values::new().json("response", &answer.response);
    let unreadable = |_| TargetError::Malformed("no token can be read of the answer to the login call".to_owned());
    let token = login
        .token
        .text(&values)
        .map_err(unreadable)?
        .filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| unreadable(String::new()))?;
    let seconds = match &login.expires_in {
        None => None,
        Some(reading) => reading
            .evaluate(&values)
            .map_err(unreadable)?
            .as_ref()
            .and_then(seconds),
    };
    let header = (
        name(&settings.header)?,
        sensitive(&format!("{}{token}", settings.prefix))?,
    );
    Ok((header, seconds))
}

/// A refusal of the request for a token is a refusal of the credentials, whatever 4xx says it.
async fn ask(wire: &Wire, request: Sendable, answers: &Answers, words: &str) -> Result<Answer, TargetError> {
    let raw = wire.send_privately(request, words).await?;
    match judge(&raw, answers, Purpose::Read, words).map_err(TargetError::from) {
        Ok(answer) if matches!(answer.verdict, Verdict::Good) => Ok(answer),
        Ok(_) => Err(TargetError::Misconfigured(format!(
            "{words} was answered {}: look at its address in spec.http.auth",
            raw.status.as_u16()
        ))),
        Err(TargetError::Refused(why) | TargetError::NoSeat(why)) => Err(TargetError::Unauthorized(why)),
        Err(error) => Err(error),
    }
}

fn seconds(value: &Json) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
