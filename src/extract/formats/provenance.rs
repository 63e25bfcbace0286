//! Provenance that follows from the format of a document.

use crate::extract::draft::{Draft, Extracted};
use crate::extract::provenance::{Provenance, Source};
use crate::extract::report::Method;

/// Confidence in a field of a wire item, of an item of a feed, and of a text dump, whose fields have no marks.
const WIRE: f32 = 1.0;
const FEED: f32 = 0.95;
const TEXT: f32 = 0.7;
/// Confidence in a field that is computed from the text: an agency from its dateline, the language from its words.
const COMPUTED: f32 = 0.9;

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
