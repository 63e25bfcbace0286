//! Detection of a data folder that was moved, deleted or replaced while its files are open.
//!
//! SQLite goes on writing to files that have lost their name: the commit succeeds, and is gone with the process. So the paths
//! are compared with the open files, by device and inode, around each commit; four `stat` calls cost some microseconds, beside
//! the commit's fsync.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{OpenError, SqliteOptions};
use crate::files::Identity;
use crate::printable;
use crate::store::StoreError;

/// Answer to callers while a path does not lead to the open file. Paths are in the log.
pub(super) const DISPLACED: StoreError =
    StoreError::Unavailable("its data folder was moved, deleted or replaced while the server ran");

/// Names of the files, and whether they always exist: where a file system cannot have a write-ahead log, SQLite does without.
const FILES: [(&str, bool); 4] =
    [("lock", true), ("articles.db", true), ("articles.db-wal", false), ("articles.db-shm", false)];

/// The files that must stay where they were opened.
pub(super) struct OpenFiles {
    files: Vec<(PathBuf, Identity)>,
    /// Set while a check fails, so that only changes are logged.
    displaced: AtomicBool,
}

impl OpenFiles {
    /// Notes the identity of the files. All of them must be open, and stay open.
    ///
    /// The lock is among them, because another process could take one that was put in its place; and the write-ahead log and
    /// its index, because commits and the locks between connections are there.
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
    /// [`DISPLACED`] when one does not.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let failed = self.files.iter().find_map(|(path, identity)| Some((path, identity.check(path).err()?)));
        let was = self.displaced.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            None => {
                if was {
                    tracing::warn!("the data folder is back in its place; writes are accepted again");
                }
                Ok(())
            }
            Some((path, cause)) => {
                if !was {
                    let path = printable::path(path);
                    tracing::error!(
                        path,
                        %cause,
                        "the data folder was moved, deleted or replaced; writes are refused until the same files are back"
                    );
                }
                Err(DISPLACED)
            }
        }
    }
}
