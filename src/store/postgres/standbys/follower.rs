//! Follower of a standby: compares its position with the primary's, and checks that both have the same history.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::standby::{Standby, StandbyError};
use crate::store::postgres::{PostgresStore, feed};

/// Minimum number of polls within the staleness bound, and the factor by which commits may increase the rate.
const POLLS: u32 = 4;
const MAX_SPEEDUP: u32 = 4;

/// Follows a standby until aborted.
pub(super) async fn follow(standby: Arc<Standby>, primary: Arc<PostgresStore>, bound: Duration, poll: Duration) {
    let every = poll.min(bound / POLLS).max(Duration::from_millis(1));
    let mut wake = primary.wake.subscribe();
    // Logged when it changes.
    let mut last = None;
    loop {
        let began = tokio::time::Instant::now();
        // The standby's breaker logs its outages, and the primary's logs those of the primary.
        if let Some(result) = compare(&standby, &primary).await {
            let address = standby.address.as_str();
            match (last, result) {
                (last, Err(error)) if last != Some(error) => {
                    tracing::warn!(standby = address, %error, "standby disabled; reads fall back to the primary");
                }
                (Some(_), Ok(())) => tracing::info!(standby = address, "standby enabled again"),
                _ => {}
            }
            last = result.err();
        }
        // A commit wakes this task. The primary outlives it, so the channel stays open.
        let _polled = tokio::time::timeout_at(began + every, wake.changed()).await;
        tokio::time::sleep_until(began + every / MAX_SPEEDUP).await;
    }
}

/// Compares both positions. None if primary or standby does not answer, or the standby is ahead.
async fn compare(standby: &Standby, primary: &PostgresStore) -> Option<Result<(), StandbyError>> {
    let status = match standby.query_status().await {
        Ok(status) => status,
        Err(error) => {
            let error = error?;
            standby.freshness().invalidate();
            return Some(Err(error));
        }
    };
    let queried = Instant::now();
    let (head, time) = feed::head_and(&primary.priority, status.cursor.position).await.ok()?;
    if status.cursor.position > head.position {
        // The standby may replay a commit just before the primary shows it, or the primary has lost its latest changes.
        // The next pass decides.
        return None;
    }
    if time != status.cursor.time {
        standby.freshness().invalidate();
        // The feed has no gaps: a change missing before the primary's head was trimmed.
        return Some(Err(if time.is_none() { StandbyError::ChangesTrimmed } else { StandbyError::Diverged }));
    }
    standby.freshness().confirm(queried, head, status.cursor.position);
    Some(Ok(()))
}
