//! Features of a block of text, for the model.

use std::collections::HashSet;

use super::feature_names::COUNT;
use super::place::{BITS, Container, Place};
use super::shingles::{share_in, shingles, word_hashes};
use super::stats::PageStats;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::line::{Line, LineKind};
use crate::extract::phrases::{Furniture, furniture, is_teaser_heading};

/// Lines above which distances are not told apart.
const FAR_LINES: f32 = 200.0;
/// Kind of phrases that announce comments.
const COMMENTS: f32 = 6.0;

/// Statements of the page about its article, to which blocks are compared.
pub(crate) struct Witness<'a> {
    pub(crate) headline: &'a str,
    pub(crate) summary: &'a str,
    /// Text of the article in the structured data.
    pub(crate) article_body: &'a str,
}

/// A page's lines, prepared for the features of each.
pub(crate) struct Page<'a> {
    lines: &'a [Line],
    places: &'a [Place],
    containers: &'a [Container],
    pub(super) stats: PageStats,
    structured: HashSet<u64>,
    summary: HashSet<u64>,
    headline: HashSet<u64>,
    headline_at: Option<usize>,
    chars_before: Vec<f32>,
    /// Index of the nearest heading before each line, or its own.
    headings: Vec<Option<usize>>,
    prose_before: Vec<Option<usize>>,
    prose_after: Vec<Option<usize>>,
    teaser_headings: Vec<bool>,
    /// Kind of the known phrase that each line begins with.
    phrases: Vec<f32>,
    /// Lines since the last one that announces comments.
    comments: Vec<f32>,
    /// The container of the first likely running text after the headline.
    first: Option<u32>,
}

fn flag(is: bool) -> f32 {
    if is { 1.0 } else { 0.0 }
}

fn kind(line: &Line) -> f32 {
    match line.kind {
        LineKind::Paragraph => 0.0,
        LineKind::Heading(_) => 1.0,
        LineKind::Quote => 2.0,
        LineKind::ListItem => 3.0,
        LineKind::Table(_) => 4.0,
        LineKind::Image(_) | LineKind::Embed(_) => 5.0,
    }
}

impl<'a> Page<'a> {
    pub(crate) fn new(
        lines: &'a [Line],
        places: &'a [Place],
        containers: &'a [Container],
        witness: &Witness<'_>,
        budget: &Budget<'_>,
    ) -> Result<Self, ExtractError> {
        let stats = PageStats::new(lines, places, containers, budget)?;
        budget.read(witness.article_body.len() * 2)?;
        let headline = shingles(witness.headline, 1).into_iter().collect();
        let known = |text: &str| shingles(text, 3).into_iter().collect::<HashSet<u64>>();
        let mut page = Self {
            lines,
            places,
            containers,
            stats,
            structured: known(witness.article_body),
            summary: known(witness.summary),
            headline,
            headline_at: None,
            chars_before: Vec::with_capacity(lines.len()),
            headings: Vec::with_capacity(lines.len()),
            prose_before: Vec::with_capacity(lines.len()),
            prose_after: vec![None; lines.len()],
            teaser_headings: Vec::with_capacity(lines.len()),
            phrases: Vec::with_capacity(lines.len()),
            comments: Vec::with_capacity(lines.len()),
            first: None,
        };
        page.scan(budget)?;
        Ok(page)
    }

    fn scan(&mut self, budget: &Budget<'_>) -> Result<(), ExtractError> {
        let (mut chars, mut heading, mut prose) = (0.0, None, None);
        let mut best = (0.6, None);
        let mut since_comments: f32 = FAR_LINES;
        for (at, line) in self.lines.iter().enumerate() {
            budget.read(line.text.len())?;
            self.chars_before.push(chars);
            chars += self.stats.lines[at].chars;
            self.prose_before.push(prose);
            if self.stats.lines[at].is_prose {
                prose = Some(at);
            }
            self.headings.push(heading);
            let short = !line.is_object() && self.stats.lines[at].chars <= 80.0;
            self.teaser_headings.push(short && is_teaser_heading(&line.text));
            let phrase = phrase(&line.text, self.stats.lines[at].chars);
            since_comments = if phrase == COMMENTS { 0.0 } else { (since_comments + 1.0).min(FAR_LINES) };
            self.phrases.push(phrase);
            self.comments.push(since_comments);
            if line.is_heading() {
                heading = Some(at);
                let shared = share_in(&word_hashes(&line.text), 1, &self.headline);
                let covered = shared * self.stats.lines[at].words / self.headline.len().max(1) as f32;
                let score = shared.min(covered) + if line.kind == LineKind::Heading(1) { 0.3 } else { 0.0 };
                if score > best.0 {
                    best = (score, Some(at));
                }
            }
        }
        self.headline_at = best.1;
        self.first = (best.1.unwrap_or(0)..self.lines.len())
            .filter(|at| self.stats.lines[*at].is_prose)
            .map(|at| self.places[at].container)
            .find(|container| !self.stats.candidates.is_unlikely[*container as usize]);
        let mut prose = None;
        for at in (0..self.lines.len()).rev() {
            self.prose_after[at] = prose;
            if self.stats.lines[at].is_prose {
                prose = Some(at);
            }
        }
        Ok(())
    }

    /// Returns the index of the headline's line.
    pub(super) fn headline_at(&self) -> Option<usize> {
        self.headline_at
    }

    /// Returns the features of a line in the order of [`NAMES`].
    pub(crate) fn row(&self, at: usize, row: &mut Vec<f32>) {
        let line = &self.lines[at];
        let stats = &self.stats.lines[at];
        let place = &self.places[at];
        let container = &self.containers[place.container as usize];
        let total = &self.stats.total;
        let words = stats.words.max(1.0);
        let hashes = word_hashes(&line.text);
        let chars = stats.chars.max(1.0);
        row.clear();
        row.extend([
            stats.chars,
            stats.words,
            stats.linked / chars,
            stats.digits / chars,
            stats.capitals / words,
            stats.commas / words,
            stats.stops,
            stats.marks / words,
            stats.quotes,
            stats.emphasis,
            flag(stats.ends_sentence),
            flag(stats.ends_colon),
            flag(stats.starts_small),
            flag(stats.is_prose),
            kind(line),
            if let LineKind::Heading(level) = line.kind { f32::from(level) } else { 0.0 },
            self.stats.repeats.get(&stats.hash).copied().unwrap_or(1) as f32,
            share_in(&hashes, 3, &self.structured),
            flag(!self.structured.is_empty()),
            share_in(&hashes, 3, &self.summary),
            share_in(&hashes, 1, &self.headline),
            flag(self.headline_at == Some(at)),
            self.phrases[at],
            flag(self.teaser_headings[at]),
            f32::from(container.depth),
            (container.own.trailing_zeros() % 32) as f32,
            flag(place.inline & 0b111 != 0),
            flag(place.inline & !0b111 != 0),
            at as f32 / self.lines.len() as f32,
            self.chars_before[at] / total.chars.max(1.0),
            (total.chars - self.chars_before[at] - stats.chars) / total.chars.max(1.0),
            self.headline_at.map_or(0.0, |headline| (at as f32 - headline as f32).clamp(-60.0, 120.0)),
            flag(self.headline_at.is_some()),
        ]);
        self.neighbours(at, row);
        self.surroundings(at, row);
        row.extend((0..BITS).map(|bit| flag(container.around & (1 << bit) != 0)));
        row.extend(container.words.iter().map(|levels| f32::from(*levels)));
        debug_assert_eq!(row.len(), COUNT);
    }

    fn neighbours(&self, at: usize, row: &mut Vec<f32>) {
        let text_before = (0..at).rev().take(4).find(|at| !self.lines[*at].is_object());
        let text_after = (at + 1..self.lines.len()).take(4).find(|at| !self.lines[*at].is_object());
        for other in [text_before, text_after] {
            let Some(other) = other else {
                row.extend([0.0, 0.0, 0.0, -1.0, 0.0]);
                continue;
            };
            let stats = &self.stats.lines[other];
            let (here, there) = (self.places[at].container as usize, self.places[other].container as usize);
            let same = if here == there {
                3.0
            } else if self.containers[here].path == self.containers[there].path
                && self.containers[here].parent == self.containers[there].parent
            {
                2.0
            } else {
                flag(self.containers[here].parent == self.containers[there].parent)
            };
            row.extend([
                stats.chars,
                stats.linked / stats.chars.max(1.0),
                flag(stats.is_prose),
                kind(&self.lines[other]),
                same,
            ]);
        }
        let window = at.saturating_sub(3)..(at + 4).min(self.lines.len());
        let (mut prose, mut linked, mut chars, mut lines) = (0.0, 0.0, 0.0, 0.0);
        for other in window.filter(|other| *other != at) {
            let stats = &self.stats.lines[other];
            prose += if stats.is_prose { stats.chars } else { 0.0 };
            linked += stats.linked;
            chars += stats.chars;
            lines += flag(stats.is_prose);
        }
        row.extend([prose, linked / f32::max(chars, 1.0), lines]);
        row.push(self.prose_before[at].map_or(50.0, |other| (at - other).min(50) as f32));
        row.push(self.prose_after[at].map_or(50.0, |other| (other - at).min(50) as f32));
        match self.headings[at] {
            None => row.extend([99.0, 0.0, 0.0, 0.0]),
            Some(heading) => {
                let level = if let LineKind::Heading(level) = self.lines[heading].kind { level } else { 0 };
                let stats = &self.stats.lines[heading];
                row.extend([
                    (at - heading).min(99) as f32,
                    f32::from(level),
                    flag(self.teaser_headings[heading]),
                    stats.linked / stats.chars.max(1.0),
                ]);
            }
        }
    }

    fn surroundings(&self, at: usize, row: &mut Vec<f32>) {
        let total = self.stats.total.prose.max(1.0);
        let own = self.places[at].container;
        let parent = self.containers[own as usize].parent;
        let grand = self.containers[parent as usize].parent;
        let sums = &self.stats.containers[own as usize];
        row.extend([sums.lines, sums.link_density(), sums.prose / total]);
        for around in [parent, grand] {
            let sums = &self.stats.containers[around as usize];
            row.extend([sums.lines, sums.link_density(), sums.prose, sums.prose / total]);
        }
        let path = self.stats.paths.get(&self.containers[own as usize].path).copied().unwrap_or_default();
        row.extend([path.lines, path.link_density(), path.prose, path.prose / total, path.chars / path.lines.max(1.0)]);
        let siblings = self.stats.parent_paths.get(&self.containers[parent as usize].path).copied().unwrap_or_default();
        row.extend([siblings.prose, siblings.prose / total]);
        for main in self.stats.main {
            let (levels, is_in) = self.levels_to(own, main);
            row.extend([flag(is_in), levels]);
        }
        let candidates = &self.stats.candidates;
        let (levels, is_in) = self.levels_to(own, candidates.best);
        let best = &self.stats.containers[candidates.best as usize];
        let great = self.containers[grand as usize].parent;
        let points = [own, parent, grand, great].map(|container| candidates.share(container));
        let below = self.containers[own as usize].depth as f32 - self.containers[candidates.best as usize].depth as f32;
        let candidate = [flag(is_in), levels, best.chars, best.prose / total];
        let page = &self.stats.total;
        row.extend([page.lines, page.prose, page.prose / page.chars.max(1.0)]);
        row.push(flag(at > 0 && self.lines[at - 1].is_object()));
        let prose = self.prose_before[at].or(self.prose_after[at]);
        row.push(prose.map_or(50.0, |other| self.levels_to(own, self.places[other].container).0));
        row.extend(candidate);
        row.extend(points);
        row.push(below);
        let distance =
            if at < candidates.span.0 { candidates.span.0 - at } else { (at + 1).saturating_sub(candidates.span.1) };
        let side = flag(at >= candidates.span.1) - flag(at < candidates.span.0);
        let (items, items_prose) = self.stats.items[own as usize];
        row.extend([
            flag(candidates.is_unlikely[own as usize]),
            flag(candidates.is_joined[own as usize]),
            side,
            distance.min(99) as f32,
            items,
            items_prose / total,
            self.first.map_or(50.0, |first| self.levels_to(own, first).0),
            flag(self.containers[own as usize].path == self.stats.common_path),
            self.comments[at],
            self.stats.likely_prose / total,
        ]);
    }

    /// Returns the number of levels from a container up to the first that is also around another, and true if it is
    /// within the other.
    fn levels_to(&self, from: u32, other: u32) -> (f32, bool) {
        let (mut one, mut two) = (from, other);
        let mut levels = 0;
        while one != two && levels < 50 {
            let (deep, high) = (self.containers[one as usize].depth, self.containers[two as usize].depth);
            if deep >= high {
                one = self.containers[one as usize].parent;
                levels += 1;
            }
            if high >= deep {
                two = self.containers[two as usize].parent;
                levels += usize::from(deep < high);
            }
        }
        (levels as f32, one == other)
    }
}

/// Returns the kind of a known phrase that a line begins with.
fn phrase(line: &str, chars: f32) -> f32 {
    if chars > 240.0 {
        return 0.0;
    }
    match furniture(line) {
        None => 0.0,
        Some(Furniture::Teaser) => 1.0,
        Some(Furniture::Share) => 2.0,
        Some(Furniture::SignUp) => 3.0,
        Some(Furniture::Advertisement) => 4.0,
        Some(Furniture::Copyright) => 5.0,
        Some(Furniture::Comments) => COMMENTS,
    }
}
