//! The body of a request. While its connection ends, it is waited for no longer than a moment: a call that is half sent, or an
//! open stream of reflection, would otherwise hold up a stop for as long as that may take.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

use crate::grpc::{Ending, status};

/// How long the next piece of a request may take once its connection ends.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// The body.
pub(super) struct Inbound {
    body: Incoming,
    ending: Ending,
    /// The end of the wait for the next piece; made only when there is something to wait for.
    late: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Inbound {
    pub(super) fn new(body: Incoming, ending: Ending) -> Self {
        Self { body, ending, late: None }
    }
}

impl Body for Inbound {
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
