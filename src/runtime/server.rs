//! The HTTP server: whether the process is alive and ready.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use parking_lot::RwLock;
use tokio::net::TcpListener;

use crate::controllers::Context;

/// What the process is doing, for the probes.
#[derive(Clone, Default)]
pub struct Health(Arc<RwLock<State>>);

#[derive(Default)]
enum State {
    /// The API server has not been reached, or lacks the CRDs.
    #[default]
    Starting,
    /// Another operator leads; this one can take over at any time.
    Standby,
    /// This one leads.
    Leading(Arc<Context>),
}

impl Health {
    /// Ready to take over.
    pub fn stand_by(&self) {
        *self.0.write() = State::Standby;
    }

    /// Leading, and ready once every kind has been listed.
    pub fn lead(&self, context: Arc<Context>) {
        *self.0.write() = State::Leading(context);
    }

    fn ready(&self) -> (StatusCode, &'static str) {
        match &*self.0.read() {
            State::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            State::Standby => (StatusCode::OK, "standing by\n"),
            State::Leading(context) if context.index.read().is_synced() => (StatusCode::OK, "leading\n"),
            State::Leading(_) => (StatusCode::SERVICE_UNAVAILABLE, "leading, listing\n"),
        }
    }

    /// A leader that may no longer act and has not ended by itself should be ended.
    fn alive(&self) -> (StatusCode, &'static str) {
        match &*self.0.read() {
            State::Leading(context) if !context.gate.is_open() => {
                (StatusCode::SERVICE_UNAVAILABLE, "leading without a Lease\n")
            }
            _ => (StatusCode::OK, "alive\n"),
        }
    }
}

/// Listens on `address`.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers `/healthz` and `/readyz` until the process ends.
pub async fn serve(listener: TcpListener, health: Health) -> std::io::Result<()> {
    let live = health.clone();
    let router = Router::new()
        .route("/healthz", get(move || async move { live.alive() }))
        .route("/readyz", get(move || async move { health.ready() }));
    axum::serve(listener, router).await
}
