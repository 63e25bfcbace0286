//! Detection of a document's format.

use crate::extract::error::ExtractError;

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Text,
    Feed,
}

/// Returns the format and the charset that a Content-Type declares.
pub(super) fn content_type_parts(content_type: &str) -> Result<(Option<Format>, Option<String>), ExtractError> {
    let mut parts = content_type.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    });
    let format = match essence.as_str() {
        "" | "application/octet-stream" | "application/gzip" | "application/x-gzip" | "binary/octet-stream" => None,
        "text/html" | "application/xhtml+xml" => Some(Format::Html),
        "text/plain" => Some(Format::Text),
        "application/rss+xml" | "application/atom+xml" | "application/rdf+xml" | "application/feed+json" => {
            Some(Format::Feed)
        }
        "application/xml" | "text/xml" | "application/json" => None,
        other if other.starts_with("text/") || other.ends_with("+xml") => None,
        other => return Err(ExtractError::ContentType(other.chars().take(64).collect())),
    };
    Ok((format, charset))
}

/// Returns the format of a text. `declared` is the format according to its Content-Type.
pub(super) fn format(text: &str, declared: Option<Format>) -> Format {
    let start = text.trim_start_matches('\u{FEFF}').trim_start();
    let head = start[..(0..=start.len().min(1_024)).rev().find(|at| start.is_char_boundary(*at)).unwrap_or(0)]
        .to_ascii_lowercase();
    let is_feed = ["<rss", "<feed", "<rdf:rdf"].iter().any(|root| head.contains(root)) && !head.contains("<html");
    if is_feed {
        return Format::Feed;
    }
    let is_html = head.starts_with("<!doctype html")
        || ["<html", "<head", "<body", "<article", "<div", "<p>", "<meta"].iter().any(|tag| head.contains(tag));
    match declared {
        // The feed parser reports a malformed feed.
        Some(Format::Feed) => Format::Feed,
        Some(Format::Html) => Format::Html,
        Some(Format::Text) | None if is_html => Format::Html,
        Some(Format::Text) | None => Format::Text,
    }
}
