//! Does the SCIM target cope with what servers do that no RFC says? One small server a habit.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Habits answer or do not; most of these answer.
#![allow(clippy::unnecessary_wraps, clippy::type_complexity)]

mod bulk;
mod changing;
mod creating;
mod enterprise;
mod finding;
mod forms;
mod groups;
mod listing;
mod making;
mod odd;
mod reading;
mod service;
mod values;
mod versions;
