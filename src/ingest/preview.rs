//! Extraction as ingestion does it, without a store.

use jiff::Timestamp;

use super::{Contents, IngestError, IngestOptions, Prepared, document};
use crate::proto::{Article, Document, IngestArticleRequest, IngestOutcome, IngestedArticle};
use crate::store::{Transition, Write};

/// Extracts and cleans a document. Returns the article as it would be ingested, without what the store adds, and its
/// report; of a syndication feed, each item with its external ID.
///
/// # Errors
/// Returns an error if the document, or the item, would be rejected.
pub fn preview(document: Document, options: &IngestOptions) -> Result<Contents<IngestedArticle>, IngestError> {
    let request = IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() };
    let prepared = document::prepare(request, None, Timestamp::now(), options, &|| false)?;
    prepared.map(|Prepared { write, report }| {
        let (article, outcome) = match &write {
            Write::Ingest(ingest) => (ingest.article.article().clone(), IngestOutcome::Unspecified),
            Write::Transition(Transition { missing: Some(missing), .. }) => {
                (missing.article.article().clone(), IngestOutcome::Withdrawn)
            }
            _ => (Article::default(), IngestOutcome::Unspecified),
        };
        let (article, outcome) = (Some(article), outcome.into());
        Ok(IngestedArticle { article, outcome, report: Some(report), ..IngestedArticle::default() })
    })
}
