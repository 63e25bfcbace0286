//! What can go wrong in a store. No driver's types: they stay with the engine, which logs its own causes.

use jiff::Timestamp;

use crate::article::{ArticleId, Lifecycle};

/// Why a store did not answer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// It cannot be reached, is closing, or is overloaded. Trying again may help.
    #[error("the store is not available: {0}")]
    Unavailable(&'static str),
    /// More reads are under way, and wait, than it is set to take on. Trying again a little later helps.
    #[error("the store has too many reads under way")]
    Busy,
    /// There is no room left for writes.
    #[error("the store has no room left")]
    Full,
    /// What it holds is damaged, or is not what was written.
    #[error("the store is damaged")]
    Damaged,
    /// The feed no longer reaches back that far.
    #[error("the change feed no longer reaches back that far")]
    Trimmed,
    /// The position or token is from another store, or from one that lost what came after.
    #[error("the position is not in this store's feed")]
    Foreign,
    /// Anything else: a defect. Logged where it arose.
    #[error("the store failed")]
    Internal,
}

/// Why a write was refused or failed. Nothing of it was written, unless the store became unavailable while it was committing:
/// then nobody knows, and the write may be repeated.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    /// There is no such article.
    #[error("{0:?} does not exist")]
    NotFound(ArticleId),
    /// The article's state does not allow it.
    #[error("{id:?} is {lifecycle:?}")]
    State {
        /// Which article.
        id: ArticleId,
        /// Its state.
        lifecycle: Lifecycle,
    },
    /// Somebody else's change came first.
    #[error("{0:?} has changed since it was read")]
    Conflict(ArticleId),
    /// The write would hide a readable article, and its author may not do that.
    #[error("{field} of {id:?} would hide an article that is readable")]
    TakedownDenied {
        /// Which article.
        id: ArticleId,
        /// Field that would hide it.
        field: &'static str,
    },
    /// The embargo would not end before the article expires: one of the two times is the document's, the other the one
    /// that stands.
    #[error("{field} of {id:?} contradicts the other time that stands")]
    TimesContradict {
        /// Which article.
        id: ArticleId,
        /// Field of the document.
        field: &'static str,
        /// Value of the other field that stands.
        stands: Timestamp,
    },
    /// The request ID was used with another request.
    #[error("the request ID was used with another request")]
    RequestReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
