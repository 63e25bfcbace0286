//! Queue of fills: readers do not wait for writes to Redis. One task drains it in batches, so tasks and round trips per
//! fill decrease with load.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::article::{ArticleId, Record};

/// Maximum entries per batch, and the bytes after which a batch is closed: reads share the connection.
const BATCH: (usize, usize) = (32, 512 << 10);
/// Maximum queued entries and bytes. Fills beyond that are dropped: their leases expire, and the next reader fills
/// them.
const MAX_QUEUED: (usize, usize) = (2_000, 16 << 20);

/// Article, token of its fill lease, and the record that the store has returned since.
pub(in crate::cache::redis) type Fill = (ArticleId, String, Option<Arc<Record>>);

/// Queue of fills.
#[derive(Default)]
pub(in crate::cache::redis) struct FillQueue(Mutex<FillQueueState>);

#[derive(Default)]
struct FillQueueState {
    queued: VecDeque<Fill>,
    bytes: usize,
    /// True while a task drains the queue.
    draining: bool,
}

/// Returns the approximate size of a fill, in bytes.
fn weight(fill: &Fill) -> usize {
    fill.2.as_ref().map_or(0, |record| record.weight())
}

impl FillQueue {
    /// Enqueues fills. Returns true if the caller must start the drain task.
    pub(in crate::cache::redis) fn add(&self, fills: Vec<Fill>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for fill in fills {
            let bytes = state.bytes + weight(&fill);
            if state.queued.len() < MAX_QUEUED.0 && bytes <= MAX_QUEUED.1 {
                state.bytes = bytes;
                state.queued.push_back(fill);
            }
        }
        !state.queued.is_empty() && !std::mem::replace(&mut state.draining, true)
    }

    /// Dequeues the next batch. An empty batch ends the drain task.
    pub(in crate::cache::redis) fn next(&self) -> Vec<Fill> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH.0 && bytes < BATCH.1 {
            let Some(fill) = state.queued.pop_front() else { break };
            bytes += weight(&fill);
            batch.push(fill);
        }
        state.bytes -= bytes;
        state.draining = !batch.is_empty();
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_carries_and_nothing_waits_without_bound() {
        let fills = |count: usize| vec![("ferry".parse().expect("valid"), String::new(), None); count];
        let fill_queue = FillQueue::default();
        assert!(!fill_queue.add(fills(0)), "no drain task for an empty queue");
        assert!(fill_queue.add(fills(BATCH.0)));
        assert!(!fill_queue.add(fills(3)), "a drain task runs already");
        assert_eq!((fill_queue.next().len(), fill_queue.next().len()), (BATCH.0, 3));
        assert!(!fill_queue.add(fills(1)), "the drain task has not seen the empty queue yet");
        assert_eq!((fill_queue.next().len(), fill_queue.next().len()), (1, 0));
        assert!(fill_queue.add(fills(MAX_QUEUED.0)), "the drain task has ended");
        assert!(!fill_queue.add(fills(1)));
        let mut drained = 0;
        while let count @ 1.. = fill_queue.next().len() {
            drained += count;
        }
        assert_eq!(drained, MAX_QUEUED.0, "fills beyond the limit are dropped");
    }
}
