//! Articles in: documents are extracted off the I/O threads, cleaned, and written; and articles are corrected, withdrawn,
//! deleted.

mod document;
mod edit;
mod error;
mod extraction;
mod meter;
mod report;
mod shown;
mod stream;
mod witness;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use edit::{Edit, MAX_UPDATE_TRIES};
pub use error::IngestError;
pub use extraction::{DocumentMemory, Extraction};
pub use meter::{Meter, OverRate};
pub use stream::{Answer, Ended, StreamItem};
pub use witness::Witness;
pub use workers::Workers;

use crate::article::{Digest, Limits, Violations};
use crate::extract;
use crate::proto;
use crate::store::{Authority, Ingest, IngestSource, RequestKey, Store, StoreError, Write, WriteError, Written};
use crate::telemetry::trace::{Kind, span};

/// Into how many shares the memory for streams is parted: a stream that stalls holds up no more than one.
const SHARES: usize = 4;
/// How many writes one command to the store holds at the most.
const COMMAND: usize = 1_000;

/// How ingestion behaves.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// How much memory the documents of all streams may take that are read and not yet written, in bytes.
    pub stream_bytes: usize,
    /// How long a stream may leave its answers unread before it is ended.
    pub unread: Duration,
    /// How large an article may be.
    pub article: Limits,
    /// How large a page may be.
    pub extract: extract::Limits,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            stream_bytes: 128 << 20,
            unread: Duration::from_secs(30),
            article: Limits::default(),
            extract: extract::Limits::default(),
        }
    }
}

/// Takes articles in.
#[derive(Clone)]
pub struct Ingestion {
    store: Arc<dyn Store>,
    extraction: Extraction,
    options: Arc<IngestOptions>,
    /// What streamed documents may take of memory, in KiB.
    room: Arc<Semaphore>,
    turns: Arc<edit::Turns>,
    witness: Option<Witness>,
    meter: Option<Arc<dyn Meter>>,
    authority: Authority,
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

impl<T> Contents<T> {
    /// Makes something else of each, in order.
    fn map<U>(self, mut make: impl FnMut(T) -> Result<U, IngestError>) -> Result<Contents<U>, IngestError> {
        Ok(match self {
            Self::Article(one) => Contents::Article(make(one)?),
            Self::Feed(items) => {
                Contents::Feed(items.into_iter().map(|(id, item)| (id, item.and_then(&mut make))).collect())
            }
        })
    }
}

/// Memory for a document of a stream, until this is dropped.
pub(crate) struct Room {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// An article that is ready to be written.
pub(crate) struct Prepared {
    pub(crate) ingest: Ingest,
    pub(crate) report: proto::ExtractionReport,
}

impl Ingestion {
    /// Ingests into a store.
    pub fn new(store: Arc<dyn Store>, extraction: Extraction, options: IngestOptions) -> Self {
        let room = Arc::new(Semaphore::new(options.stream_bytes.div_ceil(1 << 10).max(1)));
        Self {
            store,
            extraction,
            options: Arc::new(options),
            room,
            turns: Arc::default(),
            witness: None,
            meter: None,
            authority: Authority::Write,
        }
    }

    /// Returns the same, whose writes have this authority.
    pub fn with_authority(&self, authority: Authority) -> Self {
        Self { authority, ..self.clone() }
    }

    /// Returns the write of a prepared document, with the authority of its caller.
    fn write_of(&self, ingest: Ingest) -> Write {
        Write::Ingest(Box::new(Ingest { from: IngestSource::Publisher(self.authority), ..ingest }))
    }

    /// The most that one stream may have of the memory for all.
    fn share(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(self.share_kib()))
    }

    fn share_kib(&self) -> usize {
        self.options.stream_bytes.div_ceil(SHARES << 10).max(1)
    }

    /// Waits until there is room for a document in its stream's share, and then in all. One that is larger than the share
    /// gets the whole share.
    async fn room(&self, share: Arc<Semaphore>, bytes: usize) -> Room {
        let kib = u32::try_from(bytes.div_ceil(1 << 10).min(self.share_kib())).unwrap_or(u32::MAX);
        let take =
            async |room: Arc<Semaphore>| room.acquire_many_owned(kib).await.expect("the semaphore is never closed");
        let share = take(share).await;
        Room { _share: share, _all: take(Arc::clone(&self.room)).await }
    }

    /// Ingests one document. `Ok` means durable, unless it was only to be validated.
    pub async fn ingest(&self, request: proto::IngestArticleRequest) -> Result<Contents<Ingested>, IngestError> {
        let prepared = self.prepare(request.document, request.request_id, true).await?;
        if request.validate_only { self.rehearse(prepared).await } else { self.commit(prepared).await }
    }

    /// Writes all of a document at once, so that whoever leaves in between leaves nothing half done; of a feed of more than
    /// a command holds, each command.
    async fn commit(&self, prepared: Contents<Prepared>) -> Result<Contents<Ingested>, IngestError> {
        let mut writes = Vec::new();
        let contents = prepared.map(|prepared| {
            writes.push(self.write_of(prepared.ingest));
            Ok(prepared.report)
        })?;
        let mut written = self.write_all(writes).await.into_iter();
        contents.map(|report| {
            let written = written.next().unwrap_or(Err(StoreError::Internal.into()))?;
            Ok(Ingested { written, report })
        })
    }

    async fn rehearse(&self, prepared: Contents<Prepared>) -> Result<Contents<Ingested>, IngestError> {
        let one = async |prepared: Prepared| {
            let rehearsed = self.store.rehearse(self.write_of(prepared.ingest)).await;
            let written = self.shown(vec![rehearsed]).await.pop().unwrap_or(Err(StoreError::Internal.into()))?;
            Ok(Ingested { written, report: prepared.report })
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

    /// Writes in the order given, in commands of a size that others need not wait long behind.
    async fn write_all(&self, mut writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let mut written = Vec::with_capacity(writes.len());
        while writes.len() > COMMAND {
            let rest = writes.split_off(COMMAND);
            written.extend(self.write_and_show(std::mem::replace(&mut writes, rest)).await);
        }
        if !writes.is_empty() {
            written.extend(self.write_and_show(writes).await);
        }
        written
    }

    /// Makes a document ready to be written.
    async fn prepare(
        &self,
        document: Option<proto::Document>,
        request_id: String,
        refusable: bool,
    ) -> Result<Contents<Prepared>, IngestError> {
        let document = document.ok_or_else(|| Violations::one("document", "is required"))?;
        let request = request_key(request_id, &document)?;
        let time = Timestamp::now();
        if document::is_light(&document) {
            return document::prepare(document, request, time, &self.options, &|| false);
        }
        let prepared = self.extract(document, request, time, refusable).await?;
        self.count(&prepared, refusable).await?;
        Ok(prepared)
    }

    /// Extracts a document on a thread for documents of its size.
    async fn extract(
        &self,
        document: proto::Document,
        request: Option<RequestKey>,
        time: Timestamp,
        refusable: bool,
    ) -> Result<Contents<Prepared>, IngestError> {
        // Covers the wait for a thread.
        let _part = span(Kind::Internal, "ingest.extract");
        let options = Arc::clone(&self.options);
        let limits = options.extract.clone();
        let document = if document::is_compressed(&document) {
            // The size is known after decompression only.
            self.extraction.pool(0).run(refusable, move |_| document::decompress(document, &limits)).await??
        } else {
            document
        };
        let pool = self.extraction.pool(document::size(&document));
        let prepare =
            move |is_abandoned: &dyn Fn() -> bool| document::prepare(document, request, time, &options, is_abandoned);
        pool.run(refusable, prepare).await?
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
    Ok(Some(RequestKey { id, item: 0, digest }))
}
