//! Layers: decorators of a store that change some of its methods and forward the rest.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::copies::{CopiesPage, CopiesQuery};
use super::page::{ListPage, ListQuery, SnapshotQuery};
use super::read::{Change, ChangedIds, Consistency, FeedCursor, Fetched, Revision, Visibility};
use super::reads::HourlyReads;
use super::stories::{GroupedUntil, GroupingStep, NumberedMember};
use super::write::{Write, Written};
use super::{Store, StoreError, StoredOriginal, WriteError};
use crate::article::{ArticleId, ArticleKey, Key, Position, Record, StoryId};

/// Declares [`StoreLayer`] with a default for each method of [`Store`], and implements `Store` for every layer.
macro_rules! layer {
    ($(async $method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        /// Layer of a store. Each method forwards to [`StoreLayer::inner`] by default; a layer overrides those that it
        /// changes. Every layer is a [`Store`], whose documentation applies to the methods here too.
        #[async_trait]
        #[allow(missing_docs)]
        pub trait StoreLayer: Send + Sync + 'static {
            /// Returns the store below.
            fn inner(&self) -> &dyn Store;

            fn feed_id(&self) -> Uuid {
                self.inner().feed_id()
            }

            fn subscribe(&self) -> watch::Receiver<Position> {
                self.inner().subscribe()
            }

            $(async fn $method(&self, $($argument: $kind),*) -> $result {
                self.inner().$method($($argument),*).await
            })*
        }

        #[async_trait]
        impl<L: StoreLayer> Store for L {
            fn feed_id(&self) -> Uuid {
                StoreLayer::feed_id(self)
            }

            fn subscribe(&self) -> watch::Receiver<Position> {
                StoreLayer::subscribe(self)
            }

            $(async fn $method(&self, $($argument: $kind),*) -> $result {
                StoreLayer::$method(self, $($argument),*).await
            })*
        }
    };
}

layer! {
    async write(writes: Vec<Write>) -> Vec<Result<Written, WriteError>>;
    async dry_run(write: Write) -> Result<Written, WriteError>;
    async get(ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError>;
    async get_for_follower(ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError>;
    async get_revision(
        id: &ArticleId,
        revision: i64,
        consistency: Consistency
    ) -> Result<Option<Arc<Record>>, StoreError>;
    async lookup(keys: &[Key], consistency: Consistency) -> Result<Vec<Option<ArticleId>>, StoreError>;
    async keys_of(ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Vec<ArticleKey>>, StoreError>;
    async list(query: &ListQuery) -> Result<ListPage, StoreError>;
    async copies(query: &CopiesQuery) -> Result<CopiesPage, StoreError>;
    async revisions(
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        consistency: Consistency
    ) -> Result<Vec<Revision>, StoreError>;
    async changes(after: Position, limit: usize) -> Result<Vec<Change>, StoreError>;
    async changed_ids(after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError>;
    async head() -> Result<Position, StoreError>;
    async reaches(position: Position) -> Result<bool, StoreError>;
    async snapshot(query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError>;
    async apply_due_transitions(now: Timestamp) -> Result<usize, StoreError>;
    async deleted_before(time: Timestamp, limit: usize) -> Result<Vec<(ArticleId, i64)>, StoreError>;
    async original(id: &ArticleId, revision: Option<i64>) -> Result<Option<StoredOriginal>, StoreError>;
    async evict_originals(before: Timestamp, max_bytes: u64) -> Result<usize, StoreError>;
    async grouped_until() -> Result<GroupedUntil, StoreError>;
    async apply_grouping(step: GroupingStep) -> Result<Option<GroupedUntil>, StoreError>;
    async changed_members(after: u64, limit: usize, only_needed: bool) -> Result<Vec<NumberedMember>, StoreError>;
    async story_members(story: StoryId, after: u64, limit: usize) -> Result<Vec<NumberedMember>, StoreError>;
    async articles_of_stories(stories: &[StoryId], limit: usize) -> Result<Vec<(StoryId, ArticleId)>, StoreError>;
    async stories_of(ids: &[ArticleId]) -> Result<Vec<Option<StoryId>>, StoreError>;
    async merged_into(story: StoryId) -> Result<Option<StoryId>, StoreError>;
    async add_reads(reads: Vec<HourlyReads>, now: Timestamp) -> Result<(), StoreError>;
    async reads_of_hour(hour: i64, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError>;
    async remove_reads_before(hour: i64) -> Result<usize, StoreError>;
    async acquire_lease(task: &str, holder: Uuid, lasts: Duration) -> Result<bool, StoreError>;
    async record_events(events: Vec<Vec<u8>>) -> Result<(), StoreError>;
    async events(before: Option<i64>, limit: usize) -> Result<Vec<(i64, Vec<u8>)>, StoreError>;
    async ping() -> Result<(), StoreError>;
}
