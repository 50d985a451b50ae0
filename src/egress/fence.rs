//! A last look, in the instant of sending, at whether something still may be sent.
//!
//! Between the decision to send and the first byte stand a look-up of the name, a connection and TLS. A process that is
//! stopped there for longer than its Lease lasts would, when it goes on, send what another has since decided otherwise
//! (I5).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Says whether something may be sent now.
pub type Fence = Arc<dyn Fn() -> bool + Send + Sync>;

/// The fence said no; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process may no longer send: another may lead by now")]
pub(super) struct Closed;

/// A body that is written only if the fence says yes. HTTP/1.1 writes the head together with the first part of the body,
/// so that nothing of the request leaves; with HTTP/2 the head leaves and the request is reset.
pub(super) struct Fenced {
    rest: Option<Bytes>,
    fence: Fence,
}

impl Fenced {
    pub fn new(bytes: Bytes, fence: &Fence) -> Self {
        Self {
            rest: Some(bytes),
            fence: fence.clone(),
        }
    }
}

impl Body for Fenced {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        let may = (self.fence)();
        let frame = |bytes| if may { Ok(Frame::data(bytes)) } else { Err(Closed) };
        Poll::Ready(self.rest.take().map(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.rest.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use reqwest::{Method, Request};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use url::Url;

    use super::*;
    use crate::egress::{Egress, EgressError, HttpOptions, Rules};

    const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

    /// What a server was sent of a request whose fence says yes so many times, and what became of it.
    async fn sent(times: usize) -> (String, Result<u16, EgressError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/cards", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            // The whole of it stands in one segment, or there is none and the connection ends.
            let mut part = [0; 4096];
            while !received.ends_with(b"limit") {
                match stream.read(&mut part).await.unwrap_or(0) {
                    0 => break,
                    read => received.extend_from_slice(&part[..read]),
                }
            }
            let _ = stream.write_all(ANSWER).await;
            String::from_utf8(received).unwrap()
        });
        let client = Egress::new(Rules::opening(&["127.0.0.1"]).unwrap());
        let client = client.client(&HttpOptions::default()).unwrap();
        let asked = AtomicUsize::new(0);
        let fence: Fence = Arc::new(move || asked.fetch_add(1, Ordering::SeqCst) < times);
        let mut request = Request::new(Method::POST, Url::parse(&url).unwrap());
        *request.body_mut() = Some("limit".into());
        let answer = client.execute_while(request, &fence).await;
        drop(client);
        if times == 0 {
            server.abort();
            return (String::new(), answer.map(|answer| answer.status().as_u16()));
        }
        (server.await.unwrap(), answer.map(|answer| answer.status().as_u16()))
    }

    /// I5: what was decided while this process led, and would be sent when it leads no longer, is not sent.
    #[tokio::test]
    async fn nothing_of_a_request_leaves_once_the_fence_is_closed() {
        let closed = Err(EgressError::NotSent(Closed.to_string()));
        assert_eq!(sent(0).await, (String::new(), closed.clone()));
        assert_eq!(
            sent(1).await,
            (String::new(), closed),
            "the connection stands, and nothing is written"
        );
        let (received, answer) = sent(usize::MAX).await;
        assert_eq!(answer, Ok(204));
        assert!(received.contains("content-length: 5\r\n"), "{received}");
        assert!(received.ends_with("\r\n\r\nlimit"), "{received}");
    }
}
