//! The driver's errors, kept in this room: logged with their cause, answered in ours.

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::store::StoreError;

/// Why a store did not open. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached, or lets us do nothing.
    #[error("{place}: {cause}")]
    Refused {
        /// Host, port and database.
        place: String,
        /// Why.
        cause: String,
    },
    /// It was written by an older version, or is new.
    #[error(
        "{place}: its schema is version {found}, and this program needs {known}; run `copydesk migrate` with the same settings"
    )]
    Older {
        /// Host, port and database.
        place: String,
        /// Its version; 0 when there is none.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// It is no standby of ours.
    #[error(
        "{place}: it is of another store than the one in `store`; `store-read` takes streaming standbys of that only"
    )]
    Foreign {
        /// Host, port and database.
        place: String,
    },
    /// A copy into it was not finished.
    #[error(
        "{place}: a copy into this database is under way or was interrupted, so articles are missing; \
         run `copydesk copy` with the same source and target again"
    )]
    Unfinished {
        /// Host, port and database.
        place: String,
    },
    /// A copy of another store into it was not finished.
    #[error(
        "{place}: a copy of another store (feed {found}) into this database was not finished; \
         finish it from that store, or choose an empty database"
    )]
    UnfinishedOther {
        /// Host, port and database.
        place: String,
        /// The feed of the other store.
        found: Uuid,
    },
    /// It was written by a newer version.
    #[error("{place}: its schema is version {found}, and this program knows up to {known}; use a newer program")]
    Newer {
        /// Host, port and database.
        place: String,
        /// Its version.
        found: i32,
        /// Ours.
        known: i32,
    },
}

impl OpenError {
    pub(super) fn refused(place: &str, error: &Error) -> Self {
        Self::Refused { place: place.to_owned(), cause: told(error) }
    }
}

/// The database does not answer.
pub(super) const AWAY: StoreError = StoreError::Unavailable("it cannot be reached");
const STOPPING: StoreError = StoreError::Unavailable("it is starting or stopping");

/// Whether an answer means that the connection was lost.
pub(super) fn means_lost(error: &StoreError) -> bool {
    [AWAY, STOPPING].contains(error)
}

/// What the driver and the server say, in one line. For logs, and for whoever starts the program; not for callers.
pub(super) fn told(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Whether the connection is gone, or about to be. Nothing is known of the statement that it was sent.
pub(super) fn is_lost(error: &Error) -> bool {
    let going = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    error.is_closed() || is_io(error) || error.code().is_some_and(|code| going.contains(code))
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

/// What a failed statement means to the rest of the program. The cause is logged here, once.
pub(super) fn answer(error: &Error) -> StoreError {
    let answer = meaning(error);
    match &answer {
        // Of a database that is away there is one line, where it is noticed: see pool.rs.
        StoreError::Unavailable(_) if error.code().is_none() => {
            tracing::debug!(cause = told(error), "a connection failed")
        }
        // It came after one that failed, and that one is told of.
        _ if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
            tracing::debug!(cause = told(error), "a statement failed");
        }
        answer => tracing::error!(cause = told(error), %answer, "a statement failed"),
    }
    answer
}

fn meaning(error: &Error) -> StoreError {
    let Some(code) = error.code() else {
        // Not from the server: the connection, or else a value that is not of the type that we expect.
        let lost = error.is_closed() || is_io(error);
        return if lost { AWAY } else { StoreError::Internal };
    };
    if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) {
        return StoreError::Damaged;
    }
    match code.code() {
        "53100" => StoreError::Full,
        "57014" | "25P03" | "25P04" => StoreError::Unavailable("it took too long"),
        "40001" | "40P01" | "55P03" => StoreError::Unavailable("it is busy"),
        "25006" => StoreError::Unavailable("it is a standby"),
        other => match &other[..2] {
            "08" => AWAY,
            "28" => StoreError::Unavailable("it does not let us in"),
            "53" => StoreError::Unavailable("it has no room for more work"),
            "57" => STOPPING,
            "58" => StoreError::Unavailable("its disk does not answer"),
            _ => StoreError::Internal,
        },
    }
}

/// Why there is no connection.
pub(super) fn no_connection(error: &PoolError) -> StoreError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy,
        PoolError::Backend(error) if error.code().is_some() => meaning(error),
        PoolError::Closed => StoreError::Unavailable("it is closing"),
        _ => AWAY,
    }
}
