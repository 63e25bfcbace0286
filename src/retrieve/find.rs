//! A page of articles that the search index finds, read from the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::batch_size::Pace;
use super::matching::is_shown;
use super::story_choice::Shown;
use super::{Retrieval, RetrieveError};
use crate::article::{ArticleId, Filter, Position, Query, Record};
use crate::search::{Candidate, Ranking, ResultCursor, Statistics, TopQuery};
use crate::store::Consistency;

/// Maximum wait of a search for the index to reach a position.
const INDEX_WAIT: Duration = Duration::from_secs(10);
/// Maximum wait of a search for an index that is being opened or built.
const START_WAIT: Duration = Duration::from_secs(1);
/// Maximum wait of a count for an index that is older than the staleness bound, such as during a long commit.
const BOUND_WAIT: Duration = Duration::from_secs(2);
const BOUND_POLL: Duration = Duration::from_millis(10);
/// Size after which a page ends early, in bytes.
const PAGE_BYTES: usize = 32 << 20;
/// Maximum number of searches for one page. Each after the first replaces results that were not readable any more.
const MAX_ROUNDS: usize = 10;
/// Minimum number of candidates of a search that shows one article of each story.
const MIN_CANDIDATES: usize = 50;

/// Search for a page.
pub(super) struct Find {
    pub(super) query: Option<Query>,
    pub(super) filter: Filter,
    pub(super) ranking: Ranking,
    /// Article that is shown of each story, if the filter asks for one.
    pub(super) shown: Shown,
    pub(super) size: usize,
    pub(super) from: PageStart,
    pub(super) consistency: Consistency,
}

/// Start of a page, which its token carries from one replica to another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PageStart {
    /// End of the previous page.
    pub(super) after: Option<ResultCursor>,
    /// Statistics of the scores; none before the first page.
    pub(super) statistics: Option<Statistics>,
    /// Time of the first page.
    pub(super) now: Timestamp,
    /// Newest position shown on the pages so far.
    pub(super) seen: Position,
}

impl PageStart {
    /// Returns the start of a first page.
    pub(super) fn first() -> Self {
        Self { after: None, statistics: None, now: Timestamp::now(), seen: Position::START }
    }
}

/// Page of articles.
pub(super) struct Found {
    /// Articles with their scores, in order.
    pub(super) hits: Vec<(Arc<Record>, f32)>,
    /// Start of the next page; none on the last page.
    pub(super) next: Option<PageStart>,
    /// Number of all matching articles.
    pub(super) total: u64,
    /// Position of the index.
    pub(super) position: Position,
}

impl Retrieval {
    /// Finds a page of articles. Visibility is decided by the newest revision of each article and by the current time.
    pub(super) async fn find(&self, find: Find) -> Result<Found, RetrieveError> {
        let Find { query, filter, ranking, shown, size, from, consistency } = find;
        let PageStart { mut after, mut statistics, now, mut seen } = from;
        let mut hits: Vec<(Arc<Record>, f32)> = Vec::new();
        let mut total = None;
        let mut position = self.index.position();
        let mut pace = Pace::default();
        let mut has_more = true;
        let mut selection = self.selection(&filter).await?;
        'pages: for _ in 0..MAX_ROUNDS {
            // One more than requested: it means that there is a next page.
            let missing = size + 1 - hits.len();
            let limit = if filter.one_per_story { missing.max(MIN_CANDIDATES) } else { missing };
            let search = TopQuery {
                query: query.clone(),
                filter: filter.clone(),
                selection: selection.clone(),
                ranking,
                after: after.clone(),
                statistics: statistics.clone(),
                limit,
                now,
            };
            let of_stories = filter.one_per_story.then(|| search.clone());
            let top = self.index.top(search).await?;
            statistics = Some(top.statistics);
            total.get_or_insert(top.total);
            position = top.position;
            let consistency = consistency.and(seen);
            let mut records = match of_stories {
                Some(search) => {
                    let search = TopQuery { statistics: statistics.clone(), ..search };
                    let chosen = self.choose(&top.candidates, search, shown, consistency).await?;
                    // Articles that lose to another one of their story do so in every search for this page.
                    selection.none_of.push(Arc::new(chosen.others));
                    chosen.records
                }
                None => self.shown_records(&top.candidates, &filter, query.as_ref(), consistency).await?,
            };
            for candidate in &top.candidates {
                let Some(record) = records.remove(&candidate.id) else {
                    after = Some(candidate.cursor());
                    continue;
                };
                if hits.len() == size || pace.total() > PAGE_BYTES {
                    break 'pages;
                }
                pace.read(std::iter::once(record.weight()));
                seen = seen.max(record.token.position);
                after = Some(candidate.cursor());
                hits.push((record, candidate.score));
            }
            if top.candidates.len() < limit {
                has_more = false;
                break;
            }
        }
        let next = has_more.then_some(PageStart { after, statistics, now, seen });
        Ok(Found { hits, next, total: total.unwrap_or(0), position })
    }

    /// Reads the candidates that may be shown, by their IDs.
    async fn shown_records(
        &self,
        candidates: &[Candidate],
        filter: &Filter,
        query: Option<&Query>,
        consistency: Consistency,
    ) -> Result<HashMap<ArticleId, Arc<Record>>, RetrieveError> {
        let ids: Vec<ArticleId> = candidates.iter().map(|candidate| candidate.id.clone()).collect();
        let records = self.store.get(&ids, consistency).await?;
        let clock = Timestamp::now();
        let mut shown = HashMap::with_capacity(candidates.len());
        for (candidate, fetched) in candidates.iter().zip(records) {
            let Some(record) = fetched.record else { continue };
            if is_shown(&record, filter, query, candidate.position, clock)? {
                shown.insert(candidate.id.clone(), record);
            }
        }
        Ok(shown)
    }

    /// Waits until the index satisfies the requested consistency. A position that the store does not have is refused
    /// before.
    pub(super) async fn reach_index(&self, consistency: Consistency) -> Result<(), RetrieveError> {
        let (position, wait) = match consistency {
            Consistency::Bounded if self.index.is_built() => return Ok(()),
            // A server that has just started opens its index in some milliseconds.
            Consistency::Bounded => (Position::START, START_WAIT),
            Consistency::AtLeast(position) => (position, INDEX_WAIT),
            Consistency::Full => (self.store.head().await?, INDEX_WAIT),
        };
        match self.index.reach(position, wait).await {
            true => Ok(()),
            false => Err(RetrieveError::IndexLate),
        }
    }

    /// Waits until the index is within the staleness bound, for a while: a count has no article that could be checked
    /// when it is read.
    pub(super) async fn reach_bound(&self) -> Result<(), RetrieveError> {
        let deadline = Instant::now() + BOUND_WAIT;
        while self.index.staleness() > self.limits.staleness_bound {
            if Instant::now() >= deadline {
                return Err(RetrieveError::IndexLate);
            }
            tokio::time::sleep(BOUND_POLL).await;
        }
        Ok(())
    }
}
