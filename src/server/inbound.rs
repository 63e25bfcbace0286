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
use tokio::time::timeout;
use tonic::Status;

use crate::grpc::{Ending, status};

/// How long the next piece of a request may take once its connection ends.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// How much is taken in of a request that nobody reads, in bytes: more than what may be on its way (the stream's window).
const UNREAD_BYTES: usize = 4 << 20;
/// How long that may take.
const UNREAD_TIME: Duration = Duration::from_secs(5);

/// The body; none once it has ended.
pub(super) struct Inbound(Option<Rest>);

impl Inbound {
    pub(super) fn new(body: Incoming, ending: Ending) -> Self {
        Self(Some(Rest { body, ending, late: None }))
    }
}

impl Drop for Inbound {
    /// A call that is refused by its headers has most of its document still on its way. With a reset, `h2` knows the last fifty
    /// such streams, and for what comes by any other it counts an error; after 256 of these in its life a connection is ended,
    /// with all calls that are under way on it.
    fn drop(&mut self) {
        let Some(rest) = self.0.take().filter(|rest| !rest.is_end_stream()) else { return };
        let mut unread = Box::pin(rest.take_in(UNREAD_BYTES));
        // Most that is short is here already.
        if unread.as_mut().now_or_never().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async { timeout(UNREAD_TIME, unread).await });
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
    async fn take_in(mut self, mut bytes: usize) {
        while let Some(Ok(frame)) = self.frame().await {
            match bytes.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => bytes = rest,
                None => return,
            }
        }
    }
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
                let late = this.late.get_or_insert_with(|| {
                    let ending = ending.clone();
                    Box::pin(async move {
                        ending.come().await;
                        tokio::time::sleep(LINGER).await;
                    })
                });
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
