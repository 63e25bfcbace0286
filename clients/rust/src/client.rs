//! Client of all services.

use bytes::Bytes;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codec::CompressionEncoding;
use tonic::codegen::StdError;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;

use crate::endpoint::{ConnectError, endpoint};
use crate::proto::editorial_service_client::EditorialServiceClient;
use crate::proto::ingestion_service_client::IngestionServiceClient;
use crate::proto::retrieval_service_client::RetrievalServiceClient;
use crate::replicas::Replicas;
use crate::retrying::Retrying;
use crate::tls::Tls;
use crate::token::{Authorized, Token};

/// Maximum size of a response: a batch of 1,000 articles may be large.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Client of all services. [`Client::connect`] uses one connection to one server, which reconnects automatically;
/// [`Client::balanced`] balances calls over replicas, with retries.
#[derive(Clone, Debug)]
pub struct Client<C = Channel> {
    /// Ingestion service.
    pub ingestion: IngestionServiceClient<C>,
    /// Editorial service.
    pub editorial: EditorialServiceClient<C>,
    /// Retrieval service.
    pub retrieval: RetrievalServiceClient<C>,
    /// Health service (`grpc.health.v1`).
    pub health: HealthClient<C>,
}

impl Client {
    /// Connects to a server: `http://127.0.0.1:50051`, or `https://…` with a certificate that the system trusts. Calls
    /// are not retried: the caller sees every failure.
    ///
    /// # Errors
    /// If the address is invalid, or the connection fails or takes longer than five seconds.
    pub async fn connect(address: &str) -> Result<Self, ConnectError> {
        let unreachable = |cause| ConnectError::Unreachable { address: address.to_owned(), cause };
        Ok(Self::new(endpoint(address, &Tls::default())?.connect().await.map_err(unreachable)?))
    }

    /// Creates a client on an existing channel.
    pub fn new(channel: Channel) -> Self {
        Self::over(channel)
    }
}

impl Client<Authorized<Channel>> {
    /// Same as [`Client::connect`], with TLS settings for `https://…` addresses and an optional credential.
    ///
    /// # Errors
    /// Same as there, and if `tls` is invalid.
    pub async fn connect_with(address: &str, tls: &Tls, token: Option<Token>) -> Result<Self, ConnectError> {
        let unreachable = |cause| ConnectError::Unreachable { address: address.to_owned(), cause };
        let channel = endpoint(address, tls)?.connect().await.map_err(unreachable)?;
        Ok(Self::over(Authorized::new(channel, token)))
    }
}

impl Client<Authorized<Retrying>> {
    /// Same as [`Client::balanced`], with the TLS settings and credential of [`Client::connect_with`].
    ///
    /// ```no_run
    /// use copydesk_client::{Client, Tls, Token};
    ///
    /// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = Tls::default().ca(std::fs::read("ca.pem")?);
    /// let token = Token::new(&std::env::var("COPYDESK_TOKEN")?).ok_or("COPYDESK_TOKEN is not a key or token")?;
    /// let client = Client::balanced_with(&["https://news-1.example:50051"], &tls, Some(token))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Same as there, and if `tls` is invalid.
    pub fn balanced_with<A: AsRef<str>>(
        addresses: &[A],
        tls: &Tls,
        token: Option<Token>,
    ) -> Result<Self, ConnectError> {
        Ok(Self::over(Authorized::new(replicas(addresses, tls)?, token)))
    }
}

impl Client<Retrying> {
    /// Balances calls over replicas (`http://10.0.0.1:50051`, …) round robin, among those that report SERVING
    /// (`grpc.health.v1`). Timeouts and retries are those of `clients/service-config.json`. Requires a tokio runtime.
    ///
    /// # Errors
    /// If an address is invalid, or `addresses` is empty.
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
            editorial: EditorialServiceClient::new(channel.clone())
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
