//! The journal of ingestion.

use tokio_postgres::types::Type;

use super::pool::Param;
use super::reader::Reader;
use super::rows::get;
use crate::store::{MAX_EVENTS, StoreError};

/// Appends events, and removes the oldest.
pub(super) async fn record(reader: &impl Reader, events: Vec<Vec<u8>>) -> Result<(), StoreError> {
    let sql = "WITH inserted AS (
             INSERT INTO copydesk.ingest_events (event) SELECT event FROM unnest($1) event RETURNING key
         )
         DELETE FROM copydesk.ingest_events WHERE key <= (SELECT max(key) FROM inserted) - $2";
    let params: [Param<'_>; 2] = [(&events, Type::BYTEA_ARRAY), (&MAX_EVENTS, Type::INT8)];
    reader.query(sql, &params).await.map(drop)
}

/// Returns at most `limit` events older than `before`, newest first, with their keys.
pub(super) async fn read(
    reader: &impl Reader,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let sql = "SELECT key, event FROM copydesk.ingest_events WHERE key < $1 ORDER BY key DESC LIMIT $2";
    let (before, limit) = (before.unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
    let params: [Param<'_>; 2] = [(&before, Type::INT8), (&limit, Type::INT8)];
    let rows = reader.query(sql, &params).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}
