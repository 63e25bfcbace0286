//! A client of a Copydesk server, for Rust programs and for our own commands.

use std::time::Duration;

use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_client::HealthClient;

use crate::proto::ingestion_service_client::IngestionServiceClient;
use crate::proto::retrieval_service_client::RetrievalServiceClient;

/// The largest answer that is taken: a batch of 1,000 articles may be large.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Both services of one server, on one connection that comes back by itself.
#[derive(Clone, Debug)]
pub struct Client {
    /// Articles in.
    pub ingestion: IngestionServiceClient<Channel>,
    /// Articles out.
    pub retrieval: RetrievalServiceClient<Channel>,
    /// Whether it serves.
    pub health: HealthClient<Channel>,
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
    /// Connects to a server: `http://127.0.0.1:50051`.
    ///
    /// # Errors
    /// When the address is none, or nobody answers within five seconds.
    pub async fn connect(address: &str) -> Result<Self, ConnectError> {
        let wrong = || ConnectError::Address { address: address.to_owned() };
        let with_scheme = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(with_scheme).map_err(|_wrong| wrong())?;
        if endpoint.uri().host().is_none() {
            return Err(wrong());
        }
        let channel = endpoint
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .user_agent(concat!("copydesk/", env!("CARGO_PKG_VERSION")))
            .map_err(|_wrong| wrong())?
            .connect()
            .await
            .map_err(|cause| ConnectError::Unreachable { address: address.to_owned(), cause })?;
        Ok(Self::new(channel))
    }

    /// Over a connection that is there.
    pub fn new(channel: Channel) -> Self {
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
