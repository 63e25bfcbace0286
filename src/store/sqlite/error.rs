//! The driver's errors, kept in this room: logged with their cause, answered in ours.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use uuid::Uuid;

use crate::printable;
use crate::store::StoreError;

/// Why a store did not open. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it cannot be used.
    #[error("{}: {cause}; the folder must exist or be creatable, and be writable", printable::path(path))]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Another process has it.
    #[error("{}: in use by another process; stop it, or choose another folder", printable::path(path))]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It is no store, or no longer a whole one.
    #[error("{}: {what}; restore it from a backup, or choose another folder", printable::path(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How one can tell.
        what: String,
    },
    /// It was written by a newer version.
    #[error(
        "{}: its schema is version {found}, and this program knows up to {known}; use a newer program",
        printable::path(path)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A copy into it was not finished.
    #[error(
        "{0}: a copy into this store is under way or was interrupted, so articles are missing; \
         run `copydesk copy --to sqlite:{0}` with the same source again",
        printable::path(path)
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// A copy of another store into it was not finished.
    #[error(
        "{}: a copy of another store (feed {found}) into this one was not finished; \
         finish it from that store, or choose an empty folder",
        printable::path(path)
    )]
    UnfinishedOther {
        /// The folder.
        path: PathBuf,
        /// The feed of the other store.
        found: Uuid,
    },
    /// SQLite refused.
    #[error("{}: {cause}", printable::path(path))]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

impl OpenError {
    pub(super) fn sqlite(path: &Path, cause: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Damaged { path, what: "this is no database".into() },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, what: "the database is damaged".into() },
            _ => Self::Sqlite { path, cause: cause.to_string() },
        }
    }
}

/// What a failed statement means to the rest of the program. The cause is logged here, once.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let answer = match error.sqlite_error_code() {
            // Its caller has gone: nobody needs to know.
            Some(ErrorCode::OperationInterrupted) => return Self::Unavailable("the call was given up"),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Unavailable("it is busy"),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::OutOfMemory) => {
                Self::Unavailable("its disk does not answer")
            }
            _ => Self::Internal,
        };
        tracing::error!(cause = %error, %answer, "a statement failed");
        answer
    }
}
