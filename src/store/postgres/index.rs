//! The follower that fills the search index: behind the feed, never in its way. One replica at a time does the work;
//! which one is settled anew for every batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use tokio::sync::watch;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;

use super::error::answer;
use super::lock;
use super::pool::{Connection, Param, Pool};
use super::rows::get;
use super::rush::{Backlog, Patience};
use super::wake::Wake;
use super::words::Words;
use crate::article::{Position, Query};
use crate::proto::Article;
use crate::store::StoreError;
use crate::store::codes::INDEXED;

/// How many changes one transaction of the index takes, and how many bytes of text: the last text may go beyond that.
const BATCH: i64 = 500;
const BATCH_BYTES: i64 = 8 << 20;
/// GIN notes new words in a list, and merges it into the index when it has grown too long. With room in memory it does
/// so at one go; and the longer the list, the less that costs a word (measured, of 20,000 articles: 352 µs each by
/// default, 308 with memory, 299 with a longer list). Searches read all of the list, so that it is longer only where
/// many changes wait.
const MERGE: &str = "SET LOCAL work_mem = '64MB'";
const MERGE_LATE: &str = "SET LOCAL work_mem = '64MB'; SET LOCAL gin_pending_list_limit = '16MB'";
/// That many.
const MANY: i64 = 4 * BATCH;
/// How long to wait for news, and after a failure.
const POLL: Duration = Duration::from_millis(200);
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The follower, stopped when this is dropped.
pub(super) struct Index {
    behind_since: BehindSince,
    _task: AbortOnDropHandle<()>,
}

impl Index {
    /// Starts following.
    pub(super) fn start(pool: Arc<Pool>, wake: &Wake, statement_timeout: Duration) -> Self {
        let behind_since = BehindSince::default();
        let behind = behind_since.clone();
        let follower =
            Follower { pool, statement_timeout, behind_since: behind, care: Care::None, patience: Patience::new() };
        let task = tokio::spawn(follower.run(wake.subscribe()));
        Self { behind_since, _task: AbortOnDropHandle::new(task) }
    }

    /// The age of the oldest change that is not in the index.
    pub(super) fn lag(&self) -> Duration {
        self.behind_since.lag()
    }
}

struct Follower {
    pool: Arc<Pool>,
    statement_timeout: Duration,
    behind_since: BehindSince,
    care: Care,
    patience: Patience,
}

/// When the oldest change was made that is not in the index, in microseconds since 1970; 0 when there is none.
#[derive(Clone, Default)]
struct BehindSince(Arc<AtomicI64>);

impl BehindSince {
    fn set(&self, since: i64) {
        self.0.store(since, Ordering::Relaxed);
    }

    fn lag(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_micros((Timestamp::now().as_microsecond() - since).max(0).unsigned_abs()),
        }
    }
}

/// One article that the database refuses to index must not keep all that come after it out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Many changes at a time.
    None,
    /// One at a time: a batch has failed by itself.
    Single,
    /// One, without its words: they were what failed.
    LeaveOut,
}

impl Follower {
    async fn run(mut self, mut wake: watch::Receiver<Position>) {
        // An outage is logged when it begins.
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
                        tracing::warn!(%error, "the search index could not follow the feed");
                    }
                    self.care = match (&error, self.care) {
                        // Also where it took too long, lest the same batch be tried for ever.
                        (StoreError::Internal | StoreError::Unavailable(_), Care::None) => Care::Single,
                        (StoreError::Internal, Care::Single) => Care::LeaveOut,
                        (_, care) => care,
                    };
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Takes a batch of the feed into the index, if nobody else is at it. Answers whether there may be more.
    async fn follow(&mut self, wake: &mut watch::Receiver<Position>) -> Result<bool, StoreError> {
        let Some(backlog) = self.look().await? else { return Ok(false) };
        self.patience.rest(&backlog, wake).await;
        let connection = self.pool.connection().await?;
        let indexing = self.pool.guard(self.index_batch(&connection, backlog.changes >= MANY));
        let indexed = tokio::time::timeout(self.statement_timeout * 4, indexing).await;
        let indexed = indexed.map_err(|_elapsed| StoreError::Unavailable("it took too long"))??;
        connection.give_back();
        Ok(indexed)
    }

    /// How far the index is behind.
    async fn look(&self) -> Result<Option<Backlog>, StoreError> {
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
        let failed = |error: tokio_postgres::Error| answer(&error);
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
        // A text's length is known without reading it.
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
        // Whatever the change was, what is indexed is how the article stands now: its newest change may be far beyond
        // this batch, and who waits for this one must find it.
        let sql = format!(
            "SELECT a.key, coalesce({INDEXED}, false), b.content FROM copydesk.articles a
             JOIN copydesk.changes n ON n.position = a.position JOIN copydesk.texts b ON b.text = n.text
             WHERE a.key = ANY($1)"
        );
        let stand = connection.query_typed(&sql, &[(&changed, Type::INT8_ARRAY)]).await.map_err(failed)?;
        let (mut gone, mut here) = (Vec::new(), Vec::new());
        for row in &stand {
            let key: i64 = get(row, 0)?;
            if self.care == Care::LeaveOut {
                tracing::error!(key, "an article that cannot be indexed is left out of the search index");
                gone.push(key);
            } else if get(row, 1)? {
                here.push((key, get::<Vec<u8>>(row, 2)?));
            } else {
                gone.push(key);
            }
        }
        let count = rows.len();
        // Splitting texts into words is work, and not for the threads that answer.
        let split = tokio::task::spawn_blocking(move || split(here)).await;
        let (keys, words) = split.map_err(|error| {
            tracing::error!(cause = %error, "texts could not be split into words");
            StoreError::Internal
        })?;
        let delete = "DELETE FROM copydesk.search WHERE article = ANY($1)";
        let insert = "INSERT INTO copydesk.search (article, words)
             SELECT t.article, t.words FROM unnest($1, $2) AS t(article, words)
             ON CONFLICT (article) DO UPDATE SET words = excluded.words";
        let (gone, here): ([Param<'_>; 1], [Param<'_>; 2]) =
            ([(&gone, Type::INT8_ARRAY)], [(&keys, Type::INT8_ARRAY), (&words, Type::TS_VECTOR_ARRAY)]);
        let done = format!("UPDATE copydesk.indexed SET position = {last}; COMMIT");
        futures::future::try_join3(
            connection.execute_typed(delete, &gone),
            connection.execute_typed(insert, &here),
            connection.batch_execute(&done),
        )
        .await
        .map_err(failed)?;
        tracing::debug!(changes = count, "indexed");
        // There may be, and looking is cheap.
        Ok(true)
    }
}

/// The words of articles, as the index takes them.
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
                tracing::error!(key, cause = %error, "an article that cannot be read is left out of the search index");
            }
        }
    }
    (keys, words)
}
