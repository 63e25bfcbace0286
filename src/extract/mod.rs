//! Clean copy: bytes in, an article and a report of what was cut out. Pure: no clock, no network, no disk.

mod agencies;
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

use std::collections::BTreeMap;

use jiff::Timestamp;

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

/// How much of a machine one document may use. Checked before any parser sees it, because a parse cannot be stopped.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The document, decompressed, in bytes.
    pub max_bytes: usize,
    /// How deep elements may be nested. Deeper pages overflow extraction's stack, which nothing can catch.
    pub max_depth: usize,
    /// How many elements a page may have.
    pub max_elements: usize,
    /// How many attributes one element may have.
    pub max_attributes: usize,
    /// How many entries a feed may have.
    pub max_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 8 << 20, max_depth: 500, max_elements: 200_000, max_attributes: 1_000, max_entries: 10_000 }
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
    fn order(&mut self, source: &str) {
        self.cuts.sort_by_cached_key(|cut| source.find(&cut.text).unwrap_or(usize::MAX));
    }
}

/// Extracts what a document holds.
///
/// # Errors
/// When it is empty, too large, made to hurt, no text, or holds no article. Each says what would be right.
pub fn extract(document: &Document<'_>, limits: &Limits) -> Result<Extraction, ExtractError> {
    let hints = &document.hints;
    let article = |extracted: Result<Extracted, ExtractError>| extracted.map(|it| Extraction::Article(Box::new(it)));
    match document.payload {
        Payload::Text(text) => {
            guard::size(text.len(), limits)?;
            article(text::extract(text, hints, Report::default()))
        }
        Payload::Html(page) => article(html::extract(page, document.url, hints, Report::default(), limits)),
        Payload::Raw { bytes, content_type } => {
            let decoded = charset::decode(bytes, content_type, limits)?;
            let report =
                Report { charset: decoded.charset.to_owned(), warnings: decoded.warnings, ..Report::default() };
            match decoded.kind {
                charset::Kind::Html => article(html::extract(&decoded.text, document.url, hints, report, limits)),
                charset::Kind::Text => article(text::extract(&decoded.text, hints, report)),
                charset::Kind::Feed => feed::extract(&decoded.text, hints, &report, limits).map(Extraction::Feed),
            }
        }
    }
}
