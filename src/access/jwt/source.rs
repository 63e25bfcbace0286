//! Sources of an issuer's keys: a file or an HTTPS URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Collected, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
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
    pub(super) fn refresh_interval(&self) -> Duration {
        match self {
            Self::File(_) => Duration::from_secs(1),
            Self::Url { .. } => Duration::from_secs(300),
        }
    }

    /// Minimum time between a read and the next one that a token with an unknown key may request: anyone can invent
    /// tokens.
    pub(super) fn retry_interval(&self) -> Duration {
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
    let mut http = HttpConnector::new();
    match tls {
        None => get(url, http).await,
        Some(config) => {
            http.enforce_http(false);
            let mut https = HttpsConnector::from((http, Arc::clone(config)));
            https.enforce_https();
            get(url, https).await
        }
    }
}

async fn get(url: &Url, connector: impl Connect + Clone + Send + Sync + 'static) -> Result<Bytes, String> {
    // Reads are minutes apart: a connection kept between them would rarely be usable.
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let request = Request::get(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("copydesk/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| causes(&error))?;
    let response = client.request(request).await.map_err(|error| causes(&error))?;
    if response.status() != StatusCode::OK {
        return Err(format!("the server returned {}", response.status()));
    }
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    body.map(Collected::to_bytes).map_err(|error| causes(error.as_ref()))
}

/// Joins an error with its sources: the client's message alone names only the step that failed.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with `response`. Returns the source to read, and the request that came.
    fn serve_once(response: String) -> (JwksSource, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks.json?tenant=7", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            // A client that refuses a response may disconnect.
            let _gone = stream.write_all(response.as_bytes());
            String::from_utf8(request).unwrap()
        });
        (JwksSource::new(&url, None).unwrap(), served)
    }

    #[tokio::test]
    async fn a_key_set_is_read_from_its_own_address_and_up_to_its_limit() {
        let (keys, served) = serve_once("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".into());
        assert_eq!(keys.read().await.unwrap(), "{}");
        let request = served.join().unwrap();
        let address = keys.to_string().replace("http://", "").replace("/jwks.json?tenant=7", "");
        assert!(request.starts_with("GET /jwks.json?tenant=7 HTTP/1.1\r\n"), "{request}");
        for header in [format!("host: {address}\r\n"), "accept: application/json\r\n".into()] {
            assert!(request.contains(&header), "{request}");
        }

        let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {keys}\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(serve_once(redirect).0.read().await.unwrap_err(), "the server returned 302 Found");

        for length in [MAX_BYTES, MAX_BYTES + 1] {
            // With the length announced, and without.
            for header in [format!("content-length: {length}"), "connection: close".into()] {
                let (keys, _) = serve_once(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n{}", "a".repeat(length)));
                let read = keys.read().await;
                assert_eq!(read.is_ok(), length <= MAX_BYTES, "{header}: {:?}", read.map(|bytes| bytes.len()));
            }
        }

        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = JwksSource::new(&format!("http://{closed}/"), None).unwrap().read().await.unwrap_err();
        assert!(error.contains("refused"), "{error}");
    }

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
