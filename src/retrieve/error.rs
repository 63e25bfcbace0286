//! Errors of reads.

use jiff::Timestamp;

use crate::article::{Record, Unreadable, Violations};
use crate::store::StoreError;

/// Error of a read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RetrieveError {
    /// The request is invalid.
    #[error("{0}")]
    Invalid(#[from] Violations),
    /// The article does not exist, or is under embargo.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The article exists but cannot be read.
    #[error("{name} cannot be read: {why:?}")]
    Unreadable {
        /// Name of the article.
        name: String,
        /// Reason.
        why: Unreadable,
        /// Time of the last change: of the withdrawal, deletion or expiry.
        since: Timestamp,
    },
    /// The article was merged into another one.
    #[error("{name} was merged into another article")]
    Merged {
        /// Name of the article.
        name: String,
        /// Time of the merge.
        since: Timestamp,
        /// Name of the article that it leads to, if that one is readable.
        successor: Option<String>,
    },
    /// The document of an article is not kept.
    #[error("the document of {0} is not kept")]
    SourceNotFound(String),
    /// The search index is being built, did not reach the requested position in time, or is too old for a count.
    #[error("the search index is not fresh enough yet")]
    IndexLate,
    /// The story does not exist, none of its articles is readable, or the article is in no story.
    #[error("{0} does not exist")]
    StoryNotFound(String),
    /// The recent stories are being read, or articles up to the requested position were not grouped in time.
    #[error("the stories are not fresh enough yet")]
    StoriesLate,
    /// This server has no stories.
    #[error("stories are off on this server")]
    StoriesOff,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RetrieveError {
    /// Creates the error for an article that cannot be read. An embargoed one looks like an article that does not
    /// exist: the error repeats only what was `requested`.
    pub(super) fn unreadable(requested: String, record: &Record, why: Unreadable) -> Self {
        match why {
            Unreadable::Embargoed | Unreadable::Expected => Self::NotFound(requested),
            // The feed may not have announced the expiry yet.
            Unreadable::Expired => {
                let since = record.expire_time.unwrap_or(record.update_time);
                Self::Unreadable { name: record.id.name(), why, since }
            }
            why => Self::Unreadable { name: record.id.name(), why, since: record.update_time },
        }
    }
}
