//! Addresses of servers and settings of connections.

use std::time::Duration;

use tonic::transport::Endpoint;

use crate::tls::Tls;

/// Error of connecting.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Invalid address.
    #[error("invalid server address {address:?}; must be a URL such as http://127.0.0.1:50051")]
    Address {
        /// Given address.
        address: String,
    },
    /// Invalid TLS settings.
    #[error("invalid TLS settings for {address}: {cause}")]
    Tls {
        /// Server address.
        address: String,
        /// Cause.
        cause: String,
    },
    /// Connection failed.
    #[error("cannot connect to {address}: {}", explained(cause))]
    Unreachable {
        /// Server address.
        address: String,
        /// Cause.
        cause: tonic::transport::Error,
    },
}

/// Returns the endpoint of an address, with its TLS settings if it is `https://…`. Does not connect.
pub(crate) fn endpoint(address: &str, tls: &Tls) -> Result<Endpoint, ConnectError> {
    let invalid = || ConnectError::Address { address: address.to_owned() };
    let with_scheme = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(with_scheme).map_err(|_invalid| invalid())?;
    if endpoint.uri().host().is_none() {
        return Err(invalid());
    }
    let endpoint = if endpoint.uri().scheme_str() == Some("https") {
        let failed =
            |error: tonic::transport::Error| ConnectError::Tls { address: address.to_owned(), cause: causes(&error) };
        endpoint.tls_config(tls.config()).map_err(failed)?
    } else {
        endpoint
    };
    endpoint
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .user_agent(concat!("copydesk-client/", env!("CARGO_PKG_VERSION")))
        .map_err(|_invalid| invalid())
}

/// Returns the last cause of a failed connection, with a hint.
fn explained(error: &tonic::transport::Error) -> String {
    let chain = || std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let kind = chain().find_map(|error| error.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let all = causes(error);
    if kind == Some(std::io::ErrorKind::ConnectionRefused) {
        return "connection refused; check that `copydesk serve` is running there".to_owned();
    }
    let hints = [
        ("dns error", "the host name cannot be resolved"),
        ("UnknownIssuer", "the issuer of the server's certificate is unknown: trust its CA (`--ca`)"),
        ("NotValidForName", "the server's certificate is for another host name"),
        ("certificate expired", "the server's certificate has expired"),
        ("InvalidContentType", "the port does not use TLS: use http://"),
        ("deadline has elapsed", "no answer within 5 s"),
    ];
    match hints.iter().find(|(cause, _)| all.contains(cause)) {
        Some((_, hint)) => (*hint).to_owned(),
        None => chain().last().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Joins an error with its sources: the message of tonic's error alone says little.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}
