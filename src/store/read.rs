//! Results of reads of single articles and changes.

use std::sync::Arc;

use jiff::Timestamp;

use super::StoreError;
use crate::article::{ArticleId, ChangeKind, EditorFields, Lifecycle, Position, Record, SourceVersion};

/// Required freshness of a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// At most as stale as the staleness bound.
    #[default]
    Bounded,
    /// At least as fresh as this position, and within the staleness bound.
    AtLeast(Position),
    /// Read from the store.
    Full,
}

impl Consistency {
    /// Returns the same requirement, combined with a minimum position.
    pub fn and(self, position: Position) -> Self {
        match self {
            Self::Bounded => Self::AtLeast(position),
            Self::AtLeast(other) => Self::AtLeast(other.max(position)),
            Self::Full => Self::Full,
        }
    }
}

/// Layer that answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// In-process cache.
    Local,
    /// Cache shared by replicas.
    Redis,
    /// Store.
    Store,
}

impl Layer {
    /// Returns the name in metadata, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Redis => "redis",
            Self::Store => "store",
        }
    }
}

/// Result of reading one article.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Article, if it exists.
    pub record: Option<Arc<Record>>,
    /// Layer that answered.
    pub from: Layer,
}

/// Entry of an article's history.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Article after this change.
    pub record: Arc<Record>,
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Reason given by its author; may be empty.
    pub reason: String,
    /// Previous revision; absent for the first.
    pub before: Option<Arc<Record>>,
}

/// Feed cursor of a follower: the last change that it has seen, and the time of that change. The time detects a feed
/// that has lost its end and grown again, which has a different change at this position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedCursor {
    /// Position of the last change seen.
    pub position: Position,
    /// Time of that change, if known.
    pub time: Option<Timestamp>,
}

impl From<Position> for FeedCursor {
    fn from(position: Position) -> Self {
        Self { position, time: None }
    }
}

impl FeedCursor {
    /// Validates the cursor against the feed. `time` is the time of the change at this position, or none if it was
    /// trimmed or does not exist; `head` is the newest position.
    pub(super) fn found(self, time: Option<Timestamp>, head: Position) -> Result<Self, StoreError> {
        let another = self.time.zip(time).is_some_and(|(known, found)| known != found);
        if self.position > head || another {
            return Err(StoreError::UnknownPosition);
        }
        Ok(Self { time: time.or(self.time), ..self })
    }
}

/// Articles that changed after a cursor.
#[derive(Clone, Debug)]
pub struct ChangedIds {
    pub articles: Vec<(Position, ArticleId)>,

    pub cursor: FeedCursor,
}

/// Entry of the feed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Position in the feed.
    pub position: Position,
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Article after this change.
    pub record: Arc<Record>,
    /// Previous content, if this change replaced it, for filters that matched it.
    pub before: Option<Arc<Record>>,
    /// True if the change is visible to readers. False if the article was under embargo before and after it.
    pub announced: bool,
    /// Current visibility of the article.
    pub now: Visibility,
}

/// Current state of an article that decides its visibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// Lifecycle state.
    pub lifecycle: Lifecycle,
    /// Time before which it is unreadable.
    pub embargo_time: Option<Timestamp>,
    /// Time from which it is unreadable.
    pub expire_time: Option<Timestamp>,
    /// Number of the newest revision.
    pub revision: i64,
    /// Fields that belong to editors; ingested documents do not change them.
    pub editor_fields: EditorFields,
    /// Version of the last ingested document.
    pub version: SourceVersion,
}

impl Visibility {
    /// Returns true if the article can be read at `now`.
    pub fn readable(&self, now: Timestamp) -> bool {
        self.lifecycle == Lifecycle::Live
            && self.embargo_time.is_none_or(|time| now >= time)
            && self.expire_time.is_none_or(|time| now < time)
    }
}

impl Fetched {
    /// Returns the store's result for an article that does not exist.
    pub fn missing() -> Self {
        Self { record: None, from: Layer::Store }
    }
}
