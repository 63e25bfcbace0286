//! Document formats: detection, and one reader for each.

pub(super) mod charset;
mod detect;
mod html;
mod syndication;
pub(super) mod text;

use super::bounded_parser;
use super::budget::Budget;
use super::document::{Document, Payload};
use super::draft::{Extracted, Extraction};
use super::error::ExtractError;
use super::report::Report;
use detect::Format;

/// Extracts the articles of a document.
///
/// # Errors
/// If the document is empty, too large, too complex, not text, or contains no article. Each message says what is
/// required.
pub fn extract(document: &Document<'_>, budget: &Budget<'_>) -> Result<Extraction, ExtractError> {
    let hints = &document.hints;
    let article = |extracted: Result<Extracted, ExtractError>| extracted.map(|it| Extraction::Article(Box::new(it)));
    match document.payload {
        Payload::Text(text) => {
            bounded_parser::size(text.len(), budget.limits)?;
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
            match detect::format(&decoded.text, decoded.declared) {
                Format::Html => article(html::extract(&decoded.text, document.url, hints, report, budget)),
                Format::Text => article(text::extract(&decoded.text, hints, report, budget)),
                Format::Feed => syndication::extract(&decoded.text, hints, &report, budget).map(Extraction::Feed),
            }
        }
    }
}
