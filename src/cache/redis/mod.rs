//! The cache that replicas share: entries in Redis, filled by token and version, repaired by the feed.
//!
//! What makes it safe (see docs/decisions/0010): a fill needs a token that every change takes away; what a change missed, every
//! replica's keeper repeats; and a replica serves from Redis only while its own keeper has repaired all within the bound.

mod backlog;
mod entry;
mod identity;
mod keeper;
mod options;
mod read;
pub mod scripts;
mod sentinel;
mod session;
mod stats;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

pub use options::RedisOptions;
pub use stats::RedisCacheStats;

use crate::article::{ArticleId, Position, Record};
use crate::store::{
    Change, Consistency, Fetched, ListQuery, LookupKey, Outcome, Place, Revision, SearchPage, SearchQuery, Standing,
    Store, StoreError, Touched, Write, WriteError, Written,
};
use session::Session;
use stats::Counters;

/// How long an answer to a write waits for Redis to hear of it.
const BUDGET: Duration = Duration::from_millis(20);
/// How long a cache in front of this one is kept from the feed's news until the keeper has repaired what they are of.
const REPAIR: Duration = Duration::from_millis(50);

/// A store with a cache in Redis in front of `get`. Everything else goes to the store.
pub struct RedisCache {
    shared: Arc<Shared>,
    _keeper: AbortOnDropHandle<()>,
}

struct Shared {
    store: Arc<dyn Store>,
    options: RedisOptions,
    session: RwLock<Option<Arc<Session>>>,
    counters: Arc<Counters>,
    foreign_logged: Mutex<Option<Instant>>,
}

impl RedisCache {
    /// Puts a cache in front of a store. Redis need not be there: until it is, reads go to the store.
    pub fn new(store: Arc<dyn Store>, options: RedisOptions) -> Self {
        let shared = Arc::new(Shared {
            store,
            options,
            session: RwLock::new(None),
            counters: Arc::default(),
            foreign_logged: Mutex::new(None),
        });
        let keeper = tokio::spawn(keeper::keep(Arc::downgrade(&shared)));
        Self { shared, _keeper: AbortOnDropHandle::new(keeper) }
    }

    /// Counters, for metrics.
    pub fn stats(&self) -> RedisCacheStats {
        let session = self.shared.session();
        self.shared.counters.stats(session.is_none(), session.and_then(|session| session.lease.age()))
    }
}

impl Shared {
    fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        session.as_ref().filter(|session| !session.has_ended()).map(Arc::clone)
    }

    fn hand_out(&self, session: Option<Arc<Session>>) {
        *self.session.write().unwrap_or_else(std::sync::PoisonError::into_inner) = session;
    }
}

#[async_trait]
impl Store for RedisCache {
    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        self.read(ids, consistency).await
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let answers = self.shared.store.write(writes).await;
        let changed: BTreeMap<ArticleId, Position> = answers
            .iter()
            .flatten()
            .filter(|written| written.outcome != Outcome::Unchanged)
            .map(|written| (written.record.id.clone(), written.record.token.position))
            .collect();
        if let Some(session) = self.shared.session().filter(|_| !changed.is_empty()) {
            // In a task of its own, which ends neither with the caller nor with the budget. What it does not reach, the keepers
            // do.
            let told = tokio::spawn(async move { session.invalidate(&changed).await });
            let _late = tokio::time::timeout(BUDGET, told).await;
        }
        answers
    }

    fn feed(&self) -> Uuid {
        self.shared.store.feed()
    }

    async fn rehearse(&self, write: Write) -> Result<Written, WriteError> {
        self.shared.store.rehearse(write).await
    }

    async fn get_revision(&self, id: &ArticleId, revision: i64) -> Result<Option<Arc<Record>>, StoreError> {
        self.shared.store.get_revision(id, revision).await
    }

    async fn lookup(&self, key: &LookupKey, now: Timestamp) -> Result<Option<ArticleId>, StoreError> {
        self.shared.store.lookup(key, now).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Arc<Record>>, StoreError> {
        self.shared.store.list(query).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        self.shared.store.search(query).await
    }

    async fn revisions(&self, id: &ArticleId, before: Option<i64>, limit: usize) -> Result<Vec<Revision>, StoreError> {
        self.shared.store.revisions(id, before, limit).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.shared.store.changes(after, limit).await
    }

    async fn touched(&self, after: Place, limit: usize) -> Result<Touched, StoreError> {
        let touched = self.shared.store.touched(after, limit).await?;
        if let (Some((newest, _)), Some(session)) = (touched.articles.last(), self.shared.session()) {
            // Who hears of a change asks from then on for entries as new as that (`LocalCache`), which Redis can show only
            // once it has been repaired so far. So this keeps hits; nothing depends on it, and it must not cost trust.
            let patience = REPAIR.min(self.shared.options.staleness_bound / 10);
            let _late = tokio::time::timeout(patience, session.repaired(*newest)).await;
        }
        Ok(touched)
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.shared.store.head().await
    }

    async fn snapshot(
        &self,
        at: Position,
        after: Option<&ArticleId>,
        limit: usize,
    ) -> Result<Vec<(Arc<Record>, Standing)>, StoreError> {
        self.shared.store.snapshot(at, after, limit).await
    }

    fn wake(&self) -> watch::Receiver<Position> {
        self.shared.store.wake()
    }

    async fn indexed(&self) -> Result<Position, StoreError> {
        self.shared.store.indexed().await
    }

    async fn turn_clock(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.shared.store.turn_clock(now).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.shared.store.ping().await
    }
}
