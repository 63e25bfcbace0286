//! Extraction of articles: bytes in, an article and a report of the cuts out. Uses no network, no disk, and no clock
//! except that of its own CPU time.

mod agencies;
mod budget;
mod charset;
mod clean;
mod dateline;
mod dates;
mod draft;
mod error;
mod feed;
mod guard;
mod html;
mod jsonld;
mod language;
mod line;
mod meta;
mod names;
mod outside;
mod phrases;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

pub use budget::Budget;
pub use charset::{gzip_size, is_gzip};
pub use draft::{Block, BlockKind, Dateline, Draft, Link, Media, MediaKind};
pub use error::ExtractError;

use crate::article::invisible;

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

/// Report of an extraction.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Method that found the text.
    pub method: &'static str,
    /// Charset of the bytes.
    pub charset: String,
    /// Confidence in the result, from 0 to 1.
    pub confidence: f32,
    /// Cuts, in document order.
    pub cuts: Vec<Cut>,
    /// Anomalies that are not errors.
    pub warnings: Vec<String>,
}

/// Text of the document that is not in the article.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The text, cut to 2,000 characters.
    pub text: String,
    /// Reason for the cut.
    pub reason: CutReason,
    /// Stable name of the rule.
    pub rule: &'static str,
    /// Confidence in the cut, from 0 to 1.
    pub confidence: f32,
}

/// Reason for a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CutReason {
    RepeatedHeadline,
    RepeatedText,
    Dateline,
    Byline,
    Furniture,
    Teasers,
    Share,
    SignUp,
    Advertisement,
    Rule,
    Copyright,
    Comments,
    Caption,
    ControlCharacters,
}

impl Report {
    /// Adds a cut.
    fn cut(&mut self, text: &str, reason: CutReason, rule: &'static str, confidence: f32) {
        const MAX_CHARS: usize = 2_000;
        const MAX_CUTS: usize = 1_000;
        if self.cuts.len() < MAX_CUTS {
            let text = text.chars().take(MAX_CHARS).collect();
            self.cuts.push(Cut { text, reason, rule, confidence });
        }
    }

    /// Adds a cut with the invisible characters that cleaning removes: each character, and its count.
    fn cut_invisible(&mut self, text: &str) {
        let mut counts = BTreeMap::<char, usize>::new();
        for character in invisible(text) {
            *counts.entry(character).or_default() += 1;
        }
        let kinds: Vec<String> =
            counts.iter().map(|(character, count)| format!("U+{:04X} x {count}", u32::from(*character))).collect();
        if !kinds.is_empty() {
            self.cut(&kinds.join(", "), CutReason::ControlCharacters, "invisible-characters", 1.0);
        }
    }

    /// Sorts the cuts by their position in the source text. Cuts that do not occur in it verbatim come last.
    fn order(&mut self, source: &str, budget: &Budget<'_>) -> Result<(), ExtractError> {
        let mut lines = HashMap::<&str, Vec<usize>>::new();
        let mut at = 0;
        for line in source.split('\n') {
            budget.read(line.len())?;
            let places = lines.entry(line).or_default();
            if places.len() < MAX_PLACES {
                places.push(at);
            }
            at += line.len() + 1;
        }
        // Most cuts begin at the start of a line. The others are searched for in a limited number of bytes, since they
        // only affect the order.
        let mut left = MAX_SEARCHED;
        let mut place = |cut: &Cut| {
            let first = cut.text.split('\n').next().unwrap_or_default();
            let places = lines.get(first).map(Vec::as_slice).unwrap_or_default();
            let whole = places.iter().find(|at| source[**at..].starts_with(&cut.text)).or(places.first());
            whole.copied().or_else(|| {
                left = left.checked_sub(source.len())?;
                source.find(first)
            })
        };
        let mut placed: Vec<(usize, Cut)> = Vec::with_capacity(self.cuts.len());
        for cut in self.cuts.drain(..) {
            placed.push((place(&cut).unwrap_or(usize::MAX), cut));
        }
        placed.sort_by_key(|(place, _)| *place);
        self.cuts = placed.into_iter().map(|(_, cut)| cut).collect();
        budget.read(MAX_SEARCHED - left)
    }
}

/// Maximum number of bytes searched to sort the cuts of a report.
const MAX_SEARCHED: usize = 64 << 20;
/// Maximum number of positions recorded for repeated lines.
const MAX_PLACES: usize = 16;

/// Extracts the articles of a document.
///
///
/// # Errors
/// If the document is empty, too large, too complex, not text, or contains no article. Each message says what is
/// required.
pub fn extract(document: &Document<'_>, budget: &Budget<'_>) -> Result<Extraction, ExtractError> {
    let hints = &document.hints;
    let article = |extracted: Result<Extracted, ExtractError>| extracted.map(|it| Extraction::Article(Box::new(it)));
    match document.payload {
        Payload::Text(text) => {
            guard::size(text.len(), budget.limits)?;
            budget.set_document_size(text.len());
            article(text::extract(text, hints, Report::default(), budget))
        }
        Payload::Html(page) => {
            budget.set_document_size(page.len());
            article(html::extract(page, document.url, hints, Report::default(), budget))
        }
        Payload::Raw { bytes, content_type } => {
            let decoded = charset::decode(bytes, content_type, budget.limits)?;
            budget.set_document_size(decoded.text.len());
            let report =
                Report { charset: decoded.charset.to_owned(), warnings: decoded.warnings, ..Report::default() };
            match decoded.kind {
                charset::Kind::Html => article(html::extract(&decoded.text, document.url, hints, report, budget)),
                charset::Kind::Text => article(text::extract(&decoded.text, hints, report, budget)),
                charset::Kind::Feed => feed::extract(&decoded.text, hints, &report, budget).map(Extraction::Feed),
            }
        }
    }
}
