//! Follower of the change feed that fills the search index, without delaying writes. One replica at a time does the
//! work; a lock decides which one for every batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use tokio::sync::watch;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;

use super::error::store_error;
use super::lock;
use super::notify_listener::Wake;
use super::pool::{Connection, Param, Pool};
use super::rows::get;
use super::rush::{Backlog, Patience};
use super::tsvector::Words;
use crate::article::{Position, Query};
use crate::proto::Article;
use crate::store::StoreError;
use crate::store::enum_codes::INDEXED;
use crate::telemetry::StoreMetrics;

/// Maximum number of changes per transaction of the index.
const BATCH: i64 = 500;
/// Size of text per transaction of the index, in bytes; the last text may exceed it.
const BATCH_BYTES: i64 = 8 << 20;
/// Settings of the transaction. GIN collects new words in a pending list and merges it into the index when it is too
/// long. With more memory it merges in one pass, and a longer list costs less per word (measured with 20,000 articles:
/// 352 µs each by default, 308 with memory, 299 with a longer list). Every search reads the whole list, so it is longer
/// only if many changes are queued.
const MERGE: &str = "SET LOCAL work_mem = '64MB'";
const MERGE_LATE: &str = "SET LOCAL work_mem = '64MB'; SET LOCAL gin_pending_list_limit = '16MB'";
/// Number of queued changes from which the pending list is longer.
const MANY: i64 = 4 * BATCH;
/// Maximum wait for a notification.
const POLL: Duration = Duration::from_millis(200);
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Starts the search indexer, which stops when the handle is dropped.
pub(super) fn start(
    pool: Arc<Pool>,
    wake: &Wake,
    statement_timeout: Duration,
    metrics: &StoreMetrics,
) -> AbortOnDropHandle<()> {
    let behind_since = BehindSince::default();
    metrics.search_lag.read_from({
        let behind_since = behind_since.clone();
        move || behind_since.lag().as_secs_f64()
    });
    let follower = Follower { pool, statement_timeout, behind_since, care: Care::None, patience: Patience::new() };
    AbortOnDropHandle::new(tokio::spawn(follower.run(wake.subscribe())))
}

struct Follower {
    pool: Arc<Pool>,
    statement_timeout: Duration,
    behind_since: BehindSince,
    care: Care,
    patience: Patience,
}

/// Time of the oldest change that is not in the index, in microseconds since 1970; 0 if there is none.
#[derive(Clone, Default)]
struct BehindSince(Arc<AtomicI64>);

impl BehindSince {
    fn set(&self, since: i64) {
        self.0.store(since, Ordering::Relaxed);
    }

    /// Returns the age of that change.
    fn lag(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_micros((Timestamp::now().as_microsecond() - since).max(0).unsigned_abs()),
        }
    }
}

/// Isolation of failures, so that one article that the database cannot index does not block all later ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Index whole batches.
    None,
    /// Index one change at a time, after a batch failed.
    Single,
    /// Skip the words of one change, after it failed alone.
    LeaveOut,
}

impl Follower {
    async fn run(mut self, mut wake: watch::Receiver<Position>) {
        // An outage is logged once, when it begins.
        let mut failing = false;
        loop {
            match self.follow(&mut wake).await {
                Ok(more) => {
                    failing = false;
                    self.care = Care::None;
                    if !more && tokio::time::timeout(POLL, wake.changed()).await.is_ok_and(|woken| woken.is_err()) {
                        return;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "search index update failed");
                    }
                    self.care = match (&error, self.care) {
                        // Includes timeouts, so that the same batch is not retried forever.
                        (StoreError::Internal | StoreError::Unavailable(_), Care::None) => Care::Single,
                        (StoreError::Internal, Care::Single) => Care::LeaveOut,
                        (_, care) => care,
                    };
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Indexes a batch of the feed, unless another replica holds the lock. Returns true if there may be more.
    async fn follow(&mut self, wake: &mut watch::Receiver<Position>) -> Result<bool, StoreError> {
        let Some(backlog) = self.backlog().await? else { return Ok(false) };
        self.patience.rest(&backlog, wake).await;
        let connection = self.pool.connection().await?;
        let indexing = self.pool.guard(self.index_batch(&connection, backlog.changes >= MANY));
        let indexed = tokio::time::timeout(self.statement_timeout * 4, indexing).await;
        let indexed = indexed.map_err(|_elapsed| StoreError::Unavailable("it took too long"))??;
        connection.release();
        Ok(indexed)
    }

    /// Reads the backlog of the index; none if it is up to date.
    async fn backlog(&self) -> Result<Option<Backlog>, StoreError> {
        let sql = "SELECT c.time, (SELECT position FROM copydesk.feed) - c.position FROM copydesk.changes c
             WHERE c.position > (SELECT position FROM copydesk.indexed) ORDER BY c.position LIMIT 1";
        let rows = self.pool.query(sql, &[]).await?;
        let Some(row) = rows.first() else {
            self.behind_since.set(0);
            return Ok(None);
        };
        self.behind_since.set(get(row, 0)?);
        Ok(Some(Backlog { changes: get(row, 1)?, age: self.behind_since.lag() }))
    }

    async fn index_batch(&self, connection: &Connection, many: bool) -> Result<bool, StoreError> {
        let failed = |error: tokio_postgres::Error| store_error(&error);
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
             SET LOCAL statement_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = '30s'; {}",
            (self.statement_timeout * 4).as_millis(),
            if many { MERGE_LATE } else { MERGE }
        );
        connection.batch_execute(&begin).await.map_err(failed)?;
        let lock = format!("SELECT pg_try_advisory_xact_lock({}, {})", lock::CLASS, lock::INDEX);
        if !get::<bool>(&connection.query_typed_one(&lock, &[]).await.map_err(failed)?, 0)? {
            connection.batch_execute("ROLLBACK").await.map_err(failed)?;
            return Ok(false);
        }
        // PostgreSQL knows the length of a text without reading it.
        let sql = "SELECT position, article FROM (
                SELECT c.position, c.article,
                    sum(octet_length(b.content)) OVER (ORDER BY c.position) - octet_length(b.content) AS before
                FROM (SELECT position, article FROM copydesk.changes
                    WHERE position > (SELECT position FROM copydesk.indexed) ORDER BY position LIMIT $1) c
                JOIN copydesk.articles a ON a.key = c.article JOIN copydesk.changes n ON n.position = a.position
                JOIN copydesk.texts b ON b.text = n.text) t
             WHERE before < $2 ORDER BY position";
        let limit = if self.care == Care::None { BATCH } else { 1 };
        let rows = connection.query_typed(sql, &[(&limit, Type::INT8), (&BATCH_BYTES, Type::INT8)]).await;
        let rows = rows.map_err(failed)?;
        let Some(last) = rows.last() else {
            connection.batch_execute("ROLLBACK").await.map_err(failed)?;
            return Ok(false);
        };
        let last: i64 = get(last, 0)?;
        let mut changed: Vec<i64> = rows.iter().map(|row| get(row, 1)).collect::<Result<_, _>>()?;
        changed.sort_unstable();
        changed.dedup();
        // Indexes the current state of each changed article, although its newest change may be far beyond this batch: a
        // search that waits for this batch must find it.
        let sql = format!(
            "SELECT a.key, coalesce({INDEXED}, false), b.content FROM copydesk.articles a
             JOIN copydesk.changes n ON n.position = a.position JOIN copydesk.texts b ON b.text = n.text
             WHERE a.key = ANY($1)"
        );
        let current = connection.query_typed(&sql, &[(&changed, Type::INT8_ARRAY)]).await.map_err(failed)?;
        let (mut removed, mut indexable) = (Vec::new(), Vec::new());
        for row in &current {
            let key: i64 = get(row, 0)?;
            if self.care == Care::LeaveOut {
                tracing::error!(key, "article left out of the search index: the database cannot index it");
                removed.push(key);
            } else if get(row, 1)? {
                indexable.push((key, get::<Vec<u8>>(row, 2)?));
            } else {
                removed.push(key);
            }
        }
        let count = rows.len();
        // Splitting texts is CPU-bound and must not block the threads that serve calls.
        let split = tokio::task::spawn_blocking(move || split(indexable)).await;
        let (keys, words) = split.map_err(|error| {
            tracing::error!(%error, "splitting of texts into words failed");
            StoreError::Internal
        })?;
        let delete = "DELETE FROM copydesk.search WHERE article = ANY($1)";
        let insert = "INSERT INTO copydesk.search (article, words)
             SELECT t.article, t.words FROM unnest($1, $2) AS t(article, words)
             ON CONFLICT (article) DO UPDATE SET words = excluded.words";
        let (removed, added): ([Param<'_>; 1], [Param<'_>; 2]) =
            ([(&removed, Type::INT8_ARRAY)], [(&keys, Type::INT8_ARRAY), (&words, Type::TS_VECTOR_ARRAY)]);
        let commit = format!("UPDATE copydesk.indexed SET position = {last}; COMMIT");
        futures::future::try_join3(
            connection.execute_typed(delete, &removed),
            connection.execute_typed(insert, &added),
            connection.batch_execute(&commit),
        )
        .await
        .map_err(failed)?;
        tracing::debug!(changes = count, "changes indexed");
        Ok(true)
    }
}

/// Splits articles into words for the index.
fn split(articles: Vec<(i64, Vec<u8>)>) -> (Vec<i64>, Vec<Words>) {
    let mut keys = Vec::with_capacity(articles.len());
    let mut words = Vec::with_capacity(articles.len());
    for (key, content) in articles {
        match Article::decode(content.as_slice()) {
            Ok(article) => {
                keys.push(key);
                words.push(Words::of(&Query::fields(&article)));
            }
            Err(error) => {
                tracing::error!(key, %error, "article left out of the search index: its text cannot be decoded");
            }
        }
    }
    (keys, words)
}
