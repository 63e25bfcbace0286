//! The body of a request. While its connection ends, it is waited for no longer than a moment: a call that is half sent, or an
//! open stream of reflection, would otherwise hold up a stop for as long as that may take. And what nobody reads of it is taken
//! in all the same: HTTP/2 lets a stream be reset instead, but what is on its way by then counts as an error of the connection.

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

use crate::grpc::{Ending, status};

/// How long the next piece of a request may take once its connection ends.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// How much is taken in of a request that nobody reads, in bytes: all of a message of the largest default size.
const UNREAD_BYTES: usize = (16 << 20) + 5;
/// How long the next piece of it may take, and all of it.
const UNREAD_IDLE: Duration = Duration::from_secs(5);
const UNREAD_TIME: Duration = Duration::from_secs(30);
/// How many may be taken in at once, of all connections. It needs no memory to speak of, but there is no other limit: who is refused
/// need not be known.
static UNREAD: Semaphore = Semaphore::const_new(1_024);

/// The body; none once it has ended.
pub(super) struct Inbound(Option<Rest>);

impl Inbound {
    pub(super) fn new(body: Incoming, ending: Ending) -> Self {
        Self(Some(Rest { body, ending, late: None }))
    }
}

impl Drop for Inbound {
    /// A call that is refused by its headers has most of its document still on its way. `h2` remembers no more than fifty streams
    /// that it has reset within a second; what comes by any other it counts as an error, and after 256 of these in its life a
    /// connection is ended, with all calls that are under way on it.
    fn drop(&mut self) {
        let Some(rest) = self.0.take().filter(|rest| !rest.is_end_stream()) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let mut unread = Box::pin(rest.take_in());
        // Most that is short is here already.
        if unread.as_mut().now_or_never().is_none()
            && let Ok(place) = UNREAD.try_acquire()
        {
            runtime.spawn(async move {
                let _held = place;
                timeout(UNREAD_TIME, unread).await
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

/// What has not been read of it.
struct Rest {
    body: Incoming,
    ending: Ending,
    /// The end of the wait for the next piece; made only when there is something to wait for.
    late: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Rest {
    /// Reads on, to no end but its own.
    async fn take_in(mut self) {
        let ending = self.ending.clone();
        let read = async {
            let mut bytes = 0;
            while let Ok(Some(Ok(frame))) = timeout(UNREAD_IDLE, self.frame()).await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > UNREAD_BYTES {
                    return;
                }
            }
        };
        tokio::select! {
            () = read => {}
            () = late(ending) => {}
        }
    }
}

/// When a connection that ends waits for no more.
async fn late(ending: Ending) {
    ending.come().await;
    sleep(LINGER).await;
}

impl Body for Rest {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                this.late = None;
                Poll::Ready(frame.map(|frame| frame.map_err(|error| Status::from_error(Box::new(error)))))
            }
            Poll::Pending => {
                let ending = &this.ending;
                let late = this.late.get_or_insert_with(|| Box::pin(late(ending.clone())));
                late.as_mut().poll(context).map(|()| Some(Err(status::stopping())))
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
