//! An article as clustering sees it.

use std::sync::Arc;

use super::features::Features;

/// Report of an event: an article as clustering sees it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Publish time, or the time of creation of an article without one; in seconds since 1970.
    pub time: i64,
    /// Key of the source. Sources often write all their articles in the same way.
    pub source: u64,
    /// True for a report that an editor has moved: it stays in its story.
    pub is_pinned: bool,
    /// Features of the text.
    pub features: Arc<Features>,
}
