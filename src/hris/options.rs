//! How to reach a linked account, and how patient to be.

use std::time::Duration;

use secrecy::SecretString;

use crate::api::hris_connection::{Merge, Region};
use crate::egress::Egress;

/// Merge's upper bound on `page_size`.
pub(super) const PAGE_SIZE_MAX: u32 = 100;

/// The base URL up to and with `/api/hris/v1`: that of the region, or the one that is written.
pub fn base_url(merge: &Merge) -> &str {
    match (&merge.base_url, merge.region) {
        (Some(url), _) => url,
        (None, Some(Region::EU)) => "https://api-eu.merge.dev/api/hris/v1",
        (None, Some(Region::APAC)) => "https://api-ap.merge.dev/api/hris/v1",
        (None, Some(Region::US) | None) => "https://api.merge.dev/api/hris/v1",
    }
}

/// How to reach one linked account.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Base URL up to and with `/api/hris/v1`; see [`base_url`].
    pub base_url: String,
    /// The Merge API key. White space around it is ignored, as files end in a newline.
    pub api_key: SecretString,
    /// The token of the linked account; white space likewise.
    pub account_token: SecretString,
    /// What of the network Merge may be found in.
    pub egress: Egress,
    /// The most requests in any minute, tries included. Default 100, Merge's smallest plan; at least 1.
    pub requests_per_minute: u32,
    /// Rows a page. Default 100, the most that Merge gives.
    pub page_size: u32,
    /// How patient to be.
    pub patience: Patience,
}

impl ClientOptions {
    /// These credentials at this base URL, reached through `egress`, with defaults for the rest.
    pub fn new(
        base_url: impl Into<String>,
        api_key: SecretString,
        account_token: SecretString,
        egress: Egress,
    ) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            account_token,
            egress,
            requests_per_minute: 100,
            page_size: PAGE_SIZE_MAX,
            patience: Patience::default(),
        }
    }
}

/// How long to wait, and how often to try again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection. Default 10 s.
    pub connect: Duration,
    /// For one whole answer. Default 60 s.
    pub answer: Duration,
    /// Tries after the first one, where the failure may pass. Default 4.
    pub retries: usize,
    /// The pause before the second try, which doubles from try to try, with jitter. Default 1 s.
    pub first_pause: Duration,
    /// The longest pause, and the longest `Retry-After` that is waited for rather than given up on. Default 90 s;
    /// Merge asks for 60 s when it throttles.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_mins(1),
            retries: 4,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(90),
        }
    }
}
