//! Kinto, a store of records over REST, with accounts and groups, in memory.
//!
//! Everything that is read carries an `ETag`, and every write may carry If-Match (412 if it is no longer so) or
//! `If-None-Match: *` (412 if it exists). The members of a group are a set that a PUT or a PATCH replaces whole. Members
//! of one group are written `account:ada`, and one whose account is deleted stays.

use super::install::python_environment;
use super::secret;
use super::server::{Answer, Server, headed, json, names, strings};
use crate::process::Result;
use serde_json::{Value, json as value};

const REQUIREMENTS: &str = include_str!("../../products/kinto/requirements.txt");
const CONFIG: &str = include_str!("../../products/kinto/kinto.ini");
const ADMIN: &str = "admin";
const BUCKET: &str = "company";

/// A running Kinto with an administrator and the empty bucket `company`, and a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct Kinto {
    server: Server,
    password: String,
}

impl Kinto {
    /// Starts one, in about a second. The first ever on a machine installs it.
    pub async fn start() -> Result<Kinto> {
        let python = python_environment("kinto", "Kinto", REQUIREMENTS).await?;
        let server = Server::start("kinto", 1, async |server: &mut Server| {
            let port = server.port(0).to_string();
            server.write("kinto.ini", &CONFIG.replace("PORT", &port).replace("SECRET", &secret()))?;
            let spec = server.spec(&python).args(["-m", "pyramid.scripts.pserve", "kinto.ini"]);
            server.run(&spec)?;
            server.ready(&format!("{}/v1/__heartbeat__", server.url()), None).await
        })
        .await?;
        let kinto = Kinto {
            server,
            password: secret(),
        };
        // The first account is made by nobody, and what it may do stands in the configuration by its name.
        let account = value!({"data": {"password": kinto.password}});
        let path = format!("/v1/accounts/{ADMIN}");
        let made = kinto
            .server
            .send("PUT", &path, |request| json(request, Some(&account)))
            .await?;
        made.wanted(&[201], "make the administrator")?;
        let made = kinto.request("PUT", &format!("/buckets/{BUCKET}"), &[], None).await?;
        made.wanted(&[201], "make a bucket")?;
        Ok(kinto)
    }

    /// Its base: what precedes `/accounts`.
    pub fn url(&self) -> String {
        format!("{}/v1", self.server.url())
    }

    /// The administrator's name, for basic authentication.
    pub fn user(&self) -> &'static str {
        ADMIN
    }

    /// The administrator's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The bucket that is there for groups.
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// Its output.
    pub fn logs(&self) -> String {
        self.server.logs()
    }

    /// The directory in which it works. It goes away with it.
    pub fn dir(&self) -> &std::path::Path {
        self.server.dir()
    }

    /// Sends any request as administrator, with headers such as `If-Match`; `path` is what follows the base.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        self.server
            .send(method, &format!("/v1{path}"), |request| {
                json(headed(request.basic_auth(ADMIN, Some(&self.password)), headers), body)
            })
            .await
    }

    /// The names of all accounts but the administrator's, sorted.
    pub async fn accounts(&self) -> Result<Vec<String>> {
        let answer = self.request("GET", "/accounts", &[], None).await?;
        let mut names = names(&answer.wanted(&[200], "list accounts")?["data"], "id");
        names.retain(|name| name != ADMIN);
        Ok(names)
    }

    /// Makes a group of the bucket, without members.
    pub async fn create_group(&self, group: &str) -> Result<()> {
        let headers = [("if-none-match", "*")];
        let body = value!({"data": {"members": []}});
        let made = self.request("PUT", &path(group), &headers, Some(&body)).await?;
        made.wanted(&[201], "make a group").map(drop)
    }

    /// The members of a group of the bucket, sorted, each with its `account:`.
    pub async fn members(&self, group: &str) -> Result<Vec<String>> {
        let answer = self.request("GET", &path(group), &[], None).await?;
        Ok(strings(&answer.wanted(&[200], "read a group")?["data"]["members"]))
    }
}

fn path(group: &str) -> String {
    format!("/buckets/{BUCKET}/groups/{group}")
}
