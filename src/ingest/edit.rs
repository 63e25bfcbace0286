//! Corrections, withdrawals and deletions.

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

/// How often an update without an etag is tried against others that come between from elsewhere.
pub const MAX_UPDATE_TRIES: usize = 5;

/// How long to wait before a store that has too many reads is asked again.
const BUSY: Duration = Duration::from_millis(20);

/// Whose turn it is to change an article. Many articles share a lock, which costs a wait now and then.
#[derive(Default)]
pub(super) struct Turns([Mutex<()>; 32]);

impl Turns {
    fn of(&self, id: &ArticleId) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        // Less than 32, so it fits.
        &self.0[(hasher.finish() % self.0.len() as u64) as usize]
    }
}

/// A change of an article's state, as it was asked for.
pub struct Edit<'a> {
    /// `articles/{article}`.
    pub name: &'a str,
    /// When not empty, must be the newest revision's.
    pub etag: &'a str,
    /// Why.
    pub reason: &'a str,
    /// `Withdrawn`, `Reinstated`, `Deleted` or `Undeleted`.
    pub kind: ChangeKind,
}

impl Ingestion {
    /// Changes the fields that a mask names.
    pub async fn update(&self, request: UpdateArticleRequest) -> Result<Arc<Record>, IngestError> {
        let mut wrong = Violations::default();
        let new = request.article.unwrap_or_else(|| {
            wrong.add("article", "is required");
            Article::default()
        });
        let id = ArticleId::from_name(&new.name).map_err(|right| wrong.add("article.name", right)).ok();
        let mask = UpdateMask::parse(request.update_mask.as_ref()).map_err(|inner| wrong.0.extend(inner.0)).ok();
        let reason = reason(&request.reason, &mut wrong);
        let (Some(id), Some(mask), true) = (id, mask, wrong.0.is_empty()) else {
            return Err(wrong.into());
        };
        // Those who do not care what came before take turns, so that all of them come to it.
        let turn = if new.etag.is_empty() { Some(self.turns.of(&id).lock().await) } else { None };
        for _ in 0..MAX_UPDATE_TRIES {
            let record = self.newest(&id).await?.ok_or_else(|| WriteError::NotFound(id.clone()))?;
            if !new.etag.is_empty() && new.etag != record.etag() {
                return Err(WriteError::Conflict(id).into());
            }
            let mut article = Article::decode(record.content()).map_err(|_| StoreError::Damaged)?;
            mask.apply(&mut article, &new);
            let article = CleanArticle::new(article, &self.options.article).map_err(|wrong| wrong.within("article"))?;
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
                // Somebody came between reading and writing. Who sent an etag must look again; others did not care.
                Err(WriteError::Conflict(_)) if new.etag.is_empty() => {}
                written => return Ok(written?.record),
            }
        }
        drop(turn);
        Err(IngestError::Contended(id))
    }

    /// Changes an article's state.
    pub async fn edit(&self, edit: Edit<'_>) -> Result<Arc<Record>, IngestError> {
        let mut wrong = Violations::default();
        let id = ArticleId::from_name(edit.name).map_err(|right| wrong.add("name", right)).ok();
        let reason = reason(edit.reason, &mut wrong);
        let (Some(id), true) = (id, wrong.0.is_empty()) else {
            return Err(wrong.into());
        };
        let precondition = match edit.etag {
            "" => Precondition::None,
            etag => Precondition::Etag(etag.to_owned()),
        };
        let transition = Transition { id, kind: edit.kind, precondition, reason, time: Timestamp::now() };
        Ok(self.write(Write::Transition(transition)).await?.record)
    }

    /// What is to be corrected. A correction is not turned away because many read: it waits, for as long as its caller does.
    async fn newest(&self, id: &ArticleId) -> Result<Option<Arc<Record>>, StoreError> {
        loop {
            match self.store.get(std::slice::from_ref(id), Consistency::Full).await {
                Err(StoreError::Busy) => tokio::time::sleep(BUSY).await,
                found => return Ok(found?.pop().and_then(|fetched| fetched.record)),
            }
        }
    }

    async fn write(&self, write: Write) -> Result<Written, WriteError> {
        self.write_and_show(vec![write]).await.pop().unwrap_or(Err(StoreError::Internal.into()))
    }
}

fn reason(reason: &str, wrong: &mut Violations) -> String {
    let reason = clean_line(reason);
    if reason.chars().count() > MAX_REASON_CHARS {
        wrong.add("reason", "must be at most 1,000 characters long");
    }
    reason
}
