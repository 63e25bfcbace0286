//! The parts of a document with several items, so that the document that is kept for an article has no text of another
//! one: a purge finds everything that it has to remove.

use std::io::Read;
use std::ops::Range;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::extract;
use crate::proto::document::Payload;
use crate::proto::{Document, RawPayload};

/// Elements that are an item: of RSS, RDF and WordPress exports; of Atom; of NewsML-G2; of NewsML 1.
const ITEMS: [&[u8]; 4] = [b"item", b"entry", b"newsItem", b"NewsItem"];
/// Fields of JSON that are a list of items: of JSON Feed, and of the responses of ninjs APIs.
const LISTS: [&str; 6] = ["items", "item", "data", "news", "results", "_items"];
/// Maximum size of everything but the items, which is kept with each of them, for all items, in bytes.
const MAX_FRAMES: usize = 4 << 20;

/// A document with several items.
pub(super) struct DocumentParts {
    /// The document without its payload.
    metadata: Document,
    mime_type: String,
    format: i32,
    items: Items,
}

enum Items {
    /// The elements of the items, in a document of XML.
    Xml { data: Vec<u8>, elements: Vec<Range<usize>> },
    /// The items, and the document with an empty list in this field; none if the document is the list.
    Json { frame: Value, list: Option<&'static str>, items: Vec<Value> },
}

impl DocumentParts {
    /// Finds the items of a document, of which extraction has found this number. None if they cannot be told apart.
    pub(super) fn of(mut document: Document, count: usize, max_bytes: usize) -> Option<Self> {
        let Some(Payload::Raw(RawPayload { data, mime_type, format })) = document.payload.take() else { return None };
        let data = if extract::is_gzip(&data) { decompressed(&data, max_bytes)? } else { data };
        let items = match data.trim_ascii_start().first() {
            Some(b'{' | b'[') => json(&data)?,
            _ => Items::Xml { elements: elements(&data)?, data },
        };
        let (found, frame) = match &items {
            Items::Xml { data, elements } => {
                let (head, foot) = (&data[..elements.first()?.start], &data[elements.last()?.end..]);
                // A package of NewsML-G2 repeats headlines of its items.
                if [head, foot].iter().any(|part| find(part, 0, b"itemRef").is_some()) {
                    return None;
                }
                (elements.len(), head.len() + foot.len())
            }
            Items::Json { frame, items, .. } => (items.len(), frame.to_string().len()),
        };
        let fits = found == count && frame.saturating_mul(count) <= MAX_FRAMES;
        fits.then_some(Self { metadata: document, mime_type, format, items })
    }

    /// Returns the document with one of its items alone. None if it does not have this ID: extraction has told the
    /// items apart in another way.
    pub(super) fn document(&self, at: usize, external_id: &str) -> Option<Document> {
        let data = match &self.items {
            Items::Xml { data, elements } => {
                let (first, last) = (elements.first()?, elements.last()?);
                [&data[..first.start], &data[elements.get(at)?.clone()], &data[last.end..]].concat()
            }
            Items::Json { frame, list, items } => {
                let item = Value::Array(vec![items.get(at)?.clone()]);
                let mut whole = frame.clone();
                match list {
                    Some(name) => whole[*name] = item,
                    None => whole = item,
                }
                whole.to_string().into_bytes()
            }
        };
        let has = |text: &str| data.windows(text.len()).any(|window| window == text.as_bytes());
        if !external_id.is_empty() && !has(external_id) && !has(&external_id.replace('&', "&amp;")) {
            return None;
        }
        let raw = RawPayload { data, mime_type: self.mime_type.clone(), format: self.format };
        Some(Document { payload: Some(Payload::Raw(raw)), ..self.metadata.clone() })
    }
}

fn decompressed(data: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(data).take(max_bytes as u64).read_to_end(&mut plain).ok()?;
    Some(plain)
}

fn json(data: &[u8]) -> Option<Items> {
    let mut frame: Value = serde_json::from_slice(data).ok()?;
    if let Value::Array(items) = &mut frame {
        return Some(Items::Json { items: std::mem::take(items), list: None, frame: Value::Null });
    }
    // Other lists, and graphs of JSON-LD, may repeat the items.
    let mut lists = LISTS.into_iter().filter(|name| frame.get(name).is_some_and(|it| it.is_array() || it.is_object()));
    let (Some(list), None, None) = (lists.next(), lists.next(), frame.get("@graph")) else { return None };
    let items = frame.get_mut(list)?.as_array_mut().map(std::mem::take)?;
    Some(Items::Json { items, list: Some(list), frame })
}

/// Returns the outermost elements of items. None for UTF-16, or if one is not closed.
fn elements(data: &[u8]) -> Option<Vec<Range<usize>>> {
    if data.contains(&0) {
        return None;
    }
    let mut elements = Vec::new();
    // Name, start and depth of the item that is read.
    let mut open: Option<(&[u8], usize, usize)> = None;
    let mut at = 0;
    while let Some(start) = find(data, at, b"<") {
        let markup = &data[start + 1..];
        let (skipped, end): (&[u8], &[u8]) = match markup {
            [b'!', b'[', ..] => (b"![CDATA[", b"]]>"),
            [b'!', b'-', b'-', ..] => (b"!--", b"-->"),
            _ => (b"", b">"),
        };
        let close = find(data, start + 1 + skipped.len(), end)?;
        at = close + end.len();
        if !skipped.is_empty() || matches!(markup.first(), Some(b'?' | b'!')) {
            continue;
        }
        let tag = &data[start + 1..close];
        let (is_end, tag) = tag.strip_prefix(b"/").map_or((false, tag), |tag| (true, tag));
        let name = tag.split(|byte| byte.is_ascii_whitespace() || *byte == b'/').next().unwrap_or_default();
        let is_empty = tag.ends_with(b"/");
        match &mut open {
            None if !is_end && !is_empty && ITEMS.contains(&local(name)) => open = Some((name, start, 1)),
            Some((item, _, depth)) if *item == name && !is_empty => {
                *depth = if is_end { *depth - 1 } else { *depth + 1 };
            }
            _ => {}
        }
        if let Some((_, from, 0)) = open {
            elements.push(from..at);
            open = None;
        }
    }
    open.is_none().then_some(elements)
}

/// Returns a name without its prefix.
fn local(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b':').next().unwrap_or(name)
}

fn find(data: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    let rest = data.get(from..)?;
    rest.windows(needle.len()).position(|window| window == needle).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(data: &str, count: usize) -> Option<Vec<String>> {
        let document = Document {
            payload: Some(Payload::Raw(RawPayload::new(data, "application/rss+xml"))),
            source: "post.example".to_owned(),
            ..Document::default()
        };
        let parts = DocumentParts::of(document, count, 1 << 20)?;
        let text = |at| {
            let part = parts.document(at, "").expect("an item");
            assert_eq!(part.source, "post.example");
            let Some(Payload::Raw(raw)) = part.payload else { panic!("raw bytes") };
            String::from_utf8(raw.data).expect("UTF-8")
        };
        Some((0..count).map(text).collect())
    }

    #[test]
    fn a_part_has_one_item_and_what_is_around_all() {
        let found = parts(
            "<?xml version='1.0'?><rss><channel><title>Post</title><item><title>One</title></item>\n<item a='1'>\
             <description><![CDATA[<item>&</item>]]></description><!-- </item> --></item></channel></rss>",
            2,
        );
        let head = "<?xml version='1.0'?><rss><channel><title>Post</title>";
        let one = format!("{head}<item><title>One</title></item></channel></rss>");
        let two = format!(
            "{head}<item a='1'><description><![CDATA[<item>&</item>]]></description><!-- </item> --></item>\
             </channel></rss>"
        );
        assert_eq!(found, Some(vec![one, two]));
        assert_eq!(
            parts("<n:message><n:newsItem>a</n:newsItem><n:newsItem>b</n:newsItem></n:message>", 2),
            Some(vec![
                "<n:message><n:newsItem>a</n:newsItem></n:message>".to_owned(),
                "<n:message><n:newsItem>b</n:newsItem></n:message>".to_owned()
            ])
        );
        assert_eq!(
            parts(r#"{"items": [{"id": "1"}, {"id": "2"}], "title": "Post"}"#, 2),
            Some(vec![
                r#"{"items":[{"id":"1"}],"title":"Post"}"#.to_owned(),
                r#"{"items":[{"id":"2"}],"title":"Post"}"#.to_owned()
            ])
        );
        assert_eq!(
            parts(r#"[{"uri": "1"}, {"uri": "2"}]"#, 2).map(|all| all[1].clone()),
            Some(r#"[{"uri":"2"}]"#.into())
        );
    }

    #[test]
    fn items_that_cannot_be_told_apart_have_no_parts() {
        let package = "<m><newsItem>a</newsItem><newsItem>b</newsItem><packageItem><itemRef/></packageItem></m>";
        let lists = r#"{"items": [1, 2], "news": [1, 2]}"#;
        let graph = r#"{"items": [1, 2], "@graph": []}"#;
        for data in [
            package,
            lists,
            graph,
            "<rss><item>a</item><item>b",
            "<rss><item>a</item></rss>",
            "{\"a\": 1}",
            "<rss/>",
            "<",
            "",
        ] {
            assert_eq!(parts(data, 2), None, "{data}");
        }
        let large = format!("<rss>{}<item>a</item><item>b</item></rss>", "x".repeat(MAX_FRAMES / 2));
        assert_eq!(parts(&large, 2), None);
    }
}
