//! Queue limit that absorbs bursts and shortens a standing queue.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum length of a standing queue: long enough that no worker idles, short enough that waits are short.
pub(crate) const STANDING_QUEUE_LEN: usize = 48;

/// Distinguishes a burst from overload by controlled delay (CoDel, RFC 8289; for servers in "Fail at Scale", ACM Queue
/// 2015). A queue that empties now and then has absorbed a burst, or a short stall of the store, and may be long. A
/// queue that did not empty while its full capacity was dequeued only adds latency; then its limit is short.
pub(crate) struct CodelLimit {
    /// Requests dequeued since the queue was last empty.
    dequeued: AtomicUsize,
    capacity: usize,
}

impl CodelLimit {
    /// Creates the limit of a queue with this capacity.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { dequeued: AtomicUsize::new(0), capacity }
    }

    /// Returns the current maximum queue length.
    pub(crate) fn max_len(&self) -> usize {
        let standing = self.dequeued.load(Ordering::Relaxed) >= self.capacity;
        if standing { STANDING_QUEUE_LEN.min(self.capacity) } else { self.capacity }
    }

    /// Returns true if the request at the head should be dropped, with `queued` requests behind it. In a standing queue
    /// it has waited longest, and serving it would delay all of them (CoDel also drops from the head).
    pub(crate) fn should_drop(&self, queued: usize) -> bool {
        queued > self.max_len()
    }

    /// Records that a queued request was dequeued.
    pub(crate) fn on_dequeue(&self) {
        // Does not overflow within the lifetime of a process.
        self.dequeued.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a request arrived and did not have to wait.
    pub(crate) fn on_empty(&self) {
        if self.dequeued.load(Ordering::Relaxed) > 0 {
            self.dequeued.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_may_wait_and_of_a_queue_that_stands_few() {
        let codel = CodelLimit::new(100);
        (0..99).for_each(|_| codel.on_dequeue());
        assert_eq!(codel.max_len(), 100);
        codel.on_dequeue();
        assert_eq!(codel.max_len(), STANDING_QUEUE_LEN);
        assert!(codel.should_drop(STANDING_QUEUE_LEN + 1) && !codel.should_drop(STANDING_QUEUE_LEN));
        codel.on_empty();
        assert!(!codel.should_drop(STANDING_QUEUE_LEN + 1));
        assert_eq!(codel.max_len(), 100);
        let short = CodelLimit::new(0);
        assert_eq!(short.max_len(), 0, "the limit never exceeds the capacity");
    }
}
