//! Structured data of a page: schema.org's NewsArticle and its relatives, in JSON-LD.

mod fields;
mod graph;
mod pictures;
mod references;
mod repair;
mod text;

pub(super) use self::fields::split_keywords;

use std::cell::Cell;

use serde_json::Value;

pub(crate) use self::pictures::Picture;
use crate::article::fold;
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::report::{Report, Warning, WarningCode};

/// An article's fields, unparsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Structured {
    pub(crate) headline: String,
    pub(crate) body: String,
    pub(crate) authors: Vec<StructuredAuthor>,
    pub(crate) published: String,
    pub(super) modified: String,
    pub(crate) section: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) image: String,
    pub(crate) pictures: Vec<Picture>,
    pub(crate) publisher: String,
    pub(crate) language: String,
    pub(crate) url: String,
    pub(super) license: String,
    pub(super) copyright_notice: String,
    pub(super) copyright_holder: String,
    pub(super) is_free: Option<bool>,
}

/// An author as structured data states it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StructuredAuthor {
    /// The name as written: it may be a byline of several names.
    pub(crate) name: String,
    pub(crate) kind: AuthorKind,
    /// Address of the author's page: a URL of any form, or empty.
    pub(crate) url: String,
}

/// Kind of an author.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AuthorKind {
    /// A name without a type, or with one that is neither of the others.
    #[default]
    Unknown,
    Person,
    Organization,
}

/// Statements of a page about itself, by which its article is distinguished from others.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageIdentity {
    urls: Vec<String>,
    titles: Vec<String>,
}

impl PageIdentity {
    /// Creates the identity from the URLs of a page, and from its title and headlines.
    pub(crate) fn new<'a>(urls: &[&str], titles: impl Iterator<Item = &'a str>) -> Self {
        let urls = urls.iter().filter(|url| !url.is_empty()).map(|url| plain_url(url));
        let titles = titles.map(plain).filter(|title| !title.is_empty());
        Self { urls: urls.collect(), titles: titles.collect() }
    }

    /// Returns 2 for the page's URL and headline, 1 for one of them, 0 if there is nothing to compare, and -1 if both
    /// are of another page.
    fn matches(&self, url: &str, headline: &str) -> i32 {
        let headline = plain(headline);
        let is_title = |title: &String| title.contains(&headline) || headline.contains(title.as_str());
        let same_headline = !headline.is_empty() && self.titles.iter().any(is_title);
        let same_url = !url.is_empty() && self.urls.contains(&plain_url(url));
        match i32::from(same_headline) + i32::from(same_url) {
            0 if !self.titles.is_empty() && !headline.is_empty() => -1,
            count => count,
        }
    }
}

/// Returns the start of a headline without case, spaces and marks.
fn plain(text: &str) -> String {
    const CHARS: usize = 300;
    let start: String = text.chars().take(CHARS).collect();
    fold(&start).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Returns a URL without its query.
fn plain_url(url: &str) -> String {
    clipped(url).split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// Reads all scripts of a page and returns its own article.
pub(crate) fn read(
    scripts: impl Iterator<Item = String>,
    page: &PageIdentity,
    budget: &Budget<'_>,
    report: &mut Report,
) -> Result<Structured, ExtractError> {
    let values = Cell::new(0);
    let mut read = Vec::new();
    for script in scripts {
        let parsed = match parse(script.trim(), budget, &values) {
            Ok(None) => {
                budget.spend(script.len() as u64 / 8)?;
                // Templates escape the quotation marks.
                let script = if script.contains("{&quot;") || script.trim_start().starts_with("&quot;") {
                    unescape(&script, budget)?
                } else {
                    script
                };
                parse(&repair::repaired(&script), budget, &values)
            }
            // JSON within a string of JSON.
            Ok(Some(Value::String(inner))) => parse(inner.trim(), budget, &values),
            parsed => parsed,
        };
        match parsed {
            Ok(value) => read.extend(value),
            // The page may be an article without its structured data.
            Err(ExtractError::TooComplex { limit: limit @ "JSON values", max }) => {
                let message = format!("structured data with more than {max} {limit} was not read");
                report.warnings.push(Warning::new(WarningCode::StructuredDataSkipped, message));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let by_id = references::index(&read, budget)?;
    let mut article = graph::article(&read, page, &by_id);
    // Some systems write the headline or the author as the name of the publisher.
    let is_publisher = |text: &str| fold(text) == fold(&article.publisher);
    if is_publisher(&article.headline) || article.authors.iter().any(|author| is_publisher(&author.name)) {
        article.publisher.clear();
    }
    article.unescape(budget)?;
    Ok(article)
}

/// Parses a script, if it is JSON.
fn parse(text: &str, budget: &Budget<'_>, values: &Cell<usize>) -> Result<Option<Value>, ExtractError> {
    bounded_parser::json(text, budget, values)?;
    Ok(serde_json::from_str(text).ok())
}

impl Structured {
    /// Removes markup and entities from the fields that may contain them.
    fn unescape(&mut self, budget: &Budget<'_>) -> Result<(), ExtractError> {
        self.body = unescape(&self.body, budget)?;
        // Some systems escape the text twice.
        if self.body.contains("</p>") || self.body.contains("<br") {
            self.body = unescape(&self.body, budget)?;
        }
        let fields = [
            &mut self.headline,
            &mut self.published,
            &mut self.modified,
            &mut self.section,
            &mut self.publisher,
            &mut self.language,
            &mut self.copyright_notice,
            &mut self.copyright_holder,
        ];
        let authors = self.authors.iter_mut().map(|author| &mut author.name);
        let pictures = self.pictures.iter_mut().flat_map(|picture| [&mut picture.caption, &mut picture.credit]);
        for field in fields.into_iter().chain(authors).chain(pictures) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    #[test]
    fn authors_have_a_kind_and_references_are_followed() {
        let author = |name: &str, kind, url: &str| StructuredAuthor { name: name.into(), kind, url: url.into() };
        let quill = author("Ida Quill", AuthorKind::Person, "https://herald.example/ida");
        for (json, expected) in [
            (r#""Ida Quill""#, author("Ida Quill", AuthorKind::Unknown, "")),
            (r#"{"@type": "Person", "name": "Ida Quill", "url": "https://herald.example/ida"}"#, quill.clone()),
            (
                r#"{"@type": ["Thing", "https://schema.org/Person"], "name": ["Ida Quill"], "sameAs": "/i"}"#,
                author("Ida Quill", AuthorKind::Person, "/i"),
            ),
            (
                r#"{"@type": "NewsMediaOrganization", "name": "Northwire"}"#,
                author("Northwire", AuthorKind::Organization, ""),
            ),
            (r#"{"@id": "https://herald.example/#ida"}"#, quill),
        ] {
            let script = format!(
                r#"{{"@graph": [{{"@type": "NewsArticle", "headline": "x", "author": [{json}]}}, {{"@type": "Person",
                "@id": "https://herald.example/#ida", "name": "Ida Quill", "url": "https://herald.example/ida"}}]}}"#
            );
            let limits = Limits::default();
            let budget = Budget::unattended(&limits);
            let found = read([script].into_iter(), &PageIdentity::default(), &budget, &mut Report::default()).unwrap();
            assert_eq!(found.authors, [expected], "{json}");
        }
    }
}
