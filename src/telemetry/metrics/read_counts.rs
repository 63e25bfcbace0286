//! Metrics of the counts of reads.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of reads that callers report. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ReadCountMetrics {
    recorded: Counter,
    lost: Counter,
}

impl ReadCountMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("recorded_reads", "Reads that callers reported", self.recorded.clone());
        let help = "Reported reads lost because too many could not be stored";
        registry.register("recorded_reads_lost", help, self.lost.clone());
    }

    /// Counts reported reads.
    pub fn recorded(&self, reads: u64) {
        self.recorded.inc_by(reads);
    }

    /// Counts reads that are lost.
    pub fn lost(&self, reads: u64) {
        self.lost.inc_by(reads);
    }
}
