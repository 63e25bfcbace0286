//! The follower: carries the feed's news to a cache.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::lease::Lease;
use crate::article::{ArticleId, Position};
use crate::store::{Place, Store, StoreError};

/// How many changes one pass takes at a time.
const BATCH: usize = 1_000;

/// What a cache hears from its follower.
pub(super) enum News<'a> {
    /// The article has changed, at this position of the feed.
    Changed(&'a ArticleId, Position),
    /// The feed does not go on from where the follower was: any entry may be out of date.
    Lost,
}

/// Follows the feed until the store is gone or the task is aborted. `forget` drops what the cache holds of what is news.
pub(super) async fn follow(
    store: Arc<dyn Store>,
    lease: Arc<Lease>,
    poll: Duration,
    mut forget: impl FnMut(News<'_>) + Send,
) {
    let mut wake = store.wake();
    // An outage is logged when it begins.
    let mut failing = false;
    let mut place = Place::from(lease.position());
    loop {
        let began = Instant::now();
        match pass(store.as_ref(), &mut place, &lease, &mut forget).await {
            Ok(()) => {
                failing = false;
                lease.renew(began, lease.position());
            }
            // Behind a failover, or a restored backup: what the follower has passed is not what the store says now. Or so late
            // that what it has not seen has been forgotten.
            Err(StoreError::Foreign | StoreError::Trimmed) => match store.head().await {
                Ok(head) => {
                    tracing::warn!(?head, "the feed does not go on from where the cache was; it begins anew");
                    place = head.into();
                    lease.restart(head);
                    forget(News::Lost);
                }
                Err(error) => tracing::warn!(%error, "the cache could not follow the feed"),
            },
            // The lease runs out by itself, and reads go to the store until a pass succeeds.
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "the cache could not follow the feed");
            }
            Err(_) => {}
        }
        wait(&mut wake, poll).await;
    }
}

async fn pass(
    store: &dyn Store,
    place: &mut Place,
    lease: &Lease,
    forget: &mut (impl FnMut(News<'_>) + Send),
) -> Result<(), StoreError> {
    loop {
        let touched = store.touched(*place, BATCH).await?;
        *place = touched.reached;
        // Before anything is dropped: what is loaded from now on must be as new as that.
        lease.hear(place.position);
        for (position, id) in &touched.articles {
            forget(News::Changed(id, *position));
        }
        lease.advance(place.position);
        if touched.articles.len() < BATCH {
            return Ok(());
        }
    }
}

/// Until there is news, or `poll` has passed: a wake-up that is lost delays the follower, and never stops it.
pub(super) async fn wait(wake: &mut watch::Receiver<Position>, poll: Duration) {
    if let Ok(Err(_closed)) = tokio::time::timeout(poll, wake.changed()).await {
        tokio::time::sleep(poll).await;
    }
}
