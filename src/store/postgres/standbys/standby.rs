//! Queries to one standby, with a proof of freshness for every answer.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::freshness::{Freshness, RequiredPosition};
use crate::store::enum_codes::time;
use crate::store::postgres::breaker::Breaker;
use crate::store::postgres::error::{UNREACHABLE, describe, is_connection_lost, is_lost};
use crate::store::postgres::pool::{Param, Pool};
use crate::store::postgres::reader::Reader;
use crate::store::postgres::rows::{get, position, sequence};
use crate::store::postgres::{PostgresOptions, migrate};
use crate::store::{Consistency, FeedCursor, StoreError};

/// Timeout after which a standby counts as unreachable: short, since the primary can answer instead.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Begins a transaction, so that a proxy sends both statements to the same server.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";
/// Selects a server's identity and position, and the time of the change at $1. LIMIT helps the planner: see
/// `feed::changed_ids`.
const STATUS: &str = "SELECT (SELECT max(version) FROM copydesk.schema), f.id, pg_is_in_recovery(), f.position,
        (SELECT c.time FROM copydesk.changes c WHERE c.position = f.position),
        (SELECT c.time FROM copydesk.changes c WHERE c.position = $1)
     FROM (SELECT id, position FROM copydesk.feed LIMIT 1) f";

/// Reason why a standby is disabled, other than an outage or lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StandbyError {
    #[error("it belongs to another store")]
    Foreign,
    #[error("it is not a standby; it may have been promoted")]
    Promoted,
    #[error("its schema is older than this program requires")]
    Schema,
    #[error("its change feed has diverged from the primary's")]
    Diverged,
    #[error("its lag exceeds the retention of changes (`feed-keep`)")]
    ChangesTrimmed,
    #[error("it rejects the connection or the query")]
    Refused,
}

/// Status that a server reports about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct StandbyStatus {
    /// Position of its feed, with the time of the change there.
    pub(super) cursor: FeedCursor,
    /// Time of the queried change.
    time: Option<Timestamp>,
}

pub(super) struct Standby {
    /// Address, for logs.
    pub(super) address: String,
    feed: Uuid,
    reads: Pool,
    priority: Pool,
    breaker: Breaker,
    permits: Semaphore,
    size: usize,
    read_timeout: Duration,
    freshness: Mutex<Freshness>,
    _probing: AbortOnDropHandle<()>,
}

impl Standby {
    /// Creates a standby, which need not be reachable yet.
    pub(super) fn new(options: &PostgresOptions, feed: Uuid, bound: Duration) -> Result<Self, StoreError> {
        let mut options = options.clone();
        options.connect_timeout = options.connect_timeout.min(TIMEOUT);
        let (breaker, probing) = Breaker::start(&options);
        Ok(Self {
            address: options.address(),
            feed,
            reads: Pool::new(&options, options.connections, &breaker)?,
            priority: Pool::new(&options, 1, &breaker)?,
            breaker,
            permits: Semaphore::new(options.connections),
            size: options.connections,
            // Half, so that the primary has as long.
            read_timeout: options.statement_timeout / 2,
            freshness: Mutex::new(Freshness::new(bound)),
            _probing: probing,
        })
    }

    pub(super) fn freshness(&self) -> MutexGuard<'_, Freshness> {
        self.freshness.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.size - self.permits.available_permits()
    }

    /// Returns true if it is fresh enough for reads now.
    pub(super) fn is_fresh(&self) -> bool {
        !self.breaker.is_open() && self.freshness().required(Consistency::Bounded, Instant::now()).is_some()
    }

    /// Returns a permit to read from it, if it is fresh enough and has a free connection.
    pub(super) fn permit(&self, consistency: Consistency, now: Instant) -> Option<StandbyPermit<'_>> {
        if self.breaker.is_open() {
            return None;
        }
        let required = self.freshness().required(consistency, now)?;
        Some(StandbyPermit { standby: self, required, _permit: self.permits.try_acquire().ok()? })
    }

    /// Queries its status. An error of `None` means that it does not answer.
    pub(super) async fn query_status(&self) -> Result<StandbyStatus, Option<StandbyError>> {
        let result = self.priority.guard(async {
            let connection = self.priority.connection().await?;
            let params: [Param<'_>; 1] = [(&0_i64, Type::INT8)];
            let queried = tokio::time::timeout(TIMEOUT, connection.query_typed(STATUS, &params)).await;
            let queried = queried.map_err(|_elapsed| UNREACHABLE)?;
            if queried.as_ref().is_err_and(is_lost) {
                connection.discard();
            } else {
                connection.release();
            }
            Ok::<_, StoreError>(queried)
        });
        let rows = match result.await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) if is_lost(&error) => return Err(None),
            Ok(Err(error)) => {
                let missing = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME];
                let schema = error.code().is_some_and(|code| missing.contains(code));
                tracing::debug!(error = describe(&error), standby = self.address, "status query failed");
                return Err(Some(if schema { StandbyError::Schema } else { StandbyError::Refused }));
            }
            Err(error) => return Err((!is_connection_lost(&error)).then_some(StandbyError::Refused)),
        };
        self.parse_status(&rows).map_err(Some)
    }

    fn parse_status(&self, rows: &[Row]) -> Result<StandbyStatus, StandbyError> {
        let row = rows.first().ok_or(StandbyError::Schema)?;
        let read = || -> Result<_, StoreError> {
            let when = |column| Ok::<_, StoreError>(get::<Option<i64>>(row, column)?.map(time));
            let cursor = FeedCursor { position: position(get(row, 3)?), time: when(4)? };
            let status = StandbyStatus { cursor, time: when(5)? };
            Ok((get::<i32>(row, 0)?, get::<Uuid>(row, 1)?, get::<bool>(row, 2)?, status))
        };
        let (version, feed, recovering, status) = read().map_err(|_logged| StandbyError::Schema)?;
        if feed != self.feed {
            return Err(StandbyError::Foreign);
        }
        if !recovering {
            return Err(StandbyError::Promoted);
        }
        // A newer schema is the primary's as well, and still serves this version.
        if version < migrate::KNOWN { Err(StandbyError::Schema) } else { Ok(status) }
    }

    /// Returns true if its status proves the required freshness. If not, its known position is discarded.
    fn proves(&self, rows: &[Row], required: &RequiredPosition) -> bool {
        let proven = self
            .parse_status(rows)
            .is_ok_and(|status| status.cursor.position >= required.position && status.time == required.head.time);
        if !proven {
            self.freshness().invalidate();
        }
        proven
    }
}

/// Permit to read from a standby. Each statement comes with a proof that the answering server is fresh enough: a status
/// query before it in the same transaction, so that the statement sees nothing older. All other knowledge about the
/// standby only avoids failing reads.
pub(super) struct StandbyPermit<'a> {
    standby: &'a Standby,
    required: RequiredPosition,
    _permit: SemaphorePermit<'a>,
}

impl Reader for StandbyPermit<'_> {
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        let standby = self.standby;
        let head = sequence(self.required.head.position);
        let head: [Param<'_>; 1] = [(&head, Type::INT8)];
        let connection = standby.reads.connection().await?;
        let answers = standby.reads.guard(async {
            // One round trip: all four are pipelined in this order.
            let pipelined = async {
                futures::join!(
                    connection.batch_execute(BEGIN),
                    connection.query_typed(STATUS, &head),
                    connection.query_typed(sql, params),
                    connection.batch_execute("COMMIT"),
                )
            };
            let answers = tokio::time::timeout(standby.read_timeout, pipelined).await;
            answers.map_err(|_elapsed| StoreError::Unavailable("the standby timed out"))
        });
        let (begin_result, proof, rows, ended) = answers.await?;
        let outcome = begin_result.and(proof).and_then(|proof| Ok((proof, rows?, ended?)));
        let (proof, rows, ()) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                // Most likely a conflict with replay. The read falls back to the primary, so this is not a warning.
                tracing::debug!(error = describe(&error), standby = standby.address, "read from standby failed");
                if is_lost(&error) {
                    connection.discard()
                } else {
                    connection.release()
                }
                return Err(StoreError::Unavailable("the standby did not answer"));
            }
        };
        connection.release();
        if standby.proves(&proof, &self.required) {
            Ok(rows)
        } else {
            Err(StoreError::Unavailable("the standby is not fresh enough"))
        }
    }
}
