//! Does the operator reach what somebody wrote into a resource to have it reached?
//!
//! Whoever may write a target or a connection chooses a host, and may own names that stand for any address. A listener on
//! all of this machine's addresses sees whether a connection was made.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod answers;
mod names;
mod operator;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Request};
use rollcall::egress::{Answer, Egress, EgressClient, EgressError, HttpOptions, Rules};
use rollcall::hris::client::{ClientOptions, MergeClient};
use rollcall::hris::error::HrisError;
use rollcall::targets::scim::{ScimOptions, ScimTarget};
use rollcall::targets::{Target, TargetError};
use url::Url;

use names::Book;

/// In the path, the query and a header of every request, and in no error.
const SECRET: &str = "s3cr3t";

/// Hosts that are this machine, and that a connection can be made to.
const LOOPBACK: [&str; 38] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "2130706433",
    "2130706433.",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "00000177.0x0.0.01",
    "127.0x000001",
    "127.000.000.001",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "①②⑦.⓪.⓪.①",
    "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "127.0.\t0.1",
    "127.0.0.1\u{ad}",
    "0.0.0.0",
    "0",
    "0x0",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000::0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
];

/// Hosts by address that are not for the internet, or that lead to such.
const INNER: [&str; 64] = [
    // Private.
    "10.0.0.1",
    "10.255.255.255",
    "10.1",
    "012.0.0.1",
    "0xa.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.255",
    "2886729729",
    "192.168.0.1",
    "192.168.257",
    "0xc0a80001",
    "0300.0250.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "[fc00::1]",
    "[fd12:3456:789a::1]",
    "[fec0::1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.0.1]",
    // Cloud metadata.
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "0251.254.169.254",
    "169.254.43518",
    "169.16689662",
    "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
    "169。254。169。254",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fe80::a9fe:a9fe]",
    "169.254.170.2",
    "169.254.170.23",
    "168.63.129.16",
    "192.0.0.192",
    "100.100.100.200",
    // Link-local.
    "169.254.0.1",
    "169.254.255.255",
    "[fe80::1]",
    "[febf::1]",
    // Many, everybody and nobody.
    "224.0.0.1",
    "239.255.255.250",
    "[ff02::1]",
    "255.255.255.255",
    "4294967295",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    // IPv4 inside of IPv6.
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
];

/// URLs that look like another host, or like no host.
const TRICKS: [&str; 34] = [
    "http://example.com@127.0.0.1:PORT/",
    "https://example.com@127.0.0.1:PORT/",
    "https://example.com:443@127.0.0.1:PORT/",
    "https://example.com%2f@127.0.0.1:PORT/",
    "https://127.0.0.1:PORT@example.com/",
    "https://example.com@127.0.0.1:PORT@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@example.com/",
    "http://127.0.0.1:PORT#@example.com/",
    "http://127.0.0.1:PORT?@example.com/",
    "https://127.0.0.1:PORT/https://example.com/",
    "http:127.0.0.1:PORT",
    "http:/127.0.0.1:PORT",
    "http:///127.0.0.1:PORT",
    "http:\\\\127.0.0.1:PORT",
    "http:/\\127.0.0.1:PORT",
    "  http://127.0.0.1:PORT  ",
    "\thttp://127.0.0.1:PORT\n",
    "ht\ntp://127.0.0.1:PORT",
    "HTTP://127.0.0.1:PORT",
    "ftp://127.0.0.1:PORT/",
    "ws://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_",
    "file:///etc/passwd",
    "file://127.0.0.1:PORT/",
    "unix:///var/run/docker.sock",
    "data:text/plain,127.0.0.1",
    "jar:http://127.0.0.1:PORT/!/",
    "//127.0.0.1:PORT",
    "127.0.0.1:PORT",
    "http://[::1%25lo]:PORT/",
    "http://[::ffff:127.0.0.1:PORT/",
    "http://127.0.0.1.1:PORT/",
    "http://256.0.0.1:PORT/",
    "http://0x7f.0.0.0x100:PORT/",
];

/// Listens on every address of this machine.
struct Wire {
    listener: TcpListener,
    port: u16,
}

impl Wire {
    fn lay() -> Self {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// Connections are accepted in the order in which they came: if the first is our own, there was none before.
    fn untouched(&self) -> bool {
        let ours = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let (_, from) = self.listener.accept().unwrap();
        from.port() == ours.local_addr().unwrap().port()
    }
}

fn client(egress: &Egress) -> EgressClient {
    egress.client(&HttpOptions::default()).unwrap()
}

async fn ask(client: &EgressClient, url: Url) -> Result<Answer, EgressError> {
    let mut request = Request::new(Method::GET, url);
    let token = HeaderValue::from_static("Bearer s3cr3t");
    request.headers_mut().insert(AUTHORIZATION, token);
    client.execute(request).await
}

/// Asks, and says whether nothing was sent for the right reason: no URL, or one that is refused.
async fn is_refused(client: &EgressClient, text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return true;
    };
    match ask(client, url).await {
        Err(EgressError::Refused(why)) => {
            assert!(!why.contains(SECRET), "{why}");
            true
        }
        other => panic!("{text}: {other:?}"),
    }
}

/// Every host by http and by https, and every trick.
fn hostile(port: u16) -> Vec<String> {
    let hosts = LOOPBACK.iter().chain(&INNER);
    let tricks = TRICKS.iter().map(|url| url.replace("PORT", &port.to_string()));
    hosts
        .flat_map(|host| ["http", "https"].map(|scheme| format!("{scheme}://{host}:{port}/{SECRET}?{SECRET}")))
        .chain(tricks)
        .collect()
}

#[tokio::test]
async fn no_spelling_of_an_inner_address_is_connected_to() {
    let wire = Wire::lay();
    let book = Book::default();
    // Also where something else is opened, since names are looked up only then.
    for rules in [Rules::default(), Rules::opening(&["172.20.0.0/16"]).unwrap()] {
        let client = client(&Egress::with_names(rules, Arc::new(book.clone())));
        for url in hostile(wire.port) {
            assert!(is_refused(&client, &url).await, "{url}");
        }
    }
    assert!(wire.untouched());
    assert_eq!(book.asked(), Vec::<String>::new(), "none of these is a name");
    let distinct: BTreeSet<&str> = LOOPBACK.iter().chain(&INNER).chain(&TRICKS).copied().collect();
    assert!(distinct.len() >= 130, "{}", distinct.len());
}

/// The test above could fail: with the way opened, each of the spellings does lead here.
#[tokio::test]
async fn the_same_spellings_lead_here_once_the_way_is_opened() {
    let listener = tokio::net::TcpListener::bind("[::]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = axum::Router::new().fallback(async || "here");
    tokio::spawn(axum::serve(listener, app).into_future());
    let client = client(&Egress::new(
        Rules::opening(&["127.0.0.0/8", "0.0.0.0", "::1", "::"]).unwrap(),
    ));
    for host in LOOPBACK {
        let url = Url::parse(&format!("http://{host}:{port}/{SECRET}")).unwrap();
        let mut answer = ask(&client, url)
            .await
            .unwrap_or_else(|error| panic!("{host}: {error}"));
        assert_eq!(answer.read(10).await.unwrap(), b"here", "{host}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let wire = Wire::lay();
    let to = format!("http://127.0.0.1:{}/{SECRET}", wire.port);
    let here = server(move |status| {
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        (status, [("location", to.clone()), ("refresh", format!("0; url={to}"))]).into()
    })
    .await;
    let client = client(&Egress::new(Rules::opening(&["127.0.0.2"]).unwrap()));
    for status in [300, 301, 302, 303, 305, 307, 308, 200, 201] {
        let url = Url::parse(&format!("http://{here}/{status}")).unwrap();
        assert_eq!(ask(&client, url).await.unwrap().status(), status);
    }
    assert!(wire.untouched());
}

/// What a server answers to `/302` and the like.
struct Reply(axum::response::Response);

impl<T: axum::response::IntoResponse> From<T> for Reply {
    fn from(parts: T) -> Self {
        Self(parts.into_response())
    }
}

/// A server at 127.0.0.2, which can be opened apart from the rest of loopback.
async fn server(reply: impl Fn(u16) -> Reply + Clone + Send + Sync + 'static) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(move |uri: axum::http::Uri| {
        let reply = reply.clone();
        async move { reply(uri.path()[1..].parse().unwrap_or(200)).0 }
    });
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

/// Run by the test below as a process of its own, since the environment is the process's.
#[tokio::test]
#[ignore = "run by proxies_of_the_environment_are_not_used"]
async fn proxies_inner() {
    let url = Url::parse(&std::env::var("HOSTILE_URL").unwrap()).unwrap();
    let client = client(&Egress::new(Rules::opening(&["127.0.0.2"]).unwrap()));
    assert_eq!(ask(&client, url).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_of_the_environment_are_not_used() {
    let wire = Wire::lay();
    let here = server(|_| "here".into()).await;
    let proxy = format!("http://127.0.0.1:{}", wire.port);
    let mut inner = tokio::process::Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "proxies_inner", "--ignored"]);
    inner.env("HOSTILE_URL", format!("http://{here}/"));
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        inner.env(name, &proxy);
    }
    let output = inner
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(wire.untouched());
}

/// Through the target and the connection: one sentence that says how to mend it, nothing sent, nothing in doubt.
#[tokio::test]
async fn targets_and_connections_say_what_is_refused_and_how_to_mend_it() {
    let wire = Wire::lay();
    let port = wire.port;
    for (base, words) in [
        (
            format!("http://127.0.0.1:{port}/{SECRET}"),
            "127.0.0.1 is a loopback address, and only public ones may be reached: set another, or have the operator run with \
             --egress-allow 127.0.0.1 if it is meant to be reached",
        ),
        (
            format!("https://0x7f.1:{port}/{SECRET}"),
            "127.0.0.1 is a loopback address, and only public ones may be reached: set another, or have the operator run with \
             --egress-allow 127.0.0.1 if it is meant to be reached",
        ),
        (
            format!("https://localhost:{port}/{SECRET}"),
            "localhost is a name of the cluster or of the network, and only public ones may be reached: set another, or have \
             the operator run with --egress-allow and its address, which the operator's log tells, if it is meant to be \
             reached",
        ),
        (
            format!("https://[::ffff:a9fe:a9fe]:{port}/{SECRET}"),
            "::ffff:169.254.169.254 is where a cloud gives out credentials of its machines: set another address; a flag of \
             the operator opens this one only by an entry of exactly this address",
        ),
        (
            "http://8.8.8.8/scim".to_owned(),
            "8.8.8.8 is to be called by plain http, which shows the credentials to everybody on the way: set an https URL, or \
             have the operator run with --egress-allow 8.8.8.8 if the way there is safe",
        ),
    ] {
        let target = ScimTarget::new(&ScimOptions::new(&base, SECRET.into(), Egress::default())).unwrap();
        let refused = TargetError::AddressRefused(words.to_owned());
        assert_eq!(target.capabilities().await.unwrap_err(), refused, "{base}");
        // A change that was not sent is not in doubt.
        assert_eq!(target.delete_account("7").await.unwrap_err(), refused, "{base}");

        let options = ClientOptions::new(&base, SECRET.into(), SECRET.into(), Egress::default());
        let connection = MergeClient::new(&options).unwrap();
        let error = connection.account_details().await.unwrap_err();
        assert_eq!(error, HrisError::Refused(words.to_owned()), "{base}");
        assert!(!error.is_passing(), "trying again would not help");
    }
    assert!(wire.untouched());
}
