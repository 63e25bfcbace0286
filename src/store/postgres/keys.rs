//! API keys, stored in the same database as the articles.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::breaker::Breaker;
use super::pool::Pool;
use super::{OpenError, PostgresOptions, migrate};
use crate::store::{KeyStore, Keys, StoreError, StoredKey};

/// Key store in a database.
pub struct PostgresKeys {
    pool: Arc<Pool>,
    _probing: Option<AbortOnDropHandle<()>>,
}

impl PostgresKeys {
    /// Opens the key store without the rest of the store, for the commands that manage keys.
    ///
    /// # Errors
    /// Fails if the database is unreachable, or its schema version does not match.
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        migrate::check(options).await?;
        let (breaker, probing) = Breaker::start(options);
        let pool = Pool::new(options, 1, &breaker)
            .map_err(|error| OpenError::Refused { address: options.address(), cause: error.to_string() })?;
        Ok(Self { pool: Arc::new(pool), _probing: Some(probing) })
    }

    /// Creates a key store that uses connections of the store.
    pub(super) fn over(pool: Arc<Pool>) -> Self {
        Self { pool, _probing: None }
    }
}

#[async_trait]
impl KeyStore for PostgresKeys {
    async fn keys(&self, known: Uuid) -> Result<Option<Keys>, StoreError> {
        // One statement, so that version and keys match; one row without a key if nothing has changed.
        let sql = "SELECT v.version, k.id, k.name, k.digest, k.scopes, k.rate, k.created, k.expires, k.revoked
            FROM copydesk.api_key_version v LEFT JOIN copydesk.api_keys k ON v.version <> $1 ORDER BY k.created, k.id";
        let rows = self.pool.query(sql, &[(&known, Type::UUID)]).await?;
        let version: Uuid = rows.first().and_then(|row| row.try_get(0).ok()).ok_or(StoreError::Internal)?;
        if version == known {
            return Ok(None);
        }
        let all = rows.iter().map(stored).filter_map(Result::transpose).collect::<Result<_, _>>().map_err(|error| {
            tracing::error!(%error, "table api_keys contains an invalid row");
            StoreError::Internal
        })?;
        Ok(Some(Keys { version, all }))
    }

    async fn add_key(&self, key: StoredKey) -> Result<(), StoreError> {
        let sql = "WITH changed AS (UPDATE copydesk.api_key_version SET version = $9)
            INSERT INTO copydesk.api_keys (id, name, digest, scopes, rate, created, expires, revoked)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let (version, digest) = (Uuid::now_v7(), key.digest.as_slice());
        let (created, expires) = (key.created.as_microsecond(), key.expires.map(Timestamp::as_microsecond));
        let revoked = key.revoked.map(Timestamp::as_microsecond);
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 9] = [
            (&key.id, Type::TEXT),
            (&key.name, Type::TEXT),
            (&digest, Type::BYTEA),
            (&key.scopes, Type::TEXT),
            (&key.rate, Type::TEXT),
            (&created, Type::INT8),
            (&expires, Type::INT8),
            (&revoked, Type::INT8),
            (&version, Type::UUID),
        ];
        self.pool.execute(sql, &params).await.map(drop)
    }

    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let sql = "WITH changed AS (UPDATE copydesk.api_key_version SET version = $3)
            UPDATE copydesk.api_keys SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
        let (at, version) = (at.as_microsecond(), Uuid::now_v7());
        let found = self.pool.execute(sql, &[(&id, Type::TEXT), (&at, Type::INT8), (&version, Type::UUID)]).await?;
        Ok(found > 0)
    }
}

fn stored(row: &Row) -> Result<Option<StoredKey>, Box<dyn std::error::Error + Send + Sync>> {
    let Some(id) = row.try_get(1)? else { return Ok(None) };
    let time = |micros: i64| Timestamp::from_microsecond(micros);
    Ok(Some(StoredKey {
        id,
        name: row.try_get(2)?,
        digest: row.try_get::<_, &[u8]>(3)?.try_into()?,
        scopes: row.try_get(4)?,
        rate: row.try_get(5)?,
        created: time(row.try_get(6)?)?,
        expires: row.try_get::<_, Option<i64>>(7)?.map(time).transpose()?,
        revoked: row.try_get::<_, Option<i64>>(8)?.map(time).transpose()?,
    }))
}
