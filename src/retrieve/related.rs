//! Articles on the same subject as another one.

use jiff::Timestamp;

use super::find::{PageStart, is_shown};
use super::page_token::{RelatedStart, RequestDigest};
use super::{Audience, Retrieval, RetrieveError, page_size};
use crate::article::{
    ArticleId, BodySketch, Digest, EncodedArticle, FieldSet, Filter, Language, Query, ReadMask, Record, TextField,
    Violations,
};
use crate::proto::{Article, ArticleView, ListRelatedArticlesRequest};
use crate::search::{Ranking, Recency, TopQuery};
use crate::store::{Consistency, StoreError};

const DEFAULT_PAGE_SIZE: usize = 10;
const MAX_PAGE_SIZE: usize = 50;
/// Maximum number of results that are examined, on all pages of a request.
const MAX_EXAMINED: usize = 200;
/// Number of articles that are read at a time.
const BATCH: usize = 32;

/// Page of related articles.
#[derive(Clone, Debug)]
pub struct RelatedPage {
    /// Articles with the fields of the read mask and their scores, best first.
    pub articles: Vec<(EncodedArticle, f32)>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
    /// Change token that the index had reached.
    pub index_token: String,
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
    /// Reads a page of the articles on the same subject as an article: those with its characteristic words. None is a
    /// copy of the article, or of one before it.
    pub async fn related(&self, request: &ListRelatedArticlesRequest) -> Result<RelatedPage, RetrieveError> {
        let RelatedRequest { id, filter, size, mask, consistency, digest, from } = self.parse_related(request)?;
        self.reach(consistency).await?;
        self.reach_index(consistency).await?;
        let subject = self.record_for(&request.name, &id, Audience::Readers, consistency).await?;
        let article = subject.decode().map_err(|_| StoreError::Damaged)?;
        let RelatedStart { page, words } = match from {
            Some(start) => start,
            None => {
                let page = PageStart::first();
                let words = self.index.characteristic_words(article.clone(), page.now).await?;
                RelatedStart { page, words }
            }
        };
        let PageStart { after, statistics, now, mut seen } = page;
        let fields = [TextField::Headline, TextField::Subheadline, TextField::Body, TextField::Names];
        let language = Language::of_code(&article.language_code);
        let query = Query::at_least(required(words.len()), &words, language, FieldSet::of(&fields));
        let top = TopQuery {
            query: Some(query.clone()),
            filter: filter.clone(),
            ranking: Ranking::Relevance(Recency::default()),
            // The copies of what earlier pages had are left out, so those results are read again.
            after: None,
            statistics,
            limit: if words.is_empty() { 0 } else { MAX_EXAMINED },
            now,
        };
        let top = self.index.top(top).await?;
        let mut texts = Texts::default();
        texts.add(&subject, &article);
        let mut articles = Vec::new();
        let mut last = after.clone();
        let mut has_more = false;
        'pages: for batch in top.candidates.chunks(BATCH) {
            let ids: Vec<_> = batch.iter().map(|candidate| candidate.id.clone()).collect();
            let fetched = self.store.get(&ids, consistency.and(seen)).await?;
            let clock = Timestamp::now();
            for (candidate, fetched) in batch.iter().zip(fetched) {
                let Some(record) = fetched.record.filter(|record| record.id != id) else { continue };
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
                    articles.push((article, candidate.score));
                    last = Some(candidate.cursor());
                    seen = seen.max(record.token.position);
                }
            }
        }
        let next = PageStart { after: last, statistics: Some(top.statistics), now, seen };
        let next = has_more.then(|| digest.after_related(&RelatedStart { page: next, words }));
        Ok(RelatedPage { articles, next_page_token: next.unwrap_or_default(), index_token: self.token(top.position) })
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
        let filter = Filter::parse(request.filter.as_ref()).map_err(&mut note).ok();
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
