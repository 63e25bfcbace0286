//! Bursts of writes, in which the index rests: the callers that write wait for the processors, and nobody waits for the
//! index but searches with `at_least_as_fresh`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::article::{Position, Record};

/// Lag of the index from which on it does not rest.
const MAX_LAG: Duration = Duration::from_secs(5);
/// Time without a write after which a burst has ended.
const CALM: Duration = Duration::from_millis(100);

/// Detects bursts in the batches that the follower reads.
#[derive(Default)]
pub(super) struct Rush {
    /// Time at which the full batch before was read.
    before: Option<Instant>,
    has_rested: bool,
}

impl Rush {
    /// Notes a batch, and the time in which its changes were written if it is full. Returns true if the index should
    /// rest: if changes arrive faster than they are indexed, and it has not rested since it was caught up.
    pub(super) fn begins(&mut self, read_at: Instant, full: Option<Duration>) -> bool {
        let Some(written_in) = full else {
            *self = Self::default();
            return false;
        };
        let Some(before) = self.before.replace(read_at) else { return false };
        let is_faster = written_in < read_at.duration_since(before);
        is_faster && !std::mem::replace(&mut self.has_rested, is_faster)
    }
}

/// Returns the time in which these changes were written.
pub(super) fn written_in(records: &[Arc<Record>]) -> Duration {
    let times = || records.iter().map(|record| record.update_time);
    match (times().min(), times().max()) {
        (Some(first), Some(last)) => Duration::try_from(last.duration_since(first)).unwrap_or_default(),
        _ => Duration::ZERO,
    }
}

/// Waits until nothing is written for a moment, or until changes of the age of `oldest` lag too much.
pub(super) async fn wait_for_calm(wake: &mut watch::Receiver<Position>, oldest: Timestamp) {
    tracing::debug!("search index rests during a burst of writes");
    loop {
        let lag = Timestamp::now().duration_since(oldest);
        let Some(rest) = Duration::try_from(lag).ok().and_then(|lag| MAX_LAG.checked_sub(lag)) else { return };
        match tokio::time::timeout(rest.min(CALM), wake.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_rests_once_a_burst() {
        let (mut rush, mut now) = (Rush::default(), Instant::now());
        let mut after = |work: u64, full: Option<u64>| {
            now += Duration::from_millis(work);
            rush.begins(now, full.map(Duration::from_millis))
        };
        assert!(!after(0, Some(100)), "nothing is known of the time that indexing takes");
        assert!(!after(300, Some(400)), "written in a longer time than the batch before was indexed in");
        assert!(after(300, Some(200)));
        assert!(!after(300, Some(200)), "rested before");
        assert!(!after(300, None), "caught up");
        assert!(!after(300, Some(200)));
        assert!(after(300, Some(200)), "another burst");
    }
}
