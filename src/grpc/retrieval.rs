//! `copydesk.v1.RetrievalService`.

use std::sync::Arc;

use futures::StreamExt;
use tonic::metadata::MetadataValue;
use tonic::{Extensions, Request, Response, Status};

use super::compression::Compression;
use super::convert::{change_kind, copy_kind, story_watch_message, text_parts};
use super::served::retrieval_service_server::RetrievalService;
use super::served::{
    ArticleChange, ArticleCopy, ArticleRevision, BatchGetArticlesResponse, BatchLookupArticlesResponse,
    ExportArticlesResponse, GetArticleResponse, GetArticleRevisionResponse, ListArticleCopiesResponse,
    ListArticleRevisionsResponse, ListArticlesResponse, ListMostReadArticlesResponse, ListRelatedArticlesResponse,
    ListStoryArticlesResponse, ListTopStoriesResponse, LookupArticleResponse, LookupResult, MostReadArticle,
    RelatedArticle, SearchArticlesResponse, SearchResult, TopStory, WatchArticlesResponse, export_articles_response,
    lookup_result, watch_articles_response,
};
use super::{CACHE_METADATA, ConnectionShutdown, Outgoing, status, until_shutdown};
use crate::access::{Caller, Scope};
use crate::article::to_proto;
use crate::proto::{
    self, Checkpoint, ExportSummary, GetStoryRequest, GetStoryResponse, ListStoriesResponse, WatchStoriesResponse,
};
use crate::retrieve::{
    Aggregated, Audience, CopyEntry, CountKey, Event, ExportProgress, Exported, Got, ListedStory, Lookups,
    MostReadEntry, RelatedEntry, Retrieval, RevisionEntry,
};
use crate::store::Layer;
use crate::telemetry::{Metrics, set_call_article};

/// Service of reads.
pub struct RetrievalApi {
    retrieval: Retrieval,
    metrics: Metrics,
    /// False where callers are not told apart: then each may do everything.
    authenticates: bool,
    compression: Compression,
}

impl RetrievalApi {
    /// Creates the service.
    pub fn new(retrieval: Retrieval, metrics: Metrics, authenticates: bool, compression: Compression) -> Self {
        Self { retrieval, metrics, authenticates, compression }
    }

    /// Returns the audience of a request that asks for articles in every state, or does not.
    fn audience(&self, every_state: bool, extensions: &Extensions) -> Result<Audience, Status> {
        let caller = extensions.get::<Arc<Caller>>();
        let is_editor = !self.authenticates || caller.is_some_and(|caller| caller.may(Scope::Edit));
        match (every_state, is_editor) {
            (false, _) => Ok(Audience::Readers),
            (true, true) => Ok(Audience::Editors),
            (true, false) => Err(status::needs_editor()),
        }
    }

    /// Fails if a reader who is no editor selects articles by state.
    fn check_states(&self, filter: Option<&proto::ArticleFilter>, extensions: &Extensions) -> Result<(), Status> {
        self.audience(filter.is_some_and(|filter| !filter.states.is_empty()), extensions).map(drop)
    }

    fn served<T: prost::Message>(&self, message: T, from: Layer, articles: usize) -> Response<T> {
        self.metrics.retrieval().served(from.as_str(), articles as u64);
        let mut response = self.compression.reply(message);
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
        let audience = self.audience(request.get_ref().any_state, request.extensions())?;
        let request = request.into_inner();
        set_call_article(&request.name);
        let found = self.retrieval.get(&request, audience).await;
        let Got { article, from } = found.map_err(|error| status::retrieve(&error))?;
        let (count, not_modified) = (usize::from(article.is_some()), article.is_none());
        Ok(self.served(GetArticleResponse { article, not_modified }, from, count))
    }

    async fn batch_get_articles(
        &self,
        request: Request<proto::BatchGetArticlesRequest>,
    ) -> Result<Response<BatchGetArticlesResponse>, Status> {
        let audience = self.audience(request.get_ref().any_state, request.extensions())?;
        let batch =
            self.retrieval.batch(request.get_ref(), audience).await.map_err(|error| status::retrieve(&error))?;
        let count = batch.articles.len();
        let not_found = batch.not_found.into_iter().map(|(name, error)| {
            let status = Some(status::to_message(&status::retrieve(&error)));
            proto::ArticleNotFound { name, status }
        });
        let message = BatchGetArticlesResponse { articles: batch.articles, not_found: not_found.collect() };
        Ok(self.served(message, batch.from, count))
    }

    async fn lookup_article(
        &self,
        request: Request<proto::LookupArticleRequest>,
    ) -> Result<Response<LookupArticleResponse>, Status> {
        let audience = self.audience(request.get_ref().any_state, request.extensions())?;
        let found = self.retrieval.lookup(request.get_ref(), audience).await;
        let Got { article, from } = found.map_err(|error| status::retrieve(&error))?;
        Ok(self.served(LookupArticleResponse { article }, from, 1))
    }

    async fn batch_lookup_articles(
        &self,
        request: Request<proto::BatchLookupArticlesRequest>,
    ) -> Result<Response<BatchLookupArticlesResponse>, Status> {
        use lookup_result::Result as Api;
        let audience = self.audience(request.get_ref().any_state, request.extensions())?;
        let found = self.retrieval.batch_lookup(request.get_ref(), audience).await;
        let Lookups { results, from } = found.map_err(|error| status::retrieve(&error))?;
        let count = results.iter().filter(|result| result.is_ok()).count();
        let results = results.into_iter().map(|result| LookupResult {
            result: Some(match result {
                Ok(article) => Api::Article(article),
                Err(error) => Api::Status(status::to_message(&status::retrieve(&error))),
            }),
        });
        Ok(self.served(BatchLookupArticlesResponse { results: results.collect() }, from, count))
    }

    async fn list_articles(
        &self,
        request: Request<proto::ListArticlesRequest>,
    ) -> Result<Response<ListArticlesResponse>, Status> {
        self.check_states(request.get_ref().filter.as_ref(), request.extensions())?;
        let page = self.retrieval.list(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        Ok(self
            .compression
            .reply(ListArticlesResponse { articles: page.articles, next_page_token: page.next_page_token }))
    }

    async fn search_articles(
        &self,
        request: Request<proto::SearchArticlesRequest>,
    ) -> Result<Response<SearchArticlesResponse>, Status> {
        self.check_states(request.get_ref().filter.as_ref(), request.extensions())?;
        let found = self.retrieval.search(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        let results = found.hits.into_iter().map(|hit| SearchResult {
            article: Some(hit.article),
            score: hit.score,
            snippet: text_parts(hit.snippet),
            headline: text_parts(hit.headline),
        });
        Ok(self.compression.reply(SearchArticlesResponse {
            results: results.collect(),
            next_page_token: found.next_page_token,
            index_token: found.index_token,
            total_size: size(found.total_size),
        }))
    }

    async fn aggregate_articles(
        &self,
        request: Request<proto::AggregateArticlesRequest>,
    ) -> Result<Response<proto::AggregateArticlesResponse>, Status> {
        self.check_states(request.get_ref().filter.as_ref(), request.extensions())?;
        let counts = self.retrieval.aggregate(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        Ok(self.compression.reply(proto::AggregateArticlesResponse {
            total_size: size(counts.total),
            results: counts.results.into_iter().map(aggregation_result).collect(),
            index_token: counts.index_token,
        }))
    }

    async fn suggest_values(
        &self,
        request: Request<proto::SuggestValuesRequest>,
    ) -> Result<Response<proto::SuggestValuesResponse>, Status> {
        self.check_states(request.get_ref().filter.as_ref(), request.extensions())?;
        let found = self.retrieval.suggest(request.get_ref()).await;
        let (suggested, index_token) = found.map_err(|error| status::retrieve(&error))?;
        let suggestions = suggested
            .into_iter()
            .map(|suggested| proto::Suggestion { value: suggested.value, article_count: size(suggested.count) });
        Ok(self.compression.reply(proto::SuggestValuesResponse { suggestions: suggestions.collect(), index_token }))
    }

    async fn list_related_articles(
        &self,
        request: Request<proto::ListRelatedArticlesRequest>,
    ) -> Result<Response<ListRelatedArticlesResponse>, Status> {
        set_call_article(&request.get_ref().name);
        self.check_states(request.get_ref().filter.as_ref(), request.extensions())?;
        let page = self.retrieval.related(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        let related =
            |RelatedEntry { article, score, same_story }| RelatedArticle { article: Some(article), score, same_story };
        Ok(self.compression.reply(ListRelatedArticlesResponse {
            related_articles: page.articles.into_iter().map(related).collect(),
            next_page_token: page.next_page_token,
            index_token: page.index_token,
        }))
    }

    async fn list_article_copies(
        &self,
        request: Request<proto::ListArticleCopiesRequest>,
    ) -> Result<Response<ListArticleCopiesResponse>, Status> {
        set_call_article(&request.get_ref().name);
        let audience = self.audience(request.get_ref().any_state, request.extensions())?;
        let page =
            self.retrieval.copies(request.get_ref(), audience).await.map_err(|error| status::retrieve(&error))?;
        let copy = |CopyEntry { article, kind, similarity }| ArticleCopy {
            article: Some(article),
            kind: copy_kind(kind).into(),
            similarity,
        };
        Ok(self.compression.reply(ListArticleCopiesResponse {
            copies: page.copies.into_iter().map(copy).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_story(&self, request: Request<GetStoryRequest>) -> Result<Response<GetStoryResponse>, Status> {
        let story = self.retrieval.story(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        Ok(self.compression.reply(GetStoryResponse { story: Some(story) }))
    }

    async fn list_story_articles(
        &self,
        request: Request<proto::ListStoryArticlesRequest>,
    ) -> Result<Response<ListStoryArticlesResponse>, Status> {
        let page = self.retrieval.story_articles(request.get_ref()).await;
        let page = page.map_err(|error| status::retrieve(&error))?;
        let (articles, next_page_token) = (page.articles, page.next_page_token);
        Ok(self.compression.reply(ListStoryArticlesResponse { articles, next_page_token }))
    }

    async fn list_stories(
        &self,
        request: Request<proto::ListStoriesRequest>,
    ) -> Result<Response<ListStoriesResponse>, Status> {
        let page = self.retrieval.list_stories(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        Ok(self.compression.reply(ListStoriesResponse {
            stories: page.stories.into_iter().map(|listed| listed.story).collect(),
            next_page_token: page.next_page_token,
            grouped_token: page.grouped_token,
        }))
    }

    async fn list_top_stories(
        &self,
        request: Request<proto::ListTopStoriesRequest>,
    ) -> Result<Response<ListTopStoriesResponse>, Status> {
        let page = self.retrieval.list_top_stories(request.get_ref()).await;
        let page = page.map_err(|error| status::retrieve(&error))?;
        let top = |ListedStory { story, score, articles }| TopStory { story: Some(story), score, articles };
        Ok(self.compression.reply(ListTopStoriesResponse {
            top_stories: page.stories.into_iter().map(top).collect(),
            next_page_token: page.next_page_token,
            grouped_token: page.grouped_token,
        }))
    }

    async fn record_reads(
        &self,
        request: Request<proto::RecordReadsRequest>,
    ) -> Result<Response<proto::RecordReadsResponse>, Status> {
        self.retrieval.record_reads(request.get_ref()).map_err(|error| status::retrieve(&error))?;
        Ok(Response::new(proto::RecordReadsResponse {}))
    }

    async fn list_most_read_articles(
        &self,
        request: Request<proto::ListMostReadArticlesRequest>,
    ) -> Result<Response<ListMostReadArticlesResponse>, Status> {
        self.check_states(request.get_ref().filter.as_ref(), request.extensions())?;
        let page = self.retrieval.most_read(request.get_ref()).await.map_err(|error| status::retrieve(&error))?;
        let read = |MostReadEntry { article, read_count }| MostReadArticle {
            article: Some(article),
            read_count: size(read_count),
        };
        Ok(self.compression.reply(ListMostReadArticlesResponse {
            most_read_articles: page.articles.into_iter().map(read).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    type WatchStoriesStream = Outgoing<WatchStoriesResponse>;

    async fn watch_stories(
        &self,
        request: Request<proto::WatchStoriesRequest>,
    ) -> Result<Response<Self::WatchStoriesStream>, Status> {
        let events = self.retrieval.watch_stories(request.get_ref()).await;
        let events = events.map_err(|error| status::retrieve(&error))?;
        let messages = events.map(|event| event.map(story_watch_message).map_err(|error| status::retrieve(&error)));
        Ok(Response::new(until_shutdown(ConnectionShutdown::of(request.extensions()), messages)))
    }

    async fn list_article_revisions(
        &self,
        request: Request<proto::ListArticleRevisionsRequest>,
    ) -> Result<Response<ListArticleRevisionsResponse>, Status> {
        set_call_article(&request.get_ref().parent);
        let audience = self.audience(request.get_ref().any_state, request.extensions())?;
        let page = self.retrieval.revisions(request.get_ref(), audience).await;
        let page = page.map_err(|error| status::retrieve(&error))?;
        Ok(self.compression.reply(ListArticleRevisionsResponse {
            revisions: page.revisions.into_iter().map(revision).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_article_revision(
        &self,
        request: Request<proto::GetArticleRevisionRequest>,
    ) -> Result<Response<GetArticleRevisionResponse>, Status> {
        set_call_article(&request.get_ref().name);
        let audience = self.audience(request.get_ref().any_state, request.extensions())?;
        let found = self.retrieval.get_revision(request.get_ref(), audience).await;
        let found = found.map_err(|error| status::retrieve(&error))?;
        Ok(self.compression.reply(GetArticleRevisionResponse { revision: Some(revision(found)) }))
    }

    async fn diff_article_revisions(
        &self,
        request: Request<proto::DiffArticleRevisionsRequest>,
    ) -> Result<Response<proto::DiffArticleRevisionsResponse>, Status> {
        set_call_article(&request.get_ref().name);
        let audience = self.audience(request.get_ref().any_state, request.extensions())?;
        let compared = self.retrieval.diff_revisions(request.get_ref(), audience).await;
        Ok(self.compression.reply(compared.map_err(|error| status::retrieve(&error))?))
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

fn size(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn aggregation_result(aggregated: Aggregated) -> proto::AggregationResult {
    use proto::aggregation_bucket::Key;
    let buckets = aggregated.buckets.into_iter().map(|(key, count)| proto::AggregationBucket {
        key: Some(match key {
            CountKey::Value(value) => Key::Value(value),
            CountKey::Start(start) => Key::StartTime(to_proto(start)),
        }),
        count: size(count),
    });
    proto::AggregationResult { buckets: buckets.collect(), other_count: size(aggregated.other) }
}

fn revision(entry: RevisionEntry) -> ArticleRevision {
    ArticleRevision {
        name: entry.name.to_string(),
        kind: change_kind(entry.kind),
        create_time: Some(to_proto(entry.create_time)),
        reason: entry.reason,
        content_digest: entry.content_digest,
        changed_fields: entry.changed_fields.into_iter().map(str::to_owned).collect(),
        change_token: entry.change_token,
        snapshot: entry.snapshot,
    }
}

fn watch_message(event: Event) -> WatchArticlesResponse {
    use watch_articles_response::Event as Api;
    let event = match event {
        Event::Checkpoint(change_token) => Api::Checkpoint(Checkpoint { change_token }),
        Event::Article(article) => Api::Article(article),
        Event::Progress(progress) => Api::Progress(export_progress(progress)),
        Event::Change(change) => Api::Change(ArticleChange {
            name: change.name,
            kind: change_kind(change.kind),
            revision: change.revision,
            change_time: Some(to_proto(change.time)),
            change_token: change.change_token,
            article: change.article,
        }),
    };
    WatchArticlesResponse { event: Some(event) }
}

fn export_progress(progress: ExportProgress) -> proto::ExportProgress {
    proto::ExportProgress { export_token: progress.export_token, article_count: progress.count }
}

fn export_message(item: Exported) -> ExportArticlesResponse {
    use export_articles_response::Item as Api;
    let item = match item {
        Exported::Article(article) => Api::Article(article),
        Exported::Progress(progress) => Api::Progress(export_progress(progress)),
        Exported::Summary { count, change_token } => Api::Summary(ExportSummary { article_count: count, change_token }),
    };
    ExportArticlesResponse { item: Some(item) }
}
