//! Sources of an issuer's keys: a file or an HTTPS URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use crate::printable;
use crate::tls;

/// Maximum size of a key set, in bytes. Issuers have a handful of keys.
const MAX_BYTES: usize = 1 << 20;
/// Maximum duration of a read.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Source of an issuer's keys.
#[derive(Clone)]
pub enum JwksSource {
    /// Local file.
    File(PathBuf),
    /// HTTPS URL; HTTP only on loopback.
    Url {
        /// URL of the key set.
        url: Url,
        /// TLS configuration; none for HTTP.
        tls: Option<Arc<ClientConfig>>,
    },
}

impl std::fmt::Debug for JwksSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for JwksSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.write_str(&printable::path(path)),
            Self::Url { url, .. } => write!(f, "{url}"),
        }
    }
}

impl JwksSource {
    /// Parses a path or a URL. `ca` replaces the system's certificate authorities.
    ///
    /// # Errors
    /// Returns the expected form.
    pub fn new(text: &str, ca: Option<&Path>) -> Result<Self, String> {
        let expected = "must be a file or an https:// URL without user and password (http:// only on loopback)";
        let Some((scheme, _)) = text.split_once("://") else {
            return match ca {
                Some(_) => Err("must be an https:// URL if jwt-jwks-ca is set".into()),
                None if text.is_empty() => Err(expected.into()),
                None => Ok(Self::File(text.into())),
            };
        };
        let url = Url::parse(text).map_err(|_| expected.to_owned())?;
        if url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
            return Err(expected.into());
        }
        match scheme {
            "https" => {
                let mut config = tls::verified(ca, "jwt-jwks-ca")?;
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Ok(Self::Url { url, tls: Some(Arc::new(config)) })
            }
            "http" if is_loopback(&url) && ca.is_none() => Ok(Self::Url { url, tls: None }),
            _ => Err(expected.into()),
        }
    }

    /// Interval of regular reads.
    pub(super) fn every(&self) -> Duration {
        match self {
            Self::File(_) => Duration::from_secs(1),
            Self::Url { .. } => Duration::from_secs(300),
        }
    }

    /// Minimum time between a read and the next one that a token with an unknown key may request: anyone can invent
    /// tokens.
    pub(super) fn rest(&self) -> Duration {
        match self {
            Self::File(_) => Duration::from_secs(1),
            Self::Url { .. } => Duration::from_secs(10),
        }
    }

    /// Reads the current key set.
    pub(super) async fn read(&self) -> Result<Bytes, String> {
        let read = async {
            match self {
                Self::File(path) => tokio::fs::read(path).await.map(Bytes::from).map_err(|error| error.to_string()),
                Self::Url { url, tls } => fetch(url, tls.as_ref()).await,
            }
        };
        tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err("timed out".into()))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Fetches the key set without redirects or proxies: the operator has configured its address.
async fn fetch(url: &Url, tls: Option<&Arc<ClientConfig>>) -> Result<Bytes, String> {
    fn text(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let stream = TcpStream::connect((bare, port)).await.map_err(text)?;
    match tls {
        None => get(url, stream).await,
        Some(config) => {
            let name = ServerName::try_from(bare.to_owned()).map_err(text)?;
            let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(text)?;
            get(url, stream).await
        }
    }
}

async fn get(url: &Url, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Bytes, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let _driven = AbortOnDropHandle::new(tokio::spawn(connection));
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("copydesk/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!("the server returned {}", response.status()));
    }
    Limited::new(response.into_body(), MAX_BYTES)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_files_and_from_where_nobody_can_change_them_on_the_way() {
        assert!(matches!(JwksSource::new("/etc/copydesk/jwks.json", None), Ok(JwksSource::File(_))));
        for loopback in ["http://127.0.0.1:8080/jwks.json", "http://localhost/jwks.json", "http://[::1]:8080/jwks"] {
            assert!(JwksSource::new(loopback, None).is_ok(), "{loopback}");
        }
        for invalid in
            ["", "http://login.example/jwks.json", "ftp://login.example/x", "https://desk:hunter2@login.example/x"]
        {
            let expected = JwksSource::new(invalid, None).unwrap_err();
            assert!(expected.starts_with("must be") && !expected.contains("hunter2"), "{invalid}: {expected}");
        }
    }
}
