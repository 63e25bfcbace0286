//! Lists of the recent stories: the latest, and those that most sources report.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, Unit};

use super::page_token::{RequestDigest, StoryStart};
use super::stories::story;
use super::{Retrieval, RetrieveError, page_size};
use crate::article::{ArticleId, EncodedArticle, Position, ReadMask, Record, Violations, fold};
use crate::proto::{self, ArticleView, ListStoriesRequest, ListTopStoriesRequest, Story};
use crate::store::{Consistency, StoreError};
use crate::stories::{Rank, StoryFilter, StoryOrder, Summary, score};

const DEFAULT_PAGE_SIZE: usize = 20;
const MAX_PAGE_SIZE: usize = 100;
const DEFAULT_TOP_SIZE: usize = 10;
const MAX_TOP_SIZE: usize = 50;
const DEFAULT_STORY_ARTICLES: usize = 3;
const MAX_STORY_ARTICLES: usize = 10;
/// Articles of a story that are read in addition, in case one is not readable any more.
const SPARE: usize = 3;
/// Maximum number of values in a list of a filter.
const MAX_VALUES: usize = 100;
/// Maximum wait for articles up to a position to be grouped: shorter than the usual deadline of a client.
const STORIES_WAIT: Duration = Duration::from_secs(8);
/// Maximum wait for the recent stories to be read.
const START_WAIT: Duration = Duration::from_secs(1);

/// Page of stories.
#[derive(Clone, Debug)]
pub struct StoryPage {
    /// Stories, in order.
    pub stories: Vec<ListedStory>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
    /// Change token up to which articles are grouped.
    pub grouped_token: String,
}

/// Story of a list.
#[derive(Clone, Debug)]
pub struct ListedStory {
    /// Story.
    pub story: Story,
    /// Score at the time of the first page.
    pub score: f32,
    /// Some of its articles, with the fields of the read mask.
    pub articles: Vec<EncodedArticle>,
}

/// Validated request for stories.
struct Wanted {
    filter: StoryFilter,
    is_top: bool,
    size: usize,
    articles: usize,
    mask: ReadMask,
    from: StoryStart,
    digest: RequestDigest,
    consistency: Consistency,
}

impl Retrieval {
    /// Lists the recent stories, the one with the latest article first.
    pub async fn list_stories(&self, request: &ListStoriesRequest) -> Result<StoryPage, RetrieveError> {
        let digest = RequestDigest::of(
            "ListStories",
            self.store.feed_id(),
            &ListStoriesRequest { page_size: 0, page_token: String::new(), consistency: None, ..request.clone() },
        );
        let mut violations = Violations::default();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let filter = filter(request.filter.as_ref()).map_err(&mut note).ok();
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE).map_err(&mut note).ok();
        let from = start(&digest, &request.page_token).map_err(&mut note).ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(filter), Some(size), Some(from), Some(consistency)) = (filter, size, from, consistency) else {
            return Err(violations.into());
        };
        let mask = ReadMask::parse(None, ArticleView::Basic.into(), 0, ArticleView::Basic)?;
        self.stories_of(Wanted { filter, is_top: false, size, articles: 0, mask, from, digest, consistency }).await
    }

    /// Lists the recent stories that most independent sources report, and that are read most.
    pub async fn list_top_stories(&self, request: &ListTopStoriesRequest) -> Result<StoryPage, RetrieveError> {
        let digest = RequestDigest::of(
            "ListTopStories",
            self.store.feed_id(),
            &ListTopStoriesRequest { page_size: 0, page_token: String::new(), consistency: None, ..request.clone() },
        );
        let mut violations = Violations::default();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let filter = filter(request.filter.as_ref()).map_err(&mut note).ok();
        let size = page_size(request.page_size, DEFAULT_TOP_SIZE, MAX_TOP_SIZE).map_err(&mut note).ok();
        let articles = page_size(request.max_story_articles, DEFAULT_STORY_ARTICLES, MAX_STORY_ARTICLES)
            .map_err(|_| {
                let expected = format!("must not be negative; 0 means {DEFAULT_STORY_ARTICLES}");
                note(Violations::one("max_story_articles", expected));
            })
            .ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let from = start(&digest, &request.page_token).map_err(&mut note).ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(filter), Some(size), Some(articles), Some(mask), Some(from), Some(consistency)) =
            (filter, size, articles, mask, from, consistency)
        else {
            return Err(violations.into());
        };
        self.stories_of(Wanted { filter, is_top: true, size, articles, mask, from, digest, consistency }).await
    }

    async fn stories_of(&self, wanted: Wanted) -> Result<StoryPage, RetrieveError> {
        let Wanted { filter, is_top, size, articles, mask, from, digest, consistency } = wanted;
        let recent = self.recent_stories()?;
        self.reach(consistency).await?;
        let required = self.reach_stories(consistency).await?;
        let order = if is_top { StoryOrder::Score(from.now.as_microsecond()) } else { StoryOrder::Latest };
        let ranked = recent.ranked(filter, order, required, self.read_counts.decayed()).await?;
        let first = from.after.map_or(0, |after| ranked.partition_point(|(rank, _)| *rank <= after));
        let page = &ranked[first..ranked.len().min(first + size)];
        let records = self.records_of(page, articles.max(1), consistency).await?;
        let mut stories = Vec::with_capacity(page.len());
        for (_, summary) in page {
            let readable = summary.articles.iter().filter_map(|id| records.get(id));
            let shown: Vec<&Arc<Record>> = readable.take(articles.max(1)).collect();
            // All of it was withdrawn a moment ago.
            let Some(lead) = shown.first() else { continue };
            let headline = lead.decode().map_err(|_| StoreError::Damaged)?.headline;
            let articles = shown.iter().take(articles).filter_map(|record| self.shown(record, &[], &mask));
            let articles =
                articles.map(|article| if mask.has_story() { article.with_story(&summary.id) } else { article });
            stories.push(ListedStory {
                story: story(summary, &lead.id, headline),
                score: if is_top { score(summary, from.now.as_microsecond()) } else { 0.0 },
                articles: articles.collect(),
            });
        }
        let has_more = ranked.len() > first + size;
        let next = page.last().filter(|_| has_more).map(|(rank, _)| StoryStart { after: Some(*rank), now: from.now });
        Ok(StoryPage {
            stories,
            next_page_token: next.map_or_else(String::new, |next| digest.after_story(next)),
            grouped_token: self.token(recent.position()),
        })
    }

    /// Reads the readable ones of the first articles of stories.
    async fn records_of(
        &self,
        page: &[(Rank, Summary)],
        articles: usize,
        consistency: Consistency,
    ) -> Result<HashMap<ArticleId, Arc<Record>>, RetrieveError> {
        let ids = page.iter().flat_map(|(_, summary)| summary.articles.iter().take(articles + SPARE).cloned());
        let ids: Vec<ArticleId> = ids.collect();
        let now = Timestamp::now();
        let records = self.store.get(&ids, consistency).await?.into_iter().filter_map(|fetched| fetched.record);
        let readable = records.filter(|record| record.readable(now).is_ok());
        Ok(readable.map(|record| (record.id.clone(), record)).collect())
    }

    /// Waits until articles are grouped as the consistency requires. Returns the position up to which they are.
    pub(super) async fn reach_stories(&self, consistency: Consistency) -> Result<Position, RetrieveError> {
        let (position, wait) = match consistency {
            Consistency::Bounded => (Position::START, START_WAIT),
            Consistency::AtLeast(position) => (position, STORIES_WAIT),
            Consistency::Full => (self.store.head().await?, STORIES_WAIT),
        };
        match self.recent_stories()?.reach(position, wait).await {
            true => Ok(position),
            false => Err(RetrieveError::StoriesLate),
        }
    }
}

/// Reads the start of a page. All first pages within a second are of one time, so that they share an order.
fn start(digest: &RequestDigest, token: &str) -> Result<StoryStart, Violations> {
    let now = Timestamp::now();
    let first = StoryStart { after: None, now: now.round(Unit::Second).unwrap_or(now) };
    Ok(digest.story(token)?.unwrap_or(first))
}

fn filter(requested: Option<&proto::StoryFilter>) -> Result<StoryFilter, Violations> {
    let Some(requested) = requested else { return Ok(StoryFilter::default()) };
    let mut violations = Violations::default();
    let lists =
        [("sources", &requested.sources), ("languages", &requested.languages), ("sections", &requested.sections)];
    for (field, values) in lists {
        if values.len() > MAX_VALUES {
            violations.add(format!("filter.{field}"), format!("must have at most {MAX_VALUES} values"));
        }
    }
    let min_source_count = usize::try_from(requested.min_source_count).unwrap_or_else(|_| {
        violations.add("filter.min_source_count", "must not be negative; 0 means 1");
        0
    });
    violations.or(())?;
    let folded = |values: &[String]| values.iter().map(|value| fold(value)).collect();
    Ok(StoryFilter {
        sources: folded(&requested.sources),
        languages: requested.languages.iter().map(|value| fold(value).replace('_', "-")).collect(),
        sections: folded(&requested.sections),
        min_source_count,
    })
}
