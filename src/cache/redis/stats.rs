//! Counters of the Redis cache.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of a cache in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedisCacheStats {
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
    /// Articles read from the store because the lease had expired or a fresher read was required.
    pub distrusted: u64,
    /// True while the cache, or a part of a Cluster, is disabled after failures.
    pub breaker_open: bool,
    /// Servers in use: one, or the nodes of a Cluster that have slots.
    pub servers: u64,
    /// Time since the last completed pass of the follower began; the longest of several.
    pub lag: Option<Duration>,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) fills: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) refreshes: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) foreign: AtomicU64,
    pub(super) distrusted: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self, breaker_open: bool, servers: u64, lag: Option<Duration>) -> RedisCacheStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RedisCacheStats {
            hits: count(&self.hits),
            misses: count(&self.misses),
            fills: count(&self.fills),
            rejected: count(&self.rejected),
            refreshes: count(&self.refreshes),
            errors: count(&self.errors),
            foreign: count(&self.foreign),
            distrusted: count(&self.distrusted),
            breaker_open,
            servers,
            lag,
        }
    }
}
