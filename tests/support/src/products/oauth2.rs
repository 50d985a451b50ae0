//! An issuer of OAuth 2 tokens for client credentials: oauth2-mock-server, with a script that makes it mind secrets.

use super::install::{NodePackages, node_packages};
use super::secret;
use super::server::{Answer, Server, form};
use crate::process::{Context as _, Result};
use std::path::Path;
use std::time::Duration;

const PACKAGE: &str = include_str!("../../products/oauth2/package.json");
const LOCK: &str = include_str!("../../products/oauth2/package-lock.json");
const SCRIPT: &str = include_str!("../../products/oauth2/issuer.mjs");
const CLIENT: &str = "rollcall";

/// How it issues tokens.
#[derive(Debug, Clone)]
pub struct OAuth2Options {
    /// How long a token lives, in whole seconds. By default 300 s, which is the shortest that products are known for.
    pub lifetime: Duration,
    /// The audience that must be asked for, by `audience`, `resource` or `aud`; by default any or none.
    pub audience: Option<String>,
}

impl Default for OAuth2Options {
    fn default() -> OAuth2Options {
        OAuth2Options {
            lifetime: Duration::from_mins(5),
            audience: None,
        }
    }
}

/// A request for a token, as the issuer saw it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct TokenRequest {
    /// `client_credentials`.
    pub grant_type: String,
    /// How the client said who it is: `basic` for a header, `body` for parameters.
    pub credentials: String,
    /// The scopes that were asked for, separated by spaces.
    pub scope: Option<String>,
    /// The audience that was asked for.
    pub audience: Option<String>,
    /// The status of the answer: 200, 401 for a wrong secret, 400 for a wrong audience.
    pub status: u16,
    /// The token that was issued.
    pub token: Option<String>,
}

/// A running issuer, with a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct OAuth2Mock {
    server: Server,
    secret: String,
}

impl OAuth2Mock {
    /// Starts one, in about half a second. The first ever on a machine installs it.
    pub async fn start(options: OAuth2Options) -> Result<OAuth2Mock> {
        let packages = NodePackages {
            name: "oauth2-mock",
            what: "oauth2-mock-server",
            package_json: PACKAGE,
            package_lock: LOCK,
            inputs: &[SCRIPT],
        };
        let (node, directory) = node_packages(packages, async |directory: &Path| {
            let path = directory.join("issuer.mjs");
            std::fs::write(&path, SCRIPT).context(|| format!("write {}", path.display()))
        })
        .await?;
        let client_secret = secret();
        let server = Server::start("oauth2-mock", 1, async |server: &mut Server| {
            let spec = server
                .spec(&node)
                .arg(directory.join("issuer.mjs"))
                .env("ROLLCALL_PORT", server.port(0).to_string())
                .env("ROLLCALL_CLIENT", CLIENT)
                .env("ROLLCALL_SECRET", &client_secret)
                .env("ROLLCALL_LIFETIME", options.lifetime.as_secs().max(1).to_string())
                .env("ROLLCALL_AUDIENCE", options.audience.as_deref().unwrap_or_default());
            server.run(&spec)?;
            let url = format!("{}/.well-known/openid-configuration", server.url());
            server.ready(&url, None).await
        })
        .await?;
        Ok(OAuth2Mock {
            server,
            secret: client_secret,
        })
    }

    /// Where tokens are to be had.
    pub fn token_url(&self) -> String {
        format!("{}/token", self.server.url())
    }

    /// Where its public keys are, for who checks its tokens.
    pub fn keys_url(&self) -> String {
        format!("{}/jwks", self.server.url())
    }

    /// The client that may ask.
    pub fn client_id(&self) -> &'static str {
        CLIENT
    }

    /// Its secret.
    pub fn client_secret(&self) -> &str {
        &self.secret
    }

    /// The directory in which it works. It goes away with it.
    pub fn dir(&self) -> &Path {
        self.server.dir()
    }

    /// Asks for a token with a secret of one's own choice, in a header, and with more parameters.
    pub async fn ask(&self, secret: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
        let all = [&[("grant_type", "client_credentials")], parameters].concat();
        self.server
            .send("POST", "/token", |request| {
                form(request.basic_auth(CLIENT, Some(secret)), &all)
            })
            .await
    }

    /// Every request for a token so far, in their order.
    pub fn requests(&self) -> Vec<TokenRequest> {
        let logs = self.server.logs();
        logs.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}
