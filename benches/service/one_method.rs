//! Serves GetArticle and nothing else, as the service that tonic-build would generate does.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use copydesk::proto::{GetArticleRequest, GetArticleResponse};
use tokio::net::TcpListener;
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_prost::ProstCodec;

use crate::Result;

/// Serves the method on a free port, and says where, until the process is ended.
pub async fn serve<M>(method: M) -> Result<()>
where
    M: UnaryService<GetArticleRequest, Response = GetArticleResponse> + Clone + Send + Sync + 'static,
    M::Future: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().add_service(OneMethod(method)).serve_with_incoming(incoming).await?;
    Ok(())
}

#[derive(Clone)]
struct OneMethod<M>(M);

impl<M> NamedService for OneMethod<M> {
    const NAME: &'static str = "copydesk.v1.RetrievalService";
}

impl<M> tower::Service<http::Request<Body>> for OneMethod<M>
where
    M: UnaryService<GetArticleRequest, Response = GetArticleResponse> + Clone + Send + 'static,
    M::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = self.0.clone();
        Box::pin(async move {
            if request.uri().path() != "/copydesk.v1.RetrievalService/GetArticle" {
                return Ok(Status::unimplemented("there is one method").into_http());
            }
            let codec = ProstCodec::<GetArticleResponse, GetArticleRequest>::default();
            Ok(Grpc::new(codec).unary(method, request).await)
        })
    }
}
