//! Rate limits by document. Each item of a syndication feed counts, so the number is known only after parsing.

use std::sync::Arc;
use std::time::Duration;

use super::{Contents, IngestError, Ingestion, Prepared};

/// Rate limit of a caller's documents, in addition to the one that was counted for the message.
pub trait Meter: Send + Sync {
    /// Takes this number of documents from the rate.
    ///
    /// # Errors
    /// Fails if fewer are left.
    fn take(&self, documents: usize) -> Result<(), OverRate>;

    /// Takes this number of documents from the rate, even beyond it, and returns the time to wait before using them.
    fn reserve(&self, documents: usize) -> Duration;
}

/// Error of documents that exceed the rate limit of their caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{documents} documents exceed the rate limit {rate} of {subject}")]
pub struct OverRate {
    /// Number of documents.
    pub documents: usize,
    /// Caller.
    pub subject: String,
    /// Rate limit of the caller.
    pub rate: String,
    /// Time until the documents are within the rate.
    pub wait: Duration,
}

impl Ingestion {
    /// Returns a copy whose documents count against a rate limit.
    pub fn with_meter(self, meter: Option<Arc<dyn Meter>>) -> Self {
        Self { meter, ..self }
    }

    /// Counts the items of a syndication feed, except the one counted for the message. If they exceed the rate, a unary
    /// call is rejected and a stream waits.
    pub(super) async fn count(&self, prepared: &Contents<Prepared>, rejectable: bool) -> Result<(), IngestError> {
        let (Some(meter), Contents::Feed(items)) = (&self.meter, prepared) else { return Ok(()) };
        match items.len().saturating_sub(1) {
            0 => {}
            more if rejectable => meter.take(more)?,
            more => tokio::time::sleep(meter.reserve(more)).await,
        }
        Ok(())
    }
}
