//! Flags for the server's address, TLS and the caller's credential.

use std::path::PathBuf;

use clap::Args;
use copydesk_client::{Authorized, Client, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Status;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;

use super::failure::Failure;
use crate::printable;

/// Timeout of the probe of a port's protocol.
const PROBE: std::time::Duration = std::time::Duration::from_secs(2);

/// Connection to a server.
#[derive(Args, Clone)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// URL of the server
    #[arg(long, env = "COPYDESK_ADDR", default_value = "http://127.0.0.1:50051", value_name = "URL")]
    pub(super) addr: String,
    #[command(flatten)]
    credential: Credential,
    #[command(flatten)]
    tls: Tls,
}

/// TLS for `https://`.
#[derive(Args, Clone)]
pub(super) struct Tls {
    /// PEM file with the CA certificates to trust instead of the system's
    #[arg(long, env = "COPYDESK_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file with the client certificate (mTLS)
    #[arg(long, env = "COPYDESK_CLIENT_CERT", value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// PEM file with the private key of the client certificate
    #[arg(long, env = "COPYDESK_CLIENT_KEY", value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl Tls {
    pub(super) fn load(&self) -> Result<copydesk_client::Tls, Failure> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", printable::path(path))))
        };
        let mut tls = copydesk_client::Tls::default();
        if let Some(ca) = &self.ca {
            tls = tls.ca(read(ca)?);
        }
        if let (Some(cert), Some(key)) = (&self.client_cert, &self.client_key) {
            tls = tls.identity(read(cert)?, read(key)?);
        }
        Ok(tls)
    }
}

/// Credential of the caller.
#[derive(Args, Clone)]
pub(super) struct Credential {
    /// File with the API key or JWT; default: the value of COPYDESK_TOKEN, if set
    #[arg(long, env = "COPYDESK_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Client of one server, with the caller's credential.
pub(super) type Connected = Client<Authorized<Channel>>;

impl Connection {
    pub(super) async fn open(&self) -> Result<Connected, Failure> {
        let mut client = Client::connect_with(&self.addr, &self.tls.load()?, self.credential.token()?).await?;
        // The first call opens HTTP/2. An error with a source is one of the transport, not of the server.
        let checked = client.health.check(HealthCheckRequest::default()).await;
        match checked {
            Err(status) if std::error::Error::source(&status).is_some() => {
                let addr = printable::message(&self.addr);
                Err(Failure::Failed(format!("cannot call {addr}: {}", self.diagnosis(&status).await)))
            }
            _ => Ok(client),
        }
    }

    /// Returns the reason why a port that accepts connections does not answer calls.
    async fn diagnosis(&self, status: &Status) -> String {
        let uri: Option<http::Uri> = self.addr.parse().ok();
        let authority = uri.as_ref().and_then(|uri| Some(format!("{}:{}", uri.host()?, uri.port_u16()?)));
        let first = tokio::time::timeout(PROBE, first_bytes(authority.unwrap_or_default())).await;
        match first {
            Ok(Ok(bytes)) if bytes.starts_with(b"HTTP/1.") => {
                "the port serves HTTP/1.1, not gRPC; is it the metrics port?".to_owned()
            }
            // An alert of TLS.
            Ok(Ok(bytes)) if bytes.starts_with(&[0x15, 3]) => "the port requires TLS: use https://".to_owned(),
            _ => {
                let causes = std::iter::successors(std::error::Error::source(status), |error| error.source());
                causes.last().map_or_else(|| status.message().to_owned(), ToString::to_string)
            }
        }
    }
}

/// Returns the first bytes of a port's answer to a request in HTTP/1.1.
async fn first_bytes(authority: String) -> std::io::Result<Vec<u8>> {
    let mut stream = tokio::net::TcpStream::connect(authority).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut first = vec![0; 8];
    let length = stream.read(&mut first).await?;
    first.truncate(length);
    Ok(first)
}

impl Credential {
    /// Returns the credential, if any. It is never a flag, since other users of the machine can see flags.
    pub(super) fn token(&self) -> Result<Option<Token>, Failure> {
        let (source, text) = match &self.token_file {
            Some(path) => {
                let failed = |error| Failure::Failed(format!("{}: {error}", printable::path(path)));
                (printable::path(path), std::fs::read_to_string(path).map_err(failed)?)
            }
            None => match std::env::var("COPYDESK_TOKEN") {
                Ok(text) if !text.is_empty() => ("COPYDESK_TOKEN".to_owned(), text),
                _ => return Ok(None),
            },
        };
        // The text is not shown: it may be part of a key.
        let invalid = || Failure::Usage(format!("{source}: must be one API key or JWT on one line"));
        Token::new(&text).map(Some).ok_or_else(invalid)
    }
}
