//! What is recorded of one call.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

/// How many spans of one call are kept: a stream may last for days.
const MOST: usize = 256;

/// Which trace a call is part of, perhaps of many services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub(super) u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Whose time a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The call itself.
    Server,
    /// Ours.
    Internal,
    /// Somebody's whom we asked.
    Client,
}

/// What is said of a span. Never what an article says, or is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A word.
    Text(String),
    /// A number.
    Int(i64),
    /// Whether.
    Bool(bool),
}

/// A span, finished or not.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) id: u64,
    pub(super) parent: Option<u64>,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Since the trace began.
    pub(super) began: Duration,
    pub(super) took: Option<Duration>,
    pub(super) failed: bool,
    pub(super) said: Vec<(&'static str, Value)>,
}

/// What is recorded of one call, from its beginning on. Its first span is the call.
pub(super) struct Recording {
    pub(super) id: TraceId,
    pub(super) time: SystemTime,
    began: Instant,
    /// Nothing is recorded any more.
    ended: AtomicBool,
    spans: Mutex<Vec<Span>>,
}

impl Recording {
    pub(super) fn new(id: TraceId, parent: Option<u64>) -> Self {
        // What comes after is numbered from here: unlike in the rest of the trace, as likely as if each were drawn.
        let first = (Uuid::new_v4().as_u128() >> 64) as u64 | 1;
        let call = Span {
            id: first,
            parent,
            name: String::new(),
            kind: Kind::Server,
            began: Duration::ZERO,
            took: None,
            failed: false,
            said: Vec::new(),
        };
        let (time, began) = (SystemTime::now(), Instant::now());
        Self { id, time, began, ended: AtomicBool::new(false), spans: Mutex::new(vec![call]) }
    }

    pub(super) fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is traced. Cheap to clone.
#[derive(Clone)]
pub struct Trace(Arc<Recording>);

impl Trace {
    pub(super) fn new(recording: Recording) -> Self {
        Self(Arc::new(recording))
    }

    /// Which trace it is part of.
    pub fn id(&self) -> TraceId {
        self.0.id
    }

    pub(super) fn recording(&self) -> &Recording {
        &self.0
    }

    pub(super) fn len(&self) -> u64 {
        self.0.spans().len() as u64
    }

    /// A part of it begins, below the `parent`th span. None when too many have.
    pub(super) fn part(&self, parent: usize, kind: Kind, name: impl Into<String>) -> Option<Part> {
        if self.0.ended.load(Ordering::Relaxed) {
            return None;
        }
        let began = self.0.began.elapsed();
        let mut spans = self.0.spans();
        let at = spans.len();
        if at >= MOST {
            return None;
        }
        let id = spans[0].id.wrapping_add(at as u64);
        let parent = spans.get(parent).map(|span| span.id);
        spans.push(Span { id, parent, name: name.into(), kind, began, took: None, failed: false, said: Vec::new() });
        drop(spans);
        Some(Part { trace: self.clone(), at })
    }

    /// The call ends: its name, whether it failed, and what is said of it. Parts that have not ended end with it.
    pub fn finish(&self, name: &str, failed: bool, said: Vec<(&'static str, Value)>) {
        self.0.ended.store(true, Ordering::Relaxed);
        let now = self.0.began.elapsed();
        let mut spans = self.0.spans();
        if let Some(call) = spans.first_mut() {
            (call.name, call.failed, call.said) = (name.to_owned(), failed, said);
        }
        for span in spans.iter_mut().filter(|span| span.took.is_none()) {
            span.took = Some(now.saturating_sub(span.began));
        }
    }

    /// Where the time went: its longest parts, for people.
    pub fn summary(&self) -> String {
        let spans = self.0.spans();
        let mut parts: Vec<(&str, Duration)> =
            spans.iter().skip(1).map(|span| (span.name.as_str(), span.took.unwrap_or_default())).collect();
        parts.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        let shown = parts.iter().take(6).map(|(name, took)| format!("{name} {:.1}ms", took.as_secs_f64() * 1_000.0));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// A span under way. It ends when this is dropped.
pub struct Part {
    trace: Trace,
    at: usize,
}

impl Part {
    fn change(&self, change: impl FnOnce(&mut Span)) {
        if let Some(span) = self.trace.0.spans().get_mut(self.at).filter(|span| span.took.is_none()) {
            change(span);
        }
    }

    pub(super) fn place(&self) -> (Trace, usize) {
        (self.trace.clone(), self.at)
    }

    /// Says something of it.
    pub fn say(&self, key: &'static str, value: Value) {
        self.change(|span| span.said.push((key, value)));
    }

    /// It did not do what it was for.
    pub fn fail(&self) {
        self.change(|span| span.failed = true);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let now = self.trace.0.began.elapsed();
        self.change(|span| span.took = Some(now.saturating_sub(span.began)));
    }
}
