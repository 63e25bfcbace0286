//! Results of extraction.

use super::draft::Draft;
use super::error::ExtractError;
use super::report::Report;

/// Result of extracting a document.
pub enum Extraction {
    /// One article.
    Article(Box<Extracted>),
    /// A feed's entries, in feed order.
    Feed(Vec<FeedEntry>),
}

/// One entry of a feed.
pub struct FeedEntry {
    /// ID of the entry in the feed.
    pub external_id: String,
    /// The article, or the reason why there is none.
    pub result: Result<Extracted, ExtractError>,
}

/// An article with its extraction report.
#[derive(Debug)]
pub struct Extracted {
    /// The article.
    pub draft: Draft,
    /// The extraction report.
    pub report: Report,
}
