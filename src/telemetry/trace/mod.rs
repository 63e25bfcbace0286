//! Traces: the spans of sampled calls, exported to a collector (OTLP).
//!
//! The sampling decision is made when a call begins ([`Tracer::begin`]). For calls that are not traced, everything here
//! costs one read of a thread-local variable. Spans are kept with their call ([`Trace`]) until it ends, so that the
//! slow-call log can show the longest ones; then the exporter takes them, and no call waits for it. See
//! docs/decisions/0019.

mod context;
mod counters;
mod export;
mod otlp;
mod parent;
mod recording;

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

pub use context::{Entered, TraceContext, WithContext, current_context, span, span_of, with_context};
pub use counters::TraceMetrics;
pub use export::Exporter;
pub use recording::{SpanGuard, SpanKind, Trace, TraceId, Value};

use parent::Parent;
use recording::Recording;

/// Maximum number of traces queued for export; more are dropped.
const QUEUE: usize = 1_024;

/// Settings of tracing.
#[derive(Clone)]
pub struct TraceOptions {
    /// Address of the collector: `http://host:4317`, or `https://` with the system's CA certificates.
    pub endpoint: String,
    /// Headers sent to the collector, such as credentials.
    pub headers: Vec<(String, String)>,
    /// Sampling ratio of calls without a decision of their caller, from 0 to 1.
    pub sample: f64,
}

impl TraceOptions {
    /// Validates the collector's address and the headers.
    ///
    /// # Errors
    /// States the expected format.
    pub fn check(&self) -> Result<(), TraceError> {
        export::endpoint(self)?;
        export::headers(self).map(drop)
    }
}

impl fmt::Debug for TraceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("TraceOptions")
            .field("endpoint", &self.endpoint)
            .field("headers", &names)
            .field("sample", &self.sample)
            .finish()
    }
}

/// Error of the trace settings.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Invalid collector address or header.
    #[error("{0}")]
    Invalid(String),
}

/// Makes sampling decisions and queues completed traces for export. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Sampler>);

#[derive(Clone)]
struct Sampler {
    /// Sampling threshold, out of 2^56.
    threshold: u64,
    ended: mpsc::Sender<Trace>,
    metrics: TraceMetrics,
}

impl Tracer {
    /// Creates a tracer that traces nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Creates a tracer and its exporter, which the caller must run.
    ///
    /// # Errors
    /// If the collector's address or a header is invalid. The collector need not be reachable.
    pub fn start(options: &TraceOptions, metrics: TraceMetrics) -> Result<(Self, Exporter), TraceError> {
        let (ended, inbox) = mpsc::channel(QUEUE);
        let exporter = Exporter::new(options, inbox, metrics.clone())?;
        // The cast saturates, as intended for ratios out of range.
        let threshold = (options.sample * (1_u64 << 56) as f64) as u64;
        Ok((Self(Some(Sampler { threshold, ended, metrics })), exporter))
    }

    /// Returns true if tracing is enabled.
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a call. The sampling decision in the caller's `traceparent` is followed if there is one.
    pub fn begin(&self, traceparent: Option<&str>) -> Option<Trace> {
        let sampler = self.0.as_ref()?;
        match traceparent.and_then(Parent::read) {
            Some(parent) if !parent.sampled => None,
            Some(parent) => Some(Trace::new(Recording::new(parent.trace, Some(parent.span)))),
            None => {
                let id = Uuid::new_v4();
                // Uses the last 56 bits of the ID, so that samplers that see only the ID make the same decision.
                let sample = id.as_u128() as u64 & ((1 << 56) - 1);
                (sample < sampler.threshold).then(|| Trace::new(Recording::new(TraceId(id.as_u128()), None)))
            }
        }
    }

    /// Queues the trace of a completed call for export. If the queue is full, the trace is dropped and counted.
    pub fn end(&self, trace: Trace) {
        let Some(sampler) = &self.0 else { return };
        let spans = trace.len();
        if sampler.ended.try_send(trace).is_err() {
            sampler.metrics.dropped(spans);
        }
    }
}

/// Maximum time to flush queued traces when the server stops.
pub const FLUSH: Duration = Duration::from_secs(2);
