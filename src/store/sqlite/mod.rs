//! Embedded engine: SQLite, in one folder.
//!
//! `articles.db` contains all data of articles, with one writer thread and many readers.

mod apply;
mod copies;
mod copying;
mod erase;
mod error;
mod event_table;
mod facets;
mod feed;
mod filter;
mod key_table;
mod keys;
mod list;
mod migrate;
mod open_files;
mod original_table;
mod read_table;
mod readers;
mod rows;
mod sketch_table;
mod statements;
mod story_tables;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;
use uuid::Uuid;

pub use error::OpenError;
pub use keys::SqliteKeys;

use super::original::CompressedOriginal;
use super::{
    Change, ChangedIds, Consistency, CopiesPage, CopiesQuery, FeedCursor, Fetched, GroupedUntil, GroupingStep,
    HourlyReads, ListPage, ListQuery, NumberedMember, Revision, SnapshotQuery, Store, StoreError, StoredOriginal,
    Visibility, Write, WriteError, Written,
};
use crate::article::{ArticleId, ArticleKey, Key, Position, Record, StoryId};
use crate::overload::admission::ReadKind;
use crate::telemetry::StoreMetrics;
use open_files::OpenFiles;
use readers::{Reader, Readers};
use writer::Writer;

/// Location and limits of the embedded store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Folder; created if it does not exist.
    pub dir: PathBuf,
    /// Maximum size of `articles.db` in bytes; unlimited if absent.
    pub max_bytes: Option<u64>,
    /// Maximum number of concurrent reads.
    pub readers: usize,
    /// Maximum number of queued reads, and as many queued pages of lists; more are rejected.
    pub read_queue: usize,
    /// Maximum wait of a queued read before it is rejected.
    pub read_wait: Duration,
}

impl SqliteOptions {
    /// Returns the defaults for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), max_bytes: None, readers: 4, read_queue: 256, read_wait: Duration::from_secs(2) }
    }

    /// Returns the paths of the files that the folder may contain.
    pub fn files(&self) -> Vec<PathBuf> {
        let databases = ["articles.db", "keys.db"];
        let beside = ["", "-wal", "-shm", "-journal"];
        let names = databases.iter().flat_map(|name| beside.map(|more| format!("{name}{more}")));
        names.chain(["lock".to_owned()]).map(|name| self.dir.join(name)).collect()
    }

    fn articles(&self) -> PathBuf {
        self.dir.join("articles.db")
    }
}

/// Embedded store.
pub struct SqliteStore {
    feed: Uuid,
    // Drop order: the writer drains its queue, then the lock is released.
    writer: Writer,
    readers: Readers,
    files: Arc<OpenFiles>,
    articles: PathBuf,
    _lock: File,
}

impl SqliteStore {
    /// Opens the store. Creates it if it does not exist.
    ///
    /// # Errors
    /// If the folder is inaccessible or in use, or its store is damaged, newer or the target of an unfinished copy.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        Self::open_with_metrics(options, StoreMetrics::default())
    }

    /// Returns true if a folder has a store. A file without tables is not a store: it is a copy of `articles.db` alone
    /// from a running server, whose content is in `articles.db-wal`.
    pub fn exists(dir: &Path) -> bool {
        let path = SqliteOptions::new(dir).articles();
        let tables = || -> rusqlite::Result<i64> {
            let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        };
        // Opening reports a file that cannot be read.
        path.is_file() && tables().map_or(true, |count| count > 0)
    }

    /// Opens the store like [`SqliteStore::open`], with the metrics that it updates.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with_metrics(options: SqliteOptions, metrics: StoreMetrics) -> Result<Self, OpenError> {
        Self::open_if(options, metrics, |connection, options| {
            copying::refuse_unfinished(connection, &options.articles(), &options.dir)
        })
    }

    /// Opens the store as the target of a copy, and marks it as unfinished until [`SqliteStore::finish_copy`]. `from`
    /// is the feed ID of the source store.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], but an unfinished copy is an error only if it is of another store.
    pub fn open_for_copy(options: SqliteOptions, from: Uuid) -> Result<Self, OpenError> {
        Self::open_if(options, StoreMetrics::default(), |connection, options| {
            copying::begin(connection, &options.articles(), &options.dir, from)
        })
    }

    /// Migrates the schema, also of the target of an unfinished copy.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], except for an unfinished copy.
    pub fn migrate(options: SqliteOptions) -> Result<(), OpenError> {
        Self::open_if(options, StoreMetrics::default(), |_, _| Ok(())).map(drop)
    }

    /// Removes the mark of [`SqliteStore::open_for_copy`], durably. All writes must have completed.
    ///
    /// # Errors
    /// If the store does not answer. It keeps its mark then.
    pub fn finish_copy(&self) -> Result<(), StoreError> {
        self.files.check()?;
        copying::finish(&self.articles)?;
        self.files.check()
    }

    fn open_if(
        options: SqliteOptions,
        metrics: StoreMetrics,
        may: impl FnOnce(&Connection, &SqliteOptions) -> Result<(), OpenError>,
    ) -> Result<Self, OpenError> {
        let lock = migrate::lock(&options)?;
        let connection = migrate::open_articles(&options)?;
        may(&connection, &options)?;
        let feed = migrate::feed(&connection).map_err(|cause| OpenError::sqlite(&options.articles(), &cause))?;
        migrate::delete_former_index(&options)?;
        let files = Arc::new(OpenFiles::of(&options)?);
        let writer = Writer::start(connection, feed, Arc::clone(&files), &metrics);
        let writer = writer.map_err(|cause| OpenError::sqlite(&options.articles(), &cause))?;
        let readers = Readers::new(&options, feed, Arc::clone(&files), metrics.reads.clone());
        Ok(Self { feed, writer, readers, files, articles: options.articles(), _lock: lock })
    }

    /// Returns true if another process has the store open. Creates no files.
    ///
    /// # Errors
    /// If the lock file cannot be opened for writing.
    pub fn is_in_use(options: &SqliteOptions) -> Result<bool, OpenError> {
        if !options.dir.join("lock").exists() {
            return Ok(false);
        }
        match migrate::lock(options) {
            Ok(_released) => Ok(false),
            Err(OpenError::InUse { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn feed_id(&self) -> Uuid {
        self.feed
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        self.writer.write(writes).await
    }

    async fn dry_run(&self, write: Write) -> Result<Written, WriteError> {
        self.writer.dry_run(write).await
    }

    async fn get(&self, ids: &[ArticleId], _consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        let ids = ids.to_vec();
        self.readers.run(ReadKind::Short, move |reader| ids.iter().map(|id| rows::fetch(reader, id)).collect()).await
    }

    async fn get_for_follower(&self, ids: &[ArticleId], _consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        let ids = ids.to_vec();
        self.readers.run_for_follower(move |reader| ids.iter().map(|id| rows::fetch(reader, id)).collect()).await
    }

    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        _consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        let id = id.clone();
        self.readers.run(ReadKind::Short, move |reader| rows::revision(reader, &id, revision)).await
    }

    async fn lookup(&self, keys: &[Key], _consistency: Consistency) -> Result<Vec<Option<ArticleId>>, StoreError> {
        let keys = keys.to_vec();
        let each = move |reader: &Reader| keys.iter().map(|key| key_table::lookup(&reader.connection, key)).collect();
        self.readers.run(ReadKind::Short, each).await
    }

    async fn keys_of(&self, ids: &[ArticleId], _consistency: Consistency) -> Result<Vec<Vec<ArticleKey>>, StoreError> {
        let ids = ids.to_vec();
        let each = move |reader: &Reader| ids.iter().map(|id| key_table::of_article(&reader.connection, id)).collect();
        self.readers.run(ReadKind::Short, each).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let query = query.clone();
        self.readers.run(ReadKind::Page(1), move |reader| list::list(reader, &query)).await
    }

    async fn copies(&self, query: &CopiesQuery) -> Result<CopiesPage, StoreError> {
        let query = query.clone();
        self.readers.run(ReadKind::Page(1), move |reader| Ok(copies::copies(&reader.connection, &query)?)).await
    }

    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        _consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError> {
        let id = id.clone();
        self.readers.run(ReadKind::Page(1), move |reader| feed::revisions(reader, &id, before, limit)).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.readers.run(ReadKind::Stream, move |reader| feed::changes(reader, after, limit)).await
    }

    async fn changed_ids(&self, after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError> {
        self.readers.run_priority(move |reader| feed::changed_ids(reader, after, limit)).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        // The writer announces a position after its commit, so every read sees it.
        Ok(*self.writer.subscribe().borrow())
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
        let query = query.clone();
        self.readers.run(ReadKind::Stream, move |reader| feed::snapshot(reader, &query)).await
    }

    fn subscribe(&self) -> watch::Receiver<Position> {
        self.writer.subscribe()
    }

    async fn apply_due_transitions(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.writer.apply_due_transitions(now).await
    }

    async fn deleted_before(&self, time: Timestamp, limit: usize) -> Result<Vec<(ArticleId, i64)>, StoreError> {
        self.readers.run_priority(move |reader| erase::deleted_before(&reader.connection, time, limit)).await
    }

    async fn original(&self, id: &ArticleId, revision: Option<i64>) -> Result<Option<StoredOriginal>, StoreError> {
        let id = id.clone();
        let read = move |reader: &Reader| Ok(original_table::read(&reader.connection, &id, revision)?);
        let found = self.readers.run(ReadKind::Page(1), read).await?;
        found.map(CompressedOriginal::decompress).transpose()
    }

    async fn evict_originals(&self, before: Timestamp, max_bytes: u64) -> Result<usize, StoreError> {
        self.writer.evict_originals(before, max_bytes).await
    }

    async fn acquire_lease(&self, _task: &str, _holder: Uuid, _lasts: Duration) -> Result<bool, StoreError> {
        // The folder is locked: there is no other replica.
        Ok(true)
    }

    async fn record_events(&self, events: Vec<Vec<u8>>) -> Result<(), StoreError> {
        self.writer.record_events(events).await.map(drop)
    }

    async fn events(&self, before: Option<i64>, limit: usize) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let read = move |reader: &Reader| Ok(event_table::read(&reader.connection, before, limit)?);
        self.readers.run(ReadKind::Page(1), read).await
    }

    async fn grouped_until(&self) -> Result<GroupedUntil, StoreError> {
        self.readers.run_priority(|reader| Ok(story_tables::grouped_until(&reader.connection)?)).await
    }

    async fn apply_grouping(&self, step: GroupingStep) -> Result<Option<GroupedUntil>, StoreError> {
        self.writer.apply_grouping(step).await
    }

    async fn changed_members(
        &self,
        after: u64,
        limit: usize,
        only_needed: bool,
    ) -> Result<Vec<NumberedMember>, StoreError> {
        let read = move |reader: &Reader| Ok(story_tables::changed(&reader.connection, after, limit, only_needed)?);
        self.readers.run_priority(read).await
    }

    async fn story_members(&self, story: StoryId, after: u64, limit: usize) -> Result<Vec<NumberedMember>, StoreError> {
        let read = move |reader: &Reader| Ok(story_tables::of_story(&reader.connection, story, after, limit)?);
        self.readers.run(ReadKind::Page(1), read).await
    }

    async fn articles_of_stories(
        &self,
        stories: &[StoryId],
        limit: usize,
    ) -> Result<Vec<(StoryId, ArticleId)>, StoreError> {
        let stories = stories.to_vec();
        let read = move |reader: &Reader| Ok(story_tables::articles_of(&reader.connection, &stories, limit)?);
        self.readers.run(ReadKind::Page(1), read).await
    }

    async fn stories_of(&self, ids: &[ArticleId]) -> Result<Vec<Option<StoryId>>, StoreError> {
        let ids = ids.to_vec();
        let each = move |reader: &Reader| {
            ids.iter().map(|id| story_tables::story_of(&reader.connection, id).map_err(StoreError::from)).collect()
        };
        self.readers.run(ReadKind::Short, each).await
    }

    async fn merged_into(&self, story: StoryId) -> Result<Option<StoryId>, StoreError> {
        let read = move |reader: &Reader| Ok(story_tables::heir_of(&reader.connection, story)?);
        self.readers.run(ReadKind::Short, read).await
    }

    async fn add_reads(&self, reads: Vec<HourlyReads>, now: Timestamp) -> Result<(), StoreError> {
        self.writer.add_reads(reads, now).await.map(drop)
    }

    async fn reads_of_hour(&self, hour: i64, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        self.readers.run_for_follower(move |reader| Ok(read_table::of_hour(&reader.connection, hour, limit)?)).await
    }

    async fn remove_reads_before(&self, hour: i64) -> Result<usize, StoreError> {
        self.writer.remove_reads_before(hour).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if !self.writer.is_alive() {
            return Err(StoreError::Unavailable("its writer has ended"));
        }
        let files = Arc::clone(&self.files);
        self.readers
            .run_priority(move |reader| {
                files.check()?;
                Ok(reader.connection.query_row("SELECT 1", (), |_| Ok(()))?)
            })
            .await
    }
}
