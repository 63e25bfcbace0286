//! Detection of syndication feeds.

/// Elements that scripts print before a feed, as notices of errors.
const NOTICES: [&str; 6] = ["br", "b", "font", "i", "pre", "code"];
/// Maximum number of tags before the root of a feed.
const MAX_TAGS: usize = 100;

/// Returns true if a text is a feed: its root element is one of a feed, behind any declaration, comment, instruction
/// and notice of a script; or it is a JSON Feed.
pub(crate) fn is_feed(text: &str) -> bool {
    let start = text.trim_start_matches('\u{FEFF}').trim_start();
    if start.starts_with('{') {
        // The version comes first as a rule, but need not.
        return start.contains("jsonfeed.org/version") || start.contains(r"jsonfeed.org\/version");
    }
    let mut rest = start;
    for _ in 0..MAX_TAGS {
        let Some(at) = rest.find('<') else { return false };
        let markup = &rest[at + 1..];
        let behind = |end: &str| markup.find(end).map_or("", |at| &markup[at + end.len()..]);
        let name_end = markup.find(|c: char| !c.is_alphanumeric() && !matches!(c, ':' | '-' | '_'));
        let name = &markup[..name_end.unwrap_or(markup.len())];
        rest = if markup.starts_with("!--") {
            behind("-->")
        } else if markup.starts_with('?') {
            behind(">")
        } else if name.is_empty() || NOTICES.iter().any(|notice| name.eq_ignore_ascii_case(notice)) {
            markup
        } else {
            return is_root(name, markup);
        };
    }
    false
}

/// Returns true if the tag of a feed begins here.
fn is_root(name: &str, markup: &str) -> bool {
    let local = name.rsplit(':').next().unwrap_or(name);
    ["rss", "feed", "rdf"].iter().any(|root| local.eq_ignore_ascii_case(root)) && markup.contains('>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_recognised_behind_anything() {
        let comment = format!("<!-- {} -->", "an export of a site ".repeat(500));
        for (start, is) in [
            ("<rss version='2.0'>", true),
            ("\u{FEFF}\n <?xml version='1.0'?>\n<?xml-stylesheet href='a.xsl'?><RSS>", true),
            (&format!("<?xml version='1.0'?>{comment}<!DOCTYPE rss SYSTEM 'x'><rss>"), true),
            ("<br />\n<b>Notice</b>: Undefined index: x in <b>/a.php</b> on line <b>1</b><br />\n<?xml?><feed>", true),
            ("<atom:feed>", true),
            ("<rdf:RDF xmlns='http://purl.org/rss/1.0/'>", true),
            (r#"{"title": "x", "version": "https:\/\/jsonfeed.org\/version\/1.1"}"#, true),
            ("<!doctype html><html><body><rss>", false),
            ("<p>The <rss> element</p><div>", false),
            ("<div><rss>", false),
            ("Fares < 5 crowns, said <rss", false),
            ("Warning: x() failed in /a.php on line 1\n<rss version='2.0'>", true),
            ("The harbour board agreed.", false),
            ("{\"headline\": \"x\"}", false),
        ] {
            assert_eq!(is_feed(start), is, "{start}");
        }
    }
}
