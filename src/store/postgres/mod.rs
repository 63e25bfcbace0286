//! PostgreSQL engine, for several replicas. Requires PostgreSQL 13 or newer.
//!
//! Any number of equal processes may share one database. Commits are serialized at the feed, so that positions are in
//! the order in which changes become visible: see docs/decisions/0008.

mod batch;
mod breaker;
mod bulk;
mod copying;
mod erase;
mod eraser;
mod error;
mod event_table;
mod feed;
mod feed_retention;
mod filter;
mod group_sketches;
mod key_table;
mod keys;
mod lease;
mod list;
mod lock;
mod migrate;
mod notify_listener;
mod options;
mod original_table;
mod planner;
mod pool;
mod preload;
mod probe;
mod read_batcher;
mod read_table;
mod reader;
mod rows;
mod sketch_table;
mod standbys;
mod story_erasure;
mod story_tables;
mod tls;
mod transaction;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

pub use error::OpenError;
pub use keys::PostgresKeys;
pub use options::{PostgresOptions, StandbyOptions};
pub use probe::DatabaseFacts;
pub use standbys::Standbys;

use super::original::CompressedOriginal;
use super::{
    Change, ChangedIds, Consistency, CopiesPage, CopiesQuery, FeedCursor, Fetched, GroupedUntil, GroupingStep,
    HourlyReads, ListPage, ListQuery, MAX_REMOVED_READS, NumberedMember, Revision, SnapshotQuery, Store, StoreError,
    StoredOriginal, Visibility, Write, WriteError, Written,
};
use crate::article::{ArticleId, ArticleKey, Key, Position, Record, StoryId};
use crate::overload::admission::{Gate, ReadKind};
use crate::telemetry::StoreMetrics;
use breaker::Breaker;
use notify_listener::Wake;
use pool::Pool;
use read_batcher::ReadBatcher;
use writer::Writer;

/// Connections for background work: writer, grouping of articles, trimming of old changes, and removal of purged texts,
/// which takes two.
const BACKGROUND_CONNECTIONS: usize = 5;
/// Connections for priority reads, which never queue behind other reads: changed IDs for caches, API keys, the head of
/// the feed and health checks.
const PRIORITY_CONNECTIONS: usize = 2;
/// Connections for the articles that followers of the feed read, and for the counts of reads.
const FOLLOWER_CONNECTIONS: usize = 1;

/// Maximum number of originals that are removed per statement.
const MAX_EVICTED: usize = 200;

/// Store in a PostgreSQL database.
pub struct PostgresStore {
    feed: Uuid,
    writer: Writer,
    wake: Wake,
    gate: Gate,
    reads: Arc<Pool>,
    read_batcher: ReadBatcher,
    priority: Arc<Pool>,
    follower: Arc<Pool>,
    background: Arc<Pool>,
    _probing: AbortOnDropHandle<()>,
    _listening: Option<AbortOnDropHandle<()>>,
    _trimming: Option<AbortOnDropHandle<()>>,
    _erasing: AbortOnDropHandle<()>,
}

impl PostgresStore {
    /// Opens the store.
    ///
    /// # Errors
    /// Fails if the database is unreachable, its schema version does not match, or a copy into it was not finished.
    pub async fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        Self::open_with_metrics(options, StoreMetrics::default()).await
    }

    /// Opens the store like [`PostgresStore::open`], with the metrics that it updates.
    ///
    /// # Errors
    /// Same as [`PostgresStore::open`].
    pub async fn open_with_metrics(options: PostgresOptions, metrics: StoreMetrics) -> Result<Self, OpenError> {
        let checked = migrate::check(&options).await?;
        copying::refuse_unfinished(&checked, &options.address())?;
        Self::open_checked(options, checked.feed, metrics).await
    }

    /// Opens the store as the target of a copy, and marks it as unfinished until [`PostgresStore::finish_copy`]. `from`
    /// is the feed of the source.
    ///
    /// # Errors
    /// Fails if the database is unreachable, its schema version does not match, or a copy of another store into it was
    /// not finished.
    pub async fn open_for_copy(options: PostgresOptions, from: Uuid) -> Result<Self, OpenError> {
        let (address, checked) = (options.address(), migrate::check(&options).await?);
        copying::refuse_other(&checked, &address, from)?;
        let store = Self::open_checked(options, checked.feed, StoreMetrics::default()).await?;
        match copying::begin(&store.priority, from).await {
            Ok(true) => Ok(store),
            Ok(false) => {
                Err(OpenError::Refused { address, cause: "another store is being copied into this database".into() })
            }
            Err(error) => Err(OpenError::Refused { address, cause: error.to_string() }),
        }
    }

    /// Removes the mark of [`PostgresStore::open_for_copy`], durably. All writes must have completed.
    ///
    /// # Errors
    /// Fails if the database does not answer. It is then unknown if the mark was removed.
    pub async fn finish_copy(&self) -> Result<(), StoreError> {
        copying::finish(&self.priority).await
    }

    async fn open_checked(mut options: PostgresOptions, feed: Uuid, metrics: StoreMetrics) -> Result<Self, OpenError> {
        if options.listen && probe::is_pooled(&options).await {
            tracing::warn!(
                database = options.address(),
                "the database is behind a pooler in transaction mode: changes are polled, as with store-listen = off"
            );
            options.listen = false;
        }
        let options = options;
        let failed = |error: StoreError| OpenError::Refused { address: options.address(), cause: error.to_string() };
        let (breaker, probing) = Breaker::start(&options);
        metrics.breaker_open.read_from({
            let breaker = breaker.clone();
            move || u64::from(breaker.is_open())
        });
        let gate = Gate::new(options.connections, options.read_queue, options.read_wait, metrics.reads.clone());
        let reads = Arc::new(Pool::new(&options, options.connections, &breaker).map_err(failed)?);
        let read_batcher = ReadBatcher::new(Arc::clone(&reads), feed);
        let background = Arc::new(Pool::new(&options, BACKGROUND_CONNECTIONS, &breaker).map_err(failed)?);
        let priority = Arc::new(Pool::new(&options, PRIORITY_CONNECTIONS, &breaker).map_err(failed)?);
        let follower = Arc::new(Pool::new(&options, FOLLOWER_CONNECTIONS, &breaker).map_err(failed)?);
        let wake = Wake::new(feed::head(&background).await.map_err(failed)?);
        let listening = options.listen.then(|| wake.listen(&options));
        let trimming = options.keep.map(|keep| feed_retention::start(Arc::clone(&background), keep));
        let erasing = eraser::start(Arc::clone(&background));
        let writer = Writer::start(Arc::clone(&background), feed, &options, wake.clone(), &metrics);
        Ok(Self {
            feed,
            writer,
            wake,
            gate,
            reads,
            read_batcher,
            priority,
            follower,
            background,
            _probing: probing,
            _listening: listening,
            _trimming: trimming,
            _erasing: erasing,
        })
    }

    /// Creates the schema or migrates it to the latest version. Safe to run concurrently.
    ///
    /// # Errors
    /// Fails if the database is unreachable or denies access, or its schema is newer.
    pub async fn migrate(options: &PostgresOptions) -> Result<(), OpenError> {
        migrate::migrate(options).await.map(drop)
    }

    /// Returns the API keys stored in the same database.
    pub fn keys(&self) -> PostgresKeys {
        PostgresKeys::over(Arc::clone(&self.priority))
    }
}

#[async_trait]
impl Store for PostgresStore {
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
        let (_permit, _revocation) = self.gate.enter(ReadKind::Short).await?;
        match ids {
            [id] => Ok(vec![self.read_batcher.get(id).await?]),
            ids => rows::fetch(&*self.reads, self.feed, ids).await,
        }
    }

    async fn get_for_follower(&self, ids: &[ArticleId], _consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        rows::fetch(&*self.follower, self.feed, ids).await
    }

    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        _consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        let (_permit, _revocation) = self.gate.enter(ReadKind::Short).await?;
        rows::revision(&*self.reads, self.feed, id, revision).await
    }

    async fn lookup(&self, keys: &[Key], _consistency: Consistency) -> Result<Vec<Option<ArticleId>>, StoreError> {
        let (_permit, _revocation) = self.gate.enter(ReadKind::Short).await?;
        key_table::lookup(&*self.reads, keys).await
    }

    async fn keys_of(&self, ids: &[ArticleId], _consistency: Consistency) -> Result<Vec<Vec<ArticleKey>>, StoreError> {
        let (_permit, _revocation) = self.gate.enter(ReadKind::Short).await?;
        key_table::of_articles(&*self.reads, ids).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let (_permit, revocation) = self.gate.enter(ReadKind::Page(1)).await?;
        revocation.run_unless_revoked(list::list(&*self.reads, self.feed, query)).await
    }

    async fn copies(&self, query: &CopiesQuery) -> Result<CopiesPage, StoreError> {
        let (_permit, revocation) = self.gate.enter(ReadKind::Page(1)).await?;
        revocation.run_unless_revoked(sketch_table::copies(&*self.reads, query)).await
    }

    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        _consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError> {
        let (_permit, revocation) = self.gate.enter(ReadKind::Page(1)).await?;
        revocation.run_unless_revoked(feed::revisions(&*self.reads, self.feed, id, before, limit)).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
        let (_permit, _revocation) = self.gate.enter(ReadKind::Stream).await?;
        feed::changes(&self.reads, self.feed, after, limit).await
    }

    async fn changed_ids(&self, after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError> {
        feed::changed_ids(&self.priority, after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        feed::head(&self.priority).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
        let (_permit, _revocation) = self.gate.enter(ReadKind::Stream).await?;
        feed::snapshot(&*self.reads, self.feed, query).await
    }

    fn subscribe(&self) -> watch::Receiver<Position> {
        self.wake.subscribe()
    }

    async fn apply_due_transitions(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.writer.apply_due_transitions(now).await
    }

    async fn deleted_before(&self, time: Timestamp, limit: usize) -> Result<Vec<(ArticleId, i64)>, StoreError> {
        list::deleted_before(&*self.priority, time, limit).await
    }

    async fn original(&self, id: &ArticleId, revision: Option<i64>) -> Result<Option<StoredOriginal>, StoreError> {
        let (_permit, revocation) = self.gate.enter(ReadKind::Page(1)).await?;
        let found = revocation.run_unless_revoked(original_table::read(&*self.reads, id, revision)).await?;
        found.map(CompressedOriginal::decompress).transpose()
    }

    async fn evict_originals(&self, before: Timestamp, max_bytes: u64) -> Result<usize, StoreError> {
        original_table::evict(&*self.priority, before, max_bytes, MAX_EVICTED).await
    }

    async fn acquire_lease(&self, task: &str, holder: Uuid, lasts: Duration) -> Result<bool, StoreError> {
        lease::acquire(&*self.priority, task, holder, lasts).await
    }

    async fn record_events(&self, events: Vec<Vec<u8>>) -> Result<(), StoreError> {
        event_table::record(&*self.priority, events).await
    }

    async fn events(&self, before: Option<i64>, limit: usize) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let (_permit, revocation) = self.gate.enter(ReadKind::Page(1)).await?;
        revocation.run_unless_revoked(event_table::read(&*self.reads, before, limit)).await
    }

    async fn grouped_until(&self) -> Result<GroupedUntil, StoreError> {
        story_tables::grouped_until(&*self.priority).await
    }

    async fn apply_grouping(&self, step: GroupingStep) -> Result<Option<GroupedUntil>, StoreError> {
        story_tables::apply(&self.background, &step).await
    }

    async fn changed_members(
        &self,
        after: u64,
        limit: usize,
        only_needed: bool,
    ) -> Result<Vec<NumberedMember>, StoreError> {
        story_tables::changed(&*self.priority, after, limit, only_needed).await
    }

    async fn story_members(&self, story: StoryId, after: u64, limit: usize) -> Result<Vec<NumberedMember>, StoreError> {
        let (_permit, revocation) = self.gate.enter(ReadKind::Page(1)).await?;
        revocation.run_unless_revoked(story_tables::of_story(&*self.reads, story, after, limit)).await
    }

    async fn articles_of_stories(
        &self,
        stories: &[StoryId],
        limit: usize,
    ) -> Result<Vec<(StoryId, ArticleId)>, StoreError> {
        let (_permit, revocation) = self.gate.enter(ReadKind::Page(1)).await?;
        revocation.run_unless_revoked(story_tables::articles_of(&*self.reads, stories, limit)).await
    }

    async fn stories_of(&self, ids: &[ArticleId]) -> Result<Vec<Option<StoryId>>, StoreError> {
        let (_permit, _revocation) = self.gate.enter(ReadKind::Short).await?;
        story_tables::stories_of(&*self.reads, ids).await
    }

    async fn merged_into(&self, story: StoryId) -> Result<Option<StoryId>, StoreError> {
        let (_permit, _revocation) = self.gate.enter(ReadKind::Short).await?;
        story_tables::heir_of(&*self.reads, story).await
    }

    async fn add_reads(&self, reads: Vec<HourlyReads>, now: Timestamp) -> Result<(), StoreError> {
        read_table::add(&self.priority, &reads, now).await
    }

    async fn reads_of_hour(&self, hour: i64, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        read_table::of_hour(&*self.follower, hour, limit).await
    }

    async fn remove_reads_before(&self, hour: i64) -> Result<usize, StoreError> {
        read_table::remove_before(&self.priority, hour, MAX_REMOVED_READS).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if !self.writer.is_alive() {
            return Err(StoreError::Unavailable("its writer has stopped"));
        }
        self.priority.query("SELECT 1", &[]).await.map(drop)
    }
}
