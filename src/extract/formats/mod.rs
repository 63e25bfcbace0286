//! Document formats: detection, and one reader for each.

pub(super) mod charset;
mod detect;
mod html;
mod iptc_7901;
mod json;
mod kill_advisory;
mod markdown;
mod media_topics;
mod newsml_1;
mod newsml_g2;
mod ninjs;
mod nitf;
mod provenance;
mod schema_org;
mod syndication;
pub(super) mod text;
mod wire;
#[cfg(test)]
mod wire_tests;
mod wxr;
mod xml;

use super::bounded_parser;
use super::budget::Budget;
use super::document::{Document, DocumentFormat, Hints, Limits, Payload};
use super::draft::{Extracted, Extraction};
use super::error::ExtractError;
use super::report::Report;
pub use html::Blocks;
#[cfg(test)]
pub(crate) use html::page_lines;

/// Extracts the articles of a document, with the provenance of their fields.
///
/// # Errors
/// If the document is empty, too large, too complex, not text, or contains no article. Each message says what is
/// required.
pub fn extract(document: &Document<'_>, budget: &Budget<'_>) -> Result<Extraction, ExtractError> {
    let mut extraction = read(document, budget)?;
    match &mut extraction {
        Extraction::Article(extracted) => provenance::complete(extracted),
        Extraction::Feed(entries) => {
            entries.iter_mut().filter_map(|entry| entry.result.as_mut().ok()).for_each(provenance::complete);
        }
    }
    Ok(extraction)
}

fn read(document: &Document<'_>, budget: &Budget<'_>) -> Result<Extraction, ExtractError> {
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
            // A stated format needs no Content-Type; its charset may be of use.
            let is_usable = |it: &&str| hints.format.is_none() || detect::content_type_parts(it).is_ok();
            let decoded = charset::decode(bytes, content_type.filter(is_usable), budget.limits)?;
            budget.set_document_size(decoded.text.len());
            let report =
                Report { charset: decoded.charset.to_owned(), warnings: decoded.warnings, ..Report::default() };
            let text = &decoded.text;
            let format = match hints.format {
                Some(stated) => stated,
                None => detect::format(text, decoded.declared)?,
            };
            match format {
                DocumentFormat::Html => article(html::extract(text, document.url, hints, report, budget)),
                DocumentFormat::Text | DocumentFormat::Xml => article(text::extract(text, hints, report, budget)),
                DocumentFormat::Feed => {
                    syndication::extract(text, document.url, hints, &report, budget).map(Extraction::Feed)
                }
                DocumentFormat::Json => json(text, hints, &report, budget),
                DocumentFormat::Ninjs => {
                    let document = parse_json(text, budget)?;
                    let items = ninjs::items(&document);
                    // The sender knows the format of an item that has none of its marks.
                    let items = if items.is_empty() { vec![&document] } else { items };
                    ninjs::extract(&items, hints, &report, budget)
                }
                DocumentFormat::SchemaOrg => schema_org::extract(&parse_json(text, budget)?, hints, &report, budget),
                DocumentFormat::NewsmlG2 => newsml_g2::extract(text, hints, &report, budget),
                DocumentFormat::Newsml1 => newsml_1::extract(text, hints, &report, budget),
                DocumentFormat::Nitf => nitf::extract(text, hints, &report, budget),
                DocumentFormat::Iptc7901 => iptc_7901::extract(text, hints, &report, budget),
                DocumentFormat::Wxr => wxr::extract(text, hints, &report, budget),
                DocumentFormat::Markdown => markdown::extract(text, document.url, hints, &report, budget),
            }
        }
    }
}

/// Extracts the articles of JSON, of the format that its fields show.
fn json(text: &str, hints: &Hints<'_>, report: &Report, budget: &Budget<'_>) -> Result<Extraction, ExtractError> {
    let document = parse_json(text, budget)?;
    if schema_org::is_format(&document) {
        return schema_org::extract(&document, hints, report, budget);
    }
    let items = ninjs::items(&document);
    if !items.is_empty() {
        return ninjs::extract(&items, hints, report, budget);
    }
    let keys: Vec<String> = document.fields().iter().take(8).map(|(key, _)| key.chars().take(40).collect()).collect();
    let keys =
        if keys.is_empty() { "without fields".to_owned() } else { format!("with the fields {}", keys.join(", ")) };
    Err(detect::unknown(format!("JSON {keys}")))
}

fn parse_json(text: &str, budget: &Budget<'_>) -> Result<json::Json, ExtractError> {
    json::parse(text.trim_start_matches('\u{FEFF}'), budget)
}

/// Returns true if a text is JSON of a format that carries articles: ninjs, schema.org or JSON Feed.
pub fn is_article_json(text: &str) -> bool {
    let limits = Limits::default();
    let budget = Budget::unattended(&limits);
    budget.set_document_size(text.len());
    parse_json(text, &budget).is_ok_and(|document| {
        let is_feed = document.line_of("version").contains("jsonfeed.org/version");
        is_feed || schema_org::is_format(&document) || !ninjs::items(&document).is_empty()
    })
}

/// Returns the error for a document of XML without an element.
fn no_element() -> ExtractError {
    ExtractError::Malformed { format: "XML", problem: "it has no element".to_owned() }
}

/// Returns the error for malformed XML, with the line of a position.
fn xml_error(text: &str, position: u64, problem: &str) -> ExtractError {
    let position = usize::try_from(position).unwrap_or(text.len()).min(text.len());
    let line = text.as_bytes()[..position].iter().filter(|byte| **byte == b'\n').count() + 1;
    ExtractError::Malformed { format: "XML", problem: format!("{problem}, at line {line}") }
}

/// Names of the features of a page's blocks.
pub const BLOCK_FEATURES: &[&str] = &super::body::NAMES;

/// Returns the blocks of a page with their features, to train the model that judges them.
///
/// # Errors
/// If the page is not one, or is beyond the limits.
pub fn page_blocks(bytes: &[u8]) -> Result<Blocks, ExtractError> {
    let limits = Limits::default();
    let budget = Budget::unattended(&limits);
    let decoded = charset::decode(bytes, None, &limits)?;
    budget.set_document_size(decoded.text.len());
    html::blocks(&decoded.text, &budget)
}

/// Returns the text of a page that a browser shows, or the text of another document; empty if it cannot be read.
pub fn visible_text(bytes: &[u8], content_type: Option<&str>) -> String {
    let limits = Limits::default();
    let budget = Budget::unattended(&limits);
    let Ok(decoded) = charset::decode(bytes, content_type, &limits) else { return String::new() };
    budget.set_document_size(decoded.text.len());
    match detect::format(&decoded.text, decoded.declared) {
        Ok(DocumentFormat::Html) => html::visible_text(&decoded.text, &budget).unwrap_or_default(),
        _ => decoded.text,
    }
}
