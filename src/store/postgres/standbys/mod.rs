//! Standbys of the database, which answer what they are fresh enough for: see docs/decisions/0013.
//!
//! They stand in front of everything else, caches included: so what a standby answers goes to the caller, and into no cache.
//! Caches, whoever follows the feed, and writes have the store behind, which knows nothing of standbys.

mod follower;
mod freshness;
mod standby;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{OpenError, PostgresStore, StandbyOptions, feed, list, rows, search};
use crate::article::{ArticleId, Position, Record};
use crate::store::{
    Change, Consistency, Fetched, ListQuery, LookupKey, Place, Revision, SearchPage, SearchQuery, Standing, Store,
    StoreError, Touched, Write, WriteError, Written,
};
use standby::{Standby, Trouble, Turn};

/// Counters of all standbys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StandbyStats {
    /// How many there are.
    pub standbys: u64,
    /// How many would be asked now.
    pub fresh: u64,
    /// Reads that they answered.
    pub reads: u64,
    /// Reads that one of them was asked for, and could not answer: the store behind did.
    pub fallbacks: u64,
    /// How old what the one furthest behind has may be.
    pub lag: Duration,
    /// How far that one has come.
    pub replayed: Position,
}

/// A store in front of which standbys answer reads.
pub struct Standbys {
    behind: Arc<dyn Store>,
    feed: Uuid,
    /// Whether `get` is read from them, too.
    articles: bool,
    standbys: Vec<Arc<Standby>>,
    next: AtomicUsize,
    reads: AtomicU64,
    fallbacks: AtomicU64,
    _followers: Vec<AbortOnDropHandle<()>>,
}

impl Standbys {
    /// Standbys of `primary` in front of `cached`, which are caches of it: these answer `get`, and fill themselves.
    ///
    /// # Errors
    /// When one of them is of another store. One that cannot be reached, or is not what it should be yet, is looked for.
    pub async fn before_caches(
        primary: &Arc<PostgresStore>,
        cached: Arc<dyn Store>,
        options: &StandbyOptions,
    ) -> Result<Self, OpenError> {
        Self::open(primary, cached, false, options).await
    }

    /// Standbys of `primary` in front of it, where there is no cache: they answer `get` as well.
    ///
    /// # Errors
    /// As [`Standbys::before_caches`].
    pub async fn before_store(primary: &Arc<PostgresStore>, options: &StandbyOptions) -> Result<Self, OpenError> {
        Self::open(primary, Arc::clone(primary) as Arc<dyn Store>, true, options).await
    }

    async fn open(
        primary: &Arc<PostgresStore>,
        behind: Arc<dyn Store>,
        articles: bool,
        options: &StandbyOptions,
    ) -> Result<Self, OpenError> {
        let (feed, bound) = (primary.feed, options.staleness_bound);
        let mut standbys = Vec::with_capacity(options.at.len());
        for at in &options.at {
            let failed = |error: StoreError| OpenError::Refused { place: at.place(), cause: error.to_string() };
            standbys.push(Arc::new(Standby::new(at, feed, bound).map_err(failed)?));
        }
        for (standby, found) in standbys.iter().zip(join_all(standbys.iter().map(|standby| standby.ask())).await) {
            if found.err().flatten() == Some(Trouble::Foreign) {
                return Err(OpenError::Foreign { place: standby.place.clone() });
            }
        }
        let follow = |standby: &Arc<Standby>| {
            let follower = follower::follow(Arc::clone(standby), Arc::clone(primary), bound, options.poll);
            AbortOnDropHandle::new(tokio::spawn(follower))
        };
        Ok(Self {
            behind,
            feed,
            articles,
            _followers: standbys.iter().map(follow).collect(),
            standbys,
            next: AtomicUsize::new(0),
            reads: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
        })
    }

    /// Counters, for metrics.
    pub fn stats(&self) -> StandbyStats {
        let lags = self.standbys.iter().map(|standby| standby.freshness().lag());
        let replayed = self.standbys.iter().map(|standby| standby.freshness().replayed());
        StandbyStats {
            standbys: self.standbys.len() as u64,
            fresh: self.standbys.iter().filter(|standby| standby.is_fresh()).count() as u64,
            reads: self.reads.load(Ordering::Relaxed),
            fallbacks: self.fallbacks.load(Ordering::Relaxed),
            lag: lags.max().unwrap_or_default(),
            replayed: replayed.min().unwrap_or(Position::START),
        }
    }

    /// The right to ask one that is fresh enough: of several, the one with the fewest reads under way, and of equals each in
    /// turn.
    fn turn(&self, consistency: Consistency, searched: bool) -> Option<Turn<'_>> {
        let (now, first) = (Instant::now(), self.next.fetch_add(1, Ordering::Relaxed));
        let count = self.standbys.len();
        let mut all: Vec<&Standby> = (0..count).map(|at| &*self.standbys[(first + at) % count]).collect();
        all.sort_by_key(|standby| standby.in_flight());
        all.into_iter().find_map(|standby| standby.turn(consistency, searched, now))
    }

    /// What a standby has answered. Whatever it failed with, the store behind may know better.
    fn answered<T>(&self, read: Result<T, StoreError>) -> Option<T> {
        let count = if read.is_ok() { &self.reads } else { &self.fallbacks };
        count.fetch_add(1, Ordering::Relaxed);
        read.ok()
    }
}

#[async_trait]
impl Store for Standbys {
    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        if let Some(turn) = self.articles.then(|| self.turn(consistency, false)).flatten()
            && let Some(fetched) = self.answered(rows::fetch(&turn, self.feed, ids).await)
        {
            return Ok(fetched);
        }
        self.behind.get(ids, consistency).await
    }

    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        if let Some(turn) = self.turn(consistency, false)
            && let Some(record) = self.answered(rows::revision(&turn, self.feed, id, revision).await)
        {
            return Ok(record);
        }
        self.behind.get_revision(id, revision, consistency).await
    }

    async fn lookup(
        &self,
        key: &LookupKey,
        now: Timestamp,
        consistency: Consistency,
    ) -> Result<Option<ArticleId>, StoreError> {
        if let Some(turn) = self.turn(consistency, false)
            && let Some(id) = self.answered(list::lookup(&turn, key, now).await)
        {
            return Ok(id);
        }
        self.behind.lookup(key, now, consistency).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Arc<Record>>, StoreError> {
        if let Some(turn) = self.turn(query.consistency, query.filter.query.is_some())
            && let Some(page) = self.answered(list::list(&turn, self.feed, query).await)
        {
            return Ok(page);
        }
        self.behind.list(query).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        if let Some(turn) = self.turn(query.consistency, true)
            && let Some(page) = self.answered(search::search(&turn, self.feed, query).await)
        {
            return Ok(page);
        }
        self.behind.search(query).await
    }

    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError> {
        if let Some(turn) = self.turn(consistency, false)
            && let Some(page) = self.answered(feed::revisions(&turn, self.feed, id, before, limit).await)
        {
            return Ok(page);
        }
        self.behind.revisions(id, before, limit, consistency).await
    }

    async fn snapshot(
        &self,
        at: Position,
        after: Option<&ArticleId>,
        limit: usize,
    ) -> Result<Vec<(Arc<Record>, Standing)>, StoreError> {
        // Its history must have come as far, and where articles stand now must be no older than any other read.
        if let Some(turn) = self.turn(Consistency::AtLeast(at), false)
            && let Some(page) = self.answered(feed::snapshot(&turn, self.feed, at, after, limit).await)
        {
            return Ok(page);
        }
        self.behind.snapshot(at, after, limit).await
    }

    // The rest is the primary's.

    fn feed(&self) -> Uuid {
        self.feed
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        self.behind.write(writes).await
    }

    async fn rehearse(&self, write: Write) -> Result<Written, WriteError> {
        self.behind.rehearse(write).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.behind.changes(after, limit).await
    }

    async fn touched(&self, after: Place, limit: usize) -> Result<Touched, StoreError> {
        self.behind.touched(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.behind.head().await
    }

    async fn reaches(&self, position: Position) -> Result<bool, StoreError> {
        self.behind.reaches(position).await
    }

    fn wake(&self) -> watch::Receiver<Position> {
        self.behind.wake()
    }

    async fn indexed(&self) -> Result<Position, StoreError> {
        self.behind.indexed().await
    }

    async fn turn_clock(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.behind.turn_clock(now).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.behind.ping().await
    }
}
