//! Embargo and expiry of existing articles: values that a write may set.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Authority, Ingest, IngestSource, WriteError};
use crate::article::{CleanArticle, EditorFields, RecordParts};

/// Names of the two fields.
const EMBARGO: &str = "embargo_time";
const EXPIRE: &str = "expire_time";

/// Times that hide an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// Time before which it is unreadable.
    pub(super) embargo: Option<Timestamp>,
    /// Time from which it is unreadable.
    pub(super) expire: Option<Timestamp>,
}

/// Returns the times of an article after the ingestion of a document.
pub(super) fn of_ingest(ingest: &Ingest, current: &RecordParts, owned: EditorFields) -> Times {
    let after = |field: EditorFields, sent: Option<Timestamp>, stands: Option<Timestamp>| match ingest.from {
        // An absent time keeps the stored one, and only editors change times set by editors.
        IngestSource::Publisher(_) if owned.contains(field) => stands,
        IngestSource::Publisher(_) => sent.or(stands),
        IngestSource::Copy(copied) if owned.contains(field) && !copied.contains(field) => stands,
        IngestSource::Copy(_) => sent,
    };
    Times {
        embargo: after(EditorFields::EMBARGO_TIME, ingest.article.embargo_time(), current.embargo_time),
        expire: after(EditorFields::EXPIRE_TIME, ingest.article.expire_time(), current.expire_time),
    }
}

impl Times {
    /// Returns the times of a stored article.
    pub(super) fn of(current: &RecordParts) -> Self {
        Self { embargo: current.embargo_time, expire: current.expire_time }
    }

    /// Returns the article with these times.
    pub(super) fn put_into(self, article: Cow<'_, CleanArticle>) -> Cow<'_, CleanArticle> {
        let has = Self { embargo: article.embargo_time(), expire: article.expire_time() };
        if has == self { article } else { Cow::Owned(article.with_times(self.embargo, self.expire)) }
    }

    /// Rejects an expiry that is not later than the embargo, if one of them is new and the other is stored.
    pub(super) fn require_order(self, current: &RecordParts) -> Result<(), WriteError> {
        let (Some(embargo), Some(expire)) = (self.embargo, self.expire) else { return Ok(()) };
        if expire > embargo || self == Self::of(current) {
            return Ok(());
        }
        let (field, stands) = if self.embargo == current.embargo_time { (EXPIRE, embargo) } else { (EMBARGO, expire) };
        Err(WriteError::TimesContradict { id: current.id.clone(), field, stands })
    }

    /// Rejects times that would hide a readable article, unless the author has the authority: an embargo that has not
    /// ended at `time`, or an expiry earlier than the stored one.
    pub(super) fn require_authority(
        self,
        authority: Authority,
        current: &RecordParts,
        time: Timestamp,
    ) -> Result<(), WriteError> {
        // Clocks may step back; update times must not.
        let now = time.max(current.update_time);
        if authority == Authority::Admin || current.unreadable(now).is_some() {
            return Ok(());
        }
        let later_embargo = self.embargo.is_some_and(|embargo| embargo > now);
        let earlier_expiry = self.expire.is_some_and(|new| current.expire_time.is_none_or(|stands| new < stands));
        let field = match (later_embargo, earlier_expiry) {
            (true, _) => EMBARGO,
            (_, true) => EXPIRE,
            (false, false) => return Ok(()),
        };
        Err(WriteError::TakedownDenied { id: current.id.clone(), field })
    }
}
