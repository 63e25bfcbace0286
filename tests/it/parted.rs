//! A store composed of two: reads go to one, and the change feed comes from the other and can be held back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use copydesk::article::{ArticleId, Position, Record};
use copydesk::store::*;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

pub struct Parted {
    reads: Arc<dyn Store>,
    feed: Arc<dyn Store>,
    held: AtomicBool,
    gets: AtomicU64,
}

impl Parted {
    pub fn new(reads: &Arc<dyn Store>, feed: &Arc<dyn Store>) -> Arc<Self> {
        let (reads, feed) = (Arc::clone(reads), Arc::clone(feed));
        Arc::new(Self { reads, feed, held: AtomicBool::new(false), gets: AtomicU64::new(0) })
    }

    /// Holds back the feed: followers see no new changes while `held` is true.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }

    /// Returns the number of articles read.
    pub fn gets(&self) -> u64 {
        self.gets.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for Parted {
    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        self.gets.fetch_add(ids.len() as u64, Ordering::SeqCst);
        self.reads.get(ids, consistency).await
    }

    async fn changed_ids(&self, after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError> {
        if self.held.load(Ordering::SeqCst) {
            return Ok(ChangedIds { articles: Vec::new(), reached: after });
        }
        self.feed.changed_ids(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.feed.head().await
    }

    fn subscribe(&self) -> watch::Receiver<Position> {
        self.feed.subscribe()
    }

    fn feed_id(&self) -> Uuid {
        self.feed.feed_id()
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        self.reads.write(writes).await
    }

    async fn dry_run(&self, write: Write) -> Result<Written, WriteError> {
        self.reads.dry_run(write).await
    }

    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        self.reads.get_revision(id, revision, consistency).await
    }

    async fn lookup(
        &self,
        key: &LookupKey,
        now: Timestamp,
        consistency: Consistency,
    ) -> Result<Option<ArticleId>, StoreError> {
        self.reads.lookup(key, now, consistency).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Arc<Record>>, StoreError> {
        self.reads.list(query).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        self.reads.search(query).await
    }

    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError> {
        self.reads.revisions(id, before, limit, consistency).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.feed.changes(after, limit).await
    }

    async fn snapshot(
        &self,
        at: Position,
        after: Option<&ArticleId>,
        limit: usize,
    ) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
        self.reads.snapshot(at, after, limit).await
    }

    async fn index_position(&self) -> Result<Position, StoreError> {
        self.reads.index_position().await
    }

    async fn apply_due_transitions(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.reads.apply_due_transitions(now).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reads.ping().await
    }
}
