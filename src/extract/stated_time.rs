//! Times as documents state them.

use jiff::Timestamp;

/// A time as a document states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatedTime {
    /// The time; midnight UTC for a date alone.
    pub time: Timestamp,
    /// Precision of the statement.
    pub precision: Precision,
}

/// Precision of a stated time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Date and time in a known zone, and the offset from UTC in seconds if it is stated.
    Second(Option<i32>),
    /// Date and time without a zone, taken as UTC.
    ZoneAssumed,
    /// Date only.
    Day,
}
