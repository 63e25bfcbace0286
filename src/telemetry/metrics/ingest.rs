//! Metrics of ingestion.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Label values exported from the start as 0, so that `rate()` sees the first increase.
const OUTCOMES: [&str; 7] = ["created", "revised", "unchanged", "duplicate", "stale", "invalid", "failed"];

/// Counters of documents.
#[derive(Debug)]
pub struct IngestMetrics {
    documents: Family<OutcomeLabel, Counter>,
}

impl Default for IngestMetrics {
    fn default() -> Self {
        let documents = Family::default();
        OUTCOMES.iter().for_each(|outcome| drop(documents.get_or_create(&OutcomeLabel { outcome })));
        Self { documents }
    }
}

impl IngestMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("ingest_documents", "Ingested documents, by outcome", self.documents.clone());
    }

    /// Counts a document by its outcome.
    pub fn ingested(&self, outcome: &'static str) {
        self.documents.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}
