//! Estimate of the miss ratio, to choose a reader's first command: `GET`, or `GETLEASE`. On a miss, `GETLEASE` saves
//! one round trip, a third of the cost of Redis; on a hit, it costs Redis a script instead of a `GET`
//! (docs/performance.md).

use std::sync::atomic::{AtomicU32, Ordering};

/// Weight of one read in the average: a 32nd.
const WEIGHT: u32 = 32;
/// Value of a miss ratio of 1.
const ALL: u32 = 1 << 16;

/// Moving average of the miss ratio. Only speed depends on it, so concurrent updates may lose one.
#[derive(Default)]
pub(super) struct MissRate(AtomicU32);

impl MissRate {
    /// Records a read.
    pub(super) fn record(&self, missed: bool) {
        let before = self.0.load(Ordering::Relaxed);
        let after = before - before / WEIGHT + if missed { ALL / WEIGHT } else { 0 };
        if after != before {
            self.0.store(after, Ordering::Relaxed);
        }
    }

    /// Returns true if most recent reads were misses.
    pub(super) fn expects_miss(&self) -> bool {
        self.0.load(Ordering::Relaxed) > ALL / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_follow_what_most_reads_find() {
        let miss_rate = MissRate::default();
        let many = |missed| (0..10_000).for_each(|_| miss_rate.record(missed));
        assert!(!miss_rate.expects_miss());
        many(true);
        assert!(miss_rate.expects_miss());
        many(false);
        assert!(!miss_rate.expects_miss());
        (0..10_000).for_each(|read| miss_rate.record(read % 3 != 0));
        assert!(miss_rate.expects_miss());
        (0..10_000).for_each(|read| miss_rate.record(read % 4 == 0));
        assert!(!miss_rate.expects_miss());
    }
}
