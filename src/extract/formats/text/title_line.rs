//! The line of a dump that says the first line again: the headline below the menus.

use std::collections::HashSet;

use super::script::width;
use super::shape::tokens;
use crate::article::fold;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::line::Line;

/// Maximum length of a headline, in letters.
pub(super) const MAX_WIDTH: usize = 300;
/// Minimum length of a headline that is found by its resemblance to the first line, in letters.
pub(super) const MIN_WIDTH: usize = 10;

/// Returns the index of the line that says the headline again after the first line: the last one up to `start`, the
/// first line of the main text, or the first one after it.
pub(super) fn find(lines: &[Line], start: usize, budget: &Budget<'_>) -> Result<Option<usize>, ExtractError> {
    let Some(first) = lines.first().filter(|first| width(&first.text) <= MAX_WIDTH) else { return Ok(None) };
    let title = fold(&first.text);
    let words = tokens(&title);
    let set: HashSet<&str> = words.iter().map(String::as_str).collect();
    let mut found = None;
    for (at, line) in lines.iter().enumerate().skip(1) {
        budget.step()?;
        // A headline after the start of the text would be another article's.
        if at > start + 2 && (found.is_some() || at > start + 40) {
            break;
        }
        let width = width(&line.text);
        if (MIN_WIDTH..=MAX_WIDTH).contains(&width) && is_same(&line.text, &title, &words, &set) {
            found = Some(at);
        }
    }
    Ok(found)
}

/// Returns true if a line is the title, or the most part of it.
fn is_same(line: &str, title: &str, words: &[String], set: &HashSet<&str>) -> bool {
    let folded = fold(line);
    if title.starts_with(&folded) || title.ends_with(&folded) {
        return folded.len() * 10 >= title.len() * 4;
    }
    let said = tokens(&folded);
    if said.len() < 3 {
        return false;
    }
    let common = said.iter().filter(|word| set.contains(word.as_str())).count();
    common * 10 >= said.len() * 8 && common * 10 >= words.len() * 5
}
