//! One article, or several, by name, URL or external ID.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Retrieval, RetrieveError};
use crate::article::{
    ArticleId, ArticleName, EncodedArticle, ReadMask, Record, Violations, canonical_url, clean_line, fold,
};
use crate::proto;
use crate::store::{Consistency, Fetched, Layer, LookupKey, StoreError};

/// A source is at most 256 characters long, an external ID 512 bytes.
const MAX_KEY_BYTES: usize = 1_024;
/// How large the answer to a batch may be, in bytes: it is held in memory whole, and encoded once more.
const MAX_BATCH_BYTES: usize = 64 << 20;

/// An article, and who answered.
#[derive(Clone, Debug)]
pub struct Got {
    /// The article, masked.
    pub article: EncodedArticle,
    /// Who answered.
    pub from: Layer,
}

/// Several articles.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Those found, masked, in the order asked for.
    pub articles: Vec<EncodedArticle>,
    /// The names not found, in the order asked for.
    pub not_found: Vec<String>,
    /// The slowest of those who answered.
    pub from: Layer,
}

impl Retrieval {
    /// One article, or one of its past revisions.
    pub async fn get(&self, request: &proto::GetArticleRequest) -> Result<Got, RetrieveError> {
        let mut wrong = Violations::default();
        let name: Option<ArticleName> = request.name.parse().map_err(|right: &str| wrong.add("name", right)).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref()).map_err(|inner| wrong.0.extend(inner.0)).ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(|inner| wrong.0.extend(inner.0)).ok();
        let (Some(name), Some(mask), Some(consistency)) = (name, mask, consistency) else {
            return Err(wrong.into());
        };
        self.reach(consistency).await?;
        let mut found = self.store.get(std::slice::from_ref(&name.id), consistency).await?;
        let Fetched { record, from } = found.pop().ok_or(StoreError::Internal)?;
        let not_found = || RetrieveError::NotFound(request.name.clone());
        let record = record.ok_or_else(not_found)?;
        let record = self.told(record, consistency).await;
        let now = Timestamp::now();
        let unreadable = |why| RetrieveError::unreadable(request.name.clone(), name.id.name(), why);
        let newest = record.readable(now).map_err(unreadable)?;
        match name.revision {
            None => Ok(Got { article: mask.apply(newest), from }),
            Some(revision) if revision == record.revision => Ok(Got { article: mask.apply(newest), from }),
            // A past revision is shown only while the article can be read, and only if it could be when it was written.
            Some(revision) => {
                // Of a store that has the newest: there, none is missing.
                let consistency = consistency.and(record.token.position);
                let past = self.store.get_revision(&name.id, revision, consistency).await?.ok_or_else(not_found)?;
                let past = self.told(past, consistency).await;
                let article = past.readable(past.update_time).map_err(|_| not_found())?;
                Ok(Got { article: mask.apply(article), from: Layer::Store })
            }
        }
    }

    /// Several articles by name.
    pub async fn batch(&self, request: &proto::BatchGetArticlesRequest) -> Result<Batch, RetrieveError> {
        let mut wrong = Violations::default();
        if request.names.is_empty() || request.names.len() > self.limits.max_batch_size {
            wrong.add("names", format!("must be 1 to {} names", self.limits.max_batch_size));
        }
        let mut ids = Vec::with_capacity(request.names.len());
        for (at, name) in request.names.iter().enumerate().take(self.limits.max_batch_size) {
            match ArticleId::from_name(name) {
                Ok(id) => ids.push(id),
                Err(right) => wrong.add(format!("names[{at}]"), right),
            }
        }
        let mask = ReadMask::parse(request.read_mask.as_ref()).map_err(|inner| wrong.0.extend(inner.0)).ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(|inner| wrong.0.extend(inner.0)).ok();
        let (Some(mask), Some(consistency), true) = (mask, consistency, wrong.0.is_empty()) else {
            return Err(wrong.into());
        };
        self.reach(consistency).await?;
        let found = self.store.get(&ids, consistency).await?;
        let records = found.iter().filter_map(|fetched| fetched.record.as_deref());
        // As in `told`.
        let originals = self.originals(records, consistency).await.unwrap_or_default();
        let now = Timestamp::now();
        let from = found.iter().map(|fetched| fetched.from).max().unwrap_or(Layer::Store);
        let bytes: usize = found.iter().flat_map(|fetched| &fetched.record).map(|record| record.weight()).sum();
        if bytes > MAX_BATCH_BYTES {
            let right = format!("must be fewer: these articles are {} MiB, and an answer holds 64", bytes >> 20);
            return Err(Violations::one("names", right).into());
        }
        let mut batch = Batch { articles: Vec::with_capacity(ids.len()), not_found: Vec::new(), from };
        for (id, fetched) in ids.iter().zip(found) {
            let record = fetched.record.map(|record| originals.show(&record, now));
            match record.as_ref().and_then(|record| record.readable(now).ok()) {
                Some(article) => batch.articles.push(mask.apply(article)),
                None => batch.not_found.push(id.name()),
            }
        }
        Ok(batch)
    }

    /// One article by its URL, or by what its publisher calls it.
    pub async fn lookup(&self, request: &proto::LookupArticleRequest) -> Result<Got, RetrieveError> {
        let key = lookup_key(request)?;
        let mask = ReadMask::parse(request.read_mask.as_ref())?;
        let consistency = self.consistency(request.consistency.as_ref())?;
        self.reach(consistency).await?;
        let now = Timestamp::now();
        let asked = || match &key {
            LookupKey::Url(url) => url.clone(),
            LookupKey::External { source, external_id } => format!("{source} {external_id}"),
        };
        let not_found = || RetrieveError::NotFound(asked());
        let id = self.store.lookup(&key, now, consistency).await?.ok_or_else(not_found)?;
        // What a key means is the store's answer; what the article says may be the cache's.
        let mut found = self.store.get(std::slice::from_ref(&id), consistency).await?;
        let Fetched { record, from } = found.pop().ok_or(StoreError::Internal)?;
        let record = self.told(record.ok_or_else(not_found)?, consistency).await;
        let article = record.readable(now).map_err(|why| RetrieveError::unreadable(asked(), id.name(), why))?;
        Ok(Got { article: mask.apply(article), from })
    }
}

impl Retrieval {
    /// Returns a record as it may be shown. Where the store cannot say whether an original can be read, the original is
    /// not named: an article that a cache has is not refused for it.
    async fn told(&self, record: Arc<Record>, consistency: Consistency) -> Arc<Record> {
        if record.duplicate_of.is_none() {
            return record;
        }
        let originals = self.originals([&*record], consistency).await.unwrap_or_default();
        originals.show(&record, Timestamp::now())
    }
}

fn lookup_key(request: &proto::LookupArticleRequest) -> Result<LookupKey, Violations> {
    use proto::lookup_article_request::Key;
    match &request.key {
        Some(Key::Url(url)) => canonical_url(url).map(LookupKey::Url).map_err(|right| Violations::one("url", right)),
        Some(Key::External(external)) => {
            let mut wrong = Violations::default();
            let source = fold(&external.source);
            let external_id = clean_line(&external.external_id);
            if source.is_empty() {
                wrong.add("external.source", "is required: the publisher's host or name");
            }
            if external_id.is_empty() {
                wrong.add("external.external_id", "is required: what the publisher calls the article");
            }
            for (field, text) in [("external.source", &source), ("external.external_id", &external_id)] {
                if text.len() > MAX_KEY_BYTES {
                    wrong
                        .add(field, format!("must be at most {MAX_KEY_BYTES} bytes long; no article has a longer one"));
                }
            }
            wrong.or(LookupKey::External { source, external_id })
        }
        None => Err(Violations::one("key", "is required: set url or external")),
    }
}
