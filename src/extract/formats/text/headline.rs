//! The headline of a dump: the page's title in its first line, and the headline itself further down.

use std::collections::HashSet;

use super::main_text::Judgement;
use super::script::width;
use super::shape::{is_content, tokens};
use super::title_line::{MAX_WIDTH, MIN_WIDTH};
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::fields::{byline, dates};
use crate::extract::line::Line;

/// Characters between a headline and the name of the site in a page's title.
const SEPARATORS: [&str; 7] = [" | ", " - ", " – ", " — ", " :: ", " · ", " » "];
/// Lines above the text that are searched for the headline.
const HEAD: usize = 12;
/// Number of letters of the text in which the words of a headline are looked up.
const TEXT_WIDTH: usize = 3_000;
/// Minimum share of the words of a headline that the text has.
const MIN_SHARE: f32 = 0.34;

/// The headline of a dump.
#[derive(Default)]
pub(super) struct Headline {
    pub(super) text: String,
    /// Index of its line. None if it is a part of the page's title only.
    pub(super) at: Option<usize>,
    /// Index of the first line that can belong to the text.
    pub(super) from: usize,
}

impl Headline {
    /// Finds the headline: the line that says the page's title again, the first line of a dump without menus, or the
    /// line above the text with most of its words.
    pub(super) fn of(lines: &[Line], judgement: &Judgement, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let start = judgement.start();
        if let Some(at) = judgement.headline {
            let from = if at <= start { at + 1 } else { 0 };
            return Ok(Self { text: lines[at].text.clone(), at: Some(at), from });
        }
        let Some(first) = lines.first() else { return Ok(Self::default()) };
        if start <= 2 {
            let is_title = lines.len() > 1 && is_like(&first.text);
            return Ok(if is_title {
                Self { text: first.text.clone(), at: Some(0), from: 1 }
            } else {
                Self::default()
            });
        }
        let mut words = HashSet::new();
        let mut left = TEXT_WIDTH;
        for (_, line) in lines.iter().enumerate().filter(|(at, _)| judgement.is_in(*at)) {
            budget.read(line.text.len())?;
            words.extend(tokens(&line.text));
            match left.checked_sub(width(&line.text)) {
                Some(rest) => left = rest,
                None => break,
            }
        }
        let share = |text: &str| {
            let said = tokens(text);
            let known = said.iter().filter(|word| is_content(word) && words.contains(*word)).count();
            known as f32 / said.iter().filter(|word| is_content(word)).count().max(1) as f32
        };
        let title = without_site(&first.text);
        let mut best = (MIN_SHARE, Self::default());
        if is_like(title) && share(title) >= best.0 {
            best = (share(title), Self { text: title.to_owned(), at: None, from: 1 });
        }
        for (at, line) in lines.iter().enumerate().take(start).skip(start.saturating_sub(HEAD).max(1)) {
            budget.read(line.text.len())?;
            // A page's title is the best evidence, a short line the weakest.
            let share = share(&line.text) * if best.1.at.is_none() && best.1.from > 0 { 0.8 } else { 1.0 };
            if width(&line.text) >= 2 * MIN_WIDTH && is_like(&line.text) && share >= best.0 {
                best = (share, Self { text: line.text.clone(), at: Some(at), from: at + 1 });
            }
        }
        Ok(best.1)
    }
}

/// Returns true if a line can be a headline: short, and without the end of a sentence.
fn is_like(line: &str) -> bool {
    width(line) <= MAX_WIDTH
        && !line.ends_with(['.', ',', ';', ':'])
        && !dates::is_date_line(line)
        && !byline::is_byline(line, &[])
        && line.chars().any(char::is_alphabetic)
}

/// Removes the name of the site from the end of a page's title.
fn without_site(title: &str) -> &str {
    let cut = SEPARATORS.iter().filter_map(|separator| title.rfind(separator)).max();
    match cut {
        Some(at) if title[at..].split(' ').count() <= 7 && width(&title[..at]) >= MIN_WIDTH => {
            without_site(&title[..at])
        }
        _ => title,
    }
}
