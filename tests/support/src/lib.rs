//! What Rollcall's tests and examples run on: a real Kubernetes control plane, a Merge simulator, real target
//! servers, the operator as a process, and a proxy that counts requests and injects faults.

// Test support may end a test with words that say why.
#![allow(clippy::expect_used, clippy::missing_panics_doc, clippy::panic, clippy::unwrap_used)]

pub mod checks;
pub mod control_plane;
pub mod merge;
pub mod mutants;
pub mod operator;
pub mod process;
pub mod products;
pub mod proxy;
pub mod scim_server;
pub mod story;
pub mod world;
