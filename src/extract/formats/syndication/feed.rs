//! A syndication feed, whatever its format.

use jiff::Timestamp;
use url::Url;

use crate::article::resolve_url;
use crate::extract::draft::Media;
use crate::extract::fields::dates::{self, Locale};
use crate::extract::stated_time::StatedTime;

/// A feed. Texts may contain markup.
#[derive(Default)]
pub(super) struct Feed {
    pub(super) title: String,
    pub(super) language: String,
    pub(super) rights: String,
    /// Base of relative addresses.
    pub(super) base: Option<Url>,
    /// Bylines that hold for entries without one.
    pub(super) authors: Vec<String>,
    pub(super) entries: Vec<Entry>,
}

/// Maximum number of addresses of an entry.
const MAX_LINKS: usize = 20;

/// An entry of a feed. Texts may contain markup; addresses are absolute.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) title: String,
    /// Addresses, the best first.
    pub(super) links: Vec<String>,
    pub(super) content: String,
    pub(super) summary: String,
    /// Base of relative addresses in the texts.
    pub(super) base: Option<Url>,
    pub(super) published: String,
    pub(super) updated: String,
    pub(super) authors: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) media: Vec<Media>,
    /// Name of the feed that the entry was copied from.
    pub(super) source: String,
    pub(super) rights: String,
    pub(super) language: String,
    /// True if the document ended within one of its fields.
    pub(super) is_cut: bool,
}

impl Entry {
    /// Adds an address if it is one of a page.
    pub(super) fn link(&mut self, base: Option<&Url>, address: &str) {
        if self.links.len() < MAX_LINKS {
            self.links.extend(resolve_url(base, address));
        }
    }

    pub(super) fn publish_time(&self, locale: Locale<'_>) -> Option<StatedTime> {
        plausible(&self.published, locale)
    }

    /// Returns the time of the last change. An entry that states none has not changed since its publication.
    pub(super) fn update_time(&self, locale: Locale<'_>) -> Option<Timestamp> {
        plausible(&self.updated, locale).or_else(|| self.publish_time(locale)).map(|stated| stated.time)
    }
}

/// Returns a time, unless it is from before the web or far in the future: then it is a mistake.
fn plausible(text: &str, locale: Locale<'_>) -> Option<StatedTime> {
    let stated = dates::parse(text, locale)?;
    let year = stated.time.to_zoned_datetime(jiff::tz::TimeZone::UTC).year();
    (1_971..=2_100).contains(&year).then_some(stated)
}

/// Returns the name of the person in an author field: `jane@herald.example (Jane Doe)`, `Jane Doe <jane@…>`. Empty for
/// an address alone.
pub(super) fn person(text: &str) -> &str {
    let text = text.trim();
    if !text.contains('@') {
        return text;
    }
    if let Some((_, rest)) = text.split_once('(')
        && let Some((name, _)) = rest.split_once(')')
        && !name.contains('@')
    {
        return name.trim();
    }
    let name = text.split_once('<').map_or("", |(name, _)| name);
    if name.contains('@') { "" } else { name.trim() }
}

/// Returns the publisher's name in a feed's title: `Herald - Local news - RSS` of herald.example is `Herald`.
pub(super) fn publisher<'a>(title: &'a str, host: &str) -> &'a str {
    const SEPARATORS: [&str; 8] = [" - ", " – ", " — ", " | ", " » ", " :: ", " · ", ": "];
    let letters =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase() };
    let mut parts = vec![title];
    for separator in SEPARATORS {
        parts = parts.into_iter().flat_map(|part| part.split(separator)).collect();
    }
    let parts: Vec<&str> = parts.into_iter().map(without_format).filter(|part| !part.is_empty()).collect();
    let site = host.rsplit('.').nth(1).map(letters).filter(|site| site.chars().count() >= 4);
    let named = site.and_then(|site| {
        parts.iter().find(|part| {
            let name = letters(part);
            name.contains(&site) || (name.chars().count() >= 4 && site.contains(&name))
        })
    });
    match (named, parts.as_slice()) {
        (Some(part), _) | (None, [part]) => part,
        _ => without_format(title),
    }
}

/// Removes words for the format at the ends of a title: `Herald RSS Feed`.
fn without_format(part: &str) -> &str {
    const FORMATS: [&str; 5] = ["rss", "rss2", "atom", "feed", "feeds"];
    let mut name = part.trim();
    while let Some((rest, last)) = name.rsplit_once(' ').or((!name.is_empty()).then_some(("", name)))
        && FORMATS.iter().any(|format| last.eq_ignore_ascii_case(format))
    {
        name = rest.trim_end().trim_end_matches(['-', '–', '—', '|', '»', ':', '·']).trim_end();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn author_fields_name_persons() {
        for (text, name) in [
            ("jane@herald.example (Jane Doe)", "Jane Doe"),
            ("Jane Doe <jane@herald.example>", "Jane Doe"),
            ("Jane Doe (jane@herald.example)", ""),
            ("editor@herald.example", ""),
            (" Jane Doe ", "Jane Doe"),
        ] {
            assert_eq!(person(text), name, "{text}");
        }
    }

    #[test]
    fn publishers_are_found_in_titles_of_feeds() {
        for (title, host, name) in [
            ("The Ellery Herald", "herald.example", "The Ellery Herald"),
            ("Ellery Herald - Local news - RSS feed", "herald.example", "Ellery Herald"),
            ("Lokales | Ellery Herald", "www.herald.example", "Ellery Herald"),
            ("Harbour – the magazine", "quay.example", "Harbour – the magazine"),
            ("Harbour notes: RSS", "quay.example", "Harbour notes"),
            ("RSS", "herald.example", ""),
        ] {
            assert_eq!(publisher(title, host), name, "{title}");
        }
    }
}
