//! Metrics in the OpenMetrics text format. Names begin with `copydesk_` and end with their unit.
//!
//! Each subject has a file: its metrics, their registration, and the methods that change them. A module gets the
//! metrics of its subject when it is created and increments them in place. Metrics that were not registered, such as
//! the defaults, count but are not exported.

mod cache;
mod calls;
mod computed;
mod connections;
mod consistency_check;
mod ingest;
mod read_counts;
mod redis;
mod retrieval;
mod search;
mod standbys;
mod store;
mod stories;

use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

pub use cache::CacheMetrics;
pub use calls::{CallMetrics, MethodMetrics};
pub use computed::ComputedGauge;
pub use connections::{ConnectionMetrics, OpenConnection};
pub use consistency_check::ConsistencyCheckMetrics;
pub use ingest::IngestMetrics;
pub use read_counts::ReadCountMetrics;
pub use redis::RedisMetrics;
pub use retrieval::RetrievalMetrics;
pub use search::SearchMetrics;
pub use standbys::StandbyMetrics;
pub use store::{ReadMetrics, StoreMetrics};
pub use stories::StoryMetrics;

use super::trace::TraceMetrics;

/// All metrics of a server. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    calls: CallMetrics,
    retrieval: RetrievalMetrics,
    ingest: IngestMetrics,
    connections: ConnectionMetrics,
    traces: TraceMetrics,
    cache: CacheMetrics,
    store: StoreMetrics,
    search: SearchMetrics,
    stories: StoryMetrics,
    read_counts: ReadCountMetrics,
    redis: RedisMetrics,
    standbys: StandbyMetrics,
    consistency_check: ConsistencyCheckMetrics,
}

impl Metrics {
    /// Creates the metrics of a server for methods with these paths, such as
    /// `/copydesk.v1.RetrievalService/GetArticle`.
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("copydesk"),
            calls: CallMetrics::new(paths),
            retrieval: RetrievalMetrics::default(),
            ingest: IngestMetrics::default(),
            connections: ConnectionMetrics::default(),
            traces: TraceMetrics::default(),
            cache: CacheMetrics::default(),
            store: StoreMetrics::default(),
            search: SearchMetrics::default(),
            stories: StoryMetrics::default(),
            read_counts: ReadCountMetrics::default(),
            redis: RedisMetrics::default(),
            standbys: StandbyMetrics::default(),
            consistency_check: ConsistencyCheckMetrics::default(),
        };
        let registry = &mut inner.registry;
        inner.calls.register(registry);
        inner.retrieval.register(registry);
        inner.ingest.register(registry);
        inner.connections.register(registry);
        inner.traces.register(registry);
        inner.cache.register(registry);
        inner.store.register(registry);
        inner.search.register(registry);
        inner.stories.register(registry);
        inner.read_counts.register(registry);
        inner.redis.register(registry);
        inner.standbys.register(registry);
        inner.consistency_check.register(registry);
        Self(Arc::new(inner))
    }

    /// Returns the metrics of calls.
    pub fn calls(&self) -> &CallMetrics {
        &self.0.calls
    }

    /// Returns the metrics of reads.
    pub fn retrieval(&self) -> &RetrievalMetrics {
        &self.0.retrieval
    }

    /// Returns the metrics of ingestion.
    pub fn ingest(&self) -> &IngestMetrics {
        &self.0.ingest
    }

    /// Returns the connection metrics.
    pub fn connections(&self) -> &ConnectionMetrics {
        &self.0.connections
    }

    /// Returns the trace metrics.
    pub fn traces(&self) -> &TraceMetrics {
        &self.0.traces
    }

    /// Returns the metrics of stories.
    pub fn stories(&self) -> &StoryMetrics {
        &self.0.stories
    }

    /// Returns the metrics of the counts of reads.
    pub fn read_counts(&self) -> &ReadCountMetrics {
        &self.0.read_counts
    }

    /// Returns the metrics of the local cache.
    pub fn cache(&self) -> &CacheMetrics {
        &self.0.cache
    }

    /// Returns the metrics of the store.
    pub fn store(&self) -> &StoreMetrics {
        &self.0.store
    }

    /// Returns the metrics of the search index.
    pub fn search(&self) -> &SearchMetrics {
        &self.0.search
    }

    /// Returns the metrics of the Redis cache.
    pub fn redis(&self) -> &RedisMetrics {
        &self.0.redis
    }

    /// Returns the metrics of the store's standbys.
    pub fn standbys(&self) -> &StandbyMetrics {
        &self.0.standbys
    }

    /// Returns the metrics of the comparison of caches with the store.
    pub fn consistency_check(&self) -> &ConsistencyCheckMetrics {
        &self.0.consistency_check
    }

    /// Renders all metrics as text.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}
