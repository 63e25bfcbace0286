//! `extract --explain`: the text of a page in its order, with what was cut.

use crate::cli::article_text::{bold, dim, facts, styled};
use crate::extract;
use crate::proto::document::Payload;
use crate::proto::{Article, Cut, Document, ExtractionReport, FieldProvenance, FieldSource};

/// Characters by which a piece of text is found on its page.
const FOUND_BY: usize = 60;

/// Returns the visible text of a document, with single blanks.
pub(super) fn visible_text(document: &Document) -> String {
    let text = match &document.payload {
        Some(Payload::Text(text)) => text.clone(),
        Some(Payload::Html(html)) => extract::visible_text(html.as_bytes(), Some("text/html")),
        Some(Payload::Raw(raw)) => {
            extract::visible_text(&raw.data, Some(raw.mime_type.as_str()).filter(|text| !text.is_empty()))
        }
        Some(Payload::Article(_)) | None => String::new(),
    };
    single_blanks(&text)
}

/// Formats the article and the cuts in the order of the page, and the facts of the report.
pub(super) fn page(article: &Article, report: &ExtractionReport, page: &str) -> String {
    let place = |text: &str| {
        let start: String = single_blanks(text).chars().take(FOUND_BY).collect();
        page.find(&start)
    };
    let mut pieces: Vec<(usize, String)> = Vec::new();
    let mut last = 0;
    // A piece that is not found, such as a text in structured data, stays after the one before it.
    let mut add = |pieces: &mut Vec<(usize, String)>, text: &str, formatted: String| {
        last = place(text).unwrap_or(last);
        pieces.push((last, formatted));
    };
    for paragraph in article.body.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        add(&mut pieces, paragraph, paragraph.to_owned());
    }
    for cut in &report.cuts {
        add(&mut pieces, &cut.text, cut_line(cut));
    }
    pieces.sort_by_key(|(place, _)| *place);
    let pieces: Vec<String> = pieces.into_iter().map(|(_, text)| text).collect();
    let mut out = format!("{}\n{}\n\n{}\n", bold(&article.headline), dim(&facts(article)), pieces.join("\n\n"));
    let method = words(report.method().as_str_name(), "EXTRACTION_METHOD_");
    out += &format!(
        "\n{}\n",
        dim(&format!("method {method}, confidence {:.2}, {} cuts", report.confidence, report.cuts.len()))
    );
    for provenance in &report.fields {
        let source = |source: FieldSource| words(source.as_str_name(), "FIELD_SOURCE_");
        let sources: Vec<String> = provenance.sources().map(source).collect();
        let FieldProvenance { field, confidence, .. } = provenance;
        out += &format!("{}\n", dim(&format!("{field} {confidence:.2}: {}", sources.join(", "))));
    }
    for warning in &report.warnings {
        out += &format!("warning: {}\n", warning.message);
    }
    out
}

/// Returns the name of an enum's value in words: `structured data`.
fn words(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase().replace('_', " ")
}

fn cut_line(cut: &Cut) -> String {
    let reason = words(cut.reason().as_str_name(), "CUT_REASON_");
    let text = single_blanks(&cut.text);
    format!("{} {}", styled(&format!("[cut: {reason}]"), "31"), styled(&text, "9;2"))
}

fn single_blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
