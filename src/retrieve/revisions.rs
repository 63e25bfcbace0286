//! Revisions of an article.

use jiff::Timestamp;
use prost::Message;

use super::batch_size::Pace;
use super::page_token::RequestDigest;
use super::{Audience, Retrieval, RetrieveError, page_size};
use crate::article::{
    ArticleId, ChangeKind, EncodedArticle, ReadMask, Record, RevisionName, Violations, changed_fields,
};
use crate::proto::{Article, ArticleView, GetArticleRevisionRequest, ListArticleRevisionsRequest};
use crate::store::{Consistency, Revision, StoreError};

const DEFAULT_PAGE_SIZE: usize = 50;

/// Change of an article.
#[derive(Clone, Debug)]
pub struct RevisionEntry {
    /// Name of the revision.
    pub name: RevisionName,
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Time of the change.
    pub create_time: Timestamp,
    /// Reason given by the editor, if any.
    pub reason: String,
    /// Digest of the text.
    pub content_digest: String,
    /// Fields that differ from the previous revision.
    pub changed_fields: Vec<&'static str>,
    /// Position in the change feed.
    pub change_token: String,
    /// Article as of this revision, with the fields of the read mask, if it was requested and may be shown.
    pub snapshot: Option<EncodedArticle>,
}

/// Changes of an article, newest first.
#[derive(Clone, Debug)]
pub struct RevisionPage {
    /// Entries of the page.
    pub revisions: Vec<RevisionEntry>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
}

impl Audience {
    /// Returns true if a revision is listed. One that was written under embargo was never visible to readers.
    pub(super) fn may_list(self, record: &Record) -> bool {
        self == Self::Editors || !record.was_embargoed()
    }

    /// Returns true if the text of a revision is shown: if readers could read it when it was written.
    pub(super) fn may_read(self, record: &Record) -> bool {
        self == Self::Editors || record.readable(record.update_time).is_ok()
    }
}

impl Retrieval {
    /// Reads a page of the revisions of a readable article.
    pub async fn revisions(
        &self,
        request: &ListArticleRevisionsRequest,
        audience: Audience,
    ) -> Result<RevisionPage, RetrieveError> {
        let mut violations = Violations::default();
        let plain = ListArticleRevisionsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let digest = RequestDigest::of("ListArticleRevisions", self.store.feed_id(), &plain);
        let id = ArticleId::from_name(&request.parent).map_err(|expected| violations.add("parent", expected)).ok();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, self.limits.max_page_size).map_err(&mut note).ok();
        let before = digest.number(&request.page_token).map_err(&mut note).ok();
        let (Some(id), Some(size), Some(before)) = (id, size, before) else {
            return Err(violations.into());
        };
        let newest = self.newest(&id, Consistency::Bounded, audience, &request.parent).await?;
        let consistency = Consistency::AtLeast(newest.token.position);
        let before = before.and_then(|before| i64::try_from(before).ok());
        // A page of large texts ends early.
        let limit = Pace::of(newest.weight() * 2).limit(size);
        let history = self.store.revisions(&id, before, limit, consistency).await?;
        // Revisions are numbered from 1 without gaps.
        let more = history.last().is_some_and(|last| last.record.revision > 1);
        let next_page_token = match history.last() {
            Some(last) if more => digest.after_number(last.record.revision.unsigned_abs()),
            _ => String::new(),
        };
        let shown = history.iter().filter(|revision| audience.may_list(&revision.record));
        let revisions = shown.map(|revision| entry(revision, audience)).collect::<Result<_, _>>()?;
        Ok(RevisionPage { revisions, next_page_token })
    }

    /// Reads one revision of a readable article, with its text.
    pub async fn get_revision(
        &self,
        request: &GetArticleRevisionRequest,
        audience: Audience,
    ) -> Result<RevisionEntry, RetrieveError> {
        let mut violations = Violations::default();
        let name: Option<RevisionName> =
            request.name.parse().map_err(|expected: &str| violations.add("name", expected)).ok();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Full);
        let mask = mask.map_err(&mut note).ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(name), Some(mask), Some(consistency)) = (name, mask, consistency) else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        let newest = self.newest(&name.article, consistency, audience, &request.name).await?;
        // A replica that has the newest revision has all of them.
        let consistency = consistency.and(newest.token.position);
        let revision = self.revision(&name, consistency).await?.filter(|found| audience.may_list(&found.record));
        let revision = revision.ok_or_else(|| RetrieveError::NotFound(request.name.clone()))?;
        let record = &revision.record;
        let snapshot = match audience {
            Audience::Editors => Some(record.for_editor(record.update_time, None)),
            Audience::Readers => record.readable(record.update_time).ok().cloned(),
        };
        let snapshot = snapshot.map(|article| mask.apply(&article));
        Ok(RevisionEntry { snapshot, ..entry(&revision, audience)? })
    }

    /// Reads the newest revision of an article that the audience can read. `requested` is the name for errors.
    pub(super) async fn newest(
        &self,
        id: &ArticleId,
        consistency: Consistency,
        audience: Audience,
        requested: &str,
    ) -> Result<std::sync::Arc<Record>, RetrieveError> {
        let found = self.store.get(std::slice::from_ref(id), consistency).await?;
        let record = found.into_iter().next().and_then(|fetched| fetched.record);
        let record = record.ok_or_else(|| RetrieveError::NotFound(requested.to_owned()))?;
        if audience == Audience::Readers
            && let Err(why) = record.readable(Timestamp::now())
        {
            return Err(self.unreadable(requested.to_owned(), &record, why, consistency).await);
        }
        Ok(record)
    }

    /// Reads one revision, with the one before it.
    pub(super) async fn revision(
        &self,
        name: &RevisionName,
        consistency: Consistency,
    ) -> Result<Option<Revision>, StoreError> {
        let found = self.store.revisions(&name.article, name.revision.checked_add(1), 1, consistency).await?;
        Ok(found.into_iter().next().filter(|found| found.record.revision == name.revision))
    }
}

fn entry(revision: &Revision, audience: Audience) -> Result<RevisionEntry, StoreError> {
    let record = &revision.record;
    let changed_fields = match revision.before.as_ref().filter(|before| audience.may_list(before)) {
        None => Vec::new(),
        Some(before) => changed_fields(&content(before)?, &content(record)?),
    };
    Ok(RevisionEntry {
        name: RevisionName { article: record.id.clone(), revision: record.revision },
        kind: revision.kind,
        create_time: record.update_time,
        reason: revision.reason.clone(),
        content_digest: record.digest.to_string(),
        changed_fields,
        change_token: record.token.encode(),
        snapshot: None,
    })
}

/// Decodes the content of a revision, without the fields that Copydesk sets.
pub(super) fn content(record: &Record) -> Result<Article, StoreError> {
    Article::decode(record.content()).map_err(|_| StoreError::Damaged)
}
