//! What can be read in pages. Pages go on after a key, not after a count, so they stay true while articles arrive and cost
//! the same however far one has read.

use std::sync::Arc;

use jiff::Timestamp;

use super::Consistency;
use crate::article::{ArticleId, Filter, Position, Query, Record};

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OrderField {
    /// When it was published, or else created.
    #[default]
    PublishTime,
    /// When it was created.
    CreateTime,
    /// When it was changed last.
    UpdateTime,
}

/// The order of a list. Articles that are equal in it stand in the order of their creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// By what.
    pub field: OrderField,
    /// The latest first.
    pub descending: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self { field: OrderField::PublishTime, descending: true }
    }
}

/// Where a page ended: enough to go on from, whatever has become of that article since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// The article.
    pub id: ArticleId,
    /// Its time in the order `PublishTime`, as it was.
    pub sort_time: Timestamp,
    /// Its place in the order `UpdateTime`, as it was.
    pub position: Position,
}

impl ListCursor {
    /// The cursor of a page that ends with this article.
    pub fn of(record: &Record) -> Self {
        Self { id: record.id.clone(), sort_time: record.sort_time(), position: record.token.position }
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Which articles.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// After which article.
    pub after: Option<ListCursor>,
    /// At most this many.
    pub limit: usize,
    /// Articles readable at this time.
    pub now: Timestamp,
    /// How fresh the page must be; with `AtLeast`, what a text is searched in as well.
    pub consistency: Consistency,
}

impl ListQuery {
    /// Share of its caller's turns at the store: 1, or the number of words in its text.
    pub(super) fn weight(&self) -> usize {
        self.filter.query.as_ref().map_or(1, Query::cost)
    }
}

/// A page of a search.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// What must match.
    pub query: Query,
    /// Which articles. Its own query must match too.
    pub filter: Filter,
    /// How many results to pass over.
    pub skip: usize,
    /// At most this many.
    pub limit: usize,
    /// Articles readable at this time.
    pub now: Timestamp,
    /// How fresh the page must be; with `AtLeast`, what a text is searched in as well.
    pub consistency: Consistency,
}

impl SearchQuery {
    /// Share of its caller's turns at the store: the number of words that are looked up.
    pub(super) fn weight(&self) -> usize {
        self.query.cost() + self.filter.query.as_ref().map_or(0, Query::cost)
    }
}

/// One result.
#[derive(Clone, Debug)]
pub struct SearchHit {
    /// The article.
    pub record: Arc<Record>,
    /// Higher is better.
    pub score: f32,
}

/// Results, best first.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// The results.
    pub hits: Vec<SearchHit>,
    /// How far the index had followed the feed.
    pub indexed: Position,
}
