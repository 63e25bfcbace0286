//! Errors of a store. They contain no driver types: engines log the causes.

use jiff::Timestamp;

use crate::article::{ArticleId, Lifecycle};
use crate::overload::admission::Shed;

/// Error of a store.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// The store is unreachable, closing or overloaded. A retry may succeed.
    #[error("store unavailable: {0}")]
    Unavailable(&'static str),
    /// The limits of concurrent and queued reads are reached. A later retry may succeed.
    #[error("too many concurrent reads of the store")]
    Busy,
    /// The store has no space left for writes.
    #[error("store has no space left")]
    Full,
    /// Stored data is damaged, or differs from what was written.
    #[error("store is damaged")]
    Damaged,
    /// The feed no longer contains changes that old.
    #[error("change feed no longer reaches back to this position")]
    Trimmed,
    /// The position or token is from another store, or from changes that this store has lost.
    #[error("position is not in the change feed of this store")]
    UnknownPosition,
    /// Any other failure: a defect. Logged at its origin.
    #[error("internal error of the store")]
    Internal,
}

/// Error of a write. Nothing was written, unless the store became unavailable during the commit: then the outcome is
/// unknown, and the write may be retried.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    /// The article does not exist.
    #[error("{0:?} does not exist")]
    NotFound(ArticleId),
    /// The state of the article does not allow the write.
    #[error("{id:?} is {lifecycle:?}")]
    WrongLifecycle {
        /// ID of the article.
        id: ArticleId,
        /// State of the article.
        lifecycle: Lifecycle,
    },
    /// The article was merged into another one.
    #[error("{id:?} was merged into {successor:?}")]
    Merged {
        /// ID of the article.
        id: ArticleId,
        /// ID of the article that it was merged into.
        successor: ArticleId,
    },
    /// A concurrent change came first.
    #[error("{0:?} has changed since it was read")]
    Conflict(ArticleId),
    /// The write would hide a readable article, and its author is not authorized to do that.
    #[error("{field} of {id:?} would hide a readable article")]
    TakedownDenied {
        /// ID of the article.
        id: ArticleId,
        /// Field that would hide it.
        field: &'static str,
    },
    /// The embargo would not end before the article expires. One of the two times is the document's, the other is
    /// stored.
    #[error("{field} of {id:?} contradicts the stored value of the other time")]
    TimesContradict {
        /// ID of the article.
        id: ArticleId,
        /// Field of the document.
        field: &'static str,
        /// Stored value of the other field.
        stands: Timestamp,
    },
    /// The request ID was used with a different request.
    #[error("request ID was already used with a different request")]
    RequestReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Shed> for StoreError {
    fn from(_shed: Shed) -> Self {
        Self::Busy
    }
}
