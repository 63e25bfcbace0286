//! URLs: safety checks and canonical forms.

use url::Url;

/// Maximum size of a URL, in bytes.
pub const MAX_URL_BYTES: usize = 2_048;

/// Query parameters that identify a referrer, not the content.
const TRACKING: &[&str] = &[
    "_ga",
    "_gl",
    "cmpid",
    "dclid",
    "fbclid",
    "gclid",
    "gclsrc",
    "igshid",
    "mc_cid",
    "mc_eid",
    "msclkid",
    "ocid",
    "partnerid",
    "ref_src",
    "smid",
    "spm",
    "s_cid",
    "twclid",
    "wbraid",
    "gbraid",
    "yclid",
    "xtor",
    "at_medium",
    "at_campaign",
];

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

/// Returns the canonical form of an article's URL: safe, without fragment, tracking parameters and default port, the
/// host in lower case, the query's parameters sorted.
pub fn canonical_url(text: &str) -> Result<String, &'static str> {
    let mut url = parse(text)?;
    url.set_fragment(None);
    let mut kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !is_tracking(name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    kept.sort();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    let canonical = String::from(url);
    if canonical.len() > MAX_URL_BYTES {
        return Err("must be at most 2,048 bytes long");
    }
    Ok(canonical)
}

/// Returns the host of a URL without `www.`: the source of a document that names none.
pub fn host_of(url: &str) -> Option<String> {
    let url = parse(url).ok()?;
    let host = url.host_str()?;
    Some(host.strip_prefix("www.").unwrap_or(host).to_string())
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

fn is_tracking(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("utm_") || TRACKING.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_article_has_one_address() {
        let canonical = "https://example.org/news/1?a=2&b=1";
        for variant in [
            "https://example.org/news/1?b=1&a=2",
            "https://EXAMPLE.org:443/news/1?a=2&utm_source=x&b=1&fbclid=y#top",
            " https://user:secret@example.org/news/1?a=2&b=1 ",
        ] {
            assert_eq!(canonical_url(variant).as_deref(), Ok(canonical));
        }
    }

    #[test]
    fn scripts_are_no_addresses() {
        for bad in ["javascript:alert(1)", "/news/1", "", "http://", "ftp://example.org/", "data:text/html,x"] {
            assert!(safe_url(bad).is_err(), "{bad}");
        }
        assert_eq!(host_of("https://www.Example.org/x").as_deref(), Some("example.org"));
    }
}
