//! GitHub's own description of its API, answered from examples by prism.
//!
//! prism checks parameters and bodies (422, with the reason in the header `sl-violations`) and keeps nothing: what is
//! made cannot be found again. Of the description only what is about members of organisations and teams is served, word
//! for word: the whole of it takes half a minute to load.

use super::install::{NodePackages, node_packages};
use super::server::{Answer, Server, headed, json};
use crate::process::{Context as _, Error, Result};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

const PACKAGE: &str = include_str!("../../products/github/package.json");
const LOCK: &str = include_str!("../../products/github/package-lock.json");
const DESCRIPTIONS: &str = "node_modules/@octokit/openapi/generated";
const PRISM: &str = "node_modules/@stoplight/prism-cli/dist/index.js";

const PATHS: [&str; 14] = [
    "/orgs/{org}/invitations",
    "/orgs/{org}/invitations/{invitation_id}",
    "/orgs/{org}/invitations/{invitation_id}/teams",
    "/orgs/{org}/members",
    "/orgs/{org}/members/{username}",
    "/orgs/{org}/memberships/{username}",
    "/orgs/{org}/outside_collaborators/{username}",
    "/orgs/{org}/teams",
    "/orgs/{org}/teams/{team_slug}",
    "/orgs/{org}/teams/{team_slug}/invitations",
    "/orgs/{org}/teams/{team_slug}/members",
    "/orgs/{org}/teams/{team_slug}/memberships/{username}",
    "/user",
    "/users/{username}",
];

/// A running prism, with a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct GitHubMock {
    server: Server,
}

impl GitHubMock {
    /// Starts one, in about a second. The first ever on a machine installs it.
    pub async fn start() -> Result<GitHubMock> {
        let wanted = PATHS.join(" ");
        let packages = NodePackages {
            name: "github-mock",
            what: "prism and GitHub's description",
            package_json: PACKAGE,
            package_lock: LOCK,
            inputs: &[&wanted],
        };
        let (node, directory) = node_packages(packages, async |directory: &Path| cut(directory)).await?;
        let server = Server::start("github-mock", 1, async |server: &mut Server| {
            let spec = server
                .spec(&node)
                .arg(directory.join(PRISM))
                .args(["mock", "-h", "127.0.0.1", "-p", &server.port(0).to_string()])
                .arg(directory.join("description.json"));
            server.run(&spec)?;
            server.ready(&format!("{}/user", server.url()), None).await
        })
        .await?;
        Ok(GitHubMock { server })
    }

    /// Its base: what precedes `/orgs`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Its output: each request, and what is wrong with it.
    pub fn logs(&self) -> String {
        self.server.logs()
    }

    /// The directory in which it works. It goes away with it.
    pub fn dir(&self) -> &Path {
        self.server.dir()
    }

    /// Sends any request, with headers such as `Prefer: code=404`, which asks prism for that answer.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        self.server
            .send(method, path, |request| {
                json(headed(request.bearer_auth("token"), headers), body)
            })
            .await
    }
}

/// Writes what is wanted of the description, and removes the rest, which is most of what was installed.
fn cut(directory: &Path) -> Result<()> {
    let descriptions = directory.join(DESCRIPTIONS);
    let whole = descriptions.join("api.github.com.json");
    let text = std::fs::read(&whole).context(|| format!("read {}", whole.display()))?;
    let whole: Value = serde_json::from_slice(&text).context(|| format!("read {}", whole.display()))?;
    let part = only(&whole, &PATHS)?;
    let path = directory.join("description.json");
    std::fs::write(&path, part.to_string()).context(|| format!("write {}", path.display()))?;
    std::fs::remove_dir_all(&descriptions).context(|| format!("remove {}", descriptions.display()))
}

/// An API's description with only these paths, and the components that they refer to.
fn only(whole: &Value, paths: &[&str]) -> Result<Value> {
    let mut kept = Map::new();
    for path in paths {
        let operations = &whole["paths"][path];
        if operations.is_null() {
            return Err(Error(format!("GitHub's description has no path {path} any more")));
        }
        kept.insert((*path).into(), operations.clone());
    }
    let kept = Value::Object(kept);
    let (mut seen, mut todo) = (BTreeSet::new(), Vec::new());
    references(&kept, &mut todo);
    let mut components = Map::new();
    while let Some(pointer) = todo.pop() {
        if !seen.insert(pointer.to_owned()) {
            continue;
        }
        let found = whole.pointer(pointer);
        let mut parts = pointer.trim_start_matches("/components/").splitn(2, '/');
        let (Some(found), Some(kind), Some(name)) = (found, parts.next(), parts.next()) else {
            return Err(Error(format!("GitHub's description has no {pointer}")));
        };
        references(found, &mut todo);
        let of_kind = components.entry(kind).or_insert_with(|| Map::new().into());
        of_kind[name] = found.clone();
    }
    let mut part = whole.clone();
    part["paths"] = kept;
    part["components"] = components.into();
    if let Some(part) = part.as_object_mut() {
        part.remove("x-webhooks");
    }
    Ok(part)
}

/// What a piece of a description refers to, as JSON pointers.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            if let Some(pointer) = members.get("$ref").and_then(Value::as_str) {
                found.extend(pointer.strip_prefix('#'));
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
