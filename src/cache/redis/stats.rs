//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of a cache in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedisCacheStats {
    /// Articles answered from it.
    pub hits: u64,
    /// Articles that it did not have.
    pub misses: u64,
    /// Articles put into it.
    pub fills: u64,
    /// Articles that it refused, for something newer came in between.
    pub rejected: u64,
    /// Articles fetched anew before their end.
    pub refreshes: u64,
    /// Calls that failed or came too late.
    pub errors: u64,
    /// Entries that this version did not write, or not like that.
    pub foreign: u64,
    /// Articles read past it, for it could not be trusted, or fresher was asked for.
    pub distrusted: u64,
    /// Whether it, or a part of a Cluster, is not used, since it failed.
    pub breaker_open: bool,
    /// How many servers are used: one, or of a Cluster as many as have a part of it.
    pub servers: u64,
    /// How long ago the last completed pass of its follower began: of several, the one that is furthest behind.
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
