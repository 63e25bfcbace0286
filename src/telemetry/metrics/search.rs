//! Metrics of the search index.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

use super::{ComputedGauge, ReadMetrics};

/// Counters and gauges of the search index. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct SearchMetrics {
    /// Age of the oldest change that is not in the search index, in seconds.
    pub lag: ComputedGauge<f64>,
    /// Segments of the index.
    pub segments: ComputedGauge,
    /// Metrics of searches.
    pub reads: ReadMetrics,
    /// Published snapshots.
    pub snapshots: Counter,
    /// Times that the index was restored from a snapshot.
    pub restored: Counter,
    commits: Counter,
    changes: Counter,
    commit_time: Counter<f64, AtomicU64>,
}

impl SearchMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Age of the oldest change not in the search index yet";
        registry.register_with_unit("search_lag", help, Unit::Seconds, self.lag.clone());
        registry.register("search_segments", "Segments of the search index", self.segments.clone());
        registry.register("search_commits", "Commits of the search index", self.commits.clone());
        registry.register("search_indexed_changes", "Changes in the commits of the search index", self.changes.clone());
        registry.register("search_snapshots", "Published snapshots of the search index", self.snapshots.clone());
        let help = "Times that the search index was restored from a snapshot";
        registry.register("search_restored", help, self.restored.clone());
        let help = "Total duration of commits of the search index";
        registry.register_with_unit("search_commit_time", help, Unit::Seconds, self.commit_time.clone());
        registry.register("searches_in_flight", "Searches in progress", self.reads.in_flight.clone());
        registry.register("searches_waiting", "Queued searches", self.reads.waiting.clone());
        registry.register("searches_shed", "Searches rejected because of overload", self.reads.shed.clone());
    }

    /// Counts a commit, its changes and its duration.
    pub fn committed(&self, changes: usize, duration: Duration) {
        self.commits.inc();
        self.changes.inc_by(changes as u64);
        self.commit_time.inc_by(duration.as_secs_f64());
    }
}
