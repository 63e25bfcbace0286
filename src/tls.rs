//! What TLS has in common: which cryptography; and, to the parts we stand on, whom to trust.

use std::path::Path;
use std::sync::Arc;

use crate::printable;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// The cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// How connections are encrypted, but for whom to trust.
pub(crate) fn client() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions that it was built with")
}

/// Whoever answers must show a certificate of the host that was named, from one of the system's authorities, or of those in
/// `ca`, which is what the setting `setting` names.
///
/// # Errors
/// Says what is wrong with which file, or that the system has no authorities.
pub(crate) fn verified(ca: Option<&Path>, setting: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let wrong =
                |cause: String| format!("{}: {cause}; must be a file of certificates in PEM", printable::path(path));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("has no certificate".into()));
            }
        }
        None => {
            // Some that cannot be read do not matter, if there are others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(format!("needs {setting}: this system has no certificate authorities of its own"));
            }
        }
    }
    Ok(client().with_root_certificates(roots).with_no_client_auth())
}
