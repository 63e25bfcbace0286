//! Whether the processors keep up, and how many calls may be under way so that they do.
//!
//! Not by how long calls take, as limits that adapt to latency have it: a cache that is cold answers fifty times as slowly as one
//! that is warm, and has time for more. What calls wait for elsewhere has queues of its own, which refuse for themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::Metrics;

/// How often it is looked how late a task comes to its turn, and how many such looks decide.
const EVERY: Duration = Duration::from_millis(10);
const LOOKS: u32 = 10;
/// So many calls may always be under way: with fewer, processors would idle between them.
const LEAST: usize = 32;

/// A limit on calls under way. It falls while everything that is ready to run waits too long for a processor, and rises again.
pub(super) struct Pressure {
    limit: AtomicUsize,
    most: usize,
}

impl Pressure {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { limit: AtomicUsize::new(most), most })
    }

    /// Whether one more call may begin beside so many.
    pub(super) fn admits(&self, under_way: usize) -> bool {
        under_way < self.limit.load(Ordering::Relaxed)
    }

    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Follows how late tasks are, until it is aborted. `delay` is how late is too late, `under_way` how many calls there are.
    pub(super) async fn follow(self: Arc<Self>, delay: Duration, under_way: impl Fn() -> usize, metrics: Metrics) {
        loop {
            metrics.limit(self.limit());
            let mut least = Duration::MAX;
            for _ in 0..LOOKS {
                let due = Instant::now() + EVERY;
                tokio::time::sleep_until(due).await;
                // Behind all that are ready: a timer's task would be let in first.
                tokio::task::yield_now().await;
                least = least.min(due.elapsed());
            }
            self.adapt(least > delay, under_way());
        }
    }

    /// By a quarter down, by an eighth up: it is found again within a second or two, and hovers.
    fn adapt(&self, late: bool, under_way: usize) {
        let limit = self.limit();
        let next = if late { under_way.min(limit) / 4 * 3 } else { limit + limit / 8 };
        let next = next.clamp(LEAST.min(self.most), self.most);
        if next != limit {
            self.limit.store(next, Ordering::Relaxed);
            if late {
                tracing::debug!(limit = next, "calls are limited: the processors do not keep up");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_while_tasks_are_late_and_rises_again() {
        let pressure = Pressure::new(1_000);
        assert!(pressure.admits(999) && !pressure.admits(1_000));
        pressure.adapt(true, 400);
        assert_eq!(pressure.limit(), 300);
        (0..20).for_each(|_| pressure.adapt(true, 1_000));
        assert_eq!(pressure.limit(), LEAST);
        assert!(pressure.admits(LEAST - 1));
        (0..40).for_each(|_| pressure.adapt(false, 10));
        assert_eq!(pressure.limit(), 1_000);
        let small = Pressure::new(4);
        small.adapt(true, 4);
        assert_eq!(small.limit(), 4, "never above what is set");
    }
}
