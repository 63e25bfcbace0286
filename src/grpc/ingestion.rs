//! `copydesk.v1.IngestionService`.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use jiff::Timestamp;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::caller_meter::meter;
use super::convert::{outcome, version_part};
use super::served::ingestion_service_server::IngestionService;
use super::served::{
    DeleteArticleResponse, FeedItem, IngestArticleResponse, IngestArticlesResponse, IngestedArticle,
    ReinstateArticleResponse, UndeleteArticleResponse, UpdateArticleResponse, WithdrawArticleResponse, feed_item,
    ingest_articles_response,
};
use super::{ConnectionShutdown, Outgoing, status, with_stopping_status};
use crate::access::{Audit, AuditSource, Caller, Scope};
use crate::article::{ChangeKind, EncodedArticle, Record};
use crate::ingest::{Contents, Edit, IngestError, Ingested, Ingestion, StreamError, StreamResponse, Target};
use crate::proto;
use crate::store::{Authority, Outcome, StoreError, WriteError};
use crate::telemetry::{Metrics, set_call_article};

/// Service of writes.
pub struct IngestionApi {
    ingestion: Ingestion,
    metrics: Metrics,
    audit: Audit,
}

impl IngestionApi {
    /// Creates the service.
    pub fn new(ingestion: Ingestion, metrics: Metrics, audit: Audit) -> Self {
        Self { ingestion, metrics, audit }
    }

    /// Returns the origin of a request for the audit log.
    fn origin<T>(&self, method: &str, request: &Request<T>) -> AuditSource {
        let caller = request.extensions().get::<Arc<Caller>>();
        self.audit.source(&format!("/copydesk.v1.IngestionService/{method}"), caller, request.metadata().as_ref())
    }

    /// Returns the authority of a request's caller. Where callers are not told apart, each may do everything.
    fn authority<T>(request: &Request<T>) -> Authority {
        match request.extensions().get::<Arc<Caller>>() {
            Some(caller) if !caller.may(Scope::Edit) && !caller.may(Scope::Admin) => Authority::Write,
            _ => Authority::Admin,
        }
    }

    /// Returns an ingestion whose writes are recorded in the audit log under the name that `done` returns.
    fn audited(
        &self,
        origin: AuditSource,
        done: impl Fn(Outcome) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Ingestion {
        if !origin.is_enabled() {
            return self.ingestion.clone();
        }
        self.ingestion.with_observer(Arc::new(move |id, written| match written {
            Ok(written) => {
                if let Some(done) = done(written.outcome) {
                    origin.changed(done, &id.name(), written.record.revision);
                }
            }
            // A retry may report UNCHANGED, so the first attempt has to be recorded.
            Err(WriteError::Store(StoreError::Unavailable(_) | StoreError::Internal)) => origin.unknown(&id.name()),
            Err(WriteError::TakedownDenied { .. }) => origin.denied(&id.name()),
            Err(_refused) => {}
        }))
    }

    async fn edit(&self, edit: Edit<'_>, origin: AuditSource) -> Result<EncodedArticle, Status> {
        if !edit.target.name.is_empty() {
            set_call_article(edit.target.name);
        }
        let edited = self.audited(origin, editing(edited(edit.kind))).edit(edit).await;
        let record = edited.map_err(|error| status::ingest(&error))?;
        // Known only now, if the request has a key of the article.
        set_call_article(&record.id.name());
        Ok(whole(&record))
    }
}

/// Returns the audit name of an editor's change. Changes without effect are recorded too: only the log shows who was
/// first.
fn editing(done: &'static str) -> impl Fn(Outcome) -> Option<&'static str> {
    move |outcome| Some(if outcome == Outcome::Unchanged { "UNCHANGED" } else { done })
}

/// Returns the whole article for its editor, in any state.
fn whole(record: &Arc<Record>) -> EncodedArticle {
    record.for_editor(Timestamp::now())
}

/// Returns the article of a brief response.
fn brief(record: &Record) -> EncodedArticle {
    let article = proto::Article {
        name: record.id.name(),
        revision: record.revision,
        etag: record.etag(),
        change_token: record.token.encode(),
        ..proto::Article::default()
    };
    EncodedArticle::new(article.encode_to_vec().into())
}

/// Returns an editor's change as the audit log names it.
fn edited(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Withdrawn => "WITHDRAWN",
        ChangeKind::Reinstated => "REINSTATED",
        ChangeKind::Deleted => "DELETED",
        ChangeKind::Undeleted => "UNDELETED",
        ChangeKind::Created | ChangeKind::Revised | ChangeKind::Opened | ChangeKind::Expired => "REVISED",
    }
}

/// Returns the outcome of a document as the audit log names it. Unchanged documents are not recorded: they may be a
/// whole feed each time that it is fetched.
fn ingested(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Created => Some("CREATED"),
        Outcome::Revised => Some("REVISED"),
        Outcome::Duplicate => Some("DUPLICATE"),
        Outcome::Unchanged | Outcome::Stale => None,
    }
}

/// Returns the outcome of a document as a label value in metrics.
fn label(result: &Result<&Ingested, &IngestError>) -> &'static str {
    match result {
        Ok(ingested) => match ingested.written.outcome {
            Outcome::Created => "created",
            Outcome::Revised => "revised",
            Outcome::Unchanged => "unchanged",
            Outcome::Duplicate => "duplicate",
            Outcome::Stale => "stale",
        },
        Err(IngestError::Invalid(_)) => "invalid",
        Err(_) => "failed",
    }
}

/// Counts a failed document and returns its status.
pub(crate) fn failure_status(metrics: &Metrics, error: &IngestError) -> Status {
    metrics.ingest().ingested(label(&Err(error)));
    status::ingest(error)
}

/// Converts the result of one document into its response or status.
fn answer(
    metrics: &Metrics,
    short: bool,
    result: Result<Contents<Ingested>, IngestError>,
) -> Result<IngestArticleResponse, Status> {
    let article = |ingested: &Ingested| match short {
        true => brief(&ingested.written.record),
        false => whole(&ingested.written.record),
    };
    let one = |ingested: Ingested| IngestedArticle {
        article: Some(article(&ingested)),
        outcome: outcome(ingested.written.outcome),
        older_by: version_part(ingested.written.older_by),
        report: (!short).then_some(ingested.report),
    };
    let response = |first: IngestedArticle, feed_items| IngestArticleResponse {
        article: first.article,
        outcome: first.outcome,
        report: first.report,
        older_by: first.older_by,
        feed_items,
    };
    match result {
        Ok(Contents::Article(ingested)) => {
            metrics.ingest().ingested(label(&Ok(&ingested)));
            Ok(response(one(ingested), Vec::new()))
        }
        Ok(Contents::Feed(items)) => {
            let feed_items = items.into_iter().map(|(external_id, result)| {
                metrics.ingest().ingested(label(&result.as_ref()));
                let result = match result {
                    Ok(ingested) => feed_item::Result::Ingested(one(ingested)),
                    Err(error) => feed_item::Result::Error(status::to_message(&status::ingest(&error))),
                };
                FeedItem { external_id, result: Some(result) }
            });
            let feed_items: Vec<FeedItem> = feed_items.collect();
            let first = feed_items.iter().find_map(|item| match &item.result {
                Some(feed_item::Result::Ingested(ingested)) => Some(ingested.clone()),
                _ => None,
            });
            Ok(response(first.unwrap_or_default(), feed_items))
        }
        Err(error) => Err(failure_status(metrics, &error)),
    }
}

#[tonic::async_trait]
impl IngestionService for IngestionApi {
    async fn ingest_article(
        &self,
        request: Request<proto::IngestArticleRequest>,
    ) -> Result<Response<IngestArticleResponse>, Status> {
        // Validation changes nothing, so it is not audited.
        let validated = request.get_ref().validate_only;
        let origin = if validated { AuditSource::default() } else { self.origin("IngestArticle", &request) };
        let meter = meter(request.extensions());
        let ingestion = self.audited(origin, ingested).with_meter(meter).with_authority(Self::authority(&request));
        let result = ingestion.ingest(request.into_inner()).await;
        if matches!(result, Err(IngestError::OverRate(_))) {
            self.metrics.calls().refused("rate");
        }
        if let Ok(Contents::Article(ingested)) = &result {
            set_call_article(&ingested.written.record.id.name());
        }
        answer(&self.metrics, false, result).map(Response::new)
    }

    type IngestArticlesStream = Outgoing<IngestArticlesResponse>;

    async fn ingest_articles(
        &self,
        request: Request<Streaming<proto::IngestArticlesRequest>>,
    ) -> Result<Response<Self::IngestArticlesStream>, Status> {
        let origin = self.origin("IngestArticles", &request);
        let authority = Self::authority(&request);
        let caller = request.extensions().get::<Arc<Caller>>().cloned();
        let meter = meter(request.extensions());
        // Once the connection ends, no more documents are read; those read are written and answered; then the stream
        // ends.
        let closing = ConnectionShutdown::of(request.extensions());
        let documents = request.into_inner().take_until(closing.clone().started());
        // The stream ends after an undecodable message: the start of the next one is unknown.
        let documents = documents.map(|item| item.map_err(|error| status::undecodable(&error).unwrap_or(error)));
        let documents = documents.then(move |item| {
            let caller = caller.clone();
            async move {
                let item = item?;
                if let Some(caller) = caller {
                    caller.throttle().await;
                    caller.check(Instant::now()).map_err(|refusal| status::access(&refusal))?;
                }
                Ok(item)
            }
        });
        let metrics = self.metrics.clone();
        let ingestion = self.audited(origin, ingested).with_meter(meter).with_authority(authority);
        let answers = ingestion.ingest_stream(documents).map(move |item| {
            let item = item.map_err(|ended| match ended {
                StreamError::Incoming(error) => error,
                StreamError::ResponsesNotRead => status::unread(),
            });
            item.map(|StreamResponse { sequence, brief, result }| {
                use ingest_articles_response::Result as Api;
                let result = match answer(&metrics, brief, result) {
                    Ok(ingested) => Api::Ingested(ingested),
                    Err(error) => Api::Error(status::to_message(&error)),
                };
                IngestArticlesResponse { sequence, result: Some(result) }
            })
        });
        Ok(Response::new(Box::pin(with_stopping_status(closing, answers))))
    }

    async fn update_article(
        &self,
        request: Request<proto::UpdateArticleRequest>,
    ) -> Result<Response<UpdateArticleResponse>, Status> {
        let origin = self.origin("UpdateArticle", &request);
        let authority = Self::authority(&request);
        let request = request.into_inner();
        if let Some(article) = &request.article {
            set_call_article(&article.name);
        }
        let ingestion = self.audited(origin, editing("UPDATED")).with_authority(authority);
        let updated = ingestion.update(request).await;
        let record = updated.map_err(|error| status::ingest(&error))?;
        Ok(Response::new(UpdateArticleResponse { article: Some(whole(&record)) }))
    }

    async fn withdraw_article(
        &self,
        request: Request<proto::WithdrawArticleRequest>,
    ) -> Result<Response<WithdrawArticleResponse>, Status> {
        let origin = self.origin("WithdrawArticle", &request);
        let proto::WithdrawArticleRequest { name, etag, reason, url, external, allow_missing } = request.get_ref();
        let target = Target { name, url, external: external.as_ref() };
        let (kind, allow_missing) = (ChangeKind::Withdrawn, *allow_missing);
        let article = self.edit(Edit { target, etag, reason, kind, allow_missing }, origin).await?;
        Ok(Response::new(WithdrawArticleResponse { article: Some(article) }))
    }

    async fn reinstate_article(
        &self,
        request: Request<proto::ReinstateArticleRequest>,
    ) -> Result<Response<ReinstateArticleResponse>, Status> {
        let origin = self.origin("ReinstateArticle", &request);
        let proto::ReinstateArticleRequest { name, etag, reason } = request.get_ref();
        let article = self.edit(Edit::named(name, etag, reason, ChangeKind::Reinstated), origin).await?;
        Ok(Response::new(ReinstateArticleResponse { article: Some(article) }))
    }

    async fn delete_article(
        &self,
        request: Request<proto::DeleteArticleRequest>,
    ) -> Result<Response<DeleteArticleResponse>, Status> {
        let origin = self.origin("DeleteArticle", &request);
        let proto::DeleteArticleRequest { name, etag, allow_missing } = request.get_ref();
        set_call_article(name);
        let deleting = self.audited(origin, editing(edited(ChangeKind::Deleted)));
        let article = match deleting.edit(Edit::named(name, etag, "", ChangeKind::Deleted)).await {
            Ok(record) => Some(whole(&record)),
            Err(IngestError::Write(WriteError::NotFound(_))) if *allow_missing => None,
            Err(error) => return Err(status::ingest(&error)),
        };
        Ok(Response::new(DeleteArticleResponse { article }))
    }

    async fn undelete_article(
        &self,
        request: Request<proto::UndeleteArticleRequest>,
    ) -> Result<Response<UndeleteArticleResponse>, Status> {
        let origin = self.origin("UndeleteArticle", &request);
        let proto::UndeleteArticleRequest { name, etag } = request.get_ref();
        let article = self.edit(Edit::named(name, etag, "", ChangeKind::Undeleted), origin).await?;
        Ok(Response::new(UndeleteArticleResponse { article: Some(article) }))
    }
}
