//! Withdrawal of the copies of an article, or of its story.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::edit::reason;
use super::{IngestError, Ingestion};
use crate::article::{ArticleId, BodySketch, ChangeKind, CopyKind, Filter, Record, Violations};
use crate::proto::ArticleState;
use crate::store::{
    Consistency, CopiesQuery, ListCursor, ListQuery, Order, OrderField, Precondition, StoreError, Transition, Write,
    WriteError,
};

/// Maximum number of copies that one call withdraws.
const MAX_COPIES: usize = 1_000;
/// Articles per read: their texts are in memory until the next.
const BATCH: usize = 50;
/// States of articles that can be withdrawn.
const STATES: [ArticleState; 4] =
    [ArticleState::Active, ArticleState::Embargoed, ArticleState::Expired, ArticleState::Deleted];

/// Copies that are withdrawn with an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyScope {
    /// Those with the same headline and body.
    Exact,
    /// All, also those that come later. Of articles that contain the text, only those that have little else.
    All,
    /// The other articles of its story.
    Story,
}

/// Relation of a withdrawn article to the one that it is withdrawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It has the same headline and body.
    Exact,
    /// It is a copy.
    Copy(CopyKind),
    /// It is in the same story, and no copy.
    Story,
}

/// Copies of a withdrawn article.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    /// Copies that the call has withdrawn or left, in the order of their creation.
    pub copies: Vec<WithdrawnCopy>,
    /// True if there are more.
    pub has_more: bool,
}

/// Copy of a withdrawn article.
#[derive(Clone, Debug)]
pub struct WithdrawnCopy {
    /// Article.
    pub id: ArticleId,
    /// Relation to the withdrawn article.
    pub relation: Relation,
    /// Share of the shorter text that the longer one has, from 0 to 1; 0 if no text is long enough for an estimate.
    pub similarity: f32,
    /// False if it is left: an article that contains the text, and more than twice as much else.
    pub is_withdrawn: bool,
}

impl WithdrawnCopy {
    fn exact(id: ArticleId) -> Self {
        Self { id, relation: Relation::Exact, similarity: 1.0, is_withdrawn: true }
    }
}

impl Ingestion {
    /// Withdraws the copies of an article, up to a maximum.
    pub async fn withdraw_copies(
        &self,
        original: &Record,
        scope: CopyScope,
        reason_text: &str,
        validate_only: bool,
    ) -> Result<Copies, IngestError> {
        if original.is_empty() {
            return Ok(Copies::default());
        }
        let mut violations = Violations::default();
        let reason = reason(reason_text, &mut violations);
        let reason = violations.or(reason)?;
        let body = original.decode().map_err(|_| StoreError::Damaged)?.body;
        let mut copies = match (scope, BodySketch::of(&body)) {
            (CopyScope::Story, sketch) => self.story_of(original, sketch).await?,
            (CopyScope::All, Some(sketch)) => self.copies_of(original, sketch).await?,
            // Short texts are compared exactly.
            _ => self.exact_copies_of(original).await?.into_iter().map(WithdrawnCopy::exact).collect(),
        };
        let has_more = copies.len() > MAX_COPIES;
        copies.truncate(MAX_COPIES);
        if validate_only {
            return Ok(Copies { copies, has_more });
        }
        let time = Timestamp::now();
        let (withdrawn, mut left): (Vec<_>, Vec<_>) =
            copies.into_iter().enumerate().partition(|(_, it)| it.is_withdrawn);
        let writes = withdrawn.iter().map(|(_, copy)| {
            Write::Transition(Transition {
                id: copy.id.clone(),
                key: None,
                missing: None,
                kind: ChangeKind::Withdrawn,
                with_copies: scope == CopyScope::All,
                precondition: Precondition::None,
                reason: reason.clone(),
                request: None,
                time,
            })
        });
        let results = self.write_all(writes.collect()).await;
        for (copy, result) in withdrawn.into_iter().zip(results) {
            match result {
                Ok(_) => left.push(copy),
                Err(WriteError::Store(error)) => return Err(error.into()),
                // It has been changed meanwhile so that it cannot be withdrawn, nor read.
                Err(_) => {}
            }
        }
        left.sort_unstable_by_key(|(at, _)| *at);
        Ok(Copies { copies: left.into_iter().map(|(_, copy)| copy).collect(), has_more })
    }

    /// Returns the copies that can be withdrawn and those that are left, and one more than one call withdraws.
    async fn copies_of(&self, original: &Record, sketch: BodySketch) -> Result<Vec<WithdrawnCopy>, IngestError> {
        let mut query = CopiesQuery { sketch, after: 0, limit: BATCH, consistency: Consistency::Full };
        let mut copies = Vec::new();
        loop {
            let page = self.store.copies(&query).await?;
            let ids: Vec<ArticleId> = page.copies.iter().map(|copy| copy.id.clone()).collect();
            let records = self.store.get(&ids, Consistency::Full).await?;
            let records: HashMap<ArticleId, Arc<Record>> =
                records.into_iter().filter_map(|it| it.record).map(|record| (record.id.clone(), record)).collect();
            let now = Timestamp::now();
            for found in page.copies {
                let Some(record) = records.get(&found.id) else { continue };
                if record.id == original.id || !STATES.contains(&record.state(now)) {
                    continue;
                }
                copies.push(WithdrawnCopy {
                    id: found.id,
                    relation: match record.digest == original.digest {
                        true => Relation::Exact,
                        false => Relation::Copy(found.kind),
                    },
                    similarity: found.similarity,
                    is_withdrawn: found.is_whole || found.kind == CopyKind::Contained,
                });
            }
            match page.next.filter(|_| copies.len() <= MAX_COPIES) {
                Some(next) => query.after = next,
                None => return Ok(copies),
            }
        }
    }

    /// Returns the other articles of the story that can be withdrawn, and one more than one call withdraws.
    async fn story_of(&self, original: &Record, sketch: Option<BodySketch>) -> Result<Vec<WithdrawnCopy>, IngestError> {
        let story = self.store.stories_of(std::slice::from_ref(&original.id)).await?.pop().flatten();
        let Some(story) = story else { return Ok(Vec::new()) };
        let (mut articles, mut after) = (Vec::new(), 0);
        loop {
            let members = self.store.story_members(story, after, BATCH).await?;
            let ids: Vec<ArticleId> = members.iter().map(|numbered| numbered.member.article.clone()).collect();
            let now = Timestamp::now();
            for record in self.store.get(&ids, Consistency::Full).await?.into_iter().filter_map(|it| it.record) {
                if record.id == original.id || !STATES.contains(&record.state(now)) {
                    continue;
                }
                let other = BodySketch::of(&record.decode().map_err(|_| StoreError::Damaged)?.body);
                let both = sketch.as_ref().zip(other.as_ref());
                articles.push(WithdrawnCopy {
                    id: record.id.clone(),
                    relation: match both.and_then(|(one, other)| one.copy_kind(other)) {
                        _ if record.digest == original.digest => Relation::Exact,
                        Some(kind) => Relation::Copy(kind),
                        None => Relation::Story,
                    },
                    similarity: both.map_or(0.0, |(one, other)| one.compare(other).contained as f32),
                    is_withdrawn: true,
                });
            }
            match members.last().filter(|_| members.len() == BATCH && articles.len() <= MAX_COPIES) {
                Some(last) => after = last.number,
                None => return Ok(articles),
            }
        }
    }

    /// Returns the copies with the same headline and body that can be withdrawn, and one more than one call withdraws.
    async fn exact_copies_of(&self, original: &Record) -> Result<Vec<ArticleId>, IngestError> {
        let filter = Filter { digests: Some(vec![original.digest]), states: STATES.to_vec(), ..Filter::default() };
        let mut query = ListQuery {
            filter,
            order: Order { field: OrderField::CreateTime, descending: false },
            after: None,
            limit: BATCH,
            examine: BATCH,
            now: Timestamp::now(),
            consistency: Consistency::Full,
        };
        let mut copies = Vec::new();
        loop {
            let found = self.store.list(&query).await?.records;
            query.after = found.last().map(|last| ListCursor::of(last));
            let is_last = found.len() < BATCH;
            // In a dry run, the original is among them.
            copies.extend(found.iter().filter(|copy| copy.id != original.id).map(|copy| copy.id.clone()));
            if is_last || copies.len() > MAX_COPIES {
                return Ok(copies);
            }
        }
    }
}
