//! Conversion of extraction reports and errors to the API's types.

use crate::article::{ArticleId, Violations};
use crate::extract::{self, ExtractError};
use crate::proto::document::Payload;
use crate::proto::{
    Cut, CutReason, ExtractionMethod, ExtractionReport, FieldProvenance, FieldSource, PageKind, Warning, WarningCode,
};
use crate::store::KeyNote;

/// Version of the extractor: that of the package, and a digest of its code and data (build.rs).
pub(super) const EXTRACTOR_VERSION: &str = env!("EXTRACTOR_VERSION");

/// Converts the report of an extraction.
pub(super) fn to_proto(report: extract::Report) -> ExtractionReport {
    ExtractionReport {
        method: method(report.method).into(),
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
        warnings: report.warnings.into_iter().map(warning).collect(),
        page_kind: page_kind(report.page_kind).into(),
        page_kind_confidence: report.page_kind_confidence,
        fields: report.fields.iter().map(provenance).collect(),
        extractor_version: EXTRACTOR_VERSION.to_owned(),
    }
}

fn provenance(extract::Provenance { field, sources, confidence }: &extract::Provenance) -> FieldProvenance {
    use extract::Source as From;
    let source = |source: &From| match source {
        From::WireItem => FieldSource::WireItem,
        From::SyndicationFeed => FieldSource::SyndicationFeed,
        From::StructuredData => FieldSource::StructuredData,
        From::MetaTag => FieldSource::MetaTag,
        From::Microdata => FieldSource::Microdata,
        From::PageText => FieldSource::PageText,
        From::PageTitle => FieldSource::PageTitle,
        From::Url => FieldSource::Url,
        From::Body => FieldSource::Body,
    };
    let sources = sources.iter().map(|it| source(it).into()).collect();
    FieldProvenance { field: (*field).to_owned(), sources, confidence: *confidence }
}

/// Notes that the request states a field, whatever the document says.
pub(super) fn set_by_request(report: &mut ExtractionReport, field: &str) {
    report.fields.retain(|known| known.field != field);
    let at = report.fields.partition_point(|known| known.field.as_str() < field);
    let sources = vec![FieldSource::Request.into()];
    report.fields.insert(at, FieldProvenance { field: field.to_owned(), sources, confidence: 1.0 });
}

fn page_kind(kind: extract::PageKind) -> PageKind {
    use extract::PageKind as From;
    match kind {
        From::Article => PageKind::Article,
        From::LiveBlog => PageKind::LiveBlog,
        From::PaywallStub => PageKind::PaywallStub,
        From::Listing => PageKind::Listing,
        From::Forum => PageKind::Forum,
        From::Product => PageKind::Product,
        From::ServicePage => PageKind::ServicePage,
        // Pages of these kinds are rejected, and have no report.
        From::Unknown | From::ConsentWall | From::RobotCheck | From::NotFound | From::Login => PageKind::Unspecified,
    }
}

fn method(method: extract::Method) -> ExtractionMethod {
    match method {
        extract::Method::Text => ExtractionMethod::Text,
        extract::Method::Html => ExtractionMethod::Html,
        extract::Method::StructuredData => ExtractionMethod::StructuredData,
        extract::Method::SyndicationFeed => ExtractionMethod::SyndicationFeed,
        extract::Method::Wire => ExtractionMethod::Wire,
    }
}

fn warning(warning: extract::Warning) -> Warning {
    let code = match warning.code {
        extract::WarningCode::WrongCharset => WarningCode::WrongCharset,
        extract::WarningCode::ReplacedCharacters => WarningCode::ReplacedCharacters,
        extract::WarningCode::StructuredDataSkipped => WarningCode::StructuredDataSkipped,
        extract::WarningCode::KillAdvisory => WarningCode::KillAdvisory,
        extract::WarningCode::FieldSkipped => WarningCode::FieldSkipped,
        extract::WarningCode::PaywallStub => WarningCode::PaywallStub,
        extract::WarningCode::ListingPage => WarningCode::ListingPage,
        extract::WarningCode::ForumPage => WarningCode::ForumPage,
        extract::WarningCode::ProductPage => WarningCode::ProductPage,
        extract::WarningCode::ServicePage => WarningCode::ServicePage,
    };
    Warning { code: code.into(), message: warning.message }
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
        From::EditorsOnly => CutReason::EditorsOnly,
    }
}

/// Converts an extraction error to a violation of the field that caused it.
pub(super) fn violation(sent: &Payload, error: &ExtractError) -> Violations {
    let field = match sent {
        Payload::Raw(_) if error.is_about_content_type() => "document.raw.mime_type",
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
pub(super) fn key_note(note: &KeyNote) -> Warning {
    let (code, message) = match note {
        KeyNote::Conflict(id) => {
            (WarningCode::KeyConflict, format!("keys of this document also belong to {}", id.name()))
        }
        KeyNote::Shared(id) => {
            (WarningCode::KeyIgnored, format!("key ignored: {} has it, with another text", id.name()))
        }
    };
    Warning { code: code.into(), message }
}

/// Returns the warning of an article that is held because it is a copy of a withdrawn one.
pub(super) fn held(copied: &ArticleId) -> Warning {
    let message = format!("held: the article is a copy of {}, which is withdrawn with its copies", copied.name());
    Warning { code: WarningCode::CopyOfWithdrawn.into(), message }
}
