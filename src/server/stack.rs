//! The store with its tracing, caches, standbys and consistency checker: their order, and the metrics of each.

use std::sync::Arc;

use super::engine::Engine;
use super::{ServerOptions, StartError};
use crate::cache::{ConsistencyChecker, LocalCache, RedisCache};
use crate::store::postgres::Standbys;
use crate::store::{KeyStore, Store, Traced};
use crate::telemetry::Metrics;

/// Open store behind its caches.
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
    pub(super) async fn open(options: &ServerOptions, metrics: &Metrics) -> Result<Self, StartError> {
        let engine = Engine::open(&options.store, metrics.store().clone()).await?;
        let store = match options.trace {
            Some(_) => Arc::new(Traced::new(engine.store())),
            None => engine.store(),
        };
        let redis = options
            .redis
            .clone()
            .map(|redis| Arc::new(RedisCache::new(Arc::clone(&store), redis, metrics.redis().clone())));
        let mut stack = Self { engine, store, redis, local: None, consistency_checker: None, standbys: None };
        if let Some(local) = &options.cache {
            let local = LocalCache::new(stack.store(), local.clone(), metrics.cache().clone()).await?;
            stack.local = Some(Arc::new(local));
        }
        stack.consistency_checker = options.consistency_check.clone().map(|options| {
            let (local, redis) = (stack.local.clone(), stack.redis.clone());
            let metrics = metrics.consistency_check().clone();
            Arc::new(ConsistencyChecker::new(stack.engine.store(), local, redis, options, metrics))
        });
        // Opened last, in front of the caches, so that no cache is filled from a standby.
        let standbys = stack.engine.standbys(&options.store, stack.cached(), metrics.standbys().clone()).await?;
        stack.standbys = standbys.map(Arc::new);
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
}
