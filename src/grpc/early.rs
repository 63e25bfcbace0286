//! Pages that are refused as they begin to come, instead of when they are there: one that is not wanted is neither copied nor decoded
//! (docs/performance.md).

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

use super::ingestion::failed;
use crate::ingest::{IngestError, Workers};
use crate::telemetry::Metrics;

/// The method that takes one document in one message.
const METHOD: &str = "/copydesk.v1.IngestionService/IngestArticle";

/// Refuses pages early, while there are too many.
#[derive(Clone)]
pub struct EarlyRefusal {
    workers: Workers,
    /// How large a message may be, in bytes.
    most: usize,
    metrics: Metrics,
}

impl EarlyRefusal {
    /// Refuses what the queue of these threads would. A message of more than `most` bytes is refused for that, by others.
    pub fn new(workers: Workers, most: usize, metrics: Metrics) -> Self {
        Self { workers, most, metrics }
    }

    /// Whether a request is for such a document, at such a time, and is to be looked at before others do.
    pub fn concerns(&self, request: &Request<Body>) -> bool {
        request.uri().path() == METHOD && self.workers.is_full()
    }

    /// Waits for the first of it, and refuses it, or hands it on.
    pub async fn look<S>(self, request: Request<Body>, mut service: S) -> Result<Response<Body>, Infallible>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let (head, mut rest) = request.into_parts();
        let first = rest.frame().await;
        let data = first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref());
        if data.is_some_and(|data| begins_as_page(data, self.most)) && self.workers.is_full() {
            return Ok(failed(&self.metrics, &IngestError::Busy).into_http());
        }
        service.call(Request::from_parts(head, Body::new(Begun { first, rest }))).await
    }
}

/// A body of which the first has been looked at.
struct Begun {
    first: Option<Result<Frame<Bytes>, Status>>,
    rest: Body,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }
}

/// Whether an `IngestArticleRequest` of at most so many bytes, with gRPC's five bytes before it, is one of a document that has to be
/// looked at. Libraries write fields in the order of their numbers as a rule: the document first, and in it the payload. What is compressed,
/// or comes otherwise, is not told from its beginning, and goes the ordinary way.
fn begins_as_page(bytes: &[u8], most: usize) -> bool {
    const PLAIN: u8 = 0;
    // Tags: a field's number, and that a length follows.
    const DOCUMENT: u8 = 1 << 3 | 2;
    const PAGES: [u8; 3] = [1 << 3 | 2, 2 << 3 | 2, 3 << 3 | 2]; // text, html, raw
    let [PLAIN, a, b, c, d, DOCUMENT, rest @ ..] = bytes else { return false };
    let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
    // The length of the document ends with the first byte below 128; one that is empty has no payload.
    let document = match rest.iter().position(|byte| *byte < 0x80) {
        Some(end) if rest[..=end] != [0] => &rest[end + 1..],
        _ => &[],
    };
    length <= most && document.first().is_some_and(|tag| PAGES.contains(tag))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::proto::document::Payload;
    use crate::proto::{Article, Document, IngestArticleRequest, RawPayload};

    const MOST: usize = 4_000_000;

    fn begins(document: Document) -> bool {
        let request_id = "again".to_owned();
        let request = IngestArticleRequest { document: Some(document), request_id, ..Default::default() };
        let length = u32::try_from(request.encoded_len()).expect("it is short");
        let mut bytes = [&[0][..], &length.to_be_bytes()].concat();
        request.encode(&mut bytes).expect("a vector grows");
        let told = begins_as_page(&bytes, MOST);
        bytes[0] = 1;
        assert!(!begins_as_page(&bytes, MOST), "compressed, it says nothing");
        told
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
        assert!(!begins(Document::default()), "what follows is the request's ID");
        assert!(!begins(Document { url: "https://herald.example/1".into(), ..Default::default() }));
        let cut: [&[u8]; 4] = [b"", b"\0\0\0\0\x09", b"\0\0\0\0\x09\x0a", b"\0\0\0\0\x09\x0a\xff"];
        assert!(!cut.into_iter().any(|bytes| begins_as_page(bytes, MOST)));
    }
}
