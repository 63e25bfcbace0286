//! The keys of articles: addresses and publishers' identifiers.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::article::{ArticleId, ArticleKey, Key};
use crate::store::StoreError;

/// Returns the article that has a key, and whether it does not merely claim it.
pub(super) fn article(connection: &Connection, key: &Key) -> rusqlite::Result<Option<(i64, bool)>> {
    connection
        .prepare_cached("SELECT article, is_certain FROM keys WHERE key = ?1")?
        .query_row([key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Gives keys to an article, also those that another one has.
pub(super) fn give(connection: &Connection, keys: &[ArticleKey], article: i64) -> rusqlite::Result<()> {
    for ArticleKey { key, is_certain } in keys {
        connection
            .prepare_cached("INSERT OR REPLACE INTO keys (key, article, is_certain) VALUES (?1, ?2, ?3)")?
            .execute((key.as_bytes(), article, is_certain))?;
    }
    Ok(())
}

/// Gives all keys of an article to another one.
pub(super) fn give_all(connection: &Connection, from: i64, to: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE keys SET article = ?2 WHERE article = ?1")?.execute((from, to))?;
    Ok(())
}

/// Returns the ID of the article that has a key.
pub(super) fn lookup(connection: &Connection, key: &Key) -> Result<Option<ArticleId>, StoreError> {
    let id: Option<String> = connection
        .prepare_cached("SELECT a.id FROM keys k JOIN articles a ON a.key = k.article WHERE k.key = ?1")?
        .query_row([key.as_bytes()], |row| row.get(0))
        .optional()?;
    id.map(|id| id.parse().map_err(|_| StoreError::Damaged)).transpose()
}

/// Returns the keys of an article.
pub(super) fn of_article(connection: &Connection, id: &ArticleId) -> Result<Vec<ArticleKey>, StoreError> {
    let sql = "SELECT k.key, k.is_certain FROM keys k JOIN articles a ON a.key = k.article WHERE a.id = ?1 ORDER BY 1";
    let mut statement = connection.prepare_cached(sql)?;
    let key = |row: &Row<'_>| Ok(ArticleKey { key: Key::from_bytes(row.get(0)?), is_certain: row.get(1)? });
    let keys = statement.query_map([id.as_str()], key)?;
    Ok(keys.collect::<Result<_, _>>()?)
}
