//! The store with its tracing, caches, standbys and consistency checker: their order, and their statistics.

use std::sync::Arc;

use super::engine::Engine;
use super::{ServerOptions, StartError};
use crate::cache::{ConsistencyCheckStats, ConsistencyChecker, LocalCache, RedisCache, RedisCacheStats};
use crate::store::postgres::{StandbyStats, Standbys};
use crate::store::{KeyStore, Store, Traced};
use crate::telemetry::{ConsistencyCheckSnapshot, RedisSnapshot, Snapshot, StandbySnapshot};

/// Open store behind its caches. Cheap to clone.
#[derive(Clone)]
pub(super) struct Stack {
    engine: Engine,
    /// The engine's store, wrapped for tracing if calls are traced.
    store: Arc<dyn Store>,
    redis: Option<Arc<RedisCache>>,
    local: Option<Arc<LocalCache>>,
    consistency_checker: Option<Arc<ConsistencyChecker>>,
    standbys: Option<Arc<Standbys>>,
}

impl Stack {
    pub(super) async fn open(options: &ServerOptions) -> Result<Self, StartError> {
        let engine = Engine::open(&options.store).await?;
        let store = match options.trace {
            Some(_) => Arc::new(Traced::new(engine.store())),
            None => engine.store(),
        };
        let redis = options.redis.clone().map(|redis| Arc::new(RedisCache::new(Arc::clone(&store), redis)));
        let mut stack = Self { engine, store, redis, local: None, consistency_checker: None, standbys: None };
        if let Some(local) = &options.cache {
            stack.local = Some(Arc::new(LocalCache::new(stack.store(), local.clone()).await?));
        }
        stack.consistency_checker = options.consistency_check.clone().map(|options| {
            Arc::new(ConsistencyChecker::new(stack.engine.store(), stack.local.clone(), stack.redis.clone(), options))
        });
        // Opened last, in front of the caches, so that no cache is filled from a standby.
        stack.standbys = stack.engine.standbys(&options.store, stack.cached()).await?.map(Arc::new);
        Ok(stack)
    }

    /// Returns the store behind its caches, for writes and for followers of the change feed.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.cached().unwrap_or_else(|| Arc::clone(&self.store))
    }

    /// Returns the same store behind the standbys, for callers' reads.
    pub(super) fn reads(&self) -> Arc<dyn Store> {
        self.standbys.as_ref().map_or_else(|| self.store(), |standbys| Arc::clone(standbys) as Arc<dyn Store>)
    }

    /// Returns the API keys that are stored beside the articles.
    pub(super) fn keys(&self, options: &ServerOptions) -> Result<Arc<dyn KeyStore>, StartError> {
        self.engine.keys(&options.store)
    }

    fn cached(&self) -> Option<Arc<dyn Store>> {
        match (&self.local, &self.redis) {
            (Some(local), _) => Some(Arc::clone(local) as Arc<dyn Store>),
            (None, Some(redis)) => Some(Arc::clone(redis) as Arc<dyn Store>),
            (None, None) => None,
        }
    }

    pub(super) fn consistency_checker(&self) -> Option<Arc<ConsistencyChecker>> {
        self.consistency_checker.clone()
    }

    /// Returns the statistics that metrics pull.
    pub(super) fn snapshot(&self) -> Snapshot {
        let cache = self.local.as_ref().map(|cache| cache.stats()).unwrap_or_default();
        let store = self.engine.stats();
        Snapshot {
            cache_bytes: cache.bytes,
            cache_entries: cache.entries,
            cache_invalidations: cache.invalidations,
            cache_distrusted: cache.distrusted,
            feed_lag: cache.lag.unwrap_or_default(),
            search_lag: store.search_lag,
            store_commits: store.commits,
            store_writes: store.writes,
            store_commit_time: store.commit_time,
            store_queue: store.queued,
            store_reads: store.reads,
            store_reads_waiting: store.reads_waiting,
            store_reads_shed: store.reads_shed,
            store_breaker_open: store.breaker_open,
            redis: self.redis.as_ref().map(|redis| of_redis(redis.stats())).unwrap_or_default(),
            standbys: self.standbys.as_ref().map(|standbys| of_standbys(standbys.stats())).unwrap_or_default(),
            consistency_check: self
                .consistency_checker
                .as_ref()
                .map(|consistency_checker| of_consistency_check(consistency_checker.stats()))
                .unwrap_or_default(),
        }
    }
}

fn of_redis(stats: RedisCacheStats) -> RedisSnapshot {
    RedisSnapshot {
        hits: stats.hits,
        misses: stats.misses,
        fills: stats.fills,
        rejected: stats.rejected,
        refreshes: stats.refreshes,
        errors: stats.errors,
        foreign: stats.foreign,
        distrusted: stats.distrusted,
        breaker_open: stats.breaker_open,
        servers: stats.servers,
        lag: stats.lag.unwrap_or_default(),
    }
}

fn of_standbys(stats: StandbyStats) -> StandbySnapshot {
    StandbySnapshot {
        standbys: stats.standbys,
        fresh: stats.fresh,
        reads: stats.reads,
        fallbacks: stats.fallbacks,
        lag: stats.lag,
    }
}

fn of_consistency_check(stats: ConsistencyCheckStats) -> ConsistencyCheckSnapshot {
    ConsistencyCheckSnapshot { rounds: stats.rounds, checked: stats.checked, violations: stats.violations }
}
