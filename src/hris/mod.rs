//! Merge's HRIS Unified API: reading it, judging whether a read can be believed, and turning its rows into facts.
//!
//! ```text
//! client ──pages──▶ models ──▶ trust ──believed──▶ book ──▶ names, facts ──▶ sync::diff ──▶ what to write
//!  (IO)                        (IO)                        ────────── pure ──────────
//! ```
//!
//! A read is believed whole or not at all: [`trust::read_all`] gives either a new [`book::Book`] or a
//! [`trust::Distrust`] that says in a sentence what is wrong. What is written is computed whole by [`sync::diff`]
//! before the first write.

pub mod attributes;
pub mod book;
pub mod client;
pub mod custom;
pub mod error;
pub mod facts;
mod lenient;
pub mod models;
pub mod names;
mod options;
mod page;
pub mod sync;
#[cfg(test)]
mod testing;
mod text;
pub mod trust;

pub use book::Book;
pub use client::{ClientOptions, MergeClient};
pub use error::HrisError;
pub use sync::{Diff, diff};
pub use trust::{Distrust, Read, ReadRequest, read_all};
