//! Answers that do not end, or come too slowly, or are too large to begin with: all are left, in bounded time and space.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, Request};
use rollcall::egress::{Egress, EgressError, HttpOptions, Rules};
use rollcall::targets::scim::{ScimOptions, ScimTarget};
use rollcall::targets::{Target, TargetError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

/// The limit of bodies here.
const LIMIT: usize = 1 << 20;
/// What may be under way in the system's buffers when an answer is left, on both sides together.
const BUFFERS: usize = 16 << 20;
/// The time that a whole answer has.
const TIMEOUT: Duration = Duration::from_millis(700);
/// What a machine that is busy otherwise may add to it.
const SLACK: Duration = Duration::from_secs(10);

/// A server that begins every answer with `head`, and then sends `rest` over and over, with a pause in between, until
/// nobody listens.
struct Flood {
    url: String,
    sent: Arc<AtomicUsize>,
}

impl Flood {
    async fn begin(head: &str, rest: impl Into<Vec<u8>>, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/s3cr3t", listener.local_addr().unwrap());
        let sent = Arc::new(AtomicUsize::new(0));
        let (head, rest, count) = (head.as_bytes().to_vec(), rest.into(), sent.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (head, rest, count) = (head.clone(), rest.clone(), count.clone());
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let mut next = &head;
                    while !next.is_empty() && stream.write_all(next).await.is_ok() {
                        count.fetch_add(next.len(), Ordering::SeqCst);
                        next = &rest;
                        tokio::time::sleep(pause).await;
                    }
                });
            }
        });
        Self { url, sent }
    }

    /// Asks for it, and reads it up to [`LIMIT`].
    async fn taste(&self) -> Result<Vec<u8>, EgressError> {
        let options = HttpOptions {
            timeout: TIMEOUT,
            ..HttpOptions::default()
        };
        let client = loopback().client(&options).unwrap();
        let request = Request::new(Method::GET, Url::parse(&self.url).unwrap());
        let begun = Instant::now();
        let answer = async { client.execute(request).await?.read(LIMIT).await }.await;
        assert!(begun.elapsed() < TIMEOUT + SLACK, "{:?}", begun.elapsed());
        let sent = self.sent.load(Ordering::SeqCst);
        assert!(sent < LIMIT + BUFFERS, "{sent} bytes were taken in");
        if let Err(error) = &answer {
            let words = format!("{error} {error:?}");
            assert!(!words.contains("s3cr3t") && !words.contains("127.0.0.1"), "{words}");
        }
        answer
    }
}

fn loopback() -> Egress {
    Egress::new(Rules::opening(&["127.0.0.1"]).unwrap())
}

fn is_late(answer: &Result<Vec<u8>, EgressError>) -> bool {
    matches!(answer, Err(EgressError::NoAnswer { late: true, .. }))
}

const AT_ONCE: Duration = Duration::ZERO;
const SLOWLY: Duration = Duration::from_millis(20);

fn chunk(bytes: usize) -> String {
    format!("{bytes:x}\r\n{}\r\n", "s3cr3t!!".repeat(bytes / 8))
}

#[tokio::test]
async fn a_body_without_an_end_is_read_to_the_limit() {
    let plain = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (head, rest) in [(plain, "s3cr3t!!".repeat(8192)), (chunked, chunk(65_536))] {
        let flood = Flood::begin(head, rest, AT_ONCE).await;
        assert_eq!(flood.taste().await, Err(EgressError::TooLarge(LIMIT)));
    }
}

#[tokio::test]
async fn ten_gigabytes_are_left_at_their_announcement_and_in_one_chunk_at_the_limit() {
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n";
    let flood = Flood::begin(announced, "x".repeat(65_536), AT_ONCE).await;
    assert_eq!(flood.taste().await, Err(EgressError::TooLarge(LIMIT)));
    let one_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n280000000\r\n";
    let flood = Flood::begin(one_chunk, "x".repeat(65_536), AT_ONCE).await;
    assert_eq!(flood.taste().await, Err(EgressError::TooLarge(LIMIT)));
}

#[tokio::test]
async fn what_drips_is_left_when_the_time_is_over() {
    for (head, rest) in [
        // The body, the headers, the status line, and interim answers, of which there may be any number.
        ("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "x"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("HTTP/1.1 200 OK\r\nx: ", "x"),
        ("HTTP/1.1 ", " "),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"),
    ] {
        let answer = Flood::begin(head, rest, SLOWLY).await.taste().await;
        let broken = matches!(answer, Err(EgressError::NoAnswer { .. }));
        assert!(
            is_late(&answer) || (head == "HTTP/1.1 " && broken),
            "{head:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn interim_answers_without_an_end_are_left_when_the_time_is_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let flood = Flood::begin(interim, interim, Duration::from_micros(100)).await;
    let answer = flood.taste().await;
    assert!(is_late(&answer), "{answer:?}");
}

#[tokio::test]
async fn headers_without_an_end_are_no_answer() {
    for (head, rest) in [
        ("HTTP/1.1 200 OK\r\n", "x-s3cr3t: s3cr3t\r\n".repeat(1000)),
        ("HTTP/1.1 200 OK\r\nx: ", "s3cr3t!!".repeat(8192)),
        ("HTTP/1.1 200 ", "s3cr3t!!".repeat(8192)),
        ("", String::new()),
        ("", "s3cr3t!!".repeat(8192)),
        // In a chunk's extension, and after the last chunk.
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
            "s3cr3t!!".repeat(8192),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            "x-s3cr3t: s3cr3t\r\n".repeat(1000),
        ),
    ] {
        let answer = Flood::begin(head, rest, AT_ONCE).await.taste().await;
        assert!(
            matches!(answer, Err(EgressError::NoAnswer { .. })),
            "{head:?}: {answer:?}"
        );
    }
}

/// What is small on the way and large when unpacked stays packed.
#[tokio::test]
async fn nothing_is_decompressed() {
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let packed = "\u{1f}packed";
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n{packed}",
            packed.len()
        );
        let answer = Flood::begin(&head, "", AT_ONCE).await.taste().await;
        assert_eq!(answer.unwrap(), packed.as_bytes());
    }
}

/// Through the target: a flood is malformed, or the target does not answer; a change may have been done.
#[tokio::test]
async fn a_target_that_floods_is_left_in_time_and_says_nothing_of_the_answer() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (head, rest, pause) in [
        (chunked.to_owned(), chunk(65_536), AT_ONCE),
        (chunked.to_owned(), chunk(8), SLOWLY),
        (
            "HTTP/1.1 200 OK\r\n".to_owned(),
            "s3cr3t: s3cr3t\r\n".repeat(100),
            AT_ONCE,
        ),
        (chunked.replace("200 OK", "500 s3cr3t"), chunk(65_536), AT_ONCE),
    ] {
        let flood = Flood::begin(&head, rest, pause).await;
        let mut options = ScimOptions::new(&flood.url, "t0ken".into(), loopback());
        options.timeout = TIMEOUT;
        let target = ScimTarget::new(&options).unwrap();
        let read = target.capabilities().await.unwrap_err();
        assert!(
            matches!(read, TargetError::Malformed(_) | TargetError::Unreachable(_)),
            "{read:?}"
        );
        let words = format!("{read} {read:?}");
        assert!(!words.contains("s3cr3t") && !words.contains("t0ken"), "{words}");
    }
}
