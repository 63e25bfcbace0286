//! The search index: a tantivy index of all articles, derived from the change feed.
//!
//! Each replica has its own, in a folder that may be deleted: it is built again. The index finds and counts articles;
//! their content is read from the store, and what may be shown is decided then.

mod aggregate;
mod compile;
mod files;
mod follower;
mod opening;
mod postings;
mod publisher;
mod ranking;
mod request;
mod schema;
mod selection;
mod shared;
mod similar;
mod snapshot;
mod suggest;
mod tokenizer;
mod top;
mod view;
mod word;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use aggregate::{Aggregate, BucketKey, Buckets, CountedField, Period};
pub use compile::Statistics;
pub use ranking::{Ranking, Recency, TimeKey};
pub use request::{CountQuery, Counts, SuggestQuery, TopQuery};
pub use schema::ValueField;
pub use selection::{ArticleSet, Selection, TextHash};
pub use suggest::{Suggested, SuggestedField};
pub use top::{Candidate, ResultCursor, Top};

use crate::article::{Form, Position};
use crate::overload::admission::{Gate, ReadKind};
use crate::overload::thread_priority::lower_thread_priority;
use crate::proto::Article;
use crate::store::{Store, StoreError};
use crate::telemetry::SearchMetrics;
use aggregate::Counter;
use files::Folder;
use schema::Fields;
use shared::{Shared, age};
use suggest::{SuggestRequest, Typed};
use top::{Cancelled, ColumnFilter, TopRequest};
use view::View;

/// Minimum memory of the index writer, in bytes.
pub const MIN_MEMORY: usize = 16 << 20;

/// Settings of the index.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// Folder of the index.
    pub dir: PathBuf,
    /// Minimum time between commits, after which changes can be found.
    pub commit_interval: Duration,
    /// Memory for changes before they are written, in bytes; at least [`MIN_MEMORY`].
    pub memory: usize,
    /// Snapshots of the index; none if absent.
    pub snapshots: Option<SnapshotOptions>,
    /// Maximum number of concurrent searches.
    pub concurrency: usize,
    /// Maximum number of queued searches.
    pub queue: usize,
    /// Maximum time in the queue.
    pub queue_wait: Duration,
}

/// Settings of snapshots of the index.
#[derive(Clone, Debug)]
pub struct SnapshotOptions {
    /// Folder that the replicas share.
    pub folder: PathBuf,
    /// Interval at which one of the replicas publishes a snapshot.
    pub interval: Duration,
}

/// Error of opening the index.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error("search index in {path}: {cause}; give the server's user write access, or change search-dir or data-dir")]
    Folder {
        /// Path of the folder.
        path: String,
        /// Error of the system.
        cause: std::io::Error,
    },
    /// Another process uses the folder.
    #[error("search index in {path}: another process uses it; give each server a separate search-dir or data-dir")]
    Locked {
        /// Path of the folder.
        path: String,
    },
}

/// The index, with the task that follows the feed.
pub struct SearchIndex {
    shared: Arc<Shared>,
    position: watch::Receiver<Position>,
    gate: Gate,
    tasks: Vec<JoinHandle<()>>,
}

impl SearchIndex {
    /// Locks the folder and starts to follow the feed of a store. Until the index is built, searches find nothing: see
    /// [`Self::is_built`].
    ///
    /// # Errors
    /// Returns an error if the folder cannot be written, or another process uses it.
    pub async fn open(
        store: Arc<dyn Store>,
        options: SearchOptions,
        metrics: SearchMetrics,
    ) -> Result<Self, OpenError> {
        let folder = Folder::lock(&options.dir).await?;
        // A gate leaves one permit for short reads, of which there are none here.
        let gate = Gate::new(options.concurrency + 1, options.queue, options.queue_wait, metrics.reads.clone());
        let (position, receiver) = watch::channel(Position::START);
        let shared = Arc::new(Shared {
            fields: Fields::new(),
            options,
            view: RwLock::new(Arc::new(View::empty())),
            position,
            is_built: AtomicBool::new(false),
            behind_since: AtomicI64::new(0),
            checked: AtomicI64::new(0),
            index: Mutex::new(None),
            erased: Notify::new(),
            metrics: metrics.clone(),
        });
        metrics.lag.read_from_weak(&shared, |shared| shared.lag().as_secs_f64());
        metrics.segments.read_from_weak(&shared, |shared| shared.view().segments.len() as u64);
        let mut tasks = Vec::new();
        if shared.options.snapshots.is_some() {
            tasks.push(tokio::spawn(publisher::publish(Arc::clone(&store), folder.clone(), Arc::clone(&shared))));
        }
        tasks.push(tokio::spawn(follower::follow(store, folder, Arc::clone(&shared))));
        Ok(Self { shared, position: receiver, gate, tasks })
    }

    /// Returns the feed position that the index has reached.
    pub fn position(&self) -> Position {
        *self.position.borrow()
    }

    /// Returns true once the index has all articles as of its position.
    pub fn is_built(&self) -> bool {
        self.shared.is_built.load(Ordering::Relaxed)
    }

    /// Waits until the index is built.
    pub async fn built(&self) {
        let mut reached = self.position.clone();
        // Fails if the follower has ended: then the server is stopping.
        let _ended = reached.wait_for(|_| self.is_built()).await;
    }

    /// Returns the maximum age of changes that may be missing: the lag, or the time since the feed was last read.
    pub fn staleness(&self) -> Duration {
        age(self.shared.checked.load(Ordering::Relaxed)).max(self.shared.lag())
    }

    /// Waits until the index has reached a position. Returns false if it did not in time.
    pub async fn reach(&self, position: Position, timeout: Duration) -> bool {
        let mut reached = self.position.clone();
        let reaching = reached.wait_for(|reached| *reached >= position && self.is_built());
        tokio::time::timeout(timeout, reaching).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Returns the best results of a query. It stops when the future is dropped.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`] if too many searches wait, [`StoreError::Internal`] if the index is damaged.
    pub async fn top(&self, query: TopQuery) -> Result<Top, StoreError> {
        self.run(query.weight(), move |view, fields, cancelled| {
            let now = query.now.as_microsecond();
            let statistics = match (&query.statistics, &query.query) {
                (Some(statistics), _) => statistics.clone(),
                (None, Some(text)) if query.ranking.is_scored() => Statistics::count(view, fields, text, now)?,
                (None, _) => Statistics::default(),
            };
            let text = query.query.as_ref().map(|text| compile::text_query(fields, text, &statistics));
            let compiled = compile::with_filter(fields, text, &query.filter, &query.selection);
            let weight = top::weight(&*compiled, &fields.schema, view.searcher(), query.ranking.is_scored())?;
            let request = TopRequest {
                weight: &*weight,
                filter: &query.filter,
                ranking: query.ranking,
                after: query.after.as_ref(),
                limit: query.limit,
                now,
                cancelled,
            };
            let found = top::best(view, &request)?;
            Ok(found.map(|(candidates, total)| Top { candidates, total, statistics, position: view.position }))
        })
        .await
    }

    /// Returns the characteristic words of an article, at most 20: frequent in it, and rare in the articles that are
    /// readable at a time. A search for some of them finds articles on the same subject.
    ///
    /// # Errors
    /// As [`Self::top`].
    pub async fn characteristic_words(&self, article: Article, now: Timestamp) -> Result<Vec<String>, StoreError> {
        self.run(similar::WEIGHT, move |view, fields, _cancelled| {
            similar::characteristic_words(view, fields, &article, now.as_microsecond()).map(Ok)
        })
        .await
    }

    /// Counts the articles that match.
    ///
    /// # Errors
    /// As [`Self::top`].
    pub async fn count(&self, query: CountQuery) -> Result<Counts, StoreError> {
        let weight = query.weight();
        self.run(weight, move |view, fields, cancelled| {
            let now = query.now.as_microsecond();
            let statistics = Statistics::default();
            let text = query.query.as_ref().map(|text| compile::text_query(fields, text, &statistics));
            let compiled = compile::with_filter(fields, text, &query.filter, &query.selection);
            let weight = top::weight(&*compiled, &fields.schema, view.searcher(), false)?;
            let conditions = ColumnFilter::new(&query.filter, now);
            let mut chosen = top::Texts::new(&query.filter);
            if let Some(texts) = &mut chosen
                && let Err(cancelled) = texts.choose(view, &*weight, &conditions, cancelled)?
            {
                return Ok(Err(cancelled));
            }
            let mut counters: Vec<Counter> = query.aggregates.iter().map(Counter::new).collect();
            let mut total = 0;
            for (at, segment) in view.segments.iter().enumerate() {
                for counter in &mut counters {
                    counter.begin(segment)?;
                }
                let each = |doc, _| {
                    if chosen.as_ref().is_none_or(|texts| texts.has(at, doc)) {
                        total += 1;
                        for (counter, aggregate) in counters.iter_mut().zip(&query.aggregates) {
                            counter.count(aggregate, segment, at, doc, now);
                        }
                    }
                };
                if let Err(cancelled) = top::for_each_match(segment, &*weight, false, &conditions, cancelled, each)? {
                    return Ok(Err(cancelled));
                }
                for counter in &mut counters {
                    counter.end()?;
                }
            }
            let results = counters.into_iter().zip(&query.aggregates);
            let results = results.map(|(counter, aggregate)| counter.finish(aggregate, &view.segments));
            let results = results.collect::<tantivy::Result<Vec<Buckets>>>()?;
            Ok(Ok(Counts { total, results, position: view.position }))
        })
        .await
    }

    /// Returns values that begin with what a user has typed.
    ///
    /// # Errors
    /// As [`Self::top`].
    pub async fn suggest(&self, query: SuggestQuery) -> Result<(Vec<Suggested>, Position), StoreError> {
        self.run(1, move |view, fields, cancelled| {
            let compiled = compile::with_filter(fields, None, &query.filter, &query.selection);
            let weight = top::weight(&*compiled, &fields.schema, view.searcher(), false)?;
            let typed = match query.field {
                SuggestedField::Value(field) => field.folded(&query.prefix),
                SuggestedField::HeadlineWord => Form::exact(&query.prefix)
                    .map_or_else(String::new, |form| form.terms.into_iter().map(|(_, term)| term).collect()),
            };
            let request = SuggestRequest {
                weight: &*weight,
                conditions: ColumnFilter::new(&query.filter, query.now.as_microsecond()),
                field: query.field,
                typed: Typed::new(&typed),
                limit: query.limit,
                cancelled,
            };
            let suggested = suggest::suggest(view, fields, &request)?;
            Ok(suggested.map(|suggested| (suggested, view.position)))
        })
        .await
    }

    /// Runs a search on the current state of the index, outside the I/O threads.
    async fn run<T: Send + 'static>(
        &self,
        weight: usize,
        search: impl FnOnce(&View, &Fields, &AtomicBool) -> tantivy::Result<Result<T, Cancelled>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (permit, revocation) = self.gate.enter(ReadKind::Page(weight)).await?;
        let caller = CallerGone(Arc::default());
        let cancelled = Arc::clone(&caller.0);
        let shared = Arc::clone(&self.shared);
        let searching = async move {
            let task = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                lower_thread_priority();
                search(&shared.view(), &shared.fields, &cancelled)
            });
            let found = task.await;
            drop(caller);
            match found {
                Ok(Ok(Ok(found))) => Ok(found),
                Ok(Ok(Err(Cancelled))) => Err(StoreError::Busy),
                Ok(Err(error)) => {
                    tracing::error!(%error, "search failed");
                    Err(StoreError::Internal)
                }
                Err(error) => {
                    tracing::error!(%error, "search did not finish");
                    Err(StoreError::Internal)
                }
            }
        };
        revocation.run_unless_revoked(searching).await
    }
}

impl Drop for SearchIndex {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Cancels a search when its caller drops the future.
struct CallerGone(Arc<AtomicBool>);

impl Drop for CallerGone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
