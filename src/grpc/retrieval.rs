//! `copydesk.v1.RetrievalService`.

use std::sync::Arc;

use futures::StreamExt;
use tonic::metadata::MetadataValue;
use tonic::{Extensions, Request, Response, Status};

use super::convert::{change_kind, highlights};
use super::served::retrieval_service_server::RetrievalService;
use super::served::{
    ArticleChange, BatchGetArticlesResponse, ExportArticlesResponse, GetArticleResponse, ListArticlesResponse,
    LookupArticleResponse, SearchArticlesResponse, SearchResult, WatchArticlesResponse, export_articles_response,
    watch_articles_response,
};
use super::{CACHE_METADATA, ConnectionShutdown, Outgoing, status, until_shutdown};
use crate::access::{Caller, Scope};
use crate::article::to_proto;
use crate::proto::{self, ArticleRevision, Checkpoint, ExportSummary, ListArticleRevisionsResponse};
use crate::retrieve::{Event, Exported, Got, Retrieval, View};
use crate::store::Layer;
use crate::telemetry::{Metrics, set_call_article};

/// Service of reads.
pub struct RetrievalApi {
    retrieval: Retrieval,
    metrics: Metrics,
    /// False where callers are not told apart: then each may do everything.
    authenticates: bool,
}

impl RetrievalApi {
    /// Creates the service.
    pub fn new(retrieval: Retrieval, metrics: Metrics, authenticates: bool) -> Self {
        Self { retrieval, metrics, authenticates }
    }

    /// Returns the view for a request that asks for articles in every state, or does not.
    fn view(&self, every_state: bool, extensions: &Extensions) -> Result<View, Status> {
        let caller = extensions.get::<Arc<Caller>>();
        let is_editor = !self.authenticates || caller.is_some_and(|caller| caller.may(Scope::Edit));
        match (every_state, is_editor) {
            (false, _) => Ok(View::Readers),
            (true, true) => Ok(View::Editors),
            (true, false) => Err(status::needs_editor()),
        }
    }

    fn served<T>(&self, message: T, from: Layer, articles: usize) -> Response<T> {
        self.metrics.retrieval().served(from.as_str(), articles as u64);
        let mut response = Response::new(message);
        response.metadata_mut().insert(CACHE_METADATA, MetadataValue::from_static(from.as_str()));
        response
    }
}

#[tonic::async_trait]
impl RetrievalService for RetrievalApi {
    async fn get_article(
        &self,
        request: Request<proto::GetArticleRequest>,
    ) -> Result<Response<GetArticleResponse>, Status> {
        let view = self.view(request.get_ref().any_state, request.extensions())?;
        let request = request.into_inner();
        set_call_article(&request.name);
        let found = self.retrieval.get(&request, view).await;
        let Got { article, from } = found.map_err(|error| status::retrieve(&error))?;
        Ok(self.served(GetArticleResponse { article: Some(article) }, from, 1))
    }

    async fn batch_get_articles(
        &self,
        request: Request<proto::BatchGetArticlesRequest>,
    ) -> Result<Response<BatchGetArticlesResponse>, Status> {
        let view = self.view(request.get_ref().any_state, request.extensions())?;
        let batch = self.retrieval.batch(request.get_ref(), view).await.map_err(|error| status::retrieve(&error))?;
        let count = batch.articles.len();
        let message = BatchGetArticlesResponse { articles: batch.articles, not_found: batch.not_found };
        Ok(self.served(message, batch.from, count))
    }

    async fn lookup_article(
        &self,
        request: Request<proto::LookupArticleRequest>,
    ) -> Result<Response<LookupArticleResponse>, Status> {
        let view = self.view(request.get_ref().any_state, request.extensions())?;
        let found = self.retrieval.lookup(request.get_ref(), view).await;
        let Got { article, from } = found.map_err(|error| status::retrieve(&error))?;
        Ok(self.served(LookupArticleResponse { article: Some(article) }, from, 1))
    }

    async fn list_articles(
        &self,
        request: Request<proto::ListArticlesRequest>,
    ) -> Result<Response<ListArticlesResponse>, Status> {
        let filter = request.get_ref().filter.as_ref();
        self.view(filter.is_some_and(|filter| !filter.states.is_empty()), request.extensions())?;
        let page = self.retrieval.list(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        Ok(Response::new(ListArticlesResponse { articles: page.articles, next_page_token: page.next_page_token }))
    }

    async fn search_articles(
        &self,
        request: Request<proto::SearchArticlesRequest>,
    ) -> Result<Response<SearchArticlesResponse>, Status> {
        let found = self.retrieval.search(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        let results = found.hits.into_iter().map(|hit| SearchResult {
            article: Some(hit.article),
            score: hit.score,
            snippet: hit.snippet,
            highlights: highlights(hit.highlights),
            headline_highlights: highlights(hit.headline_highlights),
        });
        Ok(Response::new(SearchArticlesResponse {
            results: results.collect(),
            next_page_token: found.next_page_token,
            index_token: found.index_token,
        }))
    }

    async fn list_article_revisions(
        &self,
        request: Request<proto::ListArticleRevisionsRequest>,
    ) -> Result<Response<ListArticleRevisionsResponse>, Status> {
        set_call_article(&request.get_ref().name);
        let view = self.view(request.get_ref().any_state, request.extensions())?;
        let page = self.retrieval.revisions(request.get_ref(), view).await.map_err(|error| status::retrieve(&error))?;
        let revisions = page.revisions.into_iter().map(|entry| ArticleRevision {
            name: entry.name,
            revision: entry.revision,
            kind: change_kind(entry.kind),
            time: Some(to_proto(entry.time)),
            reason: entry.reason,
            content_digest: entry.content_digest,
            changed_fields: entry.changed_fields.into_iter().map(str::to_owned).collect(),
            change_token: entry.change_token,
        });
        Ok(Response::new(ListArticleRevisionsResponse {
            revisions: revisions.collect(),
            next_page_token: page.next_page_token,
        }))
    }

    type WatchArticlesStream = Outgoing<WatchArticlesResponse>;

    async fn watch_articles(
        &self,
        request: Request<proto::WatchArticlesRequest>,
    ) -> Result<Response<Self::WatchArticlesStream>, Status> {
        let events = self.retrieval.watch(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        let messages = events.map(|event| event.map(watch_message).map_err(|error| status::retrieve(&error)));
        Ok(Response::new(until_shutdown(ConnectionShutdown::of(request.extensions()), messages)))
    }

    type ExportArticlesStream = Outgoing<ExportArticlesResponse>;

    async fn export_articles(
        &self,
        request: Request<proto::ExportArticlesRequest>,
    ) -> Result<Response<Self::ExportArticlesStream>, Status> {
        let items = self.retrieval.export(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        let messages = items.map(|item| item.map(export_message).map_err(|error| status::retrieve(&error)));
        Ok(Response::new(until_shutdown(ConnectionShutdown::of(request.extensions()), messages)))
    }
}

fn watch_message(event: Event) -> WatchArticlesResponse {
    use watch_articles_response::Event as Api;
    let event = match event {
        Event::Checkpoint(change_token) => Api::Checkpoint(Checkpoint { change_token }),
        Event::Change(change) => Api::Change(ArticleChange {
            name: change.name,
            kind: change_kind(change.kind),
            revision: change.revision,
            time: Some(to_proto(change.time)),
            change_token: change.change_token,
            article: change.article,
        }),
    };
    WatchArticlesResponse { event: Some(event) }
}

fn export_message(item: Exported) -> ExportArticlesResponse {
    use export_articles_response::Item as Api;
    let item = match item {
        Exported::Article(article) => Api::Article(article),
        Exported::Summary { count, change_token } => Api::Summary(ExportSummary { article_count: count, change_token }),
    };
    ExportArticlesResponse { item: Some(item) }
}
