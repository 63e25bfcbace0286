//! Structured data of a page: schema.org's NewsArticle, in JSON-LD.

use std::cell::Cell;

use serde_json::Value;

use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::report::Report;

/// Types of articles, the most specific first.
const ARTICLES: [&str; 12] = [
    "NewsArticle",
    "Article",
    "ReportageNewsArticle",
    "BlogPosting",
    "LiveBlogPosting",
    "AnalysisNewsArticle",
    "OpinionNewsArticle",
    "BackgroundNewsArticle",
    "ReviewNewsArticle",
    "Report",
    "WebPage",
    "SocialMediaPosting",
];
/// Maximum depth and number of objects visited.
const MAX_DEPTH: usize = 6;
const MAX_OBJECTS: usize = 2_000;

/// An article's fields, unparsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Structured {
    pub(crate) headline: String,
    pub(crate) body: String,
    pub(crate) authors: Vec<String>,
    pub(crate) published: String,
    pub(super) modified: String,
    pub(crate) section: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) image: String,
    pub(crate) publisher: String,
    pub(crate) language: String,
    pub(crate) url: String,
    rank: usize,
}

/// Reads all scripts of a page and returns the object that is most likely the article.
pub(crate) fn read(
    scripts: impl Iterator<Item = String>,
    budget: &Budget<'_>,
    report: &mut Report,
) -> Result<Structured, ExtractError> {
    let values = Cell::new(0);
    let mut best = Structured { rank: usize::MAX, ..Structured::default() };
    let mut left = MAX_OBJECTS;
    for script in scripts {
        let text = script.trim().trim_start_matches("<!--").trim_end_matches("-->").trim().trim_end_matches(';');
        let parsed = parse(text, budget, &values).and_then(|value| match value {
            // Line breaks within strings are common, though not valid JSON.
            None => parse(&text.replace(['\n', '\r', '\t'], " "), budget, &values),
            value => Ok(value),
        });
        match parsed {
            Ok(Some(value)) => visit(&value, 0, &mut left, &mut best),
            Ok(None) => {}
            // The page may be an article without its structured data.
            Err(ExtractError::TooComplex { limit: limit @ "JSON values", max }) => {
                report.warnings.push(format!("structured data with more than {max} {limit} was not read"));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    best.unescape(budget)?;
    Ok(best)
}

/// Parses a script, if it is JSON.
fn parse(text: &str, budget: &Budget<'_>, values: &Cell<usize>) -> Result<Option<Value>, ExtractError> {
    bounded_parser::json(text, budget, values)?;
    Ok(serde_json::from_str(text).ok())
}

fn visit(value: &Value, depth: usize, left: &mut usize, best: &mut Structured) {
    if depth > MAX_DEPTH || *left == 0 {
        return;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, depth + 1, left, best)),
        Value::Object(object) => {
            let types: Vec<&str> = match object.get("@type") {
                Some(Value::String(one)) => vec![one],
                Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            let rank = types.iter().filter_map(|name| ARTICLES.iter().position(|context| context == name)).min();
            if let Some(rank) = rank
                && rank < best.rank
                && (object.contains_key("headline") || object.contains_key("datePublished"))
            {
                *best = article(value, rank);
            }
            for key in ["@graph", "mainEntity", "mainEntityOfPage", "itemListElement", "hasPart"] {
                if let Some(inner) = object.get(key) {
                    visit(inner, depth + 1, left, best);
                }
            }
        }
        _ => {}
    }
}

fn article(value: &Value, rank: usize) -> Structured {
    let text = |key: &str| value.get(key).map(first_text).unwrap_or_default();
    Structured {
        headline: text("headline"),
        body: text("articleBody"),
        authors: value.get("author").map(names).unwrap_or_default(),
        published: text("datePublished"),
        modified: text("dateModified"),
        section: text("articleSection"),
        keywords: match value.get("keywords") {
            Some(Value::String(list)) => list.split([',', ';']).map(str::to_owned).collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        },
        image: value.get("image").map(address).unwrap_or_default(),
        publisher: value.get("publisher").map(first_text).unwrap_or_default(),
        language: text("inLanguage"),
        url: value.get("url").or_else(|| value.get("mainEntityOfPage")).map(address).unwrap_or_default(),
        rank,
    }
}

/// Returns a string, the first of a list, or an object's name.
fn first_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(first_text).unwrap_or_default(),
        Value::Object(object) => object.get("name").map(first_text).unwrap_or_default(),
        _ => String::new(),
    }
}

fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(names).take(50).collect(),
        Value::Object(object) if object.get("@type").and_then(Value::as_str) == Some("Organization") => Vec::new(),
        Value::Object(object) => object.get("name").map(names).unwrap_or_default(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn address(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(address).unwrap_or_default(),
        Value::Object(object) => object.get("url").or_else(|| object.get("@id")).map(address).unwrap_or_default(),
        _ => String::new(),
    }
}

impl Structured {
    /// Removes markup and entities from the fields that may contain them.
    fn unescape(&mut self, budget: &Budget<'_>) -> Result<(), ExtractError> {
        self.body = unescape(&self.body, budget)?;
        let fields = [
            &mut self.headline,
            &mut self.published,
            &mut self.modified,
            &mut self.section,
            &mut self.publisher,
            &mut self.language,
        ];
        for field in fields.into_iter().chain(&mut self.authors) {
            *field = unescape(clipped(field), budget)?;
        }
        Ok(())
    }
}

/// Maximum size of any field except the article's text, in bytes.
const FIELD_BYTES: usize = 16 << 10;

/// Returns a field cut to its maximum size.
pub(crate) fn clipped(text: &str) -> &str {
    &text[..(0..=text.len().min(FIELD_BYTES)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)]
}

/// Removes HTML markup and entities, which structured data often contains.
pub(crate) fn unescape(text: &str, budget: &Budget<'_>) -> Result<String, ExtractError> {
    if !text.contains('&') && !text.contains('<') {
        return Ok(text.to_owned());
    }
    let spaced = text.replace("</p>", "\n\n").replace("<br>", "\n").replace("<br/>", "\n").replace("<br />", "\n");
    bounded_parser::plain(&spaced, budget)
}
