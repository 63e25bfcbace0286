//! Reads of articles by one of their keys.

use jiff::Timestamp;

use super::get::Got;
use super::{Audience, Retrieval, RetrieveError};
use crate::article::{Key, ReadMask, Violations, canonical_url};
use crate::proto::{
    ArticleView, ExternalKey, LookupArticleRequest, LookupKey, lookup_article_request, lookup_key as sent,
};
use crate::store::{Fetched, StoreError};

/// Key of a request: unset, or of one of two kinds.
pub(super) enum SentKey<'a> {
    Unset,
    Url(&'a str),
    External(&'a ExternalKey),
}

impl<'a> From<&'a LookupArticleRequest> for SentKey<'a> {
    fn from(request: &'a LookupArticleRequest) -> Self {
        match &request.key {
            None => Self::Unset,
            Some(lookup_article_request::Key::Url(url)) => Self::Url(url),
            Some(lookup_article_request::Key::External(external)) => Self::External(external),
        }
    }
}

impl<'a> From<&'a LookupKey> for SentKey<'a> {
    fn from(key: &'a LookupKey) -> Self {
        match &key.key {
            None => Self::Unset,
            Some(sent::Key::Url(url)) => Self::Url(url),
            Some(sent::Key::External(external)) => Self::External(external),
        }
    }
}

/// Requested key.
pub(super) struct RequestedKey {
    pub(super) key: Key,
    /// Description for errors.
    pub(super) text: String,
}

/// Validates the key of a request.
pub(super) fn lookup_key(sent: SentKey<'_>) -> Result<RequestedKey, Violations> {
    match sent {
        SentKey::Url(url) => {
            let key = Key::address(url).and_then(|key| Ok(RequestedKey { key, text: canonical_url(url)? }));
            key.map_err(|expected| Violations::one("url", expected))
        }
        SentKey::External(external) => {
            let text = format!("{} {}", external.source, external.external_id);
            Ok(RequestedKey { key: Key::of_external(external)?, text })
        }
        SentKey::Unset => Err(Violations::one("key", "is required: set url or external")),
    }
}

impl Retrieval {
    /// Reads one article by its URL, or by its source and external ID.
    pub async fn lookup(&self, request: &LookupArticleRequest, audience: Audience) -> Result<Got, RetrieveError> {
        let RequestedKey { key, text: requested } = lookup_key(request.into())?;
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Full)?;
        let consistency = self.consistency(request.consistency.as_ref())?;
        self.reach(consistency).await?;
        let now = Timestamp::now();
        let not_found = || RetrieveError::NotFound(requested.clone());
        let id = self.store.lookup(&[key], consistency).await?.pop().flatten().ok_or_else(not_found)?;
        // The key is resolved by the store; the article may come from a cache.
        let mut found = self.store.get(std::slice::from_ref(&id), consistency).await?;
        let Fetched { record, from } = found.pop().ok_or(StoreError::Internal)?;
        let record = record.ok_or_else(not_found)?;
        if audience == Audience::Editors {
            let article = mask.apply(&record.for_editor(now, self.limits.deleted_keep));
            return Ok(Got { article: Some(self.with_story(&mask, &id, article).await?), from });
        }
        match record.readable(now) {
            Ok(article) => {
                let article = self.with_story(&mask, &id, mask.apply(article)).await?;
                Ok(Got { article: Some(article), from })
            }
            Err(why) => Err(self.unreadable(requested, &record, why, consistency).await),
        }
    }
}
