//! Statistics of engines.

use std::time::Duration;

use crate::overload::admission::ReadCounts;

/// Statistics of an engine in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Counter of commits.
    pub commits: u64,
    /// Counter of writes in these commits.
    pub writes: u64,
    /// Total duration of commits.
    pub commit_time: Duration,
    /// Number of queued batches of writes.
    pub queued: u64,
    /// Number of reads in progress.
    pub reads: u64,
    /// Number of queued reads.
    pub reads_waiting: u64,
    /// Counter of reads rejected by load shedding.
    pub reads_shed: u64,
    /// True if the circuit breaker is open, since the store does not answer.
    pub breaker_open: bool,
    /// Age of the oldest change that is not in the search index.
    pub search_lag: Duration,
}

impl StoreStats {
    /// Returns the statistics with these numbers of reads.
    pub(super) fn with_reads(self, counts: ReadCounts) -> Self {
        Self { reads: counts.in_progress, reads_waiting: counts.waiting, reads_shed: counts.shed, ..self }
    }
}
