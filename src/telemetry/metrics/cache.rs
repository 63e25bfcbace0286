//! Metrics of the local cache.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

use super::ComputedGauge;

/// Counters and gauges of the local cache; zero without one. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct CacheMetrics {
    /// Size of the entries, in bytes.
    pub bytes: ComputedGauge,
    /// Number of entries.
    pub entries: ComputedGauge,
    /// Articles invalidated by the change feed or by a write of this process.
    pub invalidations: Counter,
    /// Reads sent to the store because the follower was late or a fresher read was required.
    pub distrusted: Counter,
    /// Time since the follower's last completed pass began, in seconds.
    pub lag: ComputedGauge<f64>,
}

impl CacheMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit("cache_size", "Size of the local cache", Unit::Bytes, self.bytes.clone());
        registry.register("cache_entries", "Entries in the local cache", self.entries.clone());
        let help = "Articles invalidated in the local cache by the change feed and by own writes";
        registry.register("cache_invalidations", help, self.invalidations.clone());
        let help = "Reads that bypassed the local cache: its follower was late, or a fresher read was required";
        registry.register("cache_distrusted", help, self.distrusted.clone());
        let help = "Time since the last completed pass of the cache's follower began";
        registry.register_with_unit("feed_lag", help, Unit::Seconds, self.lag.clone());
    }
}
