//! Cache in Redis, shared by replicas: entries are filled under a lease and invalidated by the change feed.
//!
//! Three rules make it safe (see docs/decisions/0010). A fill needs a token that every change revokes. Every replica's
//! reconciler repeats invalidations that a change missed. A replica serves from Redis only while its own reconciler has
//! replayed all invalidations within the staleness bound.

mod cluster;
mod miss_rate;
mod options;
mod probe;
mod protocol;
mod read;
mod reconciler;
mod sentinel;
mod session;
mod tls;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;
use tokio_util::task::AbortOnDropHandle;

pub use options::RedisOptions;
pub use probe::RedisFacts;
pub use protocol::scripts;

use crate::article::{ArticleId, Position};
use crate::store::{
    ChangedIds, Consistency, FeedCursor, Fetched, Store, StoreError, StoreLayer, Write, WriteError, Written,
};
use crate::telemetry::RedisMetrics;
use crate::telemetry::trace::{current_context, with_context};
use cluster::router::Router;
use miss_rate::MissRate;
use options::Endpoint;

/// Maximum time that the response to a write waits for the invalidation in Redis.
const BUDGET: Duration = Duration::from_millis(20);
/// Maximum delay of changes for a cache in front of this one, until the reconciler has invalidated them in Redis.
const REPAIR: Duration = Duration::from_millis(50);

/// Store decorator that caches `get` in Redis. All other methods go to the store.
pub struct RedisCache {
    context: Arc<RedisContext>,
    /// Reconciler of one server, or the topology task of a Cluster, which runs a reconciler per node.
    _reconciler: AbortOnDropHandle<()>,
}

struct RedisContext {
    store: Arc<dyn Store>,
    options: RedisOptions,
    router: Router,
    metrics: RedisMetrics,
    miss_rate: MissRate,
    foreign_logged: Mutex<Option<Instant>>,
}

impl RedisCache {
    /// Creates a cache in front of a store. While Redis is unreachable, reads go to the store.
    pub fn new(store: Arc<dyn Store>, options: RedisOptions, metrics: RedisMetrics) -> Self {
        let context = Arc::new(RedisContext {
            store,
            router: Router::new(options.mode()),
            options,
            metrics: metrics.clone(),
            miss_rate: MissRate::default(),
            foreign_logged: Mutex::new(None),
        });
        metrics.breaker_open.read_from_weak(&context, |context| u64::from(!context.router.covers_all_slots()));
        metrics.servers.read_from_weak(&context, |context| context.router.sessions().len() as u64);
        metrics.lag.read_from_weak(&context, |context| {
            let lags = context.router.sessions().into_iter().filter_map(|session| session.lease.age());
            lags.max().unwrap_or_default().as_secs_f64()
        });
        let reconciler = match &context.options.endpoint {
            Endpoint::One(server) => tokio::spawn(reconciler::run(Arc::downgrade(&context), server.clone())),
            Endpoint::Cluster(seeds) => {
                tokio::spawn(cluster::discovery::follow(Arc::downgrade(&context), seeds.clone()))
            }
        };
        Self { context, _reconciler: AbortOnDropHandle::new(reconciler) }
    }

    /// Returns the metrics.
    pub fn metrics(&self) -> &RedisMetrics {
        &self.context.metrics
    }
}

#[async_trait]
impl StoreLayer for RedisCache {
    fn inner(&self) -> &dyn Store {
        self.context.store.as_ref()
    }

    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        self.read(ids, consistency).await
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let answers = self.context.store.write(writes).await;
        let changed: BTreeMap<ArticleId, Position> = answers
            .iter()
            .flatten()
            .filter(|written| written.outcome.is_change())
            .flat_map(|written| std::iter::once(&written.record).chain(&written.merged))
            .map(|record| (record.id.clone(), record.token.position))
            .collect();
        let sessions = if changed.is_empty() { Vec::new() } else { self.context.router.sessions() };
        if !sessions.is_empty() {
            // In a separate task, which outlives the caller and the budget. The reconcilers repeat invalidations that
            // fail.
            let invalidate = async move { join_all(sessions.iter().map(|session| session.invalidate(&changed))).await };
            let _late = tokio::time::timeout(BUDGET, tokio::spawn(with_context(current_context(), invalidate))).await;
        }
        answers
    }

    async fn changed_ids(&self, after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError> {
        let changed = self.context.store.changed_ids(after, limit).await?;
        if let Some((newest, _)) = changed.articles.last() {
            // After a change, `LocalCache` requires entries at least that fresh, and Redis can prove that only once its
            // reconciler has reached the change. Waiting preserves hits. Correctness does not depend on it, and it must
            // not exhaust the lease.
            let max_wait = REPAIR.min(self.context.options.staleness_bound / 10);
            let sessions = self.context.router.sessions();
            let repaired = join_all(sessions.iter().map(|session| session.repaired(*newest)));
            let _late = tokio::time::timeout(max_wait, repaired).await;
        }
        Ok(changed)
    }
}
