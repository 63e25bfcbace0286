//! Background consistency check: reads sampled articles from the store, waits one staleness bound, reads them from the
//! caches, and counts stale reads.
//!
//! It assumes nothing about how a cache works, so it also detects gaps in a cache's protocol. It raises no false
//! alarms: the store's answer was committed before the bound began.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{LocalCache, RedisCache};
use crate::article::{ArticleId, Position, Record};
use crate::store::{Consistency, Fetched, Layer, Store, StoreError};
use crate::telemetry::ConsistencyCheckMetrics;

/// Settings of the consistency checker.
#[derive(Clone, Debug)]
pub struct ConsistencyCheckOptions {
    /// Pause between two rounds.
    pub interval: Duration,
    /// Number of articles checked per round: half are the latest changes, half are entries of the local cache.
    pub sample: usize,
    /// Staleness bound to verify.
    pub staleness_bound: Duration,
}

/// Compares caches with their store in the background.
pub struct ConsistencyChecker {
    store: Arc<dyn Store>,
    local: Option<Arc<LocalCache>>,
    caches: Vec<Arc<dyn Store>>,
    options: ConsistencyCheckOptions,
    metrics: ConsistencyCheckMetrics,
}

/// State carried from one round to the next.
#[derive(Default)]
struct CheckState {
    /// Offset of the next sample in the local cache's entries.
    offset: usize,
    /// Articles that were newer in a cache than in the store, with the cached position. A concurrent write explains it
    /// once.
    ahead: HashMap<ArticleId, Position>,
}

impl ConsistencyChecker {
    /// Creates a consistency checker for the configured caches and their store.
    pub fn new(
        store: Arc<dyn Store>,
        local: Option<Arc<LocalCache>>,
        redis: Option<Arc<RedisCache>>,
        options: ConsistencyCheckOptions,
        metrics: ConsistencyCheckMetrics,
    ) -> Self {
        let caches = [local.clone().map(|cache| cache as Arc<dyn Store>), redis.map(|cache| cache as Arc<dyn Store>)];
        Self { store, local, caches: caches.into_iter().flatten().collect(), options, metrics }
    }

    /// Returns the results so far.
    pub fn metrics(&self) -> &ConsistencyCheckMetrics {
        &self.metrics
    }

    /// Runs until aborted.
    pub async fn run(&self) {
        let mut state = CheckState::default();
        loop {
            // Not logged here: the store logs its own outages.
            let _unavailable = self.round(&mut state).await;
            tokio::time::sleep(self.options.interval).await;
        }
    }

    async fn round(&self, state: &mut CheckState) -> Result<(), StoreError> {
        let ids = self.sample(state).await?;
        if ids.is_empty() {
            return Ok(());
        }
        let stored = self.store.get(&ids, Consistency::Full).await?;
        tokio::time::sleep(self.options.staleness_bound).await;
        let before = std::mem::take(&mut state.ahead);
        for cache in &self.caches {
            let answers = cache.get(&ids, Consistency::Bounded).await?;
            for ((id, stored), answer) in ids.iter().zip(&stored).zip(&answers) {
                if answer.from == Layer::Store {
                    continue;
                }
                self.metrics.checked.inc();
                let (known, cached) = (position(stored), position(answer));
                if cached > known {
                    state.ahead.insert(id.clone(), cached);
                }
                // Still ahead by the same change after a full round: the store has lost that change.
                let lost = cached > known && before.get(id) == Some(&cached);
                if cached < known || lost {
                    self.metrics.violations.inc();
                    tracing::error!(
                        article = %id,
                        cache = answer.from.as_str(),
                        cached = revision(answer),
                        store = revision(stored),
                        "cache returned a stale or uncommitted revision"
                    );
                }
            }
        }
        self.metrics.rounds.inc();
        Ok(())
    }

    async fn sample(&self, state: &mut CheckState) -> Result<Vec<ArticleId>, StoreError> {
        let half = self.options.sample.div_ceil(2);
        let head = self.store.head().await?;
        let changed = match self.store.changed_ids(recent(head, half).into(), half).await {
            Ok(changed) => changed.articles,
            // The feed is shorter than the sample, or was trimmed.
            Err(StoreError::UnknownPosition | StoreError::Trimmed) => Vec::new(),
            Err(error) => return Err(error),
        };
        let cached = self.local.as_ref().map(|cache| cache.cached_ids(state.offset, half)).unwrap_or_default();
        state.offset = if cached.len() < half { 0 } else { state.offset + half };
        let mut ids: BTreeSet<ArticleId> = changed.into_iter().map(|(_, id)| id).collect();
        ids.extend(cached);
        ids.extend(state.ahead.keys().cloned());
        Ok(ids.into_iter().collect())
    }
}

/// Returns the position `count` changes before `head`.
fn recent(head: Position, count: usize) -> Position {
    Position { sequence: head.sequence.saturating_sub(count as u64), ..head }
}

/// Returns the position of the article's revision. "Not found" counts as older than any revision.
fn position(fetched: &Fetched) -> Position {
    fetched.record.as_deref().map_or(Position::START, |record| record.token.position)
}

fn revision(fetched: &Fetched) -> i64 {
    fetched.record.as_deref().map_or(0, |record: &Record| record.revision)
}
