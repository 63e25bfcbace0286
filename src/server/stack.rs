//! The store with its tracing, caches, standbys and consistency checker: their order, and the metrics of each.

use std::sync::Arc;

use super::engine::Engine;
use super::{ServerOptions, StartError};
use crate::cache::{ConsistencyChecker, LocalCache, RedisCache};
use crate::search::SearchIndex;
use crate::store::postgres::Standbys;
use crate::store::{KeyStore, Store, Traced};
use crate::stories::Stories;
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
    index: Arc<SearchIndex>,
    stories: Option<Arc<Stories>>,
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
        let cached = |local: &Option<Arc<LocalCache>>| match (local, &redis) {
            (Some(local), _) => Some(Arc::clone(local) as Arc<dyn Store>),
            (None, Some(redis)) => Some(Arc::clone(redis) as Arc<dyn Store>),
            (None, None) => None,
        };
        let local = match &options.cache {
            Some(local) => {
                let below = cached(&None).unwrap_or_else(|| Arc::clone(&store));
                Some(Arc::new(LocalCache::new(below, local.clone(), metrics.cache().clone()).await?))
            }
            None => None,
        };
        let consistency_checker = options.consistency_check.clone().map(|options| {
            let metrics = metrics.consistency_check().clone();
            Arc::new(ConsistencyChecker::new(engine.store(), local.clone(), redis.clone(), options, metrics))
        });
        let below = cached(&local);
        // Opened last, in front of the caches, so that no cache is filled from a standby.
        let standbys = engine.standbys(&options.store, below, metrics.standbys().clone()).await?;
        // It follows the store itself: its reads of every new article must not fill the caches.
        let index = SearchIndex::open(Arc::clone(&store), options.search.clone(), metrics.search().clone()).await?;
        let stories = options.stories.then(|| Stories::start(Arc::clone(&store), metrics.stories().clone()));
        Ok(Self {
            engine,
            store,
            redis: redis.clone(),
            local: local.clone(),
            consistency_checker,
            standbys: standbys.map(Arc::new),
            index: Arc::new(index),
            stories: stories.map(Arc::new),
        })
    }

    /// Returns the store behind its caches, for writes and for followers of the change feed.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.cached().unwrap_or_else(|| Arc::clone(&self.store))
    }

    /// Returns the same store behind the standbys, for callers' reads.
    pub(super) fn reads(&self) -> Arc<dyn Store> {
        self.standbys.as_ref().map_or_else(|| self.store(), |standbys| Arc::clone(standbys) as Arc<dyn Store>)
    }

    /// Returns the search index.
    pub(super) fn index(&self) -> Arc<SearchIndex> {
        Arc::clone(&self.index)
    }

    /// Returns the stories, unless they are off.
    pub(super) fn stories(&self) -> Option<Arc<Stories>> {
        self.stories.clone()
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
