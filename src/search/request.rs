//! Requests to the index.

use jiff::Timestamp;

use super::aggregate::{Aggregate, Buckets};
use super::compile::Statistics;
use super::ranking::Ranking;
use super::selection::Selection;
use super::suggest::SuggestedField;
use super::top::ResultCursor;
use crate::article::{Filter, Position, Query};

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
