//! A store composed of two: reads go to one, and the change feed comes from the other and can be held back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use copydesk::article::{ArticleId, Position};
use copydesk::store::*;
use tokio::sync::watch;

pub struct SplitStore {
    reads: Arc<dyn Store>,
    feed: Arc<dyn Store>,
    held: AtomicBool,
    gets: AtomicU64,
}

impl SplitStore {
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
impl StoreLayer for SplitStore {
    fn inner(&self) -> &dyn Store {
        self.reads.as_ref()
    }

    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        self.gets.fetch_add(ids.len() as u64, Ordering::SeqCst);
        self.reads.get(ids, consistency).await
    }

    async fn changed_ids(&self, after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError> {
        if self.held.load(Ordering::SeqCst) {
            return Ok(ChangedIds { articles: Vec::new(), cursor: after });
        }
        self.feed.changed_ids(after, limit).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.feed.changes(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.feed.head().await
    }

    async fn reaches(&self, position: Position) -> Result<bool, StoreError> {
        self.feed.reaches(position).await
    }

    fn subscribe(&self) -> watch::Receiver<Position> {
        self.feed.subscribe()
    }
}
