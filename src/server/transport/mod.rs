//! Connections: sockets, TLS, HTTP/2 and gRPC-Web, below the middleware of calls.

pub(super) mod certificate;
pub(super) mod connection;
pub(super) mod grpc_web;
pub(super) mod http_version;
pub(super) mod listener;
pub(super) mod request_body;
pub(super) mod send_buffer;
pub(super) mod tls;

use http::{Request, header};
use tonic::body::Body;

/// Returns true if the content type is that of gRPC with Protobuf. Web pages can send forms and plain text to any
/// address without a preflight, but not this content type. gRPC-Web is translated to it before.
pub(crate) fn is_grpc(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let essence = content_type.and_then(|value| value.split(|byte| *byte == b';').next()).unwrap_or_default();
    [&b"application/grpc"[..], b"application/grpc+proto"].contains(&essence.trim_ascii())
}
