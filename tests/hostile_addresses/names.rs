//! Names that stand for what their owners like, and for something else the next time.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rollcall::egress::{Egress, EgressError, Names, Rules};
use url::Url;

use crate::{SECRET, Wire, ask, client, is_refused, server};

/// Names and what is answered for each: one answer after the other, and the last one from then on.
#[derive(Clone, Debug, Default)]
pub struct Book {
    answers: Arc<Mutex<HashMap<String, Vec<Vec<IpAddr>>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Book {
    fn of(name: &str, answers: &[&[&str]]) -> Self {
        let book = Self::default();
        book.answer(name, answers);
        book
    }

    fn answer(&self, name: &str, answers: &[&[&str]]) {
        let answers = answers
            .iter()
            .map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect())
            .collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers);
    }

    /// What was looked up so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Names for Book {
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        match self.answers.lock().unwrap().get_mut(name) {
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
        }
    }
}

fn egress(opened: &[&str], book: &Book) -> Egress {
    Egress::with_names(Rules::opening(opened).unwrap(), Arc::new(book.clone()))
}

/// Names of the host, the cluster or the network, in every spelling.
const INNER_NAMES: [&str; 28] = [
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "localhost.",
    "localhost%2e",
    "%6cocalhost",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "ｌｏｃａｌｈｏｓｔ",
    "local\thost",
    "localhost\u{ad}",
    "a.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "kubernetes.default.svc.cluster.local.",
    "kubernetes。default。svc",
    "etcd.kube-system.svc",
    "10-0-0-1.acme.pod.cluster.local",
    "metadata",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "instance-data.ec2.internal",
    "host.docker.internal",
    "nas.home.arpa",
    "printer.local",
];

#[tokio::test]
async fn names_of_the_cluster_and_the_network_are_refused_without_a_look_up() {
    let wire = Wire::lay();
    let book = Book::default();
    let strict = client(&egress(&[], &book));
    for name in INNER_NAMES {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{name}:{}/{SECRET}", wire.port);
            assert!(is_refused(&strict, &url).await, "{url}");
        }
    }
    assert_eq!(book.asked(), Vec::<String>::new());
    // By the system's own look-up, with something else opened.
    let system = client(&Egress::new(Rules::opening(&["172.20.0.0/16"]).unwrap()));
    for name in ["localhost", "LOCALHOST", "%6cocalhost"] {
        let url = format!("https://{name}:{}/", wire.port);
        assert!(is_refused(&system, &url).await, "{url}");
    }
    assert!(wire.untouched());
}

#[tokio::test]
async fn a_name_that_stands_for_an_inner_address_is_refused_and_the_address_not_told() {
    let wire = Wire::lay();
    let names = [
        "directory.example",
        "127.0.0.1.nip.io",
        "127-0-0-1.sslip.io",
        "localtest.me",
        "lvh.me",
        "169.254.169.254.nip.io",
        "münchen.example",
        "a.very.long.name.with.many.labels.example.com",
        "example.com.",
    ];
    let addresses = [
        "127.0.0.1",
        "127.0.0.53",
        "0.0.0.0",
        "::1",
        "0:0:0:0:0:0:0:0",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "10.0.0.7",
        "172.16.9.9",
        "192.168.1.1",
        "100.64.1.1",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00::1",
        "fe80::1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
        "255.255.255.255",
        "ff02::1",
    ];
    // Neither what else is opened nor the scheme makes a difference.
    for opened in [&["172.20.0.0/16"][..], &[]] {
        let book = Book::default();
        let client = client(&egress(opened, &book));
        for (name, address) in names.iter().flat_map(|name| addresses.map(|address| (name, address))) {
            let url = Url::parse(&format!("https://{name}:{}/{SECRET}", wire.port)).unwrap();
            let host = url.host_str().unwrap();
            book.answer(host, &[&[address]]);
            let error = ask(&client, url.clone()).await.unwrap_err();
            let EgressError::Refused(why) = error else {
                panic!("{name} {address}: {error:?}");
            };
            assert!(why.contains(host) && why.contains("operator"), "{why}");
            assert!(!why.contains(SECRET), "{why}");
            assert!(name.contains(address) || !why.contains(address), "{why}");
            assert_eq!(book.asked().last().map(String::as_str), Some(host));
        }
        assert_eq!(
            book.asked().len(),
            names.len() * addresses.len(),
            "one look-up for each request"
        );
    }
    assert!(wire.untouched());
}

#[tokio::test]
async fn a_name_that_stands_for_something_else_the_next_time_is_judged_the_next_time() {
    let wire = Wire::lay();
    // 127.0.0.2 is opened and stands for the good address. Each connection is closed after its answer.
    let here = server(|_| ([("connection", "close")], "here").into()).await;
    for second in ["127.0.0.1", "10.0.0.1", "::1", "169.254.169.254"] {
        let book = Book::of("rebinding.example", &[&["127.0.0.2"], &[second]]);
        let url = Url::parse(&format!("http://rebinding.example:{}/", here.port())).unwrap();
        let client = client(&egress(&["127.0.0.2"], &book));
        let mut answer = ask(&client, url.clone()).await.unwrap();
        assert_eq!(answer.read(10).await.unwrap(), b"here");
        drop(answer);
        assert_eq!(
            book.asked().len(),
            1,
            "looked up once, and connected to what was judged"
        );
        let error = ask(&client, url).await.unwrap_err();
        assert!(matches!(error, EgressError::Refused(_)), "{error:?}");
        assert_eq!(book.asked().len(), 2);
    }
    assert!(wire.untouched());
}

#[tokio::test]
async fn of_mixed_addresses_only_the_good_ones_are_connected_to() {
    let here = server(|_| "here".into()).await;
    // On the same port as the good server, at the address that is not opened: the first one that is answered.
    let wire = std::net::TcpListener::bind(("127.0.0.1", here.port())).unwrap();
    wire.set_nonblocking(true).unwrap();
    for mixed in [
        &["127.0.0.1", "127.0.0.2"][..],
        &["127.0.0.2", "127.0.0.1"],
        &["::ffff:127.0.0.1", "10.0.0.1", "127.0.0.2"],
    ] {
        let book = Book::of("mixed.example", &[mixed]);
        let url = Url::parse(&format!("http://mixed.example:{}/", here.port())).unwrap();
        let answer = ask(&client(&egress(&["127.0.0.2"], &book)), url.clone()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let bad = Book::of("mixed.example", &[&["127.0.0.1", "10.0.0.1", "fd00::1"]]);
        let error = ask(&client(&egress(&["127.0.0.2"], &bad)), url).await.unwrap_err();
        assert!(matches!(error, EgressError::Refused(_)), "{error:?}");
    }
    assert_eq!(wire.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_name_without_an_address_is_no_refusal() {
    for (book, words) in [
        (Book::default(), "no connection (no such name)"),
        (
            Book::of("gone.example", &[&[]]),
            "no connection (the name has no address)",
        ),
    ] {
        let url = Url::parse("https://gone.example/").unwrap();
        let error = ask(&client(&egress(&[], &book)), url).await.unwrap_err();
        assert!(matches!(error, EgressError::NotSent(_)), "{error:?}");
        assert_eq!(error.to_string(), words);
    }
}

/// A public address does not do for plain http, nor for a name that is not public.
#[tokio::test]
async fn plain_http_and_inner_names_need_an_address_that_was_opened() {
    for (url, name) in [
        ("http://directory.example/", "directory.example"),
        ("https://directory.acme.svc/", "directory.acme.svc"),
    ] {
        let book = Book::of(name, &[&["8.8.8.8", "2600::1"]]);
        let error = ask(&client(&egress(&["172.20.0.0/16"], &book)), Url::parse(url).unwrap()).await;
        let Err(EgressError::Refused(why)) = error else {
            panic!("{url}: {error:?}");
        };
        assert!(why.contains(name), "{why}");
    }
}
