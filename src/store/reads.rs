//! Counts of reads, by article and hour, as callers have reported them.

use jiff::Timestamp;

use crate::article::ArticleId;

const HOUR_SECONDS: i64 = 3_600;

/// Reads of an article in an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourlyReads {
    /// Article.
    pub article: ArticleId,
    /// Hour, counted from 1970.
    pub hour: i64,
    /// Number of reads.
    pub count: u64,
}

/// Returns the hour of a time, counted from 1970.
pub fn hour_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(HOUR_SECONDS)
}
