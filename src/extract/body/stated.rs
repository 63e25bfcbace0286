//! Text of an article that a page states for its scripts: `articleBody`, and the state of single-page applications.

use std::cell::Cell;
use std::collections::HashSet;

use dom_query::Document;
use serde_json::Value;

use super::shingles::shingles;
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::line::{Line, LineKind};

/// Scripts that hold the state of a page, as frameworks name them.
const STATES: &str = "script#__NEXT_DATA__, script#__NUXT_DATA__, script[type=\"application/json\"]";
/// Maximum number of scripts that are read.
const MAX_STATES: usize = 20;
/// Smallest script that may hold an article, in bytes.
const MIN_STATE_BYTES: usize = 1_000;
/// Length of the runs of words that are compared.
const RUN: usize = 4;

/// Returns true if a text says what the page shows, and half as much again: the page shows its beginning.
pub(crate) fn continues(stated: &str, shown: &[Line], budget: &Budget<'_>) -> Result<bool, ExtractError> {
    let chars: usize = shown.iter().map(|line| line.text.len()).sum();
    if stated.len() * 2 < chars * 3 {
        return Ok(false);
    }
    budget.read(stated.len() + chars)?;
    let known: HashSet<u64> = shingles(stated, RUN).into_iter().collect();
    let runs: Vec<u64> = shown.iter().flat_map(|line| shingles(&line.text, RUN)).collect();
    Ok(share(&runs, &known) >= 0.6)
}

/// Returns true if the page shows most of a text somewhere, kept or not.
pub(crate) fn is_shown(stated: &str, page: &str, budget: &Budget<'_>) -> Result<bool, ExtractError> {
    budget.read(stated.len() + page.len())?;
    let known: HashSet<u64> = shingles(page, RUN).into_iter().collect();
    Ok(share(&shingles(stated, RUN), &known) >= 0.7)
}

fn share(runs: &[u64], known: &HashSet<u64>) -> f32 {
    runs.iter().filter(|run| known.contains(run)).count() as f32 / runs.len().max(1) as f32
}

/// Returns the paragraphs of an article in a page's state: the smallest part of it with the beginning that the page
/// shows, and half as much again.
pub(crate) fn in_state(
    document: &Document,
    shown: &[Line],
    budget: &Budget<'_>,
) -> Result<Option<String>, ExtractError> {
    let Some(first) = shown.iter().find(|line| line.is_prose()) else { return Ok(None) };
    let chars: usize = shown.iter().map(|line| line.text.len()).sum();
    for node in document.select(STATES).nodes().iter().take(MAX_STATES) {
        let text = node.text();
        if text.len() < MIN_STATE_BYTES.max(chars) || bounded_parser::json(&text, budget, &Cell::new(0)).is_err() {
            continue;
        }
        budget.read(text.len())?;
        let Ok(state) = serde_json::from_str::<Value>(&text) else { continue };
        let mut search = Search { first: &first.text, least: chars * 3 / 2, paragraphs: Vec::new(), found: None };
        search.visit(&state, budget)?;
        if let Some((start, end)) = search.found {
            return Ok(Some(search.paragraphs[start..end].join("\n\n")));
        }
    }
    Ok(None)
}

struct Search<'a> {
    /// First paragraph that the page shows.
    first: &'a str,
    /// Length of the text to find, in bytes.
    least: usize,
    paragraphs: Vec<String>,
    /// Range of the paragraphs found.
    found: Option<(usize, usize)>,
}

impl Search<'_> {
    /// Collects the paragraphs of a value. Returns true if the first one of the page is among them. The parser of JSON
    /// limits the depth.
    fn visit(&mut self, value: &Value, budget: &Budget<'_>) -> Result<bool, ExtractError> {
        budget.step()?;
        let start = self.paragraphs.len();
        let mut has_first = false;
        match value {
            Value::String(text) => {
                budget.read(text.len())?;
                let spaced = text.replace("</p>", "</p>\n\n");
                for paragraph in bounded_parser::plain(&spaced, budget)?.split("\n\n") {
                    let paragraph = paragraph.trim();
                    has_first |= paragraph == self.first;
                    if Line::new(paragraph.to_owned(), LineKind::Paragraph).is_prose() {
                        self.paragraphs.push(paragraph.to_owned());
                    }
                }
            }
            Value::Array(values) => {
                for value in values {
                    has_first |= self.visit(value, budget)?;
                }
            }
            Value::Object(fields) => {
                for value in fields.values() {
                    has_first |= self.visit(value, budget)?;
                }
            }
            _ => {}
        }
        let chars: usize = self.paragraphs[start..].iter().map(String::len).sum();
        if has_first && self.found.is_none() && chars >= self.least {
            self.found = Some((start, self.paragraphs.len()));
        }
        Ok(has_first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    const FIRST: &str = "The harbour board of Port Ellery agreed to dredge the channel before the winter comes.";
    const SECOND: &str = "Mayor Ida Quill said that the works would cost four million crowns, and last a month.";
    const THIRD: &str = "The fishermen asked for a promise in writing that the inner basin would stay open.";

    #[test]
    fn a_stub_is_continued_from_the_state_of_the_page() {
        let limits = Limits { base_steps: 40_000_000, ..Limits::default() };
        let budget = Budget::unattended(&limits);
        let teaser = "Another story with a long teaser, which stands in another part of the state of the page.";
        let padding = "x".repeat(MIN_STATE_BYTES);
        let page = format!(
            "<p>{FIRST}</p><script id=__NEXT_DATA__ type='application/json'>{{\"padding\": \"{padding}\", \"props\": \
             {{\"story\": {{\"body\": [{{\"t\": \"{FIRST}\"}}, {{\"t\": \"<p>{SECOND}</p><p>{THIRD}</p>\"}}]}}, \
             \"teasers\": [\"{teaser}\"]}}}}</script>"
        );
        let document = bounded_parser::parse(&page, &budget).unwrap();
        let shown = [Line::new(FIRST.to_owned(), LineKind::Paragraph)];
        let found = in_state(&document, &shown, &budget).unwrap();
        assert_eq!(found, Some([FIRST, SECOND, THIRD].join("\n\n")));
        let other = [Line::new(teaser.replace("long", "short"), LineKind::Paragraph)];
        assert_eq!(in_state(&document, &other, &budget).unwrap(), None);
    }

    #[test]
    fn a_longer_text_with_the_same_beginning_continues_it() {
        let limits = Limits::default();
        let budget = Budget::unattended(&limits);
        let shown = [Line::new(FIRST.to_owned(), LineKind::Paragraph)];
        assert_eq!(continues(&[FIRST, SECOND, THIRD].join("\n\n"), &shown, &budget), Ok(true));
        assert_eq!(continues(&[SECOND, THIRD].join("\n\n"), &shown, &budget), Ok(false));
        assert_eq!(continues(FIRST, &shown, &budget), Ok(false));
        assert_eq!(is_shown(FIRST, &[SECOND, FIRST].join("\n"), &budget), Ok(true));
    }
}
