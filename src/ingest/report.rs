//! What extraction did, and what it could not do, in the API's words.

use crate::article::Violations;
use crate::extract::{self, ExtractError};
use crate::proto::document::Payload;
use crate::proto::{Cut, CutReason, ExtractionReport};

/// The report of an extraction.
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

/// The field that extraction could not use.
pub(super) fn violation(sent: &Payload, error: &ExtractError) -> Violations {
    let field = match sent {
        Payload::Raw(_) if error.is_about_content_type() => "document.raw.content_type",
        sent => field(sent),
    };
    Violations::one(field, error.to_string())
}

/// Where what was sent stands in the request. What is wrong with an article that was extracted from it is named from there
/// on: `document.html.headline`.
pub(super) fn field(sent: &Payload) -> &'static str {
    match sent {
        Payload::Text(_) => "document.text",
        Payload::Html(_) => "document.html",
        Payload::Raw(_) => "document.raw.data",
        Payload::Article(_) => "document.article",
    }
}

/// The same for one item of a feed, which has no field of its own.
pub(super) fn entry_violation(error: &ExtractError) -> Violations {
    Violations::one("document.raw.data", error.to_string())
}
