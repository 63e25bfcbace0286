//! Metrics of ingestion.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    source: String,
    reason: String,
}

/// Maximum number of sources with counters; all others are counted as [`OTHER`].
const MAX_SOURCES: usize = 100;
const OTHER: &str = "other";

/// Label values exported from the start as 0, so that `rate()` sees the first increase.
const OUTCOMES: [&str; 8] = ["created", "revised", "unchanged", "duplicate", "stale", "held", "invalid", "failed"];

/// Counters of documents.
#[derive(Clone, Debug)]
pub struct IngestMetrics {
    documents: Family<OutcomeLabel, Counter>,
    events: Family<EventLabels, Counter>,
    sources: Arc<Mutex<HashSet<String>>>,
    dropped: Counter,
}

impl Default for IngestMetrics {
    fn default() -> Self {
        let documents = Family::default();
        OUTCOMES.iter().for_each(|outcome| drop(documents.get_or_create(&OutcomeLabel { outcome })));
        let events = Family::<EventLabels, Counter>::default();
        let labels = EventLabels { source: OTHER.to_owned(), reason: "INVALID_FIELD".to_owned() };
        drop(events.get_or_create(&labels));
        Self { documents, events, sources: Arc::default(), dropped: Counter::default() }
    }
}

impl IngestMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("ingest_documents", "Ingested documents, by outcome", self.documents.clone());
        let help = "Documents that were rejected, or ingested with a warning or little confidence, by source";
        registry.register("ingest_events", help, self.events.clone());
        let help = "Events of ingestion that were not written to the store: there were too many";
        registry.register("ingest_events_dropped", help, self.dropped.clone());
    }

    /// Counts a document that was rejected, or ingested with a warning or little confidence.
    pub fn count_event(&self, source: &str, reason: &str) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let is_counted = sources.contains(source) || sources.len() < MAX_SOURCES && sources.insert(source.to_owned());
        drop(sources);
        let source = if is_counted { source } else { OTHER };
        let labels = EventLabels { source: source.to_owned(), reason: reason.to_owned() };
        self.events.get_or_create(&labels).inc();
    }

    /// Counts an event that is not written to the store.
    pub fn count_dropped_event(&self) {
        self.dropped.inc();
    }

    /// Counts a document by its outcome.
    pub fn ingested(&self, outcome: &'static str) {
        self.documents.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}
