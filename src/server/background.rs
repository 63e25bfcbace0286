//! Background tasks of a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::health::Readiness;
use crate::access::Access;
use crate::article::{ArticleId, ChangeKind};
use crate::ingest::Intake;
use crate::random::jittered;
use crate::read_counts::ReadCounts;
use crate::search::SearchIndex;
use crate::store::{Precondition, Store, StoreError, Transition, Write, WriteError};

/// Interval between checks for due transitions. Reads evaluate the clock themselves; this is the delay for watchers.
const TRANSITIONS: Duration = Duration::from_millis(200);
/// Bounds of the interval between searches for deleted articles to be purged, which is a hundredth of the time for
/// which they are kept.
const MIN_PURGE_INTERVAL: Duration = Duration::from_millis(200);
const MAX_PURGE_INTERVAL: Duration = Duration::from_secs(3_600);
/// Maximum number of articles that are purged in one transaction.
const PURGE_BATCH: usize = 100;
/// Interval between writes of events of ingestion.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// Interval between updates of the counts of reads.
pub const READ_COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// Interval between removals of old counts of reads, which are kept by the hour.
const READ_REMOVAL_INTERVAL: Duration = Duration::from_secs(1_800);
/// Bounds of the interval between removals of kept documents.
const MIN_EVICT_INTERVAL: Duration = Duration::from_millis(100);
const MAX_EVICT_INTERVAL: Duration = Duration::from_secs(60);
/// Interval between pings of the store, so that readiness follows it within a second.
const PING: Duration = Duration::from_millis(500);
/// Maximum time for the answer to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval between checks of the credentials' freshness, which ends by the clock, without an event.
const CREDENTIALS: Duration = Duration::from_millis(100);

/// Writes due transitions to the change feed: embargoes that end, articles that expire.
pub(super) async fn apply_due_transitions(store: Arc<dyn Store>, stopping: CancellationToken) {
    // An outage is logged once, at its start.
    let mut failing = false;
    while !stopping.is_cancelled() {
        match store.apply_due_transitions(Timestamp::now()).await {
            Ok(_) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "due embargoes and expiries could not be written to the change feed");
            }
            Err(_) => {}
        }
        tokio::time::sleep(TRANSITIONS).await;
    }
}

/// Makes the server ready once the search index is built.
pub(super) async fn watch_index(index: Arc<SearchIndex>, readiness: watch::Sender<Readiness>) {
    index.built().await;
    readiness.send_modify(|readiness| readiness.search = true);
}

/// Purges articles that were deleted longer than `keep` ago. Every replica does it: an article that another has purged,
/// or an editor has undeleted, is left as it is.
pub(super) async fn purge_deleted(store: Arc<dyn Store>, keep: Duration, stopping: CancellationToken) {
    let interval = (keep / 100).clamp(MIN_PURGE_INTERVAL, MAX_PURGE_INTERVAL);
    let mut failing = false;
    while !stopping.is_cancelled() {
        let purged = purge_batch(&*store, keep).await;
        match &purged {
            Ok(_) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "deleted articles could not be purged");
            }
            Err(_) => {}
        }
        let more = purged.is_ok_and(|count| count == PURGE_BATCH);
        tokio::time::sleep(if more { MIN_PURGE_INTERVAL } else { jittered(interval) }).await;
    }
}

/// Purges some articles. Returns the number of those that were found.
async fn purge_batch(store: &dyn Store, keep: Duration) -> Result<usize, StoreError> {
    let now = Timestamp::now();
    let Ok(before) = now.checked_sub(keep) else { return Ok(0) };
    let deleted = store.deleted_before(before, PURGE_BATCH).await?;
    let purge = |(id, revision): &(ArticleId, i64)| {
        Write::Transition(Transition {
            id: id.clone(),
            key: None,
            missing: None,
            kind: ChangeKind::Purged,
            with_copies: false,
            precondition: Precondition::Revision(*revision),
            reason: "The time for which deleted articles are kept has passed.".into(),
            request: None,
            time: now,
        })
    };
    for written in store.write(deleted.iter().map(purge).collect()).await {
        match written {
            Ok(written) if written.outcome.is_change() => {
                tracing::info!(article = %written.record.id.name(), "deleted article purged");
            }
            Ok(_) | Err(WriteError::Conflict(_)) => {}
            Err(WriteError::Store(error)) => return Err(error),
            Err(error) => tracing::warn!(%error, "deleted article not purged"),
        }
    }
    Ok(deleted.len())
}

/// Reads certificates and keys at once on SIGHUP, which operators send after they have changed a file. Both are
/// also polled. Without a handler, the signal would end the process.
pub(super) async fn reload_on_hangup(access: Option<Access>, certificates: Option<Arc<Notify>>) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return tracing::warn!(%error, "SIGHUP cannot be handled"),
    };
    while hangup.recv().await.is_some() {
        if let Some(certificates) = &certificates {
            certificates.notify_one();
        }
        if let Some(access) = &access {
            access.refresh().await;
        }
        tracing::info!("certificates and keys reloaded on SIGHUP");
    }
}

/// Writes the events of ingestion to the store.
pub(super) async fn flush_intake(store: Arc<dyn Store>, intake: Arc<Intake>, stopping: CancellationToken) {
    let mut failing = false;
    while !stopping.is_cancelled() {
        match intake.flush(&*store).await {
            Ok(()) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "events of ingestion could not be written");
            }
            Err(_) => {}
        }
        tokio::time::sleep(FLUSH_INTERVAL).await;
    }
}

/// Stores the reads that callers have reported to this server, and reads the counts of all of them.
pub(super) async fn update_read_counts(
    store: Arc<dyn Store>,
    counts: Arc<ReadCounts>,
    interval: Duration,
    stopping: CancellationToken,
) {
    let mut failing = false;
    while !stopping.is_cancelled() {
        // A store without space left can still be read.
        let stored = counts.flush(&*store).await;
        let read = counts.refresh(&*store).await;
        match stored.and(read) {
            Ok(()) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "counts of reads could not be updated");
            }
            Err(_) => {}
        }
        // After a failure there is no hurry, even if many reads wait.
        if failing { tokio::time::sleep(interval).await } else { counts.wait(interval).await }
    }
}

/// Removes counts of reads that are older than they are kept.
pub(super) async fn remove_old_reads(store: Arc<dyn Store>, counts: Arc<ReadCounts>, stopping: CancellationToken) {
    let mut failing = false;
    while !stopping.is_cancelled() {
        let removed = counts.remove_old(&*store).await;
        match &removed {
            Ok(_) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "old counts of reads could not be removed");
            }
            Err(_) => {}
        }
        let more = removed.is_ok_and(|count| count > 0);
        tokio::time::sleep(if more { MIN_EVICT_INTERVAL } else { jittered(READ_REMOVAL_INTERVAL) }).await;
    }
}

/// Limits of kept documents.
#[derive(Clone, Copy, Debug)]
pub struct SourceLimits {
    /// Time for which documents are kept; 0 if they are not.
    pub keep: Duration,
    /// Maximum total size, after compression, in bytes.
    pub max_bytes: u64,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self { keep: Duration::from_secs(30 * 86_400), max_bytes: 10 << 30 }
    }
}

/// Removes kept documents beyond the limits, the oldest first.
pub(super) async fn evict_originals(store: Arc<dyn Store>, limits: SourceLimits, stopping: CancellationToken) {
    let interval = match limits.keep {
        Duration::ZERO => MAX_EVICT_INTERVAL,
        keep => (keep / 100).clamp(MIN_EVICT_INTERVAL, MAX_EVICT_INTERVAL),
    };
    let mut failing = false;
    while !stopping.is_cancelled() {
        let now = Timestamp::now();
        let before = now.checked_sub(limits.keep).unwrap_or(Timestamp::MIN);
        let evicted = store.evict_originals(before, limits.max_bytes).await;
        match &evicted {
            Ok(_) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "kept documents could not be removed");
            }
            Err(_) => {}
        }
        let more = evicted.is_ok_and(|count| count > 0);
        tokio::time::sleep(if more { MIN_EVICT_INTERVAL } else { jittered(interval) }).await;
    }
}

/// Updates readiness from pings of the store.
pub(super) async fn watch_store(
    store: Arc<dyn Store>,
    readiness: watch::Sender<Readiness>,
    stopping: CancellationToken,
) {
    while !stopping.is_cancelled() {
        let reachable = matches!(tokio::time::timeout(PING_TIMEOUT, store.ping()).await, Ok(Ok(())));
        readiness.send_if_modified(|readiness| {
            let changed = readiness.store != reachable;
            if changed {
                tracing::warn!(store.answers = reachable, "readiness changed");
            }
            readiness.store = reachable;
            changed
        });
        tokio::time::sleep(PING).await;
    }
}

/// Updates readiness from the freshness of credentials.
pub(super) async fn watch_credentials(
    access: Access,
    readiness: watch::Sender<Readiness>,
    stopping: CancellationToken,
) {
    while !stopping.is_cancelled() {
        let checked = access.can_check(Instant::now());
        readiness.send_if_modified(|readiness| {
            let changed = readiness.credentials != checked;
            if changed {
                tracing::warn!(credentials.checked = checked, "readiness changed");
            }
            readiness.credentials = checked;
            changed
        });
        tokio::time::sleep(CREDENTIALS).await;
    }
}
