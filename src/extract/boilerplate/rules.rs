//! The cleaning rules: aggressive at the head and the foot of a text, careful in between. Every cut is reported.

use super::cut::cut;
use super::{captions, foot, furniture};
use crate::article::fold;
use crate::extract::budget::Budget;
use crate::extract::draft::Draft;
use crate::extract::error::ExtractError;
use crate::extract::fields::{byline, dateline, dates};
use crate::extract::line::{Line, LineKind};
use crate::extract::phrases::is_teaser_heading;
use crate::extract::report::{CutReason, Report};

/// Lines at the head that are searched for content of other fields.
const HEAD: usize = 8;
/// Maximum length of a teaser, in characters.
const TEASER_CHARS: usize = 260;

/// Context of the rules besides the lines.
pub(crate) struct CleaningContext<'a> {
    pub(crate) headline: &'a str,
    pub(crate) subheadline: &'a str,
    /// True for text dumps. Pages have had their main text found already.
    pub(crate) is_dump: bool,
    /// Address of the page.
    pub(crate) site: Option<&'a str>,
    /// Confidence of the model that found the text, for pages.
    pub(crate) body_confidence: Option<f32>,
}

/// Cuts what is not the article's text.
pub(crate) fn clean(
    mut lines: Vec<Line>,
    context: &CleaningContext<'_>,
    draft: &mut Draft,
    report: &mut Report,
    budget: &Budget<'_>,
) -> Result<Vec<Line>, ExtractError> {
    // Each rule reads every line once.
    let read = |lines: &[Line]| lines.iter().try_for_each(|line| budget.read(line.text.len()));
    read(&lines)?;
    cut_rules(&mut lines, report);
    read(&lines)?;
    cut_repeated_headline(&mut lines, context, report);
    read(&lines)?;
    cut_head(&mut lines, context, draft, report);
    read(&lines)?;
    cut_teasers(&mut lines, context, report);
    read(&lines)?;
    furniture::cut_promos(&mut lines, context.site, report);
    furniture::cut_phrases(&mut lines, report);
    read(&lines)?;
    foot::cut_dated_teasers(&mut lines, report);
    foot::cut_credits(&mut lines, context.site, draft, report);
    cut_foot(&mut lines, report);
    read(&lines)?;
    captions::cut_captions(&mut lines, draft, report);
    read(&lines)?;
    cut_repeats(&mut lines, report);
    if let Some(first) = lines.iter_mut().find(|line| !line.is_object() && !line.is_heading() && !line.is_table())
        && let Some(rest) = dateline::take(&first.text, draft, report)
    {
        first.text = rest;
    }
    Ok(lines)
}

/// Cuts horizontal rules made of dashes, and lines without a letter or a digit.
fn cut_rules(lines: &mut Vec<Line>, report: &mut Report) {
    cut(lines, report, "rule-line", 0.99, |_, line| {
        (!line.text.chars().any(char::is_alphanumeric)).then_some(CutReason::Rule)
    });
}

/// Cuts a repeated headline at the head: the same words, with any punctuation.
fn cut_repeated_headline(lines: &mut Vec<Line>, context: &CleaningContext<'_>, report: &mut Report) {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(fold).collect()
    };
    let headline = words(context.headline);
    let subheadline = words(context.subheadline);
    if headline.is_empty() {
        return;
    }
    cut(lines, report, "headline-repeated", 0.95, |at, line| {
        let said = words(&line.text);
        let same = said == headline || (at < 3 && said.len() > 4 && is_same(&said, &headline));
        let sub = at < 4 && !subheadline.is_empty() && said == subheadline && !line.is_prose();
        ((at < HEAD && same) || sub || (line.is_heading() && same)).then_some(CutReason::RepeatedHeadline)
    });
}

/// Returns true if nearly all words are the same.
fn is_same(one: &[String], other: &[String]) -> bool {
    // A larger difference in length rules out enough shared words.
    if one.len().min(other.len()) * 10 < one.len().max(other.len()) * 8 {
        return false;
    }
    let common = one.iter().filter(|word| other.contains(word)).count();
    common * 10 >= one.len().max(other.len()) * 8
}

/// Cuts bylines, dates and reading times at the head.
fn cut_head(lines: &mut Vec<Line>, context: &CleaningContext<'_>, draft: &mut Draft, report: &mut Report) {
    let prose = lines.iter().position(Line::is_prose).unwrap_or(0);
    let authors = draft.authors.clone();
    let mut found = Vec::new();
    let removed = cut(lines, report, "head-byline", 0.9, |at, line| {
        let byline = at < HEAD.min(prose + 2) && byline::is_byline(&line.text, &authors);
        let date = at < HEAD.min(prose + 2) && (dates::is_date_line(&line.text) || is_reading_time(&line.text));
        (byline || date).then_some(CutReason::Byline)
    });
    let names = |line: &Line, publisher: &str| match dates::is_date_line(&line.text) {
        true => Vec::new(),
        false => byline::split(&line.text, &[publisher]),
    };
    for line in &removed {
        found.extend(names(line, &draft.publisher));
        // The dates of a page have been weighed already.
        if context.is_dump && draft.publish_time.is_none() && dates::label(&line.text) != Some(dates::Label::Updated) {
            // The language is not known yet.
            draft.publish_time = dates::find(&line.text, dates::Locale::default()).first().map(|found| found.stated);
        }
    }
    if draft.byline.is_empty()
        && let Some(line) = removed.iter().find(|line| !names(line, &draft.publisher).is_empty())
    {
        draft.byline = line.text.chars().take(byline::MAX_CHARS).collect();
    }
    if draft.authors.is_empty() {
        found.into_iter().for_each(|name| byline::push(&mut draft.authors, name));
    }
}

/// Returns true for the time that reading takes: `4 min read`, `Lesezeit: 3 Minuten`.
fn is_reading_time(line: &str) -> bool {
    const UNITS: [&str; 7] = ["min", "мин", "хв", "λεπτ", "דק", "دقیقه", "دقائق"];
    let folded = fold(line);
    let words: Vec<&str> = folded.split_whitespace().collect();
    let is_number = |word: &&str| word.len() <= 2 && word.chars().all(|c| c.is_ascii_digit());
    let is_spaced =
        words.windows(2).any(|pair| is_number(&pair[0]) && UNITS.iter().any(|unit| pair[1].starts_with(unit)));
    let is_glued = words.iter().any(|word| {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < word.len() && ["min", "мин", "分", "분"].iter().any(|known| unit.starts_with(known))
    });
    let begins_as_time = folded.starts_with(|c: char| c.is_ascii_digit()) || folded.contains(':') || words.len() <= 4;
    line.chars().count() < 40 && words.len() <= 6 && begins_as_time && (is_spaced || is_glued)
}

/// Cuts a teaser heading with its teasers: to the end if only teasers follow, otherwise only the links below it.
fn cut_teasers(lines: &mut Vec<Line>, context: &CleaningContext<'_>, report: &mut Report) {
    // In a dump a teaser looks like prose. It is recognized as a single line below a teaser heading.
    let is_teaser = |line: &Line| {
        line.is_object()
            || line.chars() <= TEASER_CHARS
                && (context.is_dump || !line.is_prose() || line.is_links() || line.kind == LineKind::ListItem)
    };
    // Only teasers follow from here on.
    let foot = lines.iter().rposition(|line| !is_teaser(line)).map_or(0, |last| last + 1);
    let mut kept = Vec::with_capacity(lines.len());
    let mut prose_before = false;
    let mut rest = std::mem::take(lines).into_iter().enumerate().peekable();
    while let Some((at, line)) = rest.next() {
        if line.is_object() || !is_teaser_heading(&line.text) {
            prose_before |= line.is_prose();
            kept.push(line);
            continue;
        }
        let all = prose_before && at + 1 >= foot;
        let (rule, confidence) = if all { ("teasers-at-foot", 0.9) } else { ("teasers", 0.8) };
        report.cut(&line.text, CutReason::Teasers, rule, confidence);
        // A linked heading has a paragraph below it.
        let mut is_below_link = false;
        let under = |line: &Line| all || line.is_links() || is_teaser_heading(&line.text);
        while let Some((_, line)) =
            rest.next_if(|(_, line)| under(line) || is_below_link && line.chars() <= TEASER_CHARS && !line.is_heading())
        {
            is_below_link = line.is_links() && line.is_heading() || is_below_link && line.is_object();
            if !line.is_object() {
                report.cut(&line.text, CutReason::Teasers, rule, confidence);
            }
        }
    }
    *lines = kept;
}

/// Cuts from the end up to the first line of prose. A short line may be the article's last sentence, so it is cut only
/// if it is linked or is a heading with nothing below it.
fn cut_foot(lines: &mut Vec<Line>, report: &mut Report) {
    while let Some(last) = lines.last() {
        if last.is_object() {
            break;
        }
        let reason = if last.is_links() || (last.linked * 2 > last.chars() && !last.is_prose()) {
            CutReason::Teasers
        } else if last.is_heading() || is_teaser_heading(&last.text) {
            CutReason::Furniture
        } else {
            break;
        };
        report.cut(&last.text, reason, "foot", 0.8);
        lines.pop();
    }
}

/// Cuts repeated paragraphs.
fn cut_repeats(lines: &mut Vec<Line>, report: &mut Report) {
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::with_capacity(lines.len());
    for line in lines.drain(..) {
        if !line.is_object() && line.chars() >= 60 && !seen.insert(line.text.clone()) {
            report.cut(&line.text, CutReason::RepeatedText, "said-twice", 0.9);
        } else {
            kept.push(line);
        }
    }
    *lines = kept;
}
