//! Paged reads. Lists use keyset pagination: pages stay consistent while articles arrive, and each costs the same.

use std::sync::Arc;

use jiff::Timestamp;

use super::Consistency;
use crate::article::{ArticleId, Facet, FacetKind, Filter, Position, Record};

/// Sort key of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OrderField {
    /// Publication time, or else creation time.
    #[default]
    PublishTime,
    /// Creation time.
    CreateTime,
    /// Time of the last change.
    UpdateTime,
}

/// Order of a list. Articles with equal sort keys are in order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Sort key.
    pub field: OrderField,
    /// True for latest first.
    pub descending: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self { field: OrderField::PublishTime, descending: true }
    }
}

/// End of a page. It suffices to continue, even if that article has changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// ID of the last article.
    pub id: ArticleId,
    /// Its sort time at the time of the read, for the order `PublishTime`.
    pub sort_time: Timestamp,
    /// Its position at the time of the read, for the order `UpdateTime`.
    pub position: Position,
}

impl ListCursor {
    /// Returns the cursor of a page that ends with this article.
    pub fn of(record: &Record) -> Self {
        Self { id: record.id.clone(), sort_time: record.sort_time(), position: record.token.position }
    }
}

/// Page of a list.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// Matching articles, in the requested order.
    pub records: Vec<Arc<Record>>,
    /// Last article that was examined, if the page ended early: the next one begins after it. It may match or not; it
    /// is in a requested state. Without it, a page with fewer articles than requested is the last.
    pub examined: Option<Arc<Record>>,
}

/// Query for a page of a list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Filter, without a text query: that is evaluated by `search`.
    pub filter: Filter,
    /// Order.
    pub order: Order,
    /// End of the previous page.
    pub after: Option<ListCursor>,
    /// Maximum number of articles.
    pub limit: usize,
    /// Maximum number of articles to examine by the conditions that no index serves. At least 1.
    pub examine: usize,
    /// Time at which the articles must be readable.
    pub now: Timestamp,
    /// Required freshness of the page.
    pub consistency: Consistency,
}

/// Returns the index of the condition whose values have the shortest lists, by estimate: the lists to walk.
pub(super) fn most_selective(any_of: &[Vec<Facet>]) -> Option<usize> {
    let rank = |any: &Vec<Facet>| any.first().map(|facet| (selectivity(facet.kind), std::cmp::Reverse(any.len())));
    (0..any_of.len()).max_by_key(|at| rank(&any_of[*at]))
}

/// Returns the estimated selectivity of a value of this kind; higher means fewer articles.
fn selectivity(kind: FacetKind) -> u8 {
    match kind {
        FacetKind::Author => 6,
        FacetKind::Tag | FacetKind::Annotation => 5,
        FacetKind::Agency => 4,
        FacetKind::Source | FacetKind::Host => 3,
        FacetKind::Section => 2,
        FacetKind::Language => 1,
        FacetKind::Media => 0,
    }
}

/// Query for a page of a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotQuery {
    /// Position as of which articles are read.
    pub at: Position,
    /// Last article of the previous page.
    pub after: Option<ArticleId>,
    /// Maximum number of articles.
    pub limit: usize,
    /// Part of the articles.
    pub shard: Shard,
}

impl SnapshotQuery {
    /// Returns a query of all articles.
    pub fn of_all(at: Position, after: Option<ArticleId>, limit: usize) -> Self {
        Self { at, after, limit, shard: Shard::default() }
    }
}

/// One of several disjoint parts of the articles, which together are all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Index of the part, from 0.
    pub index: u32,
    /// Number of parts.
    pub count: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}
