//! Metrics in the OpenMetrics text format. Names begin with `copydesk_` and end with their unit.
//!
//! Each subject has a file: its metrics, their registration, and the methods that change them.

mod calls;
mod connections;
mod ingest;
mod retrieval;

use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

pub use calls::{CallMetrics, MethodMetrics};
pub use connections::{ConnectionMetrics, OpenConnection};
pub use ingest::IngestMetrics;
pub use retrieval::RetrievalMetrics;

use super::snapshot::{Gauges, Snapshot};
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
    gauges: Gauges,
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
            gauges: Gauges::default(),
        };
        let registry = &mut inner.registry;
        inner.calls.register(registry);
        inner.retrieval.register(registry);
        inner.ingest.register(registry);
        inner.connections.register(registry);
        inner.traces.register(registry);
        inner.gauges.register(registry);
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

    /// Renders all metrics as text.
    pub fn render(&self, snapshot: &Snapshot) -> Result<String, std::fmt::Error> {
        self.0.gauges.set(snapshot);
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}
