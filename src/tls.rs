//! TLS settings shared by server and clients: crypto provider and trust roots for connections to our dependencies.

use std::path::Path;
use std::sync::Arc;

use crate::printable;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// Returns the crypto provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Returns a client configuration without trust roots.
pub(crate) fn client() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default protocol versions")
}

/// Returns a client configuration that verifies the server's certificate and host name against the CA certificates in
/// `ca` (the file of the setting `setting`), or against those of the system.
///
/// # Errors
/// If the file is unusable, or the system has no CA certificates.
pub(crate) fn verified(ca: Option<&Path>, setting: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let invalid =
                |error: String| format!("{}: {error}; must be a PEM file of certificates", printable::path(path));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| invalid(error.to_string()))? {
                let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
                roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(invalid("contains no certificate".into()));
            }
        }
        None => {
            // Unreadable certificates are ignored if there are others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(format!("requires {setting}: this system has no CA certificates"));
            }
        }
    }
    Ok(client().with_root_certificates(roots).with_no_client_auth())
}
