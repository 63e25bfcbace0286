//! Trace context of the current thread.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::recording::{SpanGuard, SpanKind, Trace};

thread_local! {
    /// Set while a traced call is polled.
    static CURRENT: RefCell<Option<TraceContext>> = const { RefCell::new(None) };
}

/// Position in a trace: spans started with it become its children.
#[derive(Clone)]
pub struct TraceContext {
    trace: Trace,
    span: usize,
}

impl TraceContext {
    /// Returns the context of the call's root span.
    pub fn of(trace: &Trace) -> Self {
        Self { trace: trace.clone(), span: 0 }
    }

    /// Returns the trace.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Starts a child span.
    pub fn span(&self, kind: SpanKind, name: impl Into<String>) -> Option<SpanGuard> {
        self.trace.start_span(self.span, kind, name)
    }

    /// Makes this the thread's context until the returned guard is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered {
        Entered(CURRENT.replace(Some(self.clone())))
    }
}

impl SpanGuard {
    /// Returns the context for children of this span.
    pub fn context(&self) -> TraceContext {
        let (trace, span) = self.position();
        TraceContext { trace, span }
    }
}

/// Guard that restores the thread's previous context on drop.
pub struct Entered(Option<TraceContext>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Returns the thread's context; none if its call is not traced.
pub fn current_context() -> Option<TraceContext> {
    CURRENT.with_borrow(Clone::clone)
}

/// Starts a span that ends when the returned guard is dropped; it does not become the thread's context. None, at almost
/// no cost, if the call is not traced.
pub fn span(kind: SpanKind, name: &str) -> Option<SpanGuard> {
    span_of(kind, || name.to_owned())
}

/// Same as [`span`], with a name computed only if the call is traced.
pub fn span_of(kind: SpanKind, name: impl FnOnce() -> String) -> Option<SpanGuard> {
    CURRENT.with_borrow(|context| context.as_ref().and_then(|context| context.span(kind, name())))
}

/// Runs a future in a context, on any thread; with none, the future runs unchanged.
pub fn with_context<F: Future>(context: Option<TraceContext>, work: F) -> WithContext<F> {
    WithContext { context, work }
}

pin_project! {
    /// Future that runs in a trace context.
    pub struct WithContext<F> {
        context: Option<TraceContext>,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for WithContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.context.as_ref().map(TraceContext::enter);
        this.work.poll(context)
    }
}
