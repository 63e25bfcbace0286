//! Lifecycle of a connection: it must open within a time limit, serves calls until it is too old or the server stops,
//! and then closes with GOAWAY, so that no call is lost.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::ServiceExt;
use tower::util::Oneshot;

use super::http_version::{Version, open};
use super::request_body::{Inbound, LINGER};
use super::send_buffer::SendBuffer;
use super::tls::Tls;
use crate::grpc::ConnectionShutdown;
use crate::overload::caller::CallerId;
use crate::random::jittered;
use crate::telemetry::Metrics;

/// Limits of connections.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// Maximum number of open connections. Further ones are closed on arrival.
    pub max: usize,
    /// Maximum number of concurrent calls on one connection.
    pub streams: u32,
    /// Maximum duration of the handshake.
    pub handshake: Duration,
    /// Interval of pings to a silent peer; none if absent.
    pub keepalive: Option<Duration>,
    /// Maximum time for the answer to a ping.
    pub keepalive_timeout: Duration,
    /// Age, plus or minus a tenth, at which a connection stops accepting calls; no limit if absent.
    pub age: Option<Duration>,
    /// Maximum further duration of its calls then.
    pub age_grace: Duration,
}

/// Maximum size of request headers, in bytes. It limits HTTP/2's CONTINUATION frames too.
const HEADER_BYTES: u32 = 16 << 10;
/// Maximum size of a request frame, in bytes. Most pages fit into one frame, of clients that use this size.
const FRAME_BYTES: u32 = 64 << 10;
/// Maximum number of calls that the peer has reset before they were accepted. Exceeding it closes the connection
/// (CVE-2023-44487).
const PENDING_RESETS: usize = 32;
/// Maximum number of calls that the server has reset for errors of the peer. Exceeding it closes the connection
/// (CVE-2025-8671).
const ERROR_RESETS: usize = 256;
/// Maximum time for the headers of an HTTP/1.1 request, and maximum idle time of such a connection.
const HTTP1_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the final statuses of a connection that is too old.
const FINAL_STATUS_TIME: Duration = LINGER.saturating_mul(2);

/// State that all connections share.
pub(crate) struct ConnectionContext<S> {
    service: S,
    one: Builder<TokioExecutor>,
    two: Builder<TokioExecutor>,
    http1: bool,
    tls: Option<Tls>,
    options: ConnectionOptions,
    metrics: Metrics,
    /// Cancelled when the server stops.
    stopping: CancellationToken,
    /// Maximum further duration of calls in flight then.
    grace: Duration,
    cut: AtomicUsize,
}

impl<S, B> ConnectionContext<S>
where
    S: tower::Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send + Sync,
{
    /// Creates the state. Calls go to `service`; HTTP/1.1 is accepted if `http1`.
    pub(crate) fn new(
        service: S,
        options: ConnectionOptions,
        http1: bool,
        tls: Option<Tls>,
        metrics: Metrics,
        stopping: CancellationToken,
        grace: Duration,
    ) -> Self {
        let (one, two) = builders(&options);
        Self { service, one, two, http1, tls, options, metrics, stopping, grace, cut: AtomicUsize::new(0) }
    }

    /// Returns the number of connections that were cut off after the grace time.
    pub(crate) fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve(&self, stream: TcpStream) {
        let peer = stream.peer_addr().ok();
        // A connection that has ended already has no address.
        let from = peer.map_or(CallerId::SERVER, |peer| CallerId::peer(peer.ip()));
        let Some(tls) = &self.tls else { return self.serve_http(stream, from).await };
        let handshake = timeout(self.options.handshake, tls.accept(stream));
        let accepted = tokio::select! {
            accepted = handshake => Some(accepted),
            () = self.refusal_due() => None,
        };
        match accepted {
            Some(Ok(Ok(stream))) => self.serve_http(stream, from).await,
            Some(failed) => {
                self.metrics.connections().handshake_failed();
                let error = failed.map_or_else(
                    |late| late.to_string(),
                    |ended| ended.err().map_or_else(String::new, |error| error.to_string()),
                );
                tracing::debug!(peer = peer.map(tracing::field::display), error, "TLS handshake failed");
            }
            None => {}
        }
    }

    /// Waits until a new connection is too late to be served. A peer that connected just before the stop is about to
    /// call and gets a moment: a proxy does not resend a write elsewhere if its connection breaks.
    async fn refusal_due(&self) {
        self.stopping.cancelled().await;
        sleep(LINGER).await;
    }

    /// Serves HTTP over a plain or TLS stream.
    async fn serve_http<C>(&self, stream: C, peer: CallerId)
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (version, stream) = tokio::select! {
            biased;
            opened = timeout(self.options.handshake, open(stream, self.http1)) => match opened {
                Ok(Ok(opened)) => opened,
                Ok(Err(_)) | Err(_) => return,
            },
            () = self.refusal_due() => return,
        };
        let closing = self.stopping.child_token();
        let shutdown = ConnectionShutdown::new(closing.clone());
        let peer_context = PeerContext { send_buffer: SendBuffer::new(), peer };
        let calls = Calls { service: self.service.clone(), closing: shutdown, peer_context };
        let builder = if version == Version::One { &self.one } else { &self.two };
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), calls));
        let old = self.options.age.map(|age| Instant::now() + jittered(age));

        // Serves calls. The stop is polled first: GOAWAY must go out before streams end, or clients would reopen them
        // here.
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => {}
            _ended = &mut connection => return,
            () = until(old) => self.metrics.connections().aged(),
        }
        connection.as_mut().graceful_shutdown();
        // Lets the calls of an old connection finish within the grace time. Then its streams end, each with a status.
        if !self.stopping.is_cancelled() {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => {}
                _ended = &mut connection => return,
                () = sleep(self.options.age_grace) => closing.cancel(),
            }
        }
        let rest = if self.stopping.is_cancelled() { self.grace } else { FINAL_STATUS_TIME };
        if timeout(rest, connection).await.is_err() {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Returns the builders for HTTP/1.1 and HTTP/2. Every limit is set explicitly: tonic has no default for most, and
/// hyper's may change.
fn builders(options: &ConnectionOptions) -> (Builder<TokioExecutor>, Builder<TokioExecutor>) {
    let mut one = Builder::new(TokioExecutor::new());
    one.http1().timer(TokioTimer::new()).header_read_timeout(HTTP1_TIMEOUT).max_buf_size(HEADER_BYTES as usize * 4);
    let mut two = Builder::new(TokioExecutor::new());
    two.http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_concurrent_streams(options.streams)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(HEADER_BYTES)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .keep_alive_interval(options.keepalive)
        .keep_alive_timeout(options.keepalive_timeout);
    (one.http1_only(), two.http2_only())
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Connection of a call, in the extensions of its request.
#[derive(Clone)]
pub(crate) struct PeerContext {
    /// Unread responses of the connection.
    pub(crate) send_buffer: SendBuffer,
    /// Identity of the peer, used as the caller without authentication.
    pub(crate) peer: CallerId,
}

/// Service of one connection.
struct Calls<S> {
    service: S,
    closing: ConnectionShutdown,
    peer_context: PeerContext,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Calls<S>
where
    S: tower::Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Oneshot<S, Request<Body>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(|body| Body::new(Inbound::new(body, self.closing.clone())));
        request.extensions_mut().insert(self.closing.clone());
        request.extensions_mut().insert(self.peer_context.clone());
        self.service.clone().oneshot(request)
    }
}
