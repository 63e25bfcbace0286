//! Whom a client trusts, and what it shows.

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// How `https://` is spoken. By default whoever the system trusts is trusted, and no certificate is shown.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    ca: Option<Certificate>,
    identity: Option<Identity>,
}

impl Tls {
    /// Trusts these authorities, certificates in PEM, and no others.
    #[must_use]
    pub fn ca(self, pem: impl AsRef<[u8]>) -> Self {
        Self { ca: Some(Certificate::from_pem(pem)), ..self }
    }

    /// Shows this certificate, with those that vouch for it, by its key; all in PEM.
    #[must_use]
    pub fn identity(self, cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self { identity: Some(Identity::from_pem(cert, key)), ..self }
    }

    pub(super) fn config(&self) -> ClientTlsConfig {
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
