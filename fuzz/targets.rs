//! Documents that the fuzz targets make of their input. Shared with the test that replays the corpus.

use copydesk::extract::{Budget, Document, Extraction, Hints, Limits, Payload, extract};

/// The targets: each has a folder in `corpus/`.
#[allow(dead_code)]
pub const TARGETS: [&str; 14] = [
    "html",
    "dump",
    "feed",
    "json_ld",
    "date",
    "charset",
    "newsml_g2",
    "newsml_1",
    "nitf",
    "ninjs",
    "iptc_7901",
    "wxr",
    "schema_org",
    "markdown",
];

/// Extracts the document that a target makes of its input. Panics if extraction does, or if more comes out than went
/// in.
pub fn run(target: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match target {
        "html" => document(Payload::Html(&text), bytes.len()),
        "dump" => document(Payload::Text(&text), bytes.len()),
        "feed" => {
            let content_type = if text.trim_start().starts_with('{') { "application/feed+json" } else { "text/xml" };
            raw(bytes, content_type);
        }
        "json_ld" => {
            let page = format!("<script type=\"application/ld+json\">{text}</script><h1>Boats</h1>{STORY}");
            document(Payload::Html(&page), page.len());
        }
        "date" => {
            let page = format!(
                "<html lang=en><meta property=\"article:published_time\" content=\"{text}\"><h1>Boats</h1><time>{text}\
                </time><p>{text}</p>{STORY}"
            );
            document(Payload::Html(&page), page.len());
            document(Payload::Text(&format!("Boats\n\n{text}\n\n{STORY}")), page.len());
        }
        "newsml_g2" | "newsml_1" | "nitf" | "wxr" => raw(bytes, "text/xml"),
        "ninjs" | "schema_org" => raw(bytes, "application/json"),
        "iptc_7901" => raw(bytes, "text/plain"),
        "markdown" => raw(bytes, "text/markdown"),
        // The first line is the Content-Type.
        "charset" => {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
            let content_type = std::str::from_utf8(&bytes[..end]).ok().filter(|line| !line.is_empty());
            let bytes = bytes.get(end + 1..).unwrap_or_default();
            document(Payload::Raw { bytes, content_type }, bytes.len());
        }
        other => panic!("no target {other}"),
    }
}

const STORY: &str = "<p>The harbour board of Port Ellery agreed on Monday to dredge the northern channel before the \
    winter, after two ferries ran aground within a week.</p>";

fn raw(bytes: &[u8], content_type: &str) {
    document(Payload::Raw { bytes, content_type: Some(content_type) }, bytes.len());
}

fn document(payload: Payload<'_>, size: usize) {
    let limits = Limits::default();
    let budget = Budget::unattended(&limits);
    let document = Document { payload, url: Some("https://herald.example/news/boats"), hints: Hints::default() };
    let bodies: usize = match extract(&document, &budget) {
        Ok(Extraction::Article(article)) => article.draft.body.len(),
        Ok(Extraction::Feed(entries)) => {
            entries.iter().flat_map(|entry| &entry.result).map(|it| it.draft.body.len()).sum()
        }
        Err(_) => 0,
    };
    // Gzip, the only thing that grows, is a separate case: it is limited by the size of the document.
    let is_gzip = matches!(payload_start(&document), [0x1F, 0x8B, ..]);
    assert!(is_gzip || bodies <= 8 * size + 1_024, "{bodies} bytes of {size}");
}

fn payload_start<'a>(document: &Document<'a>) -> &'a [u8] {
    match document.payload {
        Payload::Raw { bytes, .. } => bytes,
        Payload::Html(text) | Payload::Text(text) => text.as_bytes(),
    }
}
