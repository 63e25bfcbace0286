//! Opening of the index: as it is on disk, from a snapshot, or from all articles.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;
use tantivy::TantivyError;

use super::files::{OpenIndex, has_schema};
use super::follower::{Failure, Follower, Pending, add_record, blocking};
use super::schema::FORMAT;
use super::snapshot::Snapshots;
use crate::article::ArticleId;
use crate::store::{FeedCursor, SnapshotQuery};

/// Number of articles that are read at a time when the index is built.
const BUILD_BATCH: usize = 1_000;

/// Maximum number of threads that analyze articles when the index is built. Each has the memory of the settings.
const MAX_BUILD_THREADS: usize = 4;

/// Returns the number of threads that analyze articles when the index is built, while nobody can search.
fn build_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_BUILD_THREADS)
}

impl Follower {
    /// Opens the index, or an empty one if it cannot be used.
    pub(super) async fn open(&self) -> Result<OpenIndex, Failure> {
        let (folder, shared) = (self.folder.clone(), Arc::clone(&self.shared));
        let feed = self.store.feed_id();
        let opened = blocking(move || OpenIndex::open(&folder, &shared.fields, shared.options.memory)).await;
        let usable = match opened {
            Ok(opened) => {
                let foreign =
                    opened.committed.as_ref().filter(|committed| committed.feed != feed || committed.format != FORMAT);
                let is_foreign = foreign.is_some() || !has_schema(&opened.index, &self.shared.fields.schema);
                if is_foreign {
                    tracing::warn!("search index is of another version or another store; it is built again");
                }
                (!is_foreign).then_some(opened)
            }
            Err(Failure::Index(
                error @ (TantivyError::SchemaError(_)
                | TantivyError::DataCorruption(_)
                | TantivyError::IncompatibleIndex(_)),
            )) => {
                tracing::warn!(%error, "search index cannot be used; it is built again");
                None
            }
            Err(failure) => return Err(failure),
        };
        if let Some(opened) = usable {
            return Ok(opened);
        }
        let (folder, shared) = (self.folder.clone(), Arc::clone(&self.shared));
        blocking(move || {
            folder.clear()?;
            OpenIndex::open(&folder, &shared.fields, shared.options.memory)
        })
        .await
    }

    /// Replaces an empty index with the newest snapshot, if there is a usable one.
    pub(super) async fn restore(&mut self, index: OpenIndex) -> Result<OpenIndex, Failure> {
        let Some(options) = self.shared.options.snapshots.clone().filter(|_| !self.skips_snapshot) else {
            return Ok(index);
        };
        // If the snapshot turns out to be unusable later, the index is built.
        self.skips_snapshot = true;
        drop(index);
        let began = Instant::now();
        let restored = match Snapshots::open(&options.folder, self.store.feed_id()) {
            Ok(snapshots) => snapshots.restore(&self.folder).await,
            Err(error) => Err(error),
        };
        match restored {
            Ok(true) => {
                self.shared.metrics.restored.inc();
                tracing::info!(seconds = began.elapsed().as_secs_f64(), "search index restored from a snapshot");
            }
            Ok(false) => tracing::info!("no snapshot of the search index yet"),
            Err(error) => {
                tracing::warn!(%error, "snapshot of the search index refused; the index is built");
                let folder = self.folder.clone();
                blocking(move || Ok(folder.clear()?)).await?;
            }
        }
        self.open().await
    }

    async fn with_threads(&self, index: OpenIndex, threads: usize) -> Result<OpenIndex, Failure> {
        let memory = self.shared.options.memory;
        blocking(move || index.with_threads(memory, threads)).await
    }

    /// Builds the index from all articles.
    pub(super) async fn build(&self, index: OpenIndex) -> Result<(OpenIndex, FeedCursor), Failure> {
        let checked = Timestamp::now();
        let at = self.store.head().await?;
        let began = Instant::now();
        let mut index = self.with_threads(index, build_threads()).await?;
        let mut after: Option<ArticleId> = None;
        let mut count = 0;
        loop {
            let page = self.store.snapshot(&SnapshotQuery::of_all(at, after.clone(), BUILD_BATCH)).await?;
            let is_last = page.len() < BUILD_BATCH;
            after = page.last().map(|(record, _)| record.id.clone()).or(after);
            count += page.len();
            let shared = Arc::clone(&self.shared);
            index = blocking(move || {
                for (record, _) in page {
                    add_record(&index, &shared, &record)?;
                }
                Ok(index)
            })
            .await?;
            if is_last {
                break;
            }
        }
        let cursor = FeedCursor::from(at);
        self.shared.checked.store(checked.as_microsecond(), Ordering::Relaxed);
        let index = self.commit(index, cursor, Pending::of(count), true).await?;
        let index = self.with_threads(index, 1).await?;
        if count > 0 {
            tracing::info!(articles = count, seconds = began.elapsed().as_secs_f64(), "search index built");
        }
        Ok((index, cursor))
    }
}
