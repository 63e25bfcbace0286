//! Sets of articles to which a request is restricted.

use std::sync::Arc;

use crate::article::ArticleId;

/// Number of selected articles that cost as much as looking up a word.
const ARTICLES_PER_WORD: usize = 500;

/// Set of articles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArticleSet {
    ids: Vec<ArticleId>,
    texts: Vec<TextHash>,
}

/// Hash of an article's headline and body, equal for equal texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextHash(pub(super) u64);

impl ArticleSet {
    /// Creates the set of the articles with these IDs, and of those with these texts.
    pub fn new(mut ids: Vec<ArticleId>, mut texts: Vec<TextHash>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        texts.sort_unstable();
        texts.dedup();
        Self { ids, texts }
    }

    /// Returns true if the set has an article by its ID.
    pub fn has(&self, id: &ArticleId) -> bool {
        self.ids.binary_search(id).is_ok()
    }

    /// Returns the IDs in the set, in order.
    pub fn ids(&self) -> &[ArticleId] {
        &self.ids
    }

    pub(super) fn texts(&self) -> &[TextHash] {
        &self.texts
    }

    fn len(&self) -> usize {
        self.ids.len() + self.texts.len()
    }
}

/// Sets of articles to which a request is restricted, which a filter does not describe.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Sets of which each must have the article.
    pub all_of: Vec<Arc<ArticleSet>>,
    /// Sets of which none must have the article.
    pub none_of: Vec<Arc<ArticleSet>>,
}

impl Selection {
    /// Returns true if the selection has an article by its ID.
    pub fn has(&self, id: &ArticleId) -> bool {
        self.all_of.iter().all(|set| set.has(id)) && !self.none_of.iter().any(|set| set.has(id))
    }

    /// Returns the weight in the fair queue, in words that are looked up.
    pub(super) fn weight(&self) -> usize {
        self.all_of.iter().chain(&self.none_of).map(|set| set.len()).sum::<usize>() / ARTICLES_PER_WORD
    }
}
