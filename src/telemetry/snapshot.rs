//! Snapshot of the counters of caches and store, copied into metrics on every scrape.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Values copied into metrics on a scrape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
    /// Size of the local cache's entries, in bytes.
    pub cache_bytes: u64,
    /// Number of entries in the local cache.
    pub cache_entries: u64,
    /// Invalidations by the change feed and by own writes.
    pub cache_invalidations: u64,
    /// Reads that bypassed the local cache because its follower was late or a fresher read was required.
    pub cache_distrusted: u64,
    /// Time since the last completed pass of the cache's follower began.
    pub feed_lag: Duration,
    /// Age of the oldest change not in the search index yet.
    pub search_lag: Duration,
    /// Commits.
    pub store_commits: u64,
    /// Writes within commits.
    pub store_writes: u64,
    /// Total duration of commits.
    pub store_commit_time: Duration,
    /// Queued writes.
    pub store_queue: u64,
    /// Reads of the store in progress.
    pub store_reads: u64,
    /// Queued reads of the store.
    pub store_reads_waiting: u64,
    /// Reads of the store rejected because of overload.
    pub store_reads_shed: u64,
    /// True while the circuit breaker of the store is open.
    pub store_breaker_open: bool,
    /// Counters of the Redis cache.
    pub redis: RedisSnapshot,
    /// Counters of the store's standbys.
    pub standbys: StandbySnapshot,
    /// Counters of the consistency checker.
    pub consistency_check: ConsistencyCheckSnapshot,
}

/// Counters of the store's standbys; zero without standbys.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandbySnapshot {
    /// Configured standbys.
    pub standbys: u64,
    /// Standbys fresh enough for reads now.
    pub fresh: u64,
    /// Reads answered by standbys.
    pub reads: u64,
    /// Reads that failed on a standby and fell back to the primary.
    pub fallbacks: u64,
    /// Replication lag of the standby furthest behind.
    pub lag: Duration,
}

/// Counters of the consistency checker; zero without one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConsistencyCheckSnapshot {
    /// Completed rounds.
    pub rounds: u64,
    /// Cache responses compared with the store.
    pub checked: u64,
    /// Cache responses that were stale beyond the bound, or newer than the store.
    pub violations: u64,
}

/// Counters of the Redis cache; zero without one.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedisSnapshot {
    /// Cache hits, in articles.
    pub hits: u64,
    /// Cache misses, in articles.
    pub misses: u64,
    /// Completed fills.
    pub fills: u64,
    /// Fills rejected because of a concurrent change.
    pub rejected: u64,
    /// Early refreshes before expiry.
    pub refreshes: u64,
    /// Calls that failed or timed out.
    pub errors: u64,
    /// Entries not written by this version, or damaged.
    pub foreign: u64,
    /// Articles that bypassed Redis.
    pub distrusted: u64,
    /// True while Redis, or a part of a Cluster, is disabled after failures.
    pub breaker_open: bool,
    /// Servers in use.
    pub servers: u64,
    /// Time since the last completed pass of its follower began.
    pub lag: Duration,
}

#[derive(Default)]
pub(super) struct Gauges {
    cache_bytes: Gauge,
    cache_entries: Gauge,
    cache_invalidations: Counter,
    cache_distrusted: Counter,
    feed_lag: Gauge<f64, AtomicU64>,
    search_lag: Gauge<f64, AtomicU64>,
    store_commits: Counter,
    store_writes: Counter,
    store_commit_seconds: Counter<f64, AtomicU64>,
    store_queue: Gauge,
    store_reads: Gauge,
    store_reads_waiting: Gauge,
    store_reads_shed: Counter,
    store_breaker_open: Gauge,
    redis: RedisGauges,
    standbys: StandbyGauges,
    consistency_check: ConsistencyCheckMetrics,
}

#[derive(Default)]
struct StandbyGauges {
    standbys: Gauge,
    fresh: Gauge,
    reads: Counter,
    fallbacks: Counter,
    lag: Gauge<f64, AtomicU64>,
}

impl StandbyGauges {
    fn register(&self, registry: &mut Registry) {
        registry.register("standbys", "Configured standbys of the store", self.standbys.clone());
        registry.register("standbys_fresh", "Standbys fresh enough for reads", self.fresh.clone());
        registry.register("standby_reads", "Reads answered by standbys", self.reads.clone());
        let help = "Reads that failed on a standby and fell back to the primary";
        registry.register("standby_fallbacks", help, self.fallbacks.clone());
        let help = "Replication lag of the standby furthest behind";
        registry.register_with_unit("standby_lag", help, Unit::Seconds, self.lag.clone());
    }

    fn set(&self, snapshot: &StandbySnapshot) {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.standbys.set(count(snapshot.standbys));
        self.fresh.set(count(snapshot.fresh));
        self.reads.inner().store(snapshot.reads, Ordering::Relaxed);
        self.fallbacks.inner().store(snapshot.fallbacks, Ordering::Relaxed);
        self.lag.set(snapshot.lag.as_secs_f64());
    }
}

#[derive(Default)]
struct ConsistencyCheckMetrics {
    rounds: Counter,
    checked: Counter,
    violations: Counter,
}

impl ConsistencyCheckMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "consistency_check_rounds",
            "Completed rounds of the consistency checker",
            self.rounds.clone(),
        );
        let help = "Cache responses that the consistency checker compared with the store";
        registry.register("consistency_check_checked", help, self.checked.clone());
        let help = "Cache responses stale beyond the bound, or newer than the store: a defect";
        registry.register("consistency_check_violations", help, self.violations.clone());
    }

    fn set(&self, snapshot: &ConsistencyCheckSnapshot) {
        self.rounds.inner().store(snapshot.rounds, Ordering::Relaxed);
        self.checked.inner().store(snapshot.checked, Ordering::Relaxed);
        self.violations.inner().store(snapshot.violations, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct RedisGauges {
    hits: Counter,
    misses: Counter,
    fills: Counter,
    rejected: Counter,
    refreshes: Counter,
    errors: Counter,
    foreign: Counter,
    distrusted: Counter,
    breaker_open: Gauge,
    servers: Gauge,
    lag: Gauge<f64, AtomicU64>,
}

impl RedisGauges {
    fn register(&self, registry: &mut Registry) {
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

    fn set(&self, snapshot: &RedisSnapshot) {
        let copies = [
            (&self.hits, snapshot.hits),
            (&self.misses, snapshot.misses),
            (&self.fills, snapshot.fills),
            (&self.rejected, snapshot.rejected),
            (&self.refreshes, snapshot.refreshes),
            (&self.errors, snapshot.errors),
            (&self.foreign, snapshot.foreign),
            (&self.distrusted, snapshot.distrusted),
        ];
        for (counter, value) in copies {
            counter.inner().store(value, Ordering::Relaxed);
        }
        self.breaker_open.set(snapshot.breaker_open.into());
        self.servers.set(i64::try_from(snapshot.servers).unwrap_or(i64::MAX));
        self.lag.set(snapshot.lag.as_secs_f64());
    }
}

impl Gauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit("cache_size", "Size of the local cache", Unit::Bytes, self.cache_bytes.clone());
        registry.register("cache_entries", "Entries in the local cache", self.cache_entries.clone());
        let help = "Articles invalidated in the local cache by the change feed and by own writes";
        registry.register("cache_invalidations", help, self.cache_invalidations.clone());
        let help = "Reads that bypassed the local cache: its follower was late, or a fresher read was required";
        registry.register("cache_distrusted", help, self.cache_distrusted.clone());
        let help = "Time since the last completed pass of the cache's follower began";
        registry.register_with_unit("feed_lag", help, Unit::Seconds, self.feed_lag.clone());
        let help = "Age of the oldest change not in the search index yet";
        registry.register_with_unit("search_lag", help, Unit::Seconds, self.search_lag.clone());
        registry.register("store_commits", "Commits of the store", self.store_commits.clone());
        registry.register("store_writes", "Writes within commits", self.store_writes.clone());
        let help = "Total duration of commits";
        registry.register_with_unit("store_commit_time", help, Unit::Seconds, self.store_commit_seconds.clone());
        registry.register("store_queue", "Queued writes", self.store_queue.clone());
        registry.register("store_reads_in_flight", "Reads of the store in progress", self.store_reads.clone());
        registry.register("store_reads_waiting", "Queued reads of the store", self.store_reads_waiting.clone());
        let help = "Reads of the store rejected because of overload";
        registry.register("store_reads_shed", help, self.store_reads_shed.clone());
        let help = "1 while the circuit breaker of the database is open and requests fail at once";
        registry.register("store_breaker_open", help, self.store_breaker_open.clone());
        self.redis.register(registry);
        self.standbys.register(registry);
        self.consistency_check.register(registry);
    }

    pub(super) fn set(&self, snapshot: &Snapshot) {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.cache_bytes.set(count(snapshot.cache_bytes));
        self.cache_entries.set(count(snapshot.cache_entries));
        // Exported as counters: the copied values are counted since process start and never decrease.
        self.cache_invalidations.inner().store(snapshot.cache_invalidations, Ordering::Relaxed);
        self.cache_distrusted.inner().store(snapshot.cache_distrusted, Ordering::Relaxed);
        self.feed_lag.set(snapshot.feed_lag.as_secs_f64());
        self.search_lag.set(snapshot.search_lag.as_secs_f64());
        self.store_commits.inner().store(snapshot.store_commits, Ordering::Relaxed);
        self.store_writes.inner().store(snapshot.store_writes, Ordering::Relaxed);
        let seconds = snapshot.store_commit_time.as_secs_f64();
        self.store_commit_seconds.inner().store(seconds.to_bits(), Ordering::Relaxed);
        self.store_queue.set(count(snapshot.store_queue));
        self.store_reads.set(count(snapshot.store_reads));
        self.store_reads_waiting.set(count(snapshot.store_reads_waiting));
        self.store_reads_shed.inner().store(snapshot.store_reads_shed, Ordering::Relaxed);
        self.store_breaker_open.set(snapshot.store_breaker_open.into());
        self.redis.set(&snapshot.redis);
        self.standbys.set(&snapshot.standbys);
        self.consistency_check.set(&snapshot.consistency_check);
    }
}
