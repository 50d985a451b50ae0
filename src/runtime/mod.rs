//! What a process is besides its controllers: leadership, the HTTP server, logs, an orderly end.

pub mod leadership;
pub mod run;
pub mod server;
pub mod telemetry;

pub use run::{RunOptions, run};
