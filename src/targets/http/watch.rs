//! What was sent and answered, for whoever tries a definition out.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

/// One request and its answer. Headers are left out, since credentials stand there.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The method.
    pub method: &'a str,
    /// Where it went, with the query.
    pub url: &'a Url,
    /// The status of the answer; `None` where there was none.
    pub status: Option<u16>,
    /// From the request, once the pace let it go, to the end of the answer.
    pub took: Duration,
    /// Whether it is about credentials, so that its bodies are nobody's business.
    pub private: bool,
    /// The body that was sent.
    pub sent: Option<&'a [u8]>,
    /// The body of the answer, as far as it was read.
    pub answered: Option<&'a [u8]>,
}

/// Is shown each exchange, when it is over.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(&Exchange<'_>) + Send + Sync>);

impl Watch {
    /// Shows each exchange to `see`.
    pub fn new(see: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(super) fn show(&self, exchange: &Exchange<'_>) {
        (self.0)(exchange);
    }
}
