//! Pause of the search indexer during write bursts: both share the database's processors, and writes have callers that
//! wait for them (decision 0020).

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::article::Position;

/// Minimum number of queued changes in a burst.
const RUSH: i64 = 1_000;
/// Number of queued changes below which the index has caught up.
const CAUGHT_UP: i64 = 500;
/// Maximum lag of the index during a pause.
const MAX_LAG: Duration = Duration::from_secs(5);
/// Time without writes after which a burst is over.
const QUIET: Duration = Duration::from_millis(100);

/// Changes that are not indexed yet.
pub(super) struct Backlog {
    pub(super) changes: i64,
    /// Age of the oldest change.
    pub(super) age: Duration,
}

/// Pause of the indexer. After it has reached the maximum lag, the index must catch up before the next pause: otherwise
/// it would stay behind as long as writes continue.
pub(super) struct Patience {
    may_pause: bool,
    /// Number of queued changes at the last call.
    previous: i64,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { may_pause: true, previous: 0 }
    }

    /// Waits until a write burst ends or the index reaches its maximum lag. Returns at once without a burst.
    pub(super) async fn rest(&mut self, backlog: &Backlog, writes: &mut watch::Receiver<Position>) {
        let growing = backlog.changes > std::mem::replace(&mut self.previous, backlog.changes);
        if backlog.changes < CAUGHT_UP {
            self.may_pause = true;
        }
        // Since the indexer last checked.
        let written = writes.has_changed().unwrap_or(false);
        if !(self.may_pause && growing && written) || backlog.changes < RUSH {
            return;
        }
        let until = Instant::now() + MAX_LAG.saturating_sub(backlog.age);
        while Instant::now() < until {
            match timeout_at(until.min(Instant::now() + QUIET), writes.changed()).await {
                Ok(Ok(())) => {}
                // No write for a while, or the store is closing.
                Err(_) | Ok(Err(_)) => return,
            }
        }
        self.may_pause = false;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::super::rows::position;
    use super::*;

    /// Returns true if the indexer pauses with this backlog, right after a write.
    fn rests(patience: &mut Patience, changes: i64, age: Duration) -> bool {
        let (head, mut writes) = watch::channel(position(0));
        head.send_replace(position(1));
        patience.rest(&Backlog { changes, age }, &mut writes).now_or_never().is_none()
    }

    #[tokio::test]
    async fn it_rests_in_a_rush() {
        let mut patience = Patience::new();
        assert!(!rests(&mut patience, RUSH - 1, Duration::ZERO), "the backlog should be too small");
        assert!(rests(&mut patience, RUSH, Duration::ZERO));
        assert!(rests(&mut patience, 3 * RUSH, MAX_LAG / 2));
        assert!(!rests(&mut patience, 2 * RUSH, MAX_LAG / 2), "the backlog should be shrinking");
    }

    #[tokio::test]
    async fn where_nobody_writes_it_does_not_rest() {
        let (_head, mut writes) = watch::channel(position(1));
        let backlog = Backlog { changes: RUSH, age: Duration::ZERO };
        assert!(Patience::new().rest(&backlog, &mut writes).now_or_never().is_some());
    }

    #[tokio::test]
    async fn when_it_has_fallen_behind_it_catches_up_first() {
        let mut patience = Patience::new();
        assert!(!rests(&mut patience, RUSH, MAX_LAG));
        assert!(!rests(&mut patience, 3 * RUSH, MAX_LAG / 2), "the index should not have caught up");
        assert!(!rests(&mut patience, CAUGHT_UP - 1, Duration::ZERO));
        assert!(rests(&mut patience, RUSH, Duration::ZERO), "the index should have caught up");
    }
}
