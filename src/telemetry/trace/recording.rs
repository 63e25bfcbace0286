//! Recorded spans of one call.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

/// Maximum number of spans per call: a stream may last for days.
const MAX_SPANS: usize = 256;

/// ID of a trace, which may span many services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub(super) u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Kind of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// The call itself.
    Server,
    /// Work within this process.
    Internal,
    /// Call to another service.
    Client,
}

/// Value of a span attribute. Never contains an article's text or name.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// String.
    Text(String),
    /// Integer.
    Int(i64),
    /// Boolean.
    Bool(bool),
}

/// Span, completed or in progress.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) id: u64,
    pub(super) parent: Option<u64>,
    pub(super) name: String,
    pub(super) kind: SpanKind,
    /// Offset from the start of the trace.
    pub(super) began: Duration,
    pub(super) duration: Option<Duration>,
    pub(super) failed: bool,
    pub(super) attributes: Vec<(&'static str, Value)>,
}

/// Recording of one call. Its first span is the call itself.
pub(super) struct Recording {
    pub(super) id: TraceId,
    pub(super) time: SystemTime,
    began: Instant,
    /// True once the call has ended and no more spans are recorded.
    ended: AtomicBool,
    spans: Mutex<Vec<Span>>,
}

impl Recording {
    pub(super) fn new(id: TraceId, parent: Option<u64>) -> Self {
        // Later span IDs count up from this random one: a collision within the trace is no likelier than with random
        // IDs.
        let first = (Uuid::new_v4().as_u128() >> 64) as u64 | 1;
        let call = Span {
            id: first,
            parent,
            name: String::new(),
            kind: SpanKind::Server,
            began: Duration::ZERO,
            duration: None,
            failed: false,
            attributes: Vec::new(),
        };
        let (time, began) = (SystemTime::now(), Instant::now());
        Self { id, time, began, ended: AtomicBool::new(false), spans: Mutex::new(vec![call]) }
    }

    pub(super) fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Trace of a call. Cheap to clone.
#[derive(Clone)]
pub struct Trace(Arc<Recording>);

impl Trace {
    pub(super) fn new(recording: Recording) -> Self {
        Self(Arc::new(recording))
    }

    /// Returns the trace ID.
    pub fn id(&self) -> TraceId {
        self.0.id
    }

    pub(super) fn recording(&self) -> &Recording {
        &self.0
    }

    pub(super) fn len(&self) -> u64 {
        self.0.spans().len() as u64
    }

    /// Starts a child of the `parent`th span. None if the call has ended or has too many spans.
    pub(super) fn start_span(&self, parent: usize, kind: SpanKind, name: impl Into<String>) -> Option<SpanGuard> {
        if self.0.ended.load(Ordering::Relaxed) {
            return None;
        }
        let began = self.0.began.elapsed();
        let mut spans = self.0.spans();
        let at = spans.len();
        if at >= MAX_SPANS {
            return None;
        }
        let id = spans[0].id.wrapping_add(at as u64);
        let parent = spans.get(parent).map(|span| span.id);
        spans.push(Span {
            id,
            parent,
            name: name.into(),
            kind,
            began,
            duration: None,
            failed: false,
            attributes: Vec::new(),
        });
        drop(spans);
        Some(SpanGuard { trace: self.clone(), at })
    }

    /// Ends the call, and sets the name, status and attributes of its span. Open child spans end with it.
    pub fn finish(&self, name: &str, failed: bool, attributes: Vec<(&'static str, Value)>) {
        self.0.ended.store(true, Ordering::Relaxed);
        let now = self.0.began.elapsed();
        let mut spans = self.0.spans();
        if let Some(call) = spans.first_mut() {
            (call.name, call.failed, call.attributes) = (name.to_owned(), failed, attributes);
        }
        for span in spans.iter_mut().filter(|span| span.duration.is_none()) {
            span.duration = Some(now.saturating_sub(span.began));
        }
    }

    /// Returns the longest spans with their durations, for logs.
    pub fn summary(&self) -> String {
        let spans = self.0.spans();
        let mut longest: Vec<(&str, Duration)> =
            spans.iter().skip(1).map(|span| (span.name.as_str(), span.duration.unwrap_or_default())).collect();
        longest.sort_by_key(|(_, duration)| std::cmp::Reverse(*duration));
        let summary =
            longest.iter().take(6).map(|(name, duration)| format!("{name} {:.1}ms", duration.as_secs_f64() * 1_000.0));
        summary.collect::<Vec<_>>().join(", ")
    }
}

/// Guard of a span in progress, which ends on drop.
pub struct SpanGuard {
    trace: Trace,
    at: usize,
}

impl SpanGuard {
    fn update(&self, update: impl FnOnce(&mut Span)) {
        if let Some(span) = self.trace.0.spans().get_mut(self.at).filter(|span| span.duration.is_none()) {
            update(span);
        }
    }

    pub(super) fn position(&self) -> (Trace, usize) {
        (self.trace.clone(), self.at)
    }

    /// Adds an attribute.
    pub fn set_attribute(&self, key: &'static str, value: Value) {
        self.update(|span| span.attributes.push((key, value)));
    }

    /// Marks the span as failed.
    pub fn fail(&self) {
        self.update(|span| span.failed = true);
    }
}

impl Drop for SpanGuard {
    fn drop(&mut self) {
        let now = self.trace.0.began.elapsed();
        self.update(|span| span.duration = Some(now.saturating_sub(span.began)));
    }
}
