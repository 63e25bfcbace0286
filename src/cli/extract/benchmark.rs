//! `extract --format benchmark`: the field names of the public article-extraction-benchmark, for its scorer.

use std::path::Path;

use jiff::tz::Offset;
use serde_json::{Value, json};

use super::Output;
use crate::cli::input;
use crate::extract::{
    Block, Budget, Document, Draft, Extracted, Extraction, Hints, Limits, Payload, Precision, Report, StatedTime,
    extract,
};

/// Extracts a file. A document without an article is a line with an error, so that it is scored.
pub(super) fn lines(file: &Path, url: Option<&str>, content_type: Option<&str>) -> Output {
    let lines = objects(file, url, content_type);
    let failed = lines.iter().filter(|line| line.get("error").is_some()).count();
    Output { failed, shown: lines.iter().map(Value::to_string).collect(), ..Output::default() }
}

/// Extracts a file: one line for an article, or one for each item of a feed.
fn objects(file: &Path, url: Option<&str>, content_type: Option<&str>) -> Vec<Value> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let id = name.split('.').next().unwrap_or_default();
    let bytes = match input::bytes(file) {
        Ok(bytes) => bytes,
        Err(error) => return vec![json!({"id": id, "articleBody": "", "error": error})],
    };
    let payload = Payload::Raw { bytes: &bytes, content_type };
    let document = Document { payload, url, hints: Hints::default() };
    match extract(&document, &Budget::unattended(&Limits::default())) {
        Ok(Extraction::Article(extracted)) => vec![line(id, &extracted)],
        Ok(Extraction::Feed(entries)) => entries
            .iter()
            .map(|entry| match &entry.result {
                Ok(extracted) => line(&entry.external_id, extracted),
                Err(error) => json!({"id": entry.external_id, "articleBody": "", "error": error.to_string()}),
            })
            .collect(),
        Err(error) => vec![json!({"id": id, "articleBody": "", "error": error.to_string()})],
    }
}

/// Returns the fields of an article. The labels of the public benchmarks count a credited agency as an author.
fn line(id: &str, Extracted { draft, report }: &Extracted) -> Value {
    let Draft {
        headline,
        subheadline,
        authors,
        credited,
        agency,
        publisher,
        language,
        section,
        tags,
        body,
        rights,
        ..
    } = draft;
    let dateline = draft.dateline.as_ref().map(|it| json!({"place": it.place, "text": it.text}));
    json!({
        "id": id,
        "articleBody": body,
        "title": headline,
        "authors": authors.iter().map(|author| &author.name).chain(credited).collect::<Vec<_>>(),
        "date": draft.publish_time.map(date),
        "url": draft.url,
        "subheadline": subheadline,
        "dateline": dateline,
        "agency": agency,
        "publisher": publisher,
        "language": language,
        "section": section,
        "tags": tags,
        "rights": rights.notice,
        "updated": draft.update_time.map(|time| time.to_string()),
        "images": draft.media.iter().map(|it| it.url.as_str()).collect::<Vec<_>>(),
        "links": links(draft),
        "report": report_json(report),
    })
}

/// Returns a time as the document states it: the day at the publisher, with the offset if it is known.
fn date(StatedTime { time, precision }: StatedTime) -> String {
    match precision {
        Precision::Day => time.to_string().chars().take(10).collect(),
        Precision::Second(Some(offset)) => match Offset::from_seconds(offset) {
            Ok(offset) => time.display_with_offset(offset).to_string(),
            Err(_out_of_range) => time.to_string(),
        },
        Precision::Second(None) | Precision::ZoneAssumed => time.to_string(),
    }
}

fn report_json(report: &Report) -> Value {
    let Report { method, charset, confidence, page_kind, page_kind_confidence, page_features, cuts, fields, warnings } =
        report;
    let page_features: serde_json::Map<String, Value> =
        page_features.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let page_kind = format!("{page_kind:?}");
    let cuts: Vec<Value> = cuts
        .iter()
        .map(|cut| {
            let reason = format!("{:?}", cut.reason);
            json!({"text": cut.text, "reason": reason, "rule": cut.rule, "confidence": cut.confidence})
        })
        .collect();
    let fields: serde_json::Map<String, Value> = fields
        .iter()
        .map(|it| {
            let sources: Vec<String> = it.sources.iter().map(|source| format!("{source:?}")).collect();
            (it.field.to_owned(), json!({"sources": sources, "confidence": it.confidence}))
        })
        .collect();
    let method = format!("{method:?}");
    let warnings: Vec<&str> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    json!({
        "method": method,
        "charset": charset,
        "confidence": confidence,
        "pageKind": page_kind,
        "pageKindConfidence": page_kind_confidence,
        "pageFeatures": page_features,
        "fields": fields,
        "cuts": cuts,
        "warnings": warnings,
    })
}

/// Returns the targets of the links in the text, each once.
fn links(draft: &Draft) -> Vec<&str> {
    let mut links = Vec::new();
    for block in &draft.blocks {
        let Block::Text { spans, .. } = block else { continue };
        for url in spans.iter().filter_map(|span| span.format.url.as_deref()) {
            if !links.contains(&url) {
                links.push(url);
            }
        }
    }
    links
}
