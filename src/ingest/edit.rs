//! Updates, withdrawals and deletions of articles.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use tokio::sync::Mutex;

use super::{IngestError, Ingestion};
use crate::article::{
    ArticleId, ArticleKey, ChangeKind, CleanArticle, Key, MAX_REASON_CHARS, Record, UpdateMask, Violations,
    canonical_url, clean_line, fold,
};
use crate::proto::{Article, ExternalKey, UpdateArticleRequest};
use crate::store::{Consistency, Missing, Precondition, StoreError, Transition, Update, Write, WriteError, Written};

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
    /// Article.
    pub target: Target<'a>,
    /// Required etag of the newest revision; any if empty.
    pub etag: &'a str,
    /// Reason, kept in the history.
    pub reason: &'a str,
    /// Kind: `Withdrawn`, `Reinstated`, `Deleted` or `Undeleted`.
    pub kind: ChangeKind,
    /// Withdraw the article before it arrives, if it does not exist.
    pub allow_missing: bool,
}

impl<'a> Edit<'a> {
    /// Returns the edit of the article with this name.
    pub fn named(name: &'a str, etag: &'a str, reason: &'a str, kind: ChangeKind) -> Self {
        Self { target: Target { name, ..Target::default() }, etag, reason, kind, allow_missing: false }
    }
}

/// Article to be changed: exactly one is set.
#[derive(Clone, Copy, Default)]
pub struct Target<'a> {
    /// Name, `articles/{article}`.
    pub name: &'a str,
    /// Any URL of the article.
    pub url: &'a str,
    /// The publisher's identifier.
    pub external: Option<&'a ExternalKey>,
}

impl Target<'_> {
    /// Returns the article's ID, and its key if the target is one; and the article without a text that stands for it if
    /// it is missing.
    fn resolve(&self) -> Result<(ArticleId, Option<Key>, CleanArticle), Violations> {
        let mut article = Article::default();
        let (id, key) = match (self.name, self.url, self.external) {
            (name, "", None) => {
                let id = ArticleId::from_name(name).map_err(|expected| Violations::one("name", expected))?;
                (id, None)
            }
            ("", url, None) => {
                article.url = canonical_url(url).map_err(|expected| Violations::one("url", expected))?;
                let key = Key::address(url).map_err(|expected| Violations::one("url", expected))?;
                (ArticleId::of_key(&key), Some(key))
            }
            ("", "", Some(external)) => {
                let key = Key::of_external(external)?;
                (article.source, article.external_id) = (fold(&external.source), clean_line(&external.external_id));
                (ArticleId::of_key(&key), Some(key))
            }
            _ => return Err(Violations::one("name", "must be the only one of name, url and external that is set")),
        };
        Ok((id, key, CleanArticle::without_text(article)?))
    }

    fn describe(&self) -> String {
        let external = self.external.map(|key| format!("{} {}", key.source, key.external_id));
        external.unwrap_or_else(|| [self.name, self.url].concat())
    }
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
        let target = edit.target.resolve().map_err(|inner| violations.0.extend(inner.0)).ok();
        let reason = reason(edit.reason, &mut violations);
        let (Some((id, key, article)), true) = (target, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        let precondition = match edit.etag {
            "" => Precondition::None,
            etag => Precondition::Etag(etag.to_owned()),
        };
        let keys = key.iter().map(|key| ArticleKey { key: *key, is_certain: true }).collect();
        let missing = edit.allow_missing.then(|| Box::new(Missing { article, keys }));
        let time = Timestamp::now();
        let transition = Transition { id, key, missing, kind: edit.kind, precondition, reason, time };
        match self.write(Write::Transition(transition)).await {
            // The ID in the error would be that of no article.
            Err(WriteError::NotFound(_)) if key.is_some() => Err(IngestError::NoSuchKey(edit.target.describe())),
            written => Ok(written?.record),
        }
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
