//! Markdown with front matter, as static site generators and newsrooms' repositories keep it.

use pulldown_cmark::{Options, Parser, html};

use super::wire::{self, Item};
use crate::article::canonical_url;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Extraction, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::fields::byline;
use crate::extract::report::{Method, Report};
use url::Url;

/// Maximum number of lines of front matter.
const MAX_LINES: usize = 500;

/// Returns true for a text that begins with front matter.
pub(super) fn is_format(text: &str) -> bool {
    split(text).is_some_and(|(front, _)| Fields::read(front).is_ok_and(|fields| !fields.0.is_empty()))
}

/// Splits a document into front matter and body.
fn split(text: &str) -> Option<(&str, &str)> {
    let fence = text.lines().next().map(str::trim_end).filter(|first| matches!(*first, "---" | "+++"))?;
    let start = text.find('\n')? + 1;
    let mut at = start;
    for line in text[start..].split_inclusive('\n').take(MAX_LINES) {
        if line.trim_end() == fence {
            return Some((&text[start..at], &text[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

/// Fields of front matter: the simple part of YAML and TOML, texts and lists of texts. The names are in lower case.
struct Fields(Vec<(String, Vec<String>)>);

impl Fields {
    fn read(front: &str) -> Result<Self, ExtractError> {
        let mut fields: Vec<(String, Vec<String>)> = Vec::new();
        for (number, line) in front.lines().enumerate() {
            let text = line.trim();
            let is_nested = line.starts_with([' ', '\t']);
            if text.is_empty() || text.starts_with('#') || text.starts_with('[') {
                continue;
            }
            if let Some(item) = text.strip_prefix("- ") {
                if let Some((_, values)) = fields.last_mut() {
                    // An item that is a mapping: its name is the text.
                    values.push(unquoted(item.strip_prefix("name:").unwrap_or(item)));
                }
                continue;
            }
            if is_nested {
                if let (Some((_, values)), Some(name)) = (fields.last_mut(), text.strip_prefix("name:")) {
                    values.push(unquoted(name));
                } else if let Some((_, values)) = fields.last_mut().filter(|_| !text.contains(": ")) {
                    continue_text(values, text);
                }
                continue;
            }
            let Some((name, value)) = text.split_once([':', '=']).filter(|(name, _)| is_name(name.trim())) else {
                let line = number + 2;
                let problem = format!("line {line} is neither a field nor a list item");
                return Err(ExtractError::Malformed { format: "front matter", problem });
            };
            let name = name.trim().to_ascii_lowercase();
            if fields.iter().any(|(known, _)| *known == name) {
                let problem = format!("the field {name:?} is repeated, at line {}", number + 2);
                return Err(ExtractError::Malformed { format: "front matter", problem });
            }
            fields.push((name, values(value)));
        }
        Ok(Self(fields))
    }

    fn all(&self, names: &[&str]) -> Vec<&str> {
        let found = names.iter().filter_map(|name| self.0.iter().find(|(known, _)| known == name));
        found.flat_map(|(_, values)| values.iter().map(String::as_str)).filter(|value| !value.is_empty()).collect()
    }

    fn one(&self, names: &[&str]) -> &str {
        self.all(names).first().copied().unwrap_or_default()
    }
}

fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Returns the values of a field: of a list in brackets, its items.
fn values(value: &str) -> Vec<String> {
    let value = value.trim();
    match value.strip_prefix('[').and_then(|list| list.strip_suffix(']')) {
        Some(list) => list.split(',').map(unquoted).collect(),
        None if matches!(value, "" | "|" | ">" | "|-" | ">-") => Vec::new(),
        None => vec![unquoted(value)],
    }
}

/// Adds a line to a text that is written over several lines.
fn continue_text(values: &mut Vec<String>, text: &str) {
    match values.last_mut() {
        Some(value) => {
            value.push(' ');
            value.push_str(text);
        }
        None => values.push(text.to_owned()),
    }
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace("\\\"", "\"").replace("''", "'"))
}

/// Extracts the article of a document.
pub(super) fn extract(
    text: &str,
    url: Option<&str>,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    budget.read(text.len())?;
    let text = text.trim_start_matches('\u{FEFF}');
    let (front, body) = split(text).unwrap_or(("", text));
    let fields = Fields::read(front)?;
    let mut item = Item::new("Markdown", report);
    item.report.method = Method::Text;
    read_fields(&fields, &mut item);
    let mut markup = String::with_capacity(body.len() * 3 / 2);
    html::push_html(&mut markup, Parser::new_ext(body, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    budget.check()?;
    let base = item.draft.url.as_deref().or(url).and_then(|url| Url::parse(url).ok());
    item.read_html(&markup, base.as_ref(), budget)?;
    if item.draft.headline.is_empty() && item.lines.first().is_some_and(|first| first.is_heading()) {
        item.draft.headline = item.lines.remove(0).text;
    }
    item.finish(hints, budget).map(|extracted| Extraction::Article(Box::new(extracted)))
}

fn read_fields(fields: &Fields, item: &mut Item) {
    if fields.one(&["draft"]) == "true" || fields.one(&["published"]) == "false" {
        item.not_a_story = Some("a draft in Markdown".to_owned());
    }
    item.draft.headline = fields.one(&["headline", "title"]).to_owned();
    item.draft.subheadline = fields.one(&["subheadline", "subtitle", "description", "summary", "excerpt"]).to_owned();
    let authors = fields.all(&["byline", "authors", "author"]);
    item.set_byline(&authors.join(", "));
    for name in authors.iter().flat_map(|author| byline::split(author, &[])) {
        byline::push(&mut item.draft.authors, name);
    }
    item.set_published(fields.one(&["date", "publishdate", "pubdate", "datepublished", "published_at"]));
    item.set_version_time(fields.one(&["lastmod", "updated", "modified", "updated_at", "last_modified_at"]));
    item.language = fields.one(&["lang", "language"]).to_owned();
    item.draft.section = fields.one(&["section", "category", "categories"]).to_owned();
    fields.all(&["tags", "keywords"]).into_iter().for_each(|tag| item.add_tag(tag));
    item.set_id(fields.one(&["id", "guid", "uuid"]));
    let addresses = ["url", "canonical_url", "canonicalurl", "permalink", "link"];
    item.draft.url = addresses.into_iter().find_map(|name| canonical_url(fields.one(&[name])).ok());
    item.add_media(wire::media(MediaKind::Image, fields.one(&["image", "cover", "thumbnail"]), "", ""));
    item.draft.rights.notice = fields.one(&["copyright"]).to_owned();
    item.draft.dateline = wire::dateline_of(fields.one(&["dateline"]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;
    use crate::extract::draft::{Block, TextKind};

    fn extracted(text: &str) -> Result<Extraction, ExtractError> {
        extract(text, None, &Hints::default(), &Report::default(), &Budget::unattended(&Limits::default()))
    }

    const ARTICLE: &str = "---\ntitle: \"Channel to be dredged\"\nauthors:\n  - name: Ida Quill\n    role: reporter\n  \
        - Tom Hale\ndate: 2026-11-02T09:00:00+01:00\ntags: [harbour, 'ferries']\n\
             summary: >\n  Two ferries\n  ran aground\n\
        url: https://herald.example/1\n---\n\nThe board **agreed** on [Monday](/2).\n\n## Costs\n\n- One\n- Two\n\n\
        | Ferry | Delay |\n|---|---|\n| Ellery | 6 h |\n\n<script>x()</script>\n";

    #[test]
    fn front_matter_gives_the_fields() {
        let Ok(Extraction::Article(article)) = extracted(ARTICLE) else { panic!("no article") };
        let draft = article.draft;
        assert_eq!(draft.body, "The board agreed on Monday.\n\nCosts\n\nOne\n\nTwo\n\nFerry | Delay\nEllery | 6 h");
        assert_eq!(
            (draft.headline.as_str(), draft.subheadline.as_str()),
            ("Channel to be dredged", "Two ferries ran aground")
        );
        assert_eq!(
            (draft.authors, draft.tags),
            (vec!["Ida Quill".into(), "Tom Hale".into()], vec!["harbour".to_owned(), "ferries".to_owned()])
        );
        assert_eq!(draft.publish_time.map(|it| it.time.to_string()), Some("2026-11-02T08:00:00Z".into()));
        assert!(matches!(draft.blocks[1], Block::Text { kind: TextKind::Heading, level: 2, .. }));
    }

    #[test]
    fn the_first_heading_is_the_headline_without_front_matter() {
        let Ok(Extraction::Article(article)) = extracted("# Channel\n\nThe board agreed.") else {
            panic!("no article")
        };
        assert_eq!((article.draft.headline.as_str(), article.draft.body.as_str()), ("Channel", "The board agreed."));
    }

    #[test]
    fn drafts_and_malformed_front_matter_are_refused() {
        let draft = extracted(&ARTICLE.replace("title:", "draft: true\ntitle:")).err();
        assert_eq!(draft, Some(ExtractError::NotAStory { kind: "a draft in Markdown".into() }));
        for (front, problem) in [
            ("title: a\ntitle: b", "the field \"title\" is repeated, at line 3"),
            ("title: a\n?", "line 3 is neither a field nor a list item"),
        ] {
            let error = ExtractError::Malformed { format: "front matter", problem: problem.into() };
            assert_eq!(extracted(&format!("---\n{front}\n---\nText")).err(), Some(error));
        }
        assert!(!is_format("---\nThe harbour board agreed.\n---\n") && is_format("+++\ntitle = 'x'\n+++\n"));
    }
}
