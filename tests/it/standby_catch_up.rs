//! A store whose reads wait for standbys: each read requires all earlier writes. The conformance suite therefore reads
//! its own writes from standbys.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use copydesk::article::{ArticleId, Key, Record};
use copydesk::store::postgres::Standbys;
use copydesk::store::*;

pub struct StandbyCatchUp(Arc<Standbys>);

impl StandbyCatchUp {
    pub fn new(standbys: Arc<Standbys>) -> Self {
        Self(standbys)
    }

    /// Waits until each standby has all writes, and returns this as a consistency.
    async fn now(&self) -> Result<Consistency, StoreError> {
        let head = self.inner().head().await?;
        until(&self.0, |standbys| all_fresh(standbys) && standbys.replayed() >= head).await;
        Ok(Consistency::AtLeast(head))
    }
}

/// Waits until the standbys have reached a state.
pub async fn until(standbys: &Standbys, reached: impl Fn(&Standbys) -> bool) {
    let waited = async {
        while !reached(standbys) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let late = tokio::time::timeout(Duration::from_secs(60), waited).await.is_err();
    assert!(!late, "{:?}", standbys.metrics());
}

/// Returns the number of standbys that are fresh enough for reads.
pub fn fresh(standbys: &Standbys) -> u64 {
    standbys.metrics().fresh.get()
}

fn all_fresh(standbys: &Standbys) -> bool {
    i64::try_from(fresh(standbys)) == Ok(standbys.metrics().configured.get())
}

#[async_trait]
impl StoreLayer for StandbyCatchUp {
    fn inner(&self) -> &dyn Store {
        self.0.as_ref()
    }

    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        self.now().await?;
        self.inner().get(ids, consistency).await
    }

    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        _consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        self.inner().get_revision(id, revision, self.now().await?).await
    }

    async fn lookup(&self, keys: &[Key], _consistency: Consistency) -> Result<Vec<Option<ArticleId>>, StoreError> {
        self.inner().lookup(keys, self.now().await?).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.inner().list(&ListQuery { consistency: self.now().await?, ..query.clone() }).await
    }

    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        _consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError> {
        self.inner().revisions(id, before, limit, self.now().await?).await
    }

    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
        self.now().await?;
        self.inner().snapshot(query).await
    }
}
