//! Which Redis, and how it is used.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use ::redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use super::identity::Mode;
use super::tls::Tls;

/// How a cache in Redis behaves.
#[derive(Clone)]
pub struct RedisOptions {
    pub(super) site: Site,
    pub(super) login: RedisConnectionInfo,
    pub(super) tls: Option<Tls>,
    /// No answer from the cache is older than this.
    pub staleness_bound: Duration,
    /// How long an article stays, give or take a tenth. One that is read near its end is fetched anew before.
    pub lifetime: Duration,
    /// How long it is remembered at most that an article does not exist.
    pub negative_ttl: Duration,
    /// How often the feed is asked when nothing wakes the follower.
    pub poll: Duration,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Site {
    One(Server),
    /// A Cluster, of which these are some nodes.
    Cluster(Vec<Address>),
}

/// Who knows where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// We do.
    At(Address),
    /// Sentinels, which call it by the name of a service.
    Named { sentinels: Vec<Address>, service: String },
}

const RIGHT: &str = "must be local, off, redis://[user:password@]host:port[/db], rediss:// for the same with TLS, \
                     redis-cluster://[user:password@]host:port[,host:port], or \
                     redis-sentinel://[user:password@]host:port[,host:port]/service[/db]";
const SENTINEL_PORT: u16 = 26_379;

impl RedisOptions {
    /// The Redis of a URL, with usual bounds. An error says what would be right, and not what was there.
    pub fn new(url: &str) -> Result<Self, String> {
        Self::trusting(url, None)
    }

    /// The same. With TLS, its certificate must be from an authority in the file, of PEM; without a file, from one of the
    /// system's.
    pub fn trusting(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or(RIGHT)?;
        let (plain, encrypted) = match scheme.strip_prefix("rediss") {
            Some(kind) => (kind, true),
            None => (scheme.strip_prefix("redis").ok_or(RIGHT)?, false),
        };
        let kind = match plain {
            // Of several hosts nothing else could be meant.
            "" if rest.contains(',') => Kind::Cluster,
            "" => Kind::One,
            "-cluster" => Kind::Cluster,
            "-sentinel" => Kind::Sentinel,
            _ => return Err(RIGHT.into()),
        };
        if rest.contains(['?', '#']) {
            return Err(format!("{RIGHT}, without parameters"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let mut addresses: Vec<Address> =
            hosts.split(',').map(|host| address(host, kind)).collect::<Option<_>>().ok_or(RIGHT)?;
        let (service, db) = match (kind, path.split_once('/')) {
            (Kind::Sentinel, None) => (path, ""),
            (Kind::Sentinel, Some((service, db))) => (service, db),
            _ => ("", path),
        };
        if !db.is_empty() && db.parse::<u16>().is_err() {
            return Err(RIGHT.into());
        }
        let site = match kind {
            Kind::Cluster if !matches!(db, "" | "0") => {
                return Err("names a database, of which a Cluster has only 0".into());
            }
            Kind::Cluster => Site::Cluster(addresses),
            Kind::Sentinel if service.is_empty() => return Err(RIGHT.into()),
            Kind::Sentinel => Site::One(Server::Named { sentinels: addresses, service: service.to_owned() }),
            Kind::One => Site::One(Server::At(addresses.swap_remove(0))),
        };
        let tls = match (encrypted, ca) {
            (true, ca) => Some(Tls::trusting(ca)?),
            (false, None) => None,
            (false, Some(_)) => return Err("has no use for cache-ca: TLS is spoken to rediss://".into()),
        };
        // The driver's own error could show the password.
        let login = format!("redis://{user}@localhost/{db}").into_connection_info().map_err(|_| RIGHT)?;
        Ok(Self {
            site,
            login: login.redis_settings().clone(),
            tls,
            staleness_bound: Duration::from_secs(1),
            lifetime: Duration::from_secs(3_600),
            negative_ttl: Duration::from_secs(5),
            poll: Duration::from_millis(100),
        })
    }

    /// Where it is, for people: no user, no password.
    pub fn place(&self) -> String {
        match &self.site {
            Site::One(server) => server.to_string(),
            Site::Cluster(seeds) => format!("the Cluster of {}", list(seeds)),
        }
    }

    /// What its servers must be part of.
    pub(super) fn mode(&self) -> Mode {
        match self.site {
            Site::One(_) => Mode::Alone,
            Site::Cluster(_) => Mode::Cluster,
        }
    }
}

/// What a URL names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    One,
    Cluster,
    Sentinel,
}

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(",")
}

fn address(text: &str, kind: Kind) -> Option<Address> {
    let url = ::url::Url::parse(&format!("redis://{text}")).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.path().is_empty();
    url.host_str().filter(|host| plain && !host.is_empty())?;
    // Which takes the brackets off an IPv6 address.
    match url.clone().into_connection_info().ok()?.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let port = if kind == Kind::Sentinel { url.port().unwrap_or(SENTINEL_PORT) } else { *port };
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
            Self::Named { sentinels, service } => write!(f, "{service} of {}", list(sentinels)),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("place", &self.place()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_people_write_them() {
        let one = RedisOptions::new("redis://desk:pass%40word@cache.example/3").unwrap();
        assert_eq!((one.place().as_str(), one.login.db()), ("cache.example:6379", 3));
        assert_eq!((one.login.username(), one.login.password()), (Some("desk"), Some("pass@word")));
        assert_eq!(RedisOptions::new("redis://[::1]:7000").unwrap().place(), "[::1]:7000");
        let told = RedisOptions::new("redis-sentinel://:secret@a,b:27000/news/2").unwrap();
        assert_eq!((told.place().as_str(), told.login.db()), ("news of a:26379,b:27000", 2));
        assert_eq!(told.login.password(), Some("secret"));
        for (cluster, place) in [
            ("redis://desk:pass@a,b:7000", "the Cluster of a:6379,b:7000"),
            ("rediss://a,b/", "the Cluster of a:6379,b:6379"),
            ("redis-cluster://a/0", "the Cluster of a:6379"),
            ("rediss-cluster://a,[::1]:7", "the Cluster of a:6379,[::1]:7"),
        ] {
            let cluster = RedisOptions::new(cluster).unwrap();
            assert_eq!((cluster.place().as_str(), cluster.mode()), (place, Mode::Cluster));
        }
        for bad in [
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
            assert!(RedisOptions::new(bad).is_err(), "{bad}");
        }
        let error = RedisOptions::new("redis://desk:hunter2@a:port").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
