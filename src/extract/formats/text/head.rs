//! The byline and the date of a dump, from the lines between its headline and its text.

use std::ops::Range;

use super::headline::Headline;
use super::script::width;
use crate::extract::budget::Budget;
use crate::extract::draft::Draft;
use crate::extract::error::ExtractError;
use crate::extract::fields::{byline, dates};
use crate::extract::line::Line;

/// Lines after the headline that are searched.
const BELOW: usize = 12;
/// Lines above the text that are searched without a headline.
const ABOVE: usize = 6;
/// Maximum length of a line with a date, in letters.
const DATE_WIDTH: usize = 110;
/// Maximum length of a line with names, in letters.
const NAMES_WIDTH: usize = 90;

/// Copies the date and the names to the draft. `start` is the first line of the text.
pub(super) fn read(
    lines: &[Line],
    headline: &Headline,
    start: usize,
    draft: &mut Draft,
    budget: &Budget<'_>,
) -> Result<(), ExtractError> {
    let range = range(lines.len(), headline, start);
    let head = &lines[range];
    head.iter().take(BELOW).try_for_each(|line| budget.read(line.text.len()))?;
    let date = head.iter().position(|line| has_date(&line.text));
    if draft.publish_time.is_none()
        && let Some(line) = date.map(|at| &head[at].text)
        && dates::label(line) != Some(dates::Label::Updated)
    {
        draft.publish_time = dates::find(line, dates::Locale::default()).first().map(|found| found.stated);
    }
    if let Some(line) = names(head, date) {
        draft.byline = line.chars().take(byline::MAX_CHARS).collect();
        for name in byline::split(&line, &[]) {
            byline::push(&mut draft.authors, name);
        }
    }
    Ok(())
}

/// Returns the lines between the headline and the text, and the first two lines of the text.
fn range(count: usize, headline: &Headline, start: usize) -> Range<usize> {
    let end = (start + 2).min(count);
    let first = headline.at.filter(|at| *at < end).map_or(start.saturating_sub(ABOVE), |at| at + 1);
    first.min(end)..end.min(first + BELOW).max(first.min(end))
}

fn has_date(line: &str) -> bool {
    width(line) <= DATE_WIDTH && !dates::find(line, dates::Locale::default()).is_empty()
}

/// Returns the line with the names of the authors: one that begins like a byline, one below a label such as `By`, or
/// one right above the date.
fn names(head: &[Line], date: Option<usize>) -> Option<String> {
    let is_short = |line: &Line| width(&line.text) <= NAMES_WIDTH;
    for (at, line) in head.iter().enumerate().filter(|(_, line)| is_short(line)) {
        let labelled =
            head.get(at + 1).filter(|next| is_short(next)).map(|next| format!("{} {}", line.text, next.text));
        let is_label = line.text.split(' ').count() <= 2 && byline::split(&line.text, &[]).is_empty();
        let candidates = [Some(line.text.clone()), labelled.filter(|_| is_label)];
        let found = candidates.into_iter().flatten().find(|text| {
            byline::parse(text, &[]).is_marked && byline::is_byline(text, &[]) && !byline::split(text, &[]).is_empty()
        });
        if found.is_some() {
            return found;
        }
    }
    // Without a label: names only, with the date in the same line or below it.
    let date = date?;
    let own = head[date].text.as_str();
    let found = dates::find(own, dates::Locale::default());
    let before = found.first().and_then(|found| own.get(..found.start)).unwrap_or_default();
    let above = date.checked_sub(1).filter(|at| is_short(&head[*at])).map(|at| head[at].text.as_str());
    [Some(before), above].into_iter().flatten().find(|text| are_names(text)).map(str::to_owned)
}

/// Returns true if a text is made of names of persons: each word begins with a capital or joins two names.
fn are_names(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').filter(|word| word.contains(char::is_alphabetic)).collect();
    let is_name =
        |word: &&str| word.chars().count() <= 3 || word.starts_with(|c: char| c.is_uppercase() || !c.is_lowercase());
    (2..=8).contains(&words.len())
        && words.iter().all(is_name)
        && !text.contains(|c: char| c.is_numeric())
        && !byline::split(text, &[]).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;
    use crate::extract::line::LineKind;

    #[test]
    fn bylines_and_dates_below_the_headline() {
        for (head, name, day) in [
            (&["By Jane Doe", "June 5, 2024"][..], "Jane Doe", "2024-06-05"),
            (&["By", "Jane Doe", "Published June 5, 2024 at 7:35 PM"], "Jane Doe", "2024-06-05"),
            (&["Jane Doe", "5 June 2024, 19:35"], "Jane Doe", "2024-06-05"),
            (&["Jane Doe June 5, 2024 Comments"], "Jane Doe", "2024-06-05"),
            (&["Harbour", "5 июня 2024, 12:40"], "", "2024-06-05"),
            (&["Share this article"], "", ""),
        ] {
            let mut lines = vec![Line::new("Channel to be dredged".to_owned(), LineKind::Paragraph)];
            lines.extend(head.iter().map(|text| Line::new((*text).to_owned(), LineKind::Paragraph)));
            let headline = Headline { text: lines[0].text.clone(), at: Some(0), from: 1 };
            let start = lines.len();
            let mut draft = Draft::default();
            read(&lines, &headline, start, &mut draft, &Budget::unattended(&Limits::default())).unwrap();
            let found = draft.publish_time.map(|stated| stated.time.to_string()[..10].to_owned()).unwrap_or_default();
            assert_eq!(draft.authors.first().map_or("", |author| author.name.as_str()), name, "{head:?}");
            assert_eq!(found, day, "{head:?}");
        }
    }
}
