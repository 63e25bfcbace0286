//! URLs: safety checks and canonical forms.

use url::{Host, Url};

use super::{address, fold};

/// Maximum size of a URL, in bytes.
pub const MAX_URL_BYTES: usize = 2_048;

/// Returns an absolute `http` or `https` URL without credentials, or an error that says what is required.
pub fn safe_url(text: &str) -> Result<String, &'static str> {
    parse(text).map(String::from)
}

/// Resolves a link of a page to a safe, absolute URL. Returns none for links within the page.
pub fn resolve_url(base: Option<&Url>, href: &str) -> Option<String> {
    let href = href.trim();
    if href.is_empty() || href.starts_with('#') {
        return None;
    }
    match base {
        Some(base) => safe_url(base.join(href).ok()?.as_str()).ok(),
        None => safe_url(href).ok(),
    }
}

/// Returns the canonical form of an article's URL: safe, without tracking parameters, credentials, default port and
/// fragment, the host in lower case. A fragment that selects the page (`#!/news/1`) is kept. The copy of a page in an
/// AMP cache has the publisher's URL.
///
/// Everything else stays as it is: parameters are neither decoded nor sorted, so the URL leads to the same page.
pub fn canonical_url(text: &str) -> Result<String, &'static str> {
    let mut url = publisher_url(parse(text)?);
    let query = url.query().map(|query| address::kept_parameters(query, |name, _| address::is_tracking(name)));
    url.set_query(query.as_deref().filter(|query| !query.is_empty()));
    let fragment = url.fragment().and_then(address::route).map(str::to_owned);
    url.set_fragment(fragment.as_deref());
    let canonical = String::from(url);
    if canonical.len() > MAX_URL_BYTES {
        return Err("must be at most 2,048 bytes long");
    }
    Ok(canonical)
}

/// Returns the host of a URL without the labels of editions (`www.`, `m.`, `amp.`): the source of a document that names
/// none.
pub fn host_of(url: &str) -> Option<String> {
    let url = publisher_url(parse(url).ok()?);
    Some(address::site_host(url.host_str()?).into_owned())
}

/// Returns the host of a URL, as it is.
pub fn url_host(url: &str) -> Option<String> {
    Some(parse(url).ok()?.host_str()?.to_ascii_lowercase())
}

/// Returns a host name in the form that it has in URLs, or an error that says what is required.
pub(super) fn host_name(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "must be a host name, such as www.example.org";
    match url::Host::parse(text.trim()) {
        Ok(host) if !text.trim().is_empty() => Ok(host.to_string()),
        _ => Err(EXPECTED),
    }
}

/// Returns the normal form of an address: spellings of the address of one page have the same one. Not a URL.
pub fn normal_address(url: &str) -> Result<String, &'static str> {
    let url = publisher_url(parse(url)?);
    Ok(address::normal(&url))
}

/// Returns the URL of the publisher for the copy of a page in an AMP cache.
fn publisher_url(url: Url) -> Url {
    let original = address::in_amp_cache(&url).and_then(|original| parse(&original).ok());
    original.unwrap_or(url)
}

fn parse(text: &str) -> Result<Url, &'static str> {
    const EXPECTED: &str =
        "must be an absolute http or https URL of at most 2,048 bytes, such as https://example.org/news/1";
    let text = text.trim();
    if text.len() > MAX_URL_BYTES {
        return Err("must be at most 2,048 bytes long");
    }
    let mut url = Url::parse(text).map_err(|_| EXPECTED)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(EXPECTED);
    }
    // Neither fails for an http URL with a host. Credentials are never served.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(url)
}

/// Returns true if two URLs belong to the same registrable domain: `news.example.org` and `example.org`. Of a domain
/// under which anybody can register a subdomain (`example.blogspot.com`), each subdomain is one.
pub fn same_domain(one: &str, other: &str) -> bool {
    let domain = |url: &str| {
        let url = publisher_url(parse(url).ok()?);
        Some(address::registrable_domain(url.host_str()?).to_owned())
    };
    domain(one).is_some_and(|one| domain(other) == Some(one))
}

/// Returns the name of a source: without case, and a host as [`host_of`] returns it: `xn--mnchen-3ya.example` for
/// `www.münchen.example`.
pub fn source_name(text: &str) -> String {
    let name = fold(text);
    let is_host = name.contains('.') && !name.contains([' ', '/']);
    match Host::parse(&name) {
        Ok(Host::Domain(host)) if is_host => address::site_host(&host).into_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_one_name() {
        for (text, name) in [
            ("München.example", "xn--mnchen-3ya.example"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            ("Die Münchner Post", "die münchner post"),
            ("Münchner Post a. d. Isar", "münchner post a. d. isar"),
            ("Herald.example", "herald.example"),
            ("www.herald.example", "herald.example"),
            ("www.m.münchen.example", "xn--mnchen-3ya.example"),
            ("A.B.C", "a.b.c"),
            ("herald.example:8080", "herald.example:8080"),
        ] {
            assert_eq!(source_name(text), name, "{text}");
        }
    }

    #[test]
    fn canonical_urls_lead_to_the_same_page() {
        for (url, canonical) in [
            ("https://EXAMPLE.org:443/news/1?b=1&utm_source=x&a=2&fbclid=y#top", "https://example.org/news/1?b=1&a=2"),
            (" https://user:secret@example.org/news/1 ", "https://example.org/news/1"),
            ("https://example.org/?title=%CF%F3%F2%FC", "https://example.org/?title=%CF%F3%F2%FC"),
            ("https://example.org/a?x=1+2&y=%20;z", "https://example.org/a?x=1+2&y=%20;z"),
            ("https://example.org/#!/news/1", "https://example.org/#!/news/1"),
            ("https://example.org/news/1?gclid=x", "https://example.org/news/1"),
            ("https://www.google.com/amp/s/example.org/news/1", "https://example.org/news/1"),
        ] {
            assert_eq!(canonical_url(url).as_deref(), Ok(canonical), "{url}");
        }
    }

    #[test]
    fn scripts_are_no_addresses() {
        for bad in ["javascript:alert(1)", "/news/1", "", "http://", "ftp://example.org/", "data:text/html,x"] {
            assert!(safe_url(bad).is_err(), "{bad}");
        }
        assert_eq!(host_of("https://www.Example.org/x").as_deref(), Some("example.org"));
        assert_eq!(host_of("https://m.example.org/x").as_deref(), Some("example.org"));
    }

    #[test]
    fn domains_are_registrable() {
        assert!(same_domain("https://news.example.org/1", "http://www.example.org/2"));
        assert!(!same_domain("https://one.example.org/", "https://one.example.com/"));
        assert!(!same_domain("https://one.blogspot.com/1", "https://two.blogspot.com/1"));
        assert!(same_domain("http://127.0.0.1/1", "http://127.0.0.1/2"));
        assert!(!same_domain("http://10.0.0.1/1", "http://11.0.0.1/1"));
    }
}
