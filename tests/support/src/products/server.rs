//! What the products have in common: processes in a directory of their own, a port, and a client.

use crate::process::{Context as _, Error, PortLease, Process, Result, Spec, TempDir, http_client, ready_while};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const START: Duration = Duration::from_mins(2);
const TRIES: usize = 3;

/// What a product answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, such as `ETag` and `Link`.
    pub headers: HeaderMap,
    /// The body: null if it is empty, a string if it is not JSON.
    pub body: Value,
}

impl Answer {
    /// A header, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, unless the status is none of these.
    pub(super) fn wanted(self, statuses: &[u16], what: &str) -> Result<Value> {
        if statuses.contains(&self.status) {
            return Ok(self.body);
        }
        Err(Error(format!("{what}: {} {}", self.status, self.body)))
    }
}

/// A product that runs. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Server {
    // In the order in which they are to be dropped: the daemons before their ports and their directory.
    processes: Vec<Process>,
    ports: Vec<PortLease>,
    dir: TempDir,
    client: reqwest::Client,
}

impl Server {
    /// Leases `ports` ports and has `begin` start the daemons, the one that answers last; it answers on the first port.
    /// A port that a stranger took a moment ago makes it start over with others.
    pub(super) async fn start<F>(name: &str, ports: usize, begin: F) -> Result<Server>
    where
        F: AsyncFn(&mut Server) -> Result<()>,
    {
        let mut last = Error(String::new());
        for _ in 0..TRIES {
            let mut server = Server {
                processes: Vec::new(),
                ports: (0..ports).map(|_| PortLease::new()).collect::<Result<_>>()?,
                dir: TempDir::new(name)?,
                client: http_client()?,
            };
            match begin(&mut server).await {
                Ok(()) => return Ok(server),
                Err(error) if port_is_taken(&error.0) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// How to run a program of it: at home in its own directory, so that nothing is left in that of a person, and so
    /// that whatever it starts can be told by its environment.
    pub(super) fn spec(&self, program: impl AsRef<Path>) -> Spec {
        Spec::new(program.as_ref())
            .env("HOME", self.dir.path())
            .env("TMPDIR", self.dir.path())
            .without_env("PYTHONPATH")
            .without_env("PYTHONHOME")
            .without_env("NODE_OPTIONS")
            .directory(self.dir.path())
    }

    /// Starts one of its daemons.
    pub(super) fn run(&mut self, spec: &Spec) -> Result<()> {
        let log = self.dir.path().join("log");
        self.processes.push(Process::start(spec, log)?);
        Ok(())
    }

    /// Waits until the daemon that was started last answers a GET of `url`.
    pub(super) async fn ready(&self, url: &str, token: Option<&str>) -> Result<()> {
        match self.processes.last() {
            Some(process) => ready_while(url, START, None, token, process).await,
            None => Err(Error(format!("nothing runs that could answer at {url}"))),
        }
    }

    pub(super) fn url(&self) -> String {
        self.ports[0].http_url()
    }

    pub(super) fn port(&self, index: usize) -> u16 {
        self.ports[index].port()
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn logs(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).context(|| format!("write {}", path.display()))
    }

    /// Sends a request; `path` is what follows the URL, and `with` adds credentials and a body.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer> {
        let what = || format!("{method} {path}");
        let method = Method::from_bytes(method.as_bytes()).context(what)?;
        let request = self
            .client
            .request(method, format!("{}{path}", self.url()))
            .timeout(Duration::from_secs(30));
        let answer = with(request).send().await.context(what)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.context(what)?;
        let body = match text.as_str() {
            "" => Value::Null,
            _ => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        Ok(Answer { status, headers, body })
    }
}

fn port_is_taken(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    ["address already in use", "address in use", "eaddrinuse"]
        .iter()
        .any(|words| error.contains(words))
}

/// Adds headers.
pub(super) fn headed(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    let add = |request: RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
    headers.iter().fold(request, add)
}

/// Adds a body of JSON, if there is one.
pub(super) fn json(request: RequestBuilder, body: Option<&Value>) -> RequestBuilder {
    match body {
        None => request,
        Some(body) => request
            .header("content-type", "application/json")
            .body(body.to_string()),
    }
}

/// Adds a form as body, unless it is empty.
pub(super) fn form(request: RequestBuilder, parameters: &[(&str, &str)]) -> RequestBuilder {
    if parameters.is_empty() {
        return request;
    }
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(parameters);
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.finish())
}

/// The strings under `key` of each item of a list, sorted.
pub(super) fn names(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    let mut names: Vec<String> = items.filter_map(|item| item[key].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

/// The strings of a list, sorted.
pub(super) fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    let mut strings: Vec<String> = items.filter_map(|item| item.as_str().map(str::to_owned)).collect();
    strings.sort();
    strings
}
