//! Search snippets: the excerpt of a text with the most matches.

use std::ops::Range;

use crate::article::{Query, tokens};

/// Approximate length of a snippet, in characters.
const SNIPPET_CHARS: usize = 200;
/// Length of the searched prefix of a body, in bytes: important matches are near the top.
const SEARCHED_BYTES: usize = 64 << 10;

/// Excerpt of a text, with its matches in Unicode code points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) text: String,
    pub(super) highlights: Vec<Range<usize>>,
}

/// Returns the excerpt of `text` with the most matches, the first of equals; the beginning if nothing matches.
pub(super) fn snippet(text: &str, query: &Query) -> Snippet {
    let searched = &text[..floor(text, SEARCHED_BYTES)];
    let matches = matches(searched, query);
    let start = best_start(searched, &matches);
    let end = text[start..].char_indices().nth(SNIPPET_CHARS).map_or(text.len(), |(at, _)| start + at);
    let end = if end < text.len() { word_end(text, start, end) } else { end };
    let piece = &text[start..end];
    let inside = matches.into_iter().filter(|m| m.start >= start && m.end <= end);
    let highlights = inside.map(|m| code_points(text, start, &m)).collect();
    Snippet { text: piece.replace('\n', " "), highlights }
}

/// Returns the matches in a line, in Unicode code points.
pub(super) fn highlights(line: &str, query: &Query) -> Vec<Range<usize>> {
    matches(line, query).iter().map(|m| code_points(line, 0, m)).collect()
}

/// Returns the ranges that match a phrase of the query, in order and without overlaps, in bytes.
fn matches(text: &str, query: &Query) -> Vec<Range<usize>> {
    let words: Vec<(Range<usize>, String)> = tokens(text).collect();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let fits = |phrase: &&Vec<String>| {
            words.len() - at >= phrase.len()
                && phrase.iter().zip(&words[at..]).all(|(wanted, (_, word))| wanted == word)
        };
        match query.phrases().filter(fits).map(Vec::len).max() {
            Some(length) => {
                found.push(words[at].0.start..words[at + length - 1].0.end);
                at += length;
            }
            None => at += 1,
        }
    }
    found
}

/// Returns the start of the excerpt with the most matches: shortly before the first match, at the start of a word.
fn best_start(text: &str, matches: &[Range<usize>]) -> usize {
    let mut best = (0, 0);
    for (at, first) in matches.iter().enumerate() {
        let inside = matches[at..].iter().take_while(|m| m.end <= first.start + SNIPPET_CHARS * 3 / 4).count();
        if inside > best.0 {
            best = (inside, first.start);
        }
    }
    let (_, first) = best;
    if first < SNIPPET_CHARS / 2 {
        return 0;
    }
    let before = floor(text, first - SNIPPET_CHARS / 4);
    text[before..first].find(char::is_whitespace).map_or(first, |space| {
        let at = before + space;
        at + text[at..].chars().next().map_or(0, char::len_utf8)
    })
}

/// Returns the last end of a word in a range, or the end of the range if it has no space.
fn word_end(text: &str, start: usize, end: usize) -> usize {
    text[start..end].rfind(char::is_whitespace).map_or(end, |space| start + space)
}

fn code_points(text: &str, start: usize, bytes: &Range<usize>) -> Range<usize> {
    let from = text[start..bytes.start].chars().count();
    from..from + text[bytes.clone()].chars().count()
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(text: &str) -> Query {
        Query::parse(text, "query").expect("the query should be valid")
    }

    #[test]
    fn the_stretch_with_the_most_matches_is_shown() {
        let text =
            format!("{} the Harbour bridge and the harbour, {}", "one word ".repeat(60), "another word ".repeat(60));
        let found = snippet(&text, &query("harbour \"bridge and\""));
        let marked: Vec<String> =
            found.highlights.iter().map(|h| found.text.chars().skip(h.start).take(h.len()).collect()).collect();
        assert_eq!(marked, ["Harbour", "bridge and", "harbour"]);
        assert!(found.text.chars().count() <= SNIPPET_CHARS);
    }

    proptest! {
        #[test]
        fn highlights_lie_within(text in "\\PC{0,400}", word in "[a-zé]{1,3}") {
            let found = snippet(&text, &query(&word));
            let length = found.text.chars().count();
            for highlight in &found.highlights {
                prop_assert!(highlight.start < highlight.end && highlight.end <= length);
            }
        }
    }
}
