//! Conversion of rows to records.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use uuid::Uuid;

use super::readers::Reader;
use crate::article::{ArticleId, ChangeToken, Digest, EditorFields, Record, RecordParts, SourceVersion};
use crate::store::enum_codes::{lifecycle, time};
pub(super) use crate::store::enum_codes::{position, sequence};
use crate::store::{Fetched, StoreError, Visibility};

/// Columns of a record: of the article `a`, the change `c` that created the revision, and the change `b` that contains
/// its text.
pub(super) const RECORD: &str = "a.id, a.uid, a.created, c.position, c.revision, c.lifecycle, c.embargo, c.expire, \
     c.publish, c.deleted, c.digest, c.time, b.content";
/// Number of columns in [`RECORD`].
pub(super) const RECORD_COLUMNS: usize = 13;
/// Columns of the article's current visibility, after those of [`RECORD`].
pub(super) const VISIBILITY: &str = "a.lifecycle, a.embargo, a.expire, \
     (SELECT n.revision FROM changes n WHERE n.position = a.position), a.editor_fields, \
     a.source_time, a.source_version, a.observed";
pub(super) const VISIBILITY_COLUMNS: usize = 8;
/// Tables for the newest revision of an article.
pub(super) const NEWEST: &str =
    "articles a JOIN changes c ON c.position = a.position JOIN changes b ON b.position = c.content_position";
/// Tables for any revision of an article.
pub(super) const HISTORY: &str =
    "changes c JOIN articles a ON a.key = c.article JOIN changes b ON b.position = c.content_position";

/// Reads a record from the columns [`RECORD`].
pub(super) fn record(row: &Row<'_>, feed: Uuid) -> rusqlite::Result<Arc<Record>> {
    let id: ArticleId = parse(row, 0)?;
    let uid: [u8; 16] = row.get(1)?;
    let parts = RecordParts {
        id,
        uid: Uuid::from_bytes(uid),
        revision: row.get(4)?,
        lifecycle: lifecycle(row.get(5)?),
        token: ChangeToken { feed, position: position(row.get(3)?) },
        create_time: time(row.get(2)?),
        update_time: time(row.get(11)?),
        delete_time: row.get::<_, Option<i64>>(9)?.map(time),
        publish_time: row.get::<_, Option<i64>>(8)?.map(time),
        embargo_time: row.get::<_, Option<i64>>(6)?.map(time),
        expire_time: row.get::<_, Option<i64>>(7)?.map(time),
        digest: Digest(row.get(10)?),
    };
    let content = row.get_ref(12)?.as_blob().map_err(|error| wrong_type(12, error))?;
    Ok(Arc::new(Record::new(parts, content)))
}

/// Reads the columns of [`VISIBILITY`], starting at `first`.
pub(super) fn visibility(row: &Row<'_>, first: usize) -> rusqlite::Result<Visibility> {
    Ok(Visibility {
        lifecycle: lifecycle(row.get(first)?),
        embargo_time: row.get::<_, Option<i64>>(first + 1)?.map(time),
        expire_time: row.get::<_, Option<i64>>(first + 2)?.map(time),
        revision: row.get(first + 3)?,
        editor_fields: EditorFields::from_bits(row.get(first + 4)?),
        version: version(row, first + 5)?,
    })
}

/// Reads the version of the last ingested document, from three columns.
pub(super) fn version(row: &Row<'_>, first: usize) -> rusqlite::Result<SourceVersion> {
    Ok(SourceVersion {
        stated: row.get::<_, Option<i64>>(first)?.map(time),
        number: row.get(first + 1)?,
        observed: row.get::<_, Option<i64>>(first + 2)?.map(time),
    })
}

pub(super) fn parse(row: &Row<'_>, column: usize) -> rusqlite::Result<ArticleId> {
    let text = row.get_ref(column)?.as_str().map_err(|error| wrong_type(column, error))?;
    text.parse().map_err(|expected: &str| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, expected.into())
    })
}

fn wrong_type(column: usize, error: rusqlite::types::FromSqlError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
}

/// Reads the newest revision of an article.
pub(super) fn newest(connection: &Connection, feed: Uuid, id: &ArticleId) -> rusqlite::Result<Option<Arc<Record>>> {
    let sql = ["SELECT ", RECORD, " FROM ", NEWEST, " WHERE a.id = ?1"].concat();
    connection.prepare_cached(&sql)?.query_row([id.as_str()], |row| record(row, feed)).optional()
}

/// Same as [`newest`], by key.
pub(super) fn by_key(connection: &Connection, feed: Uuid, key: i64) -> rusqlite::Result<Option<Arc<Record>>> {
    let sql = ["SELECT ", RECORD, " FROM ", NEWEST, " WHERE a.key = ?1"].concat();
    connection.prepare_cached(&sql)?.query_row([key], |row| record(row, feed)).optional()
}

pub(super) fn fetch(reader: &Reader, id: &ArticleId) -> Result<Fetched, StoreError> {
    let record = newest(&reader.connection, reader.feed, id)?;
    Ok(Fetched { record, ..Fetched::missing() })
}

pub(super) fn revision(reader: &Reader, id: &ArticleId, revision: i64) -> Result<Option<Arc<Record>>, StoreError> {
    at_revision(&reader.connection, reader.feed, id, revision).map_err(StoreError::from)
}

/// Reads a revision of an article.
pub(super) fn at_revision(
    connection: &Connection,
    feed: Uuid,
    id: &ArticleId,
    revision: i64,
) -> rusqlite::Result<Option<Arc<Record>>> {
    let sql = ["SELECT ", RECORD, " FROM ", HISTORY, " WHERE a.id = ?1 AND c.revision = ?2"].concat();
    let parameters: [&dyn ToSql; 2] = [&id.as_str(), &revision];
    connection.prepare_cached(&sql)?.query_row(parameters, |row| record(row, feed)).optional()
}

/// Returns the key of an article.
pub(super) fn key_of(connection: &Connection, id: &ArticleId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT key FROM articles WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}
