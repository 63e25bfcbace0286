//! Provenance of fields: the sources that state the value of a field, and the confidence in it.

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
