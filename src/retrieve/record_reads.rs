//! Reads of articles that callers report.

use jiff::{SignedDuration, Timestamp};

use super::{Retrieval, RetrieveError};
use crate::article::{ArticleId, Violations, from_proto};
use crate::proto::{ArticleReads, RecordReadsRequest};
use crate::read_counts::earliest;
use crate::store::{HourlyReads, hour_of};

/// Maximum number of entries of a request.
const MAX_ENTRIES: usize = 1_000;
/// Maximum number of reads of an entry.
const MAX_READS: i64 = 1_000_000;
/// Maximum time by which the clock of a caller may be ahead.
const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(5);

impl Retrieval {
    /// Counts reads, all or none of a request. They are stored later, if their articles are readable then: the result
    /// says nothing of them.
    pub fn record_reads(&self, request: &RecordReadsRequest) -> Result<(), RetrieveError> {
        let mut violations = Violations::default();
        if request.reads.is_empty() || request.reads.len() > MAX_ENTRIES {
            violations.add("reads", format!("must be 1 to {MAX_ENTRIES} entries"));
        }
        let now = Timestamp::now();
        let mut reads = Vec::with_capacity(request.reads.len().min(MAX_ENTRIES));
        for (at, entry) in request.reads.iter().enumerate().take(MAX_ENTRIES) {
            match hourly(entry, now) {
                // Reads of before count nothing.
                Ok((time, _)) if time < earliest(now) => {}
                Ok((_, entry)) => reads.push(entry),
                Err(inner) => violations.extend_within(&format!("reads[{at}]"), inner),
            }
        }
        violations.or(())?;
        self.read_counts.record(reads);
        Ok(())
    }
}

/// Validates an entry. Returns the time of its reads as well.
fn hourly(entry: &ArticleReads, now: Timestamp) -> Result<(Timestamp, HourlyReads), Violations> {
    let mut violations = Violations::default();
    let article = ArticleId::from_name(&entry.article).map_err(|expected| violations.add("article", expected)).ok();
    let count = u64::try_from(entry.read_count).ok().filter(|_| (1..=MAX_READS).contains(&entry.read_count));
    if count.is_none() {
        violations.add("read_count", "must be 1 to 1,000,000");
    }
    let time = match entry.read_time.as_ref().map(from_proto) {
        None => Some(now),
        Some(Ok(time)) if time.duration_since(now) <= MAX_AHEAD => Some(time.min(now)),
        Some(Ok(_)) => {
            violations.add("read_time", "must be at most 5 minutes in the future");
            None
        }
        Some(Err(expected)) => {
            violations.add("read_time", expected);
            None
        }
    };
    match (article, count, time) {
        (Some(article), Some(count), Some(time)) => Ok((time, HourlyReads { article, hour: hour_of(time), count })),
        _ => Err(violations),
    }
}
