//! Repeated extraction of kept documents, after the extractor was changed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message;

use super::edit::reason;
use super::report::EXTRACTOR_VERSION;
use super::update::{Corrected, Correction};
use super::{Contents, IngestError, Ingestion, Prepared, RequestId};
use crate::article::{
    ArticleId, ArticleKey, ChangeKind, CleanArticle, EditorFields, Record, UpdateMask, Violations, changed_fields,
};
use crate::proto::{Article, Document, ExtractionReport, IngestArticleRequest, ReprocessArticleRequest};
use crate::store::{Consistency, Ingest, Reprocessed, Revision, StoreError, StoredOriginal, Write, WriteError};

/// Revisions per read of a history.
const HISTORY: usize = 50;
/// Fields that fit each other: if one of a group was corrected, all of it stays.
const COUPLED: [&[&str]; 2] = [&["body", "blocks"], &["publish_time", "publish_time_precision", "publish_utc_offset"]];

/// Result of a repeated extraction.
#[derive(Clone, Debug)]
pub struct Reextracted {
    /// The article after it.
    pub record: Arc<Record>,
    /// Fields that it has changed.
    pub changed_fields: Vec<&'static str>,
    /// Report of the extraction. Absent if the document was already extracted by the present version.
    pub report: Option<ExtractionReport>,
}

impl Ingestion {
    /// Extracts the newest kept document of an article again. Fields that an editor has changed since its first
    /// extraction stay, as do the identity, embargo, expiry and annotations.
    ///
    /// # Errors
    /// If the request is invalid, the article or its document does not exist, the document is no longer accepted, the
    /// article has changed meanwhile, or the store does not answer.
    pub async fn reprocess(
        &self,
        request: &ReprocessArticleRequest,
        request_id: RequestId<'_>,
    ) -> Result<Reextracted, IngestError> {
        let mut violations = Violations::default();
        let id = ArticleId::from_name(&request.name).map_err(|expected| violations.add("name", expected)).ok();
        let reason = reason(&request.reason, &mut violations);
        let key = request_id.key().map_err(|inner| violations.0.extend(inner.0)).unwrap_or_default();
        let (Some(id), true) = (id, violations.0.is_empty()) else { return Err(violations.into()) };
        let newest = self.newest(&id).await?.ok_or_else(|| WriteError::NotFound(id.clone()))?;
        let original = self.store.original(&id, None).await?.ok_or_else(|| IngestError::NoDocument(id.clone()))?;
        let former: ExtractionReport = decode(&original.report)?;
        if request.outdated_only && former.extractor_version == EXTRACTOR_VERSION {
            return Ok(Reextracted { record: newest, changed_fields: Vec::new(), report: None });
        }
        let edited = self.edited_fields(&id, original.first_revision).await?;
        let (ingest, report) = self.extract_again(&id, &original).await?;
        let reprocessed = Reprocessed {
            fingerprint: ingest.article.fingerprint(),
            original: original.with_report(&report.encode_to_vec()),
        };
        let validate_only = request.validate_only;
        let correction = Correction { id, etag: request.etag.clone(), reason, request: key, validate_only };
        // Of the last try.
        let before = Mutex::new(Article::default());
        let record = self
            .correct(&correction, |current| {
                // The article was changed concurrently.
                if current.revision != newest.revision {
                    return Err(IngestError::Contended(newest.id.clone()));
                }
                let current: Article = decode(&current.content())?;
                let article = merged(&ingest, &edited, &current);
                let article = CleanArticle::new(article, &self.options.article)?;
                *before.lock().unwrap_or_else(PoisonError::into_inner) = current;
                let reprocessed = Some(Box::new(reprocessed.clone()));
                Ok(Corrected { article, editor_fields: EditorFields::NONE, reprocessed })
            })
            .await?;
        let before = before.into_inner().unwrap_or_else(PoisonError::into_inner);
        let after: Article = decode(&record.content())?;
        Ok(Reextracted { record, changed_fields: changed_fields(&before, &after), report: Some(report) })
    }

    /// Returns the fields that editors have changed since a revision: by all later ones but those of this module.
    async fn edited_fields(&self, id: &ArticleId, since: i64) -> Result<BTreeSet<&'static str>, StoreError> {
        let mut edited = BTreeSet::new();
        let mut from = None;
        loop {
            let page = self.store.revisions(id, from, HISTORY, Consistency::Full).await?;
            for Revision { record, before, kind, .. } in &page {
                if record.revision <= since {
                    return Ok(edited);
                }
                if let (ChangeKind::Revised, Some(before)) = (kind, before) {
                    edited.extend(changed_fields(&decode(&before.content())?, &decode(&record.content())?));
                }
            }
            match page.last() {
                Some(last) if last.record.revision > since + 1 && page.len() == HISTORY => {
                    from = Some(last.record.revision);
                }
                // Older revisions were trimmed (`feed-keep`): which fields were corrected is unknown, so all stay.
                Some(last) => {
                    edited.extend(changed_fields(&Article::default(), &decode(&last.record.content())?));
                    return Ok(edited);
                }
                None => return Ok(edited),
            }
        }
    }

    /// Extracts a kept document as it was ingested. Of a document with several articles, the one with this ID.
    async fn extract_again(
        &self,
        id: &ArticleId,
        original: &StoredOriginal,
    ) -> Result<(Ingest, ExtractionReport), IngestError> {
        let document: Document = decode(&original.document)?;
        let request = IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() };
        let (is_one, prepared) = match self.extract(request, None, original.time, true).await? {
            Contents::Article(prepared) => (true, vec![prepared]),
            Contents::Feed(items) => (items.len() == 1, items.into_iter().filter_map(|(_, item)| item.ok()).collect()),
        };
        let keys = self.store.keys_of(std::slice::from_ref(id), Consistency::Full).await?.pop().unwrap_or_default();
        let ingests = prepared.into_iter().filter_map(|Prepared { write, report }| match write {
            Write::Ingest(ingest) => Some((*ingest, report)),
            _ => None,
        });
        let mut ingests: Vec<(Ingest, ExtractionReport)> = ingests.collect();
        let named = ingests.iter().position(|(ingest, _)| ingest.id == *id);
        let own = named.or_else(|| ingests.iter().position(|(ingest, _)| is_one || shares_key(ingest, &keys)));
        own.map(|at| ingests.swap_remove(at)).ok_or_else(|| IngestError::NoDocument(id.clone()))
    }
}

fn shares_key(ingest: &Ingest, keys: &[ArticleKey]) -> bool {
    ingest.keys.iter().any(|stated| keys.iter().any(|key| key.key == stated.key))
}

/// Returns the extracted article with the fields that editors have changed since its first extraction.
fn merged(ingest: &Ingest, edited: &BTreeSet<&'static str>, current: &Article) -> Article {
    let extracted = ingest.article.article().clone();
    let mut article = CleanArticle::restored(extracted, current).article().clone();
    let mut kept = edited.clone();
    for group in COUPLED.iter().filter(|group| group.iter().any(|field| edited.contains(field))) {
        kept.extend(group.iter().copied());
    }
    UpdateMask::of_fields(&kept).apply(&mut article, current);
    article
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, StoreError> {
    M::decode(bytes).map_err(|_broken| StoreError::Damaged)
}
