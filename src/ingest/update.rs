//! Corrections of articles: the newest revision is read, changed and written.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use tokio::sync::Mutex;

use super::edit::{precondition, reason};
use super::{IngestError, Ingestion, RequestId};
use crate::article::{ArticleId, CleanArticle, EditorFields, Lifecycle, Record, UpdateMask, Violations};
use crate::proto::{Article, UpdateArticleRequest};
use crate::store::{
    Consistency, Precondition, Reprocessed, RequestKey, StoreError, Update, Write, WriteError, Written,
};

/// Maximum number of tries of an update without an etag that conflicts with concurrent updates.
pub const MAX_UPDATE_TRIES: usize = 5;

/// Wait before the read of an overloaded store is retried.
const BUSY_RETRY: Duration = Duration::from_millis(20);

/// Striped locks that serialize updates of an article. Articles share a stripe, which rarely causes a wait.
#[derive(Default)]
pub(super) struct LockStripes([Mutex<()>; 32]);

impl LockStripes {
    fn of(&self, id: &ArticleId) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        // Below 32, so it fits.
        &self.0[(hasher.finish() % self.0.len() as u64) as usize]
    }
}

/// Requested correction, apart from its content.
pub(super) struct Correction {
    pub(super) id: ArticleId,
    /// Required etag of the newest revision; any if empty.
    pub(super) etag: String,
    pub(super) reason: String,
    pub(super) request: Option<RequestKey>,
    pub(super) validate_only: bool,
}

/// New content of a corrected article.
pub(super) struct Corrected {
    pub(super) article: CleanArticle,
    /// Fields that belong to editors from now on.
    pub(super) editor_fields: EditorFields,
    /// Set if the content was extracted again.
    pub(super) reprocessed: Option<Box<Reprocessed>>,
}

impl Ingestion {
    /// Changes the fields named by the update mask.
    pub async fn update(
        &self,
        request: &UpdateArticleRequest,
        request_id: RequestId<'_>,
    ) -> Result<Arc<Record>, IngestError> {
        let mut violations = Violations::default();
        let absent = Article::default();
        let new = request.article.as_ref().unwrap_or_else(|| {
            violations.add("article", "is required");
            &absent
        });
        let id = ArticleId::from_name(&new.name).map_err(|expected| violations.add("article.name", expected)).ok();
        let mask = UpdateMask::parse(request.update_mask.as_ref(), new);
        let mask = mask.map_err(|inner| violations.0.extend(inner.0)).ok();
        let reason = reason(&request.reason, &mut violations);
        let key = request_id.key().map_err(|inner| violations.0.extend(inner.0)).unwrap_or_default();
        let (Some(id), Some(mask), true) = (id, mask, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        let etag = new.etag.clone();
        let correction = Correction { id, etag, reason, request: key, validate_only: request.validate_only };
        self.correct(&correction, |current| {
            let mut article = Article::decode(current.content()).map_err(|_| StoreError::Damaged)?;
            mask.check(&article, new)?;
            mask.apply(&mut article, new);
            let article =
                CleanArticle::new(article, &self.options.article).map_err(|violations| violations.within("article"))?;
            Ok(Corrected { article, editor_fields: mask.editor_fields(), reprocessed: None })
        })
        .await
    }

    /// Writes the content that `correct` returns for the newest revision.
    pub(super) async fn correct(
        &self,
        correction: &Correction,
        correct: impl Fn(&Record) -> Result<Corrected, IngestError>,
    ) -> Result<Arc<Record>, IngestError> {
        let Correction { id, etag, request, .. } = correction;
        // Serializes updates without an etag, so that each of them gets to write.
        let lock = if etag.is_empty() { Some(self.update_locks.of(id).lock().await) } else { None };
        for _ in 0..MAX_UPDATE_TRIES {
            let record = self.newest(id).await?.ok_or_else(|| WriteError::NotFound(id.clone()))?;
            let corrected = match etag.is_empty() || *etag == record.etag() {
                // There is nothing to correct, so its content is not validated.
                true if record.lifecycle == Lifecycle::Purged => {
                    Err(WriteError::WrongLifecycle { id: id.clone(), lifecycle: record.lifecycle }.into())
                }
                true => correct(&record),
                false => Err(WriteError::Conflict(id.clone()).into()),
            };
            let written = match corrected {
                Ok(corrected) => {
                    let precondition = match precondition(etag) {
                        Precondition::None => Precondition::Revision(record.revision),
                        etag => etag,
                    };
                    let write = self.correction(correction, corrected, precondition);
                    self.apply(write, correction.validate_only).await
                }
                Err(error) if request.is_none() => return Err(error),
                Err(error) => match self.repeat(correction, &record).await {
                    Err(WriteError::Conflict(_) | WriteError::WrongLifecycle { .. }) => return Err(error),
                    repeated => return Ok(repeated?.record),
                },
            };
            match written {
                // A concurrent write came between read and write. A caller that sent an etag must read again itself.
                Err(WriteError::Conflict(_)) if etag.is_empty() => {}
                written => return Ok(written?.record),
            }
        }
        drop(lock);
        Err(IngestError::Contended(id.clone()))
    }

    fn correction(&self, correction: &Correction, corrected: Corrected, precondition: Precondition) -> Write {
        Write::Update(Box::new(Update {
            id: correction.id.clone(),
            article: corrected.article,
            editor_fields: corrected.editor_fields,
            reprocessed: corrected.reprocessed,
            authority: self.authority,
            precondition,
            reason: correction.reason.clone(),
            request: correction.request.clone(),
            time: Timestamp::now(),
        }))
    }

    /// Returns the response to the first request with the same ID, for a request that would fail now. Conflicts if
    /// there is none: no article has revision 0.
    async fn repeat(&self, correction: &Correction, record: &Record) -> Result<Written, WriteError> {
        let article = CleanArticle::stored(&record.content()).map_err(|_| StoreError::Damaged)?;
        let unchanged = Corrected { article, editor_fields: EditorFields::NONE, reprocessed: None };
        self.apply(self.correction(correction, unchanged, Precondition::Revision(0)), correction.validate_only).await
    }

    /// Reads the newest record, to be updated. An update is not rejected under read load: it retries until its caller
    /// gives up.
    pub(super) async fn newest(&self, id: &ArticleId) -> Result<Option<Arc<Record>>, StoreError> {
        loop {
            match self.store.get(std::slice::from_ref(id), Consistency::Full).await {
                Err(StoreError::Busy) => tokio::time::sleep(BUSY_RETRY).await,
                found => return Ok(found?.pop().and_then(|fetched| fetched.record)),
            }
        }
    }
}
