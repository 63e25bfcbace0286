//! Updates, withdrawals and deletions of articles.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use tokio::sync::Mutex;

use super::{IngestError, Ingestion};
use crate::article::{
    ArticleId, ChangeKind, CleanArticle, MAX_REASON_CHARS, Record, UpdateMask, Violations, clean_line,
};
use crate::proto::{Article, UpdateArticleRequest};
use crate::store::{Consistency, Precondition, StoreError, Transition, Update, Write, WriteError, Written};

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

/// Requested change of an article's state.
pub struct Edit<'a> {
    /// Article name, `articles/{article}`.
    pub name: &'a str,
    /// Required etag of the newest revision; any if empty.
    pub etag: &'a str,
    /// Reason, kept in the history.
    pub reason: &'a str,
    /// Kind: `Withdrawn`, `Reinstated`, `Deleted` or `Undeleted`.
    pub kind: ChangeKind,
}

impl Ingestion {
    /// Changes the fields named by the update mask.
    pub async fn update(&self, request: UpdateArticleRequest) -> Result<Arc<Record>, IngestError> {
        let mut violations = Violations::default();
        let new = request.article.unwrap_or_else(|| {
            violations.add("article", "is required");
            Article::default()
        });
        let id = ArticleId::from_name(&new.name).map_err(|expected| violations.add("article.name", expected)).ok();
        let mask = UpdateMask::parse(request.update_mask.as_ref()).map_err(|inner| violations.0.extend(inner.0)).ok();
        let reason = reason(&request.reason, &mut violations);
        let (Some(id), Some(mask), true) = (id, mask, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        // Serializes updates without an etag, so that each of them gets to write.
        let lock = if new.etag.is_empty() { Some(self.update_locks.of(&id).lock().await) } else { None };
        for _ in 0..MAX_UPDATE_TRIES {
            let record = self.newest(&id).await?.ok_or_else(|| WriteError::NotFound(id.clone()))?;
            if !new.etag.is_empty() && new.etag != record.etag() {
                return Err(WriteError::Conflict(id).into());
            }
            let mut article = Article::decode(record.content()).map_err(|_| StoreError::Damaged)?;
            mask.apply(&mut article, &new);
            let article =
                CleanArticle::new(article, &self.options.article).map_err(|violations| violations.within("article"))?;
            let update = Update {
                id: id.clone(),
                article,
                editor_fields: mask.editor_fields(),
                authority: self.authority,
                precondition: Precondition::Revision(record.revision),
                reason: reason.clone(),
                time: Timestamp::now(),
            };
            match self.write(Write::Update(Box::new(update))).await {
                // A concurrent write came between read and write. A caller that sent an etag must read again itself.
                Err(WriteError::Conflict(_)) if new.etag.is_empty() => {}
                written => return Ok(written?.record),
            }
        }
        drop(lock);
        Err(IngestError::Contended(id))
    }

    /// Changes an article's state.
    pub async fn edit(&self, edit: Edit<'_>) -> Result<Arc<Record>, IngestError> {
        let mut violations = Violations::default();
        let id = ArticleId::from_name(edit.name).map_err(|expected| violations.add("name", expected)).ok();
        let reason = reason(edit.reason, &mut violations);
        let (Some(id), true) = (id, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        let precondition = match edit.etag {
            "" => Precondition::None,
            etag => Precondition::Etag(etag.to_owned()),
        };
        let transition = Transition { id, kind: edit.kind, precondition, reason, time: Timestamp::now() };
        Ok(self.write(Write::Transition(transition)).await?.record)
    }

    /// Reads the newest record, to be updated. An update is not rejected under read load: it retries until its caller
    /// gives up.
    async fn newest(&self, id: &ArticleId) -> Result<Option<Arc<Record>>, StoreError> {
        loop {
            match self.store.get(std::slice::from_ref(id), Consistency::Full).await {
                Err(StoreError::Busy) => tokio::time::sleep(BUSY_RETRY).await,
                found => return Ok(found?.pop().and_then(|fetched| fetched.record)),
            }
        }
    }

    async fn write(&self, write: Write) -> Result<Written, WriteError> {
        self.write_redacted(vec![write]).await.pop().unwrap_or(Err(StoreError::Internal.into()))
    }
}

fn reason(reason: &str, violations: &mut Violations) -> String {
    let reason = clean_line(reason);
    if reason.chars().count() > MAX_REASON_CHARS {
        violations.add("reason", "must be at most 1,000 characters long");
    }
    reason
}
