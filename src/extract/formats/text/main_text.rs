//! The main text of a dump: each line is judged by a learned model.

use std::sync::LazyLock;

use super::features::{self, Features};
use super::lines::DumpLines;
use super::shape::ends_a_sentence;
use super::title_line;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::fields::{byline, dates};
use crate::extract::line::Line;
use crate::extract::phrases::{Furniture, furniture, is_teaser_heading};
use crate::extract::report::{CutReason, Report};
use crate::extract::trees::{Trees, probability};

/// Names of the features.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(features::names);
/// Names of the rules by feature, for the report.
static RULES: LazyLock<Vec<String>> =
    LazyLock::new(|| NAMES.iter().map(|name| format!("line-model: {name}")).collect());
/// The model. A unit test holds that the file is valid.
static TREES: LazyLock<Trees> = LazyLock::new(|| {
    let names: Vec<&str> = NAMES.iter().map(String::as_str).collect();
    Trees::parse(include_str!("weights.txt"), &names).expect("weights of the source tree are valid")
});

/// Probability above which a line is always kept.
const THRESHOLD: f32 = 0.5;
/// Share of the mean probability of the most probable lines that is enough where all lines are doubtful.
const RELATIVE_THRESHOLD: f32 = 0.7;
/// Number of the most probable lines.
const TOP_LINES: usize = 8;
/// Lines between the headline and the text that are searched for a byline and a date.
const HEAD: usize = 12;
/// Lines of a standfirst above the byline, and of the byline with its date.
const STANDFIRST: usize = 3;
const GAP: usize = 8;
/// Lines of a dump that is too short to hold menus and teasers.
const SHORT: usize = 4;
/// Share of prose above which a dump has no menus: its short lines are headings rather.
const CLEAN_SHARE: f32 = 0.85;
/// Probability that is enough for a line between two lines of the article in a dump without menus.
const CLEAN_THRESHOLD: f32 = 0.12;
/// Most steps that a line costs: its features and its path through the trees.
const LINE_STEPS: u64 = 24;
/// Maximum number of cuts with the feature that decided.
const MAX_REASONS: usize = 1_000;

/// Judgement of the lines of a dump.
pub(super) struct Judgement {
    /// Probability that a line belongs to the article.
    probabilities: Vec<f32>,
    rows: Vec<Features>,
    threshold: f32,
    /// Index of the line that repeats the headline after the page's title.
    pub(super) headline: Option<usize>,
}

impl Judgement {
    /// Judges every line.
    pub(super) fn of(dump: &DumpLines, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let rows = features::read(dump, budget)?;
        let mut probabilities = Vec::with_capacity(rows.len());
        for row in &rows {
            budget.spend(LINE_STEPS)?;
            probabilities.push(probability(TREES.score(row)));
        }
        let mut top = probabilities.clone();
        top.sort_by(|a, b| b.total_cmp(a));
        top.truncate(TOP_LINES);
        let mean = top.iter().sum::<f32>() / top.len().max(1) as f32;
        let threshold = if rows.len() <= SHORT { 0.0 } else { THRESHOLD.min(mean * RELATIVE_THRESHOLD) };
        let first = probabilities.iter().position(|it| *it >= threshold).unwrap_or(0);
        let last = probabilities.iter().rposition(|it| *it >= threshold).unwrap_or(0);
        if features::prose_share(&rows) >= CLEAN_SHARE {
            for (probability, line) in probabilities.iter_mut().zip(&dump.lines).take(last + 1).skip(first) {
                if *probability >= CLEAN_THRESHOLD && furniture(&line.text).is_none() {
                    *probability = probability.max(threshold);
                }
            }
        }
        drop_dated_teasers(&dump.lines, &mut probabilities, threshold);
        let headline = title_line::find(&dump.lines, first, budget)?;
        Ok(Self { probabilities, rows, threshold, headline })
    }

    /// Returns the first line of the article.
    pub(super) fn start(&self) -> usize {
        self.probabilities.iter().position(|it| *it >= self.threshold).unwrap_or(0)
    }

    /// Returns the first line of the article below its byline and date. A standfirst may stand above them.
    pub(super) fn head_end(&self) -> usize {
        let start = self.start();
        let gap = (start..start + STANDFIRST).find(|at| !self.is_in(*at));
        gap.and_then(|gap| (gap..gap + GAP).find(|at| self.is_in(*at))).unwrap_or(start)
    }

    /// Returns true if a line belongs to the article.
    pub(super) fn is_in(&self, at: usize) -> bool {
        self.probabilities.get(at).is_some_and(|probability| *probability >= self.threshold)
    }

    /// Keeps the lines of the article from `from` on, except its headline, and reports the others. Bylines and dates
    /// above the text and headings of teasers in it are left to the rules, which know what to do with them.
    pub(super) fn cut(
        &self,
        lines: Vec<Line>,
        headline: (&str, Option<usize>),
        from: usize,
        report: &mut Report,
    ) -> Vec<Line> {
        let start = self.start();
        let head = from.max(start.saturating_sub(HEAD))..start;
        let mut kept = Vec::new();
        let mut is_below_heading = false;
        for (at, line) in lines.into_iter().enumerate() {
            if Some(at) == headline.1 {
                // The headline moves to its own field, which is no cut.
                continue;
            }
            let is_kept = at >= from && self.is_in(at)
                || at >= start && is_teaser_heading(&line.text)
                || head.contains(&at) && (byline::is_byline(&line.text, &[]) || dates::is_date_line(&line.text));
            let is_heading = at >= start && is_teaser_heading(&line.text);
            is_below_heading = is_heading || is_below_heading && !is_kept;
            if is_kept {
                kept.push(line);
            } else if at < start && line.text == headline.0 {
                report.cut(&line.text, CutReason::RepeatedHeadline, "headline-repeated", 0.99);
            } else {
                let rule = if report.cuts.len() < MAX_REASONS { self.rule(at) } else { "line-model" };
                let reason = reason(&line.text, is_below_heading);
                report.cut(&line.text, reason, rule, (1.0 - self.probabilities[at]).max(0.5));
            }
        }
        kept
    }

    /// Returns the name of the feature that speaks most against a line, as a rule.
    fn rule(&self, at: usize) -> &'static str {
        let contributions = TREES.contributions(&self.rows[at]);
        let least = (0..contributions.len()).min_by(|a, b| contributions[*a].total_cmp(&contributions[*b]));
        RULES[least.unwrap_or(0)].as_str()
    }
}

/// Takes the lines after the last one of running text for teasers that have a date or an age in the next line.
fn drop_dated_teasers(lines: &[Line], probabilities: &mut [f32], threshold: f32) {
    let is_in = |at: usize| probabilities[at] >= threshold && ends_a_sentence(&lines[at].text);
    let end = (0..lines.len()).rev().find(|at| is_in(*at)).map_or(lines.len(), |last| last + 1);
    let dated = (end + 1..lines.len()).filter(|at| dates::is_date_line(&lines[*at].text));
    for at in dated.collect::<Vec<_>>() {
        probabilities[at - 1..=at].fill(0.0);
    }
}

/// Returns the reason why a line that is not the article was cut.
fn reason(text: &str, is_below_teaser_heading: bool) -> CutReason {
    match furniture(text) {
        _ if !text.chars().any(char::is_alphanumeric) => CutReason::Rule,
        Some(Furniture::Share) => CutReason::Share,
        Some(Furniture::SignUp) => CutReason::SignUp,
        Some(Furniture::Advertisement) => CutReason::Advertisement,
        Some(Furniture::Copyright) => CutReason::Copyright,
        Some(Furniture::Comments) => CutReason::Comments,
        Some(Furniture::Teaser) => CutReason::Teasers,
        None if is_below_teaser_heading || is_teaser_heading(text) => CutReason::Teasers,
        None => CutReason::Furniture,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_valid() {
        assert!(TREES.count() > 50);
    }
}
