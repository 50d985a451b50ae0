//! The proxy numbers, kills and makes faults as it says.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, WatchEvent, WatchParams};
use rollcall_support::control_plane::{ControlPlane, client};
use rollcall_support::operator::{Operator, OperatorOptions};
use rollcall_support::process::wait_until;
use rollcall_support::proxy::{Proxy, Script, When, effects, request};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A server that notes what reaches it, and answers with what it was sent.
#[derive(Clone, Default)]
struct Upstream {
    seen: Arc<Mutex<Vec<String>>>,
    /// Held by this and by each endless answer.
    open: Arc<()>,
}

impl Upstream {
    async fn start() -> (Upstream, String) {
        let upstream = Upstream::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(echo).with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (upstream, url)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn endless_answers(&self) -> usize {
        // The router has a clone of all this, too, and so has each connection: what counts is the difference.
        Arc::strong_count(&self.open) - Arc::strong_count(&self.seen)
    }
}

async fn echo(State(upstream): State<Upstream>, request: Request) -> Response {
    let target = request.uri().path_and_query().unwrap().to_string();
    upstream
        .seen
        .lock()
        .unwrap()
        .push(format!("{} {target}", request.method()));
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
            .to_owned()
    };
    let (authorization, host) = (header("authorization"), header("host"));
    let chunks = if request.uri().path() == "/slow" {
        let chunk = Ok::<_, std::io::Error>(Bytes::from_static(b"first"));
        Body::from_stream(futures::stream::iter([chunk]).chain(endless(upstream.open.clone())))
    } else {
        request.into_body()
    };
    Response::builder()
        .status(201)
        .header("x-authorization", authorization)
        .header("x-host", host)
        .body(chunks)
        .unwrap()
}

fn endless(held: Arc<()>) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    futures::stream::pending().map(move |()| {
        let _ = &held;
        Ok(Bytes::new())
    })
}

fn post(url: &str) -> reqwest::RequestBuilder {
    reqwest::Client::new().post(url)
}

#[tokio::test]
async fn headers_bodies_and_paths_pass() {
    let (upstream, url) = Upstream::start().await;
    let proxy = Proxy::start("test", &format!("{url}/v2/"), None, &Script::none()).unwrap();
    assert!(proxy.url().ends_with("/v2"));
    for size in [0, 10, 5_000_000, 4 * 1024 * 1024] {
        let body = vec![b'x'; size];
        let answer = post(&format!("{}/a%20b?c=%22d%22&e", proxy.url()))
            .bearer_auth("t")
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["x-authorization"]),
            (201, &"Bearer t".parse().unwrap())
        );
        assert_eq!(
            answer.headers()["x-host"],
            proxy.url()["http://".len()..proxy.url().len() - "/v2".len()]
        );
        assert!(answer.bytes().await.unwrap() == body);
    }
    assert_eq!(upstream.seen()[0], "POST /v2/a%20b?c=%22d%22&e");
    assert_eq!(
        (
            proxy.count("POST", "/v2/*"),
            proxy.count("*", "/v2"),
            proxy.count("GET", "*")
        ),
        (4, 0, 0)
    );
}

#[tokio::test]
async fn before_and_after_differ_at_the_server_only() {
    for (when, reaches, log) in [(When::Before, 1, "no answer"), (When::After, 2, "201")] {
        let (upstream, url) = Upstream::start().await;
        let script = Script::new(effects);
        let (one, two) = (
            Proxy::start("one", &url, None, &script),
            Proxy::start("two", &url, None, &script),
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        let killed = Arc::new(AtomicBool::new(false));
        let action = killed.clone();
        script.arm(2, when, move || action.store(true, Ordering::SeqCst));

        let keeps = reqwest::Client::new();
        keeps
            .post(format!("{}/first", one.url()))
            .body("1")
            .send()
            .await
            .unwrap();
        keeps.get(format!("{}/read", two.url())).send().await.unwrap();
        assert!(script.fired().is_none() && !killed.load(Ordering::SeqCst));
        post(&format!("{}/second", two.url()))
            .body("2")
            .send()
            .await
            .unwrap_err();
        let fired = script.wait_fired(TIMEOUT).await.unwrap();
        assert!(killed.load(Ordering::SeqCst));
        assert_eq!(
            (fired.when, fired.entry.number, fired.entry.request.body.as_ref()),
            (when, 2, b"2".as_ref())
        );
        let posts = |upstream: &Upstream| upstream.seen().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts(&upstream), reaches);
        let lines: Vec<String> = script.log().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "1 one: POST /first -> 201".to_owned(),
                format!("2 two: POST /second -> {log}")
            ]
        );

        // Nothing passes, be it counted or not, on an old connection or a new one.
        let before = upstream.seen().len();
        keeps.get(format!("{}/read", one.url())).send().await.unwrap_err();
        post(&format!("{}/third", one.url())).send().await.unwrap_err();
        assert_eq!((upstream.seen().len(), script.total()), (before, 2));

        script.reopen();
        reqwest::Client::new()
            .post(format!("{}/third", one.url()))
            .send()
            .await
            .unwrap();
        assert_eq!(script.total(), 3);
        script.wait_quiet(Duration::from_millis(1), TIMEOUT).await.unwrap();
        script.reset();
        reqwest::Client::new()
            .post(format!("{}/again", one.url()))
            .send()
            .await
            .unwrap();
        assert_eq!(script.log()[0].to_string(), "1 one: POST /again -> 201");
    }
}

async fn connect(address: &str) -> hyper::client::conn::http1::SendRequest<String> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn old_connections_stay_shut_after_reopening() {
    let (upstream, url) = Upstream::start().await;
    let script = Script::none();
    let proxy = Proxy::start("test", &url, None, &script).unwrap();
    let address = proxy.url().replace("http://", "");
    let mut old = connect(&address).await;
    let talk = async |sender: &mut hyper::client::conn::http1::SendRequest<String>| {
        let request = http::Request::get("/").header("host", "x").body(String::new()).unwrap();
        let answer = sender.send_request(request).await.ok()?;
        http_body_util::BodyExt::collect(answer.into_body()).await.ok()
    };
    assert!(talk(&mut old).await.is_some());
    script.close();
    script.reopen();
    assert!(talk(&mut old).await.is_none());
    assert!(talk(&mut connect(&address).await).await.is_some());
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn numbers_are_given_once() {
    let (upstream, url) = Upstream::start().await;
    let script = Script::new(effects);
    let proxy = Proxy::start("test", &url, None, &script).unwrap();
    let gate = Arc::new(AtomicBool::new(false));
    let closed = gate.clone();
    script.arm(20, When::Before, move || closed.store(true, Ordering::SeqCst));
    let all = (0..60).map(|number| post(&format!("{}/{number}", proxy.url())).send());
    let answered = futures::future::join_all(all).await.into_iter().flatten().count();
    script.wait_fired(TIMEOUT).await.unwrap();
    script.wait_quiet(Duration::from_millis(1), TIMEOUT).await.unwrap();
    assert!(gate.load(Ordering::SeqCst));
    assert_eq!((answered, upstream.seen().len(), script.total()), (19, 19, 20));
}

#[tokio::test]
async fn faults() {
    let (upstream, url) = Upstream::start().await;
    let script = Script::new(effects);
    let proxy = Proxy::start("test", &url, None, &script).unwrap();
    let send = async |path: &str| {
        post(&format!("{}{path}", proxy.url()))
            .send()
            .await
            .map(|a| a.status().as_u16())
            .ok()
    };

    proxy.respond_with(request("POST", "/a*z"), 429, &[("retry-after", "7")], "slow down", 2);
    let answer = post(&format!("{}/a/z", proxy.url())).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(answer.text().await.unwrap(), "slow down");
    assert_eq!(
        (send("/a").await, send("/az").await, send("/az").await),
        (Some(201), Some(429), Some(201))
    );
    assert_eq!(
        (upstream.seen().len(), script.total(), proxy.count("POST", "/a*z")),
        (2, 2, 3)
    );

    proxy.drop_connection(request("*", "/drop"), 1);
    proxy.lose_answer(request("*", "/lose"), 1);
    assert_eq!((send("/drop").await, send("/lose").await), (None, None));
    assert_eq!(upstream.seen()[2..], ["POST /lose"]);
    assert_eq!((send("/drop").await, send("/lose").await), (Some(201), Some(201)));

    proxy.delay(request("*", "/later"), Duration::from_millis(200), 1);
    let start = std::time::Instant::now();
    send("/later").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));

    // Endless answers end at the server when the client goes, and when the proxy ends them.
    for block in [false, true] {
        let slow = reqwest::get(format!("{}/slow", proxy.url())).await.unwrap();
        let mut body = http::Response::from(slow).into_body();
        let first = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
        assert_eq!(
            (first.into_data().unwrap().as_ref(), upstream.endless_answers()),
            (b"first".as_ref(), 1)
        );
        if block {
            proxy.block(true);
            let next = tokio::time::timeout(TIMEOUT, http_body_util::BodyExt::frame(&mut body))
                .await
                .unwrap();
            assert!(next.is_none_or(|frame| frame.is_err()));
        }
        drop(body);
        wait_until(TIMEOUT, || (upstream.endless_answers() == 0).then_some(()))
            .await
            .unwrap();
    }
    assert_eq!(send("/").await, None);
    proxy.block(false);
    assert_eq!(send("/").await, Some(201));
}

#[tokio::test]
async fn a_shifted_date_is_told() {
    let (_upstream, url) = Upstream::start().await;
    let proxy = Proxy::start("test", &url, None, &Script::none()).unwrap();
    let off = async || {
        let answer = reqwest::get(proxy.url()).await.unwrap();
        let date = answer.headers()["date"].to_str().unwrap().to_owned();
        let told = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(&date)
            .unwrap();
        told.duration_since(jiff::Timestamp::now()).as_secs_f64() / 60.0
    };
    for minutes in [0, -90, 2_880, 0] {
        proxy.shift_date(jiff::SignedDuration::from_mins(minutes));
        #[expect(clippy::cast_precision_loss, reason = "few minutes")]
        let wrong = (off().await - minutes as f64).abs();
        assert!(wrong < 0.2, "{minutes}: {wrong}");
    }
}

#[tokio::test]
async fn an_operator_is_killed_at_its_request() {
    let (upstream, url) = Upstream::start().await;
    let script = Script::new(effects);
    let proxy = Proxy::start("test", &url, None, &script).unwrap();
    // Five requests in turn; a new process begins again at one.
    let program = "
import sys, urllib.request
for number in range(1, 6):
    print('sending', number, flush=True)
    urllib.request.urlopen(urllib.request.Request(sys.argv[1] + '/' + str(number), data=b'', method='POST'))
    print('answered', number, flush=True)
";
    let options = OperatorOptions {
        args: vec!["-c".into(), program.into(), proxy.url()],
        ..OperatorOptions::new("python3", "none")
    };
    let before = Operator::start(options).unwrap();
    let victim = before.clone();
    script.arm(3, When::After, move || victim.kill());
    script.wait_fired(TIMEOUT).await.unwrap();
    assert!(!before.is_running());
    assert!(before.logs().ends_with("sending 3\n"), "{}", before.logs());
    assert_eq!(upstream.seen(), ["POST /1", "POST /2", "POST /3"]);
    script.reopen();
    before.restart().unwrap();
    assert!(before.wait(TIMEOUT).await.unwrap().success());
    assert_eq!(script.total(), 8);
}

#[tokio::test]
async fn kubernetes_watches_stream_through() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("proxy").await.unwrap();
    let script = Script::new(effects);
    let proxy = Proxy::start("kubernetes", &plane.url(), Some(plane.ca_pem()), &script).unwrap();
    let kubeconfig = plane
        .service_account_kubeconfig(&namespace, "watcher", Some(&proxy.url()))
        .await
        .unwrap();
    let account = format!("--serviceaccount={namespace}:watcher");
    plane
        .kubectl(&[
            "create",
            "rolebinding",
            "edit",
            "--clusterrole=edit",
            &account,
            "-n",
            &namespace,
        ])
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client(&kubeconfig).await.unwrap(), &namespace);
    let end = std::time::Instant::now() + TIMEOUT;
    while maps.list(&kube::api::ListParams::default()).await.is_err() {
        assert!(std::time::Instant::now() < end, "the binding has no effect");
    }
    let mut events = maps
        .watch(&WatchParams::default().disable_bookmarks(), "0")
        .await
        .unwrap()
        .boxed();
    for name in ["one", "two"] {
        let map: ConfigMap = serde_json::from_value(serde_json::json!({"metadata": {"name": name}})).unwrap();
        maps.create(&kube::api::PostParams::default(), &map).await.unwrap();
        let event = tokio::time::timeout(TIMEOUT, events.try_next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert!(
            matches!(&event, WatchEvent::Added(map) if map.metadata.name.as_deref() == Some(name)),
            "{event:?}"
        );
    }
    assert_eq!(
        (script.total(), proxy.count("GET", "*/configmaps")),
        (2, proxy.requests().len() - 2)
    );
    let entry = script.log().remove(1);
    assert_eq!(
        (
            entry.status.unwrap().as_u16(),
            entry.request.json().unwrap()["metadata"]["name"].as_str()
        ),
        (201, Some("two"))
    );

    // The watch ends with its connection; a new one is welcome.
    proxy.sever();
    assert!(!matches!(
        tokio::time::timeout(TIMEOUT, events.try_next()).await.unwrap(),
        Ok(Some(_))
    ));
    let again: Api<ConfigMap> = Api::namespaced(client(&kubeconfig).await.unwrap(), &namespace);
    assert_eq!(
        again.list(&kube::api::ListParams::default()).await.unwrap().items.len(),
        2
    );
}
