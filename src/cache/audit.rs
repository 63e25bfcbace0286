//! The auditor: asks the caches for what the store has said one staleness bound ago, and counts what is older.
//!
//! Nothing is assumed of how a cache works, so what its protocol overlooks is seen as well. There is no false alarm: what the
//! store said was committed before the bound began.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{LocalCache, RedisCache};
use crate::article::{ArticleId, Position, Record};
use crate::store::{Consistency, Fetched, Layer, Store, StoreError};

/// How the auditor behaves.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// How long it rests between two rounds.
    pub every: Duration,
    /// How many articles it looks at in a round: half of them are what has changed last, half what the local cache holds.
    pub sample: usize,
    /// The bound that is audited.
    pub staleness_bound: Duration,
}

/// What the auditor has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditStats {
    /// Rounds that were completed.
    pub rounds: u64,
    /// Answers of a cache that were compared with the store's.
    pub checked: u64,
    /// Answers of a cache that were wrong: older than the bound, or newer than what the store has. More than 0 is a defect.
    pub violations: u64,
}

/// Compares caches with their store, in the background.
pub struct Auditor {
    store: Arc<dyn Store>,
    local: Option<Arc<LocalCache>>,
    /// What is audited.
    caches: Vec<Arc<dyn Store>>,
    options: AuditOptions,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    rounds: AtomicU64,
    checked: AtomicU64,
    violations: AtomicU64,
}

/// What is carried from one round to the next.
#[derive(Default)]
struct Course {
    /// How many of the local cache's entries have been looked at.
    turned: usize,
    /// What a cache knew that the store did not, and at which change. A write that came in between explains it, once.
    ahead: HashMap<ArticleId, Position>,
}

impl Auditor {
    /// For the caches that there are, and the store that both stand before.
    pub fn new(
        store: Arc<dyn Store>,
        local: Option<Arc<LocalCache>>,
        redis: Option<Arc<RedisCache>>,
        options: AuditOptions,
    ) -> Self {
        let caches = [local.clone().map(|cache| cache as Arc<dyn Store>), redis.map(|cache| cache as Arc<dyn Store>)];
        Self { store, local, caches: caches.into_iter().flatten().collect(), options, counters: Counters::default() }
    }

    /// What has been found so far.
    pub fn stats(&self) -> AuditStats {
        AuditStats {
            rounds: self.counters.rounds.load(Ordering::Relaxed),
            checked: self.counters.checked.load(Ordering::Relaxed),
            violations: self.counters.violations.load(Ordering::Relaxed),
        }
    }

    /// Audits until it is aborted.
    pub async fn run(&self) {
        let mut course = Course::default();
        loop {
            // A store that is away is told of by whoever needs it more.
            let _unavailable = self.round(&mut course).await;
            tokio::time::sleep(self.options.every).await;
        }
    }

    async fn round(&self, course: &mut Course) -> Result<(), StoreError> {
        let ids = self.sample(course).await?;
        if ids.is_empty() {
            return Ok(());
        }
        let truth = self.store.get(&ids, Consistency::Full).await?;
        tokio::time::sleep(self.options.staleness_bound).await;
        let before = std::mem::take(&mut course.ahead);
        for cache in &self.caches {
            let answers = cache.get(&ids, Consistency::Bounded).await?;
            for ((id, truth), answer) in ids.iter().zip(&truth).zip(&answers) {
                if answer.from == Layer::Store {
                    continue;
                }
                self.counters.checked.fetch_add(1, Ordering::Relaxed);
                let (known, cached) = (position(truth), position(answer));
                if cached > known {
                    course.ahead.insert(id.clone(), cached);
                }
                // Once more ahead, by the same change: the store has had a round to say so, and has lost it.
                let lost = cached > known && before.get(id) == Some(&cached);
                if cached < known || lost {
                    self.counters.violations.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        article = %id, cache = answer.from.as_str(), cached = revision(answer), store = revision(truth),
                        "a cache answered with what it must not know any more, or yet"
                    );
                }
            }
        }
        self.counters.rounds.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn sample(&self, course: &mut Course) -> Result<Vec<ArticleId>, StoreError> {
        let half = self.options.sample.div_ceil(2);
        let head = self.store.head().await?;
        let touched = match self.store.touched(recent(head, half).into(), half).await {
            Ok(touched) => touched.articles,
            // So short is the feed, or so shortened.
            Err(StoreError::Foreign | StoreError::Trimmed) => Vec::new(),
            Err(error) => return Err(error),
        };
        let held = self.local.as_ref().map(|cache| cache.held(course.turned, half)).unwrap_or_default();
        course.turned = if held.len() < half { 0 } else { course.turned + half };
        let mut ids: BTreeSet<ArticleId> = touched.into_iter().map(|(_, id)| id).collect();
        ids.extend(held);
        ids.extend(course.ahead.keys().cloned());
        Ok(ids.into_iter().collect())
    }
}

/// Where the last `count` changes before `head` begin.
fn recent(head: Position, count: usize) -> Position {
    Position { sequence: head.sequence.saturating_sub(count as u64), ..head }
}

/// That there is no article is older than anything that is known of one.
fn position(fetched: &Fetched) -> Position {
    fetched.record.as_deref().map_or(Position::START, |record| record.token.position)
}

fn revision(fetched: &Fetched) -> i64 {
    fetched.record.as_deref().map_or(0, |record: &Record| record.revision)
}
