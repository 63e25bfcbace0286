//! Detection of a data folder that was moved, deleted or replaced while its files are open.
//!
//! SQLite keeps writing to unlinked files: the commit succeeds, and is lost when the process ends. So the paths are
//! compared with the open files, by device and inode, before and after each commit. Four `stat` calls cost some
//! microseconds, which is small beside the commit's fsync.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{OpenError, SqliteOptions};
use crate::files::Identity;
use crate::printable;
use crate::store::StoreError;

/// Error for callers while a path does not lead to the open file. The log contains the path.
pub(super) const DISPLACED: StoreError =
    StoreError::Unavailable("its data folder was moved, deleted or replaced while the server ran");

/// Names of the files, with true for required ones: on a file system without support for a write-ahead log, SQLite uses
/// none.
const FILES: [(&str, bool); 4] =
    [("lock", true), ("articles.db", true), ("articles.db-wal", false), ("articles.db-shm", false)];

/// Files that must stay at the paths where they were opened.
pub(super) struct OpenFiles {
    files: Vec<(PathBuf, Identity)>,
    /// Set while a check fails, so that only changes are logged.
    displaced: AtomicBool,
}

impl OpenFiles {
    /// Records the identity of the files. All of them must be open, and stay open.
    ///
    /// The lock is included because another process could acquire a replacement. The write-ahead log and its index are
    /// included because they contain commits and the locks between connections.
    pub(super) fn of(options: &SqliteOptions) -> Result<Self, OpenError> {
        let mut files = Vec::new();
        for (name, always) in FILES {
            let path = options.dir.join(name);
            match Identity::at(&path) {
                Ok(identity) => files.push((path, identity)),
                Err(cause) if cause.kind() == ErrorKind::NotFound && !always => {}
                Err(cause) => return Err(OpenError::Io { path, cause }),
            }
        }
        Ok(Self { files, displaced: AtomicBool::new(false) })
    }

    /// Checks that every path leads to its open file.
    ///
    /// # Errors
    /// [`DISPLACED`] if one does not.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let failed = self.files.iter().find_map(|(path, identity)| Some((path, identity.check(path).err()?)));
        let was = self.displaced.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            None => {
                if was {
                    tracing::warn!("data folder restored; writes are accepted again");
                }
                Ok(())
            }
            Some((path, cause)) => {
                if !was {
                    let path = printable::path(path);
                    tracing::error!(
                        path,
                        error = %cause,
                        "data folder was moved, deleted or replaced; writes are rejected until the same files are back"
                    );
                }
                Err(DISPLACED)
            }
        }
    }
}
