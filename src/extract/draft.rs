//! The result of extraction.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::ExtractError;
use super::report::Report;
use super::stated_time::StatedTime;
use super::wire_fields::WireFields;

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
    /// The byline as printed.
    pub byline: String,
    pub authors: Vec<Author>,
    /// Agencies, newsrooms and publishers that the document credits as its authors, by the names that it gives.
    pub credited: Vec<String>,
    pub dateline: Option<Dateline>,
    pub agency: String,
    pub publisher: String,
    /// BCP 47 language tag.
    pub language: String,
    pub section: String,
    pub tags: Vec<String>,
    /// Paragraphs separated by blank lines.
    pub body: String,
    /// Text blocks and tables describe the paragraphs of the body in order.
    pub blocks: Vec<Block>,
    pub media: Vec<Media>,
    pub rights: Rights,
    pub publish_time: Option<StatedTime>,
    pub update_time: Option<Timestamp>,
    /// Fields that only wire formats state.
    pub wire: WireFields,
}

/// An author.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// The name as printed, without a role.
    pub name: String,
    /// Person or organization, if the document states it.
    pub kind: AuthorKind,
    /// Absolute URL of the author's page.
    pub url: Option<String>,
    /// The role as printed: `Europe correspondent`.
    pub role: String,
}

/// The kinds of authors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AuthorKind {
    #[default]
    Unspecified,
    Person,
    Organization,
}

impl From<String> for Author {
    fn from(name: String) -> Self {
        Self { name, ..Self::default() }
    }
}

impl From<&str> for Author {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

/// The words before the first sentence: place, date, agency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Dateline {
    pub place: String,
    pub text: String,
}

/// Copyright and terms of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The copyright line.
    pub notice: String,
    /// The copyright holder.
    pub holder: String,
    /// Absolute URL of the licence.
    pub license_url: Option<String>,
    /// False if text and data mining is reserved.
    pub allows_data_mining: Option<bool>,
    /// False if the article is behind a paywall.
    pub is_free: Option<bool>,
}

/// A paragraph, or something between two paragraphs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Block {
    /// A paragraph. Its spans are empty if no part of it is linked or emphasised.
    Text {
        kind: TextKind,
        level: u8,
        spans: Vec<Span>,
    },
    /// A paragraph that is a table.
    Table(Vec<Row>),
    /// An image, by its URL in `media`.
    Image(String),
    Embed(Embed),
}

/// The kinds of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TextKind {
    Paragraph,
    /// With a level from 1 to 6.
    Heading,
    Quote,
    ListItem,
}

/// A part of a paragraph with one format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Span {
    pub text: String,
    pub format: Format,
}

/// Format of a part of a paragraph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// Target of a link: absolute, http or https.
    pub url: Option<Arc<str>>,
    /// Emphasis.
    pub emphasis: Option<Emphasis>,
}

/// The kinds of emphasis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Emphasis {
    Stressed,
    Strong,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Row {
    pub cells: Vec<String>,
    pub is_header: bool,
}

/// Content of another site that an article shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Embed {
    /// Absolute, http or https.
    pub url: String,
    pub title: String,
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
