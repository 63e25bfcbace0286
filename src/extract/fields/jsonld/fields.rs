//! Fields of an article object.

use serde_json::Value;

use super::references::{ById, resolve, types};
use super::text::first_text;
use super::{AuthorKind, Structured, StructuredAuthor};

/// Maximum number of authors and of keywords.
const MAX_LISTED: usize = 50;
/// Maximum number of updates of a live blog.
const MAX_UPDATES: usize = 500;

/// Reads the fields of an article.
pub(super) fn article(value: &Value, by_id: &ById<'_>) -> Structured {
    let text = |key: &str| value.get(key).map(|value| first_text(resolve(value, by_id))).unwrap_or_default();
    let any = |keys: &[&str]| keys.iter().map(|key| text(key)).find(|text| !text.trim().is_empty()).unwrap_or_default();
    let url = |key: &str| value.get(key).map(address).unwrap_or_default();
    Structured {
        headline: any(&["headline", "name"]),
        body: Some(text("articleBody")).filter(|body| !body.is_empty()).unwrap_or_else(|| live_updates(value)),
        authors: authors(value, by_id),
        published: any(&["datePublished", "dateCreated", "coverageStartTime", "datePosted", "uploadDate"]),
        modified: any(&["dateModified", "dateUpdated"]),
        section: text("articleSection"),
        keywords: value.get("keywords").map(keywords).unwrap_or_default(),
        image: value.get("image").map(|image| address(resolve(image, by_id))).unwrap_or_default(),
        pictures: super::pictures::read(value, by_id),
        publisher: text("publisher"),
        language: language(value),
        url: Some(url("url")).filter(|url| !url.is_empty()).unwrap_or_else(|| url("mainEntityOfPage")),
        license: url("license"),
        copyright_notice: text("copyrightNotice"),
        copyright_holder: text("copyrightHolder"),
        is_free: match value.get("isAccessibleForFree") {
            Some(Value::Bool(is_free)) => Some(*is_free),
            Some(Value::String(text)) => text.rsplit('/').next().and_then(|word| word.to_lowercase().parse().ok()),
            _ => None,
        },
    }
}

/// Returns the text of a live blog: the headline and the text of each update.
fn live_updates(value: &Value) -> String {
    let updates = match value.get("liveBlogUpdate") {
        Some(Value::Array(updates)) => updates.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    let texts = updates
        .iter()
        .take(MAX_UPDATES)
        .flat_map(|update| ["headline", "articleBody"].map(|key| update.get(key).map(first_text).unwrap_or_default()));
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Returns the URL and the headline of an article, if they are plain strings.
pub(super) fn identity(article: &Value) -> (&str, &str) {
    let text = |keys: &[&str]| keys.iter().find_map(|key| article.get(key)?.as_str()).unwrap_or_default();
    let page = article.get("mainEntityOfPage").and_then(|page| page.get("@id")).and_then(Value::as_str);
    let url = text(&["url", "mainEntityOfPage"]);
    (if url.is_empty() { page.unwrap_or_default() } else { url }, text(&["headline", "name"]))
}

/// Returns keywords: of a list separated by commas, or of a list of strings or terms.
fn keywords(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().take(MAX_LISTED).map(first_text).collect(),
        one => vec![first_text(one)],
    }
}

/// Splits a list of keywords at its commas, bars or number signs; one without any of these at spaces, if it is in a
/// script that is written without them.
pub(crate) fn split_keywords(list: &str) -> Vec<String> {
    const COMMAS: [char; 6] = [',', ';', '،', '、', '，', '；'];
    let list = list.trim();
    let is_unspaced = |c: char| matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}');
    let parts: Vec<&str> = if list.contains(COMMAS) {
        list.split(COMMAS).collect()
    } else if list.starts_with('#') {
        list.split(['#', ' ']).collect()
    } else if list.contains(['|', '｜']) {
        list.split(['|', '｜']).collect()
    } else if list.chars().all(|c| is_unspaced(c) || c.is_whitespace()) {
        list.split_whitespace().collect()
    } else {
        vec![list]
    };
    let trimmed = parts.into_iter().map(|part| part.trim_matches(['"', '\'', '“', '”', '#', ' ']));
    trimmed.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Returns the language tag, which is also the alternate name of a `Language`.
fn language(article: &Value) -> String {
    match article.get("inLanguage") {
        Some(Value::Object(object)) => object.get("alternateName").or_else(|| object.get("name")).map(first_text),
        Some(language) => Some(first_text(language)),
        None => None,
    }
    .unwrap_or_default()
}

/// Returns the authors of an article. A reference to an author stands for the object with that `@id`.
fn authors(article: &Value, by_id: &ById<'_>) -> Vec<StructuredAuthor> {
    let listed = match article.get("author").or_else(|| article.get("creator")) {
        Some(Value::Array(listed)) => listed.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => return Vec::new(),
    };
    listed.iter().take(MAX_LISTED).flat_map(|author| author_of(author, by_id)).collect()
}

fn author_of(author: &Value, by_id: &ById<'_>) -> Vec<StructuredAuthor> {
    let author = resolve(author, by_id);
    if let Some(Value::Array(listed)) = author.get("@list") {
        return listed.iter().take(MAX_LISTED).flat_map(|author| plain_author(resolve(author, by_id))).collect();
    }
    // A page about the author.
    match author.get("mainEntity").filter(|_| author.get("name").is_none()) {
        Some(entity) => plain_author(resolve(entity, by_id)),
        None => plain_author(author),
    }
}

fn plain_author(author: &Value) -> Vec<StructuredAuthor> {
    let Value::Object(object) = author else {
        let name = first_text(author);
        return if name.is_empty() { Vec::new() } else { vec![StructuredAuthor { name, ..Default::default() }] };
    };
    let kinds = types(author);
    let kind = if kinds.iter().any(|kind| kind.ends_with("Organization") || *kind == "Corporation") {
        AuthorKind::Organization
    } else if kinds.contains(&"Person") {
        AuthorKind::Person
    } else {
        AuthorKind::Unknown
    };
    let url = object.get("url").or_else(|| object.get("sameAs")).map(address).unwrap_or_default();
    let names = match object.get("name") {
        Some(Value::Array(names)) => names.iter().take(MAX_LISTED).map(first_text).collect(),
        Some(name) => vec![first_text(name)],
        None => vec![parts_of_name(object)],
    };
    names.into_iter().map(|name| StructuredAuthor { name, kind, url: url.clone() }).collect()
}

/// Returns a name that is stated in parts, or the alternate one.
fn parts_of_name(object: &serde_json::Map<String, Value>) -> String {
    let text = |key: &str| object.get(key).map(first_text).unwrap_or_default();
    let parts = ["givenName", "additionalName", "familyName"].map(text);
    let name = parts.iter().filter(|part| !part.trim().is_empty()).cloned().collect::<Vec<_>>().join(" ");
    if name.is_empty() { text("alternateName") } else { name }
}

fn address(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(address).unwrap_or_default(),
        Value::Object(object) => object.get("url").or_else(|| object.get("@id")).map(address).unwrap_or_default(),
        _ => String::new(),
    }
}
