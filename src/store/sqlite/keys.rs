//! API keys beside the embedded store, in a separate file `keys.db`, which `copydesk keys` may write while a server has
//! the folder open.
//!
//! Each use opens the file: it is small and rarely read, and a replaced file takes effect.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Row, params};
use uuid::Uuid;

use super::{OpenError, SqliteOptions};
use crate::files;
use crate::store::{KeyStore, Keys, StoreError, StoredKey};

const APPLICATION_ID: i64 = 0x6364_6b79; // "cdky"
const VERSION: i64 = 1;

/// Schema. Times are in microseconds since 1970.
const SCHEMA: &str = "
    CREATE TABLE keys (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL, scopes TEXT NOT NULL, rate TEXT NOT NULL,
        created INTEGER NOT NULL, expires INTEGER, revoked INTEGER
    );
    -- Another after each change.
    CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 0), version BLOB NOT NULL);
";

/// API keys of a folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteKeys {
    path: PathBuf,
}

impl SqliteKeys {
    /// Creates the file if it does not exist.
    ///
    /// # Errors
    /// If the folder is not accessible, or the file is newer or not ours.
    pub fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        files::create_folder(&options.dir).map_err(|cause| OpenError::Io { path: options.dir.clone(), cause })?;
        let path = options.dir.join("keys.db");
        files::create_file(&path).map_err(|cause| OpenError::Io { path: path.clone(), cause })?;
        let sqlite = |cause: rusqlite::Error| OpenError::sqlite(&path, &cause);
        let mut connection = Connection::open(&path).map_err(sqlite)?;
        match prepare(&mut connection).map_err(sqlite)? {
            VERSION => Ok(Self { path }),
            found if found > VERSION => Err(OpenError::Newer { path, found, known: VERSION }),
            _ => Err(OpenError::Damaged { path, what: "database of another program".into() }),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || work(&mut connect(&path)?)).await;
        // The task is not cancelled, and does not panic.
        done.map_err(|_ended| StoreError::Internal)?.map_err(StoreError::from)
    }
}

/// Opens the file. Does not create a missing one: an empty set of keys differs from keys that cannot be read.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Creates the schema in a new file. Returns the version of the schema, or 0 if the database is not ours.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    // If several processes open a new file at once, one of them creates the schema.
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.execute("INSERT INTO version VALUES (0, ?1)", [Uuid::now_v7().as_bytes().as_slice()])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = if pragma("application_id")? == APPLICATION_ID { pragma("user_version")? } else { 0 };
    transaction.commit()?;
    Ok(version)
}

#[async_trait]
impl KeyStore for SqliteKeys {
    async fn keys(&self, known: Uuid) -> Result<Option<Keys>, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let version = transaction.query_row("SELECT version FROM version", (), |row| {
                let bytes: Vec<u8> = row.get(0)?;
                Uuid::from_slice(&bytes).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
            })?;
            if version == known {
                return Ok(None);
            }
            let sql = "SELECT id, name, digest, scopes, rate, created, expires, revoked FROM keys ORDER BY created, id";
            let all = transaction.prepare(sql)?.query_map((), stored)?.collect::<Result<_, _>>()?;
            Ok(Some(Keys { version, all }))
        })
        .await
    }

    async fn add_key(&self, key: StoredKey) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    key.id,
                    key.name,
                    key.digest.as_slice(),
                    key.scopes,
                    key.rate,
                    key.created.as_microsecond(),
                    key.expires.map(Timestamp::as_microsecond),
                    key.revoked.map(Timestamp::as_microsecond)
                ],
            )?;
            changed(&transaction)?;
            transaction.commit()
        })
        .await
    }

    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let sql = "UPDATE keys SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
            let found = transaction.execute(sql, params![id, at.as_microsecond()])?;
            changed(&transaction)?;
            transaction.commit()?;
            Ok(found > 0)
        })
        .await
    }
}

fn changed(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE version SET version = ?1", [Uuid::now_v7().as_bytes().as_slice()]).map(drop)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    let invalid = |error: jiff::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let time = |micros: i64| Timestamp::from_microsecond(micros).map_err(invalid);
    Ok(StoredKey {
        id: row.get(0)?,
        name: row.get(1)?,
        digest: row.get(2)?,
        scopes: row.get(3)?,
        rate: row.get(4)?,
        created: time(row.get(5)?)?,
        expires: row.get::<_, Option<i64>>(6)?.map(time).transpose()?,
        revoked: row.get::<_, Option<i64>>(7)?.map(time).transpose()?,
    })
}
