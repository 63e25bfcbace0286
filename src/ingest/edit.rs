//! Withdrawals and deletions of articles, and their reversals.

use std::sync::Arc;

use jiff::Timestamp;

use super::{IngestError, Ingestion, RequestId};
use crate::article::{
    ArticleId, ArticleKey, ChangeKind, CleanArticle, Key, MAX_REASON_CHARS, Record, Violations, canonical_url,
    clean_line, source_name,
};
use crate::proto::{Article, ExternalKey};
use crate::store::{Missing, Precondition, StoreError, Transition, Write, WriteError, Written};

/// Requested change of an article's state.
pub struct Edit<'a> {
    /// Article.
    pub target: Target<'a>,
    /// Required etag of the newest revision; any if empty.
    pub etag: &'a str,
    /// Reason, kept in the history.
    pub reason: &'a str,
    /// Kind: `Withdrawn`, `Reinstated`, `Deleted`, `Undeleted` or `Purged`.
    pub kind: ChangeKind,
    /// Withdraw the article before it arrives, if it does not exist. Other kinds fail with `NotFound`.
    pub allow_missing: bool,
    /// Withdraw with the copies of the article: a copy that comes later is rejected.
    pub with_copies: bool,
    /// Request ID.
    pub request: RequestId<'a>,
    /// Check everything and change nothing.
    pub validate_only: bool,
}

impl<'a> Edit<'a> {
    /// Returns the change of the article with this name.
    pub fn named(kind: ChangeKind, name: &'a str, etag: &'a str, reason: &'a str, request: RequestId<'a>) -> Self {
        Self {
            target: Target::named(name),
            etag,
            reason,
            kind,
            allow_missing: false,
            with_copies: false,
            request,
            validate_only: false,
        }
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

impl<'a> Target<'a> {
    /// Returns the article with this name.
    pub fn named(name: &'a str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Returns the article's ID, and its key if the target is one; and the article without a text that stands for it if
    /// it is missing.
    pub(super) fn resolve(&self) -> Result<(ArticleId, Option<Key>, CleanArticle), Violations> {
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
                (article.source, article.external_id) =
                    (source_name(&external.source), clean_line(&external.external_id));
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
    /// Changes an article's state.
    pub async fn edit(&self, edit: Edit<'_>) -> Result<Arc<Record>, IngestError> {
        let mut violations = Violations::default();
        let target = edit.target.resolve().map_err(|inner| violations.0.extend(inner.0)).ok();
        let reason = reason(edit.reason, &mut violations);
        let request = edit.request.key().map_err(|inner| violations.0.extend(inner.0)).unwrap_or_default();
        let (Some((id, key, article)), true) = (target, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        let precondition = precondition(edit.etag);
        let keys = key.iter().map(|key| ArticleKey { key: *key, is_certain: true }).collect();
        let may_be_missing = edit.allow_missing && edit.kind == ChangeKind::Withdrawn;
        let missing = may_be_missing.then(|| Box::new(Missing { article, keys, digest: None }));
        let time = Timestamp::now();
        let (kind, with_copies) = (edit.kind, edit.with_copies);
        let transition = Transition { id, key, missing, kind, with_copies, precondition, reason, request, time };
        match self.apply(Write::Transition(transition), edit.validate_only).await {
            // The ID in the error would be that of no article.
            Err(WriteError::NotFound(_)) if key.is_some() => Err(IngestError::NoSuchKey(edit.target.describe())),
            written => Ok(written?.record),
        }
    }

    /// Applies a write, or returns the result that it would have.
    pub(super) async fn apply(&self, write: Write, validate_only: bool) -> Result<Written, WriteError> {
        if validate_only {
            return self.dry_run_of(write).await;
        }
        self.write(vec![write]).await.pop().unwrap_or(Err(StoreError::Internal.into()))
    }
}

/// Returns the precondition of a request with this etag, which may be empty.
pub(super) fn precondition(etag: &str) -> Precondition {
    if etag.is_empty() { Precondition::None } else { Precondition::Etag(etag.to_owned()) }
}

/// Returns the reason of a change, normalized.
pub(super) fn reason(reason: &str, violations: &mut Violations) -> String {
    let reason = clean_line(reason);
    if reason.chars().count() > MAX_REASON_CHARS {
        violations.add("reason", "must be at most 1,000 characters long");
    }
    reason
}
