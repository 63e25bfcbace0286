//! The keys of articles: addresses and publishers' identifiers.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::reader::Reader;
use super::rows::{article_id, get};
use crate::article::{ArticleId, ArticleKey, Key};
use crate::store::StoreError;

/// Returns the stored form of a key: a `uuid` column takes 16 bytes, a `bytea` column 17.
pub(super) fn stored(key: &Key) -> Uuid {
    Uuid::from_bytes(*key.as_bytes())
}

/// Reads the articles that have these keys.
pub(super) async fn rows(client: &Client, keys: &BTreeSet<Key>) -> Result<Vec<Row>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Uuid> = keys.iter().map(stored).collect();
    let sql = "SELECT k.key, k.is_certain, a.id FROM copydesk.keys k
               JOIN copydesk.articles a ON a.key = k.article WHERE k.key = ANY($1)";
    client.query_typed(sql, &[(&keys, Type::UUID_ARRAY)]).await
}

/// Converts the rows of [`rows`].
pub(super) fn holders(rows: &[Row]) -> Result<HashMap<Key, (ArticleId, bool)>, StoreError> {
    let holder = |row| key(row).and_then(|found| Ok((found.key, (article_id(row, 2)?, found.is_certain))));
    rows.iter().map(holder).collect()
}

fn key(row: &Row) -> Result<ArticleKey, StoreError> {
    Ok(ArticleKey { key: Key::from_bytes(get::<Uuid>(row, 0)?.into_bytes()), is_certain: get(row, 1)? })
}

/// Reads the article that has a key.
pub(super) async fn lookup(reader: &impl Reader, key: &Key) -> Result<Option<ArticleId>, StoreError> {
    let sql = "SELECT a.id FROM copydesk.keys k JOIN copydesk.articles a ON a.key = k.article WHERE k.key = $1";
    let found = reader.query(sql, &[(&stored(key), Type::UUID)]).await?;
    found.first().map(|row| article_id(row, 0)).transpose()
}

/// Reads the keys of articles, in the order of `ids`.
pub(super) async fn of_articles(reader: &impl Reader, ids: &[ArticleId]) -> Result<Vec<Vec<ArticleKey>>, StoreError> {
    let names: Vec<&str> = ids.iter().map(ArticleId::as_str).collect();
    let sql = "SELECT k.key, k.is_certain, w.at FROM unnest($1) WITH ORDINALITY w(id, at)
               JOIN copydesk.articles a ON a.id = w.id JOIN copydesk.keys k ON k.article = a.key ORDER BY 1";
    let mut keys = vec![Vec::new(); ids.len()];
    for row in reader.query(sql, &[(&names, Type::TEXT_ARRAY)]).await? {
        let at = usize::try_from(get::<i64>(&row, 2)? - 1).map_err(|_| StoreError::Damaged)?;
        keys.get_mut(at).ok_or(StoreError::Damaged)?.push(key(&row)?);
    }
    Ok(keys)
}
