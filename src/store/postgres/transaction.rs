//! One transaction that writes: locks, what is stored, the plan, and what it leaves to store. Two round trips and one for
//! the locks, whatever the size of the group.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{join_all, try_join3, try_join4};
use jiff::Timestamp;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::batch::Batch;
use super::error::{answer, means_lost};
use super::load::{self, Wanted};
use super::lock;
use super::planner::{Planner, placed};
use super::pool::{Connection, Param, Pool};
use super::rows::get;
use crate::article::ArticleId;
use crate::store::plan::unplaced;
use crate::store::{StoreError, Write, WriteError, Written};
use crate::telemetry::trace::{Kind, Part, Value, span};

/// How long a transaction of ours may stand open without a word from us: whoever stalls in the midst of one holds up others
/// for no longer.
const IDLE: Duration = Duration::from_secs(5);

pub(super) type Answers = Vec<Result<Written, WriteError>>;

/// What transactions are made with.
pub(super) struct Transactions<'a> {
    pub(super) pool: &'a Pool,
    pub(super) feed: Uuid,
    pub(super) statement_timeout: Duration,
}

/// Why a transaction was not made. Nothing of it is kept, unless the connection was lost while it was being committed: then
/// nobody knows, and the answer must not be that it was done.
pub(super) struct Failed {
    pub(super) error: StoreError,
    /// Whether a smaller one might succeed: it was not the database that failed, but something in the group.
    pub(super) divisible: bool,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { divisible: matches!(error, StoreError::Internal | StoreError::Full), error }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        // Only of what the server says is it known that nothing was done.
        let busy = |code: &SqlState| [SqlState::T_R_DEADLOCK_DETECTED, SqlState::QUERY_CANCELED].contains(code);
        let failed = Self::from(answer(&error));
        Self { divisible: error.code().is_some_and(|code| failed.divisible || busy(code)), ..failed }
    }
}

impl Transactions<'_> {
    /// Writes a group, as one. Answers with the position that it brought the feed to, if it changed anything.
    pub(super) async fn write(&self, calls: &[&[Write]]) -> Result<(Vec<Answers>, Option<i64>), Failed> {
        let writes = || calls.iter().copied().flatten();
        let (connection, mut planner) = self.begin(&Wanted::by(writes()), &lock::of_writes(writes())).await?;
        let planned: Vec<Answers> =
            calls.iter().map(|call| call.iter().map(|write| planner.apply(write)).collect()).collect();
        let part = statements("postgres store and commit");
        let (base, last) = self.within_time(store(&connection, planner.finish())).await?;
        drop(part);
        connection.give_back();
        let place = |answers: Answers| answers.into_iter().map(|answer| placed(answer, base)).collect();
        Ok((planned.into_iter().map(place).collect(), last))
    }

    /// Writes what the clock changes in these articles, if it is still to be written. Answers how many changes that made.
    pub(super) async fn turn_clock(&self, ids: &[ArticleId], now: Timestamp) -> Result<(usize, Option<i64>), Failed> {
        let (connection, mut planner) = self.begin(&Wanted::of(ids), &lock::of_articles(ids.iter())).await?;
        let turned = ids.iter().filter(|id| planner.turn_clock(id, now)).count();
        let (_, last) = self.within_time(store(&connection, planner.finish())).await?;
        connection.give_back();
        Ok((turned, last))
    }

    /// What a write would do.
    pub(super) async fn rehearse(&self, write: &Write) -> Result<Written, WriteError> {
        let connection = self.pool.connection().await?;
        let wanted = Wanted::by(std::iter::once(write));
        let known = self.within_time(async { Ok(load::load(&connection, self.feed, &wanted).await?) });
        let known = known.await.map_err(|failed| failed.error)?;
        connection.give_back();
        Planner::new(self.feed, known).apply(write).map(unplaced)
    }

    /// Begins; once more if the connection turns out to be gone, since nothing has been written then.
    async fn begin(&self, wanted: &Wanted, locks: &Vec<i32>) -> Result<(Connection, Planner), Failed> {
        let mut again = true;
        let _part = statements("postgres lock and load");
        loop {
            let connection = self.pool.connection().await?;
            match self.within_time(self.lock_and_load(&connection, wanted, locks)).await {
                Ok(planner) => return Ok((connection, planner)),
                Err(failed) if means_lost(&failed.error) && std::mem::take(&mut again) => connection.discard(),
                // Who waits too long for a lock would not wait for less time alone.
                Err(Failed { error, .. }) => return Err(error.into()),
            }
        }
    }

    /// Takes the locks, and then looks: each statement sees what was committed before it, so what is read is what the last
    /// holder of a lock left.
    async fn lock_and_load(
        &self,
        connection: &Connection,
        wanted: &Wanted,
        locks: &Vec<i32>,
    ) -> Result<Planner, Failed> {
        // What an administrator has set may promise more than `on`, and keeps its say.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
             SET LOCAL statement_timeout = {statement};
             SET LOCAL idle_in_transaction_session_timeout = {idle};
             SELECT set_config('synchronous_commit', 'on', true)
             WHERE current_setting('synchronous_commit') IN ('off', 'local')",
            statement = self.statement_timeout.as_millis(),
            idle = IDLE.as_millis()
        );
        let lock = format!("SELECT pg_advisory_xact_lock({}, bucket) FROM unnest($1) bucket", lock::CLASS);
        let locks: [Param<'_>; 1] = [(locks, Type::INT4_ARRAY)];
        let (_, _, known) = try_join3(
            async { Ok::<_, Failed>(connection.batch_execute(&begin).await?) },
            async { Ok::<_, Failed>(connection.execute_typed(&lock, &locks).await?) },
            async { Ok::<_, Failed>(load::load(connection, self.feed, wanted).await?) },
        )
        .await?;
        Ok(Planner::new(self.feed, known))
    }

    async fn within_time<T>(&self, work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        match tokio::time::timeout(self.statement_timeout * 2, self.pool.guard(work)).await {
            Ok(done) => done,
            Err(_elapsed) => {
                tracing::error!("a transaction took too long; whether it was committed is not known");
                Err(StoreError::Unavailable("it took too long").into())
            }
        }
    }
}

/// Statements of one round trip begin; they are recorded if they are a traced call's.
fn statements(name: &'static str) -> Option<Part> {
    let part = span(Kind::Client, name)?;
    part.say("db.system.name", Value::Text("postgresql".into()));
    Some(part)
}

/// Stores and commits, in one go: from when the feed's turn is taken until the commit, the database waits for nothing from
/// us. Answers where the feed was before, and where it is now if it has changed.
async fn store(connection: &Connection, mut batch: Batch) -> Result<(i64, Option<i64>), Failed> {
    if batch.is_empty() {
        connection.batch_execute("ROLLBACK").await?;
        return Ok((0, None));
    }
    let changes = batch.changes.len() as i64;
    let texts = batch.texts();
    let statements = batch.statements();
    let taken: [Param<'_>; 1] = [(&changes, Type::INT8)];
    // Futures that are polled in this order send in this order. To the server, a statement after one that failed fails too,
    // and the commit becomes a rollback; but one that could not even be sent must keep the commit from being sent.
    let unsent = AtomicBool::new(false);
    let noting = |error: Error| {
        unsent.store(true, Ordering::Relaxed);
        Failed::from(error)
    };
    let sending = try_join4(
        async {
            if let Some(texts) = &texts {
                connection.execute_typed(&texts.sql, &texts.params()).await.map_err(noting)?;
            }
            Ok(())
        },
        async {
            if changes == 0 {
                return Ok(None);
            }
            let sql = "UPDATE copydesk.feed SET position = position + $1 RETURNING position";
            let row = connection.query_typed_one(sql, &taken).await.map_err(noting)?;
            Ok::<_, Failed>(Some(get::<i64>(&row, 0)?))
        },
        async {
            let sending = statements.iter().map(|statement| async {
                let params = statement.params();
                connection.execute_typed(&statement.sql, &params).await.map_err(noting)
            });
            // All of them, the first to fail first: what comes after it fails for that it came after it.
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
