//! Middleware of every call: admission, deadline, span and metrics. A panic becomes an INTERNAL status.
//!
//! One layer does all of this, because each part must know when the call *ends*: with the last byte of the response
//! body. tonic's own concurrency limit and timeout end with the headers.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::auth::Guard;
use super::call::{Call, CallContext};
use super::limits::{CallLimits, CallOptions};
use super::response_body::answer;
use crate::grpc::status;
use crate::telemetry::take_call_article;
use crate::telemetry::trace::Tracer;

/// Layer of [`Calls`].
#[derive(Clone)]
pub(crate) struct CallLayer {
    policy: Arc<CallPolicy>,
}

struct CallPolicy {
    guard: Guard,
    limits: CallLimits,
    calls: Arc<CallContext>,
}

impl CallLayer {
    pub(crate) fn new(options: CallOptions, guard: Guard, tracer: Tracer) -> Self {
        let limits = CallLimits::new(&options, &guard.metrics);
        let calls = CallContext::new(options, guard.metrics.clone(), tracer);
        Self { policy: Arc::new(CallPolicy { guard, limits, calls }) }
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls { inner, policy: Arc::clone(&self.policy) }
    }
}

/// Service that applies limits, deadlines and metrics to calls.
#[derive(Clone)]
pub(crate) struct Calls<S> {
    inner: S,
    policy: Arc<CallPolicy>,
}

impl<S> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> CallFuture<S::Future> {
        let mut call = Call::begin(&self.policy.calls, &request);
        if call.is_late() {
            let refusal = Some(status::deadline_exceeded());
            return CallFuture { handler: None, refusal, call: Some(call), sleep: None };
        }
        // First, so that unauthorized calls take no permits.
        match self.policy.guard.admit(&mut request, call.began) {
            Ok(Some(caller)) => {
                call.caller_id = caller.caller_id;
                call.caller = Some(caller);
            }
            Ok(None) => {}
            Err(refusal) => {
                return CallFuture { handler: None, refusal: Some(refusal), call: Some(call), sleep: None };
            }
        }
        let caller_id = call.caller.as_ref().map(|caller| caller.caller_id);
        match self.policy.limits.admit(call.kind, caller_id) {
            Ok(permit) => {
                let handler = {
                    let _entered = call.enter();
                    self.inner.call(request)
                };
                call.permit = permit;
                let call = Some(call);
                CallFuture { handler: Some(handler), refusal: None, call, sleep: None }
            }
            Err(what) => {
                self.policy.guard.metrics.calls().shed();
                CallFuture { handler: None, refusal: Some(status::overloaded(what)), call: Some(call), sleep: None }
            }
        }
    }
}

/// Future of a call until its response begins.
pub(crate) struct CallFuture<F> {
    handler: Option<F>,
    refusal: Option<Status>,
    call: Option<Call>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = Result<Response<Body>, Infallible>> + Unpin> Future for CallFuture<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(mut call) = this.call.take() else { return Poll::Pending };
        if let Some(refusal) = this.refusal.take() {
            return Poll::Ready(Ok(call.refuse(&refusal)));
        }
        let Some(handler) = &mut this.handler else { return Poll::Pending };
        let polled = {
            let _entered = call.enter();
            catch_unwind(AssertUnwindSafe(|| Pin::new(handler).poll(context)))
        };
        if let Some(article) = take_call_article() {
            call.article = Some(article);
        }
        match polled {
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(Ok(answer(call, response, this.sleep.take()))),
            Ok(Poll::Ready(Err(never))) => match never {},
            Ok(Poll::Pending) => {
                if call.poll_deadline(&mut this.sleep, context).is_ready() {
                    // Cancels the handler. Writes that must finish have been handed to the store.
                    this.handler = None;
                    return Poll::Ready(Ok(call.refuse(&status::deadline_exceeded())));
                }
                this.call = Some(call);
                Poll::Pending
            }
            Err(_panic) => {
                this.handler = None;
                let refusal = call.panicked();
                Poll::Ready(Ok(call.refuse(&refusal)))
            }
        }
    }
}
