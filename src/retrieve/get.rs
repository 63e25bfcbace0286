//! Reads of articles by name, URL or external ID.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Retrieval, RetrieveError, View};
use crate::article::{ArticleId, ArticleName, EncodedArticle, Key, ReadMask, Record, Violations, canonical_url};
use crate::proto;
use crate::store::{Consistency, Fetched, Layer, StoreError};

/// Maximum size of a batch response, in bytes: all of it is held in memory, and encoded once more.
const MAX_BATCH_BYTES: usize = 64 << 20;

/// Result of a get or lookup.
#[derive(Clone, Debug)]
pub struct Got {
    /// Article with the fields of the read mask.
    pub article: EncodedArticle,
    /// Layer that served the read.
    pub from: Layer,
}

/// Result of a batch get.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Articles found, with the fields of the read mask, in the order of the request.
    pub articles: Vec<EncodedArticle>,
    /// Names not found, in the order of the request.
    pub not_found: Vec<String>,
    /// Slowest layer that served the read.
    pub from: Layer,
}

impl Retrieval {
    /// Reads one article, or one of its past revisions.
    pub async fn get(&self, request: &proto::GetArticleRequest, view: View) -> Result<Got, RetrieveError> {
        let mut violations = Violations::default();
        let name: Option<ArticleName> =
            request.name.parse().map_err(|expected: &str| violations.add("name", expected)).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref()).map_err(|inner| violations.0.extend(inner.0)).ok();
        let consistency =
            self.consistency(request.consistency.as_ref()).map_err(|inner| violations.0.extend(inner.0)).ok();
        let (Some(name), Some(mask), Some(consistency)) = (name, mask, consistency) else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        let mut found = self.store.get(std::slice::from_ref(&name.id), consistency).await?;
        let Fetched { record, from } = found.pop().ok_or(StoreError::Internal)?;
        let not_found = || RetrieveError::NotFound(request.name.clone());
        let record = record.ok_or_else(not_found)?;
        let now = Timestamp::now();
        if view == View::Editors {
            let consistency = consistency.and(record.token.position);
            let (record, from) = match name.revision.filter(|revision| *revision != record.revision) {
                None => (Some(record), from),
                Some(past) => (self.store.get_revision(&name.id, past, consistency).await?, Layer::Store),
            };
            let article = record.ok_or_else(not_found)?.for_editor(now);
            return Ok(Got { article: mask.apply(&article), from });
        }
        let record = self.redact_original(record, consistency).await;
        let unreadable = |why| RetrieveError::unreadable(request.name.clone(), &record, why);
        let newest = record.readable(now).map_err(unreadable)?;
        match name.revision {
            None => Ok(Got { article: mask.apply(newest), from }),
            Some(revision) if revision == record.revision => Ok(Got { article: mask.apply(newest), from }),
            // A past revision is readable only while the article is, and only if it was readable when it was written.
            Some(revision) => {
                // A replica that has the newest revision has all of them.
                let consistency = consistency.and(record.token.position);
                let past = self.store.get_revision(&name.id, revision, consistency).await?.ok_or_else(not_found)?;
                let past = self.redact_original(past, consistency).await;
                let article = past.readable(past.update_time).map_err(|_| not_found())?;
                Ok(Got { article: mask.apply(article), from: Layer::Store })
            }
        }
    }

    /// Reads several articles by name.
    pub async fn batch(&self, request: &proto::BatchGetArticlesRequest, view: View) -> Result<Batch, RetrieveError> {
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
        let mask = ReadMask::parse(request.read_mask.as_ref()).map_err(|inner| violations.0.extend(inner.0)).ok();
        let consistency =
            self.consistency(request.consistency.as_ref()).map_err(|inner| violations.0.extend(inner.0)).ok();
        let (Some(mask), Some(consistency), true) = (mask, consistency, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        let found = self.store.get(&ids, consistency).await?;
        let records = found.iter().filter_map(|fetched| fetched.record.as_deref());
        // Falls back as in `show`.
        let originals = self.originals(records, consistency).await.unwrap_or_default();
        let now = Timestamp::now();
        let from = found.iter().map(|fetched| fetched.from).max().unwrap_or(Layer::Store);
        let bytes: usize = found.iter().flat_map(|fetched| &fetched.record).map(|record| record.weight()).sum();
        if bytes > MAX_BATCH_BYTES {
            let expected =
                format!("articles have {} MiB in total, must be at most 64; request fewer names", bytes >> 20);
            return Err(Violations::one("names", expected).into());
        }
        let mut batch = Batch { articles: Vec::with_capacity(ids.len()), not_found: Vec::new(), from };
        for (id, fetched) in ids.iter().zip(found) {
            if let (View::Editors, Some(record)) = (view, &fetched.record) {
                batch.articles.push(mask.apply(&record.for_editor(now)));
                continue;
            }
            let record = fetched.record.map(|record| originals.redact(&record, now));
            match record.as_ref().and_then(|record| record.readable(now).ok()) {
                Some(article) => batch.articles.push(mask.apply(article)),
                None => batch.not_found.push(id.name()),
            }
        }
        Ok(batch)
    }

    /// Reads one article by its URL, or by its source and external ID.
    pub async fn lookup(&self, request: &proto::LookupArticleRequest, view: View) -> Result<Got, RetrieveError> {
        let (key, requested) = lookup_key(request)?;
        let mask = ReadMask::parse(request.read_mask.as_ref())?;
        let consistency = self.consistency(request.consistency.as_ref())?;
        self.reach(consistency).await?;
        let now = Timestamp::now();
        let not_found = || RetrieveError::NotFound(requested.clone());
        let id = self.store.lookup(&key, consistency).await?.ok_or_else(not_found)?;
        // The key is resolved by the store; the article may come from a cache.
        let mut found = self.store.get(std::slice::from_ref(&id), consistency).await?;
        let Fetched { record, from } = found.pop().ok_or(StoreError::Internal)?;
        let record = record.ok_or_else(not_found)?;
        if view == View::Editors {
            return Ok(Got { article: mask.apply(&record.for_editor(now)), from });
        }
        let record = self.redact_original(record, consistency).await;
        let article = record.readable(now).map_err(|why| RetrieveError::unreadable(requested.clone(), &record, why))?;
        Ok(Got { article: mask.apply(article), from })
    }
}

impl Retrieval {
    /// Removes the name of an original that cannot be read from a record. If the store fails, the original is not named
    /// either, so that an outage does not fail a cache hit.
    async fn redact_original(&self, record: Arc<Record>, consistency: Consistency) -> Arc<Record> {
        if record.duplicate_of.is_none() {
            return record;
        }
        let originals = self.originals([&*record], consistency).await.unwrap_or_default();
        originals.redact(&record, Timestamp::now())
    }
}

/// Returns the requested key, and its description for errors.
fn lookup_key(request: &proto::LookupArticleRequest) -> Result<(Key, String), Violations> {
    use proto::lookup_article_request::Key as Sent;
    match &request.key {
        Some(Sent::Url(url)) => {
            let key = Key::address(url).and_then(|key| Ok((key, canonical_url(url)?)));
            key.map_err(|expected| Violations::one("url", expected))
        }
        Some(Sent::External(external)) => {
            let requested = format!("{} {}", external.source, external.external_id);
            Ok((Key::of_external(external)?, requested))
        }
        None => Err(Violations::one("key", "is required: set url or external")),
    }
}
