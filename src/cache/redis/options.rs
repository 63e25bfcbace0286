//! Which Redis, and how it is used.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use ::redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Who knows which server it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// We do.
    Server(Address),
    /// Sentinels, which call it by the name of a service.
    Sentinels { addresses: Vec<Address>, service: String },
}

const RIGHT: &str = "must be local, off, redis://[user:password@]host:port[/db], rediss:// for the same with TLS, or \
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
        let (sentinels, encrypted) = match scheme {
            "redis" => (false, false),
            "rediss" => (false, true),
            "redis-sentinel" => (true, false),
            "rediss-sentinel" => (true, true),
            _ => return Err(RIGHT.into()),
        };
        if rest.contains(['?', '#']) {
            return Err(format!("{RIGHT}, without parameters"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let addresses: Vec<Address> =
            hosts.split(',').map(|host| address(host, sentinels)).collect::<Option<_>>().ok_or(RIGHT)?;
        let (service, db) = match (sentinels, path.split_once('/')) {
            (false, _) => ("", path),
            (true, None) => (path, ""),
            (true, Some((service, db))) => (service, db),
        };
        if !db.is_empty() && db.parse::<u16>().is_err() {
            return Err(RIGHT.into());
        }
        let site = match <[Address; 1]>::try_from(addresses) {
            Ok([address]) if !sentinels => Site::Server(address),
            Err(_) if !sentinels => {
                return Err("this version does not speak to a Redis Cluster: name one server, redis://host:port".into());
            }
            _ if service.is_empty() => return Err(RIGHT.into()),
            Ok([address]) => Site::Sentinels { addresses: vec![address], service: service.to_owned() },
            Err(addresses) => Site::Sentinels { addresses, service: service.to_owned() },
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
            Site::Server(address) => address.to_string(),
            Site::Sentinels { addresses, service } => {
                let addresses: Vec<String> = addresses.iter().map(Address::to_string).collect();
                format!("{service} of {}", addresses.join(","))
            }
        }
    }
}

fn address(text: &str, sentinel: bool) -> Option<Address> {
    let url = ::url::Url::parse(&format!("redis://{text}")).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.path().is_empty();
    url.host_str().filter(|host| plain && !host.is_empty())?;
    // Which takes the brackets off an IPv6 address.
    match url.clone().into_connection_info().ok()?.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let port = if sentinel { url.port().unwrap_or(SENTINEL_PORT) } else { *port };
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
        for bad in [
            "redis://",
            "redis://:6379",
            "redis://a/none",
            "redis://a/1/2",
            "redis://a?db=1",
            "redis://a:1,b:2",
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
