//! A queue that takes up bursts, and is cut short when it stands.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many may wait in a queue that stands: enough that nobody who serves it idles, and so few that all are soon answered.
pub(crate) const STANDING: usize = 48;

/// Tells a burst from overload, as controlled delay does (CoDel, RFC 8289; for servers in "Fail at Scale", ACM Queue 2015): a queue
/// that empties now and then has taken up a burst, or a store that was silent for a moment, and may be long. One that did not empty
/// while as many as it holds came to their turn only makes everybody late; then few may wait.
pub(crate) struct Burst {
    /// How many have come to their turn since it was last empty.
    turns: AtomicUsize,
    queue: usize,
}

impl Burst {
    /// Of a queue in which at most so many wait.
    pub(crate) fn new(queue: usize) -> Self {
        Self { turns: AtomicUsize::new(0), queue }
    }

    /// How many may wait now.
    pub(crate) fn most(&self) -> usize {
        if self.turns.load(Ordering::Relaxed) < self.queue { self.queue } else { STANDING.min(self.queue) }
    }

    /// Whether too many wait behind whoever comes to his turn: in a queue that stands, he has waited longest, and to answer him would
    /// make all of them as late. So he is to be refused after all; controlled delay drops at the head, too.
    pub(crate) fn too_many(&self, behind: usize) -> bool {
        behind > self.most()
    }

    /// Somebody who has waited comes to his turn.
    pub(crate) fn turn(&self) {
        // It does not come round: that many do not wait in a process's life.
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody comes who need not wait.
    pub(crate) fn empty(&self) {
        if self.turns.load(Ordering::Relaxed) > 0 {
            self.turns.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_may_wait_and_of_a_queue_that_stands_few() {
        let burst = Burst::new(100);
        (0..99).for_each(|_| burst.turn());
        assert_eq!(burst.most(), 100);
        burst.turn();
        assert_eq!(burst.most(), STANDING);
        assert!(burst.too_many(STANDING + 1) && !burst.too_many(STANDING));
        burst.empty();
        assert!(!burst.too_many(STANDING + 1));
        assert_eq!(burst.most(), 100);
        let short = Burst::new(0);
        assert_eq!(short.most(), 0, "never more than is set");
    }
}
