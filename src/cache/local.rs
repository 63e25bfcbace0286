//! In-process cache of wire-encoded articles, bounded in bytes and invalidated by the change feed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use quick_cache::sync::{Cache, DefaultLifecycle, GuardResult, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, Weighter};
use tokio_util::task::AbortOnDropHandle;

use super::follower::{Invalidation, follow};
use super::lease::Lease;
use crate::article::{ArticleId, Position, Record};
use crate::store::{Consistency, Fetched, Layer, Store, StoreError, StoreLayer, Write, WriteError, Written};
use crate::telemetry::CacheMetrics;
use crate::telemetry::trace::{SpanGuard, SpanKind, span, with_context};

/// Settings of a local cache.
#[derive(Clone, Debug)]
pub struct LocalCacheOptions {
    /// Maximum memory of the entries, in bytes.
    pub bytes: u64,
    /// Maximum staleness of a response from the cache.
    pub staleness_bound: Duration,
    /// Lifetime of a negative entry ("not found").
    pub negative_ttl: Duration,
    /// Poll interval of the change feed when no wake-up arrives.
    pub poll: Duration,
}

/// Store decorator that caches `get`. All other methods go to the store.
pub struct LocalCache {
    store: Arc<dyn Store>,
    inner: Arc<CacheInner>,
    _follower: AbortOnDropHandle<()>,
}

struct CacheInner {
    entries: Entries,
    lease: Arc<Lease>,
    negative_ttl: Duration,
    metrics: CacheMetrics,
}

type Entries = Cache<ArticleId, Entry, Bytes>;
type Guard<'a> = PlaceholderGuard<'a, ArticleId, Entry, Bytes, DefaultHashBuilder, DefaultLifecycle<ArticleId, Entry>>;

/// Cached article, or negative entry with its expiry.
#[derive(Clone)]
enum Entry {
    Found(Arc<Record>),
    Missing { until: Instant },
}

#[derive(Clone)]
struct Bytes;

impl Weighter<ArticleId, Entry> for Bytes {
    fn weight(&self, id: &ArticleId, entry: &Entry) -> u64 {
        let record = match entry {
            Entry::Found(record) => record.weight(),
            Entry::Missing { .. } => 0,
        };
        (record + size_of::<Entry>() + 2 * id.as_str().len() + 64) as u64
    }
}

impl LocalCache {
    /// Creates a cache in front of a store and starts following its change feed.
    pub async fn new(
        store: Arc<dyn Store>,
        options: LocalCacheOptions,
        metrics: CacheMetrics,
    ) -> Result<Self, StoreError> {
        let lease = Arc::new(Lease::new(options.staleness_bound, store.head().await?));
        // The capacity in entries is a guess that sizes tables; the bound is in bytes.
        let capacity = (options.bytes / 4_096).clamp(64, 1 << 20) as usize;
        let inner = Arc::new(CacheInner {
            entries: Cache::with_weighter(capacity, options.bytes, Bytes),
            lease: Arc::clone(&lease),
            negative_ttl: options.negative_ttl,
            metrics: metrics.clone(),
        });
        metrics.bytes.read_from_weak(&inner, |inner| inner.entries.weight());
        metrics.entries.read_from_weak(&inner, |inner| inner.entries.len() as u64);
        metrics.lag.read_from_weak(&lease, |lease| lease.age().unwrap_or_default().as_secs_f64());
        let invalidate = {
            let inner = Arc::clone(&inner);
            move |invalidation: Invalidation<'_>| match invalidation {
                Invalidation::Changed(id, position) => inner.invalidate_before(id, position),
                // Also rejects fills in progress.
                Invalidation::Lost => inner.entries.clear(),
            }
        };
        let follower = tokio::spawn(follow(Arc::clone(&store), lease, options.poll, invalidate));
        Ok(Self { store, inner, _follower: AbortOnDropHandle::new(follower) })
    }

    /// Returns the metrics.
    pub fn metrics(&self) -> &CacheMetrics {
        &self.inner.metrics
    }

    /// Returns up to `count` cached articles after skipping `skip`, in no particular order.
    pub(super) fn cached_ids(&self, skip: usize, count: usize) -> Vec<ArticleId> {
        self.inner.entries.iter().skip(skip).take(count).map(|(id, _)| id).collect()
    }

    async fn get_one(&self, id: &ArticleId) -> Result<Fetched, StoreError> {
        // Single flight per article: concurrent reads wait for the load in progress.
        match self.inner.entries.get_value_or_guard_async(id).await {
            Ok(entry) => match entry.fresh() {
                Some(fetched) => Ok(fetched),
                None => {
                    self.inner.entries.remove(id);
                    first(self.store.get(std::slice::from_ref(id), self.inner.required_consistency()).await?)
                }
            },
            Err(guard) => {
                let fetched =
                    first(self.store.get(std::slice::from_ref(id), self.inner.required_consistency()).await?)?;
                self.inner.fill(guard, &fetched);
                Ok(fetched)
            }
        }
    }

    async fn get_many(&self, ids: &[ArticleId]) -> Result<Vec<Fetched>, StoreError> {
        let mut answers: Vec<Option<Fetched>> = Vec::with_capacity(ids.len());
        let mut missed = Vec::new();
        let mut guards = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            let cached = self.inner.entries.get(id).and_then(|entry| entry.fresh());
            if cached.is_none() {
                missed.push((at, id.clone()));
                // If another read is loading the article, that read fills it. No wait here: one round trip loads all.
                guards.push(match self.inner.entries.get_value_or_guard(id, Some(Duration::ZERO)) {
                    GuardResult::Guard(guard) => Some(guard),
                    GuardResult::Value(_) | GuardResult::Timeout => None,
                });
            }
            answers.push(cached);
        }
        if !missed.is_empty() {
            let ids: Vec<ArticleId> = missed.iter().map(|(_, id)| id.clone()).collect();
            let loaded = self.store.get(&ids, self.inner.required_consistency()).await?;
            for (((at, _), guard), fetched) in missed.into_iter().zip(guards).zip(loaded) {
                if let Some(guard) = guard {
                    self.inner.fill(guard, &fetched);
                }
                answers[at] = Some(fetched);
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(Fetched::missing)).collect())
    }
}

fn first(fetched: Vec<Fetched>) -> Result<Fetched, StoreError> {
    fetched.into_iter().next().ok_or(StoreError::Internal)
}

impl Entry {
    fn fresh(&self) -> Option<Fetched> {
        match self {
            Self::Found(record) => Some(Fetched { record: Some(Arc::clone(record)), from: Layer::Local }),
            Self::Missing { until } if Instant::now() < *until => Some(Fetched { record: None, from: Layer::Local }),
            Self::Missing { .. } => None,
        }
    }
}

impl CacheInner {
    /// Stores a loaded article unless it was invalidated meanwhile: then the guard's placeholder is gone and the
    /// insertion fails. A slow fill never overwrites.
    fn fill(&self, guard: Guard<'_>, fetched: &Fetched) {
        let entry = match &fetched.record {
            Some(record) => Entry::Found(Arc::clone(record)),
            None => Entry::Missing { until: Instant::now() + self.negative_ttl },
        };
        let _rejected = guard.insert(entry);
    }

    /// Drops an entry older than `position`, and a fill in progress. A newer entry stays.
    fn invalidate_before(&self, id: &ArticleId, position: Position) {
        match self.entries.get(id) {
            Some(Entry::Found(record)) if record.token.position >= position => {}
            _ => self.invalidate(id),
        }
    }

    /// Drops the entry of an article, and a fill in progress.
    fn invalidate(&self, id: &ArticleId) {
        self.entries.remove(id);
        self.metrics.invalidations.inc();
    }

    /// Returns the freshness required of a load from the shared cache: an invalidation is not repeated, so an entry
    /// older than a past one must not be stored. Call it with the placeholder held, since later invalidations remove
    /// that.
    fn required_consistency(&self) -> Consistency {
        Consistency::AtLeast(self.lease.min_load_position())
    }

    fn may_serve(&self, consistency: Consistency) -> bool {
        let allowed = match consistency {
            Consistency::Full => return false,
            Consistency::Bounded => self.lease.is_valid(),
            // Entries older than the follower's position have been dropped.
            Consistency::AtLeast(position) => self.lease.position() >= position && self.lease.is_valid(),
        };
        if !allowed {
            self.metrics.distrusted.inc();
        }
        allowed
    }
}

#[async_trait]
impl StoreLayer for LocalCache {
    fn inner(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        if !self.inner.may_serve(consistency) {
            return self.store.get(ids, consistency).await;
        }
        let span = span(SpanKind::Internal, "cache.local");
        // Parent of the spans that load missing articles.
        let context = span.as_ref().map(SpanGuard::context);
        match ids {
            [id] => Ok(vec![match self.inner.entries.get(id).and_then(|entry| entry.fresh()) {
                Some(fetched) => fetched,
                None => with_context(context, self.get_one(id)).await?,
            }]),
            ids => with_context(context, self.get_many(ids)).await,
        }
    }

    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        // Invalidates at once, so that the writer reads its own write here; the follower repeats it.
        let ids: Vec<ArticleId> = writes.iter().flat_map(Write::ids).cloned().collect();
        let answers = self.store.write(writes).await;
        // A document may belong to another article, by its keys.
        let written = answers.iter().flatten().map(|written| &written.record.id);
        ids.iter().chain(written).for_each(|id| self.inner.invalidate(id));
        answers
    }

    async fn reaches(&self, position: Position) -> Result<bool, StoreError> {
        if self.inner.lease.position() >= position && self.inner.lease.is_valid() {
            return Ok(true);
        }
        self.store.reaches(position).await
    }
}
