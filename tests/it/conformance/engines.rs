//! What the suite is run on.

use std::sync::Arc;
use std::time::Duration;

use copydesk::cache::{LocalCache, LocalCacheOptions};
use copydesk::store::Store;
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// A new store, and the folder that goes with it.
pub struct Engine {
    pub store: Arc<dyn Store>,
    _dir: TempDir,
}

/// The embedded engine.
pub async fn sqlite() -> Engine {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    Engine { store, _dir: dir }
}

/// The embedded engine behind a local cache.
pub async fn cached() -> Engine {
    let Engine { store, _dir } = sqlite().await;
    let options = LocalCacheOptions {
        bytes: 1 << 20,
        staleness_bound: Duration::from_secs(5),
        negative_ttl: Duration::from_secs(5),
        poll: Duration::from_millis(10),
    };
    let store = Arc::new(LocalCache::new(store, options).await.unwrap());
    Engine { store, _dir }
}
