//! Approximate counts of the reads that callers report.
//!
//! Each replica sums reported reads by article and hour (`recorder`), adds the sums to the counts in the store every
//! few seconds, and keeps the counts of all replicas in memory (`hours`): the most read articles are computed from
//! them, and the influence of reads on top stories (`decay`).

mod decay;
mod hours;
mod recorder;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, watch};

pub use decay::{DecayedReads, HALF_LIFE_HOURS, MIN_MOST};

use crate::article::ArticleId;
use crate::store::{HourlyReads, Store, StoreError, hour_of};
use crate::telemetry::ReadCountMetrics;
use decay::WINDOW_HOURS;
use hours::{Hours, ranked};
use recorder::Recorder;

/// Time for which counts are kept, in hours.
pub const KEPT_HOURS: i64 = 7 * 24;
/// Maximum number of articles whose reads in one hour are kept in memory: the most read ones.
const MAX_HOUR_ARTICLES: usize = 5_000;
/// Maximum number of articles in a ranking.
const MAX_RANKED: usize = 10_000;
/// Number of rankings that are kept until the counts are read again.
const KEPT_RANKINGS: usize = 4;
/// Maximum wait for the counts to be read after the start of a server.
const START_WAIT: Duration = Duration::from_secs(1);

/// Articles with their reads, most read first.
pub type Ranking = Arc<Vec<(ArticleId, u64)>>;

/// Ranking that was computed.
struct Kept {
    /// First hour that counts.
    start: i64,
    ranking: Ranking,
}

/// Counts of reads: those of this replica that are not stored yet, and those of all replicas that are.
pub struct ReadCounts {
    recorder: Recorder,
    hours: Hours,
    kept: Mutex<Vec<Kept>>,
    /// Permit of a computation: it takes processor time, and the next one may find the result of this one.
    ranking: Semaphore,
    decayed: RwLock<Arc<DecayedReads>>,
    /// True once all hours have been read.
    is_read: watch::Sender<bool>,
}

impl Default for ReadCounts {
    fn default() -> Self {
        Self::new(ReadCountMetrics::default())
    }
}

impl ReadCounts {
    /// Creates empty counts.
    pub fn new(metrics: ReadCountMetrics) -> Self {
        Self {
            recorder: Recorder::new(metrics),
            hours: Hours::default(),
            kept: Mutex::default(),
            ranking: Semaphore::new(1),
            decayed: RwLock::default(),
            is_read: watch::channel(false).0,
        }
    }

    /// Notes reads, which [`Self::flush`] stores.
    pub fn record(&self, reads: impl IntoIterator<Item = HourlyReads>) {
        self.recorder.record(reads);
    }

    /// Waits for a time, or until many reads are not stored yet.
    pub async fn wait(&self, interval: Duration) {
        // The wait ends in both cases.
        let _filled = tokio::time::timeout(interval, self.recorder.filled()).await;
    }

    /// Adds the noted reads to the counts in the store. If that fails, they stay, and may be added twice if the outcome
    /// is unknown.
    ///
    /// # Errors
    /// If the store does not answer, or has no space left.
    pub async fn flush(&self, store: &dyn Store) -> Result<(), StoreError> {
        self.recorder.flush(store).await
    }

    /// Reads the hours that may have changed: the last two, and one of the others in turn; at first all.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn refresh(&self, store: &dyn Store) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let newest = hour_of(now);
        for hour in self.hours.due(newest, newest - KEPT_HOURS) {
            self.hours.set(hour, store.reads_of_hour(hour, MAX_HOUR_ARTICLES).await?);
        }
        self.hours.remove_before(newest - KEPT_HOURS);
        let recent = self.hours.since(newest - WINDOW_HOURS);
        let decayed = tokio::task::spawn_blocking(move || DecayedReads::of(&recent, now, MAX_RANKED)).await;
        *self.decayed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(decayed.map_err(failed)?);
        self.lock_kept().clear();
        self.is_read.send_replace(true);
        Ok(())
    }

    /// Removes some counts from the store that are older than they are kept. Returns their number.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn remove_old(&self, store: &dyn Store) -> Result<usize, StoreError> {
        store.remove_reads_before(hour_of(Timestamp::now()) - KEPT_HOURS).await
    }

    /// Returns the reads of recent articles, each weighed by its age.
    pub fn decayed(&self) -> Arc<DecayedReads> {
        Arc::clone(&self.decayed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the articles that were read most in an hour, counted from 1970, or later.
    ///
    /// # Errors
    /// Returns [`StoreError::Unavailable`] if the counts have not been read yet after the start of the server, and
    /// [`StoreError::Internal`] if the computation panics.
    pub async fn most_read(&self, start: i64) -> Result<Ranking, StoreError> {
        let mut is_read = self.is_read.subscribe();
        let reading = tokio::time::timeout(START_WAIT, is_read.wait_for(|is_read| *is_read)).await;
        if !reading.is_ok_and(|read| read.is_ok()) {
            return Err(StoreError::Unavailable("its counts of reads have not been read yet"));
        }
        if let Some(ranking) = self.kept(start) {
            return Ok(ranking);
        }
        let _permit = self.ranking.acquire().await.map_err(|_| StoreError::Internal)?;
        if let Some(ranking) = self.kept(start) {
            return Ok(ranking);
        }
        let hours = self.hours.since(start);
        let ranking = tokio::task::spawn_blocking(move || ranked(&hours, MAX_RANKED)).await.map_err(failed)?;
        let ranking = Arc::new(ranking);
        let mut kept = self.lock_kept();
        kept.truncate(KEPT_RANKINGS - 1);
        kept.insert(0, Kept { start, ranking: Arc::clone(&ranking) });
        Ok(ranking)
    }

    fn kept(&self, start: i64) -> Option<Ranking> {
        self.lock_kept().iter().find(|kept| kept.start == start).map(|kept| Arc::clone(&kept.ranking))
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(error: tokio::task::JoinError) -> StoreError {
    tracing::error!(%error, "reads not ranked");
    StoreError::Internal
}

/// Returns the earliest time of which reads count.
pub fn earliest(now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(KEPT_HOURS)).unwrap_or(Timestamp::MIN)
}
