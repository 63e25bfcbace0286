//! Which Redis, and how it is used.

use std::fmt;
use std::time::Duration;

use ::redis::{ConnectionInfo, IntoConnectionInfo as _};

/// How a cache in Redis behaves.
#[derive(Clone)]
pub struct RedisOptions {
    connection: ConnectionInfo,
    /// No answer from the cache is older than this.
    pub staleness_bound: Duration,
    /// How long it is remembered at most that an article does not exist.
    pub negative_ttl: Duration,
    /// How often the feed is asked when nothing wakes the follower.
    pub poll: Duration,
}

const RIGHT: &str = "must be local, off, or redis://[user:password@]host:port[/db]";

impl RedisOptions {
    /// The Redis of a URL, with usual bounds. An error says what would be right, and not what was there.
    pub fn new(url: &str) -> Result<Self, String> {
        if url.starts_with("rediss:") {
            return Err("this version does not speak TLS to Redis: use redis:// within a trusted network".into());
        }
        if url.starts_with("redis-sentinel:") || url.starts_with("redis+sentinel:") {
            return Err("this version does not ask Sentinel: name one server, redis://host:port".into());
        }
        if !url.starts_with("redis://") {
            return Err(RIGHT.into());
        }
        let authority = url["redis://".len()..].split(['/', '?', '#']).next().unwrap_or_default();
        if authority.rsplit('@').next().is_some_and(|hosts| hosts.contains(',')) {
            return Err("this version does not speak to a Redis Cluster: name one server, redis://host:port".into());
        }
        let parsed = ::url::Url::parse(url).map_err(|_| RIGHT)?;
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(RIGHT.into());
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(format!("{RIGHT}, without parameters"));
        }
        let db = parsed.path().trim_start_matches('/');
        if !db.is_empty() && db.parse::<u16>().is_err() {
            return Err(RIGHT.into());
        }
        // The driver's own error could show the URL.
        let connection = url.into_connection_info().map_err(|_| RIGHT)?;
        Ok(Self {
            connection,
            staleness_bound: Duration::from_secs(1),
            negative_ttl: Duration::from_secs(5),
            poll: Duration::from_millis(100),
        })
    }

    pub(super) fn connection(&self) -> ConnectionInfo {
        self.connection.clone()
    }

    /// Where it is, for people: no user, no password.
    pub fn place(&self) -> String {
        self.connection.addr().to_string()
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("place", &self.place()).finish_non_exhaustive()
    }
}
