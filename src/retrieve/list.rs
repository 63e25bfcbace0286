//! Paginated lists.

use std::sync::Arc;

use jiff::Timestamp;

use super::article_stories::with_stories;
use super::batch_size::Pace;
use super::find::{Find, PageStart};
use super::page_token::RequestDigest;
use super::story_choice::Shown;
use super::watch_start::CLOCK_DISORDER;
use super::{Retrieval, RetrieveError, page_size};
use crate::article::{EncodedArticle, Filter, Position, ReadMask, Record, Violations};
use crate::proto::{ArticleState, ArticleView, ListArticlesRequest};
use crate::search::{Ranking, TimeKey};
use crate::store::{Consistency, ListCursor, ListPage, ListQuery, Order, OrderField, StoreError};

/// Page size of requests without `page_size`, in articles.
const DEFAULT_PAGE_SIZE: usize = 50;

/// Maximum number of articles per read.
const LIST_BATCH: usize = 256;
/// Maximum number of index lookups by which a read checks articles that no index selects. It takes some ten
/// milliseconds.
const READ_LOOKUPS: usize = 20_000;
/// Maximum number of reads that end before the page is full. Each waits its turn for the store.
const MAX_PARTIAL_READS: usize = 10;
/// Size after which a page ends early, in bytes.
const PAGE_BYTES: usize = 32 << 20;

/// Page of articles.
#[derive(Clone, Debug)]
pub struct Page {
    /// Articles with the fields of the read mask, in the requested order.
    pub articles: Vec<EncodedArticle>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
}

/// Validated request, without its page token.
struct ListRequest {
    digest: RequestDigest,
    size: usize,
    order: Order,
    filter: Filter,
    mask: ReadMask,
    consistency: Consistency,
}

impl Retrieval {
    /// Reads a page of the readable articles that match a filter.
    pub async fn list(&self, request: &ListArticlesRequest) -> Result<Page, RetrieveError> {
        let parsed = self.parse_list(request)?;
        self.reach(parsed.consistency).await?;
        match parsed.filter.query.is_some() {
            true => self.list_by_text(&request.page_token, parsed).await,
            false => self.list_by_filter(&request.page_token, parsed).await,
        }
    }

    fn parse_list(&self, request: &ListArticlesRequest) -> Result<ListRequest, Violations> {
        let mut violations = Violations::default();
        let digest = RequestDigest::of(
            "ListArticles",
            self.store.feed_id(),
            &ListArticlesRequest { page_size: 0, page_token: String::new(), consistency: None, ..request.clone() },
        );
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, self.limits.max_page_size).map_err(&mut note).ok();
        let order = order(&request.order_by).map_err(&mut note).ok();
        let filter = Filter::parse(request.filter.as_ref()).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        // The contents of the token depend on the request.
        digest.number(&request.page_token).map_err(&mut note).ok();
        let (Some(size), Some(order), Some(filter), Some(mask), Some(consistency), true) =
            (size, order, filter, mask, consistency, violations.0.is_empty())
        else {
            return Err(violations);
        };
        Ok(ListRequest { digest, size, order, filter, mask, consistency })
    }

    /// Reads a page of the articles that also match a text query, which the search index finds.
    async fn list_by_text(&self, page_token: &str, parsed: ListRequest) -> Result<Page, RetrieveError> {
        let ListRequest { digest, size, order, filter, mask, consistency } = parsed;
        let from = digest.result(page_token)?.unwrap_or_else(PageStart::first);
        self.reach_index(consistency).await?;
        let key = match order.field {
            OrderField::PublishTime => TimeKey::Publish,
            OrderField::CreateTime => TimeKey::Create,
            OrderField::UpdateTime => TimeKey::Update,
        };
        let ranking = Ranking::Time { key, descending: order.descending };
        let states = filter.states.clone();
        let shown = Shown::Earliest;
        let found = self.find(Find { query: None, filter, ranking, shown, size, from, consistency }).await?;
        let records: Vec<Arc<Record>> = found.hits.into_iter().map(|(record, _)| record).collect();
        Ok(Page {
            articles: self.shown_with_stories(&records, &states, &mask).await?,
            next_page_token: found.next.map_or_else(String::new, |next| digest.after_result(&next)),
        })
    }

    /// Returns an article with the fields of the mask: as readers see it, or as editors who select states do.
    pub(super) fn shown(&self, record: &Record, states: &[ArticleState], mask: &ReadMask) -> Option<EncodedArticle> {
        let now = Timestamp::now();
        match states {
            [] => record.readable(now).ok().map(|article| mask.apply(article)),
            _ => Some(mask.apply(&record.for_editor(now, self.limits.deleted_keep))),
        }
    }

    /// Returns articles like [`Self::shown`], with their stories if the mask names them.
    async fn shown_with_stories(
        &self,
        records: &[Arc<Record>],
        states: &[ArticleState],
        mask: &ReadMask,
    ) -> Result<Vec<EncodedArticle>, StoreError> {
        let stories = self.article_stories(with_stories(mask, records.iter().map(|record| &record.id))).await?;
        let shown = records
            .iter()
            .filter_map(|record| self.shown(record, states, mask).map(|article| stories.add_to(&record.id, article)));
        Ok(shown.collect())
    }

    async fn list_by_filter(&self, page_token: &str, parsed: ListRequest) -> Result<Page, RetrieveError> {
        let ListRequest { digest, size, order, filter, mask, consistency } = parsed;
        let from = digest.article(page_token)?;
        let now = Timestamp::now();
        let mut records = Vec::new();
        // Pages may come from different replicas: no page may show an older state than the pages before it.
        let (after, mut seen) = from.map_or((None, Position::START), |from| (Some(from.after), from.seen));
        let examine = READ_LOOKUPS / (1 + filter.cost());
        let mut query = ListQuery { filter, order, after, limit: 0, examine, now, consistency };
        let mut pace = Pace::default();
        let mut partial_reads = 0;
        // Reads one article more than requested, which means that there is a next page, or until the page is large.
        let end = loop {
            query.limit = (size + 1 - records.len()).min(pace.limit(LIST_BATCH));
            query.consistency = consistency.and(seen);
            let ListPage { records: found, examined } = self.store.list(&query).await?;
            let exhausted = found.len() < query.limit && examined.as_ref().is_none_or(|last| is_past(&query, last));
            pace.read(found.iter().map(|record| record.weight()));
            seen = found.iter().chain(&examined).map(|record| record.token.position).fold(seen, Position::max);
            records.extend(found);
            if exhausted && records.len() <= size {
                break None;
            }
            if records.len() > size || pace.total() > PAGE_BYTES {
                records.truncate(size);
                break records.last().map(|last: &Arc<Record>| ListCursor::of(last));
            }
            partial_reads += usize::from(examined.is_some());
            query.after = examined.as_ref().or(records.last()).map(|last| ListCursor::of(last));
            if partial_reads >= MAX_PARTIAL_READS {
                break query.after;
            }
        };
        let next_page_token = end.map_or_else(String::new, |end| digest.after_article(end, seen));
        let articles = self.shown_with_stories(&records, &query.filter.states, &mask).await?;
        Ok(Page { articles, next_page_token })
    }
}

fn order(order_by: &str) -> Result<Order, Violations> {
    let mut words = order_by.split_whitespace();
    let field = match words.next() {
        None => return Ok(Order::default()),
        Some("publish_time") => Some(OrderField::PublishTime),
        Some("create_time") => Some(OrderField::CreateTime),
        Some("update_time") => Some(OrderField::UpdateTime),
        Some(_) => None,
    };
    // AIP-132: ascending by default.
    let descending = match words.next() {
        None | Some("asc") => Some(false),
        Some("desc") => Some(true),
        Some(_) => None,
    };
    match (field, descending, words.next()) {
        (Some(field), Some(descending), None) => Ok(Order { field, descending }),
        _ => Err(Violations::one(
            "order_by",
            "must be publish_time, create_time or update_time, optionally followed by asc or desc",
        )),
    }
}

/// Returns true if no article after this one can be in the time range that the list is ordered by. The range of
/// publish times limits the scan itself.
fn is_past(query: &ListQuery, last: &Record) -> bool {
    let (range, time) = match query.order.field {
        OrderField::PublishTime => return false,
        OrderField::CreateTime => (query.filter.created, last.create_time),
        OrderField::UpdateTime => (query.filter.updated, last.update_time),
    };
    match query.order.descending {
        true => range.start.is_some_and(|start| start.duration_since(time) > CLOCK_DISORDER),
        false => range.end.is_some_and(|end| time.duration_since(end) > CLOCK_DISORDER),
    }
}
