//! Middleware of every call: admission, deadline, span and metrics. A panic becomes an INTERNAL status.
//!
//! One layer does all of this, because each part must know when the call *ends*: with the last byte of the response
//! body. tonic's own concurrency limit and timeout end with the headers.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Span, span};

use super::answer::answer;
use super::connection::PeerContext;
use super::dispatch::is_grpc;
use super::guard::Guard;
use super::outbox::Outbox;
use super::pressure::Pressure;
use super::streams::{StreamPermit, StreamPool};
use super::traced;
use crate::access::Caller;
use crate::caller::{self, CallerId};
use crate::deadline::timeout;
use crate::grpc::status::{self, StreamKind, TooMany};
use crate::telemetry::trace::{Entered, Here, Trace, Tracer};
use crate::telemetry::{CallMetrics, Metrics, Seldom, noted_article};

/// Limits of calls.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// Maximum number of concurrent unary calls of all connections.
    pub max_concurrent_requests: usize,
    /// Scheduling delay of tasks beyond which fewer unary calls are admitted; no adaptation if absent.
    pub max_task_delay: Option<Duration>,
    /// Maximum number of open watches and exports of all connections.
    pub max_concurrent_streams: usize,
    /// Maximum number of open streams of documents of all connections.
    pub max_ingest_streams: usize,
    /// Deadline of unary calls that have none.
    pub default_deadline: Duration,
    /// Maximum deadline of unary calls.
    pub max_deadline: Duration,
    /// Duration beyond which unary calls are logged.
    pub slow: Duration,
}

/// Method that ingests a stream.
const INGESTING: &str = "/copydesk.v1.IngestionService/IngestArticles";
/// Methods that stream articles.
const READING: [&str; 2] =
    ["/copydesk.v1.RetrievalService/WatchArticles", "/copydesk.v1.RetrievalService/ExportArticles"];

/// Timeout below which a call counts as expired on arrival.
const SPENT: Duration = Duration::from_micros(1);

/// Layer of [`Calls`].
#[derive(Clone)]
pub(super) struct CallLayer {
    shared: Arc<Shared>,
}

struct Shared {
    options: CallOptions,
    metrics: Metrics,
    guard: Guard,
    tracer: Tracer,
    requests: Arc<Semaphore>,
    reading: StreamPool,
    ingesting: StreamPool,
    pressure: Arc<Pressure>,
    /// Limits the log events of refusals, which may be frequent.
    refusals: Seldom,
    _following: Option<AbortOnDropHandle<()>>,
}

/// Minimum time between log events of refusals.
const REFUSALS: Duration = Duration::from_secs(1);

impl CallLayer {
    pub(super) fn new(options: CallOptions, guard: Guard, tracer: Tracer) -> Self {
        let metrics = guard.metrics.clone();
        let requests = Arc::new(Semaphore::new(options.max_concurrent_requests));
        let reading = StreamPool::new(StreamKind::Reading, options.max_concurrent_streams);
        let ingesting = StreamPool::new(StreamKind::Ingesting, options.max_ingest_streams);
        let pressure = Pressure::new(options.max_concurrent_requests);
        metrics.limit(options.max_concurrent_requests);
        let following = options.max_task_delay.map(|delay| {
            let (max, requests) = (options.max_concurrent_requests, Arc::clone(&requests));
            let follow =
                Arc::clone(&pressure).follow(delay, move || max - requests.available_permits(), metrics.clone());
            AbortOnDropHandle::new(tokio::spawn(follow))
        });
        let refusals = Seldom::new(REFUSALS);
        let shared = Shared {
            options,
            metrics,
            guard,
            tracer,
            requests,
            reading,
            ingesting,
            pressure,
            refusals,
            _following: following,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shared {
    /// Acquires a permit for one unary call.
    fn request(&self) -> Result<OwnedSemaphorePermit, TooMany> {
        let in_flight = self.options.max_concurrent_requests - self.requests.available_permits();
        if !self.pressure.admits(in_flight) {
            return Err(TooMany::Calls);
        }
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_none| TooMany::Calls)
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls { inner, shared: Arc::clone(&self.shared) }
    }
}

/// Service that applies limits, deadlines and metrics to calls.
#[derive(Clone)]
pub(super) struct Calls<S> {
    inner: S,
    shared: Arc<Shared>,
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
        let mut call = Call::begin(&self.shared, &request);
        if call.is_late() {
            let refusal = Some(status::deadline_exceeded());
            return CallFuture { handler: None, refusal, call: Some(call), sleep: None };
        }
        // First, so that unauthorized calls take no permits.
        match self.shared.guard.admit(&mut request, call.began) {
            Ok(Some(caller)) => {
                call.shares = caller.shares;
                call.caller = Some(caller);
            }
            Ok(None) => {}
            Err(refusal) => {
                return CallFuture { handler: None, refusal: Some(refusal), call: Some(call), sleep: None };
            }
        }
        let admitted = match call.kind {
            // Health and reflection are served under any load.
            Kind::Other => Ok((None, None)),
            Kind::Unary => self.shared.request().map(|permit| (Some(permit), None)),
            Kind::Stream(kind) => {
                let pool = if kind == StreamKind::Reading { &self.shared.reading } else { &self.shared.ingesting };
                pool.open(call.caller.as_ref().map(|caller| caller.shares)).map(|stream| (None, Some(stream)))
            }
        };
        match admitted {
            Ok((permit, stream)) => {
                let handler = {
                    let _entered = call.enter();
                    self.inner.call(request)
                };
                (call.permit, call.stream) = (permit, stream);
                let call = Some(call);
                CallFuture { handler: Some(handler), refusal: None, call, sleep: None }
            }
            Err(what) => {
                self.shared.metrics.shed();
                CallFuture { handler: None, refusal: Some(status::overloaded(what)), call: Some(call), sleep: None }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unary,
    Stream(StreamKind),
    Other,
}

/// Call in flight. Dropping it ends it in metrics and logs.
pub(super) struct Call {
    shared: Arc<Shared>,
    counters: Arc<CallMetrics>,
    pub(super) kind: Kind,
    is_grpc: bool,
    path: Option<PathAndQuery>,
    traceparent: Option<HeaderValue>,
    /// Article that the call is about, once its handler has noted it.
    article: Option<String>,
    /// Span of log events in the call; disabled unless debug logging is on. See `describe`.
    span: Span,
    /// Position in the trace, if the call is traced.
    trace: Option<Here>,
    began: Instant,
    deadline: Option<Instant>,
    request_id: Option<HeaderValue>,
    /// Caller, if callers are authenticated.
    pub(super) caller: Option<Arc<Caller>>,
    /// Identity for fair sharing: the caller, or the peer without authentication.
    shares: CallerId,
    /// Layer that answered, if the method reports it.
    pub(super) cache: Option<HeaderValue>,
    /// Unread responses of the connection.
    pub(super) outbox: Option<Outbox>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// Permit of a stream, held until it ends.
    stream: Option<StreamPermit>,
    /// Status code of the call. CANCELLED until another is known: callers cancel a call by dropping it.
    pub(super) code: Code,
}

impl Call {
    fn begin(shared: &Arc<Shared>, request: &Request<Body>) -> Self {
        let began = Instant::now();
        let path = request.uri().path();
        let kind = match path {
            INGESTING => Kind::Stream(StreamKind::Ingesting),
            path if READING.contains(&path) => Kind::Stream(StreamKind::Reading),
            path if path.starts_with("/copydesk.") => Kind::Unary,
            _ => Kind::Other,
        };
        let requested = timeout(request.headers());
        let peer = request.extensions().get::<PeerContext>();
        let allowed = match kind {
            Kind::Unary => Some(requested.unwrap_or(shared.options.default_deadline).min(shared.options.max_deadline)),
            Kind::Stream(_) | Kind::Other => requested,
        };
        let counters = shared.metrics.call(path);
        counters.begin();
        let mut call = Self {
            shared: Arc::clone(shared),
            counters,
            kind,
            is_grpc: is_grpc(request),
            path: request.uri().path_and_query().cloned(),
            traceparent: request.headers().get("traceparent").cloned(),
            article: None,
            span: Span::none(),
            trace: None,
            began,
            deadline: allowed.and_then(|allowed| began.checked_add(allowed)),
            // A longer ID could make the response headers too large for the caller.
            request_id: request.headers().get("x-request-id").filter(|id| id.len() <= 256).cloned(),
            caller: None,
            shares: peer.map_or(CallerId::SERVER, |peer| peer.peer),
            cache: None,
            outbox: peer.map(|peer| peer.outbox.clone()),
            permit: None,
            stream: None,
            code: Code::Cancelled,
        };
        if shared.tracer.is_on() && kind != Kind::Other {
            call.trace = shared.tracer.begin(text(call.traceparent.as_ref())).map(|trace| Here::of(&trace));
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            call.span = call.describe();
        }
        call
    }

    /// Returns true if the call had expired when it arrived: the network has used up its timeout.
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline < self.began + SPENT)
    }

    /// Creates the span of the call: at its start if debug logging is on, else only if its end is logged, which is
    /// rare. Creating it costs a tenth of a read from memory.
    fn describe(&self) -> Span {
        // At error level, so that log events of every level have it.
        tracing::error_span!(
            "call",
            rpc.method = self.path.as_ref().map(|path| path.path().trim_start_matches('/')),
            article = self.article,
            traceparent = text(self.traceparent.as_ref()),
            request_id = text(self.request_id.as_ref()),
            caller = self.caller.as_ref().map(|caller| caller.id.as_str()),
            trace_id = self.trace.as_ref().map(|here| tracing::field::display(here.trace().id())),
        )
    }

    /// Enters the call on this thread, for logs, traces and the shares of its caller.
    pub(super) fn enter(&self) -> (span::Entered<'_>, Option<Entered>, caller::Entered) {
        (self.span.enter(), self.trace.as_ref().map(Here::enter), self.shares.enter())
    }

    /// Returns the span for log events about the whole call.
    fn context(&self) -> Span {
        if self.span.is_none() { self.describe() } else { self.span.clone() }
    }

    /// Polls the deadline. The timer is created only for calls that have to wait: most do not.
    pub(super) fn poll_deadline(&self, sleep: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into()))).as_mut().poll(context)
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(super) fn panicked(&self) -> Status {
        self.shared.metrics.panicked();
        tracing::error!(parent: &self.context(), "call panicked");
        status::internal()
    }

    /// Returns a response without a body.
    pub(super) fn refuse(&mut self, status: &Status) -> Response<Body> {
        self.code = status.code();
        let mut response = status.clone().into_http();
        if !self.is_grpc && self.code == Code::PermissionDenied {
            // Clients that do not speak gRPC would take HTTP 200 for a success.
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        self.finish_headers(response)
    }

    pub(super) fn finish_headers(&self, mut response: Response<Body>) -> Response<Body> {
        if let Some(id) = &self.request_id {
            response.headers_mut().insert("x-request-id", id.clone());
        }
        response
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        let trace = self.trace.as_ref().map(Here::trace);
        self.counters.end(self.code as usize, duration, trace.map(Trace::id));
        if let Some(trace) = trace {
            traced::finish(trace, self.counters.method(), self.code, self.cache.as_ref());
        }
        // Durations of the parts of a traced call.
        let parts = || trace.map(Trace::summary);
        let code = CallMetrics::code_name(self.code as usize);
        let duration_ms = duration.as_secs_f64() * 1_000.0;
        let cache = self.cache.as_ref().and_then(|layer| layer.to_str().ok());
        match self.code {
            Code::Internal | Code::Unknown | Code::DataLoss => {
                let (context, parts) = (self.context(), parts());
                tracing::error!(parent: &context, rpc.code = code, duration_ms, cache, parts, "call failed");
            }
            _ if self.kind == Kind::Unary && duration > self.shared.options.slow => {
                let (context, parts) = (self.context(), parts());
                tracing::warn!(parent: &context, rpc.code = code, duration_ms, cache, parts, "call was slow");
            }
            Code::Unavailable if self.kind != Kind::Unary => {
                tracing::info!(parent: &self.context(), rpc.code = code, duration_ms, "stream ended");
            }
            Code::Unavailable | Code::ResourceExhausted => {
                if let Some(unlogged) = self.shared.refusals.now() {
                    let context = self.context();
                    tracing::warn!(parent: &context, rpc.code = code, duration_ms, cache, unlogged, "call refused");
                }
            }
            _ => tracing::debug!(parent: &self.span, rpc.code = code, duration_ms, cache, "call"),
        }
        if let Some(trace) = trace {
            self.shared.tracer.end(trace.clone());
        }
    }
}

fn text(header: Option<&HeaderValue>) -> Option<&str> {
    header.and_then(|header| header.to_str().ok())
}

/// Future of a call until its response begins.
pub(super) struct CallFuture<F> {
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
        if let Some(article) = noted_article() {
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
