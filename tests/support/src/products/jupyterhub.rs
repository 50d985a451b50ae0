//! `JupyterHub` without its proxy and without anybody who logs in: users and groups over REST.

use super::install::python_environment;
use super::secret;
use super::server::{Answer, Server, json, names, strings};
use crate::process::Result;
use serde_json::Value;
use std::collections::BTreeMap;

const REQUIREMENTS: &str = include_str!("../../products/jupyterhub/requirements.txt");
const CONFIG: &str = include_str!("../../products/jupyterhub/config.py");

/// A running hub, with a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct JupyterHub {
    server: Server,
    token: String,
}

impl JupyterHub {
    /// Starts one, in about two seconds. The first ever on a machine installs it.
    pub async fn start() -> Result<JupyterHub> {
        let python = python_environment("jupyterhub", "JupyterHub", REQUIREMENTS).await?;
        let token = secret();
        let server = Server::start("jupyterhub", 1, async |server: &mut Server| {
            server.write("config.py", CONFIG)?;
            let spec = server
                .spec(&python)
                .args(["-m", "jupyterhub", "-f", "config.py"])
                .env("ROLLCALL_PORT", server.port(0).to_string())
                .env("ROLLCALL_TOKEN", &token)
                .env("ROLLCALL_COOKIE_SECRET", secret());
            server.run(&spec)?;
            server.ready(&format!("{}/hub/api/", server.url()), None).await
        })
        .await?;
        Ok(JupyterHub { server, token })
    }

    /// Its base: what precedes `/users`.
    pub fn url(&self) -> String {
        format!("{}/hub/api", self.server.url())
    }

    /// The token of a service that may manage users and groups, for `Authorization: token`, or `Bearer`.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its output, a line for each request.
    pub fn logs(&self) -> String {
        self.server.logs()
    }

    /// The directory in which it works. It goes away with it.
    pub fn dir(&self) -> &std::path::Path {
        self.server.dir()
    }

    /// Sends any request as that service; `path` is what follows the base.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.server
            .send(method, &format!("/hub/api{path}"), |request| {
                json(request.header("authorization", format!("token {}", self.token)), body)
            })
            .await
    }

    /// The names of all users, sorted.
    pub async fn users(&self) -> Result<Vec<String>> {
        let answer = self.request("GET", "/users", None).await?;
        Ok(names(&answer.wanted(&[200], "list users")?, "name"))
    }

    /// The members of each group, sorted.
    pub async fn groups(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let answer = self.request("GET", "/groups", None).await?;
        let groups = answer.wanted(&[200], "list groups")?;
        let groups = groups.as_array().into_iter().flatten();
        Ok(groups
            .filter_map(|group| Some((group["name"].as_str()?.to_owned(), strings(&group["users"]))))
            .collect())
    }
}
