//! HTTP port for operators: metrics, and health probes without gRPC.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use super::health::Readiness;
use crate::telemetry::Metrics;

#[derive(Clone)]
pub(super) struct Http {
    pub(super) metrics: Metrics,
    pub(super) readiness: watch::Receiver<Readiness>,
}

pub(super) fn router(http: Http) -> Router {
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
        Readiness { open: true, store: true, credentials: true } => return "ready\n".into_response(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, not_ready).into_response()
}
