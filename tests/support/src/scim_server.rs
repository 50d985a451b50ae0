//! A real SCIM server: scim2-server, in a Python environment of its own.
//!
//! It keeps everything in memory and listens at `/v2` on a port of 127.0.0.1. It answers HTTP/1.0 and closes the connection
//! after each answer. It enforces what its service provider configuration announces:
//! - `patch` unsupported: PATCH is answered 501, PUT works;
//! - `filter` unsupported: a search with `filter` is answered 501; filters in the paths of PATCH still work;
//! - `sort` unsupported: a search with `sortBy` is answered 501;
//! - `bulk` unsupported: `POST /Bulk` is answered 501; too many operations or too large a body are answered 413;
//! - `etag` unsupported: neither an `ETag` header nor `meta.version` is given.

use crate::process::{Context as _, Error, PortLease, Process, Result, Spec, TempDir, http_client, lock, ready_while};
use crate::products::python_environment;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

const REQUIREMENTS: &str = include_str!("../scim-requirements.txt");
const START: Duration = Duration::from_mins(1);
const TRIES: usize = 3;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// How to run it.
#[derive(Debug, Clone, Default)]
pub struct ScimOptions {
    /// What it announces and so enforces; see [`service_provider_config`]. By default all but cursor pagination.
    pub service_provider_config: Option<Value>,
    /// The bearer token that it demands; by default a random one.
    pub bearer_token: Option<String>,
}

/// A service provider configuration that supports some features and not others.
pub fn service_provider_config(patch: bool, filter: bool, bulk: bool) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": patch},
        "bulk": {"supported": bulk, "maxOperations": 1000, "maxPayloadSize": 1_048_576},
        "filter": {"supported": filter, "maxResults": 1000},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "authenticationSchemes": [],
    })
}

/// A running server, with a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct ScimServer {
    process: Mutex<Option<Process>>,
    python: PathBuf,
    port: PortLease,
    token: String,
    config: Option<PathBuf>,
    dir: TempDir,
    client: reqwest::Client,
}

impl ScimServer {
    /// Starts one and waits until it answers. The first ever on a machine installs it.
    pub async fn start(options: ScimOptions) -> Result<ScimServer> {
        let python = python_environment("scim-server", "the SCIM server", REQUIREMENTS).await?;
        let token = options
            .bearer_token
            .unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
        let mut last = Error(String::new());
        for _ in 0..TRIES {
            let dir = TempDir::new("scim-server")?;
            let mut config = None;
            if let Some(value) = &options.service_provider_config {
                let path = dir.path().join("service-provider-config.json");
                std::fs::write(&path, value.to_string()).context(|| format!("write {}", path.display()))?;
                config = Some(path);
            }
            let server = ScimServer {
                process: Mutex::new(None),
                python: python.clone(),
                port: PortLease::new()?,
                token: token.clone(),
                config,
                dir,
                client: http_client()?,
            };
            match server.resume().await {
                Ok(()) => return Ok(server),
                Err(error) if error.0.contains("Address already in use") => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Ends it; nobody listens on its port then. What it held is lost. (For a target that is down and comes back with its
    /// data, block a [`Proxy`](crate::proxy::Proxy) before it.)
    pub fn stop(&self) {
        let process = lock(&self.process).take();
        drop(process);
    }

    /// Starts it again after [`stop`](ScimServer::stop), on the same port and with the same token, and empty.
    pub async fn resume(&self) -> Result<()> {
        let mut spec = Spec::new(&self.python)
            .args(["-m", "scim2_server.testserver.cli", "--hostname", "127.0.0.1"])
            .args(["--port", &self.port.port().to_string(), "--bearer-token", &self.token])
            .without_env("PYTHONPATH")
            .without_env("PYTHONHOME")
            .directory(self.dir.path());
        if let Some(config) = &self.config {
            spec = spec.arg("--service-provider-config").arg(config);
        }
        let process = Process::start(&spec, self.dir.path().join("scim-server.log"))?;
        let url = format!("{}/ServiceProviderConfig", self.base_url());
        ready_while(&url, START, None, Some(&self.token), &process).await?;
        *lock(&self.process) = Some(process);
        Ok(())
    }

    /// Its base: what precedes `/Users`.
    pub fn base_url(&self) -> String {
        format!("{}/v2", self.port.http_url())
    }

    /// The bearer token that it demands.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its output, a line for each request.
    pub fn logs(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("scim-server.log")).unwrap_or_default()
    }

    /// Sends any request, with the token; `path` is what follows the base. Gives the status and the body, null if empty.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let what = || format!("{method} {path}");
        let method = reqwest::Method::from_bytes(method.as_bytes()).context(what)?;
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base_url()))
            .bearer_auth(&self.token)
            .timeout(Duration::from_secs(30));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/scim+json")
                .body(body.to_string());
        }
        let answer = request.send().await.context(what)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.context(what)?;
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).context(what)?
        };
        Ok((status, value))
    }

    async fn expect(&self, wanted: &[u16], method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, value) = self.request(method, path, body).await?;
        if wanted.contains(&status) {
            return Ok(value);
        }
        Err(Error(format!("{method} {path}: {status} {value}")))
    }

    async fn create(&self, path: &str, body: &Value) -> Result<String> {
        let made = self.expect(&[201], "POST", path, Some(body)).await?;
        made["id"]
            .as_str()
            .map(Into::into)
            .ok_or_else(|| Error(format!("POST {path}: no id in {made}")))
    }

    /// Makes a user and gives its id.
    pub async fn create_user(&self, user_name: &str) -> Result<String> {
        self.create_user_with(json!({"userName": user_name, "active": true}))
            .await
    }

    /// Makes a user with these attributes (`schemas` may be left out) and gives its id.
    pub async fn create_user_with(&self, mut attributes: Value) -> Result<String> {
        if attributes.get("schemas").is_none() {
            attributes["schemas"] = json!([USER]);
        }
        self.create("/Users", &attributes).await
    }

    /// Makes an empty group and gives its id.
    pub async fn create_group(&self, display_name: &str) -> Result<String> {
        self.create("/Groups", &json!({"schemas": [GROUP], "displayName": display_name}))
            .await
    }

    /// Makes a user a member of a group, by hand and not by Rollcall. It works without PATCH too.
    pub async fn add_member(&self, group_id: &str, user_id: &str) -> Result<()> {
        let path = format!("/Groups/{group_id}");
        let mut group = self.expect(&[200], "GET", &path, None).await?;
        let mut members = group["members"].as_array().cloned().unwrap_or_default();
        members.push(json!({"value": user_id}));
        group["members"] = members.into();
        self.expect(&[200], "PUT", &path, Some(&group)).await.map(drop)
    }

    /// Removes a user from a group, by hand and not by Rollcall. It works without PATCH too.
    pub async fn remove_member(&self, group_id: &str, user_id: &str) -> Result<()> {
        let path = format!("/Groups/{group_id}");
        let mut group = self.expect(&[200], "GET", &path, None).await?;
        let mut members = group["members"].as_array().cloned().unwrap_or_default();
        members.retain(|member| member["value"] != user_id);
        group["members"] = members.into();
        self.expect(&[200], "PUT", &path, Some(&group)).await.map(drop)
    }

    /// All users, with their default attributes.
    pub async fn users(&self) -> Result<Vec<Value>> {
        self.list("/Users?").await
    }

    /// The user of this name, whatever its case.
    pub async fn user(&self, user_name: &str) -> Result<Option<Value>> {
        let is = |user: &Value| {
            user["userName"]
                .as_str()
                .is_some_and(|name| name.eq_ignore_ascii_case(user_name))
        };
        Ok(self.users().await?.into_iter().find(is))
    }

    /// All groups, with their members. They are asked for by name, since servers may leave them out else.
    pub async fn groups(&self) -> Result<Vec<Value>> {
        self.list("/Groups?attributes=displayName,externalId,members&").await
    }

    /// Follows the pages, without filters, which may be unsupported.
    async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let page = self
                .expect(&[200], "GET", &format!("{path}startIndex={}", all.len() + 1), None)
                .await?;
            let resources = page["Resources"].as_array().cloned().unwrap_or_default();
            let empty = resources.is_empty();
            all.extend(resources);
            if empty
                || page["totalResults"]
                    .as_u64()
                    .is_none_or(|total| all.len() as u64 >= total)
            {
                return Ok(all);
            }
        }
    }

    /// The user names of the members of the group of this name, sorted; of a member that is no user any more, its id.
    pub async fn members(&self, display_name: &str) -> Result<Vec<String>> {
        let groups = self.groups().await?;
        let group = groups
            .iter()
            .find(|group| group["displayName"] == display_name)
            .ok_or_else(|| Error(format!("there is no group {display_name}")))?;
        let users = self.users().await?;
        let names: BTreeMap<&str, &str> = users
            .iter()
            .filter_map(|user| Some((user["id"].as_str()?, user["userName"].as_str()?)))
            .collect();
        let members = group["members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|member| member["value"].as_str());
        let mut found: Vec<String> = members.map(|id| (*names.get(id).unwrap_or(&id)).to_owned()).collect();
        found.sort();
        Ok(found)
    }
}
