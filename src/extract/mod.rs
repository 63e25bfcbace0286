//! Clean copy: bytes in, an article and a report of what was cut out. No network, no disk, and no clock but that of its own CPU time.

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
pub use charset::{decompress, is_gzip};
pub use draft::{Block, BlockKind, Dateline, Draft, Link, Media, MediaKind};
pub use error::ExtractError;

use crate::article::invisible;

/// A document as it came in.
pub struct Document<'a> {
    /// What it is.
    pub payload: Payload<'a>,
    /// Where it was fetched from.
    pub url: Option<&'a str>,
    /// What its sender knows better.
    pub hints: Hints<'a>,
}

/// What a document is.
pub enum Payload<'a> {
    /// A text dump of a page.
    Text(&'a str),
    /// A page, decoded.
    Html(&'a str),
    /// Bytes as they were fetched, with the Content-Type they came with.
    Raw {
        /// The bytes; gzip of them is taken too.
        bytes: &'a [u8],
        /// `text/html; charset=…`
        content_type: Option<&'a str>,
    },
}

/// What the sender of a document knows better than the document says.
#[derive(Clone, Copy, Default)]
pub struct Hints<'a> {
    /// The headline.
    pub headline: Option<&'a str>,
    /// BCP 47.
    pub language: Option<&'a str>,
    /// The publisher's host or name.
    pub source: Option<&'a str>,
    /// When it was published.
    pub publish_time: Option<Timestamp>,
}

/// Limits on what one document may use. They hold while it is parsed, because a parse cannot be stopped.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum size of the document, decompressed, in bytes.
    pub max_bytes: usize,
    /// Maximum depth of nested elements. Deeper pages overflow the stack of the extraction threads, which nothing can catch.
    pub max_depth: usize,
    /// Maximum number of elements of a page or a feed.
    pub max_elements: usize,
    /// Maximum number of attributes of one element.
    pub max_attributes: usize,
    /// Maximum number of attributes of all elements.
    pub max_all_attributes: usize,
    /// Maximum number of entries of a feed.
    pub max_entries: usize,
    /// Maximum number of values in the structured data (JSON-LD) of a page, and in a JSON Feed. A value takes up to 1 KiB.
    pub max_json_values: usize,
    /// Maximum number of lines of a text dump, and of a page's main text.
    pub max_lines: usize,
    /// Maximum size of an article's text before it is cleaned, in bytes. What can be stored is less.
    pub max_text_bytes: usize,
    /// Work allowed for any document, and in addition for each of its bytes; in steps, see [`Budget`].
    pub base_steps: u64,
    /// See `base_steps`.
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

/// What a document held.
pub enum Extraction {
    /// One article.
    Article(Box<Extracted>),
    /// A feed's entries, in its order.
    Feed(Vec<FeedEntry>),
}

/// One entry of a feed.
pub struct FeedEntry {
    /// What the feed calls it.
    pub external_id: String,
    /// The article, or why it is none.
    pub result: Result<Extracted, ExtractError>,
}

/// An article, and what was done to get it.
#[derive(Debug)]
pub struct Extracted {
    /// The article.
    pub draft: Draft,
    /// What was done.
    pub report: Report,
}

/// What extraction did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How the text was found.
    pub method: &'static str,
    /// What the bytes were read in.
    pub charset: String,
    /// From 0 to 1.
    pub confidence: f32,
    /// What was cut, in the order it stood.
    pub cuts: Vec<Cut>,
    /// What was odd, and no error.
    pub warnings: Vec<String>,
}

/// Something that stood in the document and does not stand in the article.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// At most 2,000 characters of it.
    pub text: String,
    /// Why.
    pub reason: CutReason,
    /// Which rule: a stable name.
    pub rule: &'static str,
    /// From 0 to 1.
    pub confidence: f32,
}

/// Why something was cut.
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
    /// Notes a cut.
    fn cut(&mut self, text: &str, reason: CutReason, rule: &'static str, confidence: f32) {
        const MAX_CHARS: usize = 2_000;
        const MAX_CUTS: usize = 1_000;
        if self.cuts.len() < MAX_CUTS {
            let text = text.chars().take(MAX_CHARS).collect();
            self.cuts.push(Cut { text, reason, rule, confidence });
        }
    }

    /// Notes the invisible characters that cleaning takes out of a text: each kind, and how often.
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

    /// Puts the cuts into the order in which they stood in the text that they were cut from. Those that do not stand there
    /// word for word come last.
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
        // Most begin as a line does. Others are searched for, a bounded number of bytes in all: it is only for the order.
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

/// Bytes of a document that are searched to put the cuts of its report in order.
const MAX_SEARCHED: usize = 64 << 20;
/// Lines of the same words that are told apart for that.
const MAX_PLACES: usize = 16;

/// Extracts what a document holds.
///
/// # Errors
/// When it is empty, too large, too complex, not text, or holds no article. Each says what would be right.
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
