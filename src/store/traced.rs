//! Tracing of store calls.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Change, Consistency, CopiesPage, CopiesQuery, Fetched, ListPage, ListQuery, NumberedMember, Revision,
    SnapshotQuery, Store, StoreError, StoreLayer, Visibility, Write, WriteError, Written,
};
use crate::article::{ArticleId, Key, Position, Record, StoryId};
use crate::telemetry::trace::{SpanGuard, SpanKind, Value, span, with_context};

/// Decorator that records a span `store.<method>` for each method that a call waits for. Spans of the engine are its
/// children.
pub struct Traced {
    store: Arc<dyn Store>,
}

impl Traced {
    /// Wraps a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

async fn recorded<T>(name: &'static str, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let span = span(SpanKind::Internal, name);
    let answer = with_context(span.as_ref().map(SpanGuard::context), call).await;
    if let (Some(span), Err(error)) = (&span, &answer) {
        failed(span, error);
    }
    answer
}

/// Marks a span as failed if the error is a failure of the store. A position that does not exist is none.
fn failed(span: &SpanGuard, error: &StoreError) {
    if matches!(error, StoreError::Unavailable(_) | StoreError::Internal | StoreError::Damaged | StoreError::Full) {
        span.fail();
    }
}

#[async_trait]
impl StoreLayer for Traced {
    fn inner(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let span = span(SpanKind::Internal, "store.write");
        if let Some(span) = &span {
            span.set_attribute("copydesk.writes", Value::Int(i64::try_from(writes.len()).unwrap_or(i64::MAX)));
        }
        let answers = with_context(span.as_ref().map(SpanGuard::context), self.store.write(writes)).await;
        if let Some(span) = &span {
            for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
                if let WriteError::Store(error) = error {
                    failed(span, error);
                }
            }
        }
        answers
    }

    async fn dry_run(&self, write: Write) -> Result<Written, WriteError> {
        let span = span(SpanKind::Internal, "store.dry_run");
        with_context(span.as_ref().map(SpanGuard::context), self.store.dry_run(write)).await
    }

    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        recorded("store.get", self.store.get(ids, consistency)).await
    }

    async fn get_for_follower(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        recorded("store.get", self.store.get_for_follower(ids, consistency)).await
    }

    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        recorded("store.get_revision", self.store.get_revision(id, revision, consistency)).await
    }

    async fn lookup(&self, keys: &[Key], consistency: Consistency) -> Result<Vec<Option<ArticleId>>, StoreError> {
        recorded("store.lookup", self.store.lookup(keys, consistency)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        recorded("store.list", self.store.list(query)).await
    }

    async fn copies(&self, query: &CopiesQuery) -> Result<CopiesPage, StoreError> {
        recorded("store.copies", self.store.copies(query)).await
    }

    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError> {
        recorded("store.revisions", self.store.revisions(id, before, limit, consistency)).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
        recorded("store.changes", self.store.changes(after, limit)).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        recorded("store.head", self.store.head()).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
        recorded("store.snapshot", self.store.snapshot(query)).await
    }

    async fn story_members(&self, story: StoryId, after: u64, limit: usize) -> Result<Vec<NumberedMember>, StoreError> {
        recorded("store.story_members", self.store.story_members(story, after, limit)).await
    }

    async fn articles_of_stories(
        &self,
        stories: &[StoryId],
        limit: usize,
    ) -> Result<Vec<(StoryId, ArticleId)>, StoreError> {
        recorded("store.articles_of_stories", self.store.articles_of_stories(stories, limit)).await
    }

    async fn stories_of(&self, ids: &[ArticleId]) -> Result<Vec<Option<StoryId>>, StoreError> {
        recorded("store.stories_of", self.store.stories_of(ids)).await
    }
}
