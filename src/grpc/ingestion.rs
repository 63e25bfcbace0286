//! `copydesk.v1.IngestionService`.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::audited_writes::{AuditedWrites, authority};
use super::caller_meter::meter;
use super::compression::Compression;
use super::convert::{outcome, version_part, whole};
use super::served::ingestion_service_server::IngestionService;
use super::served::{
    IngestArticleResponse, IngestArticlesResponse, IngestResult, IngestedArticle, ingest_articles_response,
    ingest_result,
};
use super::{ConnectionShutdown, Outgoing, status, with_stopping_status};
use crate::access::{Audit, Caller};
use crate::article::{EncodedArticle, Lifecycle, Record};
use crate::ingest::{Contents, IngestError, Ingested, Ingestion, StreamError, StreamResponse};
use crate::proto;
use crate::store::{Outcome, Written};
use crate::telemetry::{Metrics, set_call_article};

/// Ingestion service.
pub struct IngestionApi {
    writes: AuditedWrites,
    metrics: Metrics,
    compression: Compression,
}

impl IngestionApi {
    /// Creates the service.
    pub fn new(ingestion: Ingestion, metrics: Metrics, audit: Audit, compression: Compression) -> Self {
        let writes = AuditedWrites::new("copydesk.v1.IngestionService", ingestion, audit);
        Self { writes, metrics, compression }
    }
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

/// Returns the outcome of a document as the audit log names it. Unchanged documents are not recorded: they may be a
/// whole feed each time that it is fetched.
fn ingested(written: &Written) -> Option<&'static str> {
    match written.outcome {
        Outcome::Held => Some("HELD"),
        change if change.is_change() && is_withdrawn(&written.record) => Some("WITHDRAWN"),
        Outcome::Created => Some("CREATED"),
        Outcome::Revised => Some("REVISED"),
        Outcome::Duplicate => Some("DUPLICATE"),
        Outcome::Unchanged | Outcome::Stale => None,
    }
}

/// Returns true if a canceled wire item has withdrawn the article, or if it is held: other documents of a withdrawn
/// article are rejected.
fn is_withdrawn(record: &Record) -> bool {
    record.lifecycle == Lifecycle::Withdrawn
}

/// Returns the outcome of a document as a label value in metrics.
fn label(result: &Result<&Ingested, &IngestError>) -> &'static str {
    match result {
        Ok(ingested) => match ingested.written.outcome {
            Outcome::Held => "held",
            _ if is_withdrawn(&ingested.written.record) => "withdrawn",
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
    // A withdrawn article is not shown to those who may not read it.
    let article = |ingested: &Ingested| match short || is_withdrawn(&ingested.written.record) {
        true => brief(&ingested.written.record),
        false => whole(&ingested.written.record, None),
    };
    let one = |ingested: Ingested| IngestedArticle {
        article: Some(article(&ingested)),
        outcome: match ingested.written.outcome {
            Outcome::Held => proto::IngestOutcome::Held.into(),
            _ if is_withdrawn(&ingested.written.record) => proto::IngestOutcome::Withdrawn.into(),
            done => outcome(done),
        },
        stale_part: version_part(ingested.written.stale_part),
        report: (!short).then_some(ingested.report),
    };
    match result {
        Ok(Contents::Article(ingested)) => {
            metrics.ingest().ingested(label(&Ok(&ingested)));
            let result = Some(ingest_result::Result::Ingested(one(ingested)));
            Ok(IngestArticleResponse { results: vec![IngestResult { external_id: String::new(), result }] })
        }
        Ok(Contents::Feed(items)) => {
            let results = items.into_iter().map(|(external_id, result)| {
                metrics.ingest().ingested(label(&result.as_ref()));
                let result = match result {
                    Ok(ingested) => ingest_result::Result::Ingested(one(ingested)),
                    Err(error) => ingest_result::Result::Error(status::to_message(&status::ingest(&error))),
                };
                IngestResult { external_id, result: Some(result) }
            });
            Ok(IngestArticleResponse { results: results.collect() })
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
        let context = self.writes.context("IngestArticle", &request, request.get_ref().validate_only);
        let meter = meter(request.extensions());
        let ingestion = self.writes.observed(context, ingested).with_meter(meter).with_authority(authority(&request));
        let result = ingestion.ingest(request.into_inner()).await;
        if matches!(result, Err(IngestError::OverRate(_))) {
            self.metrics.calls().refused("rate");
        }
        if let Ok(Contents::Article(ingested)) = &result {
            set_call_article(&ingested.written.record.id.name());
        }
        answer(&self.metrics, false, result).map(|message| self.compression.reply(message))
    }

    type IngestArticlesStream = Outgoing<IngestArticlesResponse>;

    async fn ingest_articles(
        &self,
        request: Request<Streaming<proto::IngestArticlesRequest>>,
    ) -> Result<Response<Self::IngestArticlesStream>, Status> {
        let context = self.writes.context("IngestArticles", &request, false);
        let authority = authority(&request);
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
        let ingestion = self.writes.observed(context, ingested).with_meter(meter).with_authority(authority);
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
}
