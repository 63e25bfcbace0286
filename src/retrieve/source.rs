//! The documents that articles were extracted from, and the reports of their extraction: for editors.

use prost::Message;

use super::{Audience, Retrieval, RetrieveError};
use crate::article::{ArticleId, RevisionName, Violations, to_proto};
use crate::proto::document::Payload;
use crate::proto::{Document, ExtractionReport, GetArticleSourceResponse, GetExtractionReportResponse};
use crate::store::{Consistency, StoreError, StoredOriginal};

impl Retrieval {
    /// Reads the document that a revision was extracted from. `name` is that of an article, for its newest revision
    /// that has a document, or of a revision.
    pub async fn source(&self, name: &str) -> Result<GetArticleSourceResponse, RetrieveError> {
        let Found { revision, stored } = self.original(name).await?;
        let document: Document = decode(&stored.document)?;
        let (data, mime_type) = match document.payload {
            Some(Payload::Raw(raw)) => (raw.data, raw.mime_type),
            Some(Payload::Html(html)) => (html.into_bytes(), "text/html; charset=utf-8".to_owned()),
            Some(Payload::Text(text)) => (text.into_bytes(), "text/plain; charset=utf-8".to_owned()),
            // Such documents are not kept.
            Some(Payload::Article(_)) | None => return Err(StoreError::Damaged.into()),
        };
        let (url, fetch_time, ingest_time) = (document.url, document.fetch_time, Some(to_proto(stored.time)));
        Ok(GetArticleSourceResponse { revision, data, mime_type, url, fetch_time, ingest_time })
    }

    /// Reads the report of the extraction of a revision.
    pub async fn extraction_report(&self, name: &str) -> Result<GetExtractionReportResponse, RetrieveError> {
        let Found { revision, stored } = self.original(name).await?;
        let report: ExtractionReport = decode(&stored.report)?;
        Ok(GetExtractionReportResponse { revision, report: Some(report), ingest_time: Some(to_proto(stored.time)) })
    }

    async fn original(&self, name: &str) -> Result<Found, RetrieveError> {
        const EXPECTED: &str = "must be articles/{article} or articles/{article}/revisions/{revision}";
        let (article, revision) = match name.parse::<RevisionName>() {
            Ok(name) => (name.article, Some(name.revision)),
            Err(_) => (ArticleId::from_name(name).map_err(|_| Violations::one("name", EXPECTED))?, None),
        };
        self.newest(&article, Consistency::Bounded, Audience::Editors, name).await?;
        let stored = self.store.original(&article, revision).await?;
        let stored = stored.ok_or_else(|| RetrieveError::SourceNotFound(name.to_owned()))?;
        let revision = RevisionName { article, revision: stored.revision }.to_string();
        Ok(Found { revision, stored })
    }
}

struct Found {
    /// Name of the revision.
    revision: String,
    stored: StoredOriginal,
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, StoreError> {
    M::decode(bytes).map_err(|error| {
        tracing::error!(%error, "an original document cannot be decoded");
        StoreError::Damaged
    })
}
