//! Paginated lists.

use std::sync::Arc;

use jiff::Timestamp;

use super::batch_size::Pace;
use super::page_token::RequestDigest;
use super::watch_start::CLOCK_DISORDER;
use super::{Retrieval, RetrieveError, page_size};
use crate::article::{EncodedArticle, Filter, Position, ReadMask, Record, Violations};
use crate::proto::{ArticleView, ListArticlesRequest};
use crate::store::{ListCursor, ListPage, ListQuery, Order, OrderField};

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

impl Retrieval {
    /// Reads a page of the readable articles that match a filter.
    pub async fn list(&self, request: &ListArticlesRequest) -> Result<Page, RetrieveError> {
        let mut violations = Violations::default();
        let digest = RequestDigest::of(
            "ListArticles",
            self.store.feed_id(),
            &ListArticlesRequest { page_size: 0, page_token: String::new(), consistency: None, ..request.clone() },
        );
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, self.limits.max_page_size).map_err(&mut note).ok();
        let from = digest.article(&request.page_token).map_err(&mut note).ok();
        let order = order(&request.order_by).map_err(&mut note).ok();
        let filter = Filter::parse(request.filter.as_ref()).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(size), Some(from), Some(order), Some(filter), Some(mask), Some(consistency)) =
            (size, from, order, filter, mask, consistency)
        else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        if filter.query.is_some() {
            // Text filters read the search index.
            self.reach_index(consistency).await?;
        }
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
        let shown = |record: &Arc<Record>| match query.filter.states.is_empty() {
            true => record.readable(now).ok().map(|article| mask.apply(article)),
            false => Some(mask.apply(&record.for_editor(now, self.limits.deleted_keep))),
        };
        Ok(Page { articles: records.iter().filter_map(shown).collect(), next_page_token })
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
