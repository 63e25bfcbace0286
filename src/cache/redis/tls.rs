//! TLS to Redis: rustls below the driver.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tls;

/// TLS settings of connections, which verify the server's certificate and host name.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts the CA certificates in a file, or those of the system.
    pub(super) fn trusting(ca: Option<&Path>) -> Result<Self, String> {
        let config = tls::verified(ca, "cache-ca").map_err(|error| match ca {
            Some(_) => format!("cache-ca: {error}"),
            None => error,
        })?;
        Ok(Self(Arc::new(config)))
    }

    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}
