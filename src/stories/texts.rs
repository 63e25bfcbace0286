//! The different texts of each story: which of its articles are copies.

use std::collections::HashMap;
use std::sync::Arc;

use super::facts::Facts;
use crate::article::BodySketch;

/// Maximum number of texts of a story that a new article is compared with: the latest.
const MAX_COMPARED: usize = 64;

/// Text of a story.
struct Text {
    /// Number of the article that had it first.
    number: u64,
    /// Articles that have it.
    articles: usize,
    digest: Vec<u8>,
    sketch: Option<Arc<BodySketch>>,
}

/// Texts by story.
#[derive(Default)]
pub struct Texts(HashMap<u64, Vec<Text>>);

impl Texts {
    /// Returns the number of the text that an article of a story has: that of the first article with a copy of it, else
    /// its own. If that is the number of a text that it had before and its copies still have, the highest byte differs.
    pub fn text_of(&self, story: u64, facts: &Facts) -> u64 {
        let Some(texts) = self.0.get(&story) else { return facts.number };
        let is_free = |number: &u64| texts.iter().all(|text| text.number != *number);
        let own = || {
            let mut numbers = (0..=u64::from(u8::MAX)).map(|round| facts.number ^ (round << 56));
            numbers.find(is_free).unwrap_or(facts.number)
        };
        let sketch = facts.body_sketch();
        let is_copy = |text: &&Text| {
            let resembles = match (&text.sketch, &sketch) {
                (Some(one), Some(other)) => one.compare(other).is_copy(),
                _ => false,
            };
            resembles || text.digest == facts.digest
        };
        texts.iter().rev().take(MAX_COMPARED).find(is_copy).map_or_else(own, |text| text.number)
    }

    /// Adds an article with the number of its text.
    pub fn add(&mut self, story: u64, facts: &Facts) {
        let texts = self.0.entry(story).or_default();
        match texts.iter_mut().find(|text| text.number == facts.text) {
            Some(text) => text.articles += 1,
            None => texts.push(Text {
                number: facts.text,
                articles: 1,
                digest: facts.digest.clone(),
                sketch: facts.body_sketch().map(Arc::new),
            }),
        }
    }

    /// Removes an article.
    pub fn remove(&mut self, story: u64, facts: &Facts) {
        let Some(texts) = self.0.get_mut(&story) else { return };
        if let Some(at) = texts.iter().position(|text| text.number == facts.text) {
            texts[at].articles -= 1;
            if texts[at].articles == 0 {
                texts.remove(at);
            }
        }
        if texts.is_empty() {
            self.0.remove(&story);
        }
    }
}
