//! Bulk ingestion: a stream of documents in, responses out in the same order, as fast as the store makes them durable.
//!
//! Extraction runs ahead on all workers. Prepared documents are written in groups, several groups concurrently, so that
//! the store never waits for the next. Every stage is bounded in number and in bytes; backpressure stops the reading
//! from a client that does not read its responses. The pipeline runs in a separate task, so that it continues for a
//! limited time while the client does not read.

use std::sync::Arc;

use futures::{Stream, StreamExt, future, stream};
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{Contents, IngestError, Ingested, Ingestion, MemoryPermit, Prepared};
use crate::overload::caller::for_current;
use crate::proto::{ExtractionReport, IngestArticlesRequest};
use crate::store::StoreError;
use crate::telemetry::trace::{current_context, with_context};

/// Maximum number of a stream's documents in preparation.
const MAX_PREPARING: usize = 64;
/// Maximum number of documents per group of writes.
const MAX_GROUP: usize = 256;
/// Maximum number of groups being written.
const MAX_WRITING: usize = 4;

/// Capacity of the buffer of unread responses.
const RESPONSE_BUFFER: usize = 64;

/// Reason for the early end of a response stream.
pub enum StreamError<E> {
    /// The incoming stream failed with this error.
    Incoming(E),
    /// The client did not read its responses.
    ResponsesNotRead,
}

/// Response to one document of a stream.
pub struct StreamResponse {
    /// Sequence number that the client gave the document.
    pub sequence: i64,
    /// True if the client requested a brief response.
    pub brief: bool,
    /// Result of the ingestion.
    pub result: Result<Contents<Ingested>, IngestError>,
}

/// Item of the incoming stream: a document, or the error that ended it.
pub type StreamItem<E> = Result<IngestArticlesRequest, E>;

struct Ready {
    sequence: i64,
    brief: bool,
    validate_only: bool,
    prepared: Result<Contents<Prepared>, IngestError>,
    /// Held until the document is written.
    memory: MemoryPermit,
}

impl Ingestion {
    /// Ingests a stream and responds to each document when its article is durable. The response stream ends when the
    /// incoming one fails or when responses stay unread; documents accepted by then are written. Dropping the response
    /// stream stops the pipeline.
    pub fn ingest_stream<E: Send + 'static>(
        &self,
        documents: impl Stream<Item = StreamItem<E>> + Send + 'static,
    ) -> impl Stream<Item = Result<StreamResponse, StreamError<E>>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(RESPONSE_BUFFER);
        let max_unread = self.options.unread;
        let responses = self.pipeline(documents);
        let pipeline = async move {
            let mut responses = std::pin::pin!(responses);
            while let Some(response) = responses.next().await {
                match tokio::time::timeout(max_unread, sender.send(response.map_err(StreamError::Incoming))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_closed)) => return false,
                    Err(_elapsed) => return true,
                }
            }
            false
        };
        let task = AbortOnDropHandle::new(tokio::spawn(with_context(
            current_context(),
            for_current(pipeline.in_current_span()),
        )));
        let last = stream::once(async move {
            match task.await.map_err(JoinError::try_into_panic) {
                Ok(timed_out) => timed_out.then_some(Err(StreamError::ResponsesNotRead)),
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                // Aborted only by dropping this stream.
                Err(Err(_aborted)) => None,
            }
        });
        ReceiverStream::new(receiver).chain(last.filter_map(future::ready))
    }

    fn pipeline<E: Send + 'static>(
        &self,
        documents: impl Stream<Item = StreamItem<E>> + Send + 'static,
    ) -> impl Stream<Item = Result<StreamResponse, E>> + Send + 'static {
        let share = self.share();
        let reserving = self.clone();
        let preparing = self.clone();
        let writing = self.clone();
        documents
            // Sequential: the next document is not read before memory for this one is reserved.
            .then(move |item| {
                let (ingestion, share) = (reserving.clone(), Arc::clone(&share));
                async move {
                    let item = item?;
                    let memory = ingestion.reserve(share, item.encoded_len()).await;
                    Ok((item, memory))
                }
            })
            .map(move |item: Result<_, E>| {
                let ingestion = preparing.clone();
                async move {
                    let (IngestArticlesRequest { sequence, request, brief }, memory) = item?;
                    let request = request.unwrap_or_default();
                    let validate_only = request.validate_only;
                    let prepared = ingestion.prepare(request, false).await;
                    Ok(Ready { sequence, brief, validate_only, prepared, memory })
                }
            })
            .buffered(MAX_PREPARING)
            .ready_chunks(MAX_GROUP)
            .map(move |group| {
                let ingestion = writing.clone();
                async move { ingestion.write_group(group).await }
            })
            .buffered(MAX_WRITING)
            .flat_map(futures::stream::iter)
            // Ends the stream after the first error.
            .scan(false, |ended, item| {
                let item = if *ended { None } else { Some(item) };
                *ended = matches!(item, Some(Err(_)));
                future::ready(item)
            })
    }

    async fn write_group<E>(&self, group: Vec<Result<Ready, E>>) -> Vec<Result<StreamResponse, E>> {
        let mut writes = Vec::with_capacity(group.len());
        let mut permits = Vec::with_capacity(group.len());
        // In the order of the writes.
        let mut pending = Vec::with_capacity(group.len());
        for item in group {
            pending.push(item.map(|Ready { sequence, brief, validate_only, prepared, memory }| {
                permits.push(memory);
                let step = match prepared {
                    Ok(contents) if validate_only => Ok(Step::Validate(Box::new(contents))),
                    Ok(contents) => contents
                        .map(|prepared| {
                            writes.push(self.write_of(prepared.write)?);
                            Ok(prepared.report)
                        })
                        .map(Step::Written),
                    Err(error) => Err(error),
                };
                (sequence, brief, step)
            }));
        }
        let mut written = self.write_all(writes).await.into_iter();
        drop(permits);
        let mut responses = Vec::with_capacity(pending.len());
        for item in pending {
            let (sequence, brief, step) = match item {
                Ok(pending) => pending,
                Err(error) => {
                    responses.push(Err(error));
                    continue;
                }
            };
            let result = match step {
                Ok(Step::Validate(contents)) => self.dry_run(*contents).await,
                Ok(Step::Written(contents)) => contents.map(|report| {
                    let written = written.next().unwrap_or(Err(StoreError::Internal.into()))?;
                    Ok(Ingested::new(written, report))
                }),
                Err(error) => Err(error),
            };
            responses.push(Ok(StreamResponse { sequence, brief, result }));
        }
        responses
    }
}

/// Remaining step for a prepared document.
enum Step {
    /// Answer it: its writes are in the group.
    Written(Contents<ExtractionReport>),
    /// Validate it, without writing.
    Validate(Box<Contents<Prepared>>),
}
