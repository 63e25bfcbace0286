//! Dispatch of calls to services. Copydesk's own services are matched by the start of the path; everything else goes
//! through tonic's router.
//!
//! For each call, that router looks up the path, boxes a clone of the service and wraps the response: a twentieth of a
//! read from memory (docs/performance.md).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::{Layer, Service};

use super::early_reject::EarlyReject;
use crate::grpc::served::editorial_service_server::EditorialServiceServer;
use crate::grpc::served::ingestion_service_server::IngestionServiceServer;
use crate::grpc::served::retrieval_service_server::RetrievalServiceServer;
use crate::grpc::{EditorialApi, IngestionApi, RetrievalApi, without_defective_compression};
use crate::server::transport::is_grpc;

/// Copydesk's own services.
#[derive(Clone)]
pub(crate) struct OwnServices {
    pub(crate) retrieval: RetrievalServiceServer<RetrievalApi>,
    pub(crate) ingestion: IngestionServiceServer<IngestionApi>,
    pub(crate) editorial: EditorialServiceServer<EditorialApi>,
    pub(crate) early: EarlyReject,
}

impl Layer<Routes> for OwnServices {
    type Service = Dispatch;

    fn layer(&self, other_services: Routes) -> Dispatch {
        Dispatch { own_services: Arc::new(self.clone()), other_services }
    }
}

/// Service that tries the own services before all others.
#[derive(Clone)]
pub(crate) struct Dispatch {
    own_services: Arc<OwnServices>,
    other_services: Routes,
}

impl Service<Request<Body>> for Dispatch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The services are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if !is_grpc(&request) {
            return Box::pin(std::future::ready(Ok(not_grpc())));
        }
        without_defective_compression(request.headers_mut());
        let service = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
        match service {
            Some((RetrievalServiceServer::<RetrievalApi>::NAME, _)) => {
                self.own_services.retrieval.clone().call(request)
            }
            Some((IngestionServiceServer::<IngestionApi>::NAME, _)) if self.own_services.early.applies_to(&request) => {
                Box::pin(self.own_services.early.clone().admit_document(request, self.own_services.ingestion.clone()))
            }
            Some((IngestionServiceServer::<IngestionApi>::NAME, _)) => {
                self.own_services.ingestion.clone().call(request)
            }
            Some((EditorialServiceServer::<EditorialApi>::NAME, _)) => {
                self.own_services.editorial.clone().call(request)
            }
            _ => Box::pin(self.other_services.call(request)),
        }
    }
}

/// Returns the response to other content types. As gRPC over HTTP/2 requires, it has an HTTP error status too, so that
/// no client takes it for a success.
fn not_grpc() -> Response<Body> {
    let status =
        Status::invalid_argument("content-type must be application/grpc, or application/grpc-web, with Protobuf");
    let mut response = status.into_http();
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}
