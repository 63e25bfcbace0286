//! Metrics in the OpenMetrics text format. Names begin with `copydesk_` and end with their unit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::{Registry, Unit};

use super::connections::ConnectionMetrics;
use super::snapshot::{Gauges, Snapshot};
use super::trace::{TraceId, TraceMetrics};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    method: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MethodLabel {
    method: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LayerLabel {
    layer: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Exemplar label: the trace of a call in the bucket.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TraceLabel {
    trace_id: String,
}

/// Names of gRPC status codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Label values exported from the start as 0, so that `rate()` sees the first increase.
const OUTCOMES: [&str; 6] = ["created", "revised", "unchanged", "duplicate", "invalid", "failed"];
const REFUSALS: [&str; 9] =
    ["missing", "invalid", "expired", "unavailable", "scope", "method", "rate", "host", "origin"];

/// Metrics of one method, looked up once per call and updated without a lock.
#[derive(Debug)]
pub struct CallMetrics {
    method: String,
    by_code: [Counter; CODES.len()],
    seconds: HistogramWithExemplars<TraceLabel>,
    in_flight: Gauge,
}

impl CallMetrics {
    /// Returns the method label; `other` for unknown methods.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Records the start of a call.
    pub fn begin(&self) {
        self.in_flight.inc();
    }

    /// Records the end of a call. An unknown code counts as UNKNOWN. A traced call becomes an exemplar of its duration.
    pub fn end(&self, code: usize, duration: Duration, trace: Option<TraceId>) {
        self.in_flight.dec();
        self.by_code[if code < CODES.len() { code } else { 2 }].inc();
        let exemplar = trace.map(|id| TraceLabel { trace_id: id.to_string() });
        let time = exemplar.is_some().then(SystemTime::now);
        self.seconds.observe(duration.as_secs_f64(), exemplar, time);
    }

    /// Returns the name of a status code.
    pub fn code_name(code: usize) -> &'static str {
        CODES.get(code).copied().unwrap_or("UNKNOWN")
    }
}

/// All metrics of a server. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    methods: HashMap<String, Arc<CallMetrics>>,
    other: Arc<CallMetrics>,
    cache: [(&'static str, Counter); 3],
    ingest: Family<OutcomeLabel, Counter>,
    panics: Counter,
    shed: Counter,
    limit: Gauge,
    refused: Family<ReasonLabel, Counter>,
    connections: ConnectionMetrics,
    traces: TraceMetrics,
    gauges: Gauges,
}

impl Metrics {
    /// Creates the metrics of a server for methods with these paths, such as
    /// `/copydesk.v1.RetrievalService/GetArticle`.
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        let mut registry = Registry::with_prefix("copydesk");
        let calls = Family::<CallLabels, Counter>::default();
        let seconds = Family::<MethodLabel, HistogramWithExemplars<TraceLabel>>::new_with_constructor(|| {
            // Buckets from 50 µs to 26 s.
            HistogramWithExemplars::new(exponential_buckets(0.000_05, 2.0, 20))
        });
        let in_flight = Family::<MethodLabel, Gauge>::default();
        registry.register("grpc_calls", "Completed calls, by method and code", calls.clone());
        let help = "Duration of calls, up to the end of the response";
        registry.register_with_unit("grpc_call_duration", help, Unit::Seconds, seconds.clone());
        registry.register("grpc_calls_in_flight", "Calls in progress", in_flight.clone());
        let of_method = |method: &str| {
            let by_code = CODES.map(|code| {
                calls.get_or_create(&CallLabels { method: method.to_owned(), code: code.to_owned() }).clone()
            });
            let label = MethodLabel { method: method.to_owned() };
            let seconds = seconds.get_or_create(&label).clone();
            let in_flight = in_flight.get_or_create(&label).clone();
            Arc::new(CallMetrics { method: method.to_owned(), by_code, seconds, in_flight })
        };
        let methods = paths.into_iter().map(|path| (path.clone(), of_method(path.trim_start_matches('/')))).collect();
        let other = of_method("other");

        let answers = Family::<LayerLabel, Counter>::default();
        let help = "Articles read by name or key, by the layer that answered";
        registry.register("cache_answers", help, answers.clone());
        let cache =
            ["local", "redis", "store"].map(|layer| (layer, answers.get_or_create(&LayerLabel { layer }).clone()));
        let ingest = Family::<OutcomeLabel, Counter>::default();
        registry.register("ingest_documents", "Ingested documents, by outcome", ingest.clone());
        OUTCOMES.iter().for_each(|outcome| drop(ingest.get_or_create(&OutcomeLabel { outcome })));
        let panics = Counter::default();
        registry.register("panics", "Calls that ended in a panic", panics.clone());
        let shed = Counter::default();
        registry.register("grpc_calls_shed", "Calls rejected because of the concurrency limit", shed.clone());
        let limit = Gauge::default();
        registry.register("grpc_calls_limit", "Current limit of concurrent unary calls", limit.clone());
        let refused = Family::<ReasonLabel, Counter>::default();
        let help = "Calls rejected by authentication, authorization or rate limiting";
        registry.register("grpc_calls_refused", help, refused.clone());
        REFUSALS.iter().for_each(|reason| drop(refused.get_or_create(&ReasonLabel { reason })));
        let connections = ConnectionMetrics::default();
        connections.register(&mut registry);
        let traces = TraceMetrics::default();
        traces.register(&mut registry);
        let gauges = Gauges::default();
        gauges.register(&mut registry);
        Self(Arc::new(Inner {
            registry,
            methods,
            other,
            cache,
            ingest,
            panics,
            shed,
            limit,
            refused,
            connections,
            traces,
            gauges,
        }))
    }

    /// Returns the metrics of a method.
    pub fn call(&self, path: &str) -> Arc<CallMetrics> {
        Arc::clone(self.0.methods.get(path).unwrap_or(&self.0.other))
    }

    /// Counts articles answered by a layer.
    pub fn cache_answers(&self, layer: &str, articles: u64) {
        if let Some((_, counter)) = self.0.cache.iter().find(|(name, _)| *name == layer) {
            counter.inc_by(articles);
        }
    }

    /// Counts an ingested document by its outcome.
    pub fn ingested(&self, outcome: &'static str) {
        self.0.ingest.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a call that panicked.
    pub fn panicked(&self) {
        self.0.panics.inc();
    }

    /// Counts a call rejected by the concurrency limit.
    pub fn shed(&self) {
        self.0.shed.inc();
    }

    /// Sets the limit of concurrent unary calls.
    pub fn limit(&self, calls: usize) {
        self.0.limit.set(i64::try_from(calls).unwrap_or(i64::MAX));
    }

    /// Counts a call rejected by authentication, authorization or rate limiting.
    pub fn refused(&self, reason: &'static str) {
        self.0.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Returns the trace metrics.
    pub fn traces(&self) -> &TraceMetrics {
        &self.0.traces
    }

    /// Returns the connection metrics.
    pub fn connections(&self) -> &ConnectionMetrics {
        &self.0.connections
    }

    /// Renders all metrics as text.
    pub fn render(&self, snapshot: &Snapshot) -> Result<String, std::fmt::Error> {
        self.0.gauges.set(snapshot);
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}
