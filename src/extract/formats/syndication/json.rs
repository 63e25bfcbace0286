//! JSON Feed, versions 1.0 and 1.1.

use serde_json::{Map, Value};
use url::Url;

use super::feed::{Entry, Feed};
use super::media;
use crate::article::resolve_url;
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::draft::{Media, MediaKind};
use crate::extract::error::ExtractError;

/// Reads a feed.
///
/// # Errors
/// If it is not JSON, or beyond the limits.
pub(super) fn read(text: &str, base: Option<&Url>, budget: &Budget<'_>) -> Result<Feed, ExtractError> {
    bounded_parser::json_feed(text, budget)?;
    let Ok(Value::Object(root)) = serde_json::from_str(text) else { return Err(ExtractError::BadFeed) };
    let address = |name: &str| Url::parse(&string(&root, name)).ok();
    let base = address("home_page_url").or_else(|| address("feed_url")).or_else(|| base.cloned());
    let items = root.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(Feed {
        title: string(&root, "title"),
        language: string(&root, "language"),
        rights: String::new(),
        authors: authors(&root),
        entries: items.iter().filter_map(Value::as_object).map(|item| entry(item, base.as_ref())).collect(),
        base,
    })
}

fn entry(item: &Map<String, Value>, base: Option<&Url>) -> Entry {
    let text = |name: &str| string(item, name);
    let html = text("content_html");
    let tags = item.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut entry = Entry {
        id: match item.get("id") {
            Some(Value::Number(number)) => number.to_string(),
            _ => text("id"),
        },
        title: escaped(&text("title")),
        content: if html.trim().is_empty() { escaped(&text("content_text")) } else { html },
        summary: escaped(&text("summary")),
        base: base.cloned(),
        published: text("date_published"),
        updated: text("date_modified"),
        authors: authors(item),
        tags: tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        language: text("language"),
        ..Entry::default()
    };
    entry.link(base, &text("url"));
    let images = ["image", "banner_image"].map(|name| (text(name), MediaKind::Image));
    let attachments = item.get("attachments").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let attached = attachments.iter().filter_map(Value::as_object).map(|file| {
        let address = string(file, "url");
        let kind = media::kind(&string(file, "mime_type"), &address);
        (address, kind)
    });
    for (address, kind) in images.into_iter().chain(attached) {
        if let Some(url) = resolve_url(base, &address) {
            entry.media.push(Media {
                kind,
                url,
                caption: String::new(),
                credit: String::new(),
                width: None,
                height: None,
            });
        }
    }
    entry
}

fn authors(object: &Map<String, Value>) -> Vec<String> {
    let many = object.get("authors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = object.get("author");
    let people = many.iter().chain(one.filter(|_| many.is_empty())).filter_map(Value::as_object);
    people.map(|person| string(person, "name")).filter(|name| !name.is_empty()).collect()
}

fn string(object: &Map<String, Value>, name: &str) -> String {
    object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns plain text as markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
