//! The documents as received, and which revisions were extracted from them.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::bulk::{Bulk, Statement};
use super::pool::Param;
use super::reader::Reader;
use super::rows::get;
use crate::article::{ArticleId, Digest};
use crate::store::StoreError;
use crate::store::enum_codes::time;
use crate::store::original::{CompressedOriginal, Original, OriginalDocument};

/// Row of `revision_originals`.
pub(super) struct OriginalRow {
    /// Row key of the article.
    pub(super) article: i64,
    pub(super) revision: i64,
    pub(super) original: Original,
}

/// Builds the statement that stores documents. It needs no position.
pub(super) fn documents(rows: &[OriginalRow]) -> Option<Statement> {
    // A statement may store a digest only once.
    let mut known = HashSet::new();
    let rows: Vec<(&Arc<OriginalDocument>, Timestamp)> = rows
        .iter()
        .map(|row| (&row.original.document, row.original.time))
        .filter(|(document, _)| known.insert(document.digest))
        .collect();
    let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
    let mut bulk = Bulk::new("copydesk.originals", 0);
    bulk.column("digest", Type::BYTEA_ARRAY, rows.iter().map(|(it, _)| it.digest.0.to_vec()).collect());
    bulk.column("time", Type::INT8_ARRAY, rows.iter().map(|(_, time)| time.as_microsecond()).collect());
    bulk.column("size", Type::INT4_ARRAY, rows.iter().map(|(it, _)| number(it.size)).collect());
    bulk.column("stored", Type::INT4_ARRAY, rows.iter().map(|(it, _)| number(it.content.len())).collect());
    bulk.column("content", Type::BYTEA_ARRAY, rows.iter().map(|(it, _)| it.content.clone()).collect());
    bulk.insert_unless("digest")
}

/// Builds the statement that stores which revisions were extracted from them.
pub(super) fn revisions(rows: &[OriginalRow], changes: usize) -> Option<Statement> {
    let mut bulk = Bulk::new("copydesk.revision_originals", changes);
    bulk.placed("article", rows.iter().map(|row| row.article).collect::<Vec<_>>());
    bulk.column("revision", Type::INT8_ARRAY, rows.iter().map(|row| row.revision).collect());
    bulk.column(
        "original",
        Type::BYTEA_ARRAY,
        rows.iter().map(|row| row.original.document.digest.0.to_vec()).collect(),
    );
    bulk.column("report", Type::BYTEA_ARRAY, rows.iter().map(|row| row.original.report.clone()).collect());
    bulk.upsert(&["article", "revision"], &[])
}

/// Builds the statements that remove the originals of articles, also for the other items of their feeds.
pub(super) fn erase(articles: &[i64], changes: usize) -> [Option<Statement>; 2] {
    let bulk = || {
        let mut bulk = Bulk::new("copydesk.revision_originals", changes);
        bulk.placed("article", articles.to_vec());
        bulk
    };
    let documents = bulk().custom(|from, values| {
        format!(
            "DELETE FROM copydesk.originals o USING {from}, copydesk.revision_originals r
             WHERE r.article = {} AND o.digest = r.original",
            values[0]
        )
    });
    [documents, bulk().delete()]
}

/// Returns the original of a revision, or of the newest revision that has one.
pub(super) async fn read(
    reader: &impl Reader,
    id: &ArticleId,
    revision: Option<i64>,
) -> Result<Option<CompressedOriginal>, StoreError> {
    let sql = "SELECT r.revision, o.time, o.digest, o.size, o.content, r.report,
             (SELECT min(f.revision) FROM copydesk.revision_originals f
              WHERE f.article = a.key AND f.original = o.digest)
         FROM copydesk.articles a JOIN copydesk.revision_originals r ON r.article = a.key
         JOIN copydesk.originals o ON o.digest = r.original
         WHERE a.id = $1 AND ($2::bigint IS NULL OR r.revision = $2) ORDER BY r.revision DESC LIMIT 1";
    let id = id.as_str();
    let params: [Param<'_>; 2] = [(&id, Type::TEXT), (&revision, Type::INT8)];
    let rows = reader.query(sql, &params).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let digest: [u8; 32] = get::<&[u8]>(row, 2)?.try_into().map_err(|_| StoreError::Damaged)?;
    Ok(Some(CompressedOriginal {
        revision: get(row, 0)?,
        time: time(get(row, 1)?),
        digest: Digest(digest),
        size: usize::try_from(get::<i32>(row, 3)?).unwrap_or_default(),
        document: get(row, 4)?,
        report: get(row, 5)?,
        first_revision: get(row, 6)?,
    }))
}

/// Removes at most `limit` originals, the oldest first: those from before a time, and those beyond the total size.
/// Returns their number.
pub(super) async fn evict(
    reader: &impl Reader,
    before: Timestamp,
    max_bytes: u64,
    limit: usize,
) -> Result<usize, StoreError> {
    // The sum needs the index only.
    let sql = "WITH total AS (SELECT coalesce(sum(stored), 0)::bigint AS bytes FROM copydesk.originals),
         oldest AS (
             SELECT digest, time, stored, sum(stored) OVER (ORDER BY time, digest) AS so_far FROM (
                 SELECT digest, time, stored FROM copydesk.originals ORDER BY time, digest LIMIT $3
             ) o
         ), evicted AS (
             DELETE FROM copydesk.originals d USING oldest o, total t WHERE d.digest = o.digest
             AND (o.time < $1 OR t.bytes - (o.so_far - o.stored) > $2) RETURNING d.digest
         ), revisions AS (
             DELETE FROM copydesk.revision_originals r USING evicted e WHERE r.original = e.digest
         )
         SELECT count(*) FROM evicted";
    let (max, limit) = (i64::try_from(max_bytes).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
    let before = before.as_microsecond();
    let params: [Param<'_>; 3] = [(&before, Type::INT8), (&max, Type::INT8), (&limit, Type::INT8)];
    let rows = reader.query(sql, &params).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}
