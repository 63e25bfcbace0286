//! The engines: which there are, and what the rest of the server needs of one, whichever it is.

use std::sync::Arc;

use uuid::Uuid;

use super::StartError;
use crate::printable;
use crate::store::postgres::{PostgresKeys, PostgresOptions, PostgresStore, Standbys};
use crate::store::sqlite::{SqliteKeys, SqliteOptions, SqliteStore};
use crate::store::{KeyStore, Store, StoreError, StoreStats};

/// Which store, and how it is used.
#[derive(Clone, Debug)]
pub enum StoreOptions {
    /// The embedded one.
    Sqlite(SqliteOptions),
    /// A database that several replicas share.
    Postgres(Box<PostgresOptions>),
}

impl StoreOptions {
    /// Opens it, without caches and without serving.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(&self) -> Result<Arc<dyn Store>, StartError> {
        Ok(Engine::open(self).await?.store())
    }

    /// Opens it as the target of a copy of the store with this feed. Until [`CopyTarget::finish`] nothing else opens it.
    ///
    /// # Errors
    /// When it cannot be opened, or holds an unfinished copy of another store.
    pub async fn open_for_copy(&self, from: Uuid) -> Result<CopyTarget, StartError> {
        Ok(CopyTarget(match self {
            Self::Sqlite(options) => Engine::Sqlite(Arc::new(SqliteStore::open_for_copy(options.clone(), from)?)),
            Self::Postgres(options) => {
                Engine::Postgres(Arc::new(PostgresStore::open_for_copy((**options).clone(), from).await?))
            }
        }))
    }

    /// The API keys alone, which can be had while a server has the store.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub async fn keys(&self) -> Result<Arc<dyn KeyStore>, StartError> {
        Ok(match self {
            Self::Sqlite(options) => Arc::new(SqliteKeys::open(options)?),
            Self::Postgres(options) => Arc::new(PostgresKeys::open(options).await?),
        })
    }

    /// Brings the schema up to date. Answers where the store is, for people.
    ///
    /// # Errors
    /// When the store cannot be opened, or was written by a newer version.
    pub async fn migrate(&self) -> Result<String, StartError> {
        match self {
            Self::Sqlite(options) => {
                SqliteStore::migrate(options.clone())?;
                Ok(printable::path(&options.dir))
            }
            Self::Postgres(options) => {
                PostgresStore::migrate(options).await?;
                Ok(options.place())
            }
        }
    }
}

/// A store that a copy is made into. It is marked as unfinished.
pub struct CopyTarget(Engine);

impl CopyTarget {
    /// Returns the store to write to.
    pub fn store(&self) -> Arc<dyn Store> {
        self.0.store()
    }

    /// Removes the mark, durably. All articles must have been written.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn finish(self) -> Result<(), StoreError> {
        match self.0 {
            Engine::Sqlite(store) => store.finish_copy(),
            Engine::Postgres(store) => store.finish_copy().await,
        }
    }
}

/// An open store.
#[derive(Clone)]
pub(super) enum Engine {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Engine {
    pub(super) async fn open(options: &StoreOptions) -> Result<Self, StartError> {
        Ok(match options {
            StoreOptions::Sqlite(options) => Self::Sqlite(Arc::new(SqliteStore::open(options.clone())?)),
            StoreOptions::Postgres(options) => {
                Self::Postgres(Arc::new(PostgresStore::open((**options).clone()).await?))
            }
        })
    }

    /// The API keys that are kept beside the articles.
    pub(super) fn keys(&self, options: &StoreOptions) -> Result<Arc<dyn KeyStore>, StartError> {
        Ok(match (self, options) {
            (Self::Postgres(store), _) => Arc::new(store.keys()),
            (Self::Sqlite(_), StoreOptions::Sqlite(options)) => Arc::new(SqliteKeys::open(options)?),
            (Self::Sqlite(_), StoreOptions::Postgres(_)) => unreachable!("an engine is opened by its own options"),
        })
    }

    /// The database's standbys, if there are any: in front of the caches, or of the store where there are none.
    pub(super) async fn standbys(
        &self,
        options: &StoreOptions,
        cached: Option<Arc<dyn Store>>,
    ) -> Result<Option<Standbys>, StartError> {
        let (Self::Postgres(primary), StoreOptions::Postgres(options)) = (self, options) else { return Ok(None) };
        let Some(options) = &options.standbys else { return Ok(None) };
        Ok(Some(match cached {
            Some(cached) => Standbys::before_caches(primary, cached, options).await?,
            None => Standbys::before_store(primary, options).await?,
        }))
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    pub(super) fn stats(&self) -> StoreStats {
        match self {
            Self::Sqlite(store) => store.stats(),
            Self::Postgres(store) => store.stats(),
        }
    }
}
