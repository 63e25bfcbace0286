//! `copydesk.v1.EditorialService`.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status};

use super::audited_writes::{AuditedWrites, WriteContext, authority};
use super::compression::Compression;
use super::convert::{copy_kind, whole};
use super::served::editorial_service_server::EditorialService;
use super::served::{
    DeleteArticleResponse, MergeArticlesResponse, PurgeArticleResponse, ReinstateArticleResponse,
    ReprocessArticleResponse, RollbackArticleResponse, UndeleteArticleResponse, UpdateArticleResponse,
    WithdrawArticleResponse,
};
use super::status;
use crate::access::Audit;
use crate::article::{ChangeKind, EncodedArticle, Record, Violations};
use crate::ingest::{Copies, CopyScope, Edit, IngestError, Ingestion, Relation, RequestId, Target, WithdrawnCopy};
use crate::proto;
use crate::retrieve::{Retrieval, RetrieveError};
use crate::store::{Outcome, WriteError, Written};
use crate::stories::{StoryEdit, StoryEditor};
use crate::telemetry::set_call_article;

/// Editorial service.
pub struct EditorialApi {
    writes: AuditedWrites,
    retrieval: Retrieval,
    /// None if stories are off on this server.
    stories: Option<StoryEditor>,
    /// Time after which deleted articles are purged; never if absent.
    deleted_keep: Option<Duration>,
    compression: Compression,
}

impl EditorialApi {
    /// Creates the service.
    pub fn new(
        ingestion: Ingestion,
        retrieval: Retrieval,
        stories: Option<StoryEditor>,
        audit: Audit,
        deleted_keep: Option<Duration>,
        compression: Compression,
    ) -> Self {
        let writes = AuditedWrites::new("copydesk.v1.EditorialService", ingestion, audit);
        Self { writes, retrieval, stories, deleted_keep, compression }
    }

    async fn edit(&self, edit: Edit<'_>, context: WriteContext) -> Result<Option<EncodedArticle>, Status> {
        Ok(self.record(edit, context).await?.map(|record| whole(&record, self.deleted_keep)))
    }

    /// Applies a decision about stories. Returns the story that has the articles.
    async fn edit_story(
        &self,
        edit: Result<StoryEdit, Violations>,
        validate_only: bool,
        context: WriteContext,
    ) -> Result<Option<proto::Story>, Status> {
        let editor = self.stories.as_ref().ok_or_else(|| status::retrieve(&RetrieveError::StoriesOff))?;
        let edit = edit.map_err(|violations| status::invalid(&violations))?;
        let noted = edit.clone();
        let applied = editor.apply(edit, validate_only, Box::new(move |result| context.story_edited(&noted, result)));
        let edited = applied.await.map_err(|error| status::story_edit(&error))?;
        let story = self.retrieval.edited_story(edited.story, edited.members).await;
        story.map(Some).map_err(|error| status::retrieve(&error))
    }

    async fn record(&self, edit: Edit<'_>, context: WriteContext) -> Result<Option<Arc<Record>>, Status> {
        if !edit.target.name.is_empty() {
            set_call_article(edit.target.name);
        }
        // Deleting an article that does not exist has its effect already. A withdrawal creates it.
        let may_be_missing = edit.allow_missing && edit.kind == ChangeKind::Deleted;
        let record = match self.writes.observed(context, editing(edited(edit.kind))).edit(edit).await {
            Ok(record) => record,
            Err(IngestError::Write(WriteError::NotFound(_))) if may_be_missing => return Ok(None),
            Err(error) => return Err(status::ingest(&error)),
        };
        // Known only now, if the request has a key of the article.
        set_call_article(&record.id.name());
        Ok(Some(record))
    }
}

/// Returns the copies that a withdrawal includes, if any.
fn copy_scope(scope: i32) -> Result<Option<CopyScope>, Status> {
    match proto::WithdrawScope::try_from(scope) {
        Ok(proto::WithdrawScope::Unspecified | proto::WithdrawScope::Article) => Ok(None),
        Ok(proto::WithdrawScope::ExactCopies) => Ok(Some(CopyScope::Exact)),
        Ok(proto::WithdrawScope::Copies) => Ok(Some(CopyScope::All)),
        Ok(proto::WithdrawScope::Story) => Ok(Some(CopyScope::Story)),
        Err(_) => {
            let expected = "must be WITHDRAW_SCOPE_ARTICLE, WITHDRAW_SCOPE_EXACT_COPIES, WITHDRAW_SCOPE_COPIES or \
                            WITHDRAW_SCOPE_STORY";
            Err(status::ingest(&Violations::one("scope", expected).into()))
        }
    }
}

fn withdrawn_copy(copy: &WithdrawnCopy) -> proto::WithdrawnCopy {
    let outcome = match copy.is_withdrawn {
        true => proto::CopyOutcome::Withdrawn,
        false => proto::CopyOutcome::LeftLonger,
    };
    let kind = match copy.relation {
        Relation::Exact => proto::CopyKind::Exact,
        Relation::Copy(kind) => copy_kind(Some(kind)),
        Relation::Story => proto::CopyKind::Unspecified,
    };
    proto::WithdrawnCopy {
        name: copy.id.name(),
        kind: kind.into(),
        similarity: copy.similarity,
        outcome: outcome.into(),
    }
}

/// Returns the audit name of an editor's change. Changes without effect are recorded too: only the log shows who was
/// first.
fn editing(done: &'static str) -> impl Fn(&Written) -> Option<&'static str> {
    move |written| Some(if written.outcome == Outcome::Unchanged { "UNCHANGED" } else { done })
}

/// Returns an editor's change as the audit log names it.
fn edited(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Withdrawn => "WITHDRAWN",
        ChangeKind::Reinstated => "REINSTATED",
        ChangeKind::Deleted => "DELETED",
        ChangeKind::Undeleted => "UNDELETED",
        ChangeKind::Merged => "MERGED",
        ChangeKind::Purged => "PURGED",
        ChangeKind::Reprocessed => "REPROCESSED",
        ChangeKind::Created | ChangeKind::Revised | ChangeKind::Opened | ChangeKind::Expired => "REVISED",
    }
}

#[tonic::async_trait]
impl EditorialService for EditorialApi {
    async fn update_article(
        &self,
        request: Request<proto::UpdateArticleRequest>,
    ) -> Result<Response<UpdateArticleResponse>, Status> {
        let context = self.writes.context("UpdateArticle", &request, request.get_ref().validate_only);
        let authority = authority(&request);
        let request = request.into_inner();
        if let Some(article) = &request.article {
            set_call_article(&article.name);
        }
        let first = proto::UpdateArticleRequest { validate_only: false, ..request.clone() };
        let request_id = RequestId::new("UpdateArticle", &request.request_id, &first);
        let ingestion = self.writes.observed(context, editing("UPDATED")).with_authority(authority);
        let updated = ingestion.update(&request, request_id).await;
        let record = updated.map_err(|error| status::ingest(&error))?;
        Ok(self.compression.reply(UpdateArticleResponse { article: Some(whole(&record, self.deleted_keep)) }))
    }

    async fn rollback_article(
        &self,
        request: Request<proto::RollbackArticleRequest>,
    ) -> Result<Response<RollbackArticleResponse>, Status> {
        let context = self.writes.context("RollbackArticle", &request, request.get_ref().validate_only);
        let authority = authority(&request);
        let request = request.into_inner();
        set_call_article(&request.name);
        let first = proto::RollbackArticleRequest { validate_only: false, ..request.clone() };
        let request_id = RequestId::new("RollbackArticle", &request.request_id, &first);
        let ingestion = self.writes.observed(context, editing("ROLLED_BACK")).with_authority(authority);
        let restored = ingestion.rollback(&request, request_id).await;
        let record = restored.map_err(|error| status::ingest(&error))?;
        Ok(self.compression.reply(RollbackArticleResponse { article: Some(whole(&record, self.deleted_keep)) }))
    }

    async fn merge_articles(
        &self,
        request: Request<proto::MergeArticlesRequest>,
    ) -> Result<Response<MergeArticlesResponse>, Status> {
        let context = self.writes.context("MergeArticles", &request, request.get_ref().validate_only);
        let request = request.into_inner();
        set_call_article(&request.name);
        let first = proto::MergeArticlesRequest { validate_only: false, ..request.clone() };
        let request_id = RequestId::new("MergeArticles", &request.request_id, &first);
        let merged = self.writes.observed(context, editing("MERGED")).merge(&request, request_id).await;
        let record = merged.map_err(|error| status::ingest(&error))?;
        Ok(self.compression.reply(MergeArticlesResponse { article: Some(whole(&record, self.deleted_keep)) }))
    }

    async fn move_story_articles(
        &self,
        request: Request<proto::MoveStoryArticlesRequest>,
    ) -> Result<Response<proto::MoveStoryArticlesResponse>, Status> {
        let context = self.writes.context("MoveStoryArticles", &request, request.get_ref().validate_only);
        let request = request.into_inner();
        if let Some(first) = request.articles.first() {
            set_call_article(first);
        }
        let story = self.edit_story(StoryEdit::of_move(&request), request.validate_only, context).await?;
        Ok(self.compression.reply(proto::MoveStoryArticlesResponse { story }))
    }

    async fn merge_stories(
        &self,
        request: Request<proto::MergeStoriesRequest>,
    ) -> Result<Response<proto::MergeStoriesResponse>, Status> {
        let context = self.writes.context("MergeStories", &request, request.get_ref().validate_only);
        let request = request.into_inner();
        let story = self.edit_story(StoryEdit::of_merge(&request), request.validate_only, context).await?;
        Ok(self.compression.reply(proto::MergeStoriesResponse { story }))
    }

    async fn withdraw_article(
        &self,
        request: Request<proto::WithdrawArticleRequest>,
    ) -> Result<Response<WithdrawArticleResponse>, Status> {
        let context = self.writes.context("WithdrawArticle", &request, request.get_ref().validate_only);
        let mut request = request.into_inner();
        let scope = copy_scope(request.scope)?;
        let validate_only = std::mem::take(&mut request.validate_only);
        let edit = Edit {
            target: Target { name: &request.name, url: &request.url, external: request.external.as_ref() },
            etag: &request.etag,
            reason: &request.reason,
            kind: ChangeKind::Withdrawn,
            allow_missing: request.allow_missing,
            with_copies: scope == Some(CopyScope::All),
            request: RequestId::new("WithdrawArticle", &request.request_id, &request),
            validate_only,
        };
        let ingestion = self.writes.observed(context.clone(), editing("WITHDRAWN"));
        let record = self.record(edit, context).await?;
        let copies = match (&record, scope) {
            (Some(record), Some(scope)) => {
                let copies = ingestion.withdraw_copies(record, scope, &request.reason, validate_only).await;
                copies.map_err(|error| status::ingest(&error))?
            }
            _ => Copies::default(),
        };
        Ok(self.compression.reply(WithdrawArticleResponse {
            article: record.as_deref().map(|record| whole(record, self.deleted_keep)),
            copies: copies.copies.iter().map(withdrawn_copy).collect(),
            has_more_copies: copies.has_more,
        }))
    }

    async fn reinstate_article(
        &self,
        request: Request<proto::ReinstateArticleRequest>,
    ) -> Result<Response<ReinstateArticleResponse>, Status> {
        let context = self.writes.context("ReinstateArticle", &request, request.get_ref().validate_only);
        let mut request = request.into_inner();
        let validate_only = std::mem::take(&mut request.validate_only);
        let id = RequestId::new("ReinstateArticle", &request.request_id, &request);
        let edit = Edit::named(ChangeKind::Reinstated, &request.name, &request.etag, &request.reason, id);
        let edit = Edit { validate_only, ..edit };
        Ok(self.compression.reply(ReinstateArticleResponse { article: self.edit(edit, context).await? }))
    }

    async fn delete_article(
        &self,
        request: Request<proto::DeleteArticleRequest>,
    ) -> Result<Response<DeleteArticleResponse>, Status> {
        let context = self.writes.context("DeleteArticle", &request, request.get_ref().validate_only);
        let mut request = request.into_inner();
        let validate_only = std::mem::take(&mut request.validate_only);
        let id = RequestId::new("DeleteArticle", &request.request_id, &request);
        let edit = Edit::named(ChangeKind::Deleted, &request.name, &request.etag, &request.reason, id);
        let edit = Edit { allow_missing: request.allow_missing, validate_only, ..edit };
        Ok(self.compression.reply(DeleteArticleResponse { article: self.edit(edit, context).await? }))
    }

    async fn undelete_article(
        &self,
        request: Request<proto::UndeleteArticleRequest>,
    ) -> Result<Response<UndeleteArticleResponse>, Status> {
        let context = self.writes.context("UndeleteArticle", &request, request.get_ref().validate_only);
        let mut request = request.into_inner();
        let validate_only = std::mem::take(&mut request.validate_only);
        let id = RequestId::new("UndeleteArticle", &request.request_id, &request);
        let edit = Edit::named(ChangeKind::Undeleted, &request.name, &request.etag, &request.reason, id);
        let edit = Edit { validate_only, ..edit };
        Ok(self.compression.reply(UndeleteArticleResponse { article: self.edit(edit, context).await? }))
    }

    async fn purge_article(
        &self,
        request: Request<proto::PurgeArticleRequest>,
    ) -> Result<Response<PurgeArticleResponse>, Status> {
        let context = self.writes.context("PurgeArticle", &request, request.get_ref().validate_only);
        let mut request = request.into_inner();
        let validate_only = std::mem::take(&mut request.validate_only);
        let id = RequestId::new("PurgeArticle", &request.request_id, &request);
        let edit = Edit::named(ChangeKind::Purged, &request.name, &request.etag, &request.reason, id);
        let edit = Edit { validate_only, ..edit };
        Ok(self.compression.reply(PurgeArticleResponse { article: self.edit(edit, context).await? }))
    }

    async fn reprocess_article(
        &self,
        request: Request<proto::ReprocessArticleRequest>,
    ) -> Result<Response<ReprocessArticleResponse>, Status> {
        let context = self.writes.context("ReprocessArticle", &request, request.get_ref().validate_only);
        let authority = authority(&request);
        let request = request.into_inner();
        set_call_article(&request.name);
        let first = proto::ReprocessArticleRequest { validate_only: false, ..request.clone() };
        let request_id = RequestId::new("ReprocessArticle", &request.request_id, &first);
        let done = editing(edited(ChangeKind::Reprocessed));
        let ingestion = self.writes.observed(context, done).with_authority(authority);
        let done = ingestion.reprocess(&request, request_id).await.map_err(|error| status::ingest(&error))?;
        Ok(self.compression.reply(ReprocessArticleResponse {
            article: Some(whole(&done.record, self.deleted_keep)),
            changed_fields: done.changed_fields.into_iter().map(str::to_owned).collect(),
            report: done.report,
        }))
    }

    async fn list_ingest_events(
        &self,
        request: Request<proto::ListIngestEventsRequest>,
    ) -> Result<Response<proto::ListIngestEventsResponse>, Status> {
        // Those of this replica are shown at once, if they can be written. In a task: a call that its caller cancels
        // must not leave them half done.
        let ingestion = self.writes.ingestion();
        if let Ok(Err(error)) = tokio::spawn(async move { ingestion.flush_intake().await }).await {
            tracing::warn!(%error, "events of ingestion could not be written");
        }
        let found = self.retrieval.ingest_events(&request.into_inner()).await;
        Ok(self.compression.reply(found.map_err(|error| status::retrieve(&error))?))
    }

    async fn get_article_source(
        &self,
        request: Request<proto::GetArticleSourceRequest>,
    ) -> Result<Response<proto::GetArticleSourceResponse>, Status> {
        let name = request.into_inner().name;
        set_call_article(&name);
        let found = self.retrieval.source(&name).await.map_err(|error| status::retrieve(&error))?;
        Ok(self.compression.reply(found))
    }

    async fn get_extraction_report(
        &self,
        request: Request<proto::GetExtractionReportRequest>,
    ) -> Result<Response<proto::GetExtractionReportResponse>, Status> {
        let name = request.into_inner().name;
        set_call_article(&name);
        let found = self.retrieval.extraction_report(&name).await.map_err(|error| status::retrieve(&error))?;
        Ok(self.compression.reply(found))
    }
}
