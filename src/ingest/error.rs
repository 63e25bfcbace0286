//! Errors of ingestion and of edits.

use super::OverRate;
use crate::article::{ArticleId, RevisionName, Violations};
use crate::store::{StoreError, WriteError};

/// Error of an ingestion or an edit.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum IngestError {
    /// The request is invalid, or its document contains no article.
    #[error("{0}")]
    Invalid(#[from] Violations),
    /// The store rejected the write, or failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No article has the requested URL or external ID.
    #[error("no article has {0:?}")]
    NoSuchKey(String),
    /// The article has no such revision, or no longer.
    #[error("{0} does not exist")]
    NoSuchRevision(RevisionName),
    /// The document of the article is not kept, or no longer has the article.
    #[error("the document of {0:?} is not kept")]
    NoDocument(ArticleId),
    /// The revision has no text: the article was withdrawn before it arrived.
    #[error("{0} has no text")]
    NoText(RevisionName),
    /// The article has too many concurrent updates. Retryable.
    #[error("{0:?} has too many concurrent updates")]
    Contended(ArticleId),
    /// The extraction queue is full. Retryable.
    #[error("extraction queue is full")]
    Busy,
    /// The documents exceed the rate limit of their caller. Retryable later.
    #[error(transparent)]
    OverRate(#[from] OverRate),
    /// Extraction panicked, which is a bug.
    #[error("extraction failed")]
    Extraction,
}

impl From<StoreError> for IngestError {
    fn from(error: StoreError) -> Self {
        Self::Write(WriteError::Store(error))
    }
}
