//! Rate limit for log lines that could occur many thousand times a second; suppressed lines are counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Rate limit of a log line.
#[derive(Debug)]
pub struct LogRateLimiter {
    began: Instant,
    interval_ms: u64,
    next_ms: AtomicU64,
    suppressed: AtomicU64,
}

impl LogRateLimiter {
    /// Allows one line per interval.
    pub fn new(interval: Duration) -> Self {
        let interval_ms = interval.as_millis() as u64;
        Self { began: Instant::now(), interval_ms, next_ms: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Returns the number of lines suppressed since the last one if a line may be logged now, and none otherwise.
    pub fn now(&self) -> Option<u64> {
        let now = self.began.elapsed().as_millis() as u64;
        let due = |next: u64| (now >= next).then_some(now + self.interval_ms);
        if self.next_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_logged_is_counted() {
        let seldom = LogRateLimiter::new(Duration::from_secs(3_600));
        assert_eq!([(); 3].map(|()| seldom.now()), [Some(0), None, None]);
        assert_eq!(seldom.suppressed.load(Ordering::Relaxed), 2);
        let often = LogRateLimiter::new(Duration::ZERO);
        assert_eq!([(); 3].map(|()| often.now()), [Some(0); 3]);
    }
}
