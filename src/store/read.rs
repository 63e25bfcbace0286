//! What can be read, one article or one change at a time.

use std::sync::Arc;

use jiff::Timestamp;

use super::StoreError;
use crate::article::{ArticleId, ChangeKind, EditorFields, Lifecycle, Position, Record};

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Not older than the staleness bound.
    #[default]
    Bounded,
    /// Not older than this position, and not older than the staleness bound.
    AtLeast(Position),
    /// Ask the store.
    Full,
}

impl Consistency {
    /// The same, and not older than a position.
    pub fn and(self, position: Position) -> Self {
        match self {
            Self::Bounded => Self::AtLeast(position),
            Self::AtLeast(other) => Self::AtLeast(other.max(position)),
            Self::Full => Self::Full,
        }
    }
}

/// Who answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// This process's own cache.
    Local,
    /// The cache that replicas share.
    Redis,
    /// The store.
    Store,
}

impl Layer {
    /// As it stands in metadata, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Redis => "redis",
            Self::Store => "store",
        }
    }
}

/// The answer for one article.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The article, if there is one.
    pub record: Option<Arc<Record>>,
    /// Who answered.
    pub from: Layer,
}

/// What an article is looked up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupKey {
    /// The canonical URL.
    Url(String),
    /// What its publisher calls it.
    External {
        /// Folded.
        source: String,
        /// As it was given.
        external_id: String,
    },
}

/// One entry of an article's history.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The article as this change left it.
    pub record: Arc<Record>,
    /// What kind of change.
    pub kind: ChangeKind,
    /// Why, if its author said.
    pub reason: String,
    /// The article before it; absent for the first.
    pub before: Option<Arc<Record>>,
}

/// Where a follower is in the feed: after which change, and when that was written. A feed that has lost its end, and has grown
/// again, has another change there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// After this.
    pub position: Position,
    /// When the change there was written; none when that is not known.
    pub time: Option<Timestamp>,
}

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        Self { position, time: None }
    }
}

impl Place {
    /// The same place, once the feed has been looked at: when the change there was written (nothing if it has been forgotten, or
    /// none is), and how far the feed reaches.
    pub(super) fn found(self, time: Option<Timestamp>, head: Position) -> Result<Self, StoreError> {
        let another = self.time.zip(time).is_some_and(|(known, found)| known != found);
        if self.position > head || another {
            return Err(StoreError::Foreign);
        }
        Ok(Self { time: time.or(self.time), ..self })
    }
}

/// What has changed after a place.
#[derive(Clone, Debug)]
pub struct Touched {
    /// Each change's position, and its article, in order.
    pub articles: Vec<(Position, ArticleId)>,
    /// Where to go on: after the last of them.
    pub reached: Place,
}

/// One entry of the feed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where in the feed.
    pub position: Position,
    /// What kind of change.
    pub kind: ChangeKind,
    /// The article as this change left it.
    pub record: Arc<Record>,
    /// The content before, where this change replaced it: for filters that it matched.
    pub before: Option<Arc<Record>>,
    /// Whether readers may know of it: false for what happened under embargo, from before it to after it.
    pub announced: bool,
    /// Where the article stands now.
    pub now: Standing,
}

/// What decides whether an article can be read, as it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What has been done with it.
    pub lifecycle: Lifecycle,
    /// Unreadable before.
    pub embargo_time: Option<Timestamp>,
    /// Unreadable from then on.
    pub expire_time: Option<Timestamp>,
    /// The newest revision.
    pub revision: i64,
    /// Fields that belong to editors: documents that come in do not change them.
    pub editor_fields: EditorFields,
}

impl Standing {
    /// Whether the article can be read at `now`.
    pub fn readable(&self, now: Timestamp) -> bool {
        self.lifecycle == Lifecycle::Live
            && self.embargo_time.is_none_or(|time| now >= time)
            && self.expire_time.is_none_or(|time| now < time)
    }
}

impl Fetched {
    /// Nothing found, by the store itself.
    pub fn missing() -> Self {
        Self { record: None, from: Layer::Store }
    }
}
