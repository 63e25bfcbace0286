//! TLS for callers: the server's certificate, verification of client certificates, and reloading of their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate;
use crate::printable;
use crate::telemetry::Metrics;
use crate::tls::provider;

/// Interval between checks of the files.
const POLL: Duration = Duration::from_secs(1);

/// PEM files of certificates and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificate chain of the server, its own certificate first.
    pub cert: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
    /// CA certificates that sign client certificates; clients need no certificate if absent.
    pub client_ca: Option<PathBuf>,
}

/// Error of one of the files.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{setting}: {problem}")]
pub struct TlsError {
    /// Setting of the file: `tls-cert`, `tls-key` or `tls-client-ca`.
    pub setting: &'static str,
    /// Path of the file, its error, and the expected content.
    pub problem: String,
}

impl TlsOptions {
    /// Reads and validates the files.
    ///
    /// # Errors
    /// Returns the first invalid file.
    pub fn check(&self) -> Result<(), TlsError> {
        Files::read(self)?.configure(self, false).map(drop)
    }

    /// Returns the earliest end of validity in the chain, in seconds since 1970; none if it cannot be parsed.
    ///
    /// # Errors
    /// Returns the first invalid file.
    pub fn ends(&self) -> Result<Option<i64>, TlsError> {
        Ok(Files::read(self)?.configure(self, false)?.ends)
    }
}

/// Contents of the files.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// TLS configuration, and the earliest end of validity in its chain.
struct Configured {
    server: Arc<ServerConfig>,
    ends: Option<i64>,
}

impl Files {
    fn read(options: &TlsOptions) -> Result<Self, TlsError> {
        let read = |setting, path: &Path| std::fs::read(path).map_err(|error| invalid(setting, path, &error));
        Ok(Self {
            cert: read("tls-cert", &options.cert)?,
            key: read("tls-key", &options.key)?,
            client_ca: options.client_ca.as_deref().map(|path| read("tls-client-ca", path)).transpose()?,
        })
    }

    fn configure(&self, options: &TlsOptions, http1: bool) -> Result<Configured, TlsError> {
        let chain = certificates("tls-cert", &options.cert, &self.cert)?;
        let ends = chain.iter().filter_map(|certificate| certificate::end(certificate)).min();
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| invalid("tls-key", &options.key, &format!("{error}; must be a private key in PEM")))?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider supports both versions");
        let builder = match (&options.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => {
                let failed = |error: &dyn std::fmt::Display| invalid("tls-client-ca", path, error);
                let mut roots = RootCertStore::empty();
                for certificate in certificates("tls-client-ca", path, pem)? {
                    roots.add(certificate).map_err(|error| failed(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                    .build()
                    .map_err(|error| failed(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut server =
            builder.with_single_cert(chain, key).map_err(|error| invalid("tls-key", &options.key, &error))?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        if http1 {
            server.alpn_protocols.push(b"http/1.1".to_vec());
        }
        Ok(Configured { server: Arc::new(server), ends })
    }
}

fn certificates(setting: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(invalid(setting, path, &"has no certificate; must be a PEM file of certificates")),
        Err(error) => Err(invalid(setting, path, &format!("{error}; must be a PEM file of certificates"))),
    }
}

fn invalid(setting: &'static str, path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError { setting, problem: format!("{}: {error}", printable::path(path)) }
}

/// Acceptor of TLS connections, with the newest valid files.
#[derive(Clone)]
pub(crate) struct Tls {
    current: watch::Receiver<Arc<ServerConfig>>,
}

impl Tls {
    /// Performs the handshake of one connection. The caller must apply a timeout.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let current = Arc::clone(&self.current.borrow());
        TlsAcceptor::from(current).accept(stream).await
    }
}

/// Task that reloads the files of [`Tls`].
pub(crate) struct Reloading {
    options: TlsOptions,
    http1: bool,
    files: Files,
    current: watch::Sender<Arc<ServerConfig>>,
    metrics: Metrics,
    requested: Arc<Notify>,
}

/// Reads the files, and returns the acceptor and the task that reloads it.
pub(crate) fn start(options: TlsOptions, http1: bool, metrics: Metrics) -> Result<(Tls, Reloading), TlsError> {
    let files = Files::read(&options)?;
    let Configured { server, ends } = files.configure(&options, http1)?;
    metrics.connections().certificate_ends(ends);
    let (sender, current) = watch::channel(server);
    let reloading = Reloading { options, http1, files, current: sender, metrics, requested: Arc::default() };
    Ok((Tls { current }, reloading))
}

impl Reloading {
    /// Returns the signal to read the files at once.
    pub(crate) fn requested(&self) -> Arc<Notify> {
        Arc::clone(&self.requested)
    }

    /// Reloads changed files. It compares their content, not their modification times: a mounted secret changes by a
    /// symlink. The previous files stay in use while the new ones are invalid, or do not match yet.
    pub(crate) async fn run(mut self) {
        let mut failure = None;
        loop {
            let _requested = tokio::time::timeout(POLL, self.requested.notified()).await;
            let options = self.options.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || Files::read(&options)).await else { continue };
            let found = match read {
                Ok(files) if files == self.files => {
                    failure = None;
                    continue;
                }
                Ok(files) => files.configure(&self.options, self.http1).map(|configured| (files, configured)),
                Err(error) => Err(error),
            };
            match found {
                Ok((files, Configured { server, ends })) => {
                    self.files = files;
                    self.current.send_replace(server);
                    self.metrics.connections().certificate_ends(ends);
                    failure = None;
                    tracing::info!(
                        cert = printable::path(&self.options.cert),
                        "certificates reloaded for new connections"
                    );
                }
                // Logged once, not once a second.
                Err(error) if failure.as_ref() != Some(&error) => {
                    self.metrics.connections().reload_failed();
                    tracing::error!(%error, "changed certificates are invalid; the previous ones stay in use");
                    failure = Some(error);
                }
                Err(_) => {}
            }
        }
    }
}
