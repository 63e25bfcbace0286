//! A read-only store of articles in memory, or made on demand: what an index is built from.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use copydesk::article::{
    ArticleId, ArticleKey, ChangeToken, Digest, EditorFields, Key, Lifecycle, Position, Record, RecordParts,
    SourceVersion, StoryId,
};
use copydesk::proto::Article;
use copydesk::store::{
    Change, ChangedIds, Consistency, CopiesPage, CopiesQuery, FeedCursor, Fetched, GroupedUntil, GroupingStep,
    HourlyReads, Layer, ListPage, ListQuery, NumberedMember, Revision, SnapshotQuery, Store, StoreError,
    StoredOriginal, Visibility, Write, WriteError, Written,
};
use jiff::Timestamp;
use prost::Message;
use tokio::sync::watch;
use uuid::Uuid;

/// Returns the article with a number, and the time of its publication.
pub type MakeArticle = Box<dyn Fn(u64) -> (Article, Timestamp) + Send + Sync>;

/// Store of a fixed number of articles.
pub struct Archive {
    count: u64,
    make: MakeArticle,
    head: watch::Sender<Position>,
}

impl Archive {
    pub fn new(count: u64, make: MakeArticle) -> Self {
        Self { count, make, head: watch::channel(Position::of(count)).0 }
    }

    /// Returns the ID of an article. IDs are in the order of numbers.
    pub fn id(number: u64) -> ArticleId {
        format!("a{number:012}").parse().expect("the ID is valid")
    }

    fn record(&self, number: u64) -> Arc<Record> {
        let (article, publish_time) = (self.make)(number);
        let parts = RecordParts {
            id: Self::id(number),
            uid: Uuid::nil(),
            revision: 1,
            lifecycle: Lifecycle::Live,
            token: ChangeToken { feed: Uuid::nil(), position: Position::of(number + 1) },
            create_time: publish_time,
            update_time: publish_time,
            delete_time: None,
            publish_time: Some(publish_time),
            embargo_time: None,
            expire_time: None,
            digest: Digest::of(&article.headline, &article.body),
        };
        Arc::new(Record::new(parts, &article.encode_to_vec()))
    }
}

fn number(id: &ArticleId) -> Option<u64> {
    id.as_str().strip_prefix('a')?.parse().ok()
}

#[async_trait]
impl Store for Archive {
    fn feed_id(&self) -> Uuid {
        Uuid::nil()
    }

    fn subscribe(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    async fn head(&self) -> Result<Position, StoreError> {
        Ok(Position::of(self.count))
    }

    async fn changed_ids(&self, after: FeedCursor, _limit: usize) -> Result<ChangedIds, StoreError> {
        Ok(ChangedIds { articles: Vec::new(), cursor: after })
    }

    async fn get(&self, ids: &[ArticleId], _consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        let record = |id| number(id).filter(|number| *number < self.count).map(|number| self.record(number));
        Ok(ids.iter().map(|id| Fetched { record: record(id), from: Layer::Store }).collect())
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
        let start = query.after.as_ref().and_then(number).map_or(0, |number| number + 1);
        let end = self.count.min(start + query.limit as u64);
        let visibility = Visibility {
            lifecycle: Lifecycle::Live,
            embargo_time: None,
            expire_time: None,
            revision: 1,
            editor_fields: EditorFields::default(),
            version: SourceVersion::default(),
        };
        Ok((start..end).map(|number| (self.record(number), visibility)).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        writes.iter().map(|_| Err(StoreError::Internal.into())).collect()
    }

    async fn dry_run(&self, _write: Write) -> Result<Written, WriteError> {
        Err(StoreError::Internal.into())
    }

    async fn get_for_follower(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        self.get(ids, consistency).await
    }

    async fn copies(&self, _query: &CopiesQuery) -> Result<CopiesPage, StoreError> {
        Err(StoreError::Internal)
    }

    async fn get_revision(&self, _: &ArticleId, _: i64, _: Consistency) -> Result<Option<Arc<Record>>, StoreError> {
        Err(StoreError::Internal)
    }

    async fn lookup(&self, _: &[Key], _: Consistency) -> Result<Vec<Option<ArticleId>>, StoreError> {
        Err(StoreError::Internal)
    }

    async fn keys_of(&self, _: &[ArticleId], _: Consistency) -> Result<Vec<Vec<ArticleKey>>, StoreError> {
        Err(StoreError::Internal)
    }

    async fn list(&self, _: &ListQuery) -> Result<ListPage, StoreError> {
        Err(StoreError::Internal)
    }

    async fn revisions(
        &self,
        _: &ArticleId,
        _: Option<i64>,
        _: usize,
        _: Consistency,
    ) -> Result<Vec<Revision>, StoreError> {
        Err(StoreError::Internal)
    }

    async fn changes(&self, _: Position, _: usize) -> Result<Vec<Change>, StoreError> {
        Err(StoreError::Internal)
    }

    async fn apply_due_transitions(&self, _: Timestamp) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn deleted_before(&self, _: Timestamp, _: usize) -> Result<Vec<(ArticleId, i64)>, StoreError> {
        Ok(Vec::new())
    }

    async fn original(&self, _: &ArticleId, _: Option<i64>) -> Result<Option<StoredOriginal>, StoreError> {
        Ok(None)
    }

    async fn evict_originals(&self, _: Timestamp, _: u64) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn add_reads(&self, _: Vec<HourlyReads>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn reads_of_hour(&self, _: i64, _: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        Ok(Vec::new())
    }

    async fn remove_reads_before(&self, _: i64) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn acquire_lease(&self, _: &str, _: Uuid, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn record_events(&self, _: Vec<Vec<u8>>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn events(&self, _: Option<i64>, _: usize) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        Ok(Vec::new())
    }

    async fn grouped_until(&self) -> Result<GroupedUntil, StoreError> {
        Ok(GroupedUntil { number: 0, cursor: Position::START.into() })
    }

    async fn apply_grouping(&self, _: GroupingStep) -> Result<Option<GroupedUntil>, StoreError> {
        Ok(None)
    }

    async fn changed_members(&self, _: u64, _: usize, _: bool) -> Result<Vec<NumberedMember>, StoreError> {
        Ok(Vec::new())
    }

    async fn story_members(&self, _: StoryId, _: u64, _: usize) -> Result<Vec<NumberedMember>, StoreError> {
        Ok(Vec::new())
    }

    async fn articles_of_stories(&self, _: &[StoryId], _: usize) -> Result<Vec<(StoryId, ArticleId)>, StoreError> {
        Ok(Vec::new())
    }

    async fn stories_of(&self, ids: &[ArticleId]) -> Result<Vec<Option<StoryId>>, StoreError> {
        Ok(vec![None; ids.len()])
    }

    async fn merged_into(&self, _: StoryId) -> Result<Option<StoryId>, StoreError> {
        Ok(None)
    }
}
