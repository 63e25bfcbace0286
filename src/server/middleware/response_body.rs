//! Response of a call up to its last byte: the call ends there, not with the headers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Frame;
use tokio::time::Sleep;
use tokio_util::sync::PollSemaphore;
use tonic::body::Body;
use tonic::{Code, Status};

use super::auth::CredentialWatch;
use super::call::Call;
use super::call_kind::CallKind;
use super::limits::CallPermit;
use crate::grpc::{CACHE_METADATA, status};

/// Turns a handler's response into the response of its call.
pub(crate) fn answer(mut call: Call, response: Response<Body>, sleep: Option<Pin<Box<Sleep>>>) -> Response<Body> {
    call.cache = response.headers().get(CACHE_METADATA).cloned();
    if let Some(code) = code_in(response.headers()) {
        if let Some(status) = status::of_undecodable(response.headers()) {
            return call.refuse(&status);
        }
        call.code = code;
        return call.finish_headers(response);
    }
    if call.kind == CallKind::Unary {
        // The work is done; a caller that reads its response slowly is no reason to refuse others. A stream goes on
        // working.
        call.permit = CallPermit::default();
    }
    let response = call.finish_headers(response);
    let is_stream = call.kind != CallKind::Unary;
    let caller = call.caller.clone().filter(|_| is_stream);
    let credential_watch = caller.map(|caller| CredentialWatch::new(caller, call.metrics().clone()));
    response
        .map(|body| Body::new(CallBody { body: Some(body), call: Some(call), credential_watch, sleep, waiting: None }))
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

/// Response body, which ends its call.
struct CallBody {
    body: Option<Body>,
    call: Option<Call>,
    /// Watches the credential of a stream.
    credential_watch: Option<CredentialWatch>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Waits for capacity in the send buffer.
    waiting: Option<PollSemaphore>,
}

impl CallBody {
    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.body = None;
        if let Some(mut call) = self.call.take() {
            call.code = status.code();
        }
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(match status.add_header(&mut trailers) {
            Ok(()) => Ok(Frame::trailers(trailers)),
            Err(status) => Err(status),
        }))
    }
}

impl http_body::Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let (Some(body), Some(call)) = (&mut this.body, &mut this.call) else { return Poll::Ready(None) };
        if let Some(credential_watch) = &mut this.credential_watch
            && let Poll::Ready(status) = credential_watch.poll_lost(context)
        {
            return this.end(&status);
        }
        let capacity = call
            .send_buffer
            .as_ref()
            .map_or(Poll::Ready(()), |send_buffer| send_buffer.poll_capacity(&mut this.waiting, context));
        let polled = match capacity {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(()) => {
                let _entered = call.enter();
                catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(context)))
            }
        };
        match polled {
            Ok(Poll::Ready(Some(Ok(mut frame)))) => {
                if let Some(send_buffer) = &call.send_buffer {
                    frame = send_buffer.reserve(frame);
                }
                if let Some(code) = frame.trailers_ref().and_then(code_in) {
                    call.code = code;
                    this.call = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(Poll::Ready(ended)) => {
                this.call = None;
                Poll::Ready(ended)
            }
            Ok(Poll::Pending) => match call.poll_deadline(&mut this.sleep, context) {
                Poll::Ready(()) => this.end(&status::deadline_exceeded()),
                Poll::Pending => Poll::Pending,
            },
            Err(_panic) => {
                let status = call.panicked();
                this.end(&status)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}
