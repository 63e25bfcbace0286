//! Bursts of writes, in which followers of the feed that take much processor time rest: the callers that write wait for
//! the processors, and only reads with `at_least_as_fresh` wait for a follower.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::article::{Position, Record};

/// Lag of a follower from which on it does not rest.
const MAX_LAG: Duration = Duration::from_secs(5);
/// Time without a write after which a burst has ended.
const CALM: Duration = Duration::from_millis(100);

/// Detects bursts in the batches that a follower reads.
#[derive(Default)]
pub struct Rush {
    /// Time at which the full batch before was read.
    before: Option<Instant>,
    has_rested: bool,
}

impl Rush {
    /// Notes a batch of changed articles. If changes arrive faster than the follower works, and it has not rested since
    /// it was caught up, waits until nothing is written for a moment, or until the changes lag too much.
    pub async fn rest(&mut self, wake: &mut watch::Receiver<Position>, records: &[Arc<Record>], is_caught_up: bool) {
        let times = || records.iter().map(|record| record.update_time);
        let (first, last) = (times().min(), times().max());
        let (Some(first), Some(last)) = (first, last) else { return };
        let written_in = Duration::try_from(last.duration_since(first)).unwrap_or_default();
        if !self.begins(Instant::now(), (!is_caught_up).then_some(written_in)) {
            return;
        }
        tracing::debug!("follower rests during a burst of writes");
        loop {
            let lag = Timestamp::now().duration_since(first);
            let Some(rest) = Duration::try_from(lag).ok().and_then(|lag| MAX_LAG.checked_sub(lag)) else { return };
            match tokio::time::timeout(rest.min(CALM), wake.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    /// Notes a batch, and the time in which its changes were written if it is full. Returns true if the follower should
    /// rest.
    fn begins(&mut self, read_at: Instant, full: Option<Duration>) -> bool {
        let Some(written_in) = full else {
            *self = Self::default();
            return false;
        };
        let Some(before) = self.before.replace(read_at) else { return false };
        let is_faster = written_in < read_at.duration_since(before);
        is_faster && !std::mem::replace(&mut self.has_rested, is_faster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_rests_once_a_burst() {
        let (mut rush, mut now) = (Rush::default(), Instant::now());
        let mut after = |work: u64, full: Option<u64>| {
            now += Duration::from_millis(work);
            rush.begins(now, full.map(Duration::from_millis))
        };
        assert!(!after(0, Some(100)), "nothing is known of the time that a batch takes");
        assert!(!after(300, Some(400)), "written in a longer time than the batch before took");
        assert!(after(300, Some(200)));
        assert!(!after(300, Some(200)), "rested before");
        assert!(!after(300, None), "caught up");
        assert!(!after(300, Some(200)));
        assert!(after(300, Some(200)), "another burst");
    }
}
