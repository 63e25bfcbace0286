//! Where the server is that a command calls, whom it trusts, and who calls.

use std::path::PathBuf;

use clap::Args;
use tonic::transport::Channel;

use super::failure::Failure;
use crate::client::{self, Authorized, Client, Token};
use crate::printable;

/// Where the server is.
#[derive(Args, Clone)]
pub(super) struct Connection {
    /// The server
    #[arg(long, env = "COPYDESK_ADDR", default_value = "http://127.0.0.1:50051", value_name = "URL")]
    pub(super) addr: String,
    #[command(flatten)]
    credential: Credential,
    #[command(flatten)]
    tls: Tls,
}

/// How `https://` is spoken.
#[derive(Args, Clone)]
pub(super) struct Tls {
    /// Trust these authorities, a file of certificates in PEM, instead of the system's
    #[arg(long, env = "COPYDESK_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Show this certificate, a file in PEM, to a server that asks for one
    #[arg(long, env = "COPYDESK_CLIENT_CERT", value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its private key, a file in PEM
    #[arg(long, env = "COPYDESK_CLIENT_KEY", value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl Tls {
    pub(super) fn load(&self) -> Result<client::Tls, Failure> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", printable::path(path))))
        };
        let mut tls = client::Tls::default();
        if let Some(ca) = &self.ca {
            tls = tls.ca(read(ca)?);
        }
        if let (Some(cert), Some(key)) = (&self.client_cert, &self.client_key) {
            tls = tls.identity(read(cert)?, read(key)?);
        }
        Ok(tls)
    }
}

/// Who calls.
#[derive(Args, Clone)]
pub(super) struct Credential {
    /// A file with the API key or token to call with; without one, COPYDESK_TOKEN holds it, if the server wants any
    #[arg(long, env = "COPYDESK_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// A connection to one server, with the credential of whoever calls.
pub(super) type Connected = Client<Authorized<Channel>>;

impl Connection {
    pub(super) async fn open(&self) -> Result<Connected, Failure> {
        Ok(Client::connect_with(&self.addr, &self.tls.load()?, self.credential.token()?).await?)
    }
}

impl Credential {
    /// The credential, if there is one. Not from a flag: other users of the machine can see those.
    pub(super) fn token(&self) -> Result<Option<Token>, Failure> {
        let (from, text) = match &self.token_file {
            Some(path) => {
                let failed = |error| Failure::Failed(format!("{}: {error}", printable::path(path)));
                (printable::path(path), std::fs::read_to_string(path).map_err(failed)?)
            }
            None => match std::env::var("COPYDESK_TOKEN") {
                Ok(text) if !text.is_empty() => ("COPYDESK_TOKEN".to_owned(), text),
                _ => return Ok(None),
            },
        };
        // What stands there instead is not shown: it may be most of a key.
        let wrong = || Failure::Usage(format!("{from}: must hold one API key or token, in one line"));
        Token::new(&text).map(Some).ok_or_else(wrong)
    }
}
