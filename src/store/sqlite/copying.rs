//! Mark of a store that is the target of an unfinished copy: set before the first article is written, removed after the
//! last one is durable. It is stored in `articles.db`, so it moves with the articles.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use uuid::Uuid;

use super::error::OpenError;
use super::migrate::configure_connection;
use crate::store::StoreError;

/// Key in `meta`. Its value is the feed ID of the source store.
const KEY: &str = "copying";
/// Maximum wait for the writer, which may be trimming requests.
const BUSY: Duration = Duration::from_secs(10);

/// Rejects a store that lacks articles because a copy into it is unfinished.
pub(super) fn refuse_unfinished(connection: &Connection, path: &Path, dir: &Path) -> Result<(), OpenError> {
    match source(connection).map_err(|cause| OpenError::sqlite(path, &cause))? {
        None => Ok(()),
        Some(_) => Err(OpenError::Unfinished { path: dir.to_owned() }),
    }
}

/// Sets the mark, durably. An interrupted copy of the same store continues.
pub(super) fn begin(connection: &Connection, path: &Path, dir: &Path, from: Uuid) -> Result<(), OpenError> {
    let sqlite = |cause: rusqlite::Error| OpenError::sqlite(path, &cause);
    match source(connection).map_err(sqlite)? {
        Some(found) if found == from => Ok(()),
        Some(found) => Err(OpenError::UnfinishedOther { path: dir.to_owned(), found }),
        None => {
            let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)";
            connection.execute(sql, (KEY, from.as_bytes().as_slice())).map(drop).map_err(sqlite)
        }
    }
}

/// Removes the mark, durably.
pub(super) fn finish(path: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure_connection(&connection)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute("DELETE FROM meta WHERE key = ?1", [KEY])?;
    Ok(())
}

fn source(connection: &Connection) -> rusqlite::Result<Option<Uuid>> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    let found: Option<Vec<u8>> = connection.query_row(sql, [KEY], |row| row.get(0)).optional()?;
    let read = |bytes: Vec<u8>| {
        Uuid::from_slice(&bytes).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    };
    found.map(read).transpose()
}
