//! What a reader had better do first: look, or look and claim at once. The one round trip that `GETLEASE` spares a miss is a third
//! of what Redis costs it; of an entry that is there, it costs Redis a script in place of a `GET` (docs/performance.md).

use std::sync::atomic::{AtomicU32, Ordering};

/// How much one read weighs: a 32nd.
const WEIGHT: u32 = 32;
/// All of the last reads.
const ALL: u32 = 1 << 16;

/// How many of the last reads found nothing. Nothing but speed depends on it, so that two at once may forget one.
#[derive(Default)]
pub(super) struct Odds(AtomicU32);

impl Odds {
    /// One more read.
    pub(super) fn note(&self, missed: bool) {
        let before = self.0.load(Ordering::Relaxed);
        let after = before - before / WEIGHT + if missed { ALL / WEIGHT } else { 0 };
        if after != before {
            self.0.store(after, Ordering::Relaxed);
        }
    }

    /// Whether most found nothing.
    pub(super) fn are_for_nothing(&self) -> bool {
        self.0.load(Ordering::Relaxed) > ALL / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_follow_what_most_reads_find() {
        let odds = Odds::default();
        let many = |missed| (0..10_000).for_each(|_| odds.note(missed));
        assert!(!odds.are_for_nothing());
        many(true);
        assert!(odds.are_for_nothing());
        many(false);
        assert!(!odds.are_for_nothing());
        (0..10_000).for_each(|read| odds.note(read % 3 != 0));
        assert!(odds.are_for_nothing());
        (0..10_000).for_each(|read| odds.note(read % 4 == 0));
        assert!(!odds.are_for_nothing());
    }
}
