//! Why a document was not taken in, or an article not changed.

use super::OverRate;
use crate::article::{ArticleId, Violations};
use crate::store::{StoreError, WriteError};

/// Why a document was not taken in, or an article not changed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum IngestError {
    /// The request is wrong, or its document is no article.
    #[error("{0}")]
    Invalid(#[from] Violations),
    /// The store refused it, or failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Others change the article all the time. Trying again helps.
    #[error("{0:?} is being changed by others all the time")]
    Contended(ArticleId),
    /// Too much is being extracted at once. Trying again helps.
    #[error("too many documents are being extracted")]
    Busy,
    /// It holds more documents than its caller may send now. Trying again later helps.
    #[error(transparent)]
    OverRate(#[from] OverRate),
    /// Extraction failed: a defect.
    #[error("extraction failed")]
    Extraction,
}

impl From<StoreError> for IngestError {
    fn from(error: StoreError) -> Self {
        Self::Write(WriteError::Store(error))
    }
}
