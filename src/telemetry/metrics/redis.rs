//! Metrics of the Redis cache.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

use super::ComputedGauge;

/// Counters and gauges of the Redis cache; zero without one. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RedisMetrics {
    /// Cache hits, in articles.
    pub hits: Counter,
    /// Cache misses, in articles.
    pub misses: Counter,
    /// Completed fills.
    pub fills: Counter,
    /// Fills rejected because of a concurrent change.
    pub rejected: Counter,
    /// Early refreshes before expiry.
    pub refreshes: Counter,
    /// Calls that failed or timed out.
    pub errors: Counter,
    /// Entries not written by this version, or damaged.
    pub foreign: Counter,
    /// Articles read from the store because the lease had expired or a fresher read was required.
    pub distrusted: Counter,
    /// 1 while the cache, or a part of a Cluster, is disabled after failures.
    pub breaker_open: ComputedGauge,
    /// Servers in use: one, or the nodes of a Cluster that have slots.
    pub servers: ComputedGauge,
    /// Time since the last completed pass of the follower began, in seconds; the longest of several.
    pub lag: ComputedGauge<f64>,
}

impl RedisMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("redis_hits", "Articles served from Redis (cache hits)", self.hits.clone());
        registry.register("redis_misses", "Articles missing in Redis (cache misses)", self.misses.clone());
        registry.register("redis_fills", "Articles filled into Redis", self.fills.clone());
        let help = "Fills that Redis rejected because of a concurrent change";
        registry.register("redis_fills_rejected", help, self.rejected.clone());
        let help = "Articles in Redis refreshed before expiry";
        registry.register("redis_refreshes", help, self.refreshes.clone());
        registry.register("redis_errors", "Calls to Redis that failed or timed out", self.errors.clone());
        let help = "Entries in Redis not written by this version, or damaged";
        registry.register("redis_foreign", help, self.foreign.clone());
        let help = "Articles that bypassed Redis: its lease had expired, or a fresher read was required";
        registry.register("redis_distrusted", help, self.distrusted.clone());
        let help = "1 while Redis, or a part of a Cluster, is disabled after failures or not reached yet";
        registry.register("redis_breaker_open", help, self.breaker_open.clone());
        registry.register("redis_servers", "Redis servers in use", self.servers.clone());
        let help = "Time since the last completed pass of the Redis follower began";
        registry.register_with_unit("redis_lag", help, Unit::Seconds, self.lag.clone());
    }
}
