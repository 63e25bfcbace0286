//! Search snippets: the excerpt of a text with the most matches.

use std::ops::Range;

use crate::article::Highlights;

/// Approximate length of a snippet, in characters.
const SNIPPET_CHARS: usize = 200;
/// Length of the prefix of a body that is searched first, in bytes: important matches are near the top.
const SEARCHED_FIRST: usize = 64 << 10;
/// Mark where a snippet begins after the beginning of the text, or ends before its end.
const ELLIPSIS: &str = "…";

/// Part of a text: a match of the query, or the text between two matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPart {
    /// Text; not empty.
    pub text: String,
    /// True if it matches.
    pub matched: bool,
}

/// Returns the excerpt of `text` with the most matches, the first of equals, in one line; the beginning if nothing
/// matches.
pub(super) fn snippet(text: &str, highlights: &Highlights<'_>) -> Vec<TextPart> {
    let mut searched = &text[..floor(text, SEARCHED_FIRST)];
    let mut matches = highlights.find(searched);
    if matches.is_empty() && searched.len() < text.len() {
        searched = text;
        matches = highlights.find(searched);
    }
    let start = best_start(searched, &matches);
    let end = text[start..].char_indices().nth(SNIPPET_CHARS).map_or(text.len(), |(at, _)| start + at);
    // The last space of a text that is written without them may be before a match.
    let last = matches.iter().rfind(|m| m.start >= start && m.end <= end).map_or(start, |last| last.end);
    let end = if end < text.len() { word_end(text, last, end) } else { end };
    let inside = matches.iter().filter(|m| m.start >= start && m.end <= end);
    let mut parts = parts(text, start..end, inside);
    if start > 0 {
        match parts.first_mut() {
            Some(first) if !first.matched => first.text.insert_str(0, ELLIPSIS),
            _ => parts.insert(0, TextPart { text: ELLIPSIS.to_owned(), matched: false }),
        }
    }
    if end < text.len() {
        match parts.last_mut() {
            Some(last) if !last.matched => last.text.push_str(ELLIPSIS),
            _ => parts.push(TextPart { text: ELLIPSIS.to_owned(), matched: false }),
        }
    }
    parts
}

/// Returns a whole line in parts.
pub(super) fn line(line: &str, highlights: &Highlights<'_>) -> Vec<TextPart> {
    parts(line, 0..line.len(), highlights.find(line).iter())
}

/// Cuts a range of a text at its matches, which are in order and without overlaps.
fn parts<'a>(text: &str, range: Range<usize>, matches: impl Iterator<Item = &'a Range<usize>>) -> Vec<TextPart> {
    let mut parts = Vec::new();
    let mut push = |range: Range<usize>, matched| {
        if !range.is_empty() {
            // Breaks between paragraphs are of one line.
            let text = text[range].replace("\n\n", " ").replace('\n', " ");
            parts.push(TextPart { text, matched });
        }
    };
    let mut at = range.start;
    for found in matches {
        push(at..found.start, false);
        push(found.clone(), true);
        at = found.end;
    }
    push(at..range.end, false);
    parts
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

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::article::{Query, TextField};
    use proptest::prelude::*;

    fn query(text: &str) -> Query {
        Query::parse(text, "query").expect("the query should be valid")
    }

    fn body_snippet(text: &str, query: &Query) -> Vec<TextPart> {
        snippet(text, &Highlights::new(query, TextField::Body, "en"))
    }

    fn matched(parts: &[TextPart]) -> Vec<&str> {
        parts.iter().filter(|part| part.matched).map(|part| &*part.text).collect()
    }

    #[test]
    fn the_stretch_with_the_most_matches_is_shown() {
        let text =
            format!("{} the Harbour bridge and the harbours, {}", "one word ".repeat(60), "another word ".repeat(60));
        let found = body_snippet(&text, &query("harbour \"bridge and\""));
        assert_eq!(matched(&found), ["Harbour", "bridge and", "harbours"]);
        let whole: String = found.iter().map(|part| &*part.text).collect();
        assert!(whole.contains("the Harbour bridge and the harbours,") && whole.chars().count() <= SNIPPET_CHARS + 2);
        assert!(whole.starts_with('…') && whole.ends_with('…'));
    }

    #[test]
    fn a_match_far_down_is_shown() {
        let text = format!("{} the harbour", "one word ".repeat(20_000));
        assert_eq!(matched(&body_snippet(&text, &query("harbour"))), ["harbour"]);
    }

    #[test]
    fn texts_without_spaces_show_their_match() {
        for (word, before, after) in [
            ("关键词乙", "北京 这是一个很长的段落没有任何空格", "继续写下去没有空格的文字"),
            ("กุญแจ", "สั้น ข่าวประเทศ", "ต่อไปเรื่อยๆไม่มีเว้นวรรค"),
        ] {
            let text = format!("{before}{word}{}", after.repeat(30));
            let found = body_snippet(&text, &query(word));
            assert_eq!(matched(&found), [word]);
            assert!(found[0].text.starts_with(&before[..3]) && found.len() == 3, "{found:?}");
        }
    }

    #[test]
    fn a_run_of_letters_does_not_make_it_longer() {
        let text = format!("one {} two", "x".repeat(5_000));
        let whole: String = body_snippet(&text, &query(&"x".repeat(64))).into_iter().map(|part| part.text).collect();
        assert!(whole.chars().count() <= SNIPPET_CHARS + 2, "{whole}");
    }

    proptest! {
        #[test]
        fn parts_are_of_the_text(text in "[a-cé 日\\n]{0,400}", word in "[a-cé日]{1,3}") {
            let query = query(&word);
            let whole: String = body_snippet(&text, &query).into_iter().map(|part| part.text).collect();
            let shown = whole.strip_prefix(ELLIPSIS).unwrap_or(&whole);
            let shown = shown.strip_suffix(ELLIPSIS).unwrap_or(shown);
            prop_assert!(text.replace("\n\n", " ").replace('\n', " ").contains(shown));
            let parts = line(&text, &Highlights::new(&query, TextField::Headline, "xx"));
            for (at, part) in parts.iter().enumerate() {
                prop_assert!(!part.text.is_empty());
                prop_assert!(at == 0 || parts[at - 1].matched || part.matched, "adjacent parts differ");
            }
        }
    }
}
