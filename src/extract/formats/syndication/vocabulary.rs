//! Vocabularies of the elements of feeds, and their prefixes.

use super::markup;
use super::xml::Element;

/// Vocabulary of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// RSS or Atom.
    Plain,
    Content,
    DublinCore,
    Media,
    Podcast,
    FeedBurner,
    Other,
}

/// Vocabularies by prefix.
#[derive(Default)]
pub(super) struct Prefixes<'a> {
    declared: Vec<(&'a str, Vocabulary)>,
}

impl<'a> Prefixes<'a> {
    /// Reads the declarations of an element.
    pub(super) fn declare(&mut self, element: &Element<'a>) {
        for (name, address) in element.attributes() {
            if let Some(prefix) = name.strip_prefix("xmlns:")
                && let Some(vocabulary) = by_address(address)
                && self.declared.len() < 64
            {
                self.declared.push((prefix, vocabulary));
            }
        }
    }

    /// Returns the vocabulary of an element. A prefix that is not declared means what it usually does.
    pub(super) fn of(&self, element: &Element<'_>) -> Vocabulary {
        let prefix = element.prefix();
        if prefix.is_empty() {
            return Vocabulary::Plain;
        }
        let declared = self.declared.iter().find(|(name, _)| *name == prefix);
        declared.map_or_else(|| by_prefix(prefix), |(_, vocabulary)| *vocabulary)
    }

    /// Returns the first element with a name in a vocabulary that has content.
    pub(super) fn find<'e>(&self, element: &'e Element<'a>, wanted: &[(Vocabulary, &str)]) -> Option<&'e Element<'a>> {
        wanted.iter().find_map(|(vocabulary, name)| {
            element.elements().find(|inner| {
                inner.local_name().eq_ignore_ascii_case(name)
                    && self.of(inner) == *vocabulary
                    && !inner.children.is_empty()
            })
        })
    }

    pub(super) fn text(&self, element: &Element<'a>, wanted: &[(Vocabulary, &str)]) -> String {
        self.find(element, wanted).map(markup::of).unwrap_or_default()
    }

    /// Returns the longest text of several elements.
    pub(super) fn longest(&self, element: &Element<'a>, wanted: &[(Vocabulary, &str)]) -> String {
        wanted.iter().map(|one| self.text(element, &[*one])).max_by_key(|text| text.trim().len()).unwrap_or_default()
    }
}

fn by_address(address: &str) -> Option<Vocabulary> {
    const KNOWN: [(&str, Vocabulary); 10] = [
        ("purl.org/rss/1.0/modules/content", Vocabulary::Content),
        ("purl.org/dc/", Vocabulary::DublinCore),
        ("search.yahoo.com/mrss", Vocabulary::Media),
        ("itunes.com/dtds/podcast", Vocabulary::Podcast),
        ("feedburner", Vocabulary::FeedBurner),
        ("w3.org/2005/atom", Vocabulary::Plain),
        ("purl.org/atom/", Vocabulary::Plain),
        ("purl.org/rss/1.0/modules", Vocabulary::Other),
        ("purl.org/rss/1.0", Vocabulary::Plain),
        ("wordpress.org/export", Vocabulary::Other),
    ];
    let address = address.to_ascii_lowercase();
    KNOWN.iter().find(|(part, _)| address.contains(part)).map(|(_, vocabulary)| *vocabulary)
}

fn by_prefix(prefix: &str) -> Vocabulary {
    match prefix.to_ascii_lowercase().as_str() {
        "content" => Vocabulary::Content,
        "dc" | "dcterms" => Vocabulary::DublinCore,
        "media" => Vocabulary::Media,
        "itunes" => Vocabulary::Podcast,
        "feedburner" => Vocabulary::FeedBurner,
        "atom" | "atom10" | "a10" | "rss" => Vocabulary::Plain,
        _ => Vocabulary::Other,
    }
}
