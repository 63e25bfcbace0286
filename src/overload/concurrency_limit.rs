//! Adaptive limit on concurrent calls, by the scheduling delay of tasks: it falls while the processors do not keep up.
//!
//! It does not use the latency of calls, as other adaptive limits do: a cold cache answers fifty times as slowly as a
//! warm one, and has capacity left. Other resources that calls wait for have their own queues, which shed load
//! themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::Metrics;

/// Interval between samples of the scheduling delay.
const INTERVAL: Duration = Duration::from_millis(10);
/// Number of samples for one decision.
const SAMPLES: u32 = 10;
/// Minimum of the limit: processors would idle between fewer calls.
const MIN: usize = 32;

/// Limit on calls in flight. It falls while all runnable tasks wait too long for a processor, and rises again.
pub(crate) struct ConcurrencyLimit {
    limit: AtomicUsize,
    max: usize,
}

impl ConcurrencyLimit {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { limit: AtomicUsize::new(max), max })
    }

    /// Returns true if one more call may begin.
    pub(crate) fn admits(&self, in_flight: usize) -> bool {
        in_flight < self.limit.load(Ordering::Relaxed)
    }

    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Adapts the limit until aborted. `delay` is the maximum scheduling delay, `in_flight` the number of calls.
    pub(crate) async fn follow(self: Arc<Self>, delay: Duration, in_flight: impl Fn() -> usize, metrics: Metrics) {
        loop {
            metrics.calls().limit(self.limit());
            let mut min = Duration::MAX;
            for _ in 0..SAMPLES {
                let due = Instant::now() + INTERVAL;
                tokio::time::sleep_until(due).await;
                // Queues behind all runnable tasks: a timer's task would run before them.
                tokio::task::yield_now().await;
                min = min.min(due.elapsed());
            }
            self.adapt(min > delay, in_flight());
        }
    }

    /// Lowers the limit by a quarter or raises it by an eighth: it converges within a second or two and then hovers.
    fn adapt(&self, late: bool, in_flight: usize) {
        let limit = self.limit();
        let next = if late { in_flight.min(limit) / 4 * 3 } else { limit + limit / 8 };
        let next = next.clamp(MIN.min(self.max), self.max);
        if next != limit {
            self.limit.store(next, Ordering::Relaxed);
            if late {
                tracing::debug!(limit = next, "call limit lowered: the processors do not keep up");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_while_tasks_are_late_and_rises_again() {
        let limiter = ConcurrencyLimit::new(1_000);
        assert!(limiter.admits(999) && !limiter.admits(1_000));
        limiter.adapt(true, 400);
        assert_eq!(limiter.limit(), 300);
        (0..20).for_each(|_| limiter.adapt(true, 1_000));
        assert_eq!(limiter.limit(), MIN);
        assert!(limiter.admits(MIN - 1));
        (0..40).for_each(|_| limiter.adapt(false, 10));
        assert_eq!(limiter.limit(), 1_000);
        let small = ConcurrencyLimit::new(4);
        small.adapt(true, 4);
        assert_eq!(small.limit(), 4, "the limit exceeds the setting");
    }
}
