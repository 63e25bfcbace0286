//! The floor: tonic answering with an article in memory, in the usual way. The response is a message that is cloned
//! and encoded for each call; there are no limits, deadlines, metrics, traces or store.

use std::future::{Ready, ready};
use std::path::Path;
use std::sync::Arc;

use copydesk::proto::{Article, GetArticleRequest, GetArticleResponse};
use prost::Message;
use tonic::server::UnaryService;
use tonic::{Request, Response, Status};

use crate::{Result, one_method};

/// Serves the article in a file.
pub async fn serve(article: &Path) -> Result<()> {
    let article = Arc::new(Article::decode(&std::fs::read(article)?[..])?);
    one_method::serve(BareTonic(article)).await
}

#[derive(Clone)]
struct BareTonic(Arc<Article>);

impl UnaryService<GetArticleRequest> for BareTonic {
    type Response = GetArticleResponse;
    type Future = Ready<std::result::Result<Response<GetArticleResponse>, Status>>;

    fn call(&mut self, _: Request<GetArticleRequest>) -> Self::Future {
        ready(Ok(Response::new(GetArticleResponse { article: Some(Article::clone(&self.0)), ..Default::default() })))
    }
}
