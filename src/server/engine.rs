//! Store engines, and the operations that the server needs of any of them.

use std::sync::Arc;

use uuid::Uuid;

use super::StartError;
use crate::printable;
use crate::store::postgres::{PostgresKeys, PostgresOptions, PostgresStore, Standbys};
use crate::store::sqlite::{SqliteKeys, SqliteOptions, SqliteStore};
use crate::store::{KeyStore, Store, StoreError};
use crate::telemetry::{StandbyMetrics, StoreMetrics};

/// Store engine and its settings.
#[derive(Clone, Debug)]
pub enum StoreOptions {
    /// Embedded store.
    Sqlite(SqliteOptions),
    /// Database that several replicas share.
    Postgres(Box<PostgresOptions>),
}

impl StoreOptions {
    /// Opens the store without caches.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened.
    pub async fn open(&self) -> Result<Arc<dyn Store>, StartError> {
        Ok(Engine::open(self, StoreMetrics::default()).await?.store())
    }

    /// Opens the store as the target of a copy of the store with this feed. Nothing else opens it until
    /// [`CopyTarget::finish`].
    ///
    /// # Errors
    /// Returns an error if it cannot be opened, or holds an unfinished copy of another store.
    pub async fn open_for_copy(&self, from: Uuid) -> Result<CopyTarget, StartError> {
        Ok(CopyTarget(match self {
            Self::Sqlite(options) => Engine::Sqlite(Arc::new(SqliteStore::open_for_copy(options.clone(), from)?)),
            Self::Postgres(options) => {
                Engine::Postgres(Arc::new(PostgresStore::open_for_copy((**options).clone(), from).await?))
            }
        }))
    }

    /// Opens only the API keys, which works while a server uses the store.
    ///
    /// # Errors
    /// Returns an error if they cannot be opened.
    pub async fn keys(&self) -> Result<Arc<dyn KeyStore>, StartError> {
        Ok(match self {
            Self::Sqlite(options) => Arc::new(SqliteKeys::open(options)?),
            Self::Postgres(options) => Arc::new(PostgresKeys::open(options).await?),
        })
    }

    /// Returns the location of the store, for messages: a directory, or host, port and database.
    pub fn location(&self) -> String {
        match self {
            Self::Sqlite(options) => printable::path(&options.dir),
            Self::Postgres(options) => options.address(),
        }
    }

    /// Returns an error if the store is embedded and does not exist, for commands that must not create one.
    ///
    /// # Errors
    /// Returns an error that names the directory.
    pub fn must_exist(&self) -> Result<(), String> {
        match self {
            Self::Sqlite(options) if !SqliteStore::exists(&options.dir) => {
                Err(format!("there is no store in {}: see `data-dir`", printable::path(&options.dir)))
            }
            _ => Ok(()),
        }
    }

    /// Brings the schema up to date. Returns the location of the store for messages.
    ///
    /// # Errors
    /// Returns an error if the store cannot be opened, or was written by a newer version.
    pub async fn migrate(&self) -> Result<String, StartError> {
        match self {
            Self::Sqlite(options) => {
                SqliteStore::migrate(options.clone())?;
                Ok(printable::path(&options.dir))
            }
            Self::Postgres(options) => {
                PostgresStore::migrate(options).await?;
                Ok(options.address())
            }
        }
    }
}

/// Target of a copy. It is marked as unfinished.
pub struct CopyTarget(Engine);

impl CopyTarget {
    /// Returns the store to write to.
    pub fn store(&self) -> Arc<dyn Store> {
        self.0.store()
    }

    /// Removes the mark durably. All articles must have been written.
    ///
    /// # Errors
    /// Returns an error if the store does not answer.
    pub async fn finish(self) -> Result<(), StoreError> {
        match self.0 {
            Engine::Sqlite(store) => store.finish_copy(),
            Engine::Postgres(store) => store.finish_copy().await,
        }
    }
}

/// Open store.
#[derive(Clone)]
pub(super) enum Engine {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Engine {
    pub(super) async fn open(options: &StoreOptions, metrics: StoreMetrics) -> Result<Self, StartError> {
        Ok(match options {
            StoreOptions::Sqlite(options) => {
                Self::Sqlite(Arc::new(SqliteStore::open_with_metrics(options.clone(), metrics)?))
            }
            StoreOptions::Postgres(options) => {
                Self::Postgres(Arc::new(PostgresStore::open_with_metrics((**options).clone(), metrics).await?))
            }
        })
    }

    /// Returns the API keys that are stored beside the articles.
    pub(super) fn keys(&self, options: &StoreOptions) -> Result<Arc<dyn KeyStore>, StartError> {
        Ok(match (self, options) {
            (Self::Postgres(store), _) => Arc::new(store.keys()),
            (Self::Sqlite(_), StoreOptions::Sqlite(options)) => Arc::new(SqliteKeys::open(options)?),
            (Self::Sqlite(_), StoreOptions::Postgres(_)) => {
                unreachable!("the engine and the options are of different kinds")
            }
        })
    }

    /// Returns the database's standbys, if configured: in front of the caches, or of the store without caches.
    pub(super) async fn standbys(
        &self,
        options: &StoreOptions,
        cached: Option<Arc<dyn Store>>,
        metrics: StandbyMetrics,
    ) -> Result<Option<Standbys>, StartError> {
        let (Self::Postgres(primary), StoreOptions::Postgres(options)) = (self, options) else { return Ok(None) };
        let Some(options) = &options.standbys else { return Ok(None) };
        Ok(Some(match cached {
            Some(cached) => Standbys::before_caches(primary, cached, options, metrics).await?,
            None => Standbys::before_store(primary, options, metrics).await?,
        }))
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }
}
