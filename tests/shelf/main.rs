//! The shelf of targets in `examples/targets`: does each definition do on the product what it says? The very files of the
//! examples are used, with nothing but the address and the credentials swapped.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod files;
mod github;
mod jupyterhub;
mod more;
mod operated;
mod rabbitmq;
mod stage;
mod stripe;
