//! Rates: a feed counts as many documents as it has items, which is known once it has been parsed.

use std::sync::Arc;
use std::time::Duration;

use super::{Contents, IngestError, Ingestion, Prepared};

/// Counts documents against the rate of their caller, beyond the one that their message has counted as.
pub trait Meter: Send + Sync {
    /// Takes so many out of the rate.
    ///
    /// # Errors
    /// When they are not left.
    fn take(&self, documents: usize) -> Result<(), OverRate>;

    /// Takes so many out of the rate that may not be left, and returns how long to wait before they are used.
    fn borrow(&self, documents: usize) -> Duration;
}

/// Documents beyond the rate of their caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{documents} documents are more than {rate} of {subject}")]
pub struct OverRate {
    /// Number of documents.
    pub documents: usize,
    /// The caller.
    pub subject: String,
    /// Its rate.
    pub rate: String,
    /// Time until they are not.
    pub wait: Duration,
}

impl Ingestion {
    /// The same, whose documents count against a rate.
    pub fn metered(self, meter: Option<Arc<dyn Meter>>) -> Self {
        Self { meter, ..self }
    }

    /// Counts the items of a feed, of which the message has counted one. A call is refused where there are too many; a
    /// stream waits.
    pub(super) async fn count(&self, prepared: &Contents<Prepared>, refusable: bool) -> Result<(), IngestError> {
        let (Some(meter), Contents::Feed(items)) = (&self.meter, prepared) else { return Ok(()) };
        match items.len().saturating_sub(1) {
            0 => {}
            more if refusable => meter.take(more)?,
            more => tokio::time::sleep(meter.borrow(more)).await,
        }
        Ok(())
    }
}
