//! Reads of one article by name.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Audience, Retrieval, RetrieveError};
use crate::article::{ArticleId, EncodedArticle, ReadMask, Record, Unreadable, Violations};
use crate::proto::{self, ArticleView};
use crate::store::{Consistency, Fetched, Layer, StoreError, last_successor};

/// Result of a get or lookup.
#[derive(Clone, Debug)]
pub struct Got {
    /// Article with the fields of the read mask; absent if the caller has its etag.
    pub article: Option<EncodedArticle>,
    /// Layer that served the read.
    pub from: Layer,
}

impl Retrieval {
    /// Reads one article.
    pub async fn get(&self, request: &proto::GetArticleRequest, audience: Audience) -> Result<Got, RetrieveError> {
        let mut violations = Violations::default();
        let id = ArticleId::from_name(&request.name).map_err(|expected| violations.add("name", expected)).ok();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Full)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(id), Some(mask), Some(consistency)) = (id, mask, consistency) else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        let mut found = self.store.get(std::slice::from_ref(&id), consistency).await?;
        let Fetched { record, from } = found.pop().ok_or(StoreError::Internal)?;
        let record = record.ok_or_else(|| RetrieveError::NotFound(request.name.clone()))?;
        let now = Timestamp::now();
        let is_known = !request.unless_etag.is_empty() && request.unless_etag == record.etag();
        if audience == Audience::Editors {
            let article = match is_known {
                true => None,
                false => {
                    let article = mask.apply(&record.for_editor(now, self.limits.deleted_keep));
                    Some(self.with_story(&mask, &id, article).await?)
                }
            };
            return Ok(Got { article, from });
        }
        if is_known && record.readable(now).is_ok() {
            return Ok(Got { article: None, from });
        }
        match record.readable(now) {
            Ok(article) => {
                let article = self.with_story(&mask, &id, mask.apply(article)).await?;
                Ok(Got { article: Some(article), from })
            }
            Err(why) => Err(self.unreadable(request.name.clone(), &record, why, consistency).await),
        }
    }

    /// Reads an article that the audience may see.
    pub(super) async fn record_for(
        &self,
        name: &str,
        id: &ArticleId,
        audience: Audience,
        consistency: Consistency,
    ) -> Result<Arc<Record>, RetrieveError> {
        let mut found = self.store.get(std::slice::from_ref(id), consistency).await?;
        let record = found.pop().and_then(|fetched| fetched.record);
        let record = record.ok_or_else(|| RetrieveError::NotFound(name.to_owned()))?;
        match record.readable(Timestamp::now()) {
            Err(why) if audience == Audience::Readers => {
                Err(self.unreadable(name.to_owned(), &record, why, consistency).await)
            }
            _ => Ok(record),
        }
    }

    /// Returns the error of a read of an unreadable article. That of a merged one names its last successor, unless that
    /// is unreadable too: then nothing is said of it.
    pub(super) async fn unreadable(
        &self,
        requested: String,
        record: &Record,
        why: Unreadable,
        consistency: Consistency,
    ) -> RetrieveError {
        if why != Unreadable::Merged {
            return RetrieveError::unreadable(requested, record, why);
        }
        let last = last_successor(&*self.store, record, consistency).await.unwrap_or_default();
        let readable = last.filter(|last| last.readable(Timestamp::now()).is_ok());
        RetrieveError::Merged {
            name: record.id.name(),
            since: record.update_time,
            successor: readable.map(|last| last.id.name()),
        }
    }
}
