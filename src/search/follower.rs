//! Follower that updates the index from the change feed.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tantivy::TantivyError;
use tantivy::index::SegmentId;
use tokio::sync::watch;

use super::files::{Committed, Folder, OpenIndex};
use super::shared::Shared;
use super::view::View;
use crate::article::{ArticleId, Lifecycle, Position, Record};
use crate::store::{Consistency, FeedCursor, Fetched, Rush, Store, StoreError};

/// Maximum number of changes that are read at a time.
const BATCH: usize = 1_000;
/// Maximum number of changes in a commit.
const MAX_COMMIT: usize = 20_000;
/// Poll interval of the feed.
const POLL: Duration = Duration::from_millis(50);
/// Interval at which searches get merged segments while nothing changes, and their number after a commit.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);
const RELOADS: u32 = 30;
/// Interval between attempts to remove the words of purged articles.
const ERASE_INTERVAL: Duration = Duration::from_millis(200);
/// Pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Number of failures of the index in a row after which it is built again.
const MAX_FAILURES: u32 = 3;

/// Failure of the follower.
pub(super) enum Failure {
    /// The store did not answer. The index stays open.
    Store(StoreError),
    /// The feed does not continue from the index's position.
    FeedLost,
    /// The index cannot be read or written.
    Index(TantivyError),
    /// A step did not finish: a defect.
    Panicked,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownPosition | StoreError::Trimmed => Self::FeedLost,
            error => Self::Store(error),
        }
    }
}

impl From<TantivyError> for Failure {
    fn from(error: TantivyError) -> Self {
        Self::Index(error)
    }
}

impl Failure {
    fn is_full_disk(&self) -> bool {
        match self {
            Self::Index(TantivyError::IoError(error)) => error.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

/// Follows the feed until the task is aborted.
pub(super) async fn follow(store: Arc<dyn Store>, folder: Folder, shared: Arc<Shared>) {
    let mut follower = Follower { wake: store.subscribe(), store, folder, shared, failures: 0, skips_snapshot: false };
    loop {
        let failure = follower.run().await;
        match &failure {
            Failure::Store(error) => tracing::warn!(%error, "search index not opened: the store does not answer"),
            Failure::FeedLost => {
                tracing::warn!("search index cleared: the change feed does not continue from its position")
            }
            Failure::Index(error) => tracing::error!(%error, failures = follower.failures, "search index failed"),
            Failure::Panicked => tracing::error!("search index: a step did not finish"),
        }
        follower.failures +=
            u32::from(matches!(failure, Failure::Index(_) | Failure::Panicked) && !failure.is_full_disk());
        if matches!(failure, Failure::FeedLost) || follower.failures >= MAX_FAILURES {
            follower.shared.clear();
            follower.failures = 0;
            match follower.folder.clear() {
                Ok(()) => tracing::warn!("search index removed; it is built again"),
                Err(error) => tracing::error!(%error, "search index cannot be removed"),
            }
        }
        if !matches!(failure, Failure::FeedLost) {
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
}

pub(super) struct Follower {
    pub(super) store: Arc<dyn Store>,
    wake: watch::Receiver<Position>,
    pub(super) folder: Folder,
    pub(super) shared: Arc<Shared>,
    failures: u32,
    /// True once a snapshot was tried.
    pub(super) skips_snapshot: bool,
}

/// Changes of the feed, with the newest revisions of their articles.
struct Read {
    changes: usize,
    records: Vec<Arc<Record>>,
    cursor: FeedCursor,
}

/// Changes that were read, and are not committed yet.
#[derive(Default)]
pub(super) struct Pending {
    changes: usize,
    has_purged: bool,
    /// Time of the newest one, in microseconds since 1970.
    newest: i64,
}

impl Pending {
    /// Returns the changes of an index that was built from this number of articles.
    pub(super) fn of(changes: usize) -> Self {
        Self { changes, ..Self::default() }
    }

    fn add(&mut self, read: &Read) {
        self.changes += read.changes;
        self.has_purged |= read.records.iter().any(|record| record.lifecycle == Lifecycle::Purged);
        let newest = read.records.iter().map(|record| record.update_time.as_microsecond()).max();
        self.newest = self.newest.max(newest.unwrap_or(0));
    }
}

/// Time since the last commit.
struct Idle {
    since: Instant,
    /// Number of times that searches got the segments that merges have written since.
    reloads: u32,
}

impl Default for Idle {
    fn default() -> Self {
        Self { since: Instant::now(), reloads: 0 }
    }
}

/// Removal of the words of purged articles.
struct Erasure {
    /// Segments with such words, once they are known.
    segments: Option<Vec<SegmentId>>,
    tried: Instant,
}

impl Default for Erasure {
    fn default() -> Self {
        Self { segments: None, tried: Instant::now() }
    }
}

impl Follower {
    /// Opens the index, builds it if necessary, and follows the feed until something fails.
    async fn run(&mut self) -> Failure {
        let opened = match self.open().await {
            Ok(opened) => opened,
            Err(failure) => return failure,
        };
        match self.catch_up_and_follow(opened).await {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    async fn catch_up_and_follow(&mut self, opened: OpenIndex) -> Result<std::convert::Infallible, Failure> {
        let mut index = opened;
        if index.committed.is_none() {
            index = self.restore(index).await?;
        }
        let mut cursor = match index.committed.as_ref().map(Committed::cursor) {
            Some(cursor) => {
                // Fails if the feed does not continue from there. Only otherwise may the index be shown.
                let began = Timestamp::now();
                self.store.changed_ids(cursor, 1).await?;
                self.shared.checked.store(began.as_microsecond(), Ordering::Relaxed);
                index = self.publish(index).await?;
                cursor
            }
            None => {
                let (built, cursor) = self.build(index).await?;
                index = built;
                cursor
            }
        };
        let mut pending = Pending::default();
        let mut last_commit = Instant::now();
        let mut idle = Idle::default();
        let mut erasure = Erasure::default();
        let mut rush = Rush::default();
        let mut is_failing = false;
        loop {
            let read = match self.read(cursor).await {
                Ok(read) => read,
                Err(Failure::Store(error)) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(%error, "search index failed to follow the change feed");
                    }
                    tokio::time::sleep(POLL).await;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            is_failing = false;
            self.shared.checked.store(Timestamp::now().as_microsecond(), Ordering::Relaxed);
            let is_caught_up = read.changes < BATCH;
            if read.changes > 0 {
                self.shared.note_pending(&read.records);
                rush.rest(&mut self.wake, &read.records, is_caught_up).await;
                pending.add(&read);
                index = self.add(index, read.records, cursor.position).await?;
                cursor = read.cursor;
            }
            let due = last_commit.elapsed() >= self.shared.options.commit_interval;
            if pending.changes > 0 && ((is_caught_up && due) || pending.changes >= MAX_COMMIT) {
                if pending.has_purged {
                    erasure = Erasure::default();
                }
                index = self.commit(index, cursor, std::mem::take(&mut pending), is_caught_up).await?;
                last_commit = Instant::now();
                idle = Idle::default();
                self.failures = 0;
            }
            // Also while changes keep coming.
            let is_erasing = index.committed.as_ref().is_some_and(|committed| committed.erasing);
            if is_erasing && pending.changes == 0 && erasure.tried.elapsed() >= ERASE_INTERVAL {
                index = self.erase(index, cursor, &mut erasure).await?;
            }
            if is_caught_up {
                if pending.changes == 0 {
                    self.shared.behind_since.store(0, Ordering::Relaxed);
                    index = self.show_merged(index, &mut idle).await?;
                }
                let rest = self.shared.options.commit_interval.saturating_sub(last_commit.elapsed());
                let wait = if pending.changes > 0 { rest } else { POLL };
                // A lost wake-up only delays the follower.
                let _woken = tokio::time::timeout(wait, self.wake.changed()).await;
            }
        }
    }

    /// Shows segments that merges have written since the last commit to searches.
    async fn show_merged(&self, index: OpenIndex, idle: &mut Idle) -> Result<OpenIndex, Failure> {
        if idle.reloads < RELOADS && idle.since.elapsed() >= RELOAD_INTERVAL * (idle.reloads + 1) {
            idle.reloads += 1;
            return self.publish(index).await;
        }
        Ok(index)
    }

    /// Reads the newest revisions of articles that changed after a cursor.
    async fn read(&self, cursor: FeedCursor) -> Result<Read, Failure> {
        let changed = self.store.changed_ids(cursor, BATCH).await?;
        let changes = changed.articles.len();
        let mut newest: HashMap<ArticleId, usize> = HashMap::new();
        let mut ids = Vec::with_capacity(changed.articles.len());
        for (_, id) in changed.articles {
            if newest.insert(id.clone(), ids.len()).is_none() {
                ids.push(id);
            }
        }
        if ids.is_empty() {
            return Ok(Read { changes, records: Vec::new(), cursor: changed.cursor });
        }
        let fetched = self.store.get_for_follower(&ids, Consistency::AtLeast(changed.cursor.position)).await?;
        let records = fetched.into_iter().filter_map(|Fetched { record, .. }| record).collect();
        Ok(Read { changes, records, cursor: changed.cursor })
    }

    async fn add(&self, index: OpenIndex, records: Vec<Arc<Record>>, after: Position) -> Result<OpenIndex, Failure> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            for record in records {
                // The first revision of an article that came after the index's position is not in it.
                let is_new = record.revision == 1 && record.token.position > after;
                if !is_new {
                    index.writer.delete_term(shared.fields.id_term(&record.id));
                }
                add_record(&index, &shared, &record)?;
            }
            Ok(index)
        })
        .await
    }

    /// Commits what was added. `is_last` is true if no changes are known to follow.
    pub(super) async fn commit(
        &self,
        index: OpenIndex,
        cursor: FeedCursor,
        pending: Pending,
        is_last: bool,
    ) -> Result<OpenIndex, Failure> {
        let was_erasing = index.committed.as_ref().is_some_and(|committed| committed.erasing);
        let committed = Committed::new(self.store.feed_id(), cursor, pending.has_purged || was_erasing);
        let began = Instant::now();
        let index = blocking(move || {
            let mut index = index;
            index.commit(&committed)?;
            Ok(index)
        })
        .await?;
        self.shared.metrics.committed(pending.changes, began.elapsed());
        tracing::debug!(changes = pending.changes, "changes indexed");
        // Before the position is known: who has waited for it finds an index without lag.
        self.shared.behind_since.store(if is_last { 0 } else { pending.newest }, Ordering::Relaxed);
        self.publish(index).await
    }

    /// Removes the words of purged articles from all files, unless a merge in progress has to end first.
    async fn erase(&self, index: OpenIndex, cursor: FeedCursor, erasure: &mut Erasure) -> Result<OpenIndex, Failure> {
        let committed = Committed::new(self.store.feed_id(), cursor, false);
        let known = erasure.segments.take();
        let (index, segments) = blocking(move || {
            let mut index = index;
            let segments = match known {
                Some(segments) => segments,
                None => index.with_replaced()?,
            };
            if !index.rewrite(&segments)? {
                return Ok((index, Some(segments)));
            }
            index.commit(&committed)?;
            Ok((index, None))
        })
        .await?;
        let is_done = segments.is_none();
        *erasure = Erasure { segments, tried: Instant::now() };
        if !is_done {
            return Ok(index);
        }
        tracing::info!("words of purged articles removed from the search index");
        let index = self.publish(index).await?;
        self.shared.erased.notify_one();
        Ok(index)
    }

    /// Makes the last commit visible to searches.
    async fn publish(&self, index: OpenIndex) -> Result<OpenIndex, Failure> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let position = index.committed.as_ref().map_or(Position::START, |committed| committed.cursor().position);
            *shared.index.lock().unwrap_or_else(PoisonError::into_inner) = Some(index.index.clone());
            let former = shared.view();
            shared.show(View::open(index.reader.searcher(), &shared.fields, position, &former)?);
            Ok(index)
        })
        .await
    }
}

/// Adds an article in any state but purged.
pub(super) fn add_record(index: &OpenIndex, shared: &Shared, record: &Record) -> tantivy::Result<()> {
    if record.lifecycle == Lifecycle::Purged {
        return Ok(());
    }
    match record.decode() {
        Ok(article) => index.writer.add_document(shared.fields.document(record, &article)).map(drop),
        Err(error) => {
            tracing::error!(article = %record.id, %error, "undecodable article omitted from the search index");
            Ok(())
        }
    }
}

/// Runs a step of the index outside the I/O threads.
pub(super) async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> tantivy::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let task = tokio::task::spawn_blocking(move || {
        crate::overload::thread_priority::lower_thread_priority();
        step()
    });
    match task.await {
        Ok(result) => result.map_err(Failure::Index),
        Err(_panicked) => Err(Failure::Panicked),
    }
}

impl Shared {
    /// Notes the age of changes that are not in the index yet.
    fn note_pending(&self, records: &[Arc<Record>]) {
        let oldest = records.iter().map(|record| record.update_time).min();
        let micros = oldest.unwrap_or_else(Timestamp::now).as_microsecond();
        let _known = self.behind_since.compare_exchange(0, micros, Ordering::Relaxed, Ordering::Relaxed);
    }
}
