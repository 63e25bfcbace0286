//! The journal of ingestion, for editors.

use prost::Message;

use super::page_token::RequestDigest;
use super::{Retrieval, RetrieveError, page_size};
use crate::article::{Violations, source_name};
use crate::proto::{IngestEvent, IngestEventKind, ListIngestEventsRequest, ListIngestEventsResponse};
use crate::store::StoreError;

/// Page size of requests without `page_size`, in events.
const DEFAULT_PAGE_SIZE: usize = 50;
/// Events per read.
const BATCH: usize = 500;

impl Retrieval {
    /// Reads a page of the events of ingestion, newest first.
    pub async fn ingest_events(
        &self,
        request: &ListIngestEventsRequest,
    ) -> Result<ListIngestEventsResponse, RetrieveError> {
        let mut violations = Violations::default();
        let plain = ListIngestEventsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let digest = RequestDigest::of("ListIngestEvents", self.store.feed_id(), &plain);
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, self.limits.max_page_size).map_err(&mut note).ok();
        let before = digest.number(&request.page_token).map_err(&mut note).ok();
        for (at, kind) in request.kinds.iter().enumerate() {
            if !matches!(IngestEventKind::try_from(*kind), Ok(kind) if kind != IngestEventKind::Unspecified) {
                violations.add(format!("kinds[{at}]"), "must be a kind of event, such as INGEST_EVENT_KIND_REJECTED");
            }
        }
        let (Some(size), Some(before), true) = (size, before, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        let sources: Vec<String> = request.sources.iter().map(|source| source_name(source)).collect();
        let is_wanted = |event: &IngestEvent| {
            (request.kinds.is_empty() || request.kinds.contains(&event.kind))
                && (sources.is_empty() || sources.contains(&event.source))
        };
        let mut before = before.and_then(|before| i64::try_from(before).ok());
        let mut response = ListIngestEventsResponse::default();
        loop {
            let batch = self.store.events(before, BATCH).await?;
            for (key, event) in &batch {
                let event = IngestEvent::decode(event.as_slice()).map_err(|_broken| StoreError::Damaged)?;
                before = Some(*key);
                if is_wanted(&event) {
                    response.events.push(event);
                }
                if response.events.len() == size {
                    response.next_page_token = digest.after_number(key.unsigned_abs());
                    return Ok(response);
                }
            }
            if batch.len() < BATCH {
                return Ok(response);
            }
        }
    }
}
