//! Compression of responses.

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use tonic::Response;

/// Header with the compressions that a caller accepts.
const ACCEPTS: &str = "grpc-accept-encoding";
/// Releases of gRPC for Python that sometimes deliver the compressed bytes as the message: three of 327,000 calls.
const DEFECTIVE: [&str; 5] = ["1.81.", "1.82.", "1.83.", "1.84.", "1.85."];

/// Settings of the compression of responses. Requests may always be compressed.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    /// True if callers that accept it get compressed responses.
    pub enabled: bool,
    /// Minimum size of a unary response that is compressed, in bytes. Streams compress each message.
    pub min_bytes: usize,
}

impl Compression {
    /// Returns a unary response.
    pub(super) fn reply<T: Message>(self, message: T) -> Response<T> {
        let is_small = message.encoded_len() < self.min_bytes;
        let mut response = Response::new(message);
        if is_small {
            response.disable_compression();
        }
        response
    }
}

/// Removes the compressions that a caller accepts, if it cannot read them reliably.
pub fn without_defective_compression(headers: &mut HeaderMap) {
    let is_defective = |agent: &HeaderValue| {
        let rest = agent.to_str().ok().and_then(|agent| agent.split_once("grpc-python/"));
        rest.is_some_and(|(_, rest)| DEFECTIVE.iter().any(|version| rest.starts_with(version)))
    };
    if headers.contains_key(ACCEPTS) && headers.get(USER_AGENT).is_some_and(is_defective) {
        headers.remove(ACCEPTS);
    }
}
