//! Standbys of the database, which answer reads that they are fresh enough for: see docs/decisions/0013.
//!
//! They are in front of all other layers, including caches, so a standby's answer goes to the caller and into no cache.
//! Caches, followers of the change feed and writes use the inner store, which does not know about standbys.

mod follower;
mod freshness;
mod standby;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use futures::future::join_all;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{OpenError, PostgresStore, StandbyOptions, feed, key_table, list, rows};
use crate::article::{ArticleId, Key, Position, Record};
use crate::store::{
    Consistency, Fetched, ListPage, ListQuery, Revision, SnapshotQuery, Store, StoreError, StoreLayer, Visibility,
};
use crate::telemetry::StandbyMetrics;
use standby::{Standby, StandbyError, StandbyPermit};

/// Store decorator that sends reads to standbys.
pub struct Standbys {
    inner: Arc<dyn Store>,
    feed: Uuid,
    /// True if standbys answer `get`, too.
    articles: bool,
    standbys: Arc<[Arc<Standby>]>,
    next: AtomicUsize,
    metrics: StandbyMetrics,
    _followers: Vec<AbortOnDropHandle<()>>,
}

impl Standbys {
    /// Puts standbys of `primary` in front of its caches `cached`, which answer `get` and are filled from the primary.
    ///
    /// # Errors
    /// If a standby belongs to another store. A standby that is unreachable or not ready yet is retried.
    pub async fn before_caches(
        primary: &Arc<PostgresStore>,
        cached: Arc<dyn Store>,
        options: &StandbyOptions,
        metrics: StandbyMetrics,
    ) -> Result<Self, OpenError> {
        Self::open(primary, cached, false, options, metrics).await
    }

    /// Puts standbys of `primary` in front of it, without caches: they also answer `get`.
    ///
    /// # Errors
    /// Same as [`Standbys::before_caches`].
    pub async fn before_store(
        primary: &Arc<PostgresStore>,
        options: &StandbyOptions,
        metrics: StandbyMetrics,
    ) -> Result<Self, OpenError> {
        Self::open(primary, Arc::clone(primary) as Arc<dyn Store>, true, options, metrics).await
    }

    async fn open(
        primary: &Arc<PostgresStore>,
        inner: Arc<dyn Store>,
        articles: bool,
        options: &StandbyOptions,
        metrics: StandbyMetrics,
    ) -> Result<Self, OpenError> {
        let (feed, bound) = (primary.feed, options.staleness_bound);
        let mut standbys = Vec::with_capacity(options.servers.len());
        for at in &options.servers {
            let failed = |error: StoreError| OpenError::Refused { address: at.address(), cause: error.to_string() };
            standbys.push(Arc::new(Standby::new(at, feed, bound).map_err(failed)?));
        }
        for (standby, found) in
            standbys.iter().zip(join_all(standbys.iter().map(|standby| standby.query_status())).await)
        {
            if found.err().flatten() == Some(StandbyError::Foreign) {
                return Err(OpenError::Foreign { address: standby.address.clone() });
            }
        }
        let standbys: Arc<[_]> = standbys.into();
        measure(&standbys, &metrics);
        let follow = |standby: &Arc<Standby>| {
            let follower = follower::follow(Arc::clone(standby), Arc::clone(primary), bound, options.poll);
            AbortOnDropHandle::new(tokio::spawn(follower))
        };
        Ok(Self {
            inner,
            feed,
            articles,
            _followers: standbys.iter().map(follow).collect(),
            standbys,
            next: AtomicUsize::new(0),
            metrics,
        })
    }

    /// Returns the metrics.
    pub fn metrics(&self) -> &StandbyMetrics {
        &self.metrics
    }

    /// Returns the position of the standby furthest behind.
    pub fn replayed(&self) -> Position {
        let replayed = self.standbys.iter().map(|standby| standby.freshness().replayed());
        replayed.min().unwrap_or(Position::START)
    }

    /// Returns a permit for a standby that is fresh enough: the one with the fewest reads in progress, round robin
    /// among equals.
    fn select(&self, consistency: Consistency) -> Option<StandbyPermit<'_>> {
        let (now, first) = (Instant::now(), self.next.fetch_add(1, Ordering::Relaxed));
        let count = self.standbys.len();
        let mut candidates: Vec<&Standby> = (0..count).map(|at| &*self.standbys[(first + at) % count]).collect();
        candidates.sort_by_key(|standby| standby.in_flight());
        candidates.into_iter().find_map(|standby| standby.permit(consistency, now))
    }

    /// Returns articles from a standby, if standbys answer `get` and one is fresh enough.
    async fn fetch(&self, ids: &[ArticleId], consistency: Consistency) -> Option<Vec<Fetched>> {
        let permit = self.articles.then(|| self.select(consistency)).flatten()?;
        self.record_result(rows::fetch(&permit, self.feed, ids).await)
    }

    /// Counts a standby's result. Any failure falls back to the inner store.
    fn record_result<T>(&self, read: Result<T, StoreError>) -> Option<T> {
        let counter = if read.is_ok() { &self.metrics.reads } else { &self.metrics.fallbacks };
        counter.inc();
        read.ok()
    }
}

/// Sets the gauges of the standbys.
fn measure(standbys: &Arc<[Arc<Standby>]>, metrics: &StandbyMetrics) {
    metrics.configured.set(i64::try_from(standbys.len()).unwrap_or(i64::MAX));
    let fresh = |standbys: &[Arc<Standby>]| standbys.iter().filter(|standby| standby.is_fresh()).count() as u64;
    metrics.fresh.read_from_weak(standbys, fresh);
    metrics.lag.read_from_weak(standbys, |standbys| {
        let lags = standbys.iter().map(|standby| standby.freshness().lag());
        lags.max().unwrap_or_default().as_secs_f64()
    });
}

#[async_trait]
impl StoreLayer for Standbys {
    fn inner(&self) -> &dyn Store {
        self.inner.as_ref()
    }

    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        match self.fetch(ids, consistency).await {
            Some(fetched) => Ok(fetched),
            None => self.inner.get(ids, consistency).await,
        }
    }

    async fn get_for_follower(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        match self.fetch(ids, consistency).await {
            Some(fetched) => Ok(fetched),
            None => self.inner.get_for_follower(ids, consistency).await,
        }
    }

    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        if let Some(permit) = self.select(consistency)
            && let Some(record) = self.record_result(rows::revision(&permit, self.feed, id, revision).await)
        {
            return Ok(record);
        }
        self.inner.get_revision(id, revision, consistency).await
    }

    async fn lookup(&self, keys: &[Key], consistency: Consistency) -> Result<Vec<Option<ArticleId>>, StoreError> {
        if let Some(permit) = self.select(consistency)
            && let Some(ids) = self.record_result(key_table::lookup(&permit, keys).await)
        {
            return Ok(ids);
        }
        self.inner.lookup(keys, consistency).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        if let Some(permit) = self.select(query.consistency)
            && let Some(page) = self.record_result(list::list(&permit, self.feed, query).await)
        {
            return Ok(page);
        }
        self.inner.list(query).await
    }

    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError> {
        if let Some(permit) = self.select(consistency)
            && let Some(page) = self.record_result(feed::revisions(&permit, self.feed, id, before, limit).await)
        {
            return Ok(page);
        }
        self.inner.revisions(id, before, limit, consistency).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
        // Its feed must have reached `at`, and the articles' current state must be as fresh as in any other read.
        if let Some(permit) = self.select(Consistency::AtLeast(query.at))
            && let Some(page) = self.record_result(feed::snapshot(&permit, self.feed, query).await)
        {
            return Ok(page);
        }
        self.inner.snapshot(query).await
    }
}
