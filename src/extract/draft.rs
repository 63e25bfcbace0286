//! The result of extraction.

use jiff::Timestamp;

use super::error::ExtractError;
use super::report::Report;

/// An article's fields as found in a document. Empty means not found.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Draft {
    /// The canonical URL: absolute, http or https.
    pub url: Option<String>,
    /// Other addresses that the document states for itself: of other editions, and short ones.
    pub alternate_urls: Vec<String>,
    pub external_id: Option<String>,
    pub headline: String,
    pub subheadline: String,
    pub authors: Vec<String>,
    pub dateline: Option<Dateline>,
    pub agency: String,
    pub publisher: String,
    /// BCP 47 language tag.
    pub language: String,
    pub section: String,
    pub tags: Vec<String>,
    /// Paragraphs separated by blank lines.
    pub body: String,
    pub blocks: Vec<Block>,
    pub media: Vec<Media>,
    pub links: Vec<Link>,
    pub rights: String,
    pub publish_time: Option<Timestamp>,
    pub update_time: Option<Timestamp>,
}

/// The words before the first sentence: place, date, agency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Dateline {
    pub place: String,
    pub text: String,
}

/// A paragraph with its kind, or the position of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Kind of the block.
    pub kind: BlockKind,
    /// Index of the paragraph in `body.split("\n\n")`; none for images.
    pub paragraph: Option<usize>,
    /// Level of a heading, from 1 to 6.
    pub level: u8,
    /// Index of an image in `media`.
    pub media: Option<usize>,
}

/// The kinds of block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BlockKind {
    Paragraph,
    Heading,
    Quote,
    ListItem,
    Image,
}

/// A file that belongs to the article.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Media {
    pub kind: MediaKind,
    pub url: String,
    pub caption: String,
    pub credit: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

/// The kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MediaKind {
    Image,
    Video,
    Audio,
}

/// A link from the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Link {
    pub url: String,
    pub text: String,
}

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
