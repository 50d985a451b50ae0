//! A reverse proxy between the operator and a server, which numbers requests, kills at one of them, and makes faults.
//!
//! A [`Script`] is shared by the proxies of one operator (to the API server, to each target). It numbers the requests
//! that a classifier counts, over all these proxies together, in the order in which they are let through. Armed for a
//! number, it runs an action (kill the operator) before that request is forwarded or after its answer has been read,
//! and from then on lets nothing more through, as a killed process sends nothing more.
//!
//! Faults belong to one [`Proxy`] and come first: a request that a fault answers or drops is neither forwarded nor
//! numbered.
//!
//! Proxies run on threads of their own, so a test that blocks does not stop them. They speak HTTP/1.1 without TLS on
//! 127.0.0.1, and HTTP/1.1 with or without TLS to the server. Bodies of answers are streamed unless the request is
//! counted. Upgrades (exec, port-forward) are not supported.

use crate::process::{Context as _, Error, PortLease, Result, chain, lock, wait_until};
use futures::StreamExt as _;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Larger bodies of requests are streamed; classifiers and matchers see this much of them.
const BUFFERED: usize = 4 * 1024 * 1024;
/// Larger bodies of requests are not kept in the log.
const LOGGED: usize = 256 * 1024;

/// A request as classifiers, matchers and the log see it.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// The name of the proxy that it came to.
    pub proxy: Arc<str>,
    /// Its method.
    pub method: Method,
    /// Its path, as sent.
    pub path: String,
    /// What follows the question mark.
    pub query: Option<String>,
    /// Its body; of a very large one only the beginning.
    pub body: Bytes,
}

impl RequestInfo {
    /// Path and query.
    pub fn target(&self) -> String {
        self.query
            .as_ref()
            .map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    /// Its body as JSON, if it is JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether it is a watch of Kubernetes.
    pub fn is_watch(&self) -> bool {
        self.query
            .iter()
            .flat_map(|query| query.split('&'))
            .any(|pair| matches!(pair, "watch" | "watch=1" | "watch=true"))
    }
}

impl std::fmt::Display for RequestInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.proxy, self.method, self.target())
    }
}

/// A classifier: requests that change something which outlives the operator. Not counted are reads, leases, Events and
/// reviews, SCIM searches, and dry runs.
pub fn effects(request: &RequestInfo) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method);
    let path = request.path.as_str();
    let passing = path.starts_with("/apis/coordination.k8s.io/")
        || path.starts_with("/apis/events.k8s.io/")
        || path.starts_with("/apis/authentication.k8s.io/")
        || path.starts_with("/apis/authorization.k8s.io/")
        || (path.starts_with("/api/v1/") && path.split('/').nth(5) == Some("events"))
        || path.ends_with("/.search")
        || request.query.as_deref().is_some_and(|query| query.contains("dryRun="));
    !reads && !passing
}

/// A matcher: this method, and a path (without query) that fits a pattern in which `*` stands for anything, slashes too.
/// The method `*` stands for all.
pub fn request(method: &str, pattern: &str) -> impl Fn(&RequestInfo) -> bool + Send + Sync + 'static {
    let (method, pattern) = (method.to_owned(), pattern.to_owned());
    move |request| (method == "*" || request.method.as_str() == method) && fits(&pattern, &request.path)
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| fits(rest, &text[at..]))
        }),
    }
}

/// When an armed action runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Before the request is forwarded; it never is.
    Before,
    /// After the server's answer has been read to its end; it is never delivered.
    After,
    /// A moment after the answer was delivered: the client may have begun to make something of it.
    Answered,
}

/// How long a client has for an answer before it is killed: enough to read it, too little to send what follows from it
/// on a busy machine, and now and then enough for that too.
const MOMENT: Duration = Duration::from_millis(3);

/// A counted request.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// The request. A body beyond 256 KiB is left out.
    pub request: RequestInfo,
    /// The status that the server answered; none as long as it has not, if it could not be reached, and if the request
    /// was not forwarded.
    pub status: Option<StatusCode>,
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self
            .status
            .map_or_else(|| "no answer".into(), |status| status.as_u16().to_string());
        write!(f, "{} {} -> {status}", self.number, self.request)
    }
}

/// What happened at an armed request.
#[derive(Debug, Clone)]
pub struct Fired {
    /// Before or after.
    pub when: When,
    /// At which request.
    pub entry: Entry,
}

type Classifier = Box<dyn Fn(&RequestInfo) -> bool + Send + Sync>;
type Action = Box<dyn FnOnce() + Send>;
type Armed = (Box<dyn FnMut(&Entry) -> bool + Send>, When, Action);

/// The order of the counted requests of one operator, over all its proxies. Clones are the same script.
#[derive(Clone)]
pub struct Script {
    shared: Arc<Shared>,
}

struct Shared {
    classifier: Classifier,
    state: Mutex<State>,
    fired: watch::Sender<Option<Fired>>,
}

struct State {
    log: Vec<Entry>,
    armed: Option<Armed>,
    open: bool,
    // Grows whenever the gate closes. A connection made before belongs to a process that is dead now.
    epoch: u64,
    // Grows with each reset, after which late answers to earlier requests are not ours to note.
    run: u64,
    in_flight: usize,
}

/// What is to be done with a request.
enum Verdict {
    Refuse,
    Forward,
    Count(Ticket),
    /// The gate has closed already; run the action and refuse.
    FireBefore(Action, Box<Fired>),
}

struct Ticket {
    run: u64,
    number: u64,
    armed: Option<(When, Action)>,
}

impl Script {
    /// A script that numbers what `classifier` counts, for instance [`effects`].
    pub fn new(classifier: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static) -> Script {
        let state = State {
            log: Vec::new(),
            armed: None,
            open: true,
            epoch: 0,
            run: 0,
            in_flight: 0,
        };
        Script {
            shared: Arc::new(Shared {
                classifier: Box::new(classifier),
                state: Mutex::new(state),
                fired: watch::Sender::new(None),
            }),
        }
    }

    /// A script that counts nothing.
    pub fn none() -> Script {
        Script::new(|_| false)
    }

    /// Runs `action` at the counted request `number` (greater than [`total`](Script::total) is now), once. While it runs, and until [`reopen`](Script::reopen), nothing
    /// gets through. It replaces what was armed before, and forgets what has fired before.
    pub fn arm(&self, number: u64, when: When, action: impl FnOnce() + Send + 'static) {
        self.arm_at(move |entry| entry.number == number, when, action);
    }

    /// As [`arm`](Script::arm), at the first counted request that `fits`, which is shown each one once.
    pub fn arm_at(
        &self,
        fits: impl FnMut(&Entry) -> bool + Send + 'static,
        when: When,
        action: impl FnOnce() + Send + 'static,
    ) {
        let mut state = lock(&self.shared.state);
        state.armed = Some((Box::new(fits), when, Box::new(action)));
        self.shared.fired.send_replace(None);
    }

    /// Takes back what was armed and has not fired.
    pub fn disarm(&self) {
        lock(&self.shared.state).armed = None;
    }

    /// What has fired. The action has ended by then.
    pub fn fired(&self) -> Option<Fired> {
        self.shared.fired.borrow().clone()
    }

    /// Waits until it has fired.
    pub async fn wait_fired(&self, timeout: Duration) -> Result<Fired> {
        let mut receiver = self.shared.fired.subscribe();
        let fired = tokio::time::timeout(timeout, receiver.wait_for(Option::is_some)).await;
        fired
            .ok()
            .and_then(Result::ok)
            .and_then(|fired| fired.clone())
            .ok_or_else(|| {
                let log: Vec<String> = self.log().iter().map(ToString::to_string).collect();
                Error(format!(
                    "nothing has fired within {timeout:?}; counted so far:\n  {}",
                    log.join("\n  ")
                ))
            })
    }

    /// Closes the gate: nothing gets through any more, neither counted nor not.
    pub fn close(&self) {
        lock(&self.shared.state).close();
    }

    /// Opens the gate again, for connections made from now on: those of the killed process stay shut.
    pub fn reopen(&self) {
        lock(&self.shared.state).open = true;
    }

    /// How many requests have been counted.
    pub fn total(&self) -> u64 {
        lock(&self.shared.state).log.len() as u64
    }

    /// The counted requests in their order.
    pub fn log(&self) -> Vec<Entry> {
        lock(&self.shared.state).log.clone()
    }

    /// Waits until every counted request has its answer, and then for so long nothing more was counted.
    pub async fn wait_quiet(&self, quiet: Duration, timeout: Duration) -> Result<()> {
        let mut last = (0, std::time::Instant::now());
        let settled = wait_until(timeout, || {
            let state = lock(&self.shared.state);
            let total = state.log.len();
            if state.in_flight > 0 || total != last.0 {
                last = (total, std::time::Instant::now());
            }
            (last.1.elapsed() >= quiet).then_some(())
        });
        settled
            .await
            .ok_or_else(|| Error(format!("requests go on after {timeout:?}: {} so far", self.total())))
    }

    /// Begins again at number 1, with an empty log, nothing armed and an open gate.
    pub fn reset(&self) {
        let mut state = lock(&self.shared.state);
        state.log.clear();
        state.armed = None;
        state.open = true;
        state.run += 1;
        state.in_flight = 0;
        self.shared.fired.send_replace(None);
    }

    /// The mark of a connection made now.
    fn admit(&self) -> Option<u64> {
        let state = lock(&self.shared.state);
        state.open.then_some(state.epoch)
    }

    /// Numbers a request and decides about it, at one moment.
    fn judge(&self, connection: Option<u64>, info: &RequestInfo) -> Verdict {
        // The classifier is the caller's code: it may take its time, so it runs outside of the lock.
        let counted = (self.shared.classifier)(info);
        let mut state = lock(&self.shared.state);
        if !state.open || connection != Some(state.epoch) {
            return Verdict::Refuse;
        }
        if !counted {
            return Verdict::Forward;
        }
        let number = state.log.len() as u64 + 1;
        let mut request = info.clone();
        if request.body.len() > LOGGED {
            request.body = Bytes::new();
        }
        let entry = Entry {
            number,
            request,
            status: None,
        };
        state.log.push(entry.clone());
        let armed = state.armed.take_if(|(fits, _, _)| fits(&entry));
        match armed {
            Some((_, When::Before, action)) => {
                state.close();
                Verdict::FireBefore(
                    action,
                    Box::new(Fired {
                        when: When::Before,
                        entry,
                    }),
                )
            }
            other => {
                state.in_flight += 1;
                Verdict::Count(Ticket {
                    run: state.run,
                    number,
                    armed: other.map(|(_, when, action)| (when, action)),
                })
            }
        }
    }

    /// Notes an answer. True if it may be delivered.
    async fn answered(&self, ticket: Ticket, status: Option<StatusCode>) -> bool {
        let (action, fired) = {
            let mut state = lock(&self.shared.state);
            if state.run != ticket.run {
                return ticket.armed.is_none();
            }
            state.in_flight -= 1;
            let Some(entry) = usize::try_from(ticket.number - 1)
                .ok()
                .and_then(|at| state.log.get_mut(at))
            else {
                return true;
            };
            entry.status = status;
            let entry = entry.clone();
            let Some((when, action)) = ticket.armed else {
                return true;
            };
            let fired = Fired { when, entry };
            if when == When::Answered {
                let script = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(MOMENT).await;
                    lock(&script.shared.state).close();
                    script.fire(action, fired).await;
                });
                return true;
            }
            state.close();
            (action, fired)
        };
        self.fire(action, fired).await;
        false
    }

    async fn fire(&self, action: Action, fired: Fired) {
        if tokio::task::spawn_blocking(action).await.is_err() {
            eprintln!("the action at request {} has failed", fired.entry);
        }
        self.shared.fired.send_replace(Some(fired));
    }
}

impl State {
    fn close(&mut self) {
        self.open = false;
        self.epoch += 1;
    }
}

/// What a proxy does to a request other than forwarding it.
#[derive(Clone)]
enum Fault {
    Respond(StatusCode, HeaderMap, Bytes),
    Delay(Duration),
    Drop,
    LoseAnswer,
    AlterRequest(Arc<dyn Fn(String, Bytes) -> (String, Bytes) + Send + Sync>),
    AlterAnswer(Arc<dyn Fn(StatusCode, Bytes) -> (StatusCode, Bytes) + Send + Sync>),
}

type Matcher = Box<dyn Fn(&RequestInfo) -> bool + Send + Sync>;

struct Rule {
    matcher: Matcher,
    fault: Fault,
    left: usize,
}

/// A listening proxy. Dropping it ends it and its connections.
pub struct Proxy {
    port: PortLease,
    path: String,
    core: Arc<Core>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Core {
    name: Arc<str>,
    upstream: String,
    client: reqwest::Client,
    script: Script,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<RequestInfo>>,
    blocked: watch::Sender<bool>,
    severed: watch::Sender<()>,
    date_shift: Mutex<SignedDuration>,
}

impl Proxy {
    /// Starts a proxy to `upstream`, an `http://` or `https://` URL (for the latter `ca_pem` says whom to trust).
    pub fn start(name: &str, upstream: &str, ca_pem: Option<&str>, script: &Script) -> Result<Proxy> {
        let url = url::Url::parse(upstream).context(|| format!("read the URL {upstream}"))?;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if let Some(ca) = ca_pem {
            let ca = reqwest::Certificate::from_pem(ca.as_bytes()).context(|| "read a CA".into())?;
            builder = builder.tls_certs_only([ca]);
        }
        let client = builder.build().context(|| "make an HTTP client".into())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(format!("proxy-{name}"))
            .enable_all()
            .build()
            .context(|| "make a runtime".into())?;
        let core = Arc::new(Core {
            name: name.into(),
            upstream: url.origin().ascii_serialization(),
            client,
            script: script.clone(),
            rules: Mutex::default(),
            seen: Mutex::default(),
            blocked: watch::Sender::new(false),
            severed: watch::Sender::new(()),
            date_shift: Mutex::default(),
        });
        let (port, listener) = listen()?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener).context(|| "listen".into())?
        };
        runtime.spawn(core.clone().accept(listener));
        Ok(Proxy {
            port,
            path: url.path().trim_end_matches('/').into(),
            core,
            runtime: Some(runtime),
        })
    }

    /// Its URL, with the path that the server's URL had.
    pub fn url(&self) -> String {
        format!("{}{}", self.port.http_url(), self.path)
    }

    /// Answers matching requests itself, so many times.
    ///
    /// # Panics
    /// If status or headers are none.
    pub fn respond_with(
        &self,
        matcher: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static,
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
        times: usize,
    ) {
        let status = StatusCode::from_u16(status).expect("a status");
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::try_from(*name).expect("the name of a header");
                (name, HeaderValue::try_from(*value).expect("the value of a header"))
            })
            .collect();
        self.add(matcher, Fault::Respond(status, headers, body.into()), times);
    }

    /// Holds matching requests back for a while before they are forwarded, so many times.
    pub fn delay(
        &self,
        matcher: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static,
        duration: Duration,
        times: usize,
    ) {
        self.add(matcher, Fault::Delay(duration), times);
    }

    /// Closes the connection of matching requests, which are not forwarded, so many times.
    pub fn drop_connection(&self, matcher: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static, times: usize) {
        self.add(matcher, Fault::Drop, times);
    }

    /// Forwards matching requests, and closes the connection instead of delivering the answer, so many times: the
    /// ambiguous result.
    pub fn lose_answer(&self, matcher: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static, times: usize) {
        self.add(matcher, Fault::LoseAnswer, times);
    }

    /// Forwards matching requests as `alter` makes them of path, query and body, so many times: a filter that is ignored, a
    /// change of which only a part is done.
    pub fn alter_request(
        &self,
        matcher: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static,
        alter: impl Fn(String, Bytes) -> (String, Bytes) + Send + Sync + 'static,
        times: usize,
    ) {
        self.add(matcher, Fault::AlterRequest(Arc::new(alter)), times);
    }

    /// Forwards matching requests and delivers what `alter` makes of status and body, so many times: an answer that breaks
    /// off, a refusal of what was done, a look that hides something. A body that is not JSON any more is delivered whole.
    pub fn alter_answer(
        &self,
        matcher: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static,
        alter: impl Fn(StatusCode, Bytes) -> (StatusCode, Bytes) + Send + Sync + 'static,
        times: usize,
    ) {
        self.add(matcher, Fault::AlterAnswer(Arc::new(alter)), times);
    }

    fn add(&self, matcher: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static, fault: Fault, left: usize) {
        lock(&self.core.rules).push(Rule {
            matcher: Box::new(matcher),
            fault,
            left,
        });
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        lock(&self.core.rules).clear();
    }

    /// While blocked, closes every connection, those that stand and those that come.
    pub fn block(&self, blocked: bool) {
        self.core.blocked.send_replace(blocked);
    }

    /// Closes the connections that stand, watches among them. New ones are welcome. A client may notice only when it
    /// sends its next request on one that was idle, which then fails.
    pub fn sever(&self) {
        self.core.severed.send_replace(());
    }

    /// Has the header `Date` of answers tell another time from now on, as if the server's clock were off by so much.
    pub fn shift_date(&self, shift: SignedDuration) {
        *lock(&self.core.date_shift) = shift;
    }

    /// How many requests have come that fit (as [`request`] reads it), whatever became of them.
    pub fn count(&self, method: &str, pattern: &str) -> usize {
        let fits = request(method, pattern);
        self.requests().iter().filter(|request| fits(request)).count()
    }

    /// Every request that has come, without its body.
    pub fn requests(&self) -> Vec<RequestInfo> {
        lock(&self.core.seen).clone()
    }

    /// Forgets the requests that have come.
    pub fn forget(&self) {
        lock(&self.core.seen).clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A test's own runtime must not wait here.
            runtime.shutdown_background();
        }
    }
}

fn listen() -> Result<(PortLease, TcpListener)> {
    let mut last = Error("no port".into());
    for _ in 0..10 {
        let port = PortLease::new()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.port()))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .context(|| format!("listen on port {}", port.port()));
        match listener {
            Ok(listener) => return Ok((port, listener)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed")]
struct Closed;

/// Headers that concern one connection, and the length, which follows from the body.
fn end_to_end(headers: &HeaderMap, keep_length: bool) -> HeaderMap {
    let mut kept = headers.clone();
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in named {
        kept.remove(name);
    }
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
    ] {
        kept.remove(name);
    }
    kept.remove("keep-alive");
    if !keep_length {
        kept.remove(header::CONTENT_LENGTH);
    }
    kept
}

type Answer = Result<Response<reqwest::Body>, Closed>;

impl Core {
    async fn accept(self: Arc<Core>, listener: tokio::net::TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, say. There is nothing to wait for but time.
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let mark = self.script.admit();
            let mut blocked = self.blocked.subscribe();
            let mut severed = self.severed.subscribe();
            if *blocked.borrow() || mark.is_none() {
                continue;
            }
            let core = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| core.clone().handle(mark, request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .header_read_timeout(None)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    _ = connection => {}
                    _ = blocked.wait_for(|blocked| *blocked) => {}
                    _ = severed.changed() => {}
                }
            });
        }
    }

    async fn handle(self: Arc<Core>, mark: Option<u64>, request: Request<Incoming>) -> Answer {
        let mut answer = self.clone().pass(mark, request).await?;
        let shift = *lock(&self.date_shift);
        if !shift.is_zero()
            && let Ok(told) = (Timestamp::now() + shift)
                .strftime("%a, %d %b %Y %H:%M:%S GMT")
                .to_string()
                .try_into()
        {
            answer.headers_mut().insert(header::DATE, told);
        }
        Ok(answer)
    }

    async fn pass(self: Arc<Core>, mark: Option<u64>, request: Request<Incoming>) -> Answer {
        let (parts, mut incoming) = request.into_parts();
        let has_body =
            parts.headers.contains_key(header::CONTENT_LENGTH) || parts.headers.contains_key(header::TRANSFER_ENCODING);
        let mut start = Vec::new();
        while start.len() < BUFFERED
            && let Some(frame) = incoming.frame().await
        {
            if let Ok(data) = frame.map_err(|_| Closed)?.into_data() {
                start.extend_from_slice(&data);
            }
        }
        let info = RequestInfo {
            proxy: self.name.clone(),
            method: parts.method,
            path: parts.uri.path().into(),
            query: parts.uri.query().map(Into::into),
            body: start.into(),
        };
        lock(&self.seen).push(RequestInfo {
            body: Bytes::new(),
            ..info.clone()
        });

        let mut lose = false;
        let (mut target, mut sent, mut alter) = (info.target(), info.body.clone(), None);
        for fault in self.faults(&info) {
            match fault {
                Fault::AlterRequest(with) => (target, sent) = with(target, sent),
                Fault::AlterAnswer(with) => alter = Some(with),
                Fault::Delay(duration) => tokio::time::sleep(duration).await,
                Fault::LoseAnswer => lose = true,
                Fault::Drop => return Err(Closed),
                Fault::Respond(status, headers, body) => {
                    let mut response = Response::new(reqwest::Body::from(body));
                    *response.status_mut() = status;
                    *response.headers_mut() = headers;
                    return Ok(response);
                }
            }
        }

        let ticket = match self.script.judge(mark, &info) {
            Verdict::Refuse => return Err(Closed),
            Verdict::FireBefore(action, fired) => {
                // A task of its own, since the killed client's connection takes this one with it.
                let script = self.script.clone();
                let _ = tokio::spawn(async move { script.fire(action, *fired).await }).await;
                return Err(Closed);
            }
            Verdict::Forward => None,
            Verdict::Count(ticket) => Some(ticket),
        };

        let mut headers = end_to_end(&parts.headers, false);
        // Asked and answered between the client and us.
        headers.remove(header::EXPECT);
        let mut outgoing = self
            .client
            .request(info.method.clone(), format!("{}{target}", self.upstream))
            .headers(headers);
        if info.body.len() < BUFFERED {
            if has_body {
                outgoing = outgoing.body(sent);
            }
        } else {
            let start = futures::stream::iter([Ok(Frame::data(info.body.clone()))]);
            let body = StreamBody::new(start.chain(BodyStream::new(incoming)));
            outgoing = outgoing.body(reqwest::Body::wrap(body));
        }

        if ticket.is_none() && !lose && alter.is_none() {
            return Ok(respond(self.send(outgoing, &info).await?));
        }
        // Once counted, it runs to its end, whatever becomes of the client.
        let counted = self.finish(outgoing, info, ticket, lose);
        let answer = tokio::spawn(counted).await.unwrap_or(Err(Closed))?;
        match alter {
            None => Ok(answer),
            Some(alter) => altered(answer, &*alter).await,
        }
    }

    async fn finish(
        self: Arc<Core>,
        outgoing: reqwest::RequestBuilder,
        info: RequestInfo,
        ticket: Option<Ticket>,
        lose: bool,
    ) -> Answer {
        let answer = match self.send(outgoing, &info).await {
            // A watch has no end that could be waited for.
            Ok(answer) if info.is_watch() => Ok(respond(answer)),
            Ok(answer) => {
                let (status, headers) = (answer.status(), end_to_end(answer.headers(), true));
                answer.bytes().await.map_err(|_| Closed).map(|body| {
                    let mut response = Response::new(reqwest::Body::from(body));
                    *response.status_mut() = status;
                    *response.headers_mut() = headers;
                    response
                })
            }
            Err(closed) => Err(closed),
        };
        let deliver = match ticket {
            Some(ticket) => {
                self.script
                    .answered(ticket, answer.as_ref().ok().map(Response::status))
                    .await
            }
            None => true,
        };
        if deliver && !lose { answer } else { Err(Closed) }
    }

    async fn send(&self, request: reqwest::RequestBuilder, info: &RequestInfo) -> Result<reqwest::Response, Closed> {
        request.send().await.map_err(|error| {
            tracing::debug!(request = %info, error = chain(&error), "not answered");
            Closed
        })
    }

    /// Takes one of each fault that applies, up to the first that ends the matter.
    fn faults(&self, info: &RequestInfo) -> Vec<Fault> {
        let mut found = Vec::new();
        for rule in &mut *lock(&self.rules) {
            if rule.left > 0 && (rule.matcher)(info) {
                rule.left -= 1;
                found.push(rule.fault.clone());
                if matches!(rule.fault, Fault::Respond(..) | Fault::Drop) {
                    break;
                }
            }
        }
        found
    }
}

async fn altered(
    answer: Response<reqwest::Body>,
    alter: &(dyn Fn(StatusCode, Bytes) -> (StatusCode, Bytes) + Send + Sync),
) -> Answer {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let (status, body) = alter(parts.status, body);
    parts.status = status;
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, reqwest::Body::from(body)))
}

/// Passes an answer on, its body as it comes.
fn respond(answer: reqwest::Response) -> Response<reqwest::Body> {
    let (status, headers) = (answer.status(), end_to_end(answer.headers(), true));
    let mut response = Response::new(http::Response::from(answer).into_body());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
