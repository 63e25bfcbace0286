//! Settings of the Redis cache, and its URL format.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use ::redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use super::tls::Tls;

/// Settings of a cache in Redis.
#[derive(Clone)]
pub struct RedisOptions {
    pub(super) endpoint: Endpoint,
    pub(super) login: RedisConnectionInfo,
    pub(super) tls: Option<Tls>,
    /// Maximum staleness of a response from the cache.
    pub staleness_bound: Duration,
    /// Lifetime of an article's entry, ± 10 %. Reads near its expiry refresh it early.
    pub lifetime: Duration,
    /// Maximum lifetime of a negative entry ("not found").
    pub negative_ttl: Duration,
    /// Poll interval of the change feed when no wake-up arrives.
    pub poll: Duration,
}

/// Network address of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Redis deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    One(Server),
    /// Redis Cluster, with some of its nodes as seeds.
    Cluster(Vec<Address>),
}

/// Way to locate a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// Fixed address.
    At(Address),
    /// Sentinels that resolve the name of a service.
    Named { sentinels: Vec<Address>, service: String },
}

const EXPECTED: &str = "must be local, off, redis://[user:password@]host:port[/db], rediss:// for the same with TLS, \
                        redis-cluster://[user:password@]host:port[,host:port], or \
                        redis-sentinel://[user:password@]host:port[,host:port]/service[/db]";
const SENTINEL_PORT: u16 = 26_379;

impl RedisOptions {
    /// Parses a URL, with defaults for the rest. Errors state the expected format, never the given URL.
    pub fn new(url: &str) -> Result<Self, String> {
        Self::trusting(url, None)
    }

    /// Same as [`Self::new`]; with TLS, the server's certificate must be signed by a CA in the PEM file `ca`, or by one
    /// of the system's if there is no file.
    pub fn trusting(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or(EXPECTED)?;
        let (plain, encrypted) = match scheme.strip_prefix("rediss") {
            Some(kind) => (kind, true),
            None => (scheme.strip_prefix("redis").ok_or(EXPECTED)?, false),
        };
        let kind = match plain {
            // Several hosts can only be a Cluster.
            "" if rest.contains(',') => UrlKind::Cluster,
            "" => UrlKind::One,
            "-cluster" => UrlKind::Cluster,
            "-sentinel" => UrlKind::Sentinel,
            _ => return Err(EXPECTED.into()),
        };
        if rest.contains(['?', '#']) {
            return Err(format!("{EXPECTED}, without parameters"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let mut addresses: Vec<Address> =
            hosts.split(',').map(|host| address(host, kind)).collect::<Option<_>>().ok_or(EXPECTED)?;
        let (service, db) = match (kind, path.split_once('/')) {
            (UrlKind::Sentinel, None) => (path, ""),
            (UrlKind::Sentinel, Some((service, db))) => (service, db),
            _ => ("", path),
        };
        if !db.is_empty() && db.parse::<u16>().is_err() {
            return Err(EXPECTED.into());
        }
        let endpoint = match kind {
            UrlKind::Cluster if !matches!(db, "" | "0") => {
                return Err("names a database; a Redis Cluster supports only database 0".into());
            }
            UrlKind::Cluster => Endpoint::Cluster(addresses),
            UrlKind::Sentinel if service.is_empty() => return Err(EXPECTED.into()),
            UrlKind::Sentinel => Endpoint::One(Server::Named { sentinels: addresses, service: service.to_owned() }),
            UrlKind::One => Endpoint::One(Server::At(addresses.swap_remove(0))),
        };
        let tls = match (encrypted, ca) {
            (true, ca) => Some(Tls::trusting(ca)?),
            (false, None) => None,
            (false, Some(_)) => return Err("must be a `rediss://` URL when `cache-ca` is set".into()),
        };
        // The driver's own error could contain the password.
        let login = format!("redis://{user}@localhost/{db}").into_connection_info().map_err(|_| EXPECTED)?;
        Ok(Self {
            endpoint,
            login: login.redis_settings().clone(),
            tls,
            staleness_bound: Duration::from_secs(1),
            lifetime: Duration::from_secs(3_600),
            negative_ttl: Duration::from_secs(5),
            poll: Duration::from_millis(100),
        })
    }

    /// Returns the address for display, without user and password.
    pub fn address(&self) -> String {
        match &self.endpoint {
            Endpoint::One(server) => server.to_string(),
            Endpoint::Cluster(seeds) => format!("the Cluster of {}", join(seeds)),
        }
    }

    /// Returns the required deployment mode of the servers.
    pub(super) fn mode(&self) -> Mode {
        match self.endpoint {
            Endpoint::One(_) => Mode::Standalone,
            Endpoint::Cluster(_) => Mode::Cluster,
        }
    }
}

/// Deployment mode of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Standalone: the server has every key.
    Standalone,
    /// Redis Cluster: the server has some of the slots.
    Cluster,
}

/// Kind of deployment in a URL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UrlKind {
    One,
    Cluster,
    Sentinel,
}

fn join(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(",")
}

fn address(text: &str, kind: UrlKind) -> Option<Address> {
    let url = ::url::Url::parse(&format!("redis://{text}")).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.path().is_empty();
    url.host_str().filter(|host| plain && !host.is_empty())?;
    // Strips the brackets of an IPv6 address.
    match url.clone().into_connection_info().ok()?.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let port = if kind == UrlKind::Sentinel { url.port().unwrap_or(SENTINEL_PORT) } else { *port };
            Some(Address { host: host.clone(), port })
        }
        _ => None,
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Named { sentinels, service } => write!(f, "{service} of {}", join(sentinels)),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("address", &self.address()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_people_write_them() {
        let one = RedisOptions::new("redis://desk:pass%40word@cache.example/3").unwrap();
        assert_eq!((one.address().as_str(), one.login.db()), ("cache.example:6379", 3));
        assert_eq!((one.login.username(), one.login.password()), (Some("desk"), Some("pass@word")));
        assert_eq!(RedisOptions::new("redis://[::1]:7000").unwrap().address(), "[::1]:7000");
        let sentinel = RedisOptions::new("redis-sentinel://:secret@a,b:27000/news/2").unwrap();
        assert_eq!((sentinel.address().as_str(), sentinel.login.db()), ("news of a:26379,b:27000", 2));
        assert_eq!(sentinel.login.password(), Some("secret"));
        for (cluster, address_text) in [
            ("redis://desk:pass@a,b:7000", "the Cluster of a:6379,b:7000"),
            ("rediss://a,b/", "the Cluster of a:6379,b:6379"),
            ("redis-cluster://a/0", "the Cluster of a:6379"),
            ("rediss-cluster://a,[::1]:7", "the Cluster of a:6379,[::1]:7"),
        ] {
            let cluster = RedisOptions::new(cluster).unwrap();
            assert_eq!((cluster.address().as_str(), cluster.mode()), (address_text, Mode::Cluster));
        }
        for invalid in [
            "redis://",
            "redis://:6379",
            "redis://a/none",
            "redis://a/1/2",
            "redis://a?db=1",
            "redis://a:1,b:2/1",
            "redis-cluster://",
            "redis-cluster://a/1",
            "redis-cluster://a,,b",
            "redisscluster://a",
            "redis-clusters://a",
            "redis-sentinel://a:1",
            "redis-sentinel:///news",
            "redis-sentinel://a:1/news/x",
            "http://a",
            "a:6379",
        ] {
            assert!(RedisOptions::new(invalid).is_err(), "{invalid}");
        }
        let error = RedisOptions::new("redis://desk:hunter2@a:port").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
