//! Search indexes of stores under test.

use std::sync::Arc;
use std::time::Duration;

use copydesk::article::{Filter, Query};
use copydesk::search::{
    Aggregate, Candidate, CountQuery, Counts, Ranking, Recency, ResultCursor, SearchIndex, Selection, Statistics,
    SuggestQuery, Suggested, SuggestedField, Top, TopQuery,
};
use copydesk::store::Store;
use copydesk::telemetry::SearchMetrics;
use jiff::Timestamp;
use tempfile::TempDir;

use crate::test_server::search_options;

/// Maximum number of results where all are expected.
pub const ALL: usize = 1_000;

/// A search index in a separate folder.
pub struct Index {
    pub index: Arc<SearchIndex>,
    store: Arc<dyn Store>,
    pub dir: TempDir,
}

impl Index {
    /// Opens an index of a store, and waits until it has every change.
    pub async fn of(store: &Arc<dyn Store>) -> Self {
        Self::on(tempfile::tempdir().unwrap(), store).await
    }

    /// Opens the index in a folder, and waits until it has every change.
    pub async fn on(dir: TempDir, store: &Arc<dyn Store>) -> Self {
        let options = search_options(dir.path());
        let index = SearchIndex::open(Arc::clone(store), options, SearchMetrics::default()).await.unwrap();
        let index = Self { index: Arc::new(index), store: Arc::clone(store), dir };
        index.catch_up().await;
        index
    }

    /// Wraps an open index in a folder.
    pub fn over(index: SearchIndex, store: &Arc<dyn Store>, dir: TempDir) -> Self {
        Self { index: Arc::new(index), store: Arc::clone(store), dir }
    }

    /// Waits until the index has every change.
    pub async fn catch_up(&self) {
        let head = self.store.head().await.unwrap();
        assert!(self.index.reach(head, Duration::from_secs(60)).await, "the index follows the feed");
    }

    /// Closes the index. Returns its folder.
    pub fn close(self) -> TempDir {
        self.dir
    }

    /// Returns the best results of a query, each by relevance.
    pub async fn search(&self, text: &str, now: Timestamp) -> Vec<Candidate> {
        let query = Query::parse(text, "query").unwrap();
        self.top(Some(&query), &Filter::default(), by_relevance(), now).await.candidates
    }

    /// Returns all results in an order.
    pub async fn top(&self, query: Option<&Query>, filter: &Filter, ranking: Ranking, now: Timestamp) -> Top {
        self.page(query, filter, ranking, now, None, ALL).await
    }

    /// Returns a page of results, after the last one of a former page.
    pub async fn page(
        &self,
        query: Option<&Query>,
        filter: &Filter,
        ranking: Ranking,
        now: Timestamp,
        from: Option<(ResultCursor, Statistics)>,
        limit: usize,
    ) -> Top {
        let (after, statistics) = from.unzip();
        let (query, filter) = (query.cloned(), filter.clone());
        let selection = Selection::default();
        let query = TopQuery { query, filter, selection, ranking, after, statistics, limit, now };
        self.index.top(query).await.unwrap()
    }

    /// Returns counts.
    pub async fn count(
        &self,
        query: Option<&Query>,
        filter: &Filter,
        aggregates: Vec<Aggregate>,
        now: Timestamp,
    ) -> Counts {
        let (query, filter) = (query.cloned(), filter.clone());
        let selection = Selection::default();
        self.index.count(CountQuery { query, filter, selection, aggregates, now }).await.unwrap()
    }

    /// Returns all suggestions.
    pub async fn suggest(
        &self,
        field: SuggestedField,
        prefix: &str,
        filter: &Filter,
        now: Timestamp,
    ) -> Vec<Suggested> {
        let (prefix, filter) = (prefix.to_owned(), filter.clone());
        let selection = Selection::default();
        self.index.suggest(SuggestQuery { field, prefix, filter, selection, limit: ALL, now }).await.unwrap().0
    }
}

/// Returns the default order.
pub fn by_relevance() -> Ranking {
    Ranking::Relevance(Recency::default())
}

/// Opens an index of a store, with every change, and returns the best results of a query.
pub async fn search(store: &Arc<dyn Store>, text: &str, now: Timestamp) -> Vec<Candidate> {
    Index::of(store).await.search(text, now).await
}

pub fn found(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().map(|candidate| candidate.id.as_str()).collect()
}
