//! Publication of snapshots by one of the replicas.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use uuid::Uuid;

use super::files::Folder;
use super::shared::Shared;
use super::snapshot::{SnapshotError, Snapshots};
use crate::store::Store;

/// Task of the lease.
const TASK: &str = "search-snapshot";

/// Publishes snapshots at the interval of the settings, and when words of purged articles have been removed, until the
/// task is aborted. The replica that holds the lease does it.
pub(super) async fn publish(store: Arc<dyn Store>, folder: Folder, shared: Arc<Shared>) {
    let Some(options) = shared.options.snapshots.clone() else { return };
    let holder = Uuid::new_v4();
    let mut failing = false;
    loop {
        let _erased = tokio::time::timeout(options.interval, shared.erased.notified()).await;
        // Two intervals: the holder extends the lease before it ends.
        match store.acquire_lease(TASK, holder, options.interval * 2).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                tracing::debug!(%error, "no lease to publish a snapshot of the search index");
                continue;
            }
        }
        match publish_once(&*store, &folder, &shared).await {
            Ok(()) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "snapshot of the search index not published");
            }
            Err(_) => {}
        }
    }
}

async fn publish_once(store: &dyn Store, folder: &Folder, shared: &Shared) -> Result<(), SnapshotError> {
    let index = shared.index.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (Some(index), Some(options)) = (index, &shared.options.snapshots) else { return Ok(()) };
    let snapshots = Snapshots::open(&options.folder, store.feed_id())?;
    let began = Instant::now();
    if let Some(files) = snapshots.publish(&index, &folder.index()).await? {
        shared.metrics.snapshots.inc();
        tracing::info!(files, seconds = began.elapsed().as_secs_f64(), "snapshot of the search index published");
    }
    Ok(())
}
