//! Properties of articles that filters match, and their index.

use super::{fold, source_name};
use crate::proto::{Article, MediaKind};

/// Properties that list filters match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FacetKind {
    /// The publisher's host or name.
    Source,
    /// The language, and each that contains it: `en-gb`, `en`.
    Language,
    /// The section.
    Section,
    /// A keyword.
    Tag,
    /// An author.
    Author,
    /// The news agency.
    Agency,
    /// The host of the URL.
    Host,
    /// A kind of its media.
    Media,
    /// One of its annotations: `key` and `key=value`.
    Annotation,
}

/// One property of an article, folded for comparison; annotations are not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facet {
    /// Kind of property.
    pub kind: FacetKind,
    /// Its value.
    pub value: String,
}

impl Facet {
    /// Returns all properties of an article, each once.
    pub fn of(article: &Article) -> Vec<Facet> {
        let mut facets = Vec::new();
        let mut add = |kind, value: &str| {
            let value = Facet::comparable(kind, value);
            if !value.is_empty() {
                facets.push(Facet { kind, value });
            }
        };
        add(FacetKind::Source, &article.source);
        add(FacetKind::Host, &article.host);
        let mut language = article.language_code.as_str();
        loop {
            add(FacetKind::Language, language);
            match language.rfind('-') {
                Some(at) => language = &language[..at],
                None => break,
            }
        }
        add(FacetKind::Section, &article.section);
        add(FacetKind::Agency, &article.agency);
        article.tags.iter().for_each(|tag| add(FacetKind::Tag, tag));
        article.authors.iter().for_each(|author| add(FacetKind::Author, &author.name));
        article.media.iter().for_each(|media| add(FacetKind::Media, media_value(media.kind()).unwrap_or_default()));
        for (key, value) in &article.annotations {
            let values = [key.clone(), format!("{key}={value}")];
            facets.extend(values.map(|value| Facet { kind: FacetKind::Annotation, value }));
        }
        facets.sort_unstable();
        facets.dedup();
        facets
    }
}

impl Facet {
    /// Returns a value as it is compared: without case, and without what only the spelling of a kind adds.
    pub fn comparable(kind: FacetKind, value: &str) -> String {
        match kind {
            FacetKind::Source => source_name(value),
            // Some write `en_US`.
            FacetKind::Language => fold(value).replace('_', "-"),
            // Letters whose capitals are those of others: STRASSE is Straße, and a final sigma is a sigma.
            _ => fold(value).replace('ß', "ss").replace('ς', "σ"),
        }
    }
}

/// Returns the value of a kind of media; none if it is unknown.
pub(super) fn media_value(kind: MediaKind) -> Option<&'static str> {
    match kind {
        MediaKind::Unspecified => None,
        MediaKind::Image => Some("image"),
        MediaKind::Video => Some("video"),
        MediaKind::Audio => Some("audio"),
    }
}
