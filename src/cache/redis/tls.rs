//! TLS to Redis: rustls, under the driver.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tls;

/// How connections are encrypted: whoever answers must show a certificate of the host that was named.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts the authorities in a file, or those of the system.
    pub(super) fn trusting(ca: Option<&Path>) -> Result<Self, String> {
        let config = tls::verified(ca, "cache-ca").map_err(|wrong| match ca {
            Some(_) => format!("cache-ca: {wrong}"),
            None => wrong,
        })?;
        Ok(Self(Arc::new(config)))
    }

    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}
