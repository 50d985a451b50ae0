//! stripe-mock: Stripe's own description of its API, answered from examples.
//!
//! It checks parameters (400) and that there is a key (401), and keeps nothing: what is made cannot be found again. So it
//! shows whether a definition asks as Stripe wants to be asked, and no more.

use super::install::{GoProgram, go_program};
use super::server::{Answer, Server, form};
use crate::process::Result;

const GO_MOD: &str = include_str!("../../products/stripe/go.mod");
const GO_SUM: &str = include_str!("../../products/stripe/go.sum");
const KEY: &str = "sk_test_123";

/// A running stripe-mock, with a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct StripeMock {
    server: Server,
}

impl StripeMock {
    /// Starts one, in about a second. The first ever on a machine builds it.
    pub async fn start() -> Result<StripeMock> {
        let program = go_program(GoProgram {
            name: "stripe-mock",
            what: "stripe-mock",
            package: "github.com/stripe/stripe-mock",
            go_mod: GO_MOD,
            go_sum: GO_SUM,
        })
        .await?;
        let server = Server::start("stripe-mock", 1, async |server: &mut Server| {
            let spec = server
                .spec(&program)
                .args(["-http-addr", &format!("127.0.0.1:{}", server.port(0))]);
            server.run(&spec)?;
            let url = format!("{}/v1/issuing/cards", server.url());
            server.ready(&url, Some(KEY)).await
        })
        .await?;
        Ok(StripeMock { server })
    }

    /// Its base: what precedes `/v1`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A secret key, for `Authorization: Bearer`.
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// Its output.
    pub fn logs(&self) -> String {
        self.server.logs()
    }

    /// The directory in which it works. It goes away with it.
    pub fn dir(&self) -> &std::path::Path {
        self.server.dir()
    }

    /// Sends a form, or nothing if it is empty; `path` starts with `/v1`.
    pub async fn request(&self, method: &str, path: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
        self.server
            .send(method, path, |request| form(request.bearer_auth(KEY), parameters))
            .await
    }
}
