//! Reads of the change feed and of article histories, both from the table `changes`.

use std::sync::Arc;

use rusqlite::OptionalExtension;

use super::readers::Reader;
use super::rows::{
    self, HISTORY, RECORD, RECORD_COLUMNS, VISIBILITY, VISIBILITY_COLUMNS, position, sequence, visibility,
};
use crate::article::{ArticleId, Position, Record};
use crate::store::enum_codes::{kind, time};
use crate::store::{Change, ChangedIds, FeedCursor, Revision, SnapshotQuery, StoreError, Visibility};

pub(super) fn changes(reader: &Reader, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
    let sql = [
        "SELECT ",
        RECORD,
        ", ",
        VISIBILITY,
        ", c.kind, c.announced, c.article, c.content IS NOT NULL FROM ",
        HISTORY,
        " WHERE c.position > ?1 ORDER BY c.position LIMIT ?2",
    ]
    .concat();
    let mut statement = reader.connection.prepare_cached(&sql)?;
    let mut rows = statement.query((sequence(after), limit as i64))?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let record = rows::record(row, reader.feed)?;
        let rest = RECORD_COLUMNS + VISIBILITY_COLUMNS;
        let brought_text: bool = row.get(rest + 3)?;
        let before = match record.revision {
            revision if revision > 1 && brought_text => at(reader, row.get(rest + 2)?, revision - 1)?,
            _ => None,
        };
        changes.push(Change {
            position: record.token.position,
            kind: kind(row.get(rest)?),
            announced: row.get(rest + 1)?,
            now: visibility(row, RECORD_COLUMNS)?,
            before,
            record,
        });
    }
    Ok(changes)
}

/// Reads a revision of an article by key.
fn at(reader: &Reader, key: i64, revision: i64) -> rusqlite::Result<Option<Arc<Record>>> {
    let sql = ["SELECT ", RECORD, " FROM ", HISTORY, " WHERE c.article = ?1 AND c.revision = ?2"].concat();
    let mut statement = reader.connection.prepare_cached(&sql)?;
    statement.query_row((key, revision), |row| rows::record(row, reader.feed)).optional()
}

pub(super) fn changed_ids(reader: &Reader, after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError> {
    // The feed loses nothing while the store is open, but a follower may have a cursor from before a restored backup.
    let mut there = reader.connection.prepare_cached("SELECT time FROM changes WHERE position = ?1")?;
    let there: Option<i64> = there.query_row([sequence(after.position)], |row| row.get(0)).optional()?;
    let head = reader
        .connection
        .prepare_cached("SELECT coalesce(max(position), 0) FROM changes")?
        .query_row([], |row| row.get(0))?;
    let mut cursor = after.found(there.map(time), position(head))?;
    let mut statement = reader.connection.prepare_cached(
        "SELECT c.position, a.id, c.time FROM changes c JOIN articles a ON a.key = c.article
         WHERE c.position > ?1 ORDER BY c.position LIMIT ?2",
    )?;
    let mut rows = statement.query((sequence(after.position), limit as i64))?;
    let mut articles = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        cursor = FeedCursor { position: position(row.get(0)?), time: Some(time(row.get(2)?)) };
        articles.push((cursor.position, id.parse().map_err(|_| StoreError::Damaged)?));
    }
    Ok(ChangedIds { articles, cursor })
}

pub(super) fn revisions(
    reader: &Reader,
    id: &ArticleId,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Revision>, StoreError> {
    let sql = [
        "SELECT ",
        RECORD,
        ", c.kind, c.reason, c.article FROM ",
        HISTORY,
        " WHERE c.article = (SELECT key FROM articles WHERE id = ?1) AND c.revision < ?2 \
         ORDER BY c.revision DESC LIMIT ?3",
    ]
    .concat();
    let mut statement = reader.connection.prepare_cached(&sql)?;
    let mut rows = statement.query((id.as_str(), before.unwrap_or(i64::MAX), limit as i64))?;
    let mut revisions: Vec<Revision> = Vec::new();
    let mut key = None;
    while let Some(row) = rows.next()? {
        let record = rows::record(row, reader.feed)?;
        key = Some(row.get(RECORD_COLUMNS + 2)?);
        if let Some(newer) = revisions.last_mut() {
            newer.before = Some(Arc::clone(&record));
        }
        let kind = kind(row.get(RECORD_COLUMNS)?);
        revisions.push(Revision { record, kind, reason: row.get(RECORD_COLUMNS + 1)?, before: None });
    }
    if let (Some(oldest), Some(key)) = (revisions.last_mut(), key)
        && oldest.record.revision > 1
    {
        oldest.before = at(reader, key, oldest.record.revision - 1)?;
    }
    Ok(revisions)
}

/// Reads the newest change up to a position of each article that existed then.
pub(super) fn snapshot(reader: &Reader, query: &SnapshotQuery) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
    let after = match &query.after {
        Some(id) => rows::key_of(&reader.connection, id)?.ok_or(StoreError::UnknownPosition)?,
        None => 0,
    };
    let sql = [
        "SELECT ",
        RECORD,
        ", ",
        VISIBILITY,
        " FROM articles a
         JOIN changes c ON c.position = CASE WHEN a.position <= ?1 THEN a.position ELSE (
            SELECT max(h.position) FROM changes h WHERE h.article = a.key AND h.position <= ?1) END
         JOIN changes b ON b.position = c.content_position
         WHERE a.key > ?2 AND a.key % ?4 = ?5 ORDER BY a.key LIMIT ?3",
    ]
    .concat();
    let mut statement = reader.connection.prepare_cached(&sql)?;
    let limit = query.limit as i64;
    let mut rows = statement.query((sequence(query.at), after, limit, query.shard.count, query.shard.index))?;
    let mut articles = Vec::new();
    while let Some(row) = rows.next()? {
        articles.push((rows::record(row, reader.feed)?, visibility(row, RECORD_COLUMNS)?));
    }
    Ok(articles)
}
