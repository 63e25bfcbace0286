//! Conversion of driver errors, which do not leave this module: they are logged with their cause and returned as ours.

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::store::StoreError;

/// Error of opening a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database is unreachable, or denies access.
    #[error("{address}: {cause}")]
    Refused {
        /// Host, port and database name.
        address: String,
        /// Cause.
        cause: String,
    },
    /// The schema is older than this program requires, or absent.
    #[error("{address}: schema version is {found}, must be {known}; run `copydesk migrate` with the same settings")]
    Older {
        /// Host, port and database name.
        address: String,
        /// Schema version; 0 if there is no schema.
        found: i32,
        /// Required version.
        known: i32,
    },
    /// The database is not a standby of the primary.
    #[error("{address}: not a standby of the database in `store`; `store-read` must name its streaming standbys")]
    Foreign {
        /// Host, port and database name.
        address: String,
    },
    /// A copy into the database is unfinished.
    #[error(
        "{address}: a copy into this database is under way or was interrupted, so articles are missing; \
         run `copydesk copy` with the same source and target again"
    )]
    Unfinished {
        /// Host, port and database name.
        address: String,
    },
    /// A copy of another store into the database is unfinished.
    #[error(
        "{address}: a copy of another store (feed {found}) into this database was not finished; \
         finish it from that store, or choose an empty database"
    )]
    UnfinishedOther {
        /// Host, port and database name.
        address: String,
        /// Feed ID of the other store.
        found: Uuid,
    },
    /// The schema is newer than this program supports.
    #[error("{address}: schema version is {found}, must be at most {known}; use a newer version of copydesk")]
    Newer {
        /// Host, port and database name.
        address: String,
        /// Schema version.
        found: i32,
        /// Latest supported version.
        known: i32,
    },
}

impl OpenError {
    pub(super) fn refused(address: &str, error: &Error) -> Self {
        Self::Refused { address: address.to_owned(), cause: describe(error) }
    }
}

/// Error while the database does not answer.
pub(super) const UNREACHABLE: StoreError = StoreError::Unavailable("it cannot be reached");
const STOPPING: StoreError = StoreError::Unavailable("it is starting or stopping");

/// Returns true if an error means that the connection was lost.
pub(super) fn is_connection_lost(error: &StoreError) -> bool {
    [UNREACHABLE, STOPPING].contains(error)
}

/// Formats the error of the driver or server in one line, for logs and operators, not for callers.
pub(super) fn describe(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Returns true if the connection is closed or about to be. The outcome of the statement sent on it is unknown.
pub(super) fn is_lost(error: &Error) -> bool {
    let closing = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    error.is_closed() || is_io(error) || error.code().is_some_and(|code| closing.contains(code))
}

/// Returns true if a prepared statement does not exist in the server process, or another one has its name.
pub(super) fn is_unprepared(error: &Error) -> bool {
    let gone = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT];
    error.code().is_some_and(|code| gone.contains(code))
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

/// Converts the error of a statement to a store error. The cause is logged here, once.
pub(super) fn store_error(error: &Error) -> StoreError {
    let answer = classify(error);
    match &answer {
        // An outage is logged once, where it is detected: see pool.rs.
        StoreError::Unavailable(_) if error.code().is_none() => {
            tracing::debug!(error = describe(error), "connection failed")
        }
        // An earlier statement of the transaction failed, and its error is logged.
        _ if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
            tracing::debug!(error = describe(error), "statement failed");
        }
        answer => tracing::error!(error = describe(error), %answer, "statement failed"),
    }
    answer
}

fn classify(error: &Error) -> StoreError {
    let Some(code) = error.code() else {
        // Not from the server: the connection was lost, or a value has an unexpected type.
        let lost = error.is_closed() || is_io(error);
        return if lost { UNREACHABLE } else { StoreError::Internal };
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
            "08" => UNREACHABLE,
            "28" => StoreError::Unavailable("it rejects our credentials"),
            "53" => StoreError::Unavailable("it is out of resources"),
            "57" => STOPPING,
            "58" => StoreError::Unavailable("its disk does not answer"),
            _ => StoreError::Internal,
        },
    }
}

/// Converts the error of a failed checkout from the pool.
pub(super) fn no_connection(error: &PoolError) -> StoreError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy,
        PoolError::Backend(error) if error.code().is_some() => classify(error),
        PoolError::Closed => StoreError::Unavailable("it is closing"),
        _ => UNREACHABLE,
    }
}
