//! Accepts connections until the server stops, up to the configured maximum.

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;

use super::connection::ConnectionContext;
use crate::telemetry::Metrics;

/// Pause after a failed accept.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// Interval of TCP keepalive, for HTTP/1.1, which has no pings.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// Serves connections until `stopping`, and returns once the last one has ended.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    connections: Arc<ConnectionContext<S>>,
    max: usize,
    metrics: &Metrics,
    stopping: &CancellationToken,
) where
    S: tower::Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send + Sync,
{
    let permits = Arc::new(Semaphore::new(max));
    let open = TaskTracker::new();
    let take = |stream: TcpStream, permit: OwnedSemaphorePermit| {
        let (connections, opened) = (Arc::clone(&connections), metrics.connections().opened());
        open.spawn(async move {
            let _held = (permit, opened);
            connections.serve(stream).await;
        });
    };
    let mut full = false;
    let port = listener.as_fd().try_clone_to_owned().map(std::net::TcpListener::from);
    let mut incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE));
    while let Some(Some(accepted)) = stopping.run_until_cancelled(incoming.next()).await {
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                accept_failed(&error).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            metrics.connections().refused();
            // A flood is logged once.
            if !std::mem::replace(&mut full, true) {
                tracing::warn!(max, "connection limit reached; further connections are closed on arrival");
            }
            continue;
        };
        full = false;
        take(stream, permit);
    }
    // Connections in the kernel's accept queue are established for their peers, which may have sent calls already: a
    // proxy does not resend a write elsewhere.
    let queued = port.as_ref().map_or_else(|_error| Vec::new(), |port| accept_queue(port, permits.available_permits()));
    // The port closes at once, so that new clients go elsewhere instead of waiting.
    drop((incoming, port));
    for stream in queued {
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            take(stream, permit);
        }
    }
    open.close();
    open.wait().await;
    if connections.cut() > 0 {
        tracing::warn!(
            connections = connections.cut(),
            "connections with calls in flight cut off after the grace time"
        );
    }
}

/// Accepts the queued connections, at most `max`.
fn accept_queue(port: &std::net::TcpListener, max: usize) -> Vec<TcpStream> {
    // The port is non-blocking: it is a duplicate of the listener's.
    let queued = std::iter::from_fn(|| port.accept().ok()).take(max).filter_map(|(stream, _peer)| {
        stream.set_nonblocking(true).ok()?;
        stream.set_nodelay(true).ok()?;
        TcpStream::from_std(stream).ok()
    });
    queued.collect()
}

async fn accept_failed(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    // For example, no file descriptors are left: an immediate retry would only keep a core busy.
    tracing::warn!(%error, "connection could not be accepted");
    tokio::time::sleep(AFTER_FAILURE).await;
}
