//! Documents to extract, and their limits.

use std::time::Duration;

use jiff::Timestamp;

use super::stated_time::{Precision, StatedTime};

/// A document as received.
pub struct Document<'a> {
    /// Content of the document.
    pub payload: Payload<'a>,
    /// URL it was fetched from.
    pub url: Option<&'a str>,
    /// Values from the sender that override those of the document.
    pub hints: Hints<'a>,
}

/// Content of a document.
pub enum Payload<'a> {
    /// A text dump of a page.
    Text(&'a str),
    /// A page, decoded to text.
    Html(&'a str),
    /// Bytes as fetched, with their Content-Type.
    Raw {
        /// The bytes, optionally gzip.
        bytes: &'a [u8],
        /// Content-Type header: `text/html; charset=…`.
        content_type: Option<&'a str>,
    },
}

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DocumentFormat {
    Html,
    Text,
    /// RSS, Atom, RDF or JSON Feed.
    Feed,
    /// JSON, of a format that its fields show.
    Json,
    /// XML, of a format that its root element shows. Only declared, never detected.
    Xml,
    NewsmlG2,
    Newsml1,
    Nitf,
    /// Only stated by the sender: detection finds JSON.
    Ninjs,
    Iptc7901,
    /// WordPress export.
    Wxr,
    /// Only stated by the sender: detection finds JSON.
    SchemaOrg,
    Markdown,
}

/// Values from the sender of a document that override those of the document.
#[derive(Clone, Copy, Default)]
pub struct Hints<'a> {
    /// The headline.
    pub headline: Option<&'a str>,
    /// Language, as BCP 47 tag.
    pub language: Option<&'a str>,
    /// The publisher's host or name.
    pub source: Option<&'a str>,
    /// Time of publication.
    pub publish_time: Option<Timestamp>,
    /// Time when the document was fetched: `yesterday` is the day before, and no date is later.
    pub fetch_time: Option<Timestamp>,
    /// Format of the bytes; detected if absent.
    pub format: Option<DocumentFormat>,
    /// True if a page that is no article is to be refused, rather than extracted with a warning.
    pub reject_non_articles: bool,
}

impl Hints<'_> {
    /// Returns the time of publication that the sender states.
    pub(super) fn stated_publish_time(&self) -> Option<StatedTime> {
        self.publish_time.map(|time| StatedTime { time, precision: Precision::Second(None) })
    }
}

/// Limits on the resources of one document. They are enforced during parsing, because a parse cannot be interrupted.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum size of the document, decompressed, in bytes.
    pub max_bytes: usize,
    /// Maximum depth of nested elements. Deeper pages overflow the stack of the extraction threads, which nothing can
    /// catch.
    pub max_depth: usize,
    /// Maximum number of elements of a page or a feed.
    pub max_elements: usize,
    /// Maximum number of attributes of one element.
    pub max_attributes: usize,
    /// Maximum number of attributes of all elements.
    pub max_all_attributes: usize,
    /// Maximum number of entries of a feed.
    pub max_entries: usize,
    /// Maximum number of values in a page's structured data (JSON-LD), and in a JSON Feed. A value takes up to 1 KiB.
    pub max_json_values: usize,
    /// Maximum number of lines of a text dump, and of a page's main text.
    pub max_lines: usize,
    /// Maximum size of an article's text before cleaning, in bytes. The limit for storing is lower.
    pub max_text_bytes: usize,
    /// Work allowed for any document, in steps; see [`Budget`].
    pub base_steps: u64,
    /// Additional work allowed for each byte of the document, in steps.
    pub steps_per_byte: u64,
    /// Maximum CPU time. A document within the other limits stays far below it.
    pub max_cpu: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 8 << 20,
            max_depth: 500,
            max_elements: 200_000,
            max_attributes: 1_000,
            max_all_attributes: 400_000,
            max_entries: 10_000,
            max_json_values: 100_000,
            max_lines: 100_000,
            max_text_bytes: 4 << 20,
            base_steps: 4_000_000,
            steps_per_byte: 2,
            max_cpu: Duration::from_secs(10),
        }
    }
}
