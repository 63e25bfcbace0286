//! What is copied into metrics when they are read: what caches and the store count themselves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// What is measured elsewhere and copied in when somebody asks for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
    /// The local cache's entries, in bytes.
    pub cache_bytes: u64,
    /// The local cache's entries.
    pub cache_entries: u64,
    /// Invalidations by the feed and by own writes.
    pub cache_invalidations: u64,
    /// Reads that bypassed the cache because its follower was late.
    pub cache_distrusted: u64,
    /// Since the last pass of the cache's follower began.
    pub feed_lag: Duration,
    /// The age of the oldest change that search does not know yet.
    pub search_lag: Duration,
    /// How many commits there were.
    pub store_commits: u64,
    /// How many writes they held.
    pub store_writes: u64,
    /// How long they took in all.
    pub store_commit_time: Duration,
    /// How many writes wait.
    pub store_queue: u64,
    /// How many reads of the store are under way.
    pub store_reads: u64,
    /// How many reads wait for that.
    pub store_reads_waiting: u64,
    /// How many reads were refused, for there being too many.
    pub store_reads_shed: u64,
    /// Whether the store is not asked, since it does not answer.
    pub store_breaker_open: bool,
    /// Of the cache in Redis.
    pub redis: RedisSnapshot,
    /// Of the standbys of the store.
    pub standbys: StandbySnapshot,
    /// Of the auditor.
    pub audit: AuditSnapshot,
}

/// What is copied in of the standbys of the store; nothing where there are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandbySnapshot {
    /// How many there are.
    pub standbys: u64,
    /// How many would be asked now.
    pub fresh: u64,
    /// Reads that they answered.
    pub reads: u64,
    /// Reads that one was asked for and could not answer.
    pub fallbacks: u64,
    /// How old what the one furthest behind has may be.
    pub lag: Duration,
}

/// What is copied in of the auditor; nothing where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditSnapshot {
    /// Rounds that were completed.
    pub rounds: u64,
    /// Answers of a cache that were compared with the store's.
    pub checked: u64,
    /// Answers that were wrong.
    pub violations: u64,
}

/// What is copied in of the cache in Redis; nothing where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedisSnapshot {
    /// Articles answered from it.
    pub hits: u64,
    /// Articles that it did not have.
    pub misses: u64,
    /// Articles put into it.
    pub fills: u64,
    /// Articles that it refused.
    pub rejected: u64,
    /// Articles fetched anew before their end.
    pub refreshes: u64,
    /// Calls that failed or came too late.
    pub errors: u64,
    /// Entries that are not as this version writes them.
    pub foreign: u64,
    /// Articles read past it.
    pub distrusted: u64,
    /// Whether it, or a part of a Cluster, is not used, since it failed.
    pub breaker_open: bool,
    /// How many servers of it are used.
    pub servers: u64,
    /// Since the last pass of its follower began.
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
    audit: AuditCounters,
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
        registry.register("standbys", "Standbys of the store that are set", self.standbys.clone());
        registry.register("standbys_fresh", "Standbys that would be asked now", self.fresh.clone());
        registry.register("standby_reads", "Reads that standbys answered", self.reads.clone());
        let help = "Reads that a standby was asked for and the store behind it answered";
        registry.register("standby_fallbacks", help, self.fallbacks.clone());
        let help = "How old what the standby furthest behind has may be";
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
struct AuditCounters {
    rounds: Counter,
    checked: Counter,
    violations: Counter,
}

impl AuditCounters {
    fn register(&self, registry: &mut Registry) {
        registry.register("audit_rounds", "Rounds that the auditor has completed", self.rounds.clone());
        let help = "Answers of a cache that the auditor compared with the store's";
        registry.register("audit_checked", help, self.checked.clone());
        let help = "Answers of a cache that were older than the bound, or newer than the store: a defect";
        registry.register("audit_violations", help, self.violations.clone());
    }

    fn set(&self, snapshot: &AuditSnapshot) {
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
        registry.register("redis_hits", "Articles answered from Redis", self.hits.clone());
        registry.register("redis_misses", "Articles that Redis did not have", self.misses.clone());
        registry.register("redis_fills", "Articles put into Redis", self.fills.clone());
        let help = "Articles that Redis refused, because something newer had come in between";
        registry.register("redis_fills_rejected", help, self.rejected.clone());
        let help = "Articles in Redis that were fetched anew before their end";
        registry.register("redis_refreshes", help, self.refreshes.clone());
        registry.register("redis_errors", "Calls to Redis that failed or came too late", self.errors.clone());
        let help = "Entries in Redis that are not as this version writes them";
        registry.register("redis_foreign", help, self.foreign.clone());
        let help = "Articles read past Redis: it could not be trusted, or fresher was asked for";
        registry.register("redis_distrusted", help, self.distrusted.clone());
        let help = "1 while Redis, or a part of a Cluster, is not used because it failed, or has not been reached yet";
        registry.register("redis_breaker_open", help, self.breaker_open.clone());
        registry.register("redis_servers", "Servers of Redis that are used", self.servers.clone());
        let help = "Since the last completed pass of Redis' follower began";
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
        registry.register_with_unit("cache_size", "The local cache's entries", Unit::Bytes, self.cache_bytes.clone());
        registry.register("cache_entries", "The local cache's entries", self.cache_entries.clone());
        let help = "Articles dropped from the local cache by the feed and by own writes";
        registry.register("cache_invalidations", help, self.cache_invalidations.clone());
        let help = "Reads that bypassed the local cache because its follower was late, or fresher was asked for";
        registry.register("cache_distrusted", help, self.cache_distrusted.clone());
        let help = "Since the last completed pass of the cache's follower began";
        registry.register_with_unit("feed_lag", help, Unit::Seconds, self.feed_lag.clone());
        let help = "The age of the oldest change that search does not know yet";
        registry.register_with_unit("search_lag", help, Unit::Seconds, self.search_lag.clone());
        registry.register("store_commits", "Commits", self.store_commits.clone());
        registry.register("store_writes", "Writes within commits", self.store_writes.clone());
        let help = "How long commits took in all";
        registry.register_with_unit("store_commit_time", help, Unit::Seconds, self.store_commit_seconds.clone());
        registry.register("store_queue", "Writes that wait", self.store_queue.clone());
        registry.register("store_reads_in_flight", "Reads of the store under way", self.store_reads.clone());
        registry.register("store_reads_waiting", "Reads that wait for others", self.store_reads_waiting.clone());
        let help = "Reads of the store refused because too many were under way";
        registry.register("store_reads_shed", help, self.store_reads_shed.clone());
        let help = "1 while the database does not answer, and what needs it fails at once";
        registry.register("store_breaker_open", help, self.store_breaker_open.clone());
        self.redis.register(registry);
        self.standbys.register(registry);
        self.audit.register(registry);
    }

    pub(super) fn set(&self, snapshot: &Snapshot) {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.cache_bytes.set(count(snapshot.cache_bytes));
        self.cache_entries.set(count(snapshot.cache_entries));
        // Counted elsewhere, from the start of the process on, and never back: so counters, whose values are copied.
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
        self.audit.set(&snapshot.audit);
    }
}
