//! The keys that a document states, and the addresses that are believed.
//!
//! Pages name wrong canonical addresses: the section, the front page, the page of another story. An address is believed
//! only if it says something of its page.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::article::{CleanArticle, Key, StatedKey, Trust, normal_address, same_domain, tokens};

/// File and folder names that say nothing of a page.
const GENERIC: &[&str] =
    &["amp", "article", "articles", "default", "detail", "index", "item", "news", "page", "print", "story", "view"];

/// Addresses and identifiers of a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Statements {
    /// Address that the document was fetched from; may be empty.
    pub(super) fetched: String,
    /// Addresses that are believed, most reliable first.
    pub(super) believed: Vec<String>,
    /// True for the item of a feed; its first believed address is its link.
    pub(super) is_item: bool,
    /// True if the feed was fetched from another registrable domain than that of the link: such an item may claim the
    /// page of another publisher.
    pub(super) is_foreign: bool,
    /// True if the sender stated the external ID, or it is that of a wire's story.
    pub(super) states_external_id: bool,
}

impl Statements {
    /// Returns the keys of the document's article, most reliable first.
    pub(super) fn keys(&self, article: &CleanArticle) -> Vec<StatedKey> {
        let (source, external_id) = (&article.article().source, &article.article().external_id);
        let mut keys: Vec<StatedKey> = Vec::new();
        let mut state = |key: Key, trust| {
            if !keys.iter().any(|known| known.key == key) {
                keys.push(StatedKey { key, trust });
            }
        };
        let address = |url: &String| Key::address(url).ok();
        if let Some(key) = address(&self.fetched) {
            state(key, Trust::Certain);
        }
        let external = (!external_id.is_empty()).then(|| Key::external(source, external_id));
        if let (Some(key), true) = (external, self.states_external_id) {
            state(key, Trust::Certain);
        }
        for (at, url) in self.believed.iter().enumerate() {
            let is_link = self.is_item && !self.is_foreign && at == 0;
            if let Some(key) = address(url) {
                state(key, if is_link { Trust::UnlessOtherId } else { Trust::IfSimilar });
            }
        }
        if let Some(key) = external {
            state(key, Trust::IfSimilar);
        }
        if keys.is_empty() {
            keys.push(StatedKey { key: Key::text(source, &article.digest()), trust: Trust::Certain });
        }
        keys
    }
}

/// Reason why an address is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disbelief {
    /// It belongs to another registrable domain: no page can revise an article of another publisher.
    OtherDomain,
    /// It says nothing of the page: it names a section, a front page or another page.
    SaysNothing,
}

/// Decides whether an address that a page states is believed. `fetched` is the address that the page was fetched from,
/// if it is known.
pub(super) fn believe(stated: &str, fetched: Option<&str>, headline: &str) -> Result<(), Disbelief> {
    let says_nothing = Err(Disbelief::SaysNothing);
    let (Ok(stated_url), Ok(normal)) = (Url::parse(stated), normal_address(stated)) else { return says_nothing };
    let stated_part = last_part(&stated_url);
    let names_headline = is_about(&stated_part, headline);
    let Some((fetched, fetched_url)) = fetched.and_then(|fetched| Some((fetched, Url::parse(fetched).ok()?))) else {
        return if names_headline || !is_listing(&stated_url) { Ok(()) } else { says_nothing };
    };
    if !same_domain(stated, fetched) {
        return Err(Disbelief::OtherDomain);
    }
    if normal_address(fetched).is_ok_and(|fetched| fetched == normal) {
        return Ok(());
    }
    // The folder of the page: a section, whose name may be a word of the headline.
    let is_folder = fetched_url.path().strip_prefix(stated_url.path().trim_end_matches('/'));
    if is_folder.is_some_and(|rest| rest.starts_with('/') && rest.trim_matches('/').len() > 3)
        && stated_part.split(['-', '_']).count() < 3
    {
        return says_nothing;
    }
    if names_headline {
        return Ok(());
    }
    // A template that drops the parameter that selects the page.
    let is_cut = stated_url.path() == fetched_url.path() && stated_url.query().is_none() && is_script(&fetched_url);
    if is_cut || is_listing(&stated_url) {
        return says_nothing;
    }
    let fetched_part = last_part(&fetched_url);
    let same_part = stated_part == fetched_part && !is_generic(&stated_part);
    let common_id = !ids(&stated_url).is_disjoint(&ids(&fetched_url));
    if same_part || common_id || is_about(&stated_part, &fetched_part) { Ok(()) } else { says_nothing }
}

/// Returns true if at least half of the words of a path's last part are in a text, and two of them, or a long one.
fn is_about(part: &str, text: &str) -> bool {
    let (part, text) = (long_words(part), long_words(text));
    let common: Vec<&String> = part.intersection(&text).collect();
    let is_enough = common.len() > 1 || common.iter().any(|word| word.chars().count() >= 5);
    is_enough && common.len() * 2 >= part.len()
}

/// Returns true for the address of a front page or a section: no path, only the code of a language, or a file name that
/// says nothing; and no number that selects a page.
fn is_listing(url: &Url) -> bool {
    if has_id(url) || url.fragment().is_some_and(|fragment| fragment.starts_with(['!', '/'])) {
        return false;
    }
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        [] => true,
        [one] => is_language(one) || GENERIC.contains(&stem(one).as_str()),
        [one, two] => is_language(one) && GENERIC.contains(&stem(two).as_str()),
        _ => false,
    }
}

/// Returns true if the path names a program, to which the query says which page to show.
fn is_script(url: &Url) -> bool {
    const EXTENSIONS: [&str; 7] = [".asp", ".aspx", ".cfm", ".cgi", ".do", ".jsp", ".php"];
    let path = url.path().to_ascii_lowercase();
    has_id(url) && (EXTENSIONS.iter().any(|extension| path.ends_with(extension)) || is_generic(&last_part(url)))
}

fn is_language(segment: &str) -> bool {
    let (language, region) = segment.split_once(['-', '_']).unwrap_or((segment, ""));
    language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_alphabetic()) && matches!(region.len(), 0 | 2 | 4)
}

fn is_generic(part: &str) -> bool {
    part.chars().count() < 3 || GENERIC.contains(&part)
}

/// Returns the name of a file without its extension, in lower case.
fn stem(segment: &str) -> String {
    let name =
        segment.rsplit_once('.').map_or(segment, |(name, extension)| if extension.len() <= 5 { name } else { segment });
    name.to_lowercase()
}

/// Returns the last part of a path that names something, decoded if it is UTF-8.
fn last_part(url: &Url) -> String {
    let segments = url.path().split('/').filter(|segment| !segment.is_empty());
    let named = segments.rev().map(stem).find(|segment| !matches!(segment.as_str(), "amp" | "index" | "print"));
    let part = named.unwrap_or_default();
    percent_decode_str(&part).decode_utf8().map_or(part.clone(), Cow::into_owned)
}

/// Returns the different words of at least three characters. In scripts without spaces each character is a word.
fn long_words(text: &str) -> BTreeSet<String> {
    let long = |word: &String| word.chars().count() >= 3 || !word.is_ascii();
    tokens(text).map(|(_, word)| word).filter(long).collect()
}

/// Returns the numbers and codes of a path and query that may identify a page: with at least four digits, and no date.
fn ids(url: &Url) -> BTreeSet<String> {
    let text = [url.path(), url.query().unwrap_or_default()].join("?").to_ascii_lowercase();
    let parts = text.split(|character: char| !character.is_ascii_alphanumeric());
    parts.filter(|part| is_id(part)).map(str::to_owned).collect()
}

fn is_id(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let is_date =
        digits == part.len() && matches!(digits, 4 | 6 | 8) && (part.starts_with("19") || part.starts_with("20"));
    digits >= 4 && !is_date && part.len() <= 40
}

/// Returns true if the query, or the path, has a number that may select a page.
fn has_id(url: &Url) -> bool {
    let query = url.query().unwrap_or_default();
    query
        .split('&')
        .any(|parameter| parameter.split_once('=').is_some_and(|(_, value)| value.bytes().any(|b| b.is_ascii_digit())))
        || url.path().split(|character: char| !character.is_ascii_alphanumeric()).any(is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_say_nothing_are_not_believed() {
        use Disbelief::{OtherDomain, SaysNothing};
        let headline = "Channel to be dredged before winter";
        for (stated, fetched, expected) in [
            ("https://herald.example/news", "https://herald.example/news/a1", Err(SaysNothing)),
            ("https://herald.example/en/", "https://herald.example/news/a1", Err(SaysNothing)),
            ("https://herald.example/?lang=en", "https://herald.example/news/a1", Err(SaysNothing)),
            ("https://herald.example/", "https://herald.example/news/channel", Err(SaysNothing)),
            ("https://herald.example/index.html", "https://herald.example/news/channel", Err(SaysNothing)),
            ("https://herald.example/story.php", "https://herald.example/story.php?id=12", Err(SaysNothing)),
            ("https://herald.example/show.php", "https://herald.example/show.php?id=12", Err(SaysNothing)),
            ("https://herald.example/2024/05/", "https://herald.example/2024/05/channel", Err(SaysNothing)),
            ("https://herald.example/news/harbour", "https://herald.example/news/lighthouse", Err(SaysNothing)),
            ("https://herald.example/winter", "https://herald.example/winter/a123", Err(SaysNothing)),
            ("https://herald.example/news/channel", "https://herald.example/x?id=1", Ok(())),
            ("https://herald.example/sea/the-lighthouse", "https://herald.example/lighthouse-lit", Ok(())),
            ("https://other.example/news/channel", "https://herald.example/news/channel", Err(OtherDomain)),
            ("https://herald.example/news/channel", "https://m.herald.example/news/channel?x=1", Ok(())),
            ("https://www.herald.example/sea/channel.html", "https://herald.example/news/channel", Ok(())),
            ("https://herald.example/sea/channel-dredged", "https://herald.example/p/12", Ok(())),
            ("https://herald.example/news/channel", "https://herald.example/news/channel.amp.html", Ok(())),
            ("https://herald.example/story-184223", "https://herald.example/x?id=184223", Ok(())),
            ("https://herald.example/%D0%BF%D0%BE%D1%80%D1%82", "https://herald.example/amp/порт", Ok(())),
            ("https://news.herald.example/2024/mole-repaired", "https://herald.example/mole-repaired-1", Ok(())),
        ] {
            assert_eq!(believe(stated, Some(fetched), headline), expected, "{stated} on {fetched}");
        }
        for (stated, expected) in [
            ("https://herald.example/", Err(SaysNothing)),
            ("https://herald.example/news/a1", Ok(())),
            ("https://herald.example/?p=12", Ok(())),
        ] {
            assert_eq!(believe(stated, None, headline), expected, "{stated}");
        }
    }
}
