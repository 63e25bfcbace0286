//! Conversion of extraction reports and errors to the API's types.

use crate::article::Violations;
use crate::extract::{self, ExtractError};
use crate::proto::document::Payload;
use crate::proto::{Cut, CutReason, ExtractionReport};
use crate::store::KeyNote;

/// Converts the report of an extraction.
pub(super) fn to_proto(report: extract::Report) -> ExtractionReport {
    ExtractionReport {
        method: report.method.to_string(),
        charset: report.charset,
        confidence: report.confidence,
        cuts: report
            .cuts
            .into_iter()
            .map(|cut| Cut {
                text: cut.text,
                reason: reason(cut.reason).into(),
                rule: cut.rule.to_owned(),
                confidence: cut.confidence,
            })
            .collect(),
        warnings: report.warnings,
    }
}

fn reason(reason: extract::CutReason) -> CutReason {
    use extract::CutReason as From;
    match reason {
        From::RepeatedHeadline => CutReason::RepeatedHeadline,
        From::Dateline => CutReason::Dateline,
        From::Byline => CutReason::Byline,
        From::Furniture => CutReason::Furniture,
        From::Teasers => CutReason::Teasers,
        From::Share => CutReason::Share,
        From::SignUp => CutReason::SignUp,
        From::Advertisement => CutReason::Advertisement,
        From::Rule => CutReason::Rule,
        From::Copyright => CutReason::Copyright,
        From::Comments => CutReason::Comments,
        From::Caption => CutReason::Caption,
        From::ControlCharacters => CutReason::ControlCharacters,
        From::RepeatedText => CutReason::RepeatedText,
    }
}

/// Converts an extraction error to a violation of the field that caused it.
pub(super) fn violation(sent: &Payload, error: &ExtractError) -> Violations {
    let field = match sent {
        Payload::Raw(_) if error.is_about_content_type() => "document.raw.content_type",
        sent => field(sent),
    };
    Violations::one(field, error.to_string())
}

/// Returns the path of the payload's field in the request. Violations of the extracted article start with it:
/// `document.html.headline`.
pub(super) fn field(sent: &Payload) -> &'static str {
    match sent {
        Payload::Text(_) => "document.text",
        Payload::Html(_) => "document.html",
        Payload::Raw(_) => "document.raw.data",
        Payload::Article(_) => "document.article",
    }
}

/// Converts an extraction error of a syndication feed's item, which has no field in the request.
pub(super) fn entry_violation(error: &ExtractError) -> Violations {
    Violations::one("document.raw.data", error.to_string())
}

/// Returns the warning for an observation about a document's keys.
pub(super) fn key_note(note: &KeyNote) -> String {
    match note {
        KeyNote::Conflict(id) => format!("keys of this document also belong to {}", id.name()),
        KeyNote::Shared(id) => format!("key ignored: {} has it, with another text", id.name()),
    }
}
