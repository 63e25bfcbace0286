//! Request bodies. Once the connection ends, they are waited for only briefly: an incomplete call or an open reflection
//! stream would otherwise delay a stop for as long as that may take. Unread rests of bodies are drained: HTTP/2 allows
//! resetting the stream instead, but frames that are in flight by then count as connection errors.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tonic::Status;

use crate::grpc::{ConnectionShutdown, status};

/// Maximum time for the next frame of a request once its connection ends.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// Maximum size of a drained body, in bytes: a message of the default maximum size.
const DRAIN_BYTES: usize = (16 << 20) + 5;
/// Maximum time for the next frame of a drained body.
const DRAIN_IDLE: Duration = Duration::from_secs(5);
/// Maximum time for all of a drained body.
const DRAIN_TIME: Duration = Duration::from_secs(30);
/// Limits concurrent drains of all connections. A drain needs almost no memory, but no other limit applies to it:
/// refused callers may be unauthenticated.
static DRAINS: Semaphore = Semaphore::const_new(1_024);

/// Request body; none once it has ended.
pub(crate) struct Inbound(Option<Rest>);

impl Inbound {
    pub(crate) fn new(body: Incoming, closing: ConnectionShutdown) -> Self {
        Self(Some(Rest { body, closing, idle_deadline: None }))
    }
}

impl Drop for Inbound {
    /// Drains the rest of the body. Most of the document is still in flight if a call is refused by its headers. `h2`
    /// remembers at most fifty streams that it has reset within a second; frames of any other reset stream count as
    /// errors, and after 256 of these it closes the connection with all its calls.
    fn drop(&mut self) {
        let Some(rest) = self.0.take().filter(|rest| !rest.is_end_stream()) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let mut drained = Box::pin(rest.drain());
        // Most short bodies have arrived already.
        if drained.as_mut().now_or_never().is_none()
            && let Ok(permit) = DRAINS.try_acquire()
        {
            runtime.spawn(async move {
                let _permit = permit;
                timeout(DRAIN_TIME, drained).await
            });
        }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(rest) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(rest).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Rest::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), Rest::size_hint)
    }
}

/// Unread rest of a body.
struct Rest {
    body: Incoming,
    closing: ConnectionShutdown,
    /// End of the wait for the next frame; created only if there is a wait.
    idle_deadline: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Rest {
    /// Reads and discards frames.
    async fn drain(mut self) {
        let closing = self.closing.clone();
        let read = async {
            let mut bytes = 0;
            while let Ok(Some(Ok(frame))) = timeout(DRAIN_IDLE, self.frame()).await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > DRAIN_BYTES {
                    return;
                }
            }
        };
        tokio::select! {
            () = read => {}
            () = idle_deadline(closing) => {}
        }
    }
}

/// Waits until a closing connection stops waiting for frames.
async fn idle_deadline(closing: ConnectionShutdown) {
    closing.started().await;
    sleep(LINGER).await;
}

impl Body for Rest {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                this.idle_deadline = None;
                Poll::Ready(frame.map(|frame| frame.map_err(|error| Status::from_error(Box::new(error)))))
            }
            Poll::Pending => {
                let closing = &this.closing;
                let idle_deadline = this.idle_deadline.get_or_insert_with(|| Box::pin(idle_deadline(closing.clone())));
                idle_deadline.as_mut().poll(context).map(|()| Some(Err(status::stopping())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
