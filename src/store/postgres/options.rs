//! Where the database is, and how long it may take.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Connection, Error, Socket};

use super::tls::{self, Tls};

/// How long a server may leave what it was sent unacknowledged, at the least.
const UNHEARD: Duration = Duration::from_secs(1);

/// Streaming standbys of the database, and what they are good for.
#[derive(Clone, Debug)]
pub struct StandbyOptions {
    /// Where each is, as [`PostgresOptions::standby`] makes them.
    pub at: Vec<PostgresOptions>,
    /// No answer from a standby is older than this.
    pub staleness_bound: Duration,
    /// How often the primary and each standby are asked how far they have come, when nothing wakes us.
    pub poll: Duration,
}

/// Where the database is, and how much may be asked of it at once.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// How many reads run at a time; each takes a connection.
    pub connections: usize,
    /// How many reads, and as many pages of lists and searches, wait for that; more are refused.
    pub read_queue: usize,
    /// How long a read waits before it is refused after all.
    pub read_wait: Duration,
    /// How long making a connection may take, and how long our own work waits for a free one.
    pub connect_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// Whether a connection of its own listens for other replicas' commits. Not through pgbouncer in transaction mode, which
    /// has no place for one that listens.
    pub listen: bool,
    /// How long changes are kept, and past revisions with them; for ever when absent. Longer than requests are remembered,
    /// which is 24 hours: their answers are read from there.
    pub keep: Option<Duration>,
    /// Standbys that may answer for it, if there are any.
    pub standbys: Option<StandbyOptions>,
    /// Where, and as whom. Shown without its password.
    config: Config,
    tls: Tls,
    is_standby: bool,
}

impl PostgresOptions {
    /// The defaults, for a URL as libpq knows it: `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// Says what would be right, and nothing of what the URL holds.
    pub fn new(url: &str) -> Result<Self, String> {
        Self::trusting(url, None)
    }

    /// The defaults, for a URL; with the certificates of those who vouch for the database, if they are not the system's.
    ///
    /// # Errors
    /// Says what would be right, and nothing of what the URL holds.
    pub fn trusting(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        // Whoever asks for TLS gets all of it: who answers is looked at, too. The driver does not know libpq's other words for
        // that.
        let (place, parameters) = url.rsplit_once('?').unwrap_or((url, ""));
        let parameters = parameters.replace("sslmode=verify-full", "sslmode=require");
        let parameters = parameters.replace("sslmode=verify-ca", "sslmode=require");
        let url = format!("{place}?{parameters}");
        let mut config: Config = url.trim_end_matches('?').parse().map_err(|error: Error| {
            // The driver names the parameter that it does not know, and no value.
            let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
            format!("must be postgres://user:password@host:port/database{cause}")
        })?;
        let tls = match config.get_ssl_mode() {
            SslMode::Require => tls::verified(ca)?,
            _ if ca.is_some() => {
                return Err("must have sslmode=require with store-ca, which has no use otherwise".into());
            }
            _ => tls::unverified(),
        };
        if config.get_hosts().is_empty() {
            return Err("must name a host: postgres://user:password@host:port/database".into());
        }
        // Of several hosts, the one that can be written: a standby may be behind what was promised.
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("copydesk");
        }
        let (connect_timeout, statement_timeout) = (Duration::from_secs(2), Duration::from_secs(10));
        Ok(Self {
            connections: 16,
            read_queue: 256,
            read_wait: Duration::from_secs(2),
            connect_timeout,
            statement_timeout,
            listen: true,
            keep: None,
            standbys: None,
            config,
            tls,
            is_standby: false,
        })
    }

    /// The same for a standby of the database: of one host, since each is known for how far it has come itself.
    ///
    /// # Errors
    /// Says what would be right, and nothing of what the URL holds.
    pub fn standby(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let mut options = Self::trusting(url, ca)?;
        if options.config.get_hosts().len() != 1 {
            return Err("must name one host in each URL; commas part URLs".into());
        }
        // What it is, is looked at with every read: the driver need not ask.
        options.config.target_session_attrs(TargetSessionAttrs::Any);
        options.is_standby = true;
        Ok(options)
    }

    pub(super) fn is_standby(&self) -> bool {
        self.is_standby
    }

    /// Host, port and database, for people.
    pub fn place(&self) -> String {
        use tokio_postgres::config::Host;
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => String::new(),
        };
        let port = self.config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{host}{port}/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())
    }

    /// A connection outside any pool. Its second half must be driven.
    ///
    /// # Errors
    /// What the driver says; none when nothing answers in time, which the driver's own timeout is too narrow for: it ends
    /// when the port is open.
    pub(super) async fn connect(&self) -> Result<(Client, Connection<Socket, tls::Stream>), Option<Error>> {
        match tokio::time::timeout(self.connect_timeout, self.config().connect(self.tls())).await {
            Ok(connected) => connected.map_err(Some),
            Err(_elapsed) => Err(None),
        }
    }

    /// How they are encrypted.
    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// What connections are made with.
    pub(super) fn config(&self) -> Config {
        let mut config = self.config.clone();
        config.connect_timeout(self.connect_timeout);
        // A server that has vanished without a word is noticed.
        config.tcp_user_timeout(self.connect_timeout.max(UNHEARD)).keepalives_idle(Duration::from_secs(15));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_secrets_are_kept() {
        let url = "postgres://desk:hunter2@db.example:5433/news?sslmode=prefer";
        let options = PostgresOptions::new(url).expect("a right URL");
        assert_eq!(options.place(), "db.example:5433/news");
        assert!(!format!("{options:?}").contains("hunter2"));
        for wrong in [
            "postgres://desk:hunter2@db.example/news?sslmode=allow",
            "postgres://desk:hunter2@db.example/news?shape=round",
            "postgres://desk:hunter2@db.example:port/news",
            "postgres://",
        ] {
            let right = PostgresOptions::new(wrong).expect_err("a wrong URL");
            assert!(right.starts_with("must ") && !right.contains("hunter2"), "{right}");
        }
    }
}
