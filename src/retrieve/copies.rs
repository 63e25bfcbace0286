//! The copies of an article.

use jiff::Timestamp;

use super::article_stories::with_stories;
use super::page_token::RequestDigest;
use super::{Audience, Retrieval, RetrieveError, page_size};
use crate::article::{ArticleId, BodySketch, CopyKind, EncodedArticle, Filter, ReadMask, Record, Violations};
use crate::proto::{ArticleState, ArticleView, ListArticleCopiesRequest};
use crate::store::{Consistency, CopiesQuery, ListCursor, ListQuery, Order, OrderField, StoreError};

const DEFAULT_PAGE_SIZE: usize = 20;
const MAX_PAGE_SIZE: usize = 100;
/// Number of articles that are examined at a time.
const BATCH: usize = 100;
/// Number of articles after which a page ends early.
const MAX_EXAMINED: usize = 1_000;
/// States that an editor sees.
const STATES: [ArticleState; 5] = [
    ArticleState::Active,
    ArticleState::Embargoed,
    ArticleState::Expired,
    ArticleState::Deleted,
    ArticleState::Withdrawn,
];

/// Page of copies.
#[derive(Clone, Debug)]
pub struct CopyPage {
    /// Copies, in the order of their creation.
    pub copies: Vec<CopyEntry>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
}

/// Copy of an article.
#[derive(Clone, Debug)]
pub struct CopyEntry {
    /// Article with the fields of the read mask.
    pub article: EncodedArticle,
    /// Kind; none for one with the same headline and body.
    pub kind: Option<CopyKind>,
    /// Share of the shorter text that the longer one has, from 0 to 1.
    pub similarity: f32,
}

/// Request for a page of the copies of an article.
struct CopiesRequest<'a> {
    original: &'a Record,
    size: usize,
    mask: &'a ReadMask,
    audience: Audience,
    consistency: Consistency,
}

impl Retrieval {
    /// Lists the copies of an article.
    pub async fn copies(
        &self,
        request: &ListArticleCopiesRequest,
        audience: Audience,
    ) -> Result<CopyPage, RetrieveError> {
        let mut violations = Violations::default();
        let digest = RequestDigest::of(
            "ListArticleCopies",
            self.store.feed_id(),
            &ListArticleCopiesRequest { page_size: 0, page_token: String::new(), consistency: None, ..request.clone() },
        );
        let id = ArticleId::from_name(&request.name).map_err(|expected| violations.add("name", expected)).ok();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        digest.number(&request.page_token).map_err(&mut note).ok();
        let (Some(id), Some(size), Some(mask), Some(consistency), true) =
            (id, size, mask, consistency, violations.0.is_empty())
        else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        let original = self.record_for(&request.name, &id, audience, consistency).await?;
        let body = original.decode().map_err(|_| StoreError::Damaged)?.body;
        let wanted = CopiesRequest { original: &original, size, mask: &mask, audience, consistency };
        let (copies, next_page_token) = match BodySketch::of(&body) {
            Some(sketch) => {
                let after = digest.number(&request.page_token)?.unwrap_or(0);
                let (copies, next) = self.similar(&wanted, sketch, after).await?;
                (copies, next.map(|next| digest.after_number(next)))
            }
            // Short texts are compared exactly.
            None => {
                let after = digest.article(&request.page_token)?.map(|page| page.after);
                let (copies, next) = self.exact(&wanted, after).await?;
                (copies, next.map(|next| digest.after_article(next, original.token.position)))
            }
        };
        let stories = self.article_stories(with_stories(&mask, copies.iter().map(|(id, _)| id))).await?;
        let copies =
            copies.into_iter().map(|(id, copy)| CopyEntry { article: stories.add_to(&id, copy.article), ..copy });
        Ok(CopyPage { copies: copies.collect(), next_page_token: next_page_token.unwrap_or_default() })
    }

    /// Returns the copies after a number, and the number after which the next page begins.
    async fn similar(
        &self,
        wanted: &CopiesRequest<'_>,
        sketch: BodySketch,
        after: u64,
    ) -> Result<(Vec<(ArticleId, CopyEntry)>, Option<u64>), RetrieveError> {
        let mut query = CopiesQuery { sketch, after, limit: BATCH, consistency: wanted.consistency };
        let mut copies = Vec::new();
        for _ in 0..MAX_EXAMINED / BATCH {
            // No more than the page has room for, so that the next one begins after the last that was examined.
            query.limit = BATCH.min(wanted.size - copies.len());
            let page = self.store.copies(&query).await?;
            let ids: Vec<ArticleId> = page.copies.iter().map(|copy| copy.id.clone()).collect();
            let records = self.store.get(&ids, wanted.consistency).await?;
            for (found, fetched) in page.copies.iter().zip(records) {
                let Some(record) = fetched.record else { continue };
                let kind = (record.digest != wanted.original.digest).then_some(found.kind);
                copies.extend(self.copy(wanted, &record, kind, found.similarity));
            }
            match page.next {
                None => return Ok((copies, None)),
                Some(next) => query.after = next,
            }
            if copies.len() == wanted.size {
                break;
            }
        }
        Ok((copies, Some(query.after)))
    }

    /// Returns the copies with the same headline and body, and the end of the page if it is not the last.
    async fn exact(
        &self,
        wanted: &CopiesRequest<'_>,
        after: Option<ListCursor>,
    ) -> Result<(Vec<(ArticleId, CopyEntry)>, Option<ListCursor>), RetrieveError> {
        let states = if wanted.audience == Audience::Editors { STATES.to_vec() } else { Vec::new() };
        let query = ListQuery {
            filter: Filter { digests: Some(vec![wanted.original.digest]), states, ..Filter::default() },
            order: Order { field: OrderField::CreateTime, descending: false },
            after,
            limit: wanted.size,
            examine: MAX_EXAMINED,
            now: Timestamp::now(),
            consistency: wanted.consistency,
        };
        let page = self.store.list(&query).await?;
        let is_last = page.records.len() < wanted.size && page.examined.is_none();
        let last = page.examined.as_ref().or(page.records.last()).map(|last| ListCursor::of(last));
        let copies = page.records.iter().filter_map(|record| self.copy(wanted, record, None, 1.0)).collect();
        Ok((copies, last.filter(|_| !is_last)))
    }

    /// Returns a copy as the audience sees it, if it may, with its ID.
    fn copy(
        &self,
        wanted: &CopiesRequest<'_>,
        record: &Record,
        kind: Option<CopyKind>,
        similarity: f32,
    ) -> Option<(ArticleId, CopyEntry)> {
        let states: &[ArticleState] = if wanted.audience == Audience::Editors { &STATES } else { &[] };
        let may_see = states.is_empty() || states.contains(&record.state(Timestamp::now()));
        if record.id == wanted.original.id || !may_see {
            return None;
        }
        let article = self.shown(record, states, wanted.mask)?;
        Some((record.id.clone(), CopyEntry { article, kind, similarity }))
    }
}
