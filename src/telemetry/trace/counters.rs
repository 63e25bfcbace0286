//! Trace metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of spans. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TraceMetrics {
    exported: Counter,
    dropped: Counter,
}

impl TraceMetrics {
    pub(in crate::telemetry) fn register(&self, registry: &mut Registry) {
        registry.register("trace_spans_exported", "Spans accepted by the trace collector", self.exported.clone());
        let help = "Spans dropped: the trace collector was unreachable or slow, or rejected them";
        registry.register("trace_spans_dropped", help, self.dropped.clone());
    }

    /// Counts spans accepted by the collector.
    pub fn exported(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    /// Counts dropped spans.
    pub fn dropped(&self, spans: u64) {
        self.dropped.inc_by(spans);
    }
}
