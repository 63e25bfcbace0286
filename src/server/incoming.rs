//! Connections, as they come in: until the server stops, and no more at once than it is set to.

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

use super::connection::Shared;
use crate::telemetry::Metrics;

/// How long to wait after a connection could not be accepted.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// TCP's own question whether the peer is there, for HTTP/1.1, which has none.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// Serves what comes in until `stopping`, and is done when the last of it has ended.
pub(super) async fn serve<S, B>(
    listener: TcpListener,
    connections: Arc<Shared<S>>,
    most: usize,
    metrics: &Metrics,
    stopping: &CancellationToken,
) where
    S: tower::Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send + Sync,
{
    let places = Arc::new(Semaphore::new(most));
    let open = TaskTracker::new();
    let take = |stream: TcpStream, place: OwnedSemaphorePermit| {
        let (connections, opened) = (Arc::clone(&connections), metrics.connections().opened());
        open.spawn(async move {
            let _held = (place, opened);
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
                refused(&error).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics.connections().refused();
            // A flood is one line in the log, not one for each.
            if !std::mem::replace(&mut full, true) {
                tracing::warn!(most, "there are as many connections as may be; more are closed as they come");
            }
            continue;
        };
        full = false;
        take(stream, place);
    }
    // Who is connected, as far as the kernel has told him, may have called: a proxy does not send a write to somebody else then.
    let waiting = port.as_ref().map_or_else(|_error| Vec::new(), |port| connected(port, places.available_permits()));
    // The port is closed at once: who comes now is to go elsewhere, and not to wait here.
    drop((incoming, port));
    for stream in waiting {
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            take(stream, place);
        }
    }
    open.close();
    open.wait().await;
    if connections.cut() > 0 {
        tracing::warn!(connections = connections.cut(), "cut off with calls under way: the grace time had passed");
    }
}

/// The connections that wait to be accepted, as many as may be.
fn connected(port: &std::net::TcpListener, most: usize) -> Vec<TcpStream> {
    // The port does not block: it is the one that was served.
    let waiting = std::iter::from_fn(|| port.accept().ok()).take(most).filter_map(|(stream, _peer)| {
        stream.set_nonblocking(true).ok()?;
        stream.set_nodelay(true).ok()?;
        TcpStream::from_std(stream).ok()
    });
    waiting.collect()
}

async fn refused(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    // No file descriptors left, say: asking again at once would only keep a core busy.
    tracing::warn!(cause = %error, "a connection could not be accepted");
    tokio::time::sleep(AFTER_FAILURE).await;
}
