//! Follows a standby: how far it has come, how far the primary has, and whether the one is a part of the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::standby::{Standby, Trouble};
use crate::store::postgres::{PostgresStore, feed};

/// How many times within the staleness bound both are asked, at the least; and how many times as often as that, at the most, when
/// commits wake it.
const WITHIN: u32 = 4;
const MOST: u32 = 4;

/// Until it is aborted.
pub(super) async fn follow(standby: Arc<Standby>, primary: Arc<PostgresStore>, bound: Duration, poll: Duration) {
    let every = poll.min(bound / WITHIN).max(Duration::from_millis(1));
    let mut wake = primary.wake.subscribe();
    // Told when it changes.
    let mut known = None;
    loop {
        let began = tokio::time::Instant::now();
        // One that is away is told of by its breaker, and the primary by whoever needs it.
        if let Some(found) = pass(&standby, &primary).await {
            let place = standby.place.as_str();
            match (known, found) {
                (known, Err(trouble)) if known != Some(trouble) => {
                    tracing::warn!(place, %trouble, "a standby is not used; the primary answers for it");
                }
                (Some(_), Ok(())) => tracing::info!(place, "a standby is used again"),
                _ => {}
            }
            known = found.err();
        }
        // A commit wakes it. The primary ends only with this task.
        let _polled = tokio::time::timeout_at(began + every, wake.changed()).await;
        tokio::time::sleep_until(began + every / MOST).await;
    }
}

/// None when one of them is away, or the standby ahead.
async fn pass(standby: &Standby, primary: &PostgresStore) -> Option<Result<(), Trouble>> {
    let seen = match standby.ask().await {
        Ok(seen) => seen,
        Err(trouble) => {
            let trouble = trouble?;
            standby.freshness().doubt();
            return Some(Err(trouble));
        }
    };
    let asked = Instant::now();
    let (head, time) = feed::head_and(&primary.first, seen.place.position).await.ok()?;
    if seen.place.position > head.position {
        // It replays a commit a moment before the primary shows it; or the primary has lost its end. The next pass tells.
        return None;
    }
    if time != seen.place.time {
        standby.freshness().doubt();
        // The feed has no gaps: what the primary does not have at a place that it has passed, it has forgotten.
        return Some(Err(if time.is_none() { Trouble::Behind } else { Trouble::Parted }));
    }
    standby.freshness().confirm(asked, head, seen.place.position, seen.indexed);
    Some(Ok(()))
}
