//! Memberships of articles in stories, as one replica has decided and all replicas follow.
//!
//! Each step of the replica that groups articles is one transaction: the memberships that it has changed, the merges of
//! stories, and the position in the change feed up to which articles are grouped. Memberships are numbered in the order
//! of their changes, so that followers read those after the last number that they have seen. All those of a step are
//! visible at once.

use super::FeedCursor;
use crate::article::{ArticleId, StoryId};

/// Membership of an article in a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryMember {
    /// Article, which exists.
    pub article: ArticleId,
    /// Its story.
    pub story: StoryId,
    /// True if an editor has decided it.
    pub by_editor: bool,
    /// Facts about the article for grouping: opaque to stores. Empty once they are not needed any more, and as soon as
    /// the article is purged.
    pub report: Vec<u8>,
}

/// Membership with the number of its last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedMember {
    /// Number, from 1, unique and ascending in the order of changes.
    pub number: u64,
    /// Membership.
    pub member: StoryMember,
}

/// Progress of grouping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupedUntil {
    /// Number of the newest change of a membership; 0 at first.
    pub number: u64,
    /// Position in the change feed up to which articles are grouped; the start at first.
    pub cursor: FeedCursor,
}

/// Step of the replica that groups articles, or of an editor: that one leaves the position in the change feed as it is,
/// and has a changed membership.
#[derive(Clone, Debug)]
pub struct GroupingStep {
    /// The state that the step continues from. If another replica has done a step since, this one is not applied.
    pub from: GroupedUntil,
    /// Position in the change feed up to which articles are grouped after it.
    pub until: FeedCursor,
    /// Changed memberships, at most one for each article. The number of the state grows by as many.
    pub members: Vec<StoryMember>,
    /// Articles that are not in `members`, each once, whose visibility may have changed. Their memberships, if they
    /// have one, stay and get new numbers, before those of `members`: so watches read the articles again.
    pub renumbered: Vec<ArticleId>,
    /// Stories that have become part of another one: the former, then the one that it belongs to now. Applied in order,
    /// with all stored members of the former, before `members`. Members that have another story then get new numbers,
    /// in the order of their old ones, before all others of the step.
    pub merges: Vec<(StoryId, StoryId)>,
}
