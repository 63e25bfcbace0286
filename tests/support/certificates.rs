//! Certificates of the tests.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A CA that signs certificates for host names, not for addresses.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    /// The CA certificate.
    pub pem: String,
}

impl CertificateAuthority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Issues a certificate for a host. Returns it and its key, both in PEM.
    pub fn issue(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        change(&mut params);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Writes a certificate for `localhost` and its key into a server's folder.
    pub fn write_server_certificate(&self, dir: &Path) {
        let (certificate, key) = self.issue("localhost", |_| {});
        std::fs::write(dir.join("server.crt"), certificate).unwrap();
        std::fs::write(dir.join("server.key"), key).unwrap();
    }
}
