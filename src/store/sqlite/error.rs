//! Conversion of driver errors, which do not leave this module: they are logged with their cause and returned as ours.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use uuid::Uuid;

use crate::printable;
use crate::store::StoreError;

/// Error of opening a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it is not accessible.
    #[error("{}: {cause}; the folder must exist or be creatable, and be writable", printable::path(path))]
    Io {
        /// Folder or file.
        path: PathBuf,
        /// Cause.
        cause: std::io::Error,
    },
    /// Another process has the folder open.
    #[error("{}: in use by another process; stop it, or choose another folder", printable::path(path))]
    InUse {
        /// Folder.
        path: PathBuf,
    },
    /// The file is not a store, or is damaged.
    #[error("{}: {what}; restore it from a backup, or choose another folder", printable::path(path))]
    Damaged {
        /// File.
        path: PathBuf,
        /// Problem found.
        what: String,
    },
    /// The schema is newer than this program supports.
    #[error(
        "{}: schema version is {found}, must be at most {known}; use a newer version of copydesk",
        printable::path(path)
    )]
    Newer {
        /// File.
        path: PathBuf,
        /// Schema version.
        found: i64,
        /// Latest supported version.
        known: i64,
    },
    /// A copy into the store is unfinished.
    #[error(
        "{0}: a copy into this store is under way or was interrupted, so articles are missing; \
         run `copydesk copy --to sqlite:{0}` with the same source again",
        printable::path(path)
    )]
    Unfinished {
        /// Folder.
        path: PathBuf,
    },
    /// A copy of another store into this one is unfinished.
    #[error(
        "{}: a copy of another store (feed {found}) into this one was not finished; \
         finish it from that store, or choose an empty folder",
        printable::path(path)
    )]
    UnfinishedOther {
        /// Folder.
        path: PathBuf,
        /// Feed ID of the other store.
        found: Uuid,
    },
    /// Any other error of SQLite.
    #[error("{}: {cause}", printable::path(path))]
    Sqlite {
        /// File.
        path: PathBuf,
        /// Cause.
        cause: String,
    },
}

impl OpenError {
    pub(super) fn sqlite(path: &Path, cause: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Damaged { path, what: "not an SQLite database".into() },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, what: "database is damaged".into() },
            _ => Self::Sqlite { path, cause: cause.to_string() },
        }
    }
}

/// Converts the error of a statement to a store error. The cause is logged here, once.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let answer = match error.sqlite_error_code() {
            // The call was cancelled: no caller sees this, and nothing is logged.
            Some(ErrorCode::OperationInterrupted) => return Self::Unavailable("the call was cancelled"),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Unavailable("it is busy"),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::OutOfMemory) => {
                Self::Unavailable("its disk does not answer")
            }
            _ => Self::Internal,
        };
        // The text may have the path of the database.
        let error = printable::message(&error.to_string());
        tracing::error!(error, %answer, "statement failed");
        answer
    }
}
