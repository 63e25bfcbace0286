//! Freshness lease: decides if a cache may serve reads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::article::Position;

/// A cache may serve only if its follower has completed a pass over the change feed within the staleness bound. A
/// stalled follower therefore makes reads slower, never staler.
#[derive(Debug)]
pub(super) struct Lease {
    created: Instant,
    bound: Duration,
    /// Time at which the last completed pass *began*, in microseconds since `created`; 0 before the first.
    last_pass: AtomicU64,
    /// Position that the follower has reached.
    position: watch::Sender<Position>,
    /// Position up to which entries may already have been dropped. Never behind `position`.
    min_load_position: Mutex<Position>,
}

impl Lease {
    pub(super) fn new(bound: Duration, position: Position) -> Self {
        Self {
            created: Instant::now(),
            bound,
            last_pass: AtomicU64::new(0),
            position: watch::Sender::new(position),
            min_load_position: Mutex::new(position),
        }
    }

    /// Records a pass that began at `began` and found nothing after `position`.
    pub(super) fn renew(&self, began: Instant, position: Position) {
        self.advance(position);
        let micros = began.duration_since(self.created).as_micros().max(1);
        // 64 bits hold half a million years of microseconds.
        self.last_pass.store(micros as u64, Ordering::Release);
    }

    /// Records that entries up to `position` are about to be invalidated.
    pub(super) fn begin_invalidation(&self, position: Position) {
        let mut min_load_position = self.min_load_position.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *min_load_position = (*min_load_position).max(position);
    }

    /// Returns the position that a load must have reached, so that it is not older than a past invalidation.
    pub(super) fn min_load_position(&self) -> Position {
        *self.min_load_position.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Records that everything up to `position` has been invalidated.
    pub(super) fn advance(&self, position: Position) {
        self.begin_invalidation(position);
        self.position.send_if_modified(|reached| {
            let advanced = *reached < position;
            *reached = (*reached).max(position);
            advanced
        });
    }

    /// Restarts the follower at `position`: the lease is invalid until a pass is complete.
    pub(super) fn restart(&self, position: Position) {
        self.last_pass.store(0, Ordering::Release);
        self.position.send_replace(position);
        *self.min_load_position.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = position;
    }

    /// Returns the position that the follower has reached.
    pub(super) fn position(&self) -> Position {
        *self.position.borrow()
    }

    /// Waits until everything up to `position` has been invalidated.
    pub(super) async fn wait_for(&self, position: Position) {
        let mut followed = self.position.subscribe();
        // Fails only if the sender is dropped, and `self` owns it.
        let _closed = followed.wait_for(|reached| *reached >= position).await;
    }

    /// Returns true if the cache may serve reads now.
    pub(super) fn is_valid(&self) -> bool {
        self.age().is_some_and(|age| age < self.bound)
    }

    /// Returns the time at which the lease expires unless renewed.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        match self.last_pass.load(Ordering::Acquire) {
            0 => None,
            micros => Some(self.created + Duration::from_micros(micros) + self.bound),
        }
    }

    /// Returns the time since the last completed pass began; none before the first.
    pub(super) fn age(&self) -> Option<Duration> {
        match self.last_pass.load(Ordering::Acquire) {
            0 => None,
            micros => Some(self.created.elapsed().saturating_sub(Duration::from_micros(micros))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pass_no_trust() {
        let lease = Lease::new(Duration::from_secs(3_600), Position::START);
        assert!(!lease.is_valid());
        lease.renew(Instant::now(), Position::of(3));
        assert!(lease.is_valid());
        lease.advance(Position::of(2));
        assert_eq!(lease.position(), Position::of(3));
        lease.begin_invalidation(Position::of(4));
        assert_eq!((lease.position(), lease.min_load_position()), (Position::of(3), Position::of(4)));
        lease.restart(Position::of(1));
        assert!(!lease.is_valid());
        assert_eq!(lease.position(), Position::of(1));
        let strict = Lease::new(Duration::ZERO, Position::START);
        strict.renew(Instant::now(), Position::START);
        assert!(!strict.is_valid());
    }
}
