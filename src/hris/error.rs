//! What can go wrong between us and Merge.

use std::time::Duration;

/// What went wrong on the way to Merge or at Merge. No message holds a credential, a URL or a word of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HrisError {
    /// The client cannot be built from these options.
    #[error("{0}")]
    Options(String),
    /// The address may not be reached; says how to mend that. Not tried again.
    #[error("Merge may not be reached: {0}")]
    Refused(String),
    /// The credentials are refused, 401 or 403. Not tried again.
    #[error("Merge refuses the credentials for {model} with status {status}")]
    Unauthorized {
        /// What was asked for, as in `employees`.
        model: String,
        /// The HTTP status.
        status: u16,
    },
    /// Merge has no such list. Not tried again.
    #[error("Merge has no {model} at this base URL (status 404)")]
    NotFound {
        /// What was asked for.
        model: String,
    },
    /// Still throttled after the last try.
    #[error("Merge throttles requests for {model} (status 429){}", wait(*retry_after))]
    Throttled {
        /// What was asked for.
        model: String,
        /// How long Merge asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Any other status than 200, after the last try where it was worth one.
    #[error("Merge answers {model} with status {status}")]
    Status {
        /// What was asked for.
        model: String,
        /// The HTTP status.
        status: u16,
        /// How long Merge asks us to wait.
        retry_after: Option<Duration>,
    },
    /// No connection, no answer in time, or the connection broke in the middle of one.
    #[error("Merge does not answer {model}: {cause}")]
    Unreachable {
        /// What was asked for.
        model: String,
        /// What the network said.
        cause: String,
    },
    /// An answer with status 200 that is not what the API promises.
    #[error("Merge's answer for {model} cannot be used: {what}")]
    Malformed {
        /// What was asked for.
        model: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An answer larger than we take in.
    #[error("Merge's answer for {model} is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        model: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The pages do not lead to an end.
    #[error("Merge's pages of {model} do not come to an end: {what}")]
    Paging {
        /// What was asked for.
        model: String,
        /// What is wrong with them.
        what: &'static str,
    },
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| {
        format!(" and asks to wait {} s", wait.as_secs_f64().ceil())
    })
}

impl HrisError {
    /// Whether another try may go better.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Unreachable { .. } | Self::Malformed { .. } => true,
            Self::Status { status, .. } => *status == 408 || *status >= 500,
            Self::Options(_)
            | Self::Refused(_)
            | Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::TooLarge { .. }
            | Self::Paging { .. } => false,
        }
    }

    /// How long the other side asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } | Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
