//! TLS settings of a client.

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// TLS settings for `https://` addresses. The default trusts the system's CA certificates and sends no client
/// certificate.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    ca: Option<Certificate>,
    identity: Option<Identity>,
}

impl Tls {
    /// Trusts only these CA certificates, in PEM.
    #[must_use]
    pub fn ca(self, pem: impl AsRef<[u8]>) -> Self {
        Self { ca: Some(Certificate::from_pem(pem)), ..self }
    }

    /// Sets the client certificate with its chain, and its private key, all in PEM.
    #[must_use]
    pub fn identity(self, cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self { identity: Some(Identity::from_pem(cert, key)), ..self }
    }

    pub(crate) fn config(&self) -> ClientTlsConfig {
        let config = match &self.ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(ca.clone()),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match &self.identity {
            Some(identity) => config.identity(identity.clone()),
            None => config,
        }
    }
}
