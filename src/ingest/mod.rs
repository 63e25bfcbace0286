//! Articles in: documents are extracted off the I/O threads, cleaned, and written; and articles are corrected, withdrawn,
//! deleted.

mod document;
mod edit;
mod error;
mod report;
mod stream;
mod workers;

use std::sync::Arc;

use jiff::Timestamp;

pub use edit::{Edit, MAX_UPDATE_TRIES};
pub use error::IngestError;
pub use stream::{Answer, StreamItem};
pub use workers::Workers;

use crate::article::{Digest, Limits, Violations};
use crate::extract;
use crate::proto;
use crate::store::{Ingest, RequestKey, Store, StoreError, Write, Written};

/// How ingestion behaves.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// How large an article may be.
    pub article: Limits,
    /// How large a page may be.
    pub extract: extract::Limits,
}

/// Takes articles in.
#[derive(Clone)]
pub struct Ingestion {
    store: Arc<dyn Store>,
    workers: Workers,
    options: Arc<IngestOptions>,
}

/// A document that is an article now.
#[derive(Clone, Debug)]
pub struct Ingested {
    /// The article, and what was done.
    pub written: Written,
    /// What extraction did.
    pub report: proto::ExtractionReport,
}

/// What a document held: one article, or a feed of them.
pub enum Contents<T> {
    /// One article.
    Article(T),
    /// The items of a feed, with what the feed calls them.
    Feed(Vec<(String, Result<T, IngestError>)>),
}

/// An article that is ready to be written.
pub(crate) struct Prepared {
    pub(crate) ingest: Ingest,
    pub(crate) report: proto::ExtractionReport,
}

impl Ingestion {
    /// Ingests into a store.
    pub fn new(store: Arc<dyn Store>, workers: Workers, options: IngestOptions) -> Self {
        Self { store, workers, options: Arc::new(options) }
    }

    /// Ingests one document. `Ok` means durable, unless it was only to be validated.
    pub async fn ingest(&self, request: proto::IngestArticleRequest) -> Result<Contents<Ingested>, IngestError> {
        let validate_only = request.validate_only;
        let prepared = self.prepare(request.document, request.request_id).await?;
        match prepared {
            Contents::Article(prepared) => self.commit(prepared, validate_only).await.map(Contents::Article),
            Contents::Feed(items) => {
                let mut results = Vec::with_capacity(items.len());
                for (external_id, item) in items {
                    let result = match item {
                        Ok(prepared) => self.commit(prepared, validate_only).await,
                        Err(error) => Err(error),
                    };
                    results.push((external_id, result));
                }
                Ok(Contents::Feed(results))
            }
        }
    }

    async fn commit(&self, prepared: Prepared, validate_only: bool) -> Result<Ingested, IngestError> {
        let write = Write::Ingest(Box::new(prepared.ingest));
        let written = if validate_only {
            self.store.rehearse(write).await?
        } else {
            self.store.write(vec![write]).await.pop().unwrap_or(Err(StoreError::Internal.into()))?
        };
        Ok(Ingested { written, report: prepared.report })
    }

    /// Makes a document ready to be written.
    async fn prepare(
        &self,
        document: Option<proto::Document>,
        request_id: String,
    ) -> Result<Contents<Prepared>, IngestError> {
        let document = document.ok_or_else(|| Violations::one("document", "is required"))?;
        let request = request_key(request_id, &document)?;
        let time = Timestamp::now();
        let options = Arc::clone(&self.options);
        if document::is_light(&document) {
            return document::prepare(document, request, time, &options);
        }
        self.workers.run(move || document::prepare(document, request, time, &options)).await?
    }
}

fn request_key(id: String, document: &proto::Document) -> Result<Option<RequestKey>, Violations> {
    if id.is_empty() {
        return Ok(None);
    }
    if id.len() > 128 || !id.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(Violations::one("request_id", "must be at most 128 printable ASCII characters"));
    }
    let digest = Digest::of_bytes(&prost::Message::encode_to_vec(document));
    Ok(Some(RequestKey { id, digest }))
}
