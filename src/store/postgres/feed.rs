//! Change feed, which is also the revision history.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::feed_retention::not_trimmed;
use super::pool::Pool;
use super::reader::Reader;
use super::rows::{
    self, HISTORY, RECORD, RECORD_COLUMNS, VISIBILITY, VISIBILITY_COLUMNS, article_id, get, position, record, sequence,
    visibility,
};
use crate::article::{ArticleId, Position, Record};
use crate::store::enum_codes::{kind, time};
use crate::store::{Change, ChangedIds, FeedCursor, Revision, SnapshotQuery, StoreError, Visibility};

/// Reads the position of the newest change.
pub(super) async fn head(pool: &Pool) -> Result<Position, StoreError> {
    let rows = pool.query("SELECT position FROM copydesk.feed", &[]).await?;
    rows.first().map_or(Err(StoreError::Damaged), |row| Ok(position(get(row, 0)?)))
}

/// Reads the newest change, and the time of the change at `at`, by which two feeds are compared.
pub(super) async fn head_and(pool: &Pool, at: Position) -> Result<(FeedCursor, Option<Timestamp>), StoreError> {
    let sql = "SELECT f.position, (SELECT c.time FROM copydesk.changes c WHERE c.position = f.position),
            (SELECT c.time FROM copydesk.changes c WHERE c.position = $1)
         FROM (SELECT position FROM copydesk.feed LIMIT 1) f";
    let rows = pool.query(sql, &[(&sequence(at), Type::INT8)]).await?;
    let row = rows.first().ok_or(StoreError::Damaged)?;
    let time_at = |column| Ok::<_, StoreError>(get::<Option<i64>>(row, column)?.map(time));
    Ok((FeedCursor { position: position(get(row, 0)?), time: time_at(1)? }, time_at(2)?))
}

/// Rejects a reader that is ahead of the feed: it followed a feed that has lost its last changes. If it waited, the
/// feed would reach its position again with other changes.
fn not_ahead(after: Position, head: Position) -> Result<(), StoreError> {
    if after > head { Err(StoreError::UnknownPosition) } else { Ok(()) }
}

pub(super) async fn changes(pool: &Pool, feed: Uuid, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
    // Watches poll, mostly without result: this reads one row and saves planning a join of six tables.
    let head = head(pool).await?;
    not_ahead(after, head)?;
    if after == head {
        return Ok(Vec::new());
    }
    // `p` is the previous change, if this one replaced its text.
    let before = RECORD.replace("c.", "p.").replace("b.content", "q.content");
    let sql = format!(
        "SELECT {RECORD}, {VISIBILITY}, c.kind, c.announced, {before}
         FROM (SELECT * FROM copydesk.changes WHERE position > $1 ORDER BY position LIMIT $2) c
         JOIN copydesk.articles a ON a.key = c.article
         JOIN copydesk.texts b ON b.text = c.text
         LEFT JOIN copydesk.changes p ON c.new_text AND p.article = c.article AND p.revision = c.revision - 1
         LEFT JOIN copydesk.texts q ON q.text = p.text
         ORDER BY c.position"
    );
    let rows = pool.query(&sql, &[(&sequence(after), Type::INT8), (&at_most(limit), Type::INT8)]).await?;
    not_trimmed(pool, sequence(after)).await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let record = record(row, 0, feed)?;
        let at = RECORD_COLUMNS + VISIBILITY_COLUMNS;
        let replaced = get::<Option<i64>>(row, at + 2 + 3)?.is_some();
        changes.push(Change {
            position: record.token.position,
            kind: kind(get::<i16>(row, at)?.into()),
            announced: get(row, at + 1)?,
            before: if replaced { Some(rows::record(row, at + 2, feed)?) } else { None },
            now: visibility(row, RECORD_COLUMNS)?,
            record,
        });
    }
    Ok(changes)
}

pub(super) async fn changed_ids(pool: &Pool, after: FeedCursor, limit: usize) -> Result<ChangedIds, StoreError> {
    // LIMIT 1 tells the planner that there is one row. For such small tables it otherwise estimates thousands of rows
    // each, and JIT-compiles the statement for billions of rows, which takes half a second.
    let sql = "SELECT f.position, t.position, h.time, c.position, a.id, c.time
         FROM (SELECT position FROM copydesk.feed LIMIT 1) f
         CROSS JOIN (SELECT position FROM copydesk.trimmed LIMIT 1) t
         LEFT JOIN copydesk.changes h ON h.position = $1
         LEFT JOIN (
            SELECT position, article, time FROM copydesk.changes WHERE position > $1 ORDER BY position LIMIT $2
         ) c ON true
         LEFT JOIN copydesk.articles a ON a.key = c.article
         ORDER BY c.position";
    let from = sequence(after.position);
    let rows = pool.query(sql, &[(&from, Type::INT8), (&at_most(limit), Type::INT8)]).await?;
    let first = rows.first().ok_or(StoreError::Damaged)?;
    let mut cursor = after.found(get::<Option<i64>>(first, 2)?.map(time), position(get(first, 0)?))?;
    if from < get::<i64>(first, 1)? {
        return Err(StoreError::Trimmed);
    }
    let mut articles = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(sequence) = get::<Option<i64>>(row, 3)? {
            cursor = FeedCursor { position: position(sequence), time: Some(time(get(row, 5)?)) };
            articles.push((cursor.position, article_id(row, 4)?));
        }
    }
    Ok(ChangedIds { articles, cursor })
}

pub(super) async fn revisions(
    pool: &impl Reader,
    feed: Uuid,
    id: &ArticleId,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Revision>, StoreError> {
    let sql = format!(
        "SELECT {RECORD}, c.kind, c.reason FROM {HISTORY}
         WHERE a.id = $1 AND c.revision < $2 ORDER BY c.revision DESC LIMIT $3"
    );
    // One more, because the last entry of the page needs its predecessor.
    let limit = limit.saturating_add(1);
    let before = before.unwrap_or(i64::MAX);
    let params = [(&id.as_str() as _, Type::TEXT), (&before as _, Type::INT8), (&at_most(limit) as _, Type::INT8)];
    let rows = pool.query(&sql, &params).await?;
    let mut revisions: Vec<Revision> = Vec::with_capacity(rows.len());
    for row in &rows {
        let record = record(row, 0, feed)?;
        if let Some(newer) = revisions.last_mut() {
            newer.before = Some(Arc::clone(&record));
        }
        let kind = kind(get::<i16>(row, RECORD_COLUMNS)?.into());
        revisions.push(Revision { record, kind, reason: get(row, RECORD_COLUMNS + 1)?, before: None });
    }
    revisions.truncate(limit - 1);
    Ok(revisions)
}

/// Reads the newest change up to a position of each article that existed there.
pub(super) async fn snapshot(
    pool: &impl Reader,
    feed: Uuid,
    query: &SnapshotQuery,
) -> Result<Vec<(Arc<Record>, Visibility)>, StoreError> {
    let after = match &query.after {
        Some(id) => rows::key_of(pool, id).await?.ok_or(StoreError::UnknownPosition)?,
        None => 0,
    };
    // An article's key is the position at which it was created.
    let sql = format!(
        "SELECT {RECORD}, {VISIBILITY} FROM copydesk.articles a
         CROSS JOIN LATERAL (
            SELECT * FROM copydesk.changes h WHERE h.article = a.key AND h.position <= $1
            ORDER BY h.revision DESC LIMIT 1) c
         JOIN copydesk.texts b ON b.text = c.text
         WHERE a.key > $2 AND a.key <= $1 AND a.key % $4 = $5 ORDER BY a.key LIMIT $3"
    );
    let (at, limit) = (sequence(query.at), at_most(query.limit));
    let (count, index) = (i64::from(query.shard.count), i64::from(query.shard.index));
    let params = [&at, &after, &limit, &count, &index].map(|value| (value as _, Type::INT8));
    let rows = pool.query(&sql, &params).await?;
    not_trimmed(pool, at).await?;
    rows.iter().map(|row| Ok((record(row, 0, feed)?, visibility(row, RECORD_COLUMNS)?))).collect()
}

pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
