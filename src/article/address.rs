//! Normal forms of addresses, for comparison: two spellings of one page's address have one normal form.
//!
//! Only differences that never select another page are removed: the scheme, labels of editions in the host, AMP paths
//! and parameters, tracking parameters, a trailing slash, and the case of percent escapes (RFC 3986, section 6.2.2).
//! Nothing else is decoded, sorted or dropped: `?title=%CF%F3%F2%FC` is in an encoding that only its publisher knows.

use std::borrow::Cow;

use url::{Host, Url};

/// Labels of hosts that serve another edition of the same pages.
const EDITIONS: &[&str] = &["www", "m", "mobile", "amp"];

/// Beginnings of the names of tracking parameters.
const TRACKING_PREFIXES: &[&str] =
    &["__hs", "_hs", "at_custom", "hsa_", "itm_", "matomo_", "mtm_", "oly_", "piwik_", "utm_", "vero_"];

/// Names of tracking parameters: they identify the referrer, the campaign or the reader, not the content. Collected
/// from the documentation of advertising, mailing and analytics products.
const TRACKING: &[&str] = &[
    "__s",
    "__twitter_impression",
    "_ga",
    "_gl",
    "_openstat",
    "at_bbc_team",
    "at_campaign",
    "at_campaign_type",
    "at_format",
    "at_link_id",
    "at_link_origin",
    "at_link_type",
    "at_medium",
    "at_ptr_name",
    "ck_subscriber_id",
    "cmp",
    "cmpid",
    "dclid",
    "dicbo",
    "echobox",
    "fb_action_ids",
    "fb_action_types",
    "fb_ref",
    "fb_source",
    "fbclid",
    "ftag",
    "gad_source",
    "gbraid",
    "gclid",
    "gclsrc",
    "guccounter",
    "guce_referrer",
    "guce_referrer_sig",
    "hsctatracking",
    "icid",
    "igsh",
    "igshid",
    "int_source",
    "intcmp",
    "ito",
    "jsessionid",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mibextid",
    "mkt_tok",
    "msclkid",
    "nr_email_referer",
    "ns_campaign",
    "ns_fee",
    "ns_linkname",
    "ns_mchannel",
    "ns_source",
    "oborigurl",
    "ocid",
    "partnerid",
    "phpsessid",
    "pk_campaign",
    "pk_content",
    "pk_cpn",
    "pk_keyword",
    "pk_kwd",
    "pk_medium",
    "pk_source",
    "rb_clid",
    "ref_src",
    "ref_url",
    "s_cid",
    "s_kwcid",
    "smid",
    "smtyp",
    "soc_src",
    "soc_trk",
    "spm",
    "sr_share",
    "sref",
    "srsltid",
    "taid",
    "tblci",
    "trk",
    "trkcampaign",
    "ttclid",
    "twclid",
    "wbraid",
    "wickedid",
    "wprov",
    "wt.mc_id",
    "wt.z_mc",
    "wt_mc",
    "xtor",
    "yclid",
    "ysclid",
];

/// Parameters of AMP, with any value.
const AMP: &[&str] = &["__amp_source_origin", "amp", "amp_gsa", "amp_js_v", "amphtml", "isamp", "usqp"];

/// Parameters that select the AMP edition by the value `amp`. Any other one may be a name: `/company?code=amp`.
const AMP_VALUE: &[&str] = &[
    "edition",
    "format",
    "layout",
    "mode",
    "output",
    "outputtype",
    "page_type",
    "template",
    "type",
    "v",
    "version",
    "view",
];

/// Returns the normal form of an address.
pub(super) fn normal(url: &Url) -> String {
    let host = site_host(url.host_str().unwrap_or_default());
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = without_session(url.path());
    let path = normal_escapes(&without_amp(path.trim_end_matches('/')));
    let query =
        kept_parameters(url.query().unwrap_or_default(), |name, value| is_tracking(name) || is_amp(name, value));
    let query = normal_escapes(&query);
    let mark = if query.is_empty() { "" } else { "?" };
    let fragment = url.fragment().and_then(route).map(|route| format!("#{}", normal_escapes(route)));
    [&*host, &port, &path, mark, &query, fragment.as_deref().unwrap_or_default()].concat()
}

/// Returns the host without labels of editions. Registrable domains stay whole: `m.com` is one.
pub(super) fn site_host(host: &str) -> Cow<'_, str> {
    let host = host.trim_end_matches('.');
    let domain = registrable_domain(host);
    let labels = host.strip_suffix(domain).unwrap_or_default().trim_end_matches('.');
    if !labels.split('.').any(|label| EDITIONS.contains(&label)) {
        return Cow::Borrowed(host);
    }
    let kept = labels.split('.').filter(|label| !label.is_empty() && !EDITIONS.contains(label));
    Cow::Owned(kept.chain([domain]).collect::<Vec<_>>().join("."))
}

/// Returns the registrable domain of a host: the part that one owner controls. An address without a name is one.
pub(super) fn registrable_domain(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    match Host::parse(host) {
        Ok(Host::Domain(_)) => psl::domain_str(host).unwrap_or(host),
        _ => host,
    }
}

/// Returns the query without the parameters to drop. The others keep their order and spelling.
pub(super) fn kept_parameters(query: &str, drop: impl Fn(&str, &str) -> bool) -> String {
    let kept = query.split('&').filter(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !parameter.is_empty() && !drop(&name.to_ascii_lowercase(), value)
    });
    kept.collect::<Vec<_>>().join("&")
}

/// Returns true for tracking parameters. `name` is in lower case.
pub(super) fn is_tracking(name: &str) -> bool {
    // A link that was escaped twice: `&amp;utm_medium=feed`.
    let name = name.strip_prefix("amp;").unwrap_or(name);
    TRACKING.binary_search(&name).is_ok() || TRACKING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_amp(name: &str, value: &str) -> bool {
    AMP.contains(&name) || (value.eq_ignore_ascii_case("amp") && AMP_VALUE.contains(&name))
}

/// Returns a path without the parameter of a session: `/news;jsessionid=7F/1`.
fn without_session(path: &str) -> Cow<'_, str> {
    const SESSION: &str = ";jsessionid=";
    let Some(at) = path.to_ascii_lowercase().find(SESSION) else { return Cow::Borrowed(path) };
    let (before, session) = path.split_at(at);
    Cow::Owned(format!("{before}{}", session.find('/').map_or("", |end| &session[end..])))
}

/// Returns the part of a fragment that selects the page: `!/news/1` and `/news/1` are routes of applications that have
/// one page; others are positions within the page.
pub(super) fn route(fragment: &str) -> Option<&str> {
    let routed = fragment.strip_prefix('!').unwrap_or(fragment);
    (fragment.starts_with('!') && !routed.is_empty() || routed.starts_with('/') && routed.len() > 1).then_some(fragment)
}

/// Returns the path of the ordinary edition of an AMP page.
fn without_amp(path: &str) -> Cow<'_, str> {
    for prefix in ["/amp/", "/amphtml/"] {
        if let Some(rest) = path.strip_prefix(prefix) {
            return Cow::Owned(without_amp(&format!("/{rest}")).into_owned());
        }
    }
    for suffix in ["/amp", "/amphtml", "/amp.html", ".amp", ".amphtml"] {
        if let Some(rest) = path.strip_suffix(suffix).filter(|rest| rest.len() > 1) {
            return Cow::Borrowed(rest.trim_end_matches('/'));
        }
    }
    match path.rsplit_once(".amp.") {
        Some((rest, extension)) if matches!(extension, "html" | "htm" | "php") => {
            Cow::Owned(format!("{rest}.{extension}"))
        }
        _ => Cow::Borrowed(path),
    }
}

/// Returns percent escapes in upper case, without escapes of characters that need none (RFC 3986, sections 6.2.2.1 and
/// 6.2.2.2).
fn normal_escapes(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let escaped = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        // A sign is no digit, though `from_str_radix` takes it.
        match escaped.filter(|_| !after.starts_with('+')) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => normal.push(char::from(byte)),
            Some(byte) => normal.push_str(&format!("%{byte:02X}")),
            None => normal.push('%'),
        }
        rest = if escaped.is_some() && !after.starts_with('+') { &after[2..] } else { after };
    }
    normal.push_str(rest);
    normal
}

/// Returns the publisher's URL of a page in an AMP cache: `www.google.com/amp/s/example.org/1` and
/// `example-org.cdn.ampproject.org/c/s/example.org/1`. The part `s` stands for `https`.
pub(super) fn in_amp_cache(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let path = if host.ends_with(".cdn.ampproject.org") {
        ["/c/", "/v/"].iter().find_map(|kind| url.path().strip_prefix(kind))?
    } else if host.strip_prefix("www.google.").is_some_and(|rest| !rest.is_empty()) {
        url.path().strip_prefix("/amp/")?
    } else {
        return None;
    };
    let (scheme, rest) = path.strip_prefix("s/").map_or(("http", path), |rest| ("https", rest));
    let is_host = rest.split('/').next().is_some_and(|host| host.contains('.'));
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    is_host.then(|| format!("{scheme}://{rest}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::article::normal_address;

    #[test]
    fn spellings_of_an_address_are_one() {
        for (normal, spellings) in [
            (
                "herald.example/news/channel",
                &[
                    "https://herald.example/news/channel",
                    "http://herald.example/news/channel/",
                    "https://www.herald.example/news/channel?utm_source=a&UTM_Medium=b",
                    "https://m.herald.example/news/channel#comments",
                    "https://amp.herald.example/news/channel",
                    "https://herald.example/amp/news/channel",
                    "https://herald.example/news/channel/amp/",
                    "https://herald.example/news/channel.amp",
                    "https://herald.example/news/channel?outputType=amp",
                    "https://herald.example/news/channel?amp=1&fbclid=x",
                    "https://herald.example/news/channel;jsessionid=7F?PHPSESSID=2",
                    "https://herald.example/news;JSESSIONID=7F/channel",
                    "https://www.m.herald.example/amp/news/channel/amp/",
                    "https://herald.example/news/channel/amp.html",
                    "https://herald.example/news/channel?at_link_id=7&amp;utm_medium=feed&view=amp",
                    "https://HERALD.example:443/news/./channel",
                    "https://www.google.com/amp/s/herald.example/news/channel",
                    "https://herald-example.cdn.ampproject.org/c/s/herald.example/news/channel",
                ][..],
            ),
            ("herald.example/1.html", &["https://herald.example/1.amp.html", "https://herald.example/1.html"]),
            (
                "herald.example/%D0%BF",
                &["https://herald.example/%d0%bf", "https://herald.example/%D0%BF", "https://herald.example/п"],
            ),
            ("herald.example/~a-b", &["https://herald.example/%7Ea%2Db", "https://herald.example/~a-b"]),
            (
                "xn--zeitung-mnchen-osb.example/1",
                &["https://zeitung-münchen.example/1", "http://XN--zeitung-mnchen-OSB.example/1/"],
            ),
            ("de.herald.org/1", &["https://de.m.herald.org/1", "https://de.herald.org/1"]),
        ] {
            for spelling in spellings {
                assert_eq!(normal_address(spelling).as_deref(), Ok(normal), "{spelling}");
            }
        }
    }

    #[test]
    fn pages_keep_their_own_addresses() {
        let addresses = [
            "https://herald.example/?title=%CF%F3%F2%FC",
            "https://herald.example/?title=%C4%EE%EC%E0",
            "https://herald.example/?code=amp",
            "https://herald.example/?code=amp2",
            "https://herald.example/?ncid=1001",
            "https://herald.example/?ns_id=1001",
            "https://herald.example/?pk_id=1001",
            "https://herald.example/app;jsessionid=7F/news/1",
            "https://herald.example/app;jsessionid=7F/news/2",
            "https://herald.example/#!/news/1",
            "https://herald.example/#!/news/2",
            "https://herald.example/#/news/1",
            "https://herald.example/news?a=1&b=2",
            "https://herald.example/news?b=2&a=1",
            "https://herald.example/News",
            "https://herald.example/amp",
            "https://herald.example/tech/amp/tubes",
            "https://herald.example:8443/news",
            "https://sport.herald.example/news",
            "https://herald.example/a%2Fb",
            "https://herald.example/a/b",
            "https://herald.example/100%",
            "https://m.com/news",
            "https://www.com/news",
        ];
        let normal: std::collections::BTreeSet<String> =
            addresses.iter().map(|address| normal_address(address).expect("an address")).collect();
        assert_eq!(normal.len(), addresses.len(), "{normal:?}");
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(TRACKING.is_sorted(), "it is searched by halves");
    }
}
