//! Restores of earlier revisions.

use std::sync::Arc;

use prost::Message;

use super::edit::reason;
use super::update::{Corrected, Correction};
use super::{IngestError, Ingestion, RequestId};
use crate::article::{ArticleId, CleanArticle, EditorFields, Record, RevisionName, Violations};
use crate::proto::{Article, RollbackArticleRequest};
use crate::store::{Consistency, StoreError};

impl Ingestion {
    /// Writes a new revision with the content of an earlier one.
    ///
    /// The identity, embargo, expiry and annotations stay: an embargo of the past would hide the article, or disclose
    /// one that is hidden now, and annotations are their client's notes on the article, not on one of its texts.
    pub async fn rollback(
        &self,
        request: &RollbackArticleRequest,
        request_id: RequestId<'_>,
    ) -> Result<Arc<Record>, IngestError> {
        let mut violations = Violations::default();
        let id = ArticleId::from_name(&request.name).map_err(|expected| violations.add("name", expected)).ok();
        let revision = request.revision.parse().map_err(|expected: &str| violations.add("revision", expected)).ok();
        if let (Some(id), Some(RevisionName { article, .. })) = (&id, &revision)
            && id != article
        {
            violations.add("revision", format!("must be a revision of {}", id.name()));
        }
        let reason = reason(&request.reason, &mut violations);
        let key = request_id.key().map_err(|inner| violations.0.extend(inner.0)).unwrap_or_default();
        let (Some(id), Some(revision), true) = (id, revision, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        let etag = request.etag.clone();
        let correction = Correction { id, etag, reason, request: key, validate_only: request.validate_only };
        // Revisions do not change, so it is read once.
        let past = self.store.get_revision(&revision.article, revision.revision, Consistency::Full).await?;
        self.correct(&correction, |current| {
            let past = past.as_ref().ok_or_else(|| IngestError::NoSuchRevision(revision.clone()))?;
            if past.is_empty() {
                return Err(IngestError::NoText(revision.clone()));
            }
            let decode = |record: &Record| Article::decode(record.content()).map_err(|_| StoreError::Damaged);
            let article = CleanArticle::restored(decode(past)?, &decode(current)?);
            Ok(Corrected { article, editor_fields: EditorFields::NONE, reprocessed: None })
        })
        .await
    }
}
