//! The articles that are read most.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;

use super::batch_size::Pace;
use super::find::PageStart;
use super::matching::is_shown;
use super::page_token::RequestDigest;
use super::{Retrieval, RetrieveError, page_size};
use crate::article::{EncodedArticle, Filter, Position, ReadMask, Violations, from_proto_duration};
use crate::proto::{ArticleView, ListMostReadArticlesRequest};
use crate::read_counts::KEPT_HOURS;
use crate::search::ResultCursor;
use crate::store::{Consistency, hour_of};

const DEFAULT_PAGE_SIZE: usize = 10;
const MAX_PAGE_SIZE: usize = 100;
/// Period of a request without one.
const DEFAULT_PERIOD: Duration = Duration::from_secs(24 * 3_600);
const MIN_PERIOD: Duration = Duration::from_secs(3_600);
const MAX_PERIOD: Duration = Duration::from_secs(KEPT_HOURS.unsigned_abs() * 3_600);
/// Number of articles that are read at a time.
const BATCH: usize = 100;
/// Number of articles after which a page ends early.
const MAX_EXAMINED: usize = 1_000;
/// Size after which a page ends early, in bytes.
const PAGE_BYTES: usize = 32 << 20;

/// Page of the most read articles.
#[derive(Clone, Debug)]
pub struct MostReadPage {
    /// Articles, most read first.
    pub articles: Vec<MostReadEntry>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
}

/// Article that is read.
#[derive(Clone, Debug)]
pub struct MostReadEntry {
    /// Article with the fields of the read mask.
    pub article: EncodedArticle,
    /// Number of its reads in the period.
    pub read_count: u64,
}

/// Validated request.
struct MostReadRequest {
    period: Duration,
    filter: Filter,
    size: usize,
    mask: ReadMask,
    from: PageStart,
    digest: RequestDigest,
    consistency: Consistency,
}

impl Retrieval {
    /// Reads a page of the articles with the most reads in a period.
    pub async fn most_read(&self, request: &ListMostReadArticlesRequest) -> Result<MostReadPage, RetrieveError> {
        let MostReadRequest { period, filter, size, mask, from, digest, consistency } =
            self.parse_most_read(request)?;
        self.reach(consistency).await?;
        let PageStart { after, now, mut seen, .. } = from;
        // All pages are of the same hours.
        let start = now.checked_sub(period).unwrap_or(Timestamp::MIN);
        let ranking = self.read_counts.most_read(hour_of(start)).await?;
        let mut next = after.map_or(0, |after| {
            ranking.partition_point(|(id, count)| (Reverse(*count), id) <= (Reverse(after.rank), &after.id))
        });
        let end = ranking.len().min(next + MAX_EXAMINED);
        let mut articles = Vec::new();
        let mut pace = Pace::default();
        while next < end && articles.len() < size && pace.total() <= PAGE_BYTES {
            let batch = &ranking[next..end.min(next + pace.limit(BATCH))];
            let ids: Vec<_> = batch.iter().map(|(id, _)| id.clone()).collect();
            let fetched = self.store.get(&ids, consistency.and(seen)).await?;
            pace.read(fetched.iter().flat_map(|fetched| &fetched.record).map(|record| record.weight()));
            let clock = Timestamp::now();
            for ((_, read_count), fetched) in batch.iter().zip(fetched) {
                if articles.len() == size {
                    break;
                }
                next += 1;
                let Some(record) = fetched.record else { continue };
                let checked = if filter.is_empty() { record.token.position } else { Position::START };
                if is_shown(&record, &filter, None, checked, clock)?
                    && let Some(article) = self.shown(&record, &filter.states, &mask)
                {
                    seen = seen.max(record.token.position);
                    articles.push(MostReadEntry { article, read_count: *read_count });
                }
            }
        }
        let last = ranking.get(next.wrapping_sub(1)).filter(|_| next < ranking.len());
        let next_page_token = last.map_or_else(String::new, |(id, count)| {
            let after = Some(ResultCursor { rank: *count, id: id.clone() });
            digest.after_result(&PageStart { after, statistics: None, now, seen })
        });
        Ok(MostReadPage { articles, next_page_token })
    }

    fn parse_most_read(&self, request: &ListMostReadArticlesRequest) -> Result<MostReadRequest, Violations> {
        let mut violations = Violations::default();
        let digest = RequestDigest::of(
            "ListMostReadArticles",
            self.store.feed_id(),
            &ListMostReadArticlesRequest {
                page_size: 0,
                page_token: String::new(),
                consistency: None,
                ..request.clone()
            },
        );
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let period = period(request.period.as_ref()).map_err(&mut note).ok();
        let filter = Filter::parse(request.filter.as_ref()).map_err(&mut note).ok();
        if filter.as_ref().is_some_and(|filter| filter.one_per_story) {
            note(Violations::one("filter.one_per_story", "must be false in ListMostReadArticles"));
        }
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let from = digest.result(&request.page_token).map_err(&mut note).ok();
        let (Some(period), Some(filter), Some(size), Some(mask), Some(consistency), Some(from), true) =
            (period, filter, size, mask, consistency, from, violations.0.is_empty())
        else {
            return Err(violations);
        };
        let from = from.unwrap_or_else(PageStart::first);
        Ok(MostReadRequest { period, filter, size, mask, from, digest, consistency })
    }
}

fn period(requested: Option<&prost_types::Duration>) -> Result<Duration, Violations> {
    let Some(requested) = requested else { return Ok(DEFAULT_PERIOD) };
    let period = from_proto_duration(requested).filter(|period| (MIN_PERIOD..=MAX_PERIOD).contains(period));
    period.ok_or_else(|| Violations::one("period", "must be from 1 hour to 7 days"))
}
