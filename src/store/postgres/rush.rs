//! When more is written than can be indexed meanwhile, search waits a little: the two would share the database's
//! processors, and documents that come in have callers who wait for them (decision 0020).

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::article::Position;

/// How many changes wait in a rush, at the least; and with how few the index has caught up.
const RUSH: i64 = 1_000;
const CAUGHT_UP: i64 = 500;
/// For how long search may fall behind.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after the last write the rush is over.
const QUIET: Duration = Duration::from_millis(100);

/// What is not in the index yet.
pub(super) struct Backlog {
    pub(super) changes: i64,
    /// Of the oldest of them.
    pub(super) age: Duration,
}

/// Whether the index may fall behind further. Once it may not, it first catches up: else it would stay behind for as
/// long as anybody writes.
pub(super) struct Patience {
    left: bool,
    /// How many changes waited before.
    before: i64,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { left: true, before: 0 }
    }

    /// In a rush, waits until nobody writes any more, or until the index is as far behind as it may be.
    pub(super) async fn rest(&mut self, backlog: &Backlog, writes: &mut watch::Receiver<Position>) {
        let growing = backlog.changes > std::mem::replace(&mut self.before, backlog.changes);
        if backlog.changes < CAUGHT_UP {
            self.left = true;
        }
        // What has been written since the index last looked.
        let written = writes.has_changed().unwrap_or(false);
        if !(self.left && growing && written) || backlog.changes < RUSH {
            return;
        }
        let until = Instant::now() + PATIENCE.saturating_sub(backlog.age);
        while Instant::now() < until {
            match timeout_at(until.min(Instant::now() + QUIET), writes.changed()).await {
                Ok(Ok(())) => {}
                // Quiet, or nobody is left to write.
                Err(_) | Ok(Err(_)) => return,
            }
        }
        self.left = false;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::super::rows::position;
    use super::*;

    /// Whether the index rests when so much is not in it, of such an age, and something has just been written.
    fn rests(patience: &mut Patience, changes: i64, age: Duration) -> bool {
        let (news, mut writes) = watch::channel(position(0));
        news.send_replace(position(1));
        patience.rest(&Backlog { changes, age }, &mut writes).now_or_never().is_none()
    }

    #[tokio::test]
    async fn it_rests_in_a_rush() {
        let mut patience = Patience::new();
        assert!(!rests(&mut patience, RUSH - 1, Duration::ZERO), "it is not far behind");
        assert!(rests(&mut patience, RUSH, Duration::ZERO));
        assert!(rests(&mut patience, 3 * RUSH, PATIENCE / 2));
        assert!(!rests(&mut patience, 2 * RUSH, PATIENCE / 2), "it keeps up");
    }

    #[tokio::test]
    async fn where_nobody_writes_it_does_not_rest() {
        let (_news, mut writes) = watch::channel(position(1));
        let backlog = Backlog { changes: RUSH, age: Duration::ZERO };
        assert!(Patience::new().rest(&backlog, &mut writes).now_or_never().is_some());
    }

    #[tokio::test]
    async fn when_it_has_fallen_behind_it_catches_up_first() {
        let mut patience = Patience::new();
        assert!(!rests(&mut patience, RUSH, PATIENCE));
        assert!(!rests(&mut patience, 3 * RUSH, PATIENCE / 2), "it has not caught up");
        assert!(!rests(&mut patience, CAUGHT_UP - 1, Duration::ZERO));
        assert!(rests(&mut patience, RUSH, Duration::ZERO), "it had caught up");
    }
}
