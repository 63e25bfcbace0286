//! One standby: what it is asked, and the proof that stands beside every answer.

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
use crate::store::codes::time;
use crate::store::postgres::breaker::Breaker;
use crate::store::postgres::error::{AWAY, is_lost, means_lost, told};
use crate::store::postgres::pool::{Param, Pool};
use crate::store::postgres::reader::Reader;
use crate::store::postgres::rows::{get, position, sequence};
use crate::store::postgres::{PostgresOptions, migrate};
use crate::store::{Consistency, Place, StoreError};

/// How long a standby may be silent before it counts as away: the primary is there to answer instead.
const SILENCE: Duration = Duration::from_millis(500);
/// A transaction, so that what stands between us and the standby leads both statements to one server.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";
/// What a server is and how far it has come, and when the change at $1 was written. The limits are for the planner: see
/// `feed::touched`.
const WHERE: &str = "SELECT (SELECT max(version) FROM copydesk.schema), f.id, pg_is_in_recovery(), f.position,
        (SELECT c.time FROM copydesk.changes c WHERE c.position = f.position), i.position,
        (SELECT c.time FROM copydesk.changes c WHERE c.position = $1)
     FROM (SELECT id, position FROM copydesk.feed LIMIT 1) f
     CROSS JOIN (SELECT position FROM copydesk.indexed LIMIT 1) i";

/// Why a standby is not used, other than that it is away or behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error("it is of another store")]
    Foreign,
    #[error("it is not a standby, or not any more")]
    Promoted,
    #[error("its schema is not the one that this program needs yet")]
    Schema,
    #[error("its feed has other changes than the primary's")]
    Parted,
    #[error("it is further behind than changes are kept (feed-keep)")]
    Behind,
    #[error("it refuses us")]
    Refused,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// How far its feed has come, and when the change there was written.
    pub(super) place: Place,
    /// How far its search index has come.
    pub(super) indexed: Position,
    /// When the change was written that was asked about.
    time: Option<Timestamp>,
}

pub(super) struct Standby {
    /// For people.
    pub(super) place: String,
    feed: Uuid,
    reads: Pool,
    first: Pool,
    breaker: Breaker,
    turns: Semaphore,
    size: usize,
    patience: Duration,
    freshness: Mutex<Freshness>,
    _probing: AbortOnDropHandle<()>,
}

impl Standby {
    /// Need not be there yet.
    pub(super) fn new(options: &PostgresOptions, feed: Uuid, bound: Duration) -> Result<Self, StoreError> {
        let mut options = options.clone();
        options.connect_timeout = options.connect_timeout.min(SILENCE);
        let (breaker, probing) = Breaker::start(&options);
        Ok(Self {
            place: options.place(),
            feed,
            reads: Pool::new(&options, options.connections, &breaker)?,
            first: Pool::new(&options, 1, &breaker)?,
            breaker,
            turns: Semaphore::new(options.connections),
            size: options.connections,
            // So that the primary has as long.
            patience: options.statement_timeout / 2,
            freshness: Mutex::new(Freshness::new(bound)),
            _probing: probing,
        })
    }

    pub(super) fn freshness(&self) -> MutexGuard<'_, Freshness> {
        self.freshness.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.size - self.turns.available_permits()
    }

    /// Whether it would be asked now.
    pub(super) fn is_fresh(&self) -> bool {
        !self.breaker.is_open() && self.freshness().need(Consistency::Bounded, false, Instant::now()).is_some()
    }

    /// The right to ask it, if it is fresh enough and has room.
    pub(super) fn turn(&self, consistency: Consistency, searched: bool, now: Instant) -> Option<Turn<'_>> {
        if self.breaker.is_open() {
            return None;
        }
        let need = self.freshness().need(consistency, searched, now)?;
        Some(Turn { standby: self, need, _turn: self.turns.try_acquire().ok()? })
    }

    /// Where it is; none if it does not answer.
    pub(super) async fn ask(&self) -> Result<Seen, Option<Trouble>> {
        let asked = self.first.guard(async {
            let connection = self.first.connection().await?;
            let params: [Param<'_>; 1] = [(&0_i64, Type::INT8)];
            let asked = tokio::time::timeout(SILENCE, connection.query_typed(WHERE, &params)).await;
            let asked = asked.map_err(|_elapsed| AWAY)?;
            if asked.as_ref().is_err_and(is_lost) {
                connection.discard();
            } else {
                connection.give_back();
            }
            Ok::<_, StoreError>(asked)
        });
        let rows = match asked.await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) if is_lost(&error) => return Err(None),
            Ok(Err(error)) => {
                let missing = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME];
                let schema = error.code().is_some_and(|code| missing.contains(code));
                tracing::debug!(cause = told(&error), standby = self.place, "a standby does not say where it is");
                return Err(Some(if schema { Trouble::Schema } else { Trouble::Refused }));
            }
            Err(error) => return Err((!means_lost(&error)).then_some(Trouble::Refused)),
        };
        self.seen(&rows).map_err(Some)
    }

    fn seen(&self, rows: &[Row]) -> Result<Seen, Trouble> {
        let row = rows.first().ok_or(Trouble::Schema)?;
        let read = || -> Result<_, StoreError> {
            let when = |column| Ok::<_, StoreError>(get::<Option<i64>>(row, column)?.map(time));
            let place = Place { position: position(get(row, 3)?), time: when(4)? };
            let seen = Seen { place, indexed: position(get(row, 5)?), time: when(6)? };
            Ok((get::<i32>(row, 0)?, get::<Uuid>(row, 1)?, get::<bool>(row, 2)?, seen))
        };
        let (version, feed, recovering, seen) = read().map_err(|_logged| Trouble::Schema)?;
        if feed != self.feed {
            return Err(Trouble::Foreign);
        }
        if !recovering {
            return Err(Trouble::Promoted);
        }
        // A newer one is the primary's as well, and goes on serving this version.
        if version < migrate::KNOWN { Err(Trouble::Schema) } else { Ok(seen) }
    }

    /// Whether what it says of itself shows what an answer needs. If not, it is not what it was when it was confirmed.
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

/// A read of a standby. Each of its statements comes with the proof that the server which answers it is as fresh as is needed:
/// asked before it, in the same transaction, so that what it sees is no older. Whatever else is known of the standby only
/// spares asking in vain.
pub(super) struct Turn<'a> {
    standby: &'a Standby,
    need: Need,
    _turn: SemaphorePermit<'a>,
}

impl Reader for Turn<'_> {
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        let standby = self.standby;
        let head = sequence(self.need.head.position);
        let head: [Param<'_>; 1] = [(&head, Type::INT8)];
        let connection = standby.reads.connection().await?;
        let answers = standby.reads.guard(async {
            // One round trip: all four are sent at once, in this order.
            let asked = async {
                futures::join!(
                    connection.batch_execute(BEGIN),
                    connection.query_typed(WHERE, &head),
                    connection.query_typed(sql, params),
                    connection.batch_execute("COMMIT"),
                )
            };
            let asked = tokio::time::timeout(standby.patience, asked).await;
            asked.map_err(|_elapsed| StoreError::Unavailable("the standby took too long"))
        });
        let (begun, proof, rows, ended) = answers.await?;
        let answered = begun.and(proof).and_then(|proof| Ok((proof, rows?, ended?)));
        let (proof, rows, ()) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                // A conflict with what it replays, most likely. The primary is asked, so nobody need be told.
                tracing::debug!(cause = told(&error), standby = standby.place, "a standby did not answer");
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
            Err(StoreError::Unavailable("the standby is behind"))
        }
    }
}
