//! What engines count.

use std::time::Duration;

/// Counters of an engine, in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Commits so far.
    pub commits: u64,
    /// Writes within them.
    pub writes: u64,
    /// How long they took in all.
    pub commit_time: Duration,
    /// Batches of writes that wait.
    pub queued: u64,
    /// Reads under way.
    pub reads: u64,
    /// Reads that wait for others.
    pub reads_waiting: u64,
    /// Reads that were refused, for there being too many.
    pub reads_shed: u64,
    /// Whether the store is not asked, since it does not answer.
    pub breaker_open: bool,
    /// The age of the oldest change that the search index does not know.
    pub search_lag: Duration,
}
