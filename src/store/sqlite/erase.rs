//! Erasure of purged articles: from the tables within the transaction of the purge, then from the write-ahead log.
//!
//! Deleted bytes do not stay in pages, because connections that write set `secure_delete`. The log still has earlier
//! versions of pages until it is truncated, which waits for reads in progress.

use std::collections::HashSet;
use std::time::Duration;

use prost::Message;
use rusqlite::{Connection, OptionalExtension};

use super::{key_table, original_table, read_table, story_tables};
use crate::article::{ArticleId, ArticleKey, CleanArticle, Digest, Facet, Key};
use crate::proto::Article;
use crate::store::StoreError;
use crate::store::enum_codes::{facet_number, time};
use crate::store::plan::text_keys;
use jiff::Timestamp;

/// Maximum wait of a truncation of the log for reads in progress. Writes wait for it too.
const LOG_WAIT: Duration = Duration::from_millis(50);
/// Wait of other statements for a lock: the driver's default.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Returns the purged article that had a text with this key.
pub(super) fn purged(connection: &Connection, key: &Key) -> rusqlite::Result<Option<ArticleId>> {
    let id: Option<String> = connection
        .prepare_cached("SELECT a.id FROM purged_keys k JOIN articles a ON a.key = k.article WHERE k.key = ?1")?
        .query_row([key.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(id.and_then(|id| id.parse().ok()))
}

/// Erases everything of an article but its last change, which has purged it. The keys of all its texts are kept, and
/// `keys`, which a copy brings along.
pub(super) fn erase(
    connection: &Connection,
    article: i64,
    position: i64,
    erased: &CleanArticle,
    keys: &[ArticleKey],
) -> rusqlite::Result<()> {
    let mut keys = keys.to_vec();
    keys.extend(text_keys(erased, digests(connection, article)?));
    key_table::give(connection, &keys, article)?;
    for ArticleKey { key, .. } in &keys {
        connection
            .prepare_cached("INSERT OR REPLACE INTO purged_keys (key, article) VALUES (?1, ?2)")?
            .execute((key.as_bytes(), article))?;
    }
    original_table::erase(connection, article)?;
    story_tables::erase(connection, article)?;
    read_table::erase(connection, article)?;
    let facets = facets(connection, article)?;
    connection
        .prepare_cached("UPDATE changes SET content = ?2 WHERE article = ?1 AND content IS NOT NULL")?
        .execute((article, erased.content()))?;
    connection
        .prepare_cached(
            "UPDATE changes SET reason = '', publish = NULL, expire = NULL WHERE article = ?1 AND position <> ?2",
        )?
        .execute((article, position))?;
    connection.prepare_cached("DELETE FROM requests WHERE article = ?1")?.execute([article])?;
    // Names of tags and authors are texts of the article too, unless another article has them.
    for facet in facets {
        connection
            .prepare_cached(
                "DELETE FROM facet_names WHERE kind = ?1 AND value = ?2
                 AND NOT EXISTS (SELECT 1 FROM facets f WHERE f.facet = facet_names.facet)",
            )?
            .execute((facet_number(facet.kind), facet.value))?;
    }
    Ok(())
}

fn digests(connection: &Connection, article: i64) -> rusqlite::Result<Vec<Digest>> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT digest FROM changes WHERE article = ?1")?;
    let digests = statement.query_map([article], |row| Ok(Digest(row.get(0)?)))?;
    digests.collect()
}

/// Returns the facets of all revisions of an article.
fn facets(connection: &Connection, article: i64) -> rusqlite::Result<HashSet<Facet>> {
    let mut statement =
        connection.prepare_cached("SELECT content FROM changes WHERE article = ?1 AND content IS NOT NULL")?;
    let mut rows = statement.query([article])?;
    let mut facets = HashSet::new();
    while let Some(row) = rows.next()? {
        facets.extend(Article::decode(row.get_ref(0)?.as_blob()?).iter().flat_map(Facet::of));
    }
    Ok(facets)
}

/// Returns the articles that were deleted before a time, earliest first, with their revisions.
pub(super) fn deleted_before(
    connection: &Connection,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<(ArticleId, i64)>, StoreError> {
    // The newest change of a deleted article is its deletion. Deletions are in the order of their positions, and nearly
    // in that of their times.
    let mut statement = connection.prepare_cached(
        "SELECT a.id, c.revision, c.time FROM articles a JOIN changes c ON c.position = a.position
         WHERE a.lifecycle = 2 ORDER BY a.position LIMIT ?1",
    )?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut deleted = Vec::new();
    while let Some(row) = rows.next()? {
        if time(row.get(2)?) < before {
            let id: String = row.get(0)?;
            deleted.push((id.parse().map_err(|_| StoreError::Damaged)?, row.get(1)?));
        }
    }
    Ok(deleted)
}

/// Truncates the write-ahead log. Returns false if reads in progress still need it.
pub(super) fn truncate_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(LOG_WAIT)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0));
    connection.busy_timeout(LOCK_WAIT)?;
    Ok(busy? == 0)
}
