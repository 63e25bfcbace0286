//! The journal of ingestion.

use rusqlite::Connection;

use crate::store::MAX_EVENTS;

/// Appends events, and removes the oldest.
pub(super) fn record(connection: &Connection, events: &[Vec<u8>]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO ingest_events (event) VALUES (?1)")?;
    for event in events {
        insert.execute([event])?;
    }
    connection
        .prepare_cached("DELETE FROM ingest_events WHERE key <= (SELECT max(key) FROM ingest_events) - ?1")?
        .execute([MAX_EVENTS])?;
    Ok(())
}

/// Returns at most `limit` events older than `before`, newest first, with their keys.
pub(super) fn read(
    connection: &Connection,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let mut statement =
        connection.prepare_cached("SELECT key, event FROM ingest_events WHERE key < ?1 ORDER BY key DESC LIMIT ?2")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.query_map((before.unwrap_or(i64::MAX), limit), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
