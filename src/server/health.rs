//! `grpc.health.v1` service. As the protocol requires, `Check` of an unknown service returns NOT_FOUND, and `Watch` of
//! one returns SERVICE_UNKNOWN and stays open.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::grpc::ConnectionShutdown;

/// Services with their own health status.
const SERVICES: [&str; 3] =
    ["copydesk.v1.EditorialService", "copydesk.v1.IngestionService", "copydesk.v1.RetrievalService"];

/// Readiness of the server for calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Readiness {
    /// The server is not stopping.
    pub(super) open: bool,
    /// The store answers.
    pub(super) store: bool,
    /// Credentials can be checked, or none are required.
    pub(super) credentials: bool,
    /// The search index is built, or need not be.
    pub(super) search: bool,
}

impl Readiness {
    fn serves(self) -> bool {
        self.open && self.store && self.credentials && self.search
    }

    fn of(self, service: &str) -> ServingStatus {
        match service {
            "" if self.open => ServingStatus::Serving,
            service if SERVICES.contains(&service) && self.serves() => ServingStatus::Serving,
            service if service.is_empty() || SERVICES.contains(&service) => ServingStatus::NotServing,
            _ => ServingStatus::ServiceUnknown,
        }
    }
}

/// Health service.
pub(super) struct HealthApi {
    pub(super) readiness: watch::Receiver<Readiness>,
}

#[tonic::async_trait]
impl Health for HealthApi {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        match self.readiness.borrow().of(&request.get_ref().service) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("unknown service")),
            status => Ok(Response::new(HealthCheckResponse { status: status.into() })),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let closing = ConnectionShutdown::of(request.extensions());
        let service = request.into_inner().service;
        let statuses = WatchStream::new(self.readiness.clone()).map(move |readiness| readiness.of(&service));
        let mut last = None;
        let changes = statuses.filter_map(move |status| {
            let changed = last != Some(status);
            last = Some(status);
            std::future::ready(changed.then(|| Ok(HealthCheckResponse { status: status.into() })))
        });
        // The stream ends 50 ms after its connection begins to close, so that NOT_SERVING goes out first.
        Ok(Response::new(Box::pin(changes.take_until(async move {
            closing.started().await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }))))
    }
}
