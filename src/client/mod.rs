//! A client of a Copydesk server, for Rust programs and for our own commands.

mod policy; // what clients/service-config.json says, of which tonic itself takes no notice
mod replicas; // which of several is called
mod retrying; // a channel that heeds it
mod tls; // whom to trust, and what to show
mod token; // a channel that says who calls

use std::time::Duration;

use replicas::Replicas;
pub use retrying::Retrying;
pub use tls::Tls;
pub use token::{Authorized, Token};

use bytes::Bytes;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codec::CompressionEncoding;
use tonic::codegen::StdError;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_client::HealthClient;

use crate::proto::ingestion_service_client::IngestionServiceClient;
use crate::proto::retrieval_service_client::RetrievalServiceClient;

/// The largest answer that is taken: a batch of 1,000 articles may be large.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Both services. By [`Client::connect`] of one server, on one connection that comes back by itself; by [`Client::balanced`] of
/// several replicas, with retries.
#[derive(Clone, Debug)]
pub struct Client<C = Channel> {
    /// Articles in.
    pub ingestion: IngestionServiceClient<C>,
    /// Articles out.
    pub retrieval: RetrievalServiceClient<C>,
    /// Whether it serves.
    pub health: HealthClient<C>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// That is no address.
    #[error("{address:?} is no address of a server: it must be like http://127.0.0.1:50051")]
    Address {
        /// As it was given.
        address: String,
    },
    /// TLS cannot be spoken by what was given.
    #[error("TLS to {address}: {cause}")]
    Tls {
        /// Where.
        address: String,
        /// Why.
        cause: String,
    },
    /// Nobody answers.
    #[error("cannot reach a server at {address}: {cause}. Is `copydesk serve` running there?")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        cause: tonic::transport::Error,
    },
}

impl Client {
    /// Connects to a server: `http://127.0.0.1:50051`, or `https://…` with a certificate that the system trusts. Every failure is
    /// the caller's to see: nothing is tried again.
    ///
    /// # Errors
    /// When the address is none, or nobody answers within five seconds.
    pub async fn connect(address: &str) -> Result<Self, ConnectError> {
        let unreachable = |cause| ConnectError::Unreachable { address: address.to_owned(), cause };
        Ok(Self::new(endpoint(address, &Tls::default())?.connect().await.map_err(unreachable)?))
    }

    /// Over a connection that is there.
    pub fn new(channel: Channel) -> Self {
        Self::over(channel)
    }
}

impl Client<Authorized<Channel>> {
    /// The same as [`Client::connect`], with a say in whom to trust and what to show where the address is `https://…`, and with a
    /// credential, if there is one.
    ///
    /// # Errors
    /// As there; and when TLS cannot be spoken by what is in `tls`.
    pub async fn connect_with(address: &str, tls: &Tls, token: Option<Token>) -> Result<Self, ConnectError> {
        let unreachable = |cause| ConnectError::Unreachable { address: address.to_owned(), cause };
        let channel = endpoint(address, tls)?.connect().await.map_err(unreachable)?;
        Ok(Self::over(Authorized::new(channel, token)))
    }
}

impl Client<Authorized<Retrying>> {
    /// The same as [`Client::balanced`], with what [`Client::connect_with`] takes.
    ///
    /// # Errors
    /// As there; and when TLS cannot be spoken by what is in `tls`.
    pub fn balanced_with<A: AsRef<str>>(
        addresses: &[A],
        tls: &Tls,
        token: Option<Token>,
    ) -> Result<Self, ConnectError> {
        Ok(Self::over(Authorized::new(replicas(addresses, tls)?, token)))
    }
}

impl Client<Retrying> {
    /// Calls replicas (`http://10.0.0.1:50051`, …) by turns, those left out that do not say that they serve (`grpc.health.v1`).
    /// Timeouts and retries are those of `clients/service-config.json`. Runs within a tokio runtime.
    ///
    /// # Errors
    /// When an address is none, or there is none.
    pub fn balanced<A: AsRef<str>>(addresses: &[A]) -> Result<Self, ConnectError> {
        Ok(Self::over(replicas(addresses, &Tls::default())?))
    }
}

impl<C> Client<C>
where
    C: GrpcService<Body> + Clone,
    C::Error: Into<StdError>,
    C::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    fn over(channel: C) -> Self {
        Self {
            ingestion: IngestionServiceClient::new(channel.clone())
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            retrieval: RetrievalServiceClient::new(channel.clone())
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            health: HealthClient::new(channel),
        }
    }
}

fn replicas<A: AsRef<str>>(addresses: &[A], tls: &Tls) -> Result<Retrying, ConnectError> {
    let endpoints = addresses.iter().map(|address| endpoint(address.as_ref(), tls)).collect::<Result<Vec<_>, _>>()?;
    if endpoints.is_empty() {
        return Err(ConnectError::Address { address: String::new() });
    }
    Ok(Retrying::new(Replicas::new(endpoints)))
}

fn endpoint(address: &str, tls: &Tls) -> Result<Endpoint, ConnectError> {
    let wrong = || ConnectError::Address { address: address.to_owned() };
    let with_scheme = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(with_scheme).map_err(|_wrong| wrong())?;
    if endpoint.uri().host().is_none() {
        return Err(wrong());
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
        .user_agent(concat!("copydesk/", env!("CARGO_PKG_VERSION")))
        .map_err(|_wrong| wrong())
}

/// An error and what it comes of: tonic's says little by itself.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}
