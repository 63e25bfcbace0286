//! Detection of a document's format: by its Content-Type, by its root element behind any prolog, or by its first line.

use super::{iptc_7901, markdown, newsml_g2, syndication};
use crate::extract::document::DocumentFormat;
use crate::extract::error::ExtractError;

/// Formats that are taken, for messages.
pub(super) const ACCEPTED: &str = "HTML, plain text, RSS, Atom, RDF, JSON Feed, NewsML-G2, NewsML 1, NITF, ninjs, \
    IPTC 7901, WordPress export, schema.org NewsArticle as JSON, and Markdown";

/// Returns the format and the charset that a Content-Type declares.
pub(super) fn content_type_parts(content_type: &str) -> Result<(Option<DocumentFormat>, Option<String>), ExtractError> {
    let mut parts = content_type.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    });
    let format = match essence.as_str() {
        "" | "application/octet-stream" | "application/gzip" | "application/x-gzip" | "binary/octet-stream" => None,
        "text/html" | "application/xhtml+xml" => Some(DocumentFormat::Html),
        "text/plain" => Some(DocumentFormat::Text),
        "text/markdown" | "text/x-markdown" => Some(DocumentFormat::Markdown),
        "application/rss+xml" | "application/atom+xml" | "application/rdf+xml" | "application/feed+json" => {
            Some(DocumentFormat::Feed)
        }
        "application/xml" | "text/xml" => Some(DocumentFormat::Xml),
        "application/json" | "text/json" => Some(DocumentFormat::Json),
        other if other.ends_with("+xml") => Some(DocumentFormat::Xml),
        other if other.ends_with("+json") => Some(DocumentFormat::Json),
        other if other.starts_with("text/") => None,
        other => return Err(ExtractError::ContentType(other.chars().take(64).collect())),
    };
    Ok((format, charset))
}

/// Returns the format of a text. `declared` is the format according to its Content-Type.
///
/// # Errors
/// If it is a format that carries no articles, or that nothing here reads.
pub(super) fn format(text: &str, declared: Option<DocumentFormat>) -> Result<DocumentFormat, ExtractError> {
    let start = text.trim_start_matches('\u{FEFF}').trim_start();
    let root = root(start);
    if let Some(format) = root.as_ref().and_then(wire) {
        return Ok(format);
    }
    if syndication::is_feed(text) {
        return Ok(DocumentFormat::Feed);
    }
    if let Some(root) = root {
        check_root(&root, start, declared)?;
    } else if !start.starts_with('<')
        && let Some(format) = other(start, declared)?
    {
        return Ok(format);
    }
    let head = start[..(0..=start.len().min(1_024)).rev().find(|at| start.is_char_boundary(*at)).unwrap_or(0)]
        .to_ascii_lowercase();
    let is_html = head.starts_with("<!doctype html")
        || ["<html", "<head", "<body", "<article", "<div", "<p>", "<meta"].iter().any(|tag| head.contains(tag));
    Ok(match declared {
        // The feed parser reports a malformed feed.
        Some(DocumentFormat::Feed) => DocumentFormat::Feed,
        Some(DocumentFormat::Html) => DocumentFormat::Html,
        _ if is_html => DocumentFormat::Html,
        _ => DocumentFormat::Text,
    })
}

/// Returns the format of a document that is no XML; none for pages and dumps.
fn other(start: &str, declared: Option<DocumentFormat>) -> Result<Option<DocumentFormat>, ExtractError> {
    if declared == Some(DocumentFormat::Json) || is_json(start) {
        return Ok(Some(if declared == Some(DocumentFormat::Feed) {
            DocumentFormat::Feed
        } else {
            DocumentFormat::Json
        }));
    }
    // Pages and feeds are declared; anything else can be any text.
    if matches!(declared, Some(DocumentFormat::Html | DocumentFormat::Feed)) {
        return Ok(None);
    }
    if start.starts_with("\u{16}\u{16}\u{1}") {
        return Err(unknown("wire text in ANPA 1312".to_owned()));
    }
    if is_mail(start) {
        return Err(unknown("an e-mail message".to_owned()));
    }
    if iptc_7901::is_format(start) {
        return Ok(Some(DocumentFormat::Iptc7901));
    }
    let is_markdown = declared == Some(DocumentFormat::Markdown) || markdown::is_format(start);
    Ok(is_markdown.then_some(DocumentFormat::Markdown))
}

/// Returns the error for a format that is not read.
pub(super) fn unknown(recognised: String) -> ExtractError {
    ExtractError::UnknownFormat { recognised, accepted: ACCEPTED }
}

/// The root element of a document.
#[derive(Debug, PartialEq, Eq)]
struct Root<'a> {
    /// Name with its prefix.
    name: &'a str,
    /// The tag, which declares namespaces.
    tag: &'a str,
}

/// Finds the root element behind declarations, comments and a document type.
fn root(text: &str) -> Option<Root<'_>> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        rest = if let Some(instruction) = rest.strip_prefix("<?") {
            instruction.split_once("?>")?.1
        } else if let Some(comment) = rest.strip_prefix("<!--") {
            comment.split_once("-->")?.1
        } else if let Some(declaration) = rest.strip_prefix("<!") {
            let end = declaration.find(['[', '>'])?;
            match declaration[end..].strip_prefix('[') {
                Some(subset) => subset.split_once(']').and_then(|(_, after)| after.split_once('>'))?.1,
                None => &declaration[end + 1..],
            }
        } else {
            break;
        };
    }
    let tag = rest.strip_prefix('<')?;
    let tag = &tag[..tag.find('>')?];
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '-');
    let name = &tag[..tag.find(|c| !is_name(c)).unwrap_or(tag.len())];
    name.starts_with(|c: char| c.is_alphabetic() || c == '_').then_some(Root { name, tag })
}

/// Returns the wire format that a root element shows.
fn wire(root: &Root<'_>) -> Option<DocumentFormat> {
    Some(match root.name.rsplit(':').next().unwrap_or(root.name) {
        "NewsML" | "NewsItem" => DocumentFormat::Newsml1,
        "nitf" | "NITF" => DocumentFormat::Nitf,
        "rss" if root.tag.contains("wordpress.org/export/") => DocumentFormat::Wxr,
        name if newsml_g2::ROOTS.contains(&name) => DocumentFormat::NewsmlG2,
        _ => return None,
    })
}

/// Refuses XML that is neither a wire item, nor a feed, nor a page.
fn check_root(root: &Root<'_>, text: &str, declared: Option<DocumentFormat>) -> Result<(), ExtractError> {
    if is_html_element(root.name) || declared == Some(DocumentFormat::Html) {
        return Ok(());
    }
    let is_closed =
        || text.trim_end().strip_suffix('>').is_some_and(|it| it.trim_end().ends_with(&format!("</{}", root.name)));
    if text.starts_with("<?xml") || declared == Some(DocumentFormat::Xml) || is_closed() {
        let name: String = root.name.chars().take(64).collect();
        return Err(unknown(format!("XML with the root element <{name}>")));
    }
    Ok(())
}

/// Elements that a page or a part of one begins with.
const HTML_ELEMENTS: [&str; 61] = [
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "base",
    "blockquote",
    "body",
    "br",
    "button",
    "center",
    "cite",
    "code",
    "details",
    "div",
    "dl",
    "em",
    "figure",
    "font",
    "footer",
    "form",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "noscript",
    "ol",
    "p",
    "pre",
    "q",
    "script",
    "section",
    "small",
    "span",
    "strong",
    "style",
    "svg",
    "table",
    "tbody",
    "template",
    "title",
    "ul",
    "video",
    "u",
];

/// Returns true for an element of HTML, or a custom one.
fn is_html_element(name: &str) -> bool {
    let name = name.strip_prefix("html:").unwrap_or(name);
    let is_custom = name.contains('-') && !name.contains(':');
    is_custom || HTML_ELEMENTS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Returns true for a text that begins like a JSON object with fields, or like a list of objects.
fn is_json(start: &str) -> bool {
    let second = |open: char| start.strip_prefix(open).and_then(|rest| rest.trim_start().chars().next());
    matches!(second('{'), Some('"' | '}')) || matches!(second('['), Some('{'))
}

/// Returns true for a message with its headers.
fn is_mail(start: &str) -> bool {
    const HEADERS: [&str; 6] =
        ["received:", "message-id:", "mime-version:", "delivered-to:", "return-path:", "x-received:"];
    let is_header =
        |line: &str| HEADERS.iter().any(|name| line.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name)));
    let name = start.split(':').next().unwrap_or_default();
    let begins =
        !name.is_empty() && name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    begins && start.lines().take(60).filter(|line| is_header(line)).count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_element_shows_the_format_behind_any_prolog() {
        let page = "<html><body><p>x</p></body></html>";
        let prolog = "<?xml version='1.0'?><!-- <html> --><!DOCTYPE x [<!ENTITY a 'b>'>]><?style x?>\n";
        for (text, expected) in [
            ("<newsItem guid='x'/>".to_owned(), DocumentFormat::NewsmlG2),
            (format!("{prolog}<nar:newsMessage xmlns:nar='urn:x'/>"), DocumentFormat::NewsmlG2),
            (format!("\u{FEFF}{prolog}<nitf><body/></nitf>"), DocumentFormat::Nitf),
            ("<!DOCTYPE NewsML SYSTEM 'x.dtd'><NewsML/>".to_owned(), DocumentFormat::Newsml1),
            ("<rss xmlns:wp='http://wordpress.org/export/1.2/'/>".to_owned(), DocumentFormat::Wxr),
            ("<rss version='2.0'/>".to_owned(), DocumentFormat::Feed),
            (format!("{prolog}{page}"), DocumentFormat::Html),
            ("<my-app><p>x</p></my-app>".to_owned(), DocumentFormat::Html),
            ("NWA0001 3 pl 120 nw 0123\nHarbour/\nDredging=\n".to_owned(), DocumentFormat::Iptc7901),
            ("---\ntitle: Dredging\n---\nText".to_owned(), DocumentFormat::Markdown),
            ("{\"uri\": 1}".to_owned(), DocumentFormat::Json),
            ("Dredging\n\nThe harbour board <of Port Ellery> agreed.".to_owned(), DocumentFormat::Text),
            ("--- x ---\nThe harbour board agreed.".to_owned(), DocumentFormat::Text),
            ("{Photo: Ida Quill}\nThe harbour board agreed.".to_owned(), DocumentFormat::Text),
        ] {
            assert_eq!(format(&text, None), Ok(expected), "{text}");
        }
        assert_eq!(format("<nitf/>", Some(DocumentFormat::Html)), Ok(DocumentFormat::Nitf));
    }

    #[test]
    fn formats_without_a_reader_are_refused_by_name() {
        for (text, declared, recognised) in [
            ("<?xml version='1.0'?><response><p>x</p></response>", None, "XML with the root element <response>"),
            ("<response><p>x</p></response>\n", None, "XML with the root element <response>"),
            ("<opml version='2.0'>", Some(DocumentFormat::Xml), "XML with the root element <opml>"),
            ("Received: by x\nMessage-ID: <1@herald.example>\n\nText", None, "an e-mail message"),
            ("\u{16}\u{16}\u{1}W1\u{1f}x", None, "wire text in ANPA 1312"),
        ] {
            assert_eq!(format(text, declared), Err(unknown(recognised.to_owned())), "{text}");
        }
    }

    #[test]
    fn content_types_declare_formats() {
        for (content_type, expected) in [
            ("application/vnd.iptc.g2.newsitem+xml", Some(DocumentFormat::Xml)),
            ("application/ld+json; charset=utf-8", Some(DocumentFormat::Json)),
            ("text/markdown", Some(DocumentFormat::Markdown)),
            ("text/x-opml", None),
        ] {
            assert_eq!(content_type_parts(content_type).map(|it| it.0), Ok(expected), "{content_type}");
        }
    }
}
