//! Storage of articles behind one trait, with a change feed: the transaction of each write also appends it to the feed.
//!
//! Each engine passes one conformance suite (`tests/it/conformance`). Caches are decorators of the same trait, and pass
//! it too.

mod copies;
mod copy;
mod enum_codes;
mod error;
mod former;
mod hold;
mod identity;
mod keys;
mod layer;
mod merge;
mod near_duplicates;
mod original;
mod page;
mod plan;
pub mod postgres;
mod read;
mod reads;
mod rush;
pub mod sqlite;
mod stories;
mod times;
mod traced;
mod verify;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

pub use copies::{CopiesPage, CopiesQuery, FoundCopy};
pub use copy::{Copied, copy};
pub use error::{StoreError, WriteError};
pub use keys::{KeyStore, Keys, StoredKey};
pub use layer::StoreLayer;
pub use merge::last_successor;
pub use original::{Original, OriginalDocument, StoredOriginal};
pub use page::{ListCursor, ListPage, ListQuery, Order, OrderField, Shard, SnapshotQuery};
pub use read::{Change, ChangedIds, Consistency, FeedCursor, Fetched, Layer, Revision, Visibility};
pub use reads::{HourlyReads, hour_of};
pub use rush::Rush;
pub use stories::{GroupedUntil, GroupingStep, NumberedMember, StoryMember};
pub use traced::Traced;
pub use verify::{Total, Verified, verify};
pub use write::{
    Authority, Ingest, IngestSource, KeyNote, LateCopies, Merge, Missing, Outcome, Precondition, Reprocessed,
    RequestKey, Transition, Update, Write, Written,
};

use crate::article::{ArticleId, ArticleKey, Key, Position, Record, StoryId};

/// Number of events of ingestion that are kept. An event takes at most 4 KiB.
pub const MAX_EVENTS: i64 = 5_000;

/// Maximum number of counts of reads that are removed in one transaction.
const MAX_REMOVED_READS: usize = 5_000;

/// Store of articles, their revisions and the change feed.
///
/// The future of every method may be dropped. A read then stops; a write is applied entirely or not at all.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Returns the ID of the change feed, which is created with the store and equal on all replicas.
    fn feed_id(&self) -> Uuid;

    /// Applies writes in order. Each has its own result; a rejected one does not stop the others. `Ok` means durable,
    /// with the change in the feed.
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>>;

    /// Returns the result that a write would have, without applying it. The position of the record is
    /// `Position::START`.
    async fn dry_run(&self, write: Write) -> Result<Written, WriteError>;

    /// Returns the newest revisions of articles in any state, in the order of `ids`.
    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError>;

    /// Returns the newest revisions of articles like [`Store::get`], for followers of the feed: they neither take a
    /// permit from the reads of callers nor are rejected, so that they keep up while callers are too many.
    async fn get_for_follower(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError>;

    /// Returns a revision of an article.
    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError>;

    /// Returns the article that has each key, in any state, in the order of `keys`.
    async fn lookup(&self, keys: &[Key], consistency: Consistency) -> Result<Vec<Option<ArticleId>>, StoreError>;

    /// Returns the keys of articles, in the order of `ids`.
    async fn keys_of(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Vec<ArticleKey>>, StoreError>;

    /// Returns a page of readable articles.
    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError>;

    /// Returns a page of the articles that are copies of a text, by the sketches of their bodies.
    async fn copies(&self, query: &CopiesQuery) -> Result<CopiesPage, StoreError>;

    /// Returns revisions of an article older than `before`, newest first.
    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError>;

    /// Returns at most `limit` changes after a position, in order. Fewer than `limit` means that there were no more.
    /// Fails with [`StoreError::Trimmed`] if the feed no longer reaches back to `after`.
    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError>;

    /// Returns the IDs of at most `limit` articles that changed after a cursor, in order. Caches follow this, since it
    /// costs less than `changes`. Fails with [`StoreError::UnknownPosition`] if the feed has lost its end: it no longer
    /// reaches `after` (`changes` fails then as well), or has a different change there.
    async fn changed_ids(&self, after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError>;

    /// Returns the position of the newest change.
    async fn head(&self) -> Result<Position, StoreError>;

    /// Returns true if the feed has reached a position. A cache that has followed it that far does not ask the store.
    async fn reaches(&self, position: Position) -> Result<bool, StoreError> {
        Ok(self.head().await? >= position)
    }

    /// Returns articles as of a position, in order of creation. Articles that did not exist then are omitted. The
    /// visibility of each is the current one.
    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError>;

    /// Returns a channel that signals possible new changes. It is a hint: poll as well.
    fn subscribe(&self) -> watch::Receiver<Position>;

    /// Applies the due timed transitions: embargoes that have ended, articles that have expired. Returns their number.
    async fn apply_due_transitions(&self, now: Timestamp) -> Result<usize, StoreError>;

    /// Returns at most `limit` deleted articles that were deleted before a time, earliest first, with their revisions.
    async fn deleted_before(&self, time: Timestamp, limit: usize) -> Result<Vec<(ArticleId, i64)>, StoreError>;

    /// Returns the document that a revision was extracted from: of `revision`, or of the newest one that has it. Fails
    /// with [`StoreError::Damaged`] if it cannot be decompressed.
    async fn original(&self, id: &ArticleId, revision: Option<i64>) -> Result<Option<StoredOriginal>, StoreError>;

    /// Removes some of the oldest originals: those from before a time, and those beyond a total size in bytes, after
    /// compression. Returns their number, 0 if none is left to be removed.
    async fn evict_originals(&self, before: Timestamp, max_bytes: u64) -> Result<usize, StoreError>;

    /// Appends events of ingestion to the journal, which keeps the newest [`MAX_EVENTS`].
    async fn record_events(&self, events: Vec<Vec<u8>>) -> Result<(), StoreError>;

    /// Returns at most `limit` events older than `before`, newest first, with their numbers.
    async fn events(&self, before: Option<i64>, limit: usize) -> Result<Vec<(i64, Vec<u8>)>, StoreError>;

    /// Returns how far articles are grouped into stories.
    async fn grouped_until(&self) -> Result<GroupedUntil, StoreError>;

    /// Applies a step of the replica that groups articles, in one transaction. Returns the new state; none, without
    /// effect, if another step was applied since `step.from`. Members whose article is unknown are left out.
    async fn apply_grouping(&self, step: GroupingStep) -> Result<Option<GroupedUntil>, StoreError>;

    /// Returns at most `limit` memberships that changed after a number, in order, each as it is now. With `only_needed`
    /// those without a report are left out.
    async fn changed_members(
        &self,
        after: u64,
        limit: usize,
        only_needed: bool,
    ) -> Result<Vec<NumberedMember>, StoreError>;

    /// Returns the memberships of a story, in the order of their numbers: at most `limit` after a number.
    async fn story_members(&self, story: StoryId, after: u64, limit: usize) -> Result<Vec<NumberedMember>, StoreError>;

    /// Returns the articles of stories, or of those that they have become part of, each with its story: at most `limit`
    /// of a story, those whose memberships changed first.
    async fn articles_of_stories(
        &self,
        stories: &[StoryId],
        limit: usize,
    ) -> Result<Vec<(StoryId, ArticleId)>, StoreError>;

    /// Returns the stories of articles, in the order of `ids`; none for those that are in no story.
    async fn stories_of(&self, ids: &[ArticleId]) -> Result<Vec<Option<StoryId>>, StoreError>;

    /// Returns the story that another one has become part of, at last; none if it was not merged.
    async fn merged_into(&self, story: StoryId) -> Result<Option<StoryId>, StoreError>;

    /// Adds reads to the counts of articles by hour. Those of articles that are unknown, or not readable at `now`, are
    /// left out.
    async fn add_reads(&self, reads: Vec<HourlyReads>, now: Timestamp) -> Result<(), StoreError>;

    /// Returns at most `limit` articles with reads in an hour, counted from 1970, and their counts, most read first.
    async fn reads_of_hour(&self, hour: i64, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError>;

    /// Removes some counts of reads in hours before one. Returns their number, 0 if none is left to be removed.
    async fn remove_reads_before(&self, hour: i64) -> Result<usize, StoreError>;

    /// Acquires a lease for a time, or extends it: a task of which only one replica at a time does each kind. Returns
    /// false if another holder has it.
    async fn acquire_lease(&self, task: &str, holder: Uuid, lasts: Duration) -> Result<bool, StoreError>;

    /// Checks that the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}
