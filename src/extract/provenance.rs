//! Provenance of fields: the sources that state the value of a field, and the confidence in it.

use super::draft::{Draft, Extracted};
use super::report::Method;

/// Confidence in a field of a wire item, of an item of a feed, and of a text dump, whose fields have no marks.
const WIRE: f32 = 1.0;
const FEED: f32 = 0.95;
const TEXT: f32 = 0.7;
/// Confidence in a field that is computed from the text: an agency from its dateline, the language from its words.
const COMPUTED: f32 = 0.9;

/// A field with the sources that state its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// Name of the field, as in the API: `headline`.
    pub field: &'static str,
    /// Sources that state the value, the most reliable first.
    pub sources: Vec<Source>,
    /// Confidence in the value, from 0 to 1.
    pub confidence: f32,
}

/// A source of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Source {
    WireItem,
    SyndicationFeed,
    /// JSON-LD.
    StructuredData,
    MetaTag,
    /// Attributes that mark a part of the page's text as the value: `itemprop`, `pubdate`.
    Microdata,
    /// Text that the page shows.
    PageText,
    /// The `title` element.
    PageTitle,
    /// The address of the page.
    Url,
    /// The article's text.
    Body,
}

/// Adds the fields whose provenance follows from the format of the document.
pub(super) fn complete(extracted: &mut Extracted) {
    let Extracted { draft, report } = extracted;
    let (source, confidence) = match report.method {
        Method::Wire => (Source::WireItem, WIRE),
        Method::SyndicationFeed => (Source::SyndicationFeed, FEED),
        Method::Text => (Source::Body, TEXT),
        Method::Html | Method::StructuredData => (Source::Body, COMPUTED),
    };
    let Draft { headline, subheadline, authors, agency, publisher, language, section, dateline, publish_time, .. } =
        draft;
    for (field, is_set) in [
        ("headline", !headline.is_empty()),
        ("subheadline", !subheadline.is_empty()),
        ("authors", !authors.is_empty()),
        ("agency", !agency.is_empty()),
        ("publisher", !publisher.is_empty()),
        ("language_code", !language.is_empty()),
        ("section", !section.is_empty()),
        ("dateline", dateline.is_some()),
        ("publish_time", publish_time.is_some()),
    ] {
        if !is_set {
            report.fields.retain(|known| known.field != field);
        } else if !report.fields.iter().any(|known| known.field == field) {
            report.fields.push(Provenance { field, sources: vec![source], confidence });
        }
    }
    report.fields.sort_by_key(|known| known.field);
}
