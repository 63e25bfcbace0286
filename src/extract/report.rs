//! Report of an extraction: the method, the cuts and the warnings.

use std::collections::{BTreeMap, HashMap};

use super::budget::Budget;
use super::error::ExtractError;
use super::kind::PageKind;
use super::provenance::Provenance;
use crate::article::invisible;

/// Maximum number of bytes searched to sort the cuts of a report.
const MAX_SEARCHED: usize = 64 << 20;
/// Maximum number of positions recorded for repeated lines.
const MAX_PLACES: usize = 16;

/// Report of an extraction.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Method that found the text.
    pub method: Method,
    /// Charset of the bytes.
    pub charset: String,
    /// Confidence in the result, from 0 to 1.
    pub confidence: f32,
    /// Kind of the page.
    pub page_kind: PageKind,
    /// Confidence in the kind of the page, from 0 to 1.
    pub page_kind_confidence: f32,
    /// Measurements that decide the kind of the page, by name.
    pub page_features: Vec<(&'static str, f64)>,
    /// Cuts, in document order.
    pub cuts: Vec<Cut>,
    /// Provenance of the fields that the article has.
    pub fields: Vec<Provenance>,
    /// Anomalies that are not errors.
    pub warnings: Vec<Warning>,
}

/// Method of extraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    #[default]
    Text,
    Html,
    StructuredData,
    SyndicationFeed,
    /// The text of an item of a wire format.
    Wire,
}

/// Anomaly of a document that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Warning {
    pub code: WarningCode,
    pub message: String,
}

/// Kind of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum WarningCode {
    WrongCharset,
    ReplacedCharacters,
    StructuredDataSkipped,
    /// The text asks to withdraw another article.
    KillAdvisory,
    /// A field that does not have the form that its format requires.
    FieldSkipped,
    PaywallStub,
    ListingPage,
    ForumPage,
    ProductPage,
    ServicePage,
}

impl Warning {
    pub(super) fn new(code: WarningCode, message: String) -> Self {
        Self { code, message }
    }
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
    /// Marked by the sender as not for publication.
    EditorsOnly,
}

impl Report {
    /// Adds a cut.
    pub(super) fn cut(&mut self, text: &str, reason: CutReason, rule: &'static str, confidence: f32) {
        const MAX_CHARS: usize = 2_000;
        const MAX_CUTS: usize = 1_000;
        if self.cuts.len() < MAX_CUTS {
            let text = text.chars().take(MAX_CHARS).collect();
            self.cuts.push(Cut { text, reason, rule, confidence });
        }
    }

    /// Adds a cut with the invisible characters that cleaning removes: each character, and its count.
    pub(super) fn cut_invisible(&mut self, text: &str) {
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
    pub(super) fn order(&mut self, source: &str, budget: &Budget<'_>) -> Result<(), ExtractError> {
        // Only lines with the length of a cut's first line are looked up: hashing every line would cost more.
        let first_line = |cut: &Cut| cut.text.split('\n').next().unwrap_or_default().len();
        let mut lengths = vec![false; self.cuts.iter().map(first_line).max().map_or(0, |longest| longest + 1)];
        self.cuts.iter().for_each(|cut| lengths[first_line(cut)] = true);
        let mut lines = HashMap::<&str, Vec<usize>>::new();
        let mut at = 0;
        for line in source.split('\n') {
            budget.read(line.len())?;
            if lengths.get(line.len()) == Some(&true) {
                let places = lines.entry(line).or_default();
                if places.len() < MAX_PLACES {
                    places.push(at);
                }
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
