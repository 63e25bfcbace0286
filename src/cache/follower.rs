//! Change feed follower: passes invalidations to a cache.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::lease::Lease;
use crate::article::{ArticleId, Position};
use crate::store::{FeedCursor, Store, StoreError};

/// Maximum number of changes read per batch.
const BATCH: usize = 1_000;

/// Invalidation sent to a cache.
pub(super) enum Invalidation<'a> {
    /// The article has changed at this position of the change feed.
    Changed(&'a ArticleId, Position),
    /// The feed no longer continues from the follower's position: any entry may be stale.
    Lost,
}

/// Follows the change feed until the store is dropped or the task is aborted. `invalidate` drops the invalidated
/// entries.
pub(super) async fn follow(
    store: Arc<dyn Store>,
    lease: Arc<Lease>,
    poll: Duration,
    mut invalidate: impl FnMut(Invalidation<'_>) + Send,
) {
    let mut wake = store.subscribe();
    // Each outage is logged once, when it begins.
    let mut failing = false;
    let mut cursor = FeedCursor::from(lease.position());
    loop {
        let began = Instant::now();
        match catch_up(store.as_ref(), &mut cursor, &lease, &mut invalidate).await {
            Ok(()) => {
                failing = false;
                lease.renew(began, lease.position());
            }
            // After a failover or a restored backup, the changes already applied are not those of the store. Or the
            // follower is so late that changes it has not seen were trimmed.
            Err(StoreError::UnknownPosition | StoreError::Trimmed) => match store.head().await {
                Ok(head) => {
                    tracing::warn!(?head, "cache cleared: the change feed does not continue from its position");
                    cursor = head.into();
                    lease.restart(head);
                    invalidate(Invalidation::Lost);
                }
                Err(error) => tracing::warn!(%error, "cache failed to follow the change feed"),
            },
            // The lease expires, and reads go to the store until a pass succeeds.
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "cache failed to follow the change feed");
            }
            Err(_) => {}
        }
        wait(&mut wake, poll).await;
    }
}

async fn catch_up(
    store: &dyn Store,
    cursor: &mut FeedCursor,
    lease: &Lease,
    invalidate: &mut (impl FnMut(Invalidation<'_>) + Send),
) -> Result<(), StoreError> {
    loop {
        let changed = store.changed_ids(*cursor, BATCH).await?;
        *cursor = changed.cursor;
        // Before any entry is dropped: loads from now on must be at least as fresh as this position.
        lease.begin_invalidation(cursor.position);
        for (position, id) in &changed.articles {
            invalidate(Invalidation::Changed(id, *position));
        }
        lease.advance(cursor.position);
        if changed.articles.len() < BATCH {
            return Ok(());
        }
    }
}

/// Waits for a wake-up or until `poll` has passed: a lost wake-up only delays the follower.
pub(super) async fn wait(wake: &mut watch::Receiver<Position>, poll: Duration) {
    if let Ok(Err(_closed)) = tokio::time::timeout(poll, wake.changed()).await {
        tokio::time::sleep(poll).await;
    }
}
