//! Traces: of some calls it is recorded what they did and how long each part took, and told to a collector (OTLP).
//!
//! Whether a call is traced is decided where it begins ([`Tracer::begin`]). For one that is not, everything here is a look at a
//! variable of the thread. What is traced is kept with its call ([`Trace`]) until that ends, so that the slow-call log can say
//! where the time went; then it is handed to the exporter, which never makes a call wait. See docs/decisions/0019.

mod counters;
mod export;
mod here;
mod otlp;
mod parent;
mod recording;

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

pub use counters::TraceMetrics;
pub use export::Exporter;
pub use here::{Entered, Here, Within, here, span, span_of, within};
pub use recording::{Kind, Part, Trace, TraceId, Value};

use parent::Parent;
use recording::Recording;

/// How many traces wait to be exported; more are dropped.
const QUEUE: usize = 1_024;

/// Which calls are traced, and where to.
#[derive(Clone)]
pub struct TraceOptions {
    /// The collector: `http://host:4317`, or `https://` with the system's authorities.
    pub endpoint: String,
    /// What is sent along to it: such as what authenticates us.
    pub headers: Vec<(String, String)>,
    /// The share of calls that are traced, of those whose caller has not decided: 0 to 1.
    pub sample: f64,
}

impl TraceOptions {
    /// Whether the collector's address is one, and the headers can be sent.
    ///
    /// # Errors
    /// What would be right.
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

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The collector's address is none, or a header cannot be sent.
    #[error("{0}")]
    Wrong(String),
}

/// Decides which calls are traced, and takes what they recorded. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Sampler>);

#[derive(Clone)]
struct Sampler {
    /// Of 2^56.
    share: u64,
    ended: mpsc::Sender<Trace>,
    metrics: TraceMetrics,
}

impl Tracer {
    /// One that traces nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// One that traces, and what exports it: to be run, and at the end to be flushed.
    ///
    /// # Errors
    /// When the collector's address is none. It need not be there.
    pub fn start(options: &TraceOptions, metrics: TraceMetrics) -> Result<(Self, Exporter), TraceError> {
        let (ended, inbox) = mpsc::channel(QUEUE);
        let exporter = Exporter::new(options, inbox, metrics.clone())?;
        // Saturates at the ends, which is what is meant there.
        let share = (options.sample * (1_u64 << 56) as f64) as u64;
        Ok((Self(Some(Sampler { share, ended, metrics })), exporter))
    }

    /// Whether anything is ever traced.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A call begins, with the `traceparent` of its caller if it sent one: whose decision is followed.
    pub fn begin(&self, traceparent: Option<&str>) -> Option<Trace> {
        let sampler = self.0.as_ref()?;
        match traceparent.and_then(Parent::read) {
            Some(parent) if !parent.sampled => None,
            Some(parent) => Some(Trace::new(Recording::new(parent.trace, Some(parent.span)))),
            None => {
                let id = Uuid::new_v4();
                // The last 56 bits of the ID, as others decide it who see only that.
                let drawn = id.as_u128() as u64 & ((1 << 56) - 1);
                (drawn < sampler.share).then(|| Trace::new(Recording::new(TraceId(id.as_u128()), None)))
            }
        }
    }

    /// The call has ended, and what it recorded may go. When too much waits, it is dropped and counted.
    pub fn end(&self, trace: Trace) {
        let Some(sampler) = &self.0 else { return };
        let spans = trace.len();
        if sampler.ended.try_send(trace).is_err() {
            sampler.metrics.dropped(spans);
        }
    }
}

/// How long the exporter may take for what is left when the server stops.
pub const FLUSH: Duration = Duration::from_secs(2);
