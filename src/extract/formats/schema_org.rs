//! NewsArticle of schema.org as a whole document, in JSON-LD.

use super::json::Json;
use super::wire::{self, Item};
use crate::article::canonical_url;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Extraction, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::fields::byline;
use crate::extract::report::{Method, Report};
use crate::extract::wire_fields::SubjectKind;

/// Fields that contain articles: graphs, lists of items, the subject of a page.
const CONTAINERS: [&str; 5] = ["@graph", "itemListElement", "item", "mainEntity", "hasPart"];
const MAX_DEPTH: usize = 4;

/// Returns true for a document of the vocabulary.
pub(super) fn is_format(document: &Json) -> bool {
    document.many().first().is_some_and(|first| {
        let context = first.get("@context").map(|it| format!("{} {}", it.line(), it.line_of("@vocab")));
        context.is_some_and(|it| it.contains("schema.org")) || first.get("@type").is_some()
    })
}

/// Extracts the articles of a document.
pub(super) fn extract(
    document: &Json,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    let mut articles = Vec::new();
    find(document, 0, &mut articles);
    if articles.is_empty() {
        let kind = document.many().first().map(|it| it.line_of("@type")).unwrap_or_default();
        let kind: String = kind.chars().take(64).collect();
        return Err(ExtractError::NotAStory { kind: format!("JSON-LD of type {kind:?}, without an article") });
    }
    if articles.len() > budget.limits.max_entries {
        return Err(ExtractError::TooManyEntries { limit: budget.limits.max_entries });
    }
    wire::collect(articles.into_iter().map(|article| read(article, report, budget)), hints, budget)
}

fn find<'a>(value: &'a Json, depth: usize, found: &mut Vec<&'a Json>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Json::List(items) => items.iter().for_each(|item| find(item, depth + 1, found)),
        Json::Object(_) => {
            let types = value.get("@type").map(Json::many).unwrap_or_default();
            let is_article = types.iter().any(|it| {
                let name = it.line();
                let name = name.rsplit(['/', ':']).next().unwrap_or_default();
                name.ends_with("Article") || matches!(name, "BlogPosting" | "LiveBlogPosting" | "Report")
            });
            if is_article {
                found.push(value);
            } else {
                CONTAINERS.iter().filter_map(|name| value.get(name)).for_each(|inner| find(inner, depth + 1, found));
            }
        }
        _ => {}
    }
}

/// Returns a text, or the name or address of an object; of a list, those of its first item.
fn named(value: &Json, fields: &[&str]) -> String {
    let value = value.many().first().unwrap_or(value);
    if value.as_str().is_some() {
        return value.line();
    }
    value.first(fields).map(Json::line).unwrap_or_default()
}

fn read(article: &Json, report: &Report, budget: &Budget<'_>) -> (String, Result<Item, ExtractError>) {
    let mut out = Item::new("schema.org", report);
    out.report.method = Method::StructuredData;
    let field = |name: &str| article.get(name).map(|it| named(it, &["name", "value"])).unwrap_or_default();
    let address = |name: &str| article.get(name).map(|it| named(it, &["url", "@id", "contentUrl"])).unwrap_or_default();
    let url = ["url", "mainEntityOfPage", "@id"].into_iter().find_map(|name| canonical_url(&address(name)).ok());
    let identifier = field("identifier");
    out.set_id(&identifier);
    let id = if identifier.is_empty() { url.clone().unwrap_or_default() } else { identifier };
    out.draft.url = url;
    out.set_version(&field("version"));
    let headline = field("headline");
    out.draft.headline = if headline.is_empty() { field("name") } else { headline };
    out.draft.subheadline = field("alternativeHeadline");
    out.language = field("inLanguage");
    out.draft.section = field("articleSection");
    out.draft.publisher = field("publisher");
    out.located = field("dateline");
    out.set_published(&field("datePublished"));
    out.set_version_time(&field("dateModified"));
    out.draft.rights.notice = field("copyrightNotice");
    out.draft.rights.holder = field("copyrightHolder");
    out.draft.rights.license_url = canonical_url(&address("license")).ok();
    let authors = article.get("author").map(Json::many).unwrap_or_default();
    let names: Vec<String> = authors.iter().map(|it| named(it, &["name"])).filter(|it| !it.is_empty()).collect();
    out.set_byline(&names.join(", "));
    for name in names.iter().flat_map(|name| byline::split(name, &[])) {
        byline::push(&mut out.draft.authors, name);
    }
    for keyword in article.get("keywords").map(Json::many).unwrap_or_default() {
        named(keyword, &["name"]).split([',', ';']).for_each(|keyword| out.add_tag(keyword));
    }
    for about in article.get("about").map(Json::many).unwrap_or_default() {
        let kind = match about.line_of("@type").as_str() {
            "Person" => SubjectKind::Person,
            "Organization" => SubjectKind::Organization,
            "Place" => SubjectKind::Place,
            "Event" => SubjectKind::Event,
            _ => SubjectKind::Topic,
        };
        out.add_subject(kind, "", &about.line_of("@id"), &named(about, &["name"]));
    }
    for image in article.get("image").map(Json::many).unwrap_or_default() {
        let url = named(image, &["url", "contentUrl", "@id"]);
        out.add_media(wire::media(MediaKind::Image, &url, &image.line_of("caption"), &image.line_of("creditText")));
    }
    let body = article.get("articleBody").and_then(Json::as_str).unwrap_or_default();
    let result = out.read_text(body, budget).map(|()| out);
    (id, result)
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;
    use crate::extract::document::Limits;

    fn extracted(text: &str) -> Result<Extraction, ExtractError> {
        let limits = Limits::default();
        let budget = Budget::unattended(&limits);
        let document = json::parse(text, &budget)?;
        assert!(is_format(&document));
        extract(&document, &Hints::default(), &Report::default(), &budget)
    }

    const ARTICLE: &str = r#"{"@context": "https://schema.org", "@type": ["NewsArticle"], "identifier": "nw-1",
        "headline": "Channel to be dredged", "url": "https://herald.example/1", "datePublished": "2026-11-02T08:00:00Z",
        "author": [{"@type": "Person", "name": "Ida Quill"}], "publisher": {"name": "The Ellery Herald"},
        "inLanguage": "en", "keywords": "harbour, ferries", "image": {"url": "https://herald.example/a.jpg"},
        "articleBody": "One.\n\nTwo."}"#;

    #[test]
    fn an_article_gives_its_fields() {
        for text in [ARTICLE.to_owned(), format!("[{ARTICLE}]"), ARTICLE.replacen('{', "{\"@graph\": [], ", 1)] {
            let Ok(Extraction::Article(article)) = extracted(&text) else { panic!("{text}") };
            let draft = article.draft;
            assert_eq!((draft.headline.as_str(), draft.body.as_str()), ("Channel to be dredged", "One.\n\nTwo."));
            assert_eq!(
                (draft.url.as_deref(), draft.external_id.as_deref()),
                (Some("https://herald.example/1"), Some("nw-1"))
            );
            assert_eq!((draft.authors, draft.publisher.as_str()), (vec!["Ida Quill".into()], "The Ellery Herald"));
            assert_eq!((draft.tags.len(), draft.media.len()), (2, 1));
        }
    }

    #[test]
    fn other_types_and_empty_bodies_are_refused() {
        for (from, to, expected) in [
            ("NewsArticle", "VideoObject", "JSON-LD of type \"VideoObject\", without an article"),
            ("One.\\n\\nTwo.", "", "an item of schema.org without one"),
        ] {
            let error = extracted(&ARTICLE.replace(from, to)).err();
            assert_eq!(error, Some(ExtractError::NotAStory { kind: expected.to_owned() }));
        }
    }
}
