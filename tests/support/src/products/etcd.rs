//! etcd's users and roles, over its JSON gateway, with authentication on.
//!
//! Everything is a POST. A login call yields a token that goes into `Authorization` as it is, without `Bearer`, and dies
//! after a time without use. What is already so and what is not there are both answered 400, told apart by the
//! message; a token that is no longer good is 401, and none at all is 400.

use super::secret;
use super::server::{Answer, Server, json, strings};
use crate::control_plane::Binaries;
use crate::process::{Error, Result};
use serde_json::{Value, json as value};
use std::time::Duration;

const ADMIN: &str = "root";

/// A running etcd, with a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct Etcd {
    server: Server,
    password: String,
}

impl Etcd {
    /// Starts the one that also serves the control plane, in about a second. Its tokens live for `token_lifetime`
    /// without being used, in whole seconds.
    pub async fn start(token_lifetime: Duration) -> Result<Etcd> {
        let program = Binaries::find().await?.path("etcd");
        let server = Server::start("etcd", 2, async |server: &mut Server| {
            let client = server.url();
            let peer = format!("http://127.0.0.1:{}", server.port(1));
            let spec = server
                .spec(&program)
                .arg("--data-dir")
                .arg(server.dir().join("data"))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &format!("default={peer}")])
                .args(["--auth-token-ttl", &token_lifetime.as_secs().max(1).to_string()])
                .args(["--unsafe-no-fsync", "--log-level", "warn"]);
            server.run(&spec)?;
            server.ready(&format!("{client}/readyz"), None).await
        })
        .await?;
        let etcd = Etcd {
            server,
            password: secret(),
        };
        for (path, body) in [
            ("user/add", value!({"name": ADMIN, "password": etcd.password})),
            ("role/add", value!({"name": ADMIN})),
            ("user/grant", value!({"user": ADMIN, "role": ADMIN})),
            ("enable", value!({})),
        ] {
            etcd.post(path, None, &body).await?.wanted(&[200], path)?;
        }
        Ok(etcd)
    }

    /// Its base: what precedes `/user/add`.
    pub fn url(&self) -> String {
        format!("{}/v3/auth", self.server.url())
    }

    /// Where a POST of `{"name": ..., "password": ...}` yields a `token`, for `Authorization`.
    pub fn login_url(&self) -> String {
        format!("{}/authenticate", self.url())
    }

    /// The administrator's name.
    pub fn user(&self) -> &'static str {
        ADMIN
    }

    /// The administrator's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Its output.
    pub fn logs(&self) -> String {
        self.server.logs()
    }

    /// The directory in which it works. It goes away with it.
    pub fn dir(&self) -> &std::path::Path {
        self.server.dir()
    }

    /// Logs in and gives the token.
    pub async fn log_in(&self) -> Result<String> {
        let body = value!({"name": ADMIN, "password": self.password});
        let answer = self.post("authenticate", None, &body).await?;
        let token = answer.wanted(&[200], "log in")?;
        token["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Error(format!("log in: no token in {token}")))
    }

    /// Sends any request, with a token or without; `path` is what follows the base.
    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer> {
        self.server
            .send("POST", &format!("/v3/auth/{path}"), |request| {
                let request = json(request, Some(body));
                match token {
                    Some(token) => request.header("authorization", token),
                    None => request,
                }
            })
            .await
    }

    /// Sends any request as administrator, logging in for it; `path` is what follows the base.
    pub async fn request(&self, path: &str, body: &Value) -> Result<Answer> {
        let token = self.log_in().await?;
        self.post(path, Some(&token), body).await
    }

    /// The names of all users but the administrator, sorted.
    pub async fn users(&self) -> Result<Vec<String>> {
        let answer = self.request("user/list", &value!({})).await?;
        let mut names = strings(&answer.wanted(&[200], "list users")?["users"]);
        names.retain(|name| name != ADMIN);
        Ok(names)
    }

    /// Makes a role that allows nothing.
    pub async fn create_role(&self, name: &str) -> Result<()> {
        let made = self.request("role/add", &value!({"name": name})).await?;
        made.wanted(&[200], "make a role").map(drop)
    }

    /// The roles of a user, sorted; none if there is no such user.
    pub async fn roles(&self, user: &str) -> Result<Option<Vec<String>>> {
        let answer = self.request("user/get", &value!({"name": user})).await?;
        let gone = answer.body["message"]
            .as_str()
            .is_some_and(|message| message.contains("not found"));
        if answer.status == 400 && gone {
            return Ok(None);
        }
        Ok(Some(strings(&answer.wanted(&[200], "read a user")?["roles"])))
    }
}
