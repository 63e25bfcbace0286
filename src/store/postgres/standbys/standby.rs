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

use super::freshness::{Freshness, Need};
use crate::article::Position;
use crate::store::enum_codes::time;
use crate::store::postgres::breaker::Breaker;
use crate::store::postgres::error::{AWAY, is_lost, means_lost, told};
use crate::store::postgres::pool::{Param, Pool};
use crate::store::postgres::reader::Reader;
use crate::store::postgres::rows::{get, position, sequence};
use crate::store::postgres::{PostgresOptions, migrate};
use crate::store::{Consistency, FeedCursor, StoreError};

/// Timeout after which a standby counts as unreachable: short, since the primary can answer instead.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Begins a transaction, so that a proxy sends both statements to the same server.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";
/// Selects a server's identity and positions, and the time of the change at $1. LIMIT helps the planner: see
/// `feed::touched`.
const STATUS: &str = "SELECT (SELECT max(version) FROM copydesk.schema), f.id, pg_is_in_recovery(), f.position,
        (SELECT c.time FROM copydesk.changes c WHERE c.position = f.position), i.position,
        (SELECT c.time FROM copydesk.changes c WHERE c.position = $1)
     FROM (SELECT id, position FROM copydesk.feed LIMIT 1) f
     CROSS JOIN (SELECT position FROM copydesk.indexed LIMIT 1) i";

/// Reason why a standby is disabled, other than an outage or lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error("it belongs to another store")]
    Foreign,
    #[error("it is not a standby; it may have been promoted")]
    Promoted,
    #[error("its schema is older than this program requires")]
    Schema,
    #[error("its change feed has diverged from the primary's")]
    Parted,
    #[error("its lag exceeds the retention of changes (`feed-keep`)")]
    Behind,
    #[error("it rejects the connection or the query")]
    Refused,
}

/// Status that a server reports about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct StandbyState {
    /// Position of its feed, with the time of the change there.
    pub(super) place: FeedCursor,
    /// Position of its search index.
    pub(super) indexed: Position,
    /// Time of the queried change.
    time: Option<Timestamp>,
}

pub(super) struct Standby {
    /// Address, for logs.
    pub(super) place: String,
    feed: Uuid,
    reads: Pool,
    first: Pool,
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
            place: options.place(),
            feed,
            reads: Pool::new(&options, options.connections, &breaker)?,
            first: Pool::new(&options, 1, &breaker)?,
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
        !self.breaker.is_open() && self.freshness().need(Consistency::Bounded, false, Instant::now()).is_some()
    }

    /// Returns a permit to read from it, if it is fresh enough and has a free connection.
    pub(super) fn permit(&self, consistency: Consistency, searched: bool, now: Instant) -> Option<Turn<'_>> {
        if self.breaker.is_open() {
            return None;
        }
        let need = self.freshness().need(consistency, searched, now)?;
        Some(Turn { standby: self, need, _permit: self.permits.try_acquire().ok()? })
    }

    /// Queries its status. An error of `None` means that it does not answer.
    pub(super) async fn ask(&self) -> Result<StandbyState, Option<Trouble>> {
        let result = self.first.guard(async {
            let connection = self.first.connection().await?;
            let params: [Param<'_>; 1] = [(&0_i64, Type::INT8)];
            let queried = tokio::time::timeout(TIMEOUT, connection.query_typed(STATUS, &params)).await;
            let queried = queried.map_err(|_elapsed| AWAY)?;
            if queried.as_ref().is_err_and(is_lost) {
                connection.discard();
            } else {
                connection.give_back();
            }
            Ok::<_, StoreError>(queried)
        });
        let rows = match result.await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) if is_lost(&error) => return Err(None),
            Ok(Err(error)) => {
                let missing = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME];
                let schema = error.code().is_some_and(|code| missing.contains(code));
                tracing::debug!(error = told(&error), standby = self.place, "status query failed");
                return Err(Some(if schema { Trouble::Schema } else { Trouble::Refused }));
            }
            Err(error) => return Err((!means_lost(&error)).then_some(Trouble::Refused)),
        };
        self.seen(&rows).map_err(Some)
    }

    fn seen(&self, rows: &[Row]) -> Result<StandbyState, Trouble> {
        let row = rows.first().ok_or(Trouble::Schema)?;
        let read = || -> Result<_, StoreError> {
            let when = |column| Ok::<_, StoreError>(get::<Option<i64>>(row, column)?.map(time));
            let place = FeedCursor { position: position(get(row, 3)?), time: when(4)? };
            let seen = StandbyState { place, indexed: position(get(row, 5)?), time: when(6)? };
            Ok((get::<i32>(row, 0)?, get::<Uuid>(row, 1)?, get::<bool>(row, 2)?, seen))
        };
        let (version, feed, recovering, seen) = read().map_err(|_logged| Trouble::Schema)?;
        if feed != self.feed {
            return Err(Trouble::Foreign);
        }
        if !recovering {
            return Err(Trouble::Promoted);
        }
        // A newer schema is the primary's as well, and still serves this version.
        if version < migrate::KNOWN { Err(Trouble::Schema) } else { Ok(seen) }
    }

    /// Returns true if its status proves the required freshness. If not, its known position is discarded.
    fn proves(&self, rows: &[Row], need: &Need) -> bool {
        let proven = self.seen(rows).is_ok_and(|seen| {
            seen.place.position >= need.position && seen.indexed >= need.indexed && seen.time == need.head.time
        });
        if !proven {
            self.freshness().doubt();
        }
        proven
    }
}

/// Permit to read from a standby. Each statement comes with a proof that the answering server is fresh enough: a status
/// query before it in the same transaction, so that the statement sees nothing older. All other knowledge about the
/// standby only avoids failing reads.
pub(super) struct Turn<'a> {
    standby: &'a Standby,
    need: Need,
    _permit: SemaphorePermit<'a>,
}

impl Reader for Turn<'_> {
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        let standby = self.standby;
        let head = sequence(self.need.head.position);
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
        let (begun, proof, rows, ended) = answers.await?;
        let answered = begun.and(proof).and_then(|proof| Ok((proof, rows?, ended?)));
        let (proof, rows, ()) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                // Most likely a conflict with replay. The read falls back to the primary, so this is not a warning.
                tracing::debug!(error = told(&error), standby = standby.place, "read from standby failed");
                if is_lost(&error) {
                    connection.discard()
                } else {
                    connection.give_back()
                }
                return Err(StoreError::Unavailable("the standby did not answer"));
            }
        };
        connection.give_back();
        if standby.proves(&proof, &self.need) {
            Ok(rows)
        } else {
            Err(StoreError::Unavailable("the standby is not fresh enough"))
        }
    }
}
