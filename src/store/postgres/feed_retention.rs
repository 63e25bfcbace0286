//! Trimming of old changes, if configured. One replica at a time does the work.
//!
//! A change is deleted only when the article's next one has also passed the retention. So every article keeps its
//! latest change as of the feed's new beginning: from there on, changes, their predecessors and snapshots are complete.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::error::store_error;
use super::lock;
use super::pool::{Connection, Param, Pool};
use super::reader::Reader;
use super::rows::get;
use crate::store::StoreError;

/// Pause between trims, and maximum number of feed positions per transaction.
const INTERVAL: Duration = Duration::from_secs(60);
const STEP: i64 = 5_000;

/// Trims changes older than `keep` until the handle is dropped.
pub(super) fn start(pool: Arc<Pool>, keep: Duration) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            match trim(&pool, keep).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "trimming of old changes failed"),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }))
}

/// Trims one step. Returns true if there may be more.
async fn trim(pool: &Pool, keep: Duration) -> Result<bool, StoreError> {
    let Ok(before) = Timestamp::now().checked_sub(keep) else { return Ok(false) };
    let connection = pool.connection().await?;
    let more = pool.guard(async { step(&connection, before).await.map_err(|error| store_error(&error)) }).await?;
    connection.release();
    Ok(more)
}

async fn step(connection: &Connection, before: Timestamp) -> Result<bool, tokio_postgres::Error> {
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
        SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '30s'";
    connection.batch_execute(begin).await?;
    let lock = format!("SELECT pg_try_advisory_xact_lock({}, {})", lock::CLASS, lock::TRIM);
    let locked: bool = connection.query_typed_one(&lock, &[]).await?.try_get(0)?;
    let range = "SELECT t.position, least(t.position + $2, coalesce(
            (SELECT c.position - 1 FROM copydesk.changes c WHERE c.position > t.position
             AND c.position <= t.position + $2 AND c.time >= $1 ORDER BY c.position LIMIT 1),
            (SELECT f.position FROM copydesk.feed f)))
        FROM copydesk.trimmed t";
    let params: [Param<'_>; 2] = [(&before.as_microsecond(), Type::INT8), (&STEP, Type::INT8)];
    let range = connection.query_typed_one(range, &params).await?;
    let (from, to): (i64, i64) = (range.try_get(0)?, range.try_get(1)?);
    if !locked || to <= from {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(false);
    }
    // Changes replaced by those in the range.
    let replaced = "DELETE FROM copydesk.changes c USING copydesk.changes n
        WHERE n.position > $1 AND n.position <= $2 AND c.article = n.article AND c.revision = n.revision - 1
        RETURNING c.article, c.text";
    let deleted = connection.query_typed(replaced, &[(&from, Type::INT8), (&to, Type::INT8)]).await?;
    let articles = deleted.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    let texts = deleted.iter().map(|row| row.try_get(1)).collect::<Result<Vec<Uuid>, _>>()?;
    let unused = "DELETE FROM copydesk.texts t USING unnest($1, $2) AS g(article, text) WHERE t.text = g.text
        AND NOT EXISTS (SELECT FROM copydesk.changes c WHERE c.article = g.article AND c.text = g.text)";
    connection.execute_typed(unused, &[(&articles, Type::INT8_ARRAY), (&texts, Type::UUID_ARRAY)]).await?;
    connection.execute_typed("UPDATE copydesk.trimmed SET position = $1", &[(&to, Type::INT8)]).await?;
    connection.batch_execute("COMMIT").await?;
    tracing::info!(changes = deleted.len(), "old changes trimmed");
    Ok(to - from == STEP)
}

/// Fails if changes from `from` on have been trimmed. Callers check after their read: if the range is complete then, it
/// was complete before.
pub(super) async fn not_trimmed(pool: &impl Reader, from: i64) -> Result<(), StoreError> {
    let rows = pool.query("SELECT position FROM copydesk.trimmed", &[]).await?;
    let beginning: i64 = rows.first().map_or(Err(StoreError::Damaged), |row| get(row, 0))?;
    if from < beginning { Err(StoreError::Trimmed) } else { Ok(()) }
}
