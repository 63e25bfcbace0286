//! One connection, from its first byte to its last: it opens in time or not at all, calls come by it until it is old or the
//! server stops, and then it ends with GOAWAY, so that no call is lost to its end.

use std::convert::Infallible;
use std::future::pending;
use std::hash::{BuildHasher, RandomState};
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

use super::inbound::{Inbound, LINGER};
use super::opening::{Version, open};
use super::outbox::Outbox;
use super::tls::Tls;
use crate::caller::CallerId;
use crate::grpc::Ending;
use crate::telemetry::Metrics;

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// How many there may be at once. More are closed as they come.
    pub most: usize,
    /// Calls under way at once on one.
    pub streams: u32,
    /// How long one may take to open.
    pub handshake: Duration,
    /// How often a silent peer is asked whether it is there, if it is.
    pub keepalive: Option<Duration>,
    /// How long it may take to answer.
    pub keepalive_timeout: Duration,
    /// How old one becomes, give or take a tenth, before it takes no more calls; none for no bound.
    pub age: Option<Duration>,
    /// How long its calls may then take.
    pub age_grace: Duration,
}

/// The most that the headers of a request may take, in bytes. HTTP/2's CONTINUATION is bounded by it too.
const HEADER_BYTES: u32 = 16 << 10;
/// The most that a frame of a request may take, in bytes: a page is most often one then, of clients that make use of
/// this, and is handed on at once.
const FRAME_BYTES: u32 = 64 << 10;
/// Calls that were reset by their caller before anything took them: more at once, and the connection is closed (CVE-2023-44487).
const PENDING_RESETS: usize = 32;
/// Calls that the server reset for what was wrong with them: more at once, and the connection is closed (CVE-2025-8671).
const ERROR_RESETS: usize = 256;
/// How long a request of HTTP/1.1 may take to be there; also how long such a connection may idle.
const HTTP1_PATIENCE: Duration = Duration::from_secs(30);
/// How long the last words may take, of a connection that is too old.
const FAREWELL: Duration = LINGER.saturating_mul(2);

/// What all connections have in common.
pub(super) struct Shared<S> {
    service: S,
    one: Builder<TokioExecutor>,
    two: Builder<TokioExecutor>,
    http1: bool,
    tls: Option<Tls>,
    options: ConnectionOptions,
    metrics: Metrics,
    /// From when on there is no more to come.
    stopping: CancellationToken,
    /// How long what is under way may then take.
    grace: Duration,
    cut: AtomicUsize,
}

impl<S, B> Shared<S>
where
    S: tower::Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send + Sync,
{
    /// Calls go to `service`. HTTP/1.1 is spoken if `http1`, and TLS if there is.
    pub(super) fn new(
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

    /// How many were cut off because the grace time had passed.
    pub(super) fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(&self, stream: TcpStream) {
        let peer = stream.peer_addr().ok();
        // A connection that has ended already has no address.
        let from = peer.map_or(CallerId::SERVER, |peer| CallerId::peer(peer.ip()));
        let Some(tls) = &self.tls else { return self.speak(stream, from).await };
        let handshake = timeout(self.options.handshake, tls.accept(stream));
        let shaken = tokio::select! {
            shaken = handshake => Some(shaken),
            () = self.late() => None,
        };
        match shaken {
            Some(Ok(Ok(stream))) => self.speak(stream, from).await,
            Some(failed) => {
                self.metrics.connections().handshake_failed();
                let cause = failed.map_or_else(
                    |late| late.to_string(),
                    |ended| ended.err().map_or_else(String::new, |error| error.to_string()),
                );
                tracing::debug!(?peer, cause, "a TLS handshake failed");
            }
            None => {}
        }
    }

    /// When it is too late to begin to speak. Who has connected before a stop is about to call, and is not cut off in that moment: a
    /// proxy that has sent a write on a connection that breaks does not send it to somebody else.
    async fn late(&self) {
        self.stopping.cancelled().await;
        sleep(LINGER).await;
    }

    /// HTTP, over whatever it goes by.
    async fn speak<C>(&self, stream: C, peer: CallerId)
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (version, stream) = tokio::select! {
            biased;
            opened = timeout(self.options.handshake, open(stream, self.http1)) => match opened {
                Ok(Ok(opened)) => opened,
                Ok(Err(_)) | Err(_) => return,
            },
            () = self.late() => return,
        };
        let ending = self.stopping.child_token();
        let ends = Ending::new(ending.clone());
        let peer_context = PeerContext { outbox: Outbox::new(), peer };
        let calls = Calls { service: self.service.clone(), ending: ends, peer_context };
        let builder = if version == Version::One { &self.one } else { &self.two };
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), calls));
        let old = self.options.age.map(|age| Instant::now() + jittered(age));

        // As long as calls come. The stop comes first: GOAWAY must go out before the ends of streams, lest they are opened
        // anew right here.
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => {}
            _ended = &mut connection => return,
            () = until(old) => self.metrics.connections().aged(),
        }
        connection.as_mut().graceful_shutdown();
        // As long as the calls of an old one may take. Then its streams end, each with a status.
        if !self.stopping.is_cancelled() {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => {}
                _ended = &mut connection => return,
                () = sleep(self.options.age_grace) => ending.cancel(),
            }
        }
        let rest = if self.stopping.is_cancelled() { self.grace } else { FAREWELL };
        if timeout(rest, connection).await.is_err() {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// HTTP/1.1's and HTTP/2's. Every limit is set here: tonic's default for most is none, and hyper's may change.
fn builders(options: &ConnectionOptions) -> (Builder<TokioExecutor>, Builder<TokioExecutor>) {
    let mut one = Builder::new(TokioExecutor::new());
    one.http1().timer(TokioTimer::new()).header_read_timeout(HTTP1_PATIENCE).max_buf_size(HEADER_BYTES as usize * 4);
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

/// Up to a tenth more or less, so that connections that were opened together do not come back together (gRFC A9).
fn jittered(duration: Duration) -> Duration {
    let drawn = RandomState::new().hash_one(()) >> 11;
    duration.mul_f64(0.9 + 0.2 * (drawn as f64 / (1_u64 << 53) as f64))
}

/// What a call has from its connection.
#[derive(Clone)]
pub(super) struct PeerContext {
    /// What is on its way to the peer.
    pub(super) outbox: Outbox,
    /// The peer, as a caller where none is authenticated.
    pub(super) peer: CallerId,
}

/// The calls of one connection.
struct Calls<S> {
    service: S,
    ending: Ending,
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
        let mut request = request.map(|body| Body::new(Inbound::new(body, self.ending.clone())));
        request.extensions_mut().insert(self.ending.clone());
        request.extensions_mut().insert(self.peer_context.clone());
        self.service.clone().oneshot(request)
    }
}
