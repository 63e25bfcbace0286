//! Articles on the same subject as another one.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::article_stories::with_stories;
use super::find::PageStart;
use super::matching::is_shown;
use super::page_token::{RelatedStart, RequestDigest, StoryPart};
use super::{Audience, Retrieval, RetrieveError, page_size};
use crate::article::{
    ArticleId, BodySketch, Digest, EncodedArticle, FieldSet, Filter, Language, Position, Query, ReadMask, Record,
    TextField, Violations,
};
use crate::proto::{Article, ArticleView, ListRelatedArticlesRequest};
use crate::search::{Ranking, Recency, Selection, TopQuery};
use crate::store::{Consistency, StoreError};

const DEFAULT_PAGE_SIZE: usize = 10;
const MAX_PAGE_SIZE: usize = 50;
/// Maximum number of results that are examined, on all pages of a request.
const MAX_EXAMINED: usize = 200;
/// Maximum number of articles of the same story that are examined: those whose memberships changed first.
const MAX_OF_STORY: usize = 100;
/// Number of articles that are read at a time.
const BATCH: usize = 32;

/// Page of related articles.
#[derive(Clone, Debug)]
pub struct RelatedPage {
    /// Articles of the same story, then others, best first.
    pub articles: Vec<RelatedEntry>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
    /// Change token that the index had reached.
    pub index_token: String,
}

/// Related article.
#[derive(Clone, Debug)]
pub struct RelatedEntry {
    /// Article with the fields of the read mask.
    pub article: EncodedArticle,
    /// Score; 0 for one of the same story.
    pub score: f32,
    /// True if it is in the same story.
    pub same_story: bool,
}

/// Validated request.
struct RelatedRequest {
    id: ArticleId,
    filter: Filter,
    size: usize,
    mask: ReadMask,
    consistency: Consistency,
    digest: RequestDigest,
    from: Option<RelatedStart>,
}

impl Retrieval {
    /// Reads a page of the articles on the same subject as an article: those of its story, then those with its
    /// characteristic words. None is a copy of the article, or of one before it.
    pub async fn related(&self, request: &ListRelatedArticlesRequest) -> Result<RelatedPage, RetrieveError> {
        let RelatedRequest { id, filter, size, mask, consistency, digest, from } = self.parse_related(request)?;
        self.reach(consistency).await?;
        self.reach_index(consistency).await?;
        let subject = self.record_for(&request.name, &id, Audience::Readers, consistency).await?;
        let article = subject.decode().map_err(|_| StoreError::Damaged)?;
        let RelatedStart { page, words, story } = match from {
            Some(start) => start,
            None => {
                let page = PageStart::first();
                let words = self.index.characteristic_words(article.clone(), page.now).await?;
                RelatedStart { page, words, story: StoryPart::Begin }
            }
        };
        let PageStart { after, statistics, now, mut seen } = page;
        let mut texts = Texts::default();
        texts.add(&subject, &article);
        let selection = self.selection(&filter).await?;
        let of_story = self.same_story(&subject, &filter, &selection, consistency.and(seen), &mut texts).await?;
        let mut rest = of_story.iter().filter(|record| story.is_before(record));
        let mut articles: Vec<RelatedEntry> = Vec::new();
        // IDs of `articles`.
        let mut shown: Vec<ArticleId> = Vec::new();
        for record in rest.by_ref().take(size) {
            seen = seen.max(record.token.position);
            if let Some(article) = self.shown(record, &filter.states, &mask) {
                articles.push(RelatedEntry { article, score: 0.0, same_story: true });
                shown.push(record.id.clone());
            }
        }
        let last_of_story = of_story.iter().filter(|record| story.is_before(record)).take(size).last();
        if let Some(last) = last_of_story.filter(|_| rest.next().is_some()) {
            let page = PageStart { after: None, statistics, now, seen };
            let start = RelatedStart { page, words, story: StoryPart::after(last) };
            let next_page_token = digest.after_related(&start);
            let articles = self.related_with_stories(articles, &shown, &mask).await?;
            return Ok(RelatedPage { articles, next_page_token, index_token: self.token(self.index.position()) });
        }
        let is_of_story: HashSet<&ArticleId> = of_story.iter().map(|record| &record.id).collect();
        let fields = [TextField::Headline, TextField::Subheadline, TextField::Body, TextField::Names];
        let language = Language::of_code(&article.language_code);
        let query = Query::at_least(required(words.len()), &words, language, FieldSet::of(&fields));
        let top = TopQuery {
            query: Some(query.clone()),
            filter: filter.clone(),
            selection,
            ranking: Ranking::Relevance(Recency::default()),
            // The copies of what earlier pages had are left out, so those results are read again.
            after: None,
            statistics,
            limit: if words.is_empty() { 0 } else { MAX_EXAMINED },
            now,
        };
        let top = self.index.top(top).await?;
        let mut last = after.clone();
        let mut has_more = false;
        'pages: for batch in top.candidates.chunks(BATCH) {
            let ids: Vec<_> = batch.iter().map(|candidate| candidate.id.clone()).collect();
            let fetched = self.store.get(&ids, consistency.and(seen)).await?;
            let clock = Timestamp::now();
            for (candidate, fetched) in batch.iter().zip(fetched) {
                let is_other = |record: &Arc<Record>| record.id != id && !is_of_story.contains(&record.id);
                let Some(record) = fetched.record.filter(is_other) else { continue };
                if !is_shown(&record, &filter, Some(&query), candidate.position, clock)? {
                    continue;
                }
                let related = record.decode().map_err(|_| StoreError::Damaged)?;
                let is_new = texts.add(&record, &related);
                if !is_new || after.as_ref().is_some_and(|after| !candidate.is_after(after)) {
                    continue;
                }
                if articles.len() == size {
                    has_more = true;
                    break 'pages;
                }
                if let Some(article) = self.shown(&record, &filter.states, &mask) {
                    articles.push(RelatedEntry { article, score: candidate.score, same_story: false });
                    shown.push(record.id.clone());
                    last = Some(candidate.cursor());
                    seen = seen.max(record.token.position);
                }
            }
        }
        let next = PageStart { after: last, statistics: Some(top.statistics), now, seen };
        let next = has_more.then(|| digest.after_related(&RelatedStart { page: next, words, story: StoryPart::End }));
        let articles = self.related_with_stories(articles, &shown, &mask).await?;
        Ok(RelatedPage { articles, next_page_token: next.unwrap_or_default(), index_token: self.token(top.position) })
    }

    /// Returns results with the stories of their articles, if the mask names them. `ids` are those of the articles.
    async fn related_with_stories(
        &self,
        articles: Vec<RelatedEntry>,
        ids: &[ArticleId],
        mask: &ReadMask,
    ) -> Result<Vec<RelatedEntry>, StoreError> {
        let stories = self.article_stories(with_stories(mask, ids)).await?;
        let articles = articles.into_iter().zip(ids);
        let articles = articles.map(|(entry, id)| RelatedEntry { article: stories.add_to(id, entry.article), ..entry });
        Ok(articles.collect())
    }

    /// Reads the other articles of the story that match a filter, latest first, without copies.
    async fn same_story(
        &self,
        subject: &Record,
        filter: &Filter,
        selection: &Selection,
        consistency: Consistency,
        texts: &mut Texts,
    ) -> Result<Vec<Arc<Record>>, RetrieveError> {
        if self.stories.is_none() {
            return Ok(Vec::new());
        }
        let story = self.store.stories_of(std::slice::from_ref(&subject.id)).await?.pop().flatten();
        let Some(story) = story else { return Ok(Vec::new()) };
        let members = self.store.story_members(story, 0, MAX_OF_STORY).await?;
        let ids: Vec<ArticleId> = members.into_iter().map(|numbered| numbered.member.article).collect();
        let records = self.store.get(&ids, consistency).await?.into_iter().filter_map(|fetched| fetched.record);
        let mut records: Vec<Arc<Record>> = records.filter(|record| record.id != subject.id).collect();
        records.sort_by_cached_key(|record| story_order(record));
        let clock = Timestamp::now();
        let mut chosen = Vec::new();
        for record in records {
            // Not of the index: the filter is always checked.
            if selection.has(&record.id) && is_shown(&record, filter, None, Position::START, clock)? {
                let article = record.decode().map_err(|_| StoreError::Damaged)?;
                if texts.add(&record, &article) {
                    chosen.push(record);
                }
            }
        }
        Ok(chosen)
    }

    fn parse_related(&self, request: &ListRelatedArticlesRequest) -> Result<RelatedRequest, Violations> {
        let mut violations = Violations::default();
        let digest = RequestDigest::of(
            "ListRelatedArticles",
            self.store.feed_id(),
            &ListRelatedArticlesRequest {
                page_size: 0,
                page_token: String::new(),
                consistency: None,
                ..request.clone()
            },
        );
        let id = ArticleId::from_name(&request.name).map_err(|expected| violations.add("name", expected)).ok();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let filter = Filter::parse_for_all(request.filter.as_ref()).map_err(&mut note).ok();
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let from = digest.related(&request.page_token).map_err(&mut note).ok();
        let (Some(id), Some(filter), Some(size), Some(mask), Some(consistency), Some(from)) =
            (id, filter, size, mask, consistency, from)
        else {
            return Err(violations);
        };
        Ok(RelatedRequest { id, filter, size, mask, consistency, digest, from })
    }
}

/// Place of an article among those of its story: the latest first.
fn story_order(record: &Record) -> (Reverse<i64>, ArticleId) {
    (Reverse(record.sort_time().as_microsecond()), record.id.clone())
}

impl StoryPart {
    fn after(record: &Record) -> Self {
        let (Reverse(time), id) = story_order(record);
        Self::After(time, id)
    }

    /// Returns true if an article of the story comes on this page or a later one.
    fn is_before(&self, record: &Record) -> bool {
        match self {
            Self::Begin => true,
            Self::After(time, id) => (Reverse(*time), id.clone()) < story_order(record),
            Self::End => false,
        }
    }
}

/// Returns the number of the words that a related article has.
fn required(words: usize) -> usize {
    match words {
        0..3 => 1,
        3..7 => 2,
        _ => 3,
    }
}

/// Texts of which no copy is shown.
#[derive(Default)]
struct Texts {
    digests: Vec<Digest>,
    sketches: Vec<BodySketch>,
}

impl Texts {
    /// Adds the text of an article. Returns false if it is a copy of one of those before it.
    fn add(&mut self, record: &Record, article: &Article) -> bool {
        let sketch = BodySketch::of(&article.body);
        let is_copy = self.digests.contains(&record.digest)
            || sketch.iter().any(|sketch| self.sketches.iter().any(|known| known.compare(sketch).is_copy()));
        if !is_copy {
            self.digests.push(record.digest);
            self.sketches.extend(sketch);
        }
        !is_copy
    }
}
