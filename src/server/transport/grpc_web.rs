//! gRPC-Web for browsers: on the same port as gRPC, and for pages of other origins only if configured.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use tonic_web::GrpcWebLayer;
use tower::util::Either;
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

use crate::grpc::CACHE_METADATA;

/// Time for which browsers cache a preflight.
const PREFLIGHT: Duration = Duration::from_secs(3_600);
/// Additional request headers that pages may send.
const SENT: [&str; 8] = [
    "x-grpc-web",
    "x-user-agent",
    "grpc-timeout",
    "grpc-accept-encoding",
    "x-request-id",
    "traceparent",
    "tracestate",
    "baggage",
];
/// Response headers that pages may read. An error without a message is only in the headers of a gRPC-Web call.
const READ: [&str; 5] = ["grpc-status", "grpc-message", "grpc-status-details-bin", CACHE_METADATA, "x-request-id"];

/// Settings of gRPC-Web.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// Enables gRPC-Web.
    pub serve: bool,
    /// Origins of pages that may call.
    pub origins: Origins,
}

/// Origins of pages that may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// The called host only: behind a proxy that serves both the page and Copydesk.
    Same,
    /// These origins.
    Listed(Vec<HeaderValue>),
    /// All origins.
    All,
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Same),
            "*" => Ok(Self::All),
            text => {
                text.split(',').map(|part| origin(part.trim())).collect::<Option<_>>().map(Self::Listed).ok_or_else(
                    || "must be off, *, or origins such as https://desk.example: scheme, host, and no path".to_owned(),
                )
            }
        }
    }
}

/// Parses an origin into the form that browsers send.
fn origin(text: &str) -> Option<HeaderValue> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let origin = url.origin().ascii_serialization();
    (origin == text.trim_end_matches('/').to_ascii_lowercase()).then(|| HeaderValue::from_str(&origin).ok()).flatten()
}

/// Returns the CORS layer. It answers preflights before any other layer.
pub(crate) fn cors(options: &WebOptions) -> Either<CorsLayer, tower::layer::util::Identity> {
    let allowed = match &options.origins {
        _ if !options.serve => None,
        Origins::Same => None,
        Origins::Listed(origins) => Some(AllowOrigin::list(origins.clone())),
        Origins::All => Some(AllowOrigin::any()),
    };
    tower::util::option_layer(allowed.map(|origins| {
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::POST])
            .allow_headers(
                [header::CONTENT_TYPE, header::AUTHORIZATION]
                    .into_iter()
                    .chain(SENT.map(HeaderName::from_static))
                    .collect::<Vec<_>>(),
            )
            .expose_headers(READ.map(HeaderName::from_static))
            .max_age(PREFLIGHT)
    }))
}

/// Returns the layer that translates gRPC-Web to gRPC and passes gRPC through.
pub(crate) fn translation(options: &WebOptions) -> Either<GrpcWebLayer, tower::layer::util::Identity> {
    tower::util::option_layer(options.serve.then(GrpcWebLayer::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        let listed: Origins = "https://desk.example, http://localhost:8080".parse().unwrap();
        assert_eq!(
            listed,
            Origins::Listed(vec![
                HeaderValue::from_static("https://desk.example"),
                HeaderValue::from_static("http://localhost:8080")
            ])
        );
        assert_eq!("off".parse(), Ok(Origins::Same));
        assert_eq!("*".parse(), Ok(Origins::All));
        for invalid in
            ["", "desk.example", "https://desk.example/app", "ftp://desk.example", "https://*.example,", "null"]
        {
            assert!(invalid.parse::<Origins>().is_err(), "{invalid}");
        }
    }
}
