//! Metrics of the store's standbys.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::ComputedGauge;

/// Counters and gauges of all standbys; zero without standbys. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StandbyMetrics {
    /// Configured standbys.
    pub configured: Gauge,
    /// Standbys fresh enough for reads now.
    pub fresh: ComputedGauge,
    /// Reads answered by standbys.
    pub reads: Counter,
    /// Reads that failed on a standby and fell back to the inner store.
    pub fallbacks: Counter,
    /// Replication lag of the standby furthest behind, in seconds.
    pub lag: ComputedGauge<f64>,
}

impl StandbyMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("standbys", "Configured standbys of the store", self.configured.clone());
        registry.register("standbys_fresh", "Standbys fresh enough for reads", self.fresh.clone());
        registry.register("standby_reads", "Reads answered by standbys", self.reads.clone());
        let help = "Reads that failed on a standby and fell back to the primary";
        registry.register("standby_fallbacks", help, self.fallbacks.clone());
        let help = "Replication lag of the standby furthest behind";
        registry.register_with_unit("standby_lag", help, Unit::Seconds, self.lag.clone());
    }
}
