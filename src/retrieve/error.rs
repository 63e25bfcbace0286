//! Why a read has no answer.

use crate::article::{Unreadable, Violations};
use crate::store::StoreError;

/// Why a read has no answer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RetrieveError {
    /// The request is wrong.
    #[error("{0}")]
    Invalid(#[from] Violations),
    /// There is no such article, or nobody may know of it.
    #[error("{0} does not exist")]
    NotFound(String),
    /// There is one, and it cannot be read.
    #[error("{name} cannot be read: {why:?}")]
    Unreadable {
        /// The article's name.
        name: String,
        /// Why.
        why: Unreadable,
    },
    /// The search index has not come as far as was asked within the time.
    #[error("the search index has not followed the feed that far yet")]
    IndexLate,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RetrieveError {
    /// The answer for an article that cannot be read. An embargoed one does not exist, as far as readers are told: they get
    /// their own words back, as for any other that does not.
    pub(super) fn unreadable(asked: String, name: String, why: Unreadable) -> Self {
        match why {
            Unreadable::Embargoed => Self::NotFound(asked),
            why => Self::Unreadable { name, why },
        }
    }
}
