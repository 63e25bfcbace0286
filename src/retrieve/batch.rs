//! Reads of several articles by name or by key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::article_stories::with_stories;
use super::batch_size::Pace;
use super::lookup::{RequestedKey, lookup_key};
use super::{Audience, Retrieval, RetrieveError};
use crate::article::{ArticleId, EncodedArticle, ReadMask, Record, Violations};
use crate::proto::{self, ArticleView};
use crate::store::Layer;

/// Maximum size of a batch response, in bytes: all of it is held in memory, and encoded once more.
const MAX_BATCH_BYTES: usize = 64 << 20;
/// Maximum number of articles per read of a batch lookup.
const LOOKUP_BATCH: usize = 250;

/// Result of a batch get.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Articles found, with the fields of the read mask, in the order of the request.
    pub articles: Vec<EncodedArticle>,
    /// Names without a readable article, with the error of each, in the order of the request.
    pub not_found: Vec<(String, RetrieveError)>,
    /// Slowest layer that served the read.
    pub from: Layer,
}

/// Result of a batch lookup.
#[derive(Clone, Debug)]
pub struct Lookups {
    /// Result of each key, in the order of the request.
    pub results: Vec<Result<EncodedArticle, RetrieveError>>,
    /// Slowest layer that served the read.
    pub from: Layer,
}

/// Manner in which the articles of a batch are shown.
struct Shown {
    audience: Audience,
    mask: ReadMask,
    now: Timestamp,
    /// Time after which deleted articles are purged; never if absent.
    deleted_keep: Option<Duration>,
}

impl Shown {
    /// Returns the article for its audience. `requested` is the name or key for errors.
    fn article(
        &self,
        record: Option<&Arc<Record>>,
        requested: impl FnOnce() -> String,
    ) -> Result<EncodedArticle, RetrieveError> {
        let Some(record) = record else { return Err(RetrieveError::NotFound(requested())) };
        if self.audience == Audience::Editors {
            return Ok(self.mask.apply(&record.for_editor(self.now, self.deleted_keep)));
        }
        match record.readable(self.now) {
            Ok(article) => Ok(self.mask.apply(article)),
            Err(why) => Err(RetrieveError::unreadable(requested(), record, why)),
        }
    }
}

impl Retrieval {
    /// Reads several articles by name.
    pub async fn batch(
        &self,
        request: &proto::BatchGetArticlesRequest,
        audience: Audience,
    ) -> Result<Batch, RetrieveError> {
        let mut violations = Violations::default();
        if request.names.is_empty() || request.names.len() > self.limits.max_batch_size {
            violations.add("names", format!("must be 1 to {} names", self.limits.max_batch_size));
        }
        let mut ids = Vec::with_capacity(request.names.len());
        for (at, name) in request.names.iter().enumerate().take(self.limits.max_batch_size) {
            match ArticleId::from_name(name) {
                Ok(id) => ids.push(id),
                Err(expected) => violations.add(format!("names[{at}]"), expected),
            }
        }
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Full)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(mask), Some(consistency), true) = (mask, consistency, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        let found = self.store.get(&ids, consistency).await?;
        let bytes: usize = found.iter().flat_map(|fetched| &fetched.record).map(|record| record.weight()).sum();
        if bytes > MAX_BATCH_BYTES {
            return Err(too_large("names", bytes).into());
        }
        let from = found.iter().map(|fetched| fetched.from).max().unwrap_or(Layer::Store);
        let stories = self.article_stories(with_stories(&mask, &ids)).await?;
        let shown = Shown { audience, mask, now: Timestamp::now(), deleted_keep: self.limits.deleted_keep };
        let mut batch = Batch { articles: Vec::with_capacity(ids.len()), not_found: Vec::new(), from };
        for (id, fetched) in ids.iter().zip(found) {
            match shown.article(fetched.record.as_ref(), || id.name()) {
                Ok(article) => batch.articles.push(stories.add_to(id, article)),
                Err(error) => batch.not_found.push((id.name(), error)),
            }
        }
        Ok(batch)
    }

    /// Reads several articles by their keys: one lookup of all keys, then the articles in batches of a bounded size.
    pub async fn batch_lookup(
        &self,
        request: &proto::BatchLookupArticlesRequest,
        audience: Audience,
    ) -> Result<Lookups, RetrieveError> {
        let mut violations = Violations::default();
        if request.keys.is_empty() || request.keys.len() > self.limits.max_batch_size {
            violations.add("keys", format!("must be 1 to {} keys", self.limits.max_batch_size));
        }
        let mut requested = Vec::with_capacity(request.keys.len());
        for (at, key) in request.keys.iter().enumerate().take(self.limits.max_batch_size) {
            match lookup_key(key.into()) {
                Ok(key) => requested.push(key),
                Err(inner) => violations.extend_within(&format!("keys[{at}]"), inner),
            }
        }
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic);
        let mask = mask.map_err(&mut note).ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(mask), Some(consistency), true) = (mask, consistency, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        let keys: Vec<_> = requested.iter().map(|RequestedKey { key, .. }| *key).collect();
        let holders = self.store.lookup(&keys, consistency).await?;
        let not_found = |at: usize| Err(RetrieveError::NotFound(requested[at].text.clone()));
        let mut results: Vec<Result<EncodedArticle, RetrieveError>> = (0..keys.len()).map(not_found).collect();
        // Several keys may be of one article.
        let mut wanted: HashMap<ArticleId, Vec<usize>> = HashMap::new();
        let mut ids = Vec::new();
        for (at, id) in holders.into_iter().enumerate() {
            let Some(id) = id else { continue };
            let positions = wanted.entry(id.clone()).or_default();
            if positions.is_empty() {
                ids.push(id);
            }
            positions.push(at);
        }
        let shown = Shown { audience, mask, now: Timestamp::now(), deleted_keep: self.limits.deleted_keep };
        let (mut pace, mut bytes, mut from) = (Pace::default(), 0, Layer::Local);
        let mut rest = &ids[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(pace.limit(LOOKUP_BATCH.min(rest.len())));
            rest = later;
            let found = self.store.get(now, consistency).await?;
            pace.read(found.iter().flat_map(|fetched| &fetched.record).map(|record| record.weight()));
            let stories = self.article_stories(with_stories(&shown.mask, now)).await?;
            for (id, fetched) in now.iter().zip(&found) {
                from = from.max(fetched.from);
                for at in wanted.remove(id).unwrap_or_default() {
                    let article = shown.article(fetched.record.as_ref(), || requested[at].text.clone());
                    results[at] = article.map(|article| stories.add_to(id, article));
                    bytes += results[at].as_ref().map_or(0, |article| article.as_bytes().len());
                }
            }
            if bytes > MAX_BATCH_BYTES {
                return Err(too_large("keys", bytes).into());
            }
        }
        // The keys themselves are resolved by the store.
        let from = if ids.is_empty() { Layer::Store } else { from };
        Ok(Lookups { results, from })
    }
}

fn too_large(field: &str, bytes: usize) -> Violations {
    let expected = format!("articles have {} MiB in total, must be at most 64; request fewer {field}", bytes >> 20);
    Violations::one(field, expected)
}
