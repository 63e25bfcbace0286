//! Ingestion: extracts documents off the I/O threads, cleans and writes them; updates, withdraws and deletes articles.

mod copies;
mod document;
mod document_parts;
mod draft;
mod edit;
mod error;
mod extraction;
mod extraction_pool;
mod intake;
mod keys;
mod merge;
mod meter;
mod preview;
mod report;
mod reprocess;
mod request_id;
mod rollback;
mod stream;
mod update;
mod write_observer;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use copies::{Copies, CopyScope, Relation, WithdrawnCopy};
pub use edit::{Edit, Target};
pub use error::IngestError;
pub use extraction::{DocumentMemory, Extraction};
pub use extraction_pool::Workers;
pub use intake::Intake;
pub use meter::{Meter, OverRate};
pub use preview::preview;
pub use reprocess::Reextracted;
pub use request_id::RequestId;
pub use stream::{StreamError, StreamItem, StreamResponse};
pub use update::MAX_UPDATE_TRIES;
pub use write_observer::WriteObserver;

use crate::article::{Limits, Violations};
use crate::extract;
use crate::proto;
use crate::store::{Authority, IngestSource, LateCopies, RequestKey, Store, StoreError, Write, WriteError, Written};
use crate::telemetry::trace::{SpanKind, span};

/// Number of shares of the memory for streams. A stalled stream blocks at most one of them.
const SHARES: usize = 4;
/// Maximum number of writes per command to the store.
const MAX_COMMAND: usize = 1_000;

/// Permission to withdraw articles by canceled wire items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kills {
    /// Callers that may ingest withdraw articles of the same source with the same external ID.
    OwnSource,
    /// Only editors and administrators do.
    AdminOnly,
}

/// Options of ingestion.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// Maximum memory for documents of all streams that have been read and not yet written, in bytes.
    pub stream_bytes: usize,
    /// Time after which a stream is ended if its client does not read responses.
    pub unread: Duration,
    /// Permission to withdraw articles by canceled wire items.
    pub kills: Kills,
    /// Effect on a new article that is a copy of one that was withdrawn with its copies.
    pub late_copies: LateCopies,
    /// True if received documents are kept.
    pub keep_originals: bool,
    /// Limits of an article.
    pub article: Limits,
    /// Limits of a document to extract.
    pub extract: extract::Limits,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            stream_bytes: 128 << 20,
            unread: Duration::from_secs(30),
            kills: Kills::OwnSource,
            late_copies: LateCopies::Reject,
            keep_originals: true,
            article: Limits::default(),
            extract: extract::Limits::default(),
        }
    }
}

/// Service that ingests and edits articles.
#[derive(Clone)]
pub struct Ingestion {
    store: Arc<dyn Store>,
    extraction: Extraction,
    options: Arc<IngestOptions>,
    /// Memory for documents of streams, in KiB.
    stream_memory: Arc<Semaphore>,
    update_locks: Arc<update::LockStripes>,
    observer: Option<WriteObserver>,
    meter: Option<Arc<dyn Meter>>,
    intake: Arc<Intake>,
    authority: Authority,
    /// Prefix of request IDs: a digest of the caller. None if callers are not authenticated.
    caller: Option<Arc<str>>,
}

/// Ingested document.
#[derive(Clone, Debug)]
pub struct Ingested {
    /// The article and the outcome of its write.
    pub written: Written,
    /// Extraction report.
    pub report: proto::ExtractionReport,
}

impl Ingested {
    /// Adds the observations about the document's keys to its report, and why its article is held.
    pub(crate) fn new(written: Written, mut report: proto::ExtractionReport) -> Self {
        report.warnings.extend(written.notes.iter().map(report::key_note));
        report.warnings.extend(written.copy_of.as_ref().map(report::held));
        Self { written, report }
    }
}

/// Contents of a document: one article, or the items of a syndication feed.
pub enum Contents<T> {
    /// One article.
    Article(T),
    /// Items of a syndication feed, with their external IDs.
    Feed(Vec<(String, Result<T, IngestError>)>),
}

impl<T> Contents<T> {
    /// Converts each article, in order.
    fn map<U>(self, mut convert: impl FnMut(T) -> Result<U, IngestError>) -> Result<Contents<U>, IngestError> {
        Ok(match self {
            Self::Article(one) => Contents::Article(convert(one)?),
            Self::Feed(items) => {
                Contents::Feed(items.into_iter().map(|(id, item)| (id, item.and_then(&mut convert))).collect())
            }
        })
    }
}

/// Permit for the memory of a stream's document, released on drop.
pub(crate) struct MemoryPermit {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Article that is ready to be written.
pub(crate) struct Prepared {
    /// An ingested document, or the withdrawal of an article by a canceled wire item.
    pub(crate) write: Write,
    pub(crate) report: proto::ExtractionReport,
}

impl Ingestion {
    /// Creates a service that ingests into a store.
    pub fn new(store: Arc<dyn Store>, extraction: Extraction, options: IngestOptions, intake: Arc<Intake>) -> Self {
        let stream_memory = Arc::new(Semaphore::new(options.stream_bytes.div_ceil(1 << 10).max(1)));
        Self {
            store,
            extraction,
            options: Arc::new(options),
            stream_memory,
            update_locks: Arc::default(),
            observer: None,
            meter: None,
            intake,
            authority: Authority::Write,
            caller: None,
        }
    }

    /// Writes the pending events of the journal to the store.
    ///
    /// # Errors
    /// If the store does not answer. The events stay pending.
    pub async fn flush_intake(&self) -> Result<(), StoreError> {
        self.intake.flush(self.store.as_ref()).await
    }

    /// Returns a copy whose writes have this authority.
    pub fn with_authority(&self, authority: Authority) -> Self {
        Self { authority, ..self.clone() }
    }

    /// Returns the write of a prepared document with the authority of its caller.
    ///
    /// # Errors
    /// Returns an error for the withdrawal of an article that the caller may not withdraw.
    fn write_of(&self, mut write: Write) -> Result<Write, IngestError> {
        match &mut write {
            Write::Ingest(ingest) => ingest.from = IngestSource::Publisher(self.authority),
            Write::Transition(transition)
                if self.options.kills == Kills::AdminOnly && self.authority == Authority::Write =>
            {
                return Err(WriteError::TakedownDenied { id: transition.id.clone(), field: "status" }.into());
            }
            _ => {}
        }
        Ok(write)
    }

    /// Creates one stream's share of the memory.
    fn share(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(self.share_kib()))
    }

    fn share_kib(&self) -> usize {
        self.options.stream_bytes.div_ceil(SHARES << 10).max(1)
    }

    /// Reserves memory for a document, first in its stream's share, then in the total. A document larger than the share
    /// takes all of it.
    async fn reserve(&self, share: Arc<Semaphore>, bytes: usize) -> MemoryPermit {
        let kib = u32::try_from(bytes.div_ceil(1 << 10).min(self.share_kib())).unwrap_or(u32::MAX);
        let acquire =
            async |memory: Arc<Semaphore>| memory.acquire_many_owned(kib).await.expect("the semaphore is never closed");
        let share = acquire(share).await;
        MemoryPermit { _share: share, _all: acquire(Arc::clone(&self.stream_memory)).await }
    }

    /// Ingests one document. `Ok` means durable, unless `validate_only` is set.
    pub async fn ingest(&self, request: proto::IngestArticleRequest) -> Result<Contents<Ingested>, IngestError> {
        let validate_only = request.validate_only;
        let prepared = self.prepare(request, true).await?;
        if validate_only { self.dry_run(prepared).await } else { self.commit(prepared).await }
    }

    /// Writes a whole document in one command, so that a cancelled call does not leave it half written. A syndication
    /// feed larger than a command takes several.
    async fn commit(&self, prepared: Contents<Prepared>) -> Result<Contents<Ingested>, IngestError> {
        let mut writes = Vec::new();
        let contents = prepared.map(|prepared| {
            writes.push(self.write_of(prepared.write)?);
            Ok(prepared.report)
        })?;
        let mut written = self.write_all(writes).await.into_iter();
        contents.map(|report| {
            let written = written.next().unwrap_or(Err(StoreError::Internal.into()))?;
            Ok(Ingested::new(written, report))
        })
    }

    async fn dry_run(&self, prepared: Contents<Prepared>) -> Result<Contents<Ingested>, IngestError> {
        let one = async |prepared: Prepared| {
            let written = self.dry_run_of(self.write_of(prepared.write)?).await?;
            Ok(Ingested::new(written, prepared.report))
        };
        match prepared {
            Contents::Article(prepared) => one(prepared).await.map(Contents::Article),
            Contents::Feed(items) => {
                let mut results = Vec::with_capacity(items.len());
                for (external_id, item) in items {
                    let result = match item {
                        Ok(prepared) => one(prepared).await,
                        Err(error) => Err(error),
                    };
                    results.push((external_id, result));
                }
                Ok(Contents::Feed(results))
            }
        }
    }

    /// Applies writes in order, in commands small enough not to delay other callers for long.
    async fn write_all(&self, mut writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let mut written = Vec::with_capacity(writes.len());
        while writes.len() > MAX_COMMAND {
            let rest = writes.split_off(MAX_COMMAND);
            written.extend(self.write(std::mem::replace(&mut writes, rest)).await);
        }
        if !writes.is_empty() {
            written.extend(self.write(writes).await);
        }
        written
    }

    /// Prepares a document for writing.
    async fn prepare(
        &self,
        mut sent: proto::IngestArticleRequest,
        rejectable: bool,
    ) -> Result<Contents<Prepared>, IngestError> {
        let request_id = std::mem::take(&mut sent.request_id);
        let document = sent.document.as_ref().ok_or_else(|| Violations::one("document", "is required"))?;
        let request = request_id::of_document(request_id, document)?;
        let time = Timestamp::now();
        let identity = intake::DocumentIdentity::of(document);
        if document::is_light(document) {
            let prepared = document::prepare(sent, request, time, &self.options, &|| false);
            identity.note(&self.intake, &prepared);
            return prepared;
        }
        let prepared = self.extract(sent, request, time, rejectable).await;
        identity.note(&self.intake, &prepared);
        let prepared = prepared?;
        self.count(&prepared, rejectable).await?;
        Ok(prepared)
    }

    /// Extracts a document in the thread pool for its size.
    async fn extract(
        &self,
        sent: proto::IngestArticleRequest,
        request: Option<RequestKey>,
        time: Timestamp,
        rejectable: bool,
    ) -> Result<Contents<Prepared>, IngestError> {
        // Includes the wait for a thread.
        let _span = span(SpanKind::Internal, "ingest.extract");
        let options = Arc::clone(&self.options);
        let (is_compressed, size) =
            sent.document.as_ref().map_or((false, 0), |sent| (document::is_compressed(sent), document::size(sent)));
        let (sent, size) = if is_compressed {
            // Measured, and not kept: while documents wait for a thread, only their compressed bytes are in memory.
            let measure = |_: &dyn Fn() -> bool| {
                let sized = |document| document::decompressed_size(document, Extraction::LARGE_BYTES);
                let size = sent.document.as_ref().map_or(0, sized);
                (sent, size)
            };
            self.extraction.pool(0).run(rejectable, measure).await?
        } else {
            (sent, size)
        };
        let pool = self.extraction.pool(size);
        let prepare =
            move |is_abandoned: &dyn Fn() -> bool| document::prepare(sent, request, time, &options, is_abandoned);
        pool.run(rejectable, prepare).await?
    }
}
