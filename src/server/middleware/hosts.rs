//! Protection against DNS rebinding: web pages that call this server under their own host name.
//!
//! A page can let its name resolve to 127.0.0.1 after it was loaded. Its browser then takes this server for the page's
//! origin: it sends calls without a preflight, and the page reads the responses. The page's name is in the `Host` of
//! each such request. See docs/decisions/0025-names-and-origins.md.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::{HeaderMap, HeaderValue, Request, Uri, header};

use crate::server::transport::grpc_web::Origins;

/// Host names that calls may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHosts {
    /// `localhost` and IP addresses if listening on loopback without authentication; else any host.
    Auto,
    /// These names, `localhost` and IP addresses.
    Listed(Vec<String>),
    /// Any host.
    Any,
}

impl FromStr for AllowedHosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "*" => Ok(Self::Any),
            text => {
                let names = text.split(',').map(|name| match Host::parse(name.trim().as_bytes()) {
                    Some(Host::Name(listed)) if !name.contains(':') => Some(listed),
                    _ => None,
                });
                names.collect::<Option<_>>().map(Self::Listed).ok_or_else(|| {
                    "must be auto, *, or comma-separated host names without ports, such as copydesk.internal".to_owned()
                })
            }
        }
    }
}

/// Rules for the host names and origins of requests.
#[derive(Clone, Debug)]
pub(crate) struct HostRules {
    /// Names that are allowed besides `localhost`; all if absent.
    names: Option<Vec<String>>,
    /// Origins that are allowed besides the called host; all if absent.
    origins: Option<Vec<HeaderValue>>,
}

/// Reason for refusing a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misdirected {
    /// A host that is not allowed, or none.
    Host,
    /// A page of an origin that is not allowed.
    Origin,
}

impl Misdirected {
    /// Returns the label value in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
        }
    }
}

impl HostRules {
    pub(crate) fn new(hosts: &AllowedHosts, origins: &Origins, loopback: bool, authenticated: bool) -> Self {
        let names = match hosts {
            AllowedHosts::Auto => (loopback && !authenticated).then(Vec::new),
            AllowedHosts::Listed(names) => Some(names.clone()),
            AllowedHosts::Any => None,
        };
        // With authentication a page needs a credential, which browsers do not add on their own.
        let origins = match origins {
            _ if authenticated => None,
            Origins::Same => Some(Vec::new()),
            Origins::Listed(origins) => Some(origins.clone()),
            Origins::All => None,
        };
        Self { names, origins }
    }

    /// Checks the hosts and the origin of a request.
    ///
    /// # Errors
    /// Returns the reason if it is refused.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Misdirected> {
        let (uri, headers) = (request.uri(), request.headers());
        if let Some(names) = &self.names {
            let mut count = 0;
            for requested in requested_hosts(uri, headers) {
                count += 1;
                if !Host::parse(requested).is_some_and(|host| host.is_allowed(names)) {
                    return Err(Misdirected::Host);
                }
            }
            if count == 0 {
                return Err(Misdirected::Host);
            }
        }
        if let Some(listed) = &self.origins {
            let same = |origin: &HeaderValue| {
                let from = origin_host(origin);
                let mut requested = requested_hosts(uri, headers).peekable();
                from.is_some()
                    && requested.peek().is_some()
                    && requested.all(|requested| Host::parse(requested) == from)
            };
            for origin in headers.get_all(header::ORIGIN) {
                if !listed.contains(origin) && !same(origin) {
                    return Err(Misdirected::Origin);
                }
            }
        }
        Ok(())
    }
}

/// Returns all hosts of a request: `:authority` or the absolute target, and each `Host`. All are checked, so their
/// precedence does not matter.
fn requested_hosts<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    authority.into_iter().chain(headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes))
}

/// Returns the host of an origin as browsers write it, such as `https://desk.example:8443`; none for an opaque one
/// (`null`).
fn origin_host(origin: &HeaderValue) -> Option<Host> {
    let origin = origin.to_str().ok()?;
    let (scheme, authority) = origin.split_once("://")?;
    matches!(scheme, "http" | "https").then(|| Host::parse(authority.as_bytes())).flatten()
}

/// Host without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// Lower case, without a trailing dot.
    Name(String),
    Ipv4(Ipv4Addr),
    Ipv6(Ipv6Addr),
}

impl Host {
    /// Parses a host and an optional port (RFC 9110, 4.2). Returns none for anything else, such as user info.
    fn parse(requested: &[u8]) -> Option<Self> {
        let requested = std::str::from_utf8(requested).ok()?;
        if let Some(bracketed) = requested.strip_prefix('[') {
            let (address, rest) = bracketed.split_once(']')?;
            if !rest.is_empty() {
                port(rest.strip_prefix(':')?)?;
            }
            return address.parse().ok().map(Self::Ipv6);
        }
        let host = match requested.split_once(':') {
            Some((host, digits)) => {
                port(digits)?;
                host
            }
            None => requested,
        };
        if let Ok(address) = host.parse() {
            return Some(Self::Ipv4(address));
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        // A host that ends in a number is an address in another notation (WHATWG URL): 2130706433, 127.1, 0x7f.1.
        let last = name.rsplit('.').next()?;
        let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        (name.split('.').all(label) && !number).then_some(Self::Name(name))
    }

    /// Returns true for addresses, `localhost`, and these names. No page can have an address or `localhost` as its
    /// name.
    fn is_allowed(&self, names: &[String]) -> bool {
        match self {
            Self::Ipv4(_) | Self::Ipv6(_) => true,
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost") || names.contains(name),
        }
    }
}

fn port(digits: &str) -> Option<()> {
    // Empty means the default port.
    let port = digits.is_empty() || (digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok());
    port.then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(hosts: &str, origins: &str) -> HostRules {
        HostRules::new(&hosts.parse().unwrap(), &origins.parse().unwrap(), true, false)
    }

    fn check(rules: &HostRules, host: &str, origin: Option<&str>) -> Result<(), Misdirected> {
        let mut request = Request::get("/").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        rules.check(&request.body(()).unwrap())
    }

    #[test]
    fn localhost_and_addresses_are_allowed_and_other_names_as_set() {
        let (auto, listed) = (rules("auto", "off"), rules("copydesk, Desk.Internal.", "off"));
        for host in [
            "localhost",
            "localhost:50051",
            "LocalHost:",
            "localhost.",
            "desk.localhost:1",
            "127.0.0.1:50051",
            "192.0.2.1",
            "[::1]",
            "[::1]:50051",
            "[2001:DB8::1]:1",
        ] {
            assert_eq!(check(&auto, host, None), Ok(()), "{host}");
            assert_eq!(check(&listed, host, None), Ok(()), "{host}");
        }
        for host in ["copydesk", "COPYDESK.:50051", "desk.internal"] {
            assert_eq!(check(&auto, host, None), Err(Misdirected::Host), "{host}");
            assert_eq!(check(&listed, host, None), Ok(()), "{host}");
        }
        for host in [
            "",
            ":50051",
            ".",
            "evil.example",
            "localhost.evil.example",
            "evil.example.",
            "evillocalhost",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost:50051@evil.example",
            "localhost:http",
            "localhost:50051:1",
            "localhost:99999",
            "localhost..",
            "local host",
            "localhost/evil.example",
            "localhost#evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "127.1",
            "0177.0.0.1",
            "127.0.0.01",
            "::1",
            "[::1",
            "[::1]50051",
            "[::1%lo]",
            "[127.0.0.1]",
            "[evil.example]",
            "xn--lcalhost-54a",
        ] {
            assert_eq!(check(&auto, host, None), Err(Misdirected::Host), "{host}");
            assert_eq!(check(&listed, host, None), Err(Misdirected::Host), "{host}");
            assert_eq!(check(&rules("*", "off"), host, None), Ok(()), "{host}");
        }
    }

    #[test]
    fn every_host_that_is_given_must_be_allowed() {
        let auto = rules("auto", "off");
        let request = |target: &str, hosts: &[&str]| {
            let request = hosts.iter().fold(Request::get(target), |request, host| request.header("host", *host));
            auto.check(&request.body(()).unwrap())
        };
        assert_eq!(request("/", &[]), Err(Misdirected::Host), "no host is given");
        assert_eq!(request("http://localhost:1/", &[]), Ok(()));
        assert_eq!(request("http://localhost:1/", &["evil.example"]), Err(Misdirected::Host));
        assert_eq!(request("http://evil.example/", &["localhost"]), Err(Misdirected::Host));
        assert_eq!(request("http://user@localhost/", &["localhost"]), Err(Misdirected::Host));
        assert_eq!(request("/", &["localhost", "evil.example"]), Err(Misdirected::Host));
    }

    #[test]
    fn origins_are_of_the_same_host_or_listed() {
        let same = rules("*", "off");
        for origin in ["http://desk.example", "https://desk.example:8443", "https://DESK.example"] {
            assert_eq!(check(&same, "desk.example:443", Some(origin)), Ok(()), "{origin}");
        }
        assert_eq!(check(&same, "[::1]:50051", Some("http://[0:0::1]:3000")), Ok(()));
        let others = [
            "null",
            "",
            "https://evil.example",
            "desk.example",
            "file://desk.example",
            "https://desk.example@evil.example",
        ];
        for origin in others {
            assert_eq!(check(&same, "desk.example", Some(origin)), Err(Misdirected::Origin), "{origin}");
            assert_eq!(check(&rules("*", "*"), "desk.example", Some(origin)), Ok(()), "{origin}");
        }
        let listed = rules("auto", "https://desk.example");
        assert_eq!(check(&listed, "localhost", Some("https://desk.example")), Ok(()));
        assert_eq!(check(&listed, "localhost", Some("https://desk.example:1")), Err(Misdirected::Origin));
        assert_eq!(check(&listed, "desk.example", Some("https://desk.example")), Err(Misdirected::Host));
    }

    #[test]
    fn with_authentication_or_for_others_only_what_is_set_is_checked() {
        let request =
            Request::get("/").header("host", "x.example").header("origin", "https://y.example").body(()).unwrap();
        let new = |hosts: &str, loopback, authenticated| {
            HostRules::new(&hosts.parse().unwrap(), &Origins::Same, loopback, authenticated).check(&request)
        };
        assert_eq!(new("auto", true, true), Ok(()));
        assert_eq!(new("auto", false, false), Err(Misdirected::Origin));
        assert_eq!(new("copydesk", false, true), Err(Misdirected::Host));
        for invalid in ["", "copydesk:50051", "127.0.0.1", "https://copydesk", "a,,b", "*,copydesk", "a b"] {
            assert!(invalid.parse::<AllowedHosts>().is_err(), "{invalid}");
        }
    }

    proptest! {
        /// A name that is not allowed stays refused with any prefix and suffix.
        #[test]
        fn no_name_passes_for_another(prefix in "[a-z0-9.@\\[\\]:%-]{0,12}", suffix in "[a-z0-9.:@/-]{0,12}") {
            let host = format!("{prefix}evil.example{suffix}");
            // No page can have a name below localhost.
            prop_assume!(!host.split(':').next().unwrap_or_default().trim_end_matches('.').ends_with(".localhost"));
            prop_assert_eq!(check(&rules("auto", "off"), &host, None), Err(Misdirected::Host));
        }
    }
}
