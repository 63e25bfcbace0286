//! TLS to callers: which certificate is shown, whose is asked for, and how both follow the files that they are in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::validity;
use crate::printable;
use crate::telemetry::Metrics;
use crate::tls::provider;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where certificates and keys are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificate that is shown, and those that vouch for it, its own first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who vouches for callers; they need no certificate when absent.
    pub client_ca: Option<PathBuf>,
}

/// What is wrong with one of the files.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{setting}: {right}")]
pub struct TlsError {
    /// The setting that names it: `tls-cert`, `tls-key` or `tls-client-ca`.
    pub setting: &'static str,
    /// What would be right.
    pub right: String,
}

impl TlsOptions {
    /// Reads the files and tries what is in them.
    ///
    /// # Errors
    /// Says what is wrong with which.
    pub fn check(&self) -> Result<(), TlsError> {
        Files::read(self)?.configure(self, false).map(drop)
    }

    /// When the certificate that is shown ends, or the first of those that vouch for it, in seconds since 1970; none when that
    /// cannot be read.
    ///
    /// # Errors
    /// Says what is wrong with which file.
    pub fn ends(&self) -> Result<Option<i64>, TlsError> {
        Ok(Files::read(self)?.configure(self, false)?.ends)
    }
}

/// What is in the files.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What is shown and asked for, until when the certificate holds.
struct Configured {
    server: Arc<ServerConfig>,
    ends: Option<i64>,
}

impl Files {
    fn read(options: &TlsOptions) -> Result<Self, TlsError> {
        let read = |setting, path: &Path| std::fs::read(path).map_err(|error| wrong(setting, path, &error));
        Ok(Self {
            cert: read("tls-cert", &options.cert)?,
            key: read("tls-key", &options.key)?,
            client_ca: options.client_ca.as_deref().map(|path| read("tls-client-ca", path)).transpose()?,
        })
    }

    fn configure(&self, options: &TlsOptions, http1: bool) -> Result<Configured, TlsError> {
        let chain = certificates("tls-cert", &options.cert, &self.cert)?;
        let ends = chain.iter().filter_map(|certificate| validity::end(certificate)).min();
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| wrong("tls-key", &options.key, &format!("{error}; must be a private key in PEM")))?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider knows both");
        let builder = match (&options.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => {
                let failed = |error: &dyn std::fmt::Display| wrong("tls-client-ca", path, error);
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
            builder.with_single_cert(chain, key).map_err(|error| wrong("tls-key", &options.key, &error))?;
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
        Ok(_) => Err(wrong(setting, path, &"has no certificate; must be a file of certificates in PEM")),
        Err(error) => Err(wrong(setting, path, &format!("{error}; must be a file of certificates in PEM"))),
    }
}

fn wrong(setting: &'static str, path: &Path, cause: &dyn std::fmt::Display) -> TlsError {
    TlsError { setting, right: format!("{}: {cause}", printable::path(path)) }
}

/// Speaks TLS with callers, by what the files said last.
#[derive(Clone)]
pub(super) struct Tls {
    current: watch::Receiver<Arc<ServerConfig>>,
}

impl Tls {
    /// The handshake of one connection. Whoever calls says for how long.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let current = Arc::clone(&self.current.borrow());
        TlsAcceptor::from(current).accept(stream).await
    }
}

/// What keeps [`Tls`] as the files are.
pub(super) struct Reloading {
    options: TlsOptions,
    http1: bool,
    files: Files,
    current: watch::Sender<Arc<ServerConfig>>,
    metrics: Metrics,
}

/// Begins with what the files say now.
pub(super) fn start(options: TlsOptions, http1: bool, metrics: Metrics) -> Result<(Tls, Reloading), TlsError> {
    let files = Files::read(&options)?;
    let Configured { server, ends } = files.configure(&options, http1)?;
    metrics.connections().certificate_ends(ends);
    let (sender, current) = watch::channel(server);
    Ok((Tls { current }, Reloading { options, http1, files, current: sender, metrics }))
}

impl Reloading {
    /// Follows the files. What is in them is compared, not when they were written: a mounted secret changes by a link. Of files
    /// that are wrong, or do not belong together yet, what was before stays in force.
    pub(super) async fn run(mut self) {
        let mut failure = None;
        loop {
            tokio::time::sleep(LOOK).await;
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
                        "certificates were read anew; new connections get them"
                    );
                }
                // Said once, not once a second.
                Err(error) if failure.as_ref() != Some(&error) => {
                    self.metrics.connections().reload_failed();
                    tracing::error!(%error, "certificates changed and are not right; those from before stay in force");
                    failure = Some(error);
                }
                Err(_) => {}
            }
        }
    }
}
