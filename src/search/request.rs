//! Requests to the index.

use std::sync::Arc;

use jiff::Timestamp;

use super::aggregate::{Aggregate, Buckets};
use super::compile::Statistics;
use super::ranking::Ranking;
use super::suggest::SuggestedField;
use super::top::ResultCursor;
use crate::article::{ArticleId, Filter, Position, Query};

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

    fn weight(&self) -> usize {
        self.all_of.iter().chain(&self.none_of).map(|set| set.len()).sum::<usize>() / ARTICLES_PER_WORD
    }
}

/// Search for the best results.
#[derive(Clone, Debug)]
pub struct TopQuery {
    /// Text query; all articles if absent.
    pub query: Option<Query>,
    /// Filter. Its own text query must match too. Its conditions on stories are those of `selection`.
    pub filter: Filter,
    /// Articles to choose from.
    pub selection: Selection,
    /// Order.
    pub ranking: Ranking,
    /// End of the previous page.
    pub after: Option<ResultCursor>,
    /// Statistics of the first page; counted if absent.
    pub statistics: Option<Statistics>,
    /// Maximum number of results.
    pub limit: usize,
    /// Time at which the articles must be readable, and from which ages count.
    pub now: Timestamp,
}

impl TopQuery {
    /// Returns the weight in the fair queue: the number of words that are looked up.
    pub(super) fn weight(&self) -> usize {
        let words = |query: &Option<Query>| query.as_ref().map_or(0, Query::cost);
        (words(&self.query) + words(&self.filter.query) + self.selection.weight()).max(1)
    }
}

/// Request for counts.
#[derive(Clone, Debug)]
pub struct CountQuery {
    /// Text query; all articles if absent.
    pub query: Option<Query>,
    /// Filter. Its own text query must match too.
    pub filter: Filter,
    /// Articles to choose from.
    pub selection: Selection,
    /// Ways to count.
    pub aggregates: Vec<Aggregate>,
    /// Time at which the articles must be readable.
    pub now: Timestamp,
}

impl CountQuery {
    pub(super) fn weight(&self) -> usize {
        let words = |query: &Option<Query>| query.as_ref().map_or(0, Query::cost);
        words(&self.query) + words(&self.filter.query) + self.selection.weight() + 1 + self.aggregates.len()
    }
}

/// Counts of articles.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Number of all matching articles.
    pub total: u64,
    /// Results in the order of the request.
    pub results: Vec<Buckets>,
    /// Position in the feed up to which changes are in the index.
    pub position: Position,
}

/// Request for suggestions.
#[derive(Clone, Debug)]
pub struct SuggestQuery {
    /// Source of the suggestions.
    pub field: SuggestedField,
    /// Beginning of a value.
    pub prefix: String,
    /// Filter.
    pub filter: Filter,
    /// Articles to choose from.
    pub selection: Selection,
    /// Maximum number of values.
    pub limit: usize,
    /// Time at which the articles must be readable.
    pub now: Timestamp,
}
