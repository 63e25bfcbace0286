//! Limit on the unread responses of a connection: a caller that does not read its responses must not fill the memory.
//!
//! HTTP/2's flow control leaves unread responses here, one frame per call; a frame is a whole message, and a connection
//! has many calls.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// Maximum size of unread responses on one connection, in bytes. The last one may exceed it; further ones are not built
/// until there is room.
const BYTES: usize = 8 << 20;
/// Unit of accounting, in bytes. Smaller frames are not counted: those of 256 calls are little.
const UNIT: usize = 16 << 10;

/// Unread responses of one connection. In the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) struct SendBuffer(Arc<Semaphore>);

impl SendBuffer {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BYTES / UNIT)))
    }

    /// Waits for room. `waiting` holds the state of the wait, one per caller.
    pub(crate) fn poll_capacity(&self, waiting: &mut Option<PollSemaphore>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.available_permits() == 0 {
            let waiting = waiting.get_or_insert_with(|| PollSemaphore::new(Arc::clone(&self.0)));
            // Released at once for the next waiter: the size of the frame is not known yet.
            drop(ready!(waiting.poll_acquire(context)));
        }
        Poll::Ready(())
    }

    /// Returns a frame that takes its room until it is sent or dropped.
    pub(crate) fn reserve(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        frame.map_data(|bytes| {
            let units = (bytes.len() / UNIT).min(self.0.available_permits());
            let permit = u32::try_from(units).ok().filter(|units| *units > 0);
            match permit.and_then(|units| Arc::clone(&self.0).try_acquire_many_owned(units).ok()) {
                Some(permit) => Bytes::from_owner(ReservedBytes { bytes, _permit: permit }),
                None => bytes,
            }
        })
    }
}

struct ReservedBytes {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for ReservedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_is_unread_holds_up_what_comes_after_it() {
        let send_buffer = SendBuffer::new();
        let room = async || {
            let mut waiting = None;
            poll_fn(|context| send_buffer.poll_capacity(&mut waiting, context)).await;
        };
        let frame =
            |bytes: usize| send_buffer.reserve(Frame::data(Bytes::from(vec![7; bytes]))).into_data().expect("data");
        let small = frame(UNIT - 1);
        let large = frame(BYTES / 2);
        room().now_or_never().expect("there is room");
        // The last frame may exceed the limit.
        let larger = frame(BYTES);
        assert_eq!((larger.len(), small.len()), (BYTES, UNIT - 1));
        let mut first = Box::pin(room());
        let mut second = Box::pin(room());
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(large.slice(1..));
        assert!(first.as_mut().now_or_never().is_none(), "room was released while a part is still in use");
        drop(large);
        first.await;
        second.await;
    }
}
