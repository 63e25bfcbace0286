//! Metrics of calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::{Registry, Unit};

use crate::telemetry::trace::TraceId;

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
const REFUSALS: [&str; 9] =
    ["missing", "invalid", "expired", "unavailable", "scope", "method", "rate", "host", "origin"];

/// Metrics of one method, looked up once per call and updated without a lock.
#[derive(Debug)]
pub struct MethodMetrics {
    name: String,
    by_code: [Counter; CODES.len()],
    duration: HistogramWithExemplars<TraceLabel>,
    in_flight: Gauge,
}

impl MethodMetrics {
    /// Returns the method label; `other` for unknown methods.
    pub fn name(&self) -> &str {
        &self.name
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
        self.duration.observe(duration.as_secs_f64(), exemplar, time);
    }

    /// Returns the name of a status code.
    pub fn code_name(code: usize) -> &'static str {
        CODES.get(code).copied().unwrap_or("UNKNOWN")
    }
}

/// Metrics of all calls.
pub struct CallMetrics {
    calls: Family<CallLabels, Counter>,
    duration: Family<MethodLabel, HistogramWithExemplars<TraceLabel>>,
    in_flight: Family<MethodLabel, Gauge>,
    methods: HashMap<String, Arc<MethodMetrics>>,
    other: Arc<MethodMetrics>,
    panics: Counter,
    shed: Counter,
    limit: Gauge,
    refused: Family<ReasonLabel, Counter>,
}

impl CallMetrics {
    /// Creates the metrics for methods with these paths, such as `/copydesk.v1.RetrievalService/GetArticle`.
    pub(super) fn new(paths: impl IntoIterator<Item = String>) -> Self {
        let calls = Family::<CallLabels, Counter>::default();
        let duration = Family::<MethodLabel, HistogramWithExemplars<TraceLabel>>::new_with_constructor(|| {
            // Buckets from 50 µs to 26 s.
            HistogramWithExemplars::new(exponential_buckets(0.000_05, 2.0, 20))
        });
        let in_flight = Family::<MethodLabel, Gauge>::default();
        let method = |name: &str| {
            let by_code = CODES.map(|code| {
                calls.get_or_create(&CallLabels { method: name.to_owned(), code: code.to_owned() }).clone()
            });
            let label = MethodLabel { method: name.to_owned() };
            let duration = duration.get_or_create(&label).clone();
            let in_flight = in_flight.get_or_create(&label).clone();
            Arc::new(MethodMetrics { name: name.to_owned(), by_code, duration, in_flight })
        };
        let methods = paths.into_iter().map(|path| (path.clone(), method(path.trim_start_matches('/')))).collect();
        let other = method("other");
        let refused = Family::<ReasonLabel, Counter>::default();
        REFUSALS.iter().for_each(|reason| drop(refused.get_or_create(&ReasonLabel { reason })));
        let (panics, shed, limit) = (Counter::default(), Counter::default(), Gauge::default());
        Self { calls, duration, in_flight, methods, other, panics, shed, limit, refused }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("grpc_calls", "Completed calls, by method and code", self.calls.clone());
        let help = "Duration of calls, up to the end of the response";
        registry.register_with_unit("grpc_call_duration", help, Unit::Seconds, self.duration.clone());
        registry.register("grpc_calls_in_flight", "Calls in progress", self.in_flight.clone());
        registry.register("panics", "Calls that ended in a panic", self.panics.clone());
        registry.register("grpc_calls_shed", "Calls rejected because of the concurrency limit", self.shed.clone());
        registry.register("grpc_calls_limit", "Current limit of concurrent unary calls", self.limit.clone());
        let help = "Calls rejected by authentication, authorization or rate limiting";
        registry.register("grpc_calls_refused", help, self.refused.clone());
    }

    /// Returns the metrics of the method with this path.
    pub fn method(&self, path: &str) -> Arc<MethodMetrics> {
        Arc::clone(self.methods.get(path).unwrap_or(&self.other))
    }

    /// Counts a call that panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts a call rejected by the concurrency limit.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// Sets the limit of concurrent unary calls.
    pub fn limit(&self, calls: usize) {
        self.limit.set(i64::try_from(calls).unwrap_or(i64::MAX));
    }

    /// Counts a call rejected by authentication, authorization or rate limiting.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }
}
