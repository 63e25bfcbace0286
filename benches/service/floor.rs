//! The floor: what tonic takes to answer with an article that lies in memory, as anyone would write it. The answer is a
//! message that is cloned and encoded for each call; there are no limits, deadlines, metrics, traces or store.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use copydesk::proto::{Article, GetArticleRequest, GetArticleResponse};
use prost::Message;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::Result;

/// Serves the article in a file, and says where, until the process is ended.
pub async fn serve(article: &Path) -> Result<()> {
    let article = Arc::new(Article::decode(&std::fs::read(article)?[..])?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().add_service(Floor(article)).serve_with_incoming(incoming).await?;
    Ok(())
}

/// The service that tonic-build would generate, with one method.
#[derive(Clone)]
struct Floor(Arc<Article>);

impl NamedService for Floor {
    const NAME: &'static str = "copydesk.v1.RetrievalService";
}

impl tower::Service<http::Request<Body>> for Floor {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let get = Get(Arc::clone(&self.0));
        Box::pin(async move {
            if request.uri().path() != "/copydesk.v1.RetrievalService/GetArticle" {
                return Ok(Status::unimplemented("the floor has one method").into_http());
            }
            let codec = ProstCodec::<GetArticleResponse, GetArticleRequest>::default();
            Ok(Grpc::new(codec).unary(get, request).await)
        })
    }
}

struct Get(Arc<Article>);

impl UnaryService<GetArticleRequest> for Get {
    type Response = GetArticleResponse;
    type Future = Ready<std::result::Result<Response<GetArticleResponse>, Status>>;

    fn call(&mut self, _: Request<GetArticleRequest>) -> Self::Future {
        ready(Ok(Response::new(GetArticleResponse { article: Some(Article::clone(&self.0)) })))
    }
}
