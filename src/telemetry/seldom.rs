//! Lines that could be many thousands a second: some are logged, and how many were not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Lets something be logged now and then.
#[derive(Debug)]
pub struct Seldom {
    began: Instant,
    every_ms: u64,
    next_ms: AtomicU64,
    unlogged: AtomicU64,
}

impl Seldom {
    /// At most once in this time.
    pub fn new(every: Duration) -> Self {
        let every_ms = every.as_millis() as u64;
        Self { began: Instant::now(), every_ms, next_ms: AtomicU64::new(0), unlogged: AtomicU64::new(0) }
    }

    /// Whether it is time for a line; if so, how many were not logged since the last.
    pub fn now(&self) -> Option<u64> {
        let now = self.began.elapsed().as_millis() as u64;
        let due = |next: u64| (now >= next).then_some(now + self.every_ms);
        if self.next_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_logged_is_counted() {
        let seldom = Seldom::new(Duration::from_secs(3_600));
        assert_eq!([(); 3].map(|()| seldom.now()), [Some(0), None, None]);
        assert_eq!(seldom.unlogged.load(Ordering::Relaxed), 2);
        let often = Seldom::new(Duration::ZERO);
        assert_eq!([(); 3].map(|()| often.now()), [Some(0); 3]);
    }
}
