//! Index of the window: the number of articles with each key, and the exemplars of stories by key.

use std::collections::{BTreeSet, HashMap};

use super::features::Features;
use super::rarity::Frequencies;

/// Maximum number of terms of a report that are indexed. Names are indexed in addition.
const MAX_INDEXED_TERMS: usize = 32;
/// Maximum number of exemplars with a key by which candidates are found. More common keys tell too little.
const MAX_WITH_KEY: usize = 128;
/// Maximum number of entries of the index that are read for a report.
const MAX_READ: usize = 2_048;

/// Index of the reports in the window.
#[derive(Debug, Default)]
pub(super) struct Index {
    articles: u32,
    with: HashMap<u32, u32>,
    /// Keys with the slots of exemplars.
    exemplars: BTreeSet<(u32, u32)>,
}

impl Frequencies for Index {
    fn articles(&self) -> u32 {
        self.articles
    }

    fn with(&self, key: u32) -> u32 {
        self.with.get(&key).copied().unwrap_or(0)
    }
}

impl Index {
    /// Counts the keys of an article.
    pub fn count(&mut self, features: &Features) {
        self.articles += 1;
        for key in all_keys(features) {
            *self.with.entry(key).or_insert(0) += 1;
        }
    }

    /// Takes back the count of the keys of an article.
    pub fn discount(&mut self, features: &Features) {
        self.articles = self.articles.saturating_sub(1);
        for key in all_keys(features) {
            if let Some(with) = self.with.get_mut(&key) {
                *with -= 1;
                if *with == 0 {
                    self.with.remove(&key);
                }
            }
        }
    }

    pub fn insert_exemplar(&mut self, slot: u32, features: &Features) {
        self.exemplars.extend(indexed_keys(features).into_iter().map(|key| (key, slot)));
    }

    pub fn remove_exemplar(&mut self, slot: u32, features: &Features) {
        for key in indexed_keys(features) {
            self.exemplars.remove(&(key, slot));
        }
    }

    /// Returns the slots of exemplars that share rare keys with a report, once for each key, with its rarity.
    pub fn sharing(&self, features: &Features, rarity: impl Fn(u32) -> u32) -> Vec<(u32, u32)> {
        let mut keys: Vec<(u32, u32)> = indexed_keys(features).into_iter().map(|key| (self.with(key), key)).collect();
        keys.sort_unstable();
        let mut found = Vec::new();
        let mut read = 0;
        for (_, key) in keys {
            let start = found.len();
            let weight = rarity(key);
            let with = self.exemplars.range((key, 0)..=(key, u32::MAX)).take(MAX_WITH_KEY + 1);
            found.extend(with.map(|(_, slot)| (*slot, weight)));
            read += found.len() - start;
            if found.len() - start > MAX_WITH_KEY {
                found.truncate(start);
            }
            if read > MAX_READ {
                break;
            }
        }
        found
    }
}

fn all_keys(features: &Features) -> impl Iterator<Item = u32> {
    let names = features.names.keys.iter();
    features.terms.keys.iter().chain(names).chain(&features.numbers).copied()
}

/// Returns the keys of the heaviest terms and of all names.
fn indexed_keys(features: &Features) -> Vec<u32> {
    let mut terms: Vec<(u32, u32)> = features
        .terms
        .iter()
        .map(|(key, count, is_name)| (u32::from(count) * if is_name { 2 } else { 1 }, key))
        .collect();
    terms.sort_unstable_by_key(|(count, key)| (std::cmp::Reverse(*count), *key));
    let terms = terms.into_iter().take(MAX_INDEXED_TERMS).map(|(_, key)| key);
    terms.chain(features.names.keys.iter().copied()).collect()
}
