//! Which call this thread is at work for.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::recording::{Kind, Part, Trace};

thread_local! {
    /// Set while a traced call is polled.
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// A place in a traced call: what begins here is below it.
#[derive(Clone)]
pub struct Here {
    trace: Trace,
    span: usize,
}

impl Here {
    /// Of a call itself.
    pub fn of(trace: &Trace) -> Self {
        Self { trace: trace.clone(), span: 0 }
    }

    /// Of which call.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// A part begins here.
    pub fn span(&self, kind: Kind, name: impl Into<String>) -> Option<Part> {
        self.trace.part(self.span, kind, name)
    }

    /// Makes it this thread's, until what this returns is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered {
        Entered(HERE.replace(Some(self.clone())))
    }
}

impl Part {
    /// The place within this part.
    pub fn here(&self) -> Here {
        let (trace, span) = self.place();
        Here { trace, span }
    }
}

/// While this is there, its thread is at work for a call.
pub struct Entered(Option<Here>);

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.set(self.0.take());
    }
}

/// The place where this thread is at work; none when it is for no call that is traced.
pub fn here() -> Option<Here> {
    HERE.with_borrow(Clone::clone)
}

/// A part begins, which ends when what this returns is dropped: within nothing of its own. None, and next to nothing done, when
/// the call is not traced.
pub fn span(kind: Kind, name: &str) -> Option<Part> {
    span_of(kind, || name.to_owned())
}

/// The same, with a name that is made only when it is needed.
pub fn span_of(kind: Kind, name: impl FnOnce() -> String) -> Option<Part> {
    HERE.with_borrow(|here| here.as_ref().and_then(|here| here.span(kind, name())))
}

/// What this future does is done at that place, whichever threads it is polled by; at none, as it is.
pub fn within<F: Future>(here: Option<Here>, work: F) -> Within<F> {
    Within { here, work }
}

pin_project! {
    /// A future that is at work for a call.
    pub struct Within<F> {
        here: Option<Here>,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.here.as_ref().map(Here::enter);
        this.work.poll(context)
    }
}
