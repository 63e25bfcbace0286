//! The documents as received, and which revisions were extracted from them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::article::{ArticleId, Digest};
use crate::store::enum_codes::time;
use crate::store::original::{CompressedOriginal, Original};

/// Stores the original of a revision. Items of one feed share the document.
pub(super) fn insert(
    connection: &Connection,
    article: i64,
    revision: i64,
    original: &Original,
) -> rusqlite::Result<()> {
    let document = &original.document;
    let stored = connection
        .prepare_cached("SELECT key FROM originals WHERE digest = ?1")?
        .query_row([document.digest.0], |row| row.get::<_, i64>(0))
        .optional()?;
    let key = match stored {
        Some(key) => key,
        None => {
            connection
                .prepare_cached(
                    "INSERT INTO originals (digest, time, size, stored, content) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((
                    document.digest.0,
                    original.time.as_microsecond(),
                    document.size as i64,
                    document.content.len() as i64,
                    &document.content,
                ))?;
            connection.last_insert_rowid()
        }
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO revision_originals (article, revision, original, report) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((article, revision, key, &original.report))?;
    Ok(())
}

/// Returns the original of a revision, or of the newest revision that has one.
pub(super) fn read(
    connection: &Connection,
    id: &ArticleId,
    revision: Option<i64>,
) -> rusqlite::Result<Option<CompressedOriginal>> {
    connection
        .prepare_cached(
            "SELECT r.revision, o.time, o.digest, o.size, o.content, r.report,
                 (SELECT min(f.revision) FROM revision_originals f WHERE f.article = a.key AND f.original = o.key)
             FROM articles a JOIN revision_originals r ON r.article = a.key JOIN originals o ON o.key = r.original
             WHERE a.id = ?1 AND (?2 IS NULL OR r.revision = ?2) ORDER BY r.revision DESC LIMIT 1",
        )?
        .query_row((id.as_str(), revision), |row| {
            Ok(CompressedOriginal {
                revision: row.get(0)?,
                time: time(row.get(1)?),
                digest: Digest(row.get(2)?),
                size: usize::try_from(row.get::<_, i64>(3)?).unwrap_or_default(),
                document: row.get(4)?,
                report: row.get(5)?,
                first_revision: row.get(6)?,
            })
        })
        .optional()
}

/// Removes at most `limit` originals, the oldest first: those from before a time, and those beyond the total size.
/// Returns their number.
pub(super) fn evict(
    connection: &Connection,
    before: Timestamp,
    max_bytes: u64,
    limit: usize,
) -> rusqlite::Result<usize> {
    let total: i64 =
        connection.prepare_cached("SELECT coalesce(sum(stored), 0) FROM originals")?.query_row((), |row| row.get(0))?;
    let mut excess = total.saturating_sub(i64::try_from(max_bytes).unwrap_or(i64::MAX));
    let mut oldest =
        connection.prepare_cached("SELECT key, time, stored FROM originals ORDER BY time, key LIMIT ?1")?;
    let mut rows = oldest.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut evicted = 0;
    while let Some(row) = rows.next()? {
        let (key, stored): (i64, i64) = (row.get(0)?, row.get(2)?);
        if excess <= 0 && time(row.get(1)?) >= before {
            break;
        }
        excess -= stored;
        remove(connection, key)?;
        evicted += 1;
    }
    Ok(evicted)
}

/// Removes the originals of an article, also for the other items of their feeds.
pub(super) fn erase(connection: &Connection, article: i64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("SELECT original FROM revision_originals WHERE article = ?1")?;
    let keys: Vec<i64> = statement.query_map([article], |row| row.get(0))?.collect::<Result<_, _>>()?;
    keys.into_iter().try_for_each(|key| remove(connection, key))
}

fn remove(connection: &Connection, key: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM revision_originals WHERE original = ?1")?.execute([key])?;
    connection.prepare_cached("DELETE FROM originals WHERE key = ?1")?.execute([key])?;
    Ok(())
}
