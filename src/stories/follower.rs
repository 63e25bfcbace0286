//! Follower of the memberships: keeps the recent stories of this replica in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use super::facts::Facts;
use super::shared::Shared;
use crate::store::{GroupedUntil, Store, StoreError};

/// Poll interval of the memberships.
const POLL: Duration = Duration::from_millis(100);
/// Maximum number of memberships that are read at a time.
const PAGE: usize = 1_000;
/// Pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Follows the memberships until the task is aborted.
pub(super) async fn follow(store: Arc<dyn Store>, shared: Arc<Shared>) {
    let mut read: Option<u64> = None;
    let mut is_failing = false;
    loop {
        match catch_up(&*store, &shared, read).await {
            Ok(number) => {
                read = Some(number);
                is_failing = false;
                // A lost notification only delays the follower.
                let _notified = tokio::time::timeout(POLL, shared.stepped.notified()).await;
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "stories not followed: the store does not answer");
                }
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// Reads the memberships after a number, all if absent. Returns the number that was reached.
async fn catch_up(store: &dyn Store, shared: &Shared, after: Option<u64>) -> Result<u64, StoreError> {
    let until = store.grouped_until().await?;
    let mut number = after.unwrap_or(0);
    // A store that has lost its end: the memberships are read again.
    let is_first = after.is_none() || number > until.number;
    if is_first {
        number = 0;
        shared.clear();
    }
    while number < until.number {
        // Articles whose report is not needed any more are not recent; at first, they need not be read.
        let members = store.changed_members(number, PAGE, is_first).await?;
        let Some(last) = members.last() else { break };
        number = last.number;
        let facts: Vec<_> =
            members.iter().map(|numbered| (&numbered.member, Facts::decoded(&numbered.member.report))).collect();
        shared.change(|view| {
            facts.iter().for_each(|(member, facts)| view.set(&member.article, member.story, facts.as_ref()));
        });
    }
    reached(store, shared, until).await?;
    Ok(number.max(until.number))
}

/// Notes that the view has all memberships up to a state.
async fn reached(store: &dyn Store, shared: &Shared, until: GroupedUntil) -> Result<(), StoreError> {
    let is_current = store.head().await? <= until.cursor.position;
    let behind = match shared.behind_since.load(Ordering::Relaxed) {
        _ if is_current => 0,
        0 => Timestamp::now().as_microsecond(),
        since => until.cursor.time.map_or(since, |time| time.as_microsecond().max(since)),
    };
    shared.behind_since.store(behind, Ordering::Relaxed);
    let is_first = !shared.is_read.swap(true, Ordering::Relaxed);
    let position = until.cursor.position;
    shared.reached.send_if_modified(|reached| std::mem::replace(reached, until) != until);
    shared.position.send_if_modified(|reached| std::mem::replace(reached, position) != position || is_first);
    Ok(())
}
