//! HTTP port for operators: metrics, and health probes without gRPC.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::health::Readiness;
use crate::telemetry::Metrics;

/// Maximum number of connections: a few monitors and probes. Without a bound, idle ones would take the file descriptors
/// that callers need.
const MAX_CONNECTIONS: usize = 64;
/// Maximum time from the start of a request, or of a connection, to the end of its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum age of a connection. Monitors open another one.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Pause after a failed accept, as when no file descriptors are left.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct Http {
    pub(super) metrics: Metrics,
    pub(super) readiness: watch::Receiver<Readiness>,
}

/// Serves connections. Never returns.
pub(super) async fn serve(listener: TcpListener, http: Http) {
    let service = TowerToHyperService::new(router(http));
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                tracing::warn!(%error, "connection to the metrics port could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        // Beyond the maximum, the connection is closed.
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        let service = service.clone();
        tokio::spawn(async move {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            // Errors are those of the peer, and end only its connection.
            let _ended = tokio::time::timeout(MAX_AGE, connection).await;
            drop(permit);
        });
    }
}

fn router(http: Http) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(http)
}

async fn metrics(State(http): State<Http>) -> Response {
    match http.metrics.render() {
        Ok(text) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn ready(State(http): State<Http>) -> Response {
    let readiness = *http.readiness.borrow();
    let not_ready = match readiness {
        Readiness { open: false, .. } => "stopping\n",
        Readiness { store: false, .. } => "the store does not answer\n",
        Readiness { credentials: false, .. } => "credentials cannot be checked\n",
        Readiness { search: false, .. } => "the search index is being built\n",
        Readiness { open: true, store: true, credentials: true, search: true } => return "ready\n".into_response(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, not_ready).into_response()
}
