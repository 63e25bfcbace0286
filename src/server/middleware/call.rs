//! One call, from its arrival to the last byte of its response: deadline, span, metrics and logs.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use copydesk_client::grpc_timeout::timeout;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::{Span, span};

use super::call_kind::CallKind;
use super::limits::{CallOptions, CallPermit};
use super::rpc_span;
use crate::access::Caller;
use crate::grpc::status;
use crate::overload::caller::{self, CallerId};
use crate::server::transport::connection::PeerContext;
use crate::server::transport::is_grpc;
use crate::server::transport::send_buffer::SendBuffer;
use crate::telemetry::trace::{Entered, Trace, TraceContext, Tracer};
use crate::telemetry::{LogRateLimiter, MethodMetrics, Metrics};

/// Timeout below which a call counts as expired on arrival.
const EXPIRED: Duration = Duration::from_micros(1);
/// Minimum time between log events of refusals.
const REJECTION_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Settings and telemetry that all calls share.
pub(crate) struct CallContext {
    options: CallOptions,
    metrics: Metrics,
    tracer: Tracer,
    /// Limits the log events of refusals, which may be frequent.
    refusals: LogRateLimiter,
}

impl CallContext {
    pub(crate) fn new(options: CallOptions, metrics: Metrics, tracer: Tracer) -> Arc<Self> {
        Arc::new(Self { options, metrics, tracer, refusals: LogRateLimiter::new(REJECTION_LOG_INTERVAL) })
    }
}

/// Call in flight. Dropping it ends it in metrics and logs.
pub(crate) struct Call {
    context: Arc<CallContext>,
    counters: Arc<MethodMetrics>,
    pub(crate) kind: CallKind,
    is_grpc: bool,
    path: Option<PathAndQuery>,
    traceparent: Option<HeaderValue>,
    /// Article that the call is about, once its handler has noted it.
    pub(super) article: Option<String>,
    /// Span of log events in the call; disabled unless debug logging is on. See `describe`.
    span: Span,
    /// Position in the trace, if the call is traced.
    trace: Option<TraceContext>,
    pub(super) began: Instant,
    deadline: Option<Instant>,
    request_id: Option<HeaderValue>,
    /// Caller, if callers are authenticated.
    pub(crate) caller: Option<Arc<Caller>>,
    /// Identity for fair sharing: the caller, or the peer without authentication.
    pub(super) caller_id: CallerId,
    /// Layer that answered, if the method reports it.
    pub(crate) cache: Option<HeaderValue>,
    /// Unread responses of the connection.
    pub(crate) send_buffer: Option<SendBuffer>,
    pub(crate) permit: CallPermit,
    /// Status code of the call. CANCELLED until another is known: callers cancel a call by dropping it.
    pub(crate) code: Code,
}

impl Call {
    pub(crate) fn begin(context: &Arc<CallContext>, request: &Request<Body>) -> Self {
        let began = Instant::now();
        let path = request.uri().path();
        let kind = CallKind::of(path);
        let requested = timeout(request.headers());
        let peer = request.extensions().get::<PeerContext>();
        let allowed = match kind {
            CallKind::Unary => {
                Some(requested.unwrap_or(context.options.default_deadline).min(context.options.max_deadline))
            }
            CallKind::Stream(_) | CallKind::Other => requested,
        };
        let counters = context.metrics.calls().method(path);
        counters.begin();
        let mut call = Self {
            context: Arc::clone(context),
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
            caller_id: peer.map_or(CallerId::SERVER, |peer| peer.peer),
            cache: None,
            send_buffer: peer.map(|peer| peer.send_buffer.clone()),
            permit: CallPermit::default(),
            code: Code::Cancelled,
        };
        if context.tracer.is_enabled() && kind != CallKind::Other {
            call.trace = context.tracer.begin(text(call.traceparent.as_ref())).map(|trace| TraceContext::of(&trace));
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            call.span = call.describe();
        }
        call
    }

    /// Returns true if the call had expired when it arrived: the network has used up its timeout.
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline < self.began + EXPIRED)
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
            trace_id = self.trace.as_ref().map(|context| tracing::field::display(context.trace().id())),
        )
    }

    /// Enters the call on this thread, for logs, traces and the shares of its caller.
    pub(crate) fn enter(&self) -> (span::Entered<'_>, Option<Entered>, caller::Entered) {
        (self.span.enter(), self.trace.as_ref().map(TraceContext::enter), self.caller_id.enter())
    }

    /// Returns the span for log events about the whole call.
    fn log_span(&self) -> Span {
        if self.span.is_none() { self.describe() } else { self.span.clone() }
    }

    /// Polls the deadline. The timer is created only for calls that have to wait: most do not.
    pub(crate) fn poll_deadline(&self, sleep: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into()))).as_mut().poll(context)
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.context.metrics
    }

    pub(crate) fn panicked(&self) -> Status {
        self.context.metrics.calls().panicked();
        tracing::error!(parent: &self.log_span(), "call panicked");
        status::internal()
    }

    /// Returns a response without a body.
    pub(crate) fn refuse(&mut self, status: &Status) -> Response<Body> {
        self.code = status.code();
        let mut response = status.clone().into_http();
        if !self.is_grpc && self.code == Code::PermissionDenied {
            // Clients that do not speak gRPC would take HTTP 200 for a success.
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        self.finish_headers(response)
    }

    pub(crate) fn finish_headers(&self, mut response: Response<Body>) -> Response<Body> {
        if let Some(id) = &self.request_id {
            response.headers_mut().insert("x-request-id", id.clone());
        }
        response
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        let trace = self.trace.as_ref().map(TraceContext::trace);
        self.counters.end(self.code as usize, duration, trace.map(Trace::id));
        if let Some(trace) = trace {
            rpc_span::finish(trace, self.counters.name(), self.code, self.cache.as_ref());
        }
        // Durations of the parts of a traced call.
        let parts = || trace.map(Trace::summary);
        let code = MethodMetrics::code_name(self.code as usize);
        let duration_ms = duration.as_secs_f64() * 1_000.0;
        let cache = self.cache.as_ref().and_then(|layer| layer.to_str().ok());
        match self.code {
            Code::Internal | Code::Unknown | Code::DataLoss => {
                let (span, parts) = (self.log_span(), parts());
                tracing::error!(parent: &span, rpc.code = code, duration_ms, cache, parts, "call failed");
            }
            _ if self.kind == CallKind::Unary && duration > self.context.options.slow => {
                let (span, parts) = (self.log_span(), parts());
                tracing::warn!(parent: &span, rpc.code = code, duration_ms, cache, parts, "call was slow");
            }
            Code::Unavailable if self.kind != CallKind::Unary => {
                tracing::info!(parent: &self.log_span(), rpc.code = code, duration_ms, "stream ended");
            }
            Code::Unavailable | Code::ResourceExhausted => {
                if let Some(unlogged) = self.context.refusals.now() {
                    let span = self.log_span();
                    tracing::warn!(parent: &span, rpc.code = code, duration_ms, cache, unlogged, "call refused");
                }
            }
            _ => tracing::debug!(parent: &self.span, rpc.code = code, duration_ms, cache, "call"),
        }
        if let Some(trace) = trace {
            self.context.tracer.end(trace.clone());
        }
    }
}

fn text(header: Option<&HeaderValue>) -> Option<&str> {
    header.and_then(|header| header.to_str().ok())
}
