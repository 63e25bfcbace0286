//! The freshness lease: how a cache knows that it may be trusted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::article::Position;

/// A cache is trusted only while its follower has completed a pass over the feed within the staleness bound. So what stalls
/// the follower, whatever it is, makes reads slower and never older.
#[derive(Debug)]
pub(super) struct Lease {
    born: Instant,
    bound: Duration,
    /// When the last completed pass *began*, in microseconds since `born`; 0 before the first.
    passed: AtomicU64,
    /// How far the follower has come.
    position: watch::Sender<Position>,
    /// Up to where it may have dropped something already. Never behind `position`.
    heard: Mutex<Position>,
}

impl Lease {
    pub(super) fn new(bound: Duration, position: Position) -> Self {
        Self {
            born: Instant::now(),
            bound,
            passed: AtomicU64::new(0),
            position: watch::Sender::new(position),
            heard: Mutex::new(position),
        }
    }

    /// Records a pass that began at `began` and found nothing after `position`.
    pub(super) fn renew(&self, began: Instant, position: Position) {
        self.advance(position);
        let micros = began.duration_since(self.born).as_micros().max(1);
        // Half a million years of microseconds fit.
        self.passed.store(micros as u64, Ordering::Release);
    }

    /// Records that something up to `position` is about to be invalidated.
    pub(super) fn hear(&self, position: Position) {
        let mut heard = self.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *heard = (*heard).max(position);
    }

    /// How fresh what is loaded now must be, lest it be older than an invalidation that has passed already.
    pub(super) fn heard(&self) -> Position {
        *self.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Records that everything up to `position` has been invalidated.
    pub(super) fn advance(&self, position: Position) {
        self.hear(position);
        self.position.send_if_modified(|reached| {
            let further = *reached < position;
            *reached = (*reached).max(position);
            further
        });
    }

    /// Records that the follower begins anew at `position`: there is no trust until it has completed a pass.
    pub(super) fn restart(&self, position: Position) {
        self.passed.store(0, Ordering::Release);
        self.position.send_replace(position);
        *self.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = position;
    }

    /// How far the follower has come.
    pub(super) fn position(&self) -> Position {
        *self.position.borrow()
    }

    /// Waits until everything up to `position` has been invalidated.
    pub(super) async fn reached(&self, position: Position) {
        let mut followed = self.position.subscribe();
        // It could only fail if the lease were gone.
        let _reached = followed.wait_for(|reached| *reached >= position).await;
    }

    /// Whether the cache may be trusted now.
    pub(super) fn holds(&self) -> bool {
        self.age().is_some_and(|age| age < self.bound)
    }

    /// Until when the cache may be trusted, if nothing renews the lease.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.passed.load(Ordering::Acquire) {
            0 => None,
            micros => Some(self.born + Duration::from_micros(micros) + self.bound),
        }
    }

    /// How long ago the last completed pass began; none before the first.
    pub(super) fn age(&self) -> Option<Duration> {
        match self.passed.load(Ordering::Acquire) {
            0 => None,
            micros => Some(self.born.elapsed().saturating_sub(Duration::from_micros(micros))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pass_no_trust() {
        let lease = Lease::new(Duration::from_secs(3_600), Position::START);
        assert!(!lease.holds());
        lease.renew(Instant::now(), Position::of(3));
        assert!(lease.holds());
        lease.advance(Position::of(2));
        assert_eq!(lease.position(), Position::of(3));
        lease.hear(Position::of(4));
        assert_eq!((lease.position(), lease.heard()), (Position::of(3), Position::of(4)));
        lease.restart(Position::of(1));
        assert!(!lease.holds());
        assert_eq!(lease.position(), Position::of(1));
        let strict = Lease::new(Duration::ZERO, Position::START);
        strict.renew(Instant::now(), Position::START);
        assert!(!strict.holds());
    }
}
