//! Full-text search.

use std::time::Duration;

use jiff::Timestamp;

use super::page_token::RequestDigest;
use super::snippet::TextPart;
use super::{Retrieval, RetrieveError, page_size, snippet};
use crate::article::{EncodedArticle, Filter, Query, ReadMask, Violations};
use crate::proto::{ArticleView, SearchArticlesRequest};
use crate::store::{Consistency, SearchQuery, StoreError};

const DEFAULT_PAGE_SIZE: usize = 20;
const MAX_PAGE_SIZE: usize = 100;
/// Maximum offset of a page into the results.
const MAX_SKIP: usize = 10_000;
/// Maximum wait of a search for the index to reach a position.
const INDEX_WAIT: Duration = Duration::from_secs(10);
const INDEX_POLL: Duration = Duration::from_millis(5);

/// Search result.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Article with the fields of the read mask.
    pub article: EncodedArticle,
    /// Relevance; higher is better.
    pub score: f32,
    /// Excerpt of the body.
    pub snippet: Vec<TextPart>,
    /// Headline.
    pub headline: Vec<TextPart>,
}

/// Page of search results.
#[derive(Clone, Debug)]
pub struct Results {
    /// Results, best first.
    pub hits: Vec<Hit>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
    /// Change token that the index had reached.
    pub index_token: String,
}

impl Retrieval {
    /// Reads a page of the readable articles that match a query.
    pub async fn search(&self, request: &SearchArticlesRequest) -> Result<Results, RetrieveError> {
        let mut violations = Violations::default();
        let digest = RequestDigest::of(
            "SearchArticles",
            self.store.feed_id(),
            &SearchArticlesRequest { page_size: 0, page_token: String::new(), consistency: None, ..request.clone() },
        );
        if request.filter.as_ref().is_some_and(|filter| !filter.text.is_empty()) {
            violations.add("filter.text", "must be empty in a search; use query instead");
        }
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let query = Query::parse(&request.query, "query").map_err(&mut note).ok();
        let filter = Filter::parse_for_readers(request.filter.as_ref()).map_err(&mut note).ok();
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE).map_err(&mut note).ok();
        let skip = digest.number(&request.page_token).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(query), Some(filter), Some(size), Some(skip), Some(mask), Some(consistency), true) =
            (query, filter, size, skip, mask, consistency, violations.0.is_empty())
        else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        self.reach_index(consistency).await?;
        let skip = skip.and_then(|skip| usize::try_from(skip).ok()).unwrap_or(0).min(MAX_SKIP);
        let now = Timestamp::now();
        let search = SearchQuery { query, filter, skip, limit: size + 1, now, consistency };
        let mut page = self.store.search(&search).await?;
        let more = page.hits.len() > size && skip + size < MAX_SKIP;
        page.hits.truncate(size);
        let next_page_token = if more { digest.after_number((skip + size) as u64) } else { String::new() };
        let mut hits = Vec::with_capacity(page.hits.len());
        for hit in &page.hits {
            let record = &hit.record;
            let Ok(article) = record.readable(now) else { continue };
            let decoded = record.decode().map_err(|_| StoreError::Damaged)?;
            hits.push(Hit {
                article: mask.apply(article),
                score: hit.score,
                snippet: snippet::snippet(&decoded.body, &search.query),
                headline: snippet::line(&decoded.headline, &search.query),
            });
        }
        Ok(Results { hits, next_page_token, index_token: self.token(page.indexed) })
    }

    /// Waits until the search index satisfies the requested consistency.
    pub(super) async fn reach_index(&self, consistency: Consistency) -> Result<(), RetrieveError> {
        let position = match consistency {
            Consistency::Bounded => return Ok(()),
            Consistency::AtLeast(position) => position,
            Consistency::Full => self.store.head().await?,
        };
        let deadline = tokio::time::Instant::now() + INDEX_WAIT;
        while self.store.index_position().await? < position {
            if tokio::time::Instant::now() >= deadline {
                return Err(RetrieveError::IndexLate);
            }
            tokio::time::sleep(INDEX_POLL).await;
        }
        Ok(())
    }
}
