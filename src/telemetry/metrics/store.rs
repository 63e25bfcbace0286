//! Metrics of the store.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

use super::ComputedGauge;

/// Counters and gauges of a store engine. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StoreMetrics {
    commits: Counter,
    writes: Counter,
    commit_time: Counter<f64, AtomicU64>,
    /// Queued batches of writes.
    pub queue: ComputedGauge,
    /// Metrics of reads.
    pub reads: ReadMetrics,
    /// 1 while the circuit breaker is open, since the database does not answer.
    pub breaker_open: ComputedGauge,
}

/// Counters and gauges of an engine's reads. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ReadMetrics {
    /// Reads in progress.
    pub in_flight: ComputedGauge,
    /// Queued reads.
    pub waiting: ComputedGauge,
    /// Reads rejected by load shedding.
    pub shed: Counter,
}

impl StoreMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("store_commits", "Commits of the store", self.commits.clone());
        registry.register("store_writes", "Writes within commits", self.writes.clone());
        let help = "Total duration of commits";
        registry.register_with_unit("store_commit_time", help, Unit::Seconds, self.commit_time.clone());
        registry.register("store_queue", "Queued writes", self.queue.clone());
        let reads = &self.reads;
        registry.register("store_reads_in_flight", "Reads of the store in progress", reads.in_flight.clone());
        registry.register("store_reads_waiting", "Queued reads of the store", reads.waiting.clone());
        registry.register("store_reads_shed", "Reads of the store rejected because of overload", reads.shed.clone());
        let help = "1 while the circuit breaker of the database is open and requests fail at once";
        registry.register("store_breaker_open", help, self.breaker_open.clone());
    }

    /// Counts a commit, its writes and its duration.
    pub fn committed(&self, writes: usize, duration: Duration) {
        self.commits.inc();
        self.writes.inc_by(writes as u64);
        self.commit_time.inc_by(duration.as_secs_f64());
    }
}
