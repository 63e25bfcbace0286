//! Revision history of an article.

use jiff::Timestamp;
use prost::Message;

use super::batch_size::Pace;
use super::page_token::RequestDigest;
use super::{Retrieval, RetrieveError, View, page_size};
use crate::article::{ArticleId, ChangeKind, Record, Violations, changed_fields};
use crate::proto::{Article, ListArticleRevisionsRequest};
use crate::store::{Consistency, Revision, StoreError};

const DEFAULT_PAGE_SIZE: usize = 50;

/// Change of an article.
#[derive(Clone, Debug)]
pub struct RevisionEntry {
    /// Name of the revision, `articles/{article}@{revision}`.
    pub name: String,
    /// Number of the revision, from 1.
    pub revision: i64,
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Time of the change.
    pub time: Timestamp,
    /// Reason given by the editor, if any.
    pub reason: String,
    /// Digest of the text.
    pub content_digest: String,
    /// Fields that differ from the previous revision.
    pub changed_fields: Vec<&'static str>,
    /// Position in the change feed.
    pub change_token: String,
}

/// Changes of an article, newest first.
#[derive(Clone, Debug)]
pub struct RevisionPage {
    /// Entries of the page.
    pub revisions: Vec<RevisionEntry>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
}

impl Retrieval {
    /// Reads a page of the history of a readable article.
    pub async fn revisions(
        &self,
        request: &ListArticleRevisionsRequest,
        view: View,
    ) -> Result<RevisionPage, RetrieveError> {
        let mut violations = Violations::default();
        let plain = ListArticleRevisionsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let digest = RequestDigest::of("ListArticleRevisions", self.store.feed_id(), &plain);
        let id = ArticleId::from_name(&request.name).map_err(|expected| violations.add("name", expected)).ok();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, self.limits.max_page_size).map_err(&mut note).ok();
        let before = digest.number(&request.page_token).map_err(&mut note).ok();
        let (Some(id), Some(size), Some(before)) = (id, size, before) else {
            return Err(violations.into());
        };
        let found = self.store.get(std::slice::from_ref(&id), Consistency::Bounded).await?;
        let record = found.into_iter().next().and_then(|fetched| fetched.record);
        let record = record.ok_or_else(|| RetrieveError::NotFound(id.name()))?;
        if view == View::Readers {
            record.readable(Timestamp::now()).map_err(|why| RetrieveError::unreadable(id.name(), &record, why))?;
        }
        let consistency = Consistency::AtLeast(record.token.position);
        let before = before.and_then(|before| i64::try_from(before).ok());
        // A page of large texts ends early.
        let limit = Pace::of(record.weight() * 2).limit(size);
        let history = self.store.revisions(&id, before, limit, consistency).await?;
        // Revisions are numbered from 1 without gaps.
        let more = history.last().is_some_and(|last| last.record.revision > 1);
        let next_page_token = match history.last() {
            Some(last) if more => digest.after_number(last.record.revision.unsigned_abs()),
            _ => String::new(),
        };
        // Revisions written under embargo were never visible to readers.
        let is_shown = |record: &Record| view == View::Editors || !record.was_embargoed();
        let shown = history.iter().filter(|revision| is_shown(&revision.record));
        let revisions = shown.map(|revision| entry(revision, is_shown)).collect::<Result<_, _>>()?;
        Ok(RevisionPage { revisions, next_page_token })
    }
}

fn entry(revision: &Revision, is_shown: impl Fn(&Record) -> bool) -> Result<RevisionEntry, StoreError> {
    let record = &revision.record;
    let decode = |content: bytes::Bytes| Article::decode(content).map_err(|_| StoreError::Damaged);
    let changed_fields = match revision.before.as_ref().filter(|before| is_shown(before)) {
        None => Vec::new(),
        Some(before) => changed_fields(&decode(before.content())?, &decode(record.content())?),
    };
    Ok(RevisionEntry {
        name: format!("{}@{}", record.id.name(), record.revision),
        revision: record.revision,
        kind: revision.kind,
        time: record.update_time,
        reason: revision.reason.clone(),
        content_digest: record.digest.to_string(),
        changed_fields,
        change_token: record.token.encode(),
    })
}
