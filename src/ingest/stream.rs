//! Bulk: documents in, answers out, in order, as fast as the store makes them durable.
//!
//! Extraction runs ahead on all workers; what is ready is written in groups; a few groups are under way at once, so that
//! the store always has the next. Everything is bounded, in number and in bytes, and a client that does not read its answers
//! stops being read from. The work is a task of its own, so that it goes on while nobody reads; for a while.

use std::sync::Arc;

use futures::{Stream, StreamExt, future, stream};
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{Contents, IngestError, Ingested, Ingestion, Prepared, Room};
use crate::caller::for_current;
use crate::proto::IngestArticlesRequest;
use crate::store::StoreError;
use crate::telemetry::trace::{here, within};

/// How many documents of a stream are being prepared at once.
const PREPARING: usize = 64;
/// How many are written together.
const GROUP: usize = 256;
/// How many groups are being written at once.
const WRITING: usize = 4;

/// How many answers wait to be read.
const ANSWERS: usize = 64;

/// Why a stream of answers ended early.
pub enum Ended<E> {
    /// What came in ended with this.
    Incoming(E),
    /// Nobody read the answers.
    Unread,
}

/// The answer to one document of a stream.
pub struct Answer {
    /// The document's own number.
    pub sequence: i64,
    /// Whether a short answer was asked for.
    pub brief: bool,
    /// What became of it.
    pub result: Result<Contents<Ingested>, IngestError>,
}

/// What comes in: a document, or the error that ended the stream.
pub type StreamItem<E> = Result<IngestArticlesRequest, E>;

struct Ready {
    sequence: i64,
    brief: bool,
    prepared: Result<Contents<Prepared>, IngestError>,
    /// Its share of the memory that documents may take, until it is written.
    room: Room,
}

impl Ingestion {
    /// Answers each document when its article is durable. An error of the incoming stream ends the outgoing one, and so does
    /// leaving answers unread: what was taken in by then is written. Dropping the answers stops the work.
    pub fn ingest_stream<E: Send + 'static>(
        &self,
        documents: impl Stream<Item = StreamItem<E>> + Send + 'static,
    ) -> impl Stream<Item = Result<Answer, Ended<E>>> + Send + 'static {
        let (answers, read) = mpsc::channel(ANSWERS);
        let unread = self.options.unread;
        let working = self.pipeline(documents);
        let work = async move {
            let mut working = std::pin::pin!(working);
            while let Some(answer) = working.next().await {
                match tokio::time::timeout(unread, answers.send(answer.map_err(Ended::Incoming))).await {
                    Ok(Ok(())) => {}
                    // Whoever wanted them has gone.
                    Ok(Err(_closed)) => return false,
                    Err(_elapsed) => return true,
                }
            }
            false
        };
        let work = AbortOnDropHandle::new(tokio::spawn(within(here(), for_current(work.in_current_span()))));
        let farewell = stream::once(async move {
            match work.await.map_err(JoinError::try_into_panic) {
                Ok(overdue) => overdue.then_some(Err(Ended::Unread)),
                // As if it had been done here.
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                // Only by dropping this is it stopped.
                Err(Err(_stopped)) => None,
            }
        });
        ReceiverStream::new(read).chain(farewell.filter_map(future::ready))
    }

    fn pipeline<E: Send + 'static>(
        &self,
        documents: impl Stream<Item = StreamItem<E>> + Send + 'static,
    ) -> impl Stream<Item = Result<Answer, E>> + Send + 'static {
        let share = self.share();
        let taking = self.clone();
        let preparing = self.clone();
        let writing = self.clone();
        documents
            // One after another: the next is not read before there is room for it.
            .then(move |item| {
                let (ingestion, share) = (taking.clone(), Arc::clone(&share));
                async move {
                    let item = item?;
                    let room = ingestion.room(share, item.encoded_len()).await;
                    Ok((item, room))
                }
            })
            .map(move |item: Result<_, E>| {
                let ingestion = preparing.clone();
                async move {
                    let (IngestArticlesRequest { sequence, document, request_id, brief }, room) = item?;
                    let prepared = ingestion.prepare(document, request_id, false).await;
                    Ok(Ready { sequence, brief, prepared, room })
                }
            })
            .buffered(PREPARING)
            .ready_chunks(GROUP)
            .map(move |group| {
                let ingestion = writing.clone();
                async move { ingestion.write_group(group).await }
            })
            .buffered(WRITING)
            .flat_map(futures::stream::iter)
            // After the error there is nothing to say.
            .scan(false, |ended, item| {
                let item = if *ended { None } else { Some(item) };
                *ended = matches!(item, Some(Err(_)));
                future::ready(item)
            })
    }

    async fn write_group<E>(&self, group: Vec<Result<Ready, E>>) -> Vec<Result<Answer, E>> {
        let mut writes = Vec::with_capacity(group.len());
        let mut rooms = Vec::with_capacity(group.len());
        // What each document waits for, in the order of the writes.
        let mut waiting = Vec::with_capacity(group.len());
        for item in group {
            waiting.push(item.map(|Ready { sequence, brief, prepared, room }| {
                rooms.push(room);
                let prepared = prepared.and_then(|contents| {
                    contents.map(|prepared| {
                        writes.push(self.write_of(prepared.ingest));
                        Ok(prepared.report)
                    })
                });
                (sequence, brief, prepared)
            }));
        }
        let mut written = self.write_all(writes).await.into_iter();
        drop(rooms);
        let mut answer = |(sequence, brief, prepared): (i64, bool, Result<Contents<_>, IngestError>)| {
            let result = prepared.and_then(|contents| {
                contents.map(|report| {
                    let written = written.next().unwrap_or(Err(StoreError::Internal.into()))?;
                    Ok(Ingested { written, report })
                })
            });
            Answer { sequence, brief, result }
        };
        waiting.into_iter().map(|item| item.map(&mut answer)).collect()
    }
}
