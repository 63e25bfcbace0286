//! Features of a dump's lines, from which the line model judges whether a line belongs to the article.

use std::collections::{HashMap, HashSet};

use super::lines::DumpLines;
use super::places::{PLACE, Places};
use super::shape::{OWN, Shape, is_content, log, shape, tokens};
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::line::Line;

/// Features of each of the neighbours.
const NEIGHBOR: [&str; 6] =
    ["length", "sentence-end", "share-of-capitalised-words", "share-of-digits", "repetitions", "furniture-phrase"];
/// Neighbours whose features count.
const NEIGHBORS: [isize; 6] = [-3, -2, -1, 1, 2, 3];
/// Lengths of the windows before and after a line, in lines.
const WINDOWS: [usize; 3] = [3, 8, 24];
/// Lines before and after a line whose words count for it.
const AROUND: usize = 4;
/// Number of letters of the lead: the first prose below the headline.
const LEAD_WIDTH: usize = 1_500;

const TIMES: usize = 18;
const REPEATED: usize = 15;
const LEAD: usize = 22;
const PRIVACY: usize = 23;
const PROSE_SHARE: usize = COUNT - PLACE.len() + 4;

/// Number of features of a line.
pub(super) const COUNT: usize = OWN.len() + NEIGHBORS.len() * NEIGHBOR.len() + WINDOWS.len() * 8 + PLACE.len();

/// Features of a line by their index in [`names`].
pub(super) type Features = [f32; COUNT];

/// Returns the names of the features.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = OWN.iter().map(|name| (*name).to_owned()).collect();
    for at in NEIGHBORS {
        names.extend(NEIGHBOR.iter().map(|name| format!("{name}-of-line{at:+}")));
    }
    for lines in WINDOWS {
        for side in ["before", "after"] {
            for name in ["prose", "short-lines", "repetitions", "times"] {
                names.push(format!("{name}-in-{lines}-lines-{side}"));
            }
        }
    }
    names.extend(PLACE.iter().map(|name| (*name).to_owned()));
    names
}

/// Returns the features of each line.
pub(super) fn read(dump: &DumpLines, budget: &Budget<'_>) -> Result<Vec<Features>, ExtractError> {
    let lines = &dump.lines;
    let mut counts = HashMap::<&str, usize>::new();
    for line in lines {
        budget.read(line.text.len() * 4)?;
        *counts.entry(&line.text).or_default() += 1;
    }
    let title: HashSet<String> = lines.first().map(|line| tokens(&line.text)).unwrap_or_default().into_iter().collect();
    let mut shapes = Vec::with_capacity(lines.len());
    for (line, after_blank) in lines.iter().zip(&dump.after_blank) {
        budget.read(line.text.len() * 4)?;
        shapes.push(shape(&line.text, *after_blank, counts[line.text.as_str()], &title));
    }
    let place = Places::read(dump, &shapes, budget)?;
    let lead = lead(lines, &shapes, place.headline.unwrap_or(0).max(place.start()), budget)?;
    for (shape, line) in shapes.iter_mut().zip(lines) {
        budget.read(line.text.len() * 2)?;
        shape.own[LEAD] = lead.share(&line.text);
    }
    let repeated = sums(shapes.iter().map(|shape| f32::from(u8::from(shape.own[REPEATED] > 1.0))));
    let times = sums(shapes.iter().map(|shape| if shape.width < 60 { shape.own[TIMES].min(1.0) } else { 0.0 }));
    let cohesion = sums(shapes.iter().map(|shape| shape.own[LEAD]));
    let privacy = sums(shapes.iter().map(|shape| shape.own[PRIVACY]));
    let prose: Vec<f32> = sums(shapes.iter().map(|shape| if shape.is_prose { shape.width as f32 } else { 0.0 }));
    let short: Vec<f32> = sums(shapes.iter().map(|shape| if shape.is_prose { 0.0 } else { 1.0 }));
    let mut out = Vec::with_capacity(lines.len());
    for (at, shape) in shapes.iter().enumerate() {
        budget.spend(4)?;
        let mut features = [0.0; COUNT];
        let mut next = 0;
        let mut push = |values: &[f32]| {
            features[next..next + values.len()].copy_from_slice(values);
            next += values.len();
        };
        push(&shape.own);
        for offset in NEIGHBORS {
            match at.checked_add_signed(offset).and_then(|at| shapes.get(at)) {
                Some(beside) => push(&neighbor(beside)),
                None => push(&[-1.0; NEIGHBOR.len()]),
            }
        }
        for lines in WINDOWS {
            let (from, to) = (at.saturating_sub(lines), (at + 1 + lines).min(shapes.len()));
            for (from, to) in [(from, at), (at + 1, to)] {
                let within = |sums: &[f32]| sums[to] - sums[from];
                push(&[log(within(&prose)), within(&short), within(&repeated), within(&times)]);
            }
        }
        push(&place.features(at));
        let (from, to) = (at.saturating_sub(AROUND), (at + 1 + AROUND).min(shapes.len()));
        push(&[(cohesion[to] - cohesion[from]) / (to - from) as f32, privacy[to] - privacy[from]]);
        out.push(features);
    }
    Ok(out)
}

/// Returns the share of prose in a dump, by its length.
pub(super) fn prose_share(rows: &[Features]) -> f32 {
    rows.first().map_or(0.0, |row| row[PROSE_SHARE])
}

/// Returns the values of a line that are features of its neighbours: those of [`NEIGHBOR`].
fn neighbor(shape: &Shape) -> [f32; NEIGHBOR.len()] {
    [0, 2, 8, 7, 15, 19].map(|index: usize| shape.own[index])
}

/// Returns the sums of all values before each index.
fn sums(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut sum = 0.0;
    let mut sums = vec![0.0];
    sums.extend(values.map(|value| {
        sum += value;
        sum
    }));
    sums
}

/// Words of the first prose below the headline.
struct Lead(HashMap<String, usize>);

/// Reads the lead from a line on.
fn lead(lines: &[Line], shapes: &[Shape], start: usize, budget: &Budget<'_>) -> Result<Lead, ExtractError> {
    let mut words = HashMap::new();
    let mut left = LEAD_WIDTH;
    for (line, shape) in lines.iter().zip(shapes).skip(start).filter(|(_, shape)| shape.is_prose) {
        budget.read(line.text.len())?;
        let unique: HashSet<String> = tokens(&line.text).into_iter().filter(|token| is_content(token)).collect();
        unique.into_iter().for_each(|word| *words.entry(word).or_default() += 1);
        match left.checked_sub(shape.width) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    Ok(Lead(words))
}

impl Lead {
    /// Returns the share of a line's words that the lead has.
    fn share(&self, text: &str) -> f32 {
        let said = tokens(text);
        let content = said.iter().filter(|token| is_content(token)).count();
        let common = said.iter().filter(|token| is_content(token) && self.0.contains_key(*token)).count();
        common as f32 / content.max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_a_name() {
        assert_eq!(names().len(), COUNT);
    }
}
