//! Early refusal of documents: a refused document is neither copied nor decoded (docs/performance.md), and an accepted
//! one reserves memory before it takes any.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::grpc::failure_status;
use crate::ingest::{Extraction, IngestError};
use crate::telemetry::Metrics;

/// Path of the method that takes one document in one message.
const METHOD: &str = "/copydesk.v1.IngestionService/IngestArticle";
/// Maximum size of a message that reserves no memory, in bytes. All of these together take less than the documents of
/// streams.
const SMALL_BYTES: usize = 64 << 10;
/// Size of the prefix of a gRPC message: the compressed flag and the length.
const PREFIX_BYTES: usize = 5;

/// Middleware that refuses documents early while extraction is full.
#[derive(Clone)]
pub struct EarlyReject {
    extraction: Extraction,
    /// Maximum size of a message, in bytes.
    max: usize,
    metrics: Metrics,
}

impl EarlyReject {
    /// Refuses documents while `extraction` is full. Messages of more than `max` bytes pass; decoding refuses them.
    pub fn new(extraction: Extraction, max: usize, metrics: Metrics) -> Self {
        Self { extraction, max, metrics }
    }

    /// Returns true if a request carries a document in one message.
    pub fn applies_to(&self, request: &Request<Body>) -> bool {
        request.uri().path() == METHOD
    }

    /// Waits for the first bytes of a document, then refuses it, or reserves memory and forwards it.
    pub async fn admit_document<S>(self, request: Request<Body>, mut service: S) -> Result<Response<Body>, Infallible>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let (head, mut rest) = request.into_parts();
        let mut first = VecDeque::new();
        let mut begin = Bytes::new();
        while begin.len() <= PREFIX_BYTES {
            let Some(frame) = rest.frame().await else { break };
            if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
                begin = if begin.is_empty() { data.clone() } else { [&begin[..], data].concat().into() };
            }
            let is_end = !frame.as_ref().is_ok_and(Frame::is_data);
            first.push_back(frame);
            if is_end {
                break;
            }
        }
        let memory = match MessageStart::of(&begin, self.max) {
            Some(MessageStart { length, is_page }) if is_page && self.extraction.is_full(length) => None,
            Some(MessageStart { length, .. }) if length > SMALL_BYTES => self.extraction.reserve(length).map(Some),
            _ => Some(None),
        };
        let Some(memory) = memory else { return Ok(failure_status(&self.metrics, &IngestError::Busy).into_http()) };
        let response = service.call(Request::from_parts(head, Body::new(PeekedBody { first, rest }))).await;
        drop(memory);
        response
    }
}

/// Body whose first frames have been read and are returned again.
struct PeekedBody {
    first: VecDeque<Result<Frame<Bytes>, Status>>,
    rest: Body,
}

impl http_body::Body for PeekedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.first.pop_front() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.is_end_stream()
    }
}

/// Beginning of a message that is not too large.
struct MessageStart {
    /// Size of the message as sent, maybe compressed, in bytes.
    length: usize,
    /// True if it is known to be a document that needs extraction.
    is_page: bool,
}

impl MessageStart {
    /// Parses the first bytes of a call, from gRPC's prefix on.
    fn of(bytes: &[u8], max: usize) -> Option<Self> {
        let [_, a, b, c, d, ..] = bytes else { return None };
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?;
        (length <= max).then(|| Self { length, is_page: begins_as_page(bytes) })
    }
}

/// Returns true if an `IngestArticleRequest` with gRPC's prefix has a document that needs extraction. Libraries usually
/// write fields in the order of their numbers: the document first, and the payload first in it. Compressed messages and
/// other orders are not recognized and take the ordinary path.
fn begins_as_page(bytes: &[u8]) -> bool {
    const PLAIN: u8 = 0;
    // Tags: the field's number and the wire type of length-delimited fields.
    const DOCUMENT: u8 = 1 << 3 | 2;
    const PAGES: [u8; 3] = [1 << 3 | 2, 2 << 3 | 2, 3 << 3 | 2]; // text, html, raw
    let [PLAIN, _, _, _, _, DOCUMENT, rest @ ..] = bytes else { return false };
    // The length of the document ends with the first byte below 128; an empty document has no payload.
    let document = match rest.iter().position(|byte| *byte < 0x80) {
        Some(end) if rest[..=end] != [0] => &rest[end + 1..],
        _ => &[],
    };
    document.first().is_some_and(|tag| PAGES.contains(tag))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::proto::document::Payload;
    use crate::proto::{Article, Document, IngestArticleRequest, RawPayload};

    const MAX: usize = 4_000_000;

    fn begins(document: Document) -> bool {
        let request_id = "again".to_owned();
        let request = IngestArticleRequest { document: Some(document), request_id, ..Default::default() };
        let length = u32::try_from(request.encoded_len()).expect("the message is short");
        let mut bytes = [&[0][..], &length.to_be_bytes()].concat();
        request.encode(&mut bytes).expect("a vector grows");
        let is_page = MessageStart::of(&bytes, MAX).is_some_and(|it| it.is_page);
        bytes[0] = 1;
        assert!(!begins_as_page(&bytes), "a compressed message was recognized");
        is_page
    }

    #[test]
    fn pages_are_told_by_their_beginning_and_nothing_else_is_taken_for_one() {
        let of =
            |payload| Document { payload: Some(payload), url: "https://herald.example/1".into(), ..Default::default() };
        for (length, is_page) in [(1, true), (100, true), (20_000, true), (3_000_000, true), (5_000_000, false)] {
            let text = "a".repeat(length);
            assert_eq!(begins(of(Payload::Text(text.clone()))), is_page);
            assert_eq!(begins(of(Payload::Html(text.clone()))), is_page);
            assert_eq!(
                begins(of(Payload::Raw(RawPayload { data: text.clone().into(), ..Default::default() }))),
                is_page
            );
            assert!(!begins(of(Payload::Article(Article { body: text, ..Default::default() }))));
        }
        assert!(!begins(Document::default()), "the request ID was taken for a payload");
        assert!(!begins(Document { url: "https://herald.example/1".into(), ..Default::default() }));
        let cut: [&[u8]; 4] = [b"", b"\0\0\0\0\x09", b"\0\0\0\0\x09\x0a", b"\0\0\0\0\x09\x0a\xff"];
        assert!(!cut.into_iter().any(begins_as_page));
    }
}
