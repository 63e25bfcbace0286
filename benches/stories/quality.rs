//! Stories of judged events: precision, recall and F1 of pairs, and B-cubed.

use std::path::Path;
use std::sync::Arc;

use copydesk::stories::clustering::{Clusterer, Features, Report};
use jiff::Timestamp;
use serde::Deserialize;

use crate::Result;

/// Number of shuffled orders.
const SHUFFLED: u64 = 5;
/// Number of the first article that is grouped before.
const BEFORE: u64 = 1_000_000;

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    event: String,
    #[serde(default)]
    split: String,
    language: String,
    source: String,
    /// RFC 3339.
    publish_time: String,
    headline: String,
    body: String,
}

/// Report with its event.
struct Judged {
    event: String,
    language: String,
    report: Report,
}

pub fn all(set: &Path, before: &Path) -> Result<()> {
    let before: Vec<Judged> = read(&before.join("articles.jsonl"), None)?;
    println!(
        "| split | grouped before | order | one language: P / R / F1 | several: P / R / F1 | all: F1 | B-cubed F1 |"
    );
    println!("|---|---|---|---|---|---|---|");
    for split in ["tuning", "test"] {
        let reports = read(&set.join("reports.jsonl"), Some(split))?;
        for before in [&[][..], &before] {
            let mut sums = [0.0; 4];
            for seed in 0..=SHUFFLED {
                let stories = group(&reports, before, seed);
                let scores = [Some(true), Some(false), None].map(|same| pairs(&reports, &stories, same));
                let b_cubed = b_cubed(&reports, &stories);
                if seed == 0 {
                    let [one, several, all] = scores;
                    let text = |[p, r, f]: [f64; 3]| format!("{p:.3} / {r:.3} / {f:.3}");
                    let (count, all) = (before.len(), all[2]);
                    println!(
                        "| {split} | {count} | time | {} | {} | {all:.3} | {b_cubed:.3} |",
                        text(one),
                        text(several)
                    );
                } else {
                    let shown = [scores[0][2], scores[1][2], scores[2][2], b_cubed];
                    sums.iter_mut().zip(shown).for_each(|(sum, score)| *sum += score / SHUFFLED as f64);
                }
            }
            let [one, several, all, b_cubed] = sums;
            let count = before.len();
            let order = format!("mean of {SHUFFLED} shuffled");
            println!("| {split} | {count} | {order} | {one:.3} | {several:.3} | {all:.3} | {b_cubed:.3} |");
        }
    }
    Ok(())
}

fn read(path: &Path, split: Option<&str>) -> Result<Vec<Judged>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut reports = Vec::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line)?;
        if split.is_some_and(|split| split != line.split) {
            continue;
        }
        let report = Report {
            time: line.publish_time.parse::<Timestamp>()?.as_second(),
            source: line.source.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into())),
            is_pinned: false,
            features: Arc::new(Features::of(&line.headline, &line.body, &line.language)),
        };
        reports.push(Judged { event: line.event, language: line.language, report });
    }
    reports.sort_by_key(|judged| judged.report.time);
    Ok(reports)
}

/// Returns the story of each report, grouped in the order of their times, or shuffled by a seed.
fn group(reports: &[Judged], before: &[Judged], seed: u64) -> Vec<u64> {
    let mut order: Vec<usize> = (0..reports.len()).collect();
    if seed > 0 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for at in (1..order.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(at, (state >> 33) as usize % (at + 1));
        }
    }
    let mut clusterer = Clusterer::new();
    for (number, judged) in (BEFORE..).zip(before) {
        clusterer.add(number, judged.report.clone());
    }
    for (number, at) in (1..).zip(&order) {
        clusterer.add(number, reports[*at].report.clone());
    }
    let mut stories = vec![0; reports.len()];
    for (number, at) in (1..).zip(&order) {
        stories[*at] = clusterer.story_of(number).unwrap_or_default();
    }
    stories
}

/// Returns precision, recall and F1 of pairs: of one language, of two, or of all.
fn pairs(reports: &[Judged], stories: &[u64], same_language: Option<bool>) -> [f64; 3] {
    let (mut both, mut grouped, mut judged) = (0_u32, 0_u32, 0_u32);
    for one in 0..reports.len() {
        for other in one + 1..reports.len() {
            if same_language.is_some_and(|same| same != (reports[one].language == reports[other].language)) {
                continue;
            }
            let (story, event) = (stories[one] == stories[other], reports[one].event == reports[other].event);
            both += u32::from(story && event);
            grouped += u32::from(story);
            judged += u32::from(event);
        }
    }
    let (precision, recall) = (share(both, grouped), share(both, judged));
    [precision, recall, harmonic_mean(precision, recall)]
}

fn b_cubed(reports: &[Judged], stories: &[u64]) -> f64 {
    let (mut precision, mut recall) = (0.0, 0.0);
    for one in 0..reports.len() {
        let count = |is: &dyn Fn(bool, bool) -> bool| {
            let same = |other: usize| is(stories[one] == stories[other], reports[one].event == reports[other].event);
            (0..reports.len()).map(|other| u32::from(same(other))).sum::<u32>()
        };
        let both = count(&|story, event| story && event);
        precision += share(both, count(&|story, _| story));
        recall += share(both, count(&|_, event| event));
    }
    harmonic_mean(precision / reports.len() as f64, recall / reports.len() as f64)
}

fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

fn harmonic_mean(one: f64, other: f64) -> f64 {
    2.0 * one * other / f64::max(one + other, f64::MIN_POSITIVE)
}
