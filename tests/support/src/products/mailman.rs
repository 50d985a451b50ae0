//! GNU Mailman's API: mailing lists and who is on them. No mail is sent or taken.
//!
//! Bodies are forms. What is made is answered 201 with an empty body and its address in `Location`. A subscription
//! that is not confirmed beforehand is answered 202 with a token and waits for the person: it is in the list's requests
//! and not among its members. A second subscription is answered 409, a second user 400. Where a list is empty, its
//! `entries` are missing.

use super::install::python_environment;
use super::secret;
use super::server::{Answer, Server, form, names};
use crate::process::Result;
use serde_json::Value;

const REQUIREMENTS: &str = include_str!("../../products/mailman/requirements.txt");
const CONFIG: &str = include_str!("../../products/mailman/mailman.cfg");
const RUN: &str = include_str!("../../products/mailman/run.py");
const ADMIN: &str = "admin";
const DOMAIN: &str = "example.com";

/// A running Mailman with the domain `example.com`, and a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct Mailman {
    server: Server,
    password: String,
}

impl Mailman {
    /// Starts one, in about two seconds. The first ever on a machine installs it.
    pub async fn start() -> Result<Mailman> {
        let python = python_environment("mailman", "Mailman", REQUIREMENTS).await?;
        let password = secret();
        let server = Server::start("mailman", 1, async |server: &mut Server| {
            let directory = server.dir().join("data").display().to_string();
            let config = CONFIG
                .replace("DIRECTORY", &directory)
                .replace("PORT", &server.port(0).to_string())
                .replace("PASSWORD", &password);
            server.write("mailman.cfg", &config)?;
            server.write("run.py", RUN)?;
            let spec = server
                .spec(&python)
                .args(["run.py", "-C", "mailman.cfg", "--runner=rest:0:1"]);
            server.run(&spec)?;
            let address = format!("{ADMIN}:{password}@127.0.0.1:{}", server.port(0));
            server.ready(&format!("http://{address}/3.1/system"), None).await
        })
        .await?;
        let mailman = Mailman { server, password };
        let made = mailman.request("POST", "/domains", &[("mail_host", DOMAIN)]).await?;
        made.wanted(&[201], "make a domain")?;
        Ok(mailman)
    }

    /// Its base: what precedes `/members`.
    pub fn url(&self) -> String {
        format!("{}/3.1", self.server.url())
    }

    /// The administrator's name, for basic authentication.
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

    /// Sends a form as administrator, or nothing if it is empty; `path` is what follows the base.
    pub async fn request(&self, method: &str, path: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
        self.server
            .send(method, &format!("/3.1{path}"), |request| {
                form(request.basic_auth(ADMIN, Some(&self.password)), parameters)
            })
            .await
    }

    /// Makes a list of the domain and gives its id.
    pub async fn create_list(&self, name: &str) -> Result<String> {
        let address = format!("{name}@{DOMAIN}");
        let made = self.request("POST", "/lists", &[("fqdn_listname", &address)]).await?;
        made.wanted(&[201], "make a list")?;
        Ok(format!("{name}.{DOMAIN}"))
    }

    async fn emails(&self, path: &str) -> Result<Vec<String>> {
        let answer = self.request("GET", path, &[]).await?;
        let page: Value = answer.wanted(&[200], path)?;
        Ok(names(&page["entries"], "email"))
    }

    /// The email addresses of a list's members, sorted.
    pub async fn members(&self, list: &str) -> Result<Vec<String>> {
        self.emails(&format!("/lists/{list}/roster/member")).await
    }

    /// The email addresses of those who have yet to confirm that they want to be on a list, sorted.
    pub async fn pending(&self, list: &str) -> Result<Vec<String>> {
        self.emails(&format!("/lists/{list}/requests")).await
    }

    /// All email addresses that it knows, sorted.
    pub async fn addresses(&self) -> Result<Vec<String>> {
        self.emails("/addresses").await
    }
}
