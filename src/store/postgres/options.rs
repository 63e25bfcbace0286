//! Settings of the database connection.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Connection, Error, Socket};

use super::tls::{self, Tls};

/// Minimum `TCP_USER_TIMEOUT`.
const MIN_TCP_TIMEOUT: Duration = Duration::from_secs(1);

/// Settings of the database's streaming standbys.
#[derive(Clone, Debug)]
pub struct StandbyOptions {
    /// Connection settings of each standby, from [`PostgresOptions::standby`].
    pub servers: Vec<PostgresOptions>,
    /// Maximum staleness of a response from a standby.
    pub staleness_bound: Duration,
    /// Poll interval of the positions of primary and standbys when no wake-up arrives.
    pub poll: Duration,
}

/// Settings of the database connection and its limits.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Maximum number of concurrent reads; each uses a connection.
    pub connections: usize,
    /// Maximum number of queued reads, and as many queued pages of lists; more are rejected.
    pub read_queue: usize,
    /// Maximum wait of a queued read before it is rejected.
    pub read_wait: Duration,
    /// Timeout of connecting, and of our own work's wait for a free connection.
    pub connect_timeout: Duration,
    /// Timeout of one statement.
    pub statement_timeout: Duration,
    /// True if a separate connection listens for other replicas' commits. Does not work through pgbouncer in
    /// transaction mode, which does not support LISTEN.
    pub listen: bool,
    /// Retention of changes, and of past revisions with them; unlimited if absent. Must be longer than request IDs are
    /// kept (24 hours), since responses to repeated requests are read from changes.
    pub keep: Option<Duration>,
    /// Standbys that may answer reads.
    pub standbys: Option<StandbyOptions>,
    /// Address and user. Its `Debug` output hides the password.
    config: Config,
    tls: Tls,
    is_standby: bool,
}

impl PostgresOptions {
    /// Parses a libpq URL (`postgres://user:password@host:port/database`), with defaults for the rest.
    ///
    /// # Errors
    /// States the expected format, never the given URL.
    pub fn new(url: &str) -> Result<Self, String> {
        Self::trusting(url, None)
    }

    /// Same as [`Self::new`], with a PEM file of CA certificates instead of the system's.
    ///
    /// # Errors
    /// States the expected format, never the given URL.
    pub fn trusting(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let options = Self::parse(url, ca)?;
        match options.config.get_target_session_attrs() {
            TargetSessionAttrs::ReadOnly => {
                Err("must not have `target_session_attrs=read-only`: name standbys in `store-read`".into())
            }
            _ => Ok(options),
        }
    }

    fn parse(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        // With TLS, the server's certificate is always verified. The driver does not know libpq's other modes that do
        // so.
        let (base, parameters) = url.rsplit_once('?').unwrap_or((url, ""));
        let parameters = parameters.replace("sslmode=verify-full", "sslmode=require");
        let parameters = parameters.replace("sslmode=verify-ca", "sslmode=require");
        // The driver would take the rest of the password for the host, and errors would show it.
        let authority = base.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
        if authority.matches('@').count() > 1 {
            return Err("must have one `@`, before the host: in a user name or password, write `@` as `%40`".into());
        }
        let url = format!("{base}?{parameters}");
        let mut config: Config = url.trim_end_matches('?').parse().map_err(|error: Error| {
            // The driver's error names the unknown parameter, but no value.
            let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
            format!("must be postgres://user:password@host:port/database{cause}")
        })?;
        let tls = match config.get_ssl_mode() {
            SslMode::Require => tls::verified(ca)?,
            _ if ca.is_some() => {
                return Err("must have `sslmode=require` when `store-ca` is set".into());
            }
            _ => tls::unverified(),
        };
        if config.get_channel_binding() == ChannelBinding::Require {
            return Err("must not have `channel_binding=require`: use `sslmode=require`, which verifies the \
                        certificate of the server"
                .into());
        }
        if config.get_hosts().is_empty() {
            return Err("must name a host: postgres://user:password@host:port/database".into());
        }
        // Of several hosts, use the writable one: a standby may lag behind the required position.
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

    /// Same as [`Self::trusting`] for a standby. The URL must have one host, since the position of each standby is
    /// tracked.
    ///
    /// # Errors
    /// States the expected format, never the given URL.
    pub fn standby(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let mut options = Self::parse(url, ca)?;
        if options.config.get_hosts().len() != 1 {
            return Err("must name one host in each URL; separate URLs with commas".into());
        }
        // Every read checks the server's role, so the driver need not.
        options.config.target_session_attrs(TargetSessionAttrs::Any);
        options.is_standby = true;
        Ok(options)
    }

    pub(super) fn is_standby(&self) -> bool {
        self.is_standby
    }

    /// Returns host, port and database for display.
    pub fn address(&self) -> String {
        use tokio_postgres::config::Host;
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => String::new(),
        };
        let port = self.config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{host}{port}/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())
    }

    /// Opens a connection outside any pool. The caller must poll its second half.
    ///
    /// # Errors
    /// The driver's error, or none on timeout. The driver's own timeout does not suffice: it covers only the TCP
    /// connection.
    pub(super) async fn connect(&self) -> Result<(Client, Connection<Socket, tls::Stream>), Option<Error>> {
        match tokio::time::timeout(self.connect_timeout, self.config().connect(self.tls())).await {
            Ok(connected) => connected.map_err(Some),
            Err(_elapsed) => Err(None),
        }
    }

    /// Returns the TLS settings.
    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Returns the driver's configuration.
    pub(super) fn config(&self) -> Config {
        let mut config = self.config.clone();
        config.connect_timeout(self.connect_timeout);
        // Detects a server that has vanished without closing the connection.
        config.tcp_user_timeout(self.connect_timeout.max(MIN_TCP_TIMEOUT)).keepalives_idle(Duration::from_secs(15));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_secrets_are_kept() {
        let url = "postgres://desk:hunter2@db.example:5433/news?sslmode=prefer";
        let options = PostgresOptions::new(url).expect("a valid URL");
        assert_eq!(options.address(), "db.example:5433/news");
        assert!(!format!("{options:?}").contains("hunter2"));
        for invalid in [
            "postgres://desk:hunter2@db.example/news?sslmode=allow",
            "postgres://desk:hunter2@db.example/news?shape=round",
            "postgres://desk:hunter2@db.example:port/news",
            "postgres://",
        ] {
            let error = PostgresOptions::new(invalid).expect_err("an invalid URL");
            assert!(error.starts_with("must ") && !error.contains("hunter2"), "{error}");
        }
    }
}
