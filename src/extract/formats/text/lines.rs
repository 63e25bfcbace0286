//! Lines of a text dump: unwraps lines that a mailer or a text browser wrapped at a width.

use crate::article::clean_line;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::formats::text::script::is_dense;
use crate::extract::line::{Line, LineKind};

/// Marks at the start of a list item.
const BULLETS: [&str; 10] = ["* ", "• ", "- ", "– ", "— ", "· ", "◦ ", "▪ ", "● ", "■ "];
/// Range of widths at which programs wrap text, in characters.
const WRAP_WIDTHS: std::ops::RangeInclusive<usize> = 40..=132;
/// Minimum number of wrapped lines in a dump that is wrapped as a whole.
const MIN_WRAPPED: usize = 4;

/// A line of a dump as it stands there.
struct RawLine {
    text: String,
    is_after_blank: bool,
}

/// Lines of a dump.
pub(super) struct DumpLines {
    pub(super) lines: Vec<Line>,
    /// True for each line with a blank line before it.
    pub(super) after_blank: Vec<bool>,
}

/// Reads the lines of a dump. A line break ends a paragraph, unless the lines were wrapped at a width.
pub(super) fn read(text: &str, budget: &Budget<'_>) -> Result<DumpLines, ExtractError> {
    check_size(text.len(), text.bytes().filter(|byte| matches!(byte, b'\n' | b'\r')).count() / 2, budget)?;
    let mut raw = Vec::new();
    let mut is_after_blank = true;
    for part in text.split(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}', '\u{0B}', '\u{0C}']) {
        budget.read(part.len())?;
        let text = clean_line(part);
        if text.is_empty() {
            is_after_blank = true;
        } else {
            raw.push(RawLine { text, is_after_blank: std::mem::take(&mut is_after_blank) });
        }
    }
    check_size(raw.iter().map(|line| line.text.len()).sum(), raw.len(), budget)?;
    Ok(unwrapped(raw))
}

/// Rejects an article's text that is too long or has too many lines.
pub(crate) fn check_size(bytes: usize, lines: usize, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let (max_bytes, max_lines) = (budget.limits.max_text_bytes, budget.limits.max_lines);
    if bytes > max_bytes {
        return Err(ExtractError::TooComplex { limit: "bytes of text in one article", max: max_bytes as u64 });
    }
    if lines > max_lines {
        return Err(ExtractError::TooComplex { limit: "lines of text", max: max_lines as u64 });
    }
    Ok(())
}

/// Joins wrapped lines.
fn unwrapped(raw: Vec<RawLine>) -> DumpLines {
    let joins = joins(&raw);
    let mut out = DumpLines { lines: Vec::with_capacity(raw.len()), after_blank: Vec::with_capacity(raw.len()) };
    for (line, joined) in raw.into_iter().zip(joins) {
        match out.lines.last_mut() {
            Some(before) if joined => {
                if !(before.text.ends_with(is_dense) && line.text.starts_with(is_dense)) {
                    before.text.push(' ');
                }
                before.text.push_str(&line.text);
            }
            _ => {
                out.lines.push(Line::new(line.text, LineKind::Paragraph));
                out.after_blank.push(line.is_after_blank);
            }
        }
    }
    out
}

/// Returns for each line whether it continues the line before it.
fn joins(raw: &[RawLine]) -> Vec<bool> {
    let mut joins = vec![false; raw.len()];
    let widths: Vec<usize> = raw.iter().map(|line| line.text.chars().count()).collect();
    // A long address is not broken.
    let breaks = |line: &RawLine| line.text.contains(|c| c == ' ' || is_dense(c));
    let widest = raw.iter().zip(&widths).filter(|(line, _)| breaks(line)).map(|(_, width)| *width).max().unwrap_or(0);
    if WRAP_WIDTHS.contains(&widest) {
        // A program breaks a line only where the next word does not fit.
        let fits = |at: usize| widths[at - 1] + 1 + first_word(&raw[at].text) <= widest;
        let follows = |at: &usize| !raw[*at].is_after_blank && !is_item(&raw[*at].text);
        let long = |at: &usize| widths[at - 1] * 10 >= widest * 6 && !ends_a_sentence(&raw[at - 1].text);
        let broken: Vec<usize> = (1..raw.len()).filter(follows).filter(long).collect();
        let full = broken.iter().filter(|at| !fits(**at)).count();
        if full >= MIN_WRAPPED && full * 10 >= broken.len() * 8 {
            (1..raw.len()).filter(follows).filter(|at| !fits(*at)).for_each(|at| joins[at] = true);
            return joins;
        }
    }
    let mut start = 0;
    for end in 1..=raw.len() {
        if raw.get(end).is_none_or(|line| line.is_after_blank) {
            if is_wrapped(&raw[start..end], &widths[start..end]) {
                joins[start + 1..end].fill(true);
            }
            start = end;
        }
    }
    joins
}

/// Returns true if all lines except the last have about the same width and break within sentences.
fn is_wrapped(lines: &[RawLine], widths: &[usize]) -> bool {
    let (Some((_, full)), Some((_, widths))) = (lines.split_last(), widths.split_last()) else { return false };
    let Some(widest) = widths.iter().max() else { return false };
    let broken = full.iter().filter(|line| !ends_a_sentence(&line.text)).count();
    *widest >= 40 && *widest <= 100 && widths.iter().all(|width| width * 10 >= widest * 7) && broken * 2 > full.len()
}

fn ends_a_sentence(text: &str) -> bool {
    text.ends_with(['.', '!', '?', ':', '”', '"', '。'])
}

/// Returns true if a line begins like a list item.
pub(super) fn is_item(text: &str) -> bool {
    BULLETS.iter().any(|bullet| text.starts_with(bullet))
}

/// Returns the length of the first word. Scripts without spaces break between any two characters.
fn first_word(text: &str) -> usize {
    match text.chars().position(|c| c == ' ' || is_dense(c)) {
        Some(0) => 1,
        Some(end) => end,
        None => text.chars().count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    fn texts(dump: &str) -> Vec<String> {
        let lines = read(dump, &Budget::unattended(&Limits::default())).unwrap().lines;
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn wrapped_paragraphs_are_joined_and_lists_are_not() {
        let dump = "News\nSport\n* Weather on the coast\n* Tides\nThe northern channel of Port Ellery will be dredged\n\
            before the winter, whatever it costs, Mayor Ida\nQuill said, and the works begin on Monday with the\nfirst \
            of the two dredgers, which is expected from\nLowmouth as soon as the storm has passed.\n* Tides";
        let joined = texts(dump);
        assert_eq!(joined.len(), 6, "{joined:?}");
        assert!(joined[4].starts_with("The northern") && joined[4].ends_with("has passed."));
    }

    #[test]
    fn one_wrapped_paragraph_is_enough() {
        let dump = "A headline about boats\n\nThe northern channel of Port Ellery will be dredged before\nthe winter, \
            whatever it costs, Mayor Ida Quill said, and the\nworks begin on Monday.";
        assert_eq!(texts(dump).len(), 2);
    }

    #[test]
    fn joined_lines_of_chinese_get_no_space() {
        let line = "埃勒里港市议会星期一决定在冬季来临之前疏浚北部航道此前一周内有两艘渡轮搁浅第三艘延误";
        let joined = texts(&format!("{line}\n{line}\n{line}\n{line}\n{line}\n到十一月底。"));
        assert_eq!(joined.len(), 1);
        assert!(!joined[0].contains(' '));
    }
}
