//! Decision on the blocks of a page: the lines that are its article, and confidence in them.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::captions;
use super::feature_names::NAMES;
use super::features::{Page, Witness};
use super::place::{Container, HIDDEN, IN_ARTICLE, IN_BUTTON, IN_CAPTION, IN_MAIN, IN_MENU, IN_QUOTE, Place};
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::fields::{byline, dates};
use crate::extract::line::{Line, LineKind};
use crate::extract::phrases::is_teaser_heading;
use crate::extract::trees::{Trees, probability};

/// The model. A unit test holds that the file is valid.
static TREES: LazyLock<Trees> =
    LazyLock::new(|| Trees::parse(include_str!("weights.txt"), &NAMES).expect("weights of the source tree are valid"));

/// Score above which a block is kept. Lost text costs more than a line too many, which the rules may still cut.
const THRESHOLD: f32 = -0.4;
/// Score above which a paragraph is kept because of the one above it.
const DOUBTFUL: f32 = -2.0;
/// Score above which a heading between two kept lines is kept.
const UNLIKELY: f32 = -4.0;
/// Maximum number of lines of a quotation that is kept because of the lines around it.
const MAX_BETWEEN: usize = 4;
/// Minimum number of items of a list that is kept because it is like the text above it.
const MIN_ITEMS: usize = 3;
/// Levels of containers that are compared.
const LEVELS: usize = 7;
/// Score of a block that is not judged.
const OUT: f32 = -9.0;
/// Running text below which a page's hidden text is judged as if it were shown, in characters.
const LITTLE: usize = 400;
/// Lines between the headline and the text that are searched for a byline.
const HEAD: usize = 12;
/// Lines without text between an image and its article.
const IMAGE_REACH: usize = 4;

/// Names of the rules by feature, for the report.
static RULES: LazyLock<Vec<String>> =
    LazyLock::new(|| NAMES.iter().map(|name| format!("block-model: {name}")).collect());

/// Judgement of the lines of a page.
#[derive(Default)]
pub(crate) struct Judgement {
    /// True for each line of the article.
    pub(crate) kept: Vec<bool>,
    /// Score of each line: the log-odds that it belongs to the article.
    scores: Vec<f32>,
    /// Index of the feature that speaks most against each line of running text that is not kept.
    reasons: HashMap<usize, usize>,
    /// Indices of the captions outside of `figcaption`, and of their images.
    pub(crate) captions: Vec<(usize, usize)>,
    /// Expected F1 score of the kept lines.
    pub(crate) confidence: f32,
}

impl Judgement {
    /// Judges every line of a page.
    pub(crate) fn of(
        lines: &[Line],
        places: &[Place],
        mut containers: Vec<Container>,
        witness: &Witness<'_>,
        budget: &Budget<'_>,
    ) -> Result<Self, ExtractError> {
        let judgement = Self::once(lines, places, &containers, witness, budget)?;
        let is_hidden = |at: usize| containers[places[at].container as usize].around & HIDDEN != 0;
        let chars = |wanted: &dyn Fn(usize) -> bool| -> usize {
            (0..lines.len()).filter(|at| wanted(*at) && lines[*at].is_prose()).map(|at| lines[at].text.len()).sum()
        };
        let found = chars(&|at| judgement.kept[at]);
        if found >= LITTLE || chars(&is_hidden) <= found * 2 {
            return Ok(judgement);
        }
        // Some pages hide their text until a script or a subscription shows it.
        containers.iter_mut().for_each(|container| container.around &= !HIDDEN);
        Self::once(lines, places, &containers, witness, budget)
    }

    fn once(
        lines: &[Line],
        places: &[Place],
        containers: &[Container],
        witness: &Witness<'_>,
        budget: &Budget<'_>,
    ) -> Result<Self, ExtractError> {
        let page = Page::new(lines, places, containers, witness, budget)?;
        let captions = captions::find(lines, places, containers);
        let mut row = Vec::with_capacity(NAMES.len());
        let mut scores = Vec::with_capacity(lines.len());
        let mut reasons = HashMap::new();
        for at in 0..lines.len() {
            let around = containers[places[at].container as usize].around;
            let is_menu = around & IN_MENU != 0 && lines[at].is_links();
            if lines[at].is_object() || is_menu || around & (IN_CAPTION | IN_BUTTON) != 0 {
                scores.push(OUT);
                continue;
            }
            budget.spend(20 + TREES.count() as u64 / 2)?;
            page.row(at, &mut row);
            let score = TREES.score(&row);
            scores.push(score);
            if score <= THRESHOLD && lines[at].is_prose() {
                let contributions = TREES.contributions(&row);
                let least = (0..contributions.len()).min_by(|a, b| contributions[*a].total_cmp(&contributions[*b]));
                reasons.extend(least.map(|feature| (at, feature)));
            }
        }
        let kept = scores.iter().map(|score| *score > THRESHOLD).collect();
        let mut judgement = Self { kept, scores, reasons, captions, confidence: 0.0 };
        for (caption, _) in &judgement.captions {
            judgement.kept[*caption] = false;
        }
        judgement.keep_next_paragraphs(lines, places);
        judgement.keep_between(lines, containers, places);
        judgement.keep_lists(lines, containers, places);
        judgement.confidence = judgement.expected_f1(lines);
        judgement.keep_bylines(lines, page.headline_at());
        judgement.keep_objects(lines);
        Ok(judgement)
    }

    pub(crate) fn is_kept(&self, at: usize) -> bool {
        self.kept.get(at) == Some(&true)
    }

    /// Returns the probability that a line does not belong to the article.
    pub(crate) fn doubt(&self, at: usize) -> f32 {
        self.scores.get(at).map_or(1.0, |score| probability(-score))
    }

    /// Returns the name of the feature that speaks most against a line of running text, as a rule.
    pub(crate) fn rule(&self, at: usize) -> Option<&'static str> {
        self.reasons.get(&at).map(|feature| RULES[*feature].as_str())
    }

    /// Returns the F1 score that the probabilities promise, with the length of each line as its weight.
    fn expected_f1(&self, lines: &[Line]) -> f32 {
        let (mut kept, mut right, mut all) = (0.0, 0.0, 0.0);
        for (at, line) in lines.iter().enumerate() {
            let expected = line.text.len() as f32 * (1.0 - self.doubt(at));
            all += expected;
            if self.kept[at] {
                kept += line.text.len() as f32;
                right += expected;
            }
        }
        2.0 * right / f32::max(kept + all, 1.0)
    }

    /// Keeps doubtful paragraphs right below a kept one in the same element.
    fn keep_next_paragraphs(&mut self, lines: &[Line], places: &[Place]) {
        for at in 1..lines.len() {
            let is_beside = places[at].parent == places[at - 1].parent && lines[at].kind == LineKind::Paragraph;
            if self.kept[at - 1] && !self.kept[at] && is_beside && self.scores[at] > DOUBTFUL {
                self.kept[at] = lines[at - 1].is_prose() && lines[at].is_prose();
            }
        }
    }

    /// Keeps quotations and headings between two kept lines: a paragraph above them, and one below them.
    fn keep_between(&mut self, lines: &[Line], containers: &[Container], places: &[Place]) {
        let is_quote = |at: usize| containers[places[at].container as usize].around & IN_QUOTE != 0;
        let is_heading = |at: usize| lines[at].is_heading() && lines[at].linked == 0 && self.scores[at] > UNLIKELY;
        let fits = |at: usize| !is_teaser_heading(&lines[at].text) && !lines[at].is_links();
        let text: Vec<usize> = (0..lines.len()).filter(|at| !lines[*at].is_object()).collect();
        let mut found = Vec::new();
        let mut at = 1;
        while at < text.len() {
            let run = text[at..].iter().take_while(|at| !self.kept[**at]).take(MAX_BETWEEN + 1).count();
            let between = &text[at..at + run];
            let is_between = self.kept[text[at - 1]] && at + run < text.len();
            let is_quoted = between.iter().all(|at| is_quote(*at) && fits(*at)) && between.len() <= MAX_BETWEEN;
            if is_between && (is_quoted || between.len() == 1 && is_heading(between[0]) && fits(between[0])) {
                found.extend_from_slice(between);
            }
            at += run + 1;
        }
        found.into_iter().for_each(|at| self.kept[at] = true);
    }

    /// Keeps lists at the end of the text, each with a heading: no item is linked, and their sections are like those of
    /// the text, by tags and classes.
    fn keep_lists(&mut self, lines: &[Line], containers: &[Container], places: &[Place]) {
        let Some(last) = self.kept.iter().rposition(|kept| *kept) else { return };
        let start = last + 1;
        if !lines.get(start).is_some_and(Line::is_heading) {
            return;
        }
        let text = (0..start).filter(|at| self.kept[*at] && lines[*at].is_prose());
        let sections: HashSet<u64> =
            text.flat_map(|at| above(containers, &places[at]).map(|section| section.path)).collect();
        let is_part = |at: &usize| {
            let line = &lines[*at];
            (line.is_heading() || line.kind == LineKind::ListItem)
                && line.linked == 0
                && !is_teaser_heading(&line.text)
                && above(containers, &places[*at]).any(|section| sections.contains(&section.path))
        };
        let end = (start..lines.len()).take_while(is_part).last().map_or(start, |last| last + 1);
        let items = (start..end).filter(|at| lines[*at].kind == LineKind::ListItem).count();
        if items >= MIN_ITEMS && (start..end).any(|at| self.scores[at] > DOUBTFUL) && !lines[end - 1].is_heading() {
            self.kept[start..end].fill(true);
        }
    }

    /// Keeps bylines and dates between the headline and the text: the rules move them to their fields.
    fn keep_bylines(&mut self, lines: &[Line], headline: Option<usize>) {
        let Some(first) = self.kept.iter().position(|kept| *kept) else { return };
        let start = headline.map_or(first, |headline| headline + 1).max(first.saturating_sub(HEAD));
        for (kept, line) in self.kept.iter_mut().zip(lines).take(first).skip(start) {
            *kept = byline::is_byline(&line.text, &[]) || dates::is_date_line(&line.text);
        }
    }

    /// Keeps images and embeds between two kept lines, and those right above the first.
    fn keep_objects(&mut self, lines: &[Line]) {
        let Some(first) = self.kept.iter().position(|kept| *kept) else { return };
        let last = self.kept.iter().rposition(|kept| *kept).unwrap_or(first);
        let mut since = usize::MAX;
        let mut open: Vec<usize> = Vec::new();
        for (at, line) in lines.iter().enumerate().take(last + 1).skip(first.saturating_sub(IMAGE_REACH)) {
            if line.is_object() {
                open.push(at);
            } else if self.kept[at] {
                if since <= IMAGE_REACH || at == first {
                    open.drain(..).for_each(|object| self.kept[object] = true);
                }
                open.clear();
                since = 0;
            } else {
                since = since.saturating_add(1);
            }
        }
    }
}

/// Returns the containers around a line that are within an article or the main part of the page, up to a few levels.
fn above<'a>(containers: &'a [Container], place: &Place) -> impl Iterator<Item = &'a Container> {
    let mut next = Some(&containers[place.container as usize]);
    let levels = std::iter::from_fn(move || {
        let here = next?;
        next = Some(&containers[here.parent as usize]).filter(|_| here.depth > 0);
        Some(here)
    });
    levels.take(LEVELS).skip(1).filter(|container| container.around & (IN_ARTICLE | IN_MAIN) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_valid() {
        assert!(TREES.count() > 0);
    }
}
