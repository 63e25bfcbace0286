//! What is counted of traces.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The counters. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TraceMetrics {
    exported: Counter,
    dropped: Counter,
}

impl TraceMetrics {
    pub(in crate::telemetry) fn register(&self, registry: &mut Registry) {
        registry.register("trace_spans_exported", "Spans that the collector of traces took", self.exported.clone());
        let help = "Spans that were dropped: the collector was away or slow, or refused them";
        registry.register("trace_spans_dropped", help, self.dropped.clone());
    }

    /// The collector took so many.
    pub fn exported(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    /// So many were dropped.
    pub fn dropped(&self, spans: u64) {
        self.dropped.inc_by(spans);
    }
}
