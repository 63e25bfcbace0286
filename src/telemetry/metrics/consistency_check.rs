//! Metrics of the comparison of caches with the store.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of the consistency check; zero without one. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ConsistencyCheckMetrics {
    /// Completed rounds.
    pub rounds: Counter,
    /// Cache responses compared with the store.
    pub checked: Counter,
    /// Cache responses that were stale beyond the bound, or newer than the store. More than 0 is a defect.
    pub violations: Counter,
}

impl ConsistencyCheckMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("consistency_check_rounds", "Completed rounds of the consistency check", self.rounds.clone());
        let help = "Cache responses that the consistency check compared with the store";
        registry.register("consistency_check_checked", help, self.checked.clone());
        let help = "Cache responses stale beyond the bound, or newer than the store: a defect";
        registry.register("consistency_check_violations", help, self.violations.clone());
    }
}
