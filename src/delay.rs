//! Overload of a queue, as against a burst: told by how long who comes to his turn has waited, and not by how many wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long one may wait in a queue that stands. Long against what is waited for, and short against what callers wait.
const TARGET: Duration = Duration::from_millis(20);

/// Watches a queue, as controlled delay does (CoDel, RFC 8289; for servers in "Fail at Scale", ACM Queue 2015). A queue that
/// empties now and then has taken up a burst, or a store that did not answer for a moment: who waits in it is served, however
/// long that was. One that stands only makes everybody late; then who has waited longer than a moment is refused, until it is
/// short again.
pub(crate) struct ControlledDelay {
    /// How many in a row have waited longer than a moment.
    late: AtomicUsize,
    /// As many may: what one burst fills the queue with.
    burst: usize,
}

impl ControlledDelay {
    /// Of a queue in which at most so many wait.
    pub(crate) fn new(queue: usize) -> Self {
        Self { late: AtomicUsize::new(0), burst: queue }
    }

    /// Somebody came to his turn without waiting: the queue is empty.
    pub(crate) fn empty(&self) {
        if self.late.load(Ordering::Relaxed) > 0 {
            self.late.store(0, Ordering::Relaxed);
        }
    }

    /// Whether to serve one who has come to his turn after so long.
    pub(crate) fn serves(&self, waited: Duration) -> bool {
        if waited <= TARGET {
            return true;
        }
        // It does not come round: that many do not wait in a process's life.
        self.late.fetch_add(1, Ordering::Relaxed) < self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_served_and_a_queue_that_stands_is_not() {
        let delay = ControlledDelay::new(3);
        let (soon, late) = (TARGET, TARGET * 2);
        assert_eq!([late; 5].map(|waited| delay.serves(waited)), [true, true, true, false, false]);
        assert!(delay.serves(soon), "as short as a queue should be");
        assert!(!delay.serves(late), "and it still stands");
        delay.empty();
        assert!(delay.serves(late));
    }
}
