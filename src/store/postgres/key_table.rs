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

/// Reads the articles that have these keys, and the purged ones that had a text with one of `texts`.
pub(super) async fn rows(client: &Client, keys: &BTreeSet<Key>, texts: &BTreeSet<Key>) -> Result<Vec<Row>, Error> {
    if keys.is_empty() && texts.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Uuid> = keys.iter().map(stored).collect();
    let texts: Vec<Uuid> = texts.iter().map(stored).collect();
    let sql = "SELECT k.key, k.is_certain, a.id FROM copydesk.keys k
               JOIN copydesk.articles a ON a.key = k.article WHERE k.key = ANY($1)
               UNION ALL SELECT k.key, NULL, a.id FROM copydesk.purged_keys k
               JOIN copydesk.articles a ON a.key = k.article WHERE k.key = ANY($2)";
    client.query_typed(sql, &[(&keys, Type::UUID_ARRAY), (&texts, Type::UUID_ARRAY)]).await
}

/// Articles that have keys, and purged ones that had texts.
#[derive(Default)]
pub(super) struct Holders {
    /// By key, with true if the article does not merely claim it.
    pub(super) keys: HashMap<Key, (ArticleId, bool)>,
    /// By the key of the text.
    pub(super) purged: HashMap<Key, ArticleId>,
}

/// Converts the rows of [`rows`].
pub(super) fn holders(rows: &[Row]) -> Result<Holders, StoreError> {
    let mut holders = Holders::default();
    for row in rows {
        let (key, id) = (Key::from_bytes(get::<Uuid>(row, 0)?.into_bytes()), article_id(row, 2)?);
        match get(row, 1)? {
            Some(is_certain) => drop(holders.keys.insert(key, (id, is_certain))),
            None => drop(holders.purged.insert(key, id)),
        }
    }
    Ok(holders)
}

fn key(row: &Row) -> Result<ArticleKey, StoreError> {
    Ok(ArticleKey { key: Key::from_bytes(get::<Uuid>(row, 0)?.into_bytes()), is_certain: get(row, 1)? })
}

/// Reads the article that has each key, in the order of `keys`.
pub(super) async fn lookup(reader: &impl Reader, keys: &[Key]) -> Result<Vec<Option<ArticleId>>, StoreError> {
    let sql = "SELECT k.key, a.id FROM copydesk.keys k
               JOIN copydesk.articles a ON a.key = k.article WHERE k.key = ANY($1)";
    let keys: Vec<Uuid> = keys.iter().map(stored).collect();
    let mut holders = HashMap::with_capacity(keys.len());
    for row in reader.query(sql, &[(&keys, Type::UUID_ARRAY)]).await? {
        holders.insert(get::<Uuid>(&row, 0)?, article_id(&row, 1)?);
    }
    Ok(keys.iter().map(|key| holders.get(key).cloned()).collect())
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
