//! Removal of purged texts from the files of tables and indexes, which one replica at a time does.
//!
//! PostgreSQL keeps the bytes of a row that was deleted or replaced: VACUUM frees their space and does not overwrite
//! it. Only a rewrite of the table and its indexes removes them. It locks the table, so large tables are not
//! rewritten: see docs/operations.md.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;

use super::error::store_error;
use super::lock;
use super::pool::{Connection, Pool};
use super::rows::get;
use crate::store::StoreError;

/// Interval of checks for purged articles.
const INTERVAL: Duration = Duration::from_secs(1);
/// Maximum size of a table that is rewritten, with its indexes, in bytes. Measured: 7 s on two overloaded
/// cores, which is less than statements wait.
const MAX_BYTES: i64 = 128 << 20;
/// Maximum wait for the lock of a table. Other statements wait behind it.
const LOCK_TIMEOUT: &str = "200ms";
/// Number of tries to lock a table per check.
const LOCK_TRIES: u32 = 10;
/// Delay between them.
const LOCK_RETRY: Duration = Duration::from_millis(300);

/// Tables with texts of articles or hashes of them, and the index in whose order each is rewritten.
const TABLES: [(&str, &str); 7] = [
    ("copydesk.texts", "texts_pkey"),
    ("copydesk.article_sketches", "article_sketches_pkey"),
    ("copydesk.article_anchors", "article_anchors_pkey"),
    ("copydesk.originals", "originals_pkey"),
    ("copydesk.revision_originals", "revision_originals_pkey"),
    ("copydesk.story_members", "story_members_pkey"),
    ("copydesk.changes", "changes_pkey"),
];

/// Starts the eraser, which stops when the handle is dropped.
pub(super) fn start(pool: Arc<Pool>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        // An outage is logged once, when it begins.
        let mut failing = false;
        loop {
            match erase(&pool).await {
                Ok(()) => failing = false,
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "texts of purged articles not removed from the database's files; retrying");
                }
                Err(_) => {}
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }))
}

/// Purges whose texts are still in files.
struct Pending {
    /// Position of the last one.
    due: i64,
    /// True if reasons of changes were erased.
    reasons: bool,
}

/// Rewrites the tables if an article was purged.
async fn erase(pool: &Pool) -> Result<(), StoreError> {
    if pending(pool).await?.is_none() {
        return Ok(());
    }
    // Its transaction holds the lock, and no snapshot between its statements.
    let guard = pool.connection().await?;
    let erased = pool.guard(erase_locked(pool, &guard)).await;
    match erased {
        Ok(()) => {
            guard.batch_execute("ROLLBACK").await.map_err(|error| store_error(&error))?;
            guard.release();
        }
        Err(_) => guard.discard(),
    }
    erased
}

async fn erase_locked(pool: &Pool, guard: &Connection) -> Result<(), StoreError> {
    let failed = |error: tokio_postgres::Error| store_error(&error);
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '10min'";
    guard.batch_execute(begin).await.map_err(failed)?;
    let lock = format!("SELECT pg_try_advisory_xact_lock({}, {})", lock::CLASS, lock::ERASE);
    if !get::<bool>(&guard.query_typed_one(&lock, &[]).await.map_err(failed)?, 0)? {
        return Ok(());
    }
    // Another replica may have done it until we had the lock.
    let Some(pending) = pending(pool).await? else { return Ok(()) };
    for (table, index) in TABLES {
        if (table != "copydesk.changes" || pending.reasons) && !rewrite(pool, table, index).await? {
            return Ok(());
        }
    }
    let done = "UPDATE copydesk.erasures SET done = $1, reasons = reasons AND due > $1";
    pool.execute(done, &[(&pending.due, Type::INT8)]).await?;
    tracing::info!("texts of purged articles removed from the database's files");
    Ok(())
}

/// Returns the purges whose texts can be removed now: no statement anywhere still sees the state before them. A rewrite
/// would keep the rows for such a statement.
async fn pending(pool: &Pool) -> Result<Option<Pending>, StoreError> {
    let sql = "SELECT e.due, e.reasons FROM copydesk.erasures e
         CROSS JOIN LATERAL (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - e.transaction AS age) t
         WHERE e.due > e.done
         AND NOT EXISTS (SELECT FROM pg_stat_activity s WHERE s.pid <> pg_backend_pid()
             AND (s.datid IS NULL OR s.datname = current_database()) AND age(s.backend_xmin) >= t.age)
         AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE age(s.xmin) >= t.age)";
    let rows = pool.query(sql, &[]).await?;
    rows.first().map(|row| Ok(Pending { due: get(row, 0)?, reasons: get(row, 1)? })).transpose()
}

/// Rewrites a table and its indexes, unless it is large. Returns false if its lock was not free.
async fn rewrite(pool: &Pool, table: &str, index: &str) -> Result<bool, StoreError> {
    let size = format!("SELECT pg_total_relation_size('{table}')");
    let rows = pool.query(&size, &[]).await?;
    let bytes: i64 = rows.first().map_or(Err(StoreError::Damaged), |row| get(row, 0))?;
    if bytes > MAX_BYTES {
        tracing::warn!(table, bytes, "table with text of purged articles is large; run VACUUM (FULL) on it");
        return Ok(true);
    }
    // Unlike VACUUM (FULL), which does the same, CLUSTER can run in a transaction, whose settings do not outlive it.
    let rewrite = format!(
        "BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL statement_timeout = '5min';
         CLUSTER {table} USING {index}; COMMIT"
    );
    for _ in 0..LOCK_TRIES {
        let connection = pool.connection().await?;
        match pool.guard(async { Ok::<_, StoreError>(connection.batch_execute(&rewrite).await) }).await? {
            Ok(()) => {
                connection.release();
                return Ok(true);
            }
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                connection.batch_execute("ROLLBACK").await.map_err(|error| store_error(&error))?;
                connection.release();
                tokio::time::sleep(LOCK_RETRY).await;
            }
            Err(error) => {
                connection.discard();
                return Err(store_error(&error));
            }
        }
    }
    tracing::debug!(table, "lock of a table to be rewritten was not free");
    Ok(false)
}
