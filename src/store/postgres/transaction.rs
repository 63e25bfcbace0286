//! Write transaction: takes locks, loads the stored state, plans the writes and stores the result. Two round trips plus
//! one for the locks, for a group of any size.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{join_all, try_join3, try_join4};
use jiff::Timestamp;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::batch::Batch;
use super::error::{is_connection_lost, store_error};
use super::lock::{self, Locks};
use super::planner::{Planner, with_final_position};
use super::pool::{Connection, Param, Pool};
use super::preload;
use super::preload::Dependencies;
use super::rows::get;
use crate::article::ArticleId;
use crate::store::plan::without_position;
use crate::store::{StoreError, Write, WriteError, Written};
use crate::telemetry::trace::{SpanGuard, SpanKind, Value, span};

/// Maximum number of tries to lock the articles of a group. Each try finds only keys that were added since the one
/// before it.
const MAX_LOCK_TRIES: usize = 5;
/// Maximum idle time within a transaction, so that a stalled process does not block other writers for longer.
const IDLE: Duration = Duration::from_secs(5);

pub(super) type WriteResults = Vec<Result<Written, WriteError>>;

/// Context of transactions.
pub(super) struct Transactions<'a> {
    pub(super) pool: &'a Pool,
    pub(super) feed: Uuid,
    pub(super) statement_timeout: Duration,
}

/// Error of a transaction. The transaction was rolled back, unless the connection was lost during the commit: then the
/// outcome is unknown, and must not be reported as success.
pub(super) struct Failed {
    pub(super) error: StoreError,
    /// True if a smaller transaction might succeed: the failure was caused by the group, not by the database.
    pub(super) divisible: bool,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { divisible: matches!(error, StoreError::Internal | StoreError::Full), error }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        // Only an error from the server means that nothing was written.
        let busy = |code: &SqlState| [SqlState::T_R_DEADLOCK_DETECTED, SqlState::QUERY_CANCELED].contains(code);
        let failed = Self::from(store_error(&error));
        Self { divisible: error.code().is_some_and(|code| failed.divisible || busy(code)), ..failed }
    }
}

impl Transactions<'_> {
    /// Writes a group in one transaction. Returns the results, and the new position of the feed if anything changed.
    pub(super) async fn write(&self, calls: &[&[Write]]) -> Result<(Vec<WriteResults>, Option<i64>), Failed> {
        let writes = || calls.iter().copied().flatten();
        let (connection, mut planner) = self.begin_writes(writes).await?;
        let planned: Vec<WriteResults> =
            calls.iter().map(|call| call.iter().map(|write| planner.apply(write)).collect()).collect();
        let span = statements("postgres store and commit");
        let (base, last) = self.within_time(store(&connection, planner.finish())).await?;
        drop(span);
        connection.release();
        let finalize =
            |answers: WriteResults| answers.into_iter().map(|answer| with_final_position(answer, base)).collect();
        Ok((planned.into_iter().map(finalize).collect(), last))
    }

    /// Begins the transaction of a group of writes. Articles that the writes lead to by their keys are locked and
    /// loaded too: if there are any that are not, begins again with them.
    async fn begin_writes<'w, W: Iterator<Item = &'w Write> + Clone>(
        &self,
        writes: impl Fn() -> W,
    ) -> Result<(Connection, Planner), Failed> {
        let mut dependencies = Dependencies::of_writes(writes());
        let mut more = BTreeSet::new();
        for _ in 0..MAX_LOCK_TRIES {
            let locks = Locks::of_writes(writes(), &more);
            let (connection, planner) = self.begin(&dependencies, &locks).await?;
            let found = planner.more_articles(writes());
            if found.iter().all(|id| locks.has(id) && planner.has_loaded(id, &more)) {
                return Ok((connection, planner));
            }
            connection.batch_execute("ROLLBACK").await?;
            connection.release();
            dependencies.extend(found.iter().cloned());
            more.extend(found);
        }
        Err(StoreError::Unavailable("keys of its articles keep changing").into())
    }

    /// Writes the due transitions of these articles, unless they are already written. Returns the number of changes.
    pub(super) async fn apply_due_transitions(
        &self,
        ids: &[ArticleId],
        now: Timestamp,
    ) -> Result<(usize, Option<i64>), Failed> {
        let (connection, mut planner) =
            self.begin(&Dependencies::of_articles(ids), &Locks::of_articles(ids.iter())).await?;
        let changed = ids.iter().filter(|id| planner.apply_due_transitions(id, now)).count();
        let (_, last) = self.within_time(store(&connection, planner.finish())).await?;
        connection.release();
        Ok((changed, last))
    }

    /// Returns the result that a write would have.
    pub(super) async fn dry_run(&self, write: &Write) -> Result<Written, WriteError> {
        let connection = self.pool.connection().await?;
        let mut dependencies = Dependencies::of_writes(std::iter::once(write));
        let mut more = BTreeSet::new();
        loop {
            let stored = self.within_time(async { Ok(preload::load(&connection, self.feed, &dependencies).await?) });
            let mut planner = Planner::new(self.feed, stored.await.map_err(|failed| failed.error)?);
            let found = planner.more_articles(std::iter::once(write));
            if found.iter().all(|id| planner.has_loaded(id, &more)) {
                connection.release();
                return planner.apply(write).map(without_position);
            }
            // At most once: then its other ID was asked for.
            dependencies.extend(found.iter().cloned());
            more.extend(found);
        }
    }

    /// Begins a transaction. Retries once if the connection was lost, since nothing has been written then.
    async fn begin(&self, dependencies: &Dependencies, locks: &Locks) -> Result<(Connection, Planner), Failed> {
        let mut may_retry = true;
        let _span = statements("postgres lock and load");
        loop {
            let connection = self.pool.connection().await?;
            match self.within_time(self.lock_and_load(&connection, dependencies, locks)).await {
                Ok(planner) => return Ok((connection, planner)),
                Err(failed) if is_connection_lost(&failed.error) && std::mem::take(&mut may_retry) => {
                    connection.discard()
                }
                // Not divisible: a lock timeout would not get shorter with a smaller group.
                Err(Failed { error, .. }) => return Err(error.into()),
            }
        }
    }

    /// Takes the locks, then reads. At READ COMMITTED each statement sees earlier commits, so the reads see what the
    /// last holder of the locks wrote.
    async fn lock_and_load(
        &self,
        connection: &Connection,
        dependencies: &Dependencies,
        locks: &Locks,
    ) -> Result<Planner, Failed> {
        let begin = begin(self.statement_timeout) + locks.withdrawal.as_deref().unwrap_or("");
        let lock = format!("SELECT pg_advisory_xact_lock({}, bucket) FROM unnest($1) bucket", lock::CLASS);
        let locks: [Param<'_>; 1] = [(&locks.buckets, Type::INT4_ARRAY)];
        let (_, _, stored) = try_join3(
            async { Ok::<_, Failed>(connection.batch_execute(&begin).await?) },
            async { Ok::<_, Failed>(connection.execute_typed(&lock, &locks).await?) },
            async { Ok::<_, Failed>(preload::load(connection, self.feed, dependencies).await?) },
        )
        .await?;
        Ok(Planner::new(self.feed, stored))
    }

    async fn within_time<T>(&self, work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        match tokio::time::timeout(self.statement_timeout * 2, self.pool.guard(work)).await {
            Ok(done) => done,
            Err(_elapsed) => {
                tracing::error!("transaction timed out; its outcome is unknown");
                Err(StoreError::Unavailable("it took too long").into())
            }
        }
    }
}

/// Returns the statements that begin a transaction, with limits to its time, and whose commit is durable.
pub(super) fn begin(statement_timeout: Duration) -> String {
    // Keeps a setting that guarantees more than `on`.
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
         SET LOCAL statement_timeout = {statement};
         SET LOCAL idle_in_transaction_session_timeout = {idle};
         SELECT set_config('synchronous_commit', 'on', true)
         WHERE current_setting('synchronous_commit') IN ('off', 'local');",
        statement = statement_timeout.as_millis(),
        idle = IDLE.as_millis()
    )
}

/// Starts a span for the statements of a round trip, if the call is traced.
fn statements(name: &'static str) -> Option<SpanGuard> {
    let span = span(SpanKind::Client, name)?;
    span.set_attribute("db.system.name", Value::Text("postgresql".into()));
    Some(span)
}

/// Stores and commits in one round trip: between locking the feed and the commit, the database does not wait for this
/// process. Returns the position of the feed before, and the new one if it has changed.
async fn store(connection: &Connection, mut batch: Batch) -> Result<(i64, Option<i64>), Failed> {
    if batch.is_empty() {
        connection.batch_execute("ROLLBACK").await?;
        return Ok((0, None));
    }
    let changes = batch.changes.len() as i64;
    let texts = batch.texts();
    let statements = batch.statements();
    let advance: [Param<'_>; 1] = [(&changes, Type::INT8)];
    // Futures polled in this order send in this order. On the server, all statements after a failed one fail, and the
    // commit becomes a rollback. But if a statement could not be sent, the commit must not be sent either.
    let unsent = AtomicBool::new(false);
    let note_failure = |error: Error| {
        unsent.store(true, Ordering::Relaxed);
        Failed::from(error)
    };
    let sending = try_join4(
        async {
            let sending = texts.iter().map(|texts| async {
                let params = texts.params();
                connection.execute_typed(&texts.sql, &params).await.map_err(note_failure)
            });
            join_all(sending).await.into_iter().collect::<Result<Vec<u64>, Failed>>()?;
            Ok(())
        },
        async {
            if changes == 0 {
                return Ok(None);
            }
            let sql = "UPDATE copydesk.feed SET position = position + $1 RETURNING position";
            let row = connection.query_typed_one(sql, &advance).await.map_err(note_failure)?;
            Ok::<_, Failed>(Some(get::<i64>(&row, 0)?))
        },
        async {
            let sending = statements.iter().map(|statement| async {
                let params = statement.params();
                connection.execute_typed(&statement.sql, &params).await.map_err(note_failure)
            });
            // Joins all and returns the first error: later statements fail only because of it.
            join_all(sending).await.into_iter().collect::<Result<Vec<u64>, Failed>>()?;
            Ok(())
        },
        async {
            if unsent.load(Ordering::Relaxed) {
                return Err(StoreError::Internal.into());
            }
            let notify = "SELECT pg_notify('copydesk_feed', position::text) FROM copydesk.feed; COMMIT";
            Ok(connection.batch_execute(if changes == 0 { "COMMIT" } else { notify }).await?)
        },
    );
    let ((), last, (), ()) = sending.await?;
    Ok((last.unwrap_or(0) - changes, last))
}
