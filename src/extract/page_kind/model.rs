//! A linear model (logistic regression) that tells articles from other pages.
//!
//! `weights.txt` is written by `benches/page_kind/train.py` from the features of labelled pages.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::features::COUNT;

/// Minimum probability of an article. Errors to either side are not equal: a story that is called none may be refused,
/// so only pages that are clearly none are below it.
pub(super) const MIN_PROBABILITY: f64 = 0.10;

static WEIGHTS: LazyLock<HashMap<&'static str, f64>> = LazyLock::new(|| {
    let lines = include_str!("weights.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, weight)| Some((name, weight.parse().ok()?)))
        .collect()
});

/// Returns the probability that a page is an article.
pub(super) fn probability(features: &[(&'static str, f64); COUNT]) -> f64 {
    let weight = |name: &str| WEIGHTS.get(name).copied().unwrap_or_default();
    let score = weight("(intercept)") + features.iter().map(|(name, value)| weight(name) * value).sum::<f64>();
    1.0 / (1.0 + (-score).exp())
}

#[cfg(test)]
mod tests {
    use super::super::features::{self, Found};
    use super::super::signals::Signals;
    use super::*;

    #[test]
    fn every_weight_is_of_a_feature() {
        let features = features::of(&Signals::default(), &Found::default(), None);
        let names: Vec<&str> = features.iter().map(|(name, _)| *name).collect();
        for name in WEIGHTS.keys().filter(|name| **name != "(intercept)") {
            assert!(names.contains(name), "{name}");
        }
        assert_eq!(WEIGHTS.len(), COUNT + 1);
    }
}
