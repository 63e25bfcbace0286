//! Engines and decorators that the suite runs on.

use std::sync::Arc;
use std::time::Duration;

use copydesk::cache::{LocalCache, LocalCacheOptions, RedisCache, RedisOptions};
use copydesk::store::Store;
use copydesk::store::postgres::{PostgresStore, StandbyOptions, Standbys};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::telemetry::{CacheMetrics, RedisMetrics, StandbyMetrics};
use tempfile::TempDir;

use crate::pgbouncer::PgBouncer;
use crate::redis_nodes::RedisCluster;
use crate::standby_catch_up::StandbyCatchUp;
use crate::support::database::{Cluster, Database};
use crate::support::redis_server::RedisServer;

/// A new store with its folder or database.
pub struct Engine {
    pub store: Arc<dyn Store>,
    _storage: Storage,
}

enum Storage {
    Folder { _dir: TempDir },
    Database { _database: Database },
}

/// The embedded engine.
pub async fn sqlite() -> Engine {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    Engine { store, _storage: Storage::Folder { _dir: dir } }
}

/// The shared engine, on its own database.
pub async fn postgres() -> Engine {
    let database = Cluster::shared().database().await;
    // With the template's feed ID, tests that share a Redis would find each other's articles there.
    let client = database.client().await;
    client.execute("UPDATE copydesk.feed SET id = gen_random_uuid()", &[]).await.unwrap();
    let store = Arc::new(PostgresStore::open(database.options()).await.unwrap());
    Engine { store, _storage: Storage::Database { _database: database } }
}

/// The shared engine, read from a standby that has replayed all writes.
pub async fn postgres_standby() -> Engine {
    let (primary, standby) = Cluster::shared_pair();
    let database = primary.database().await;
    let store = Arc::new(PostgresStore::open(database.options()).await.unwrap());
    let options = StandbyOptions {
        servers: vec![database.at_standby(standby)],
        staleness_bound: Duration::from_secs(20),
        poll: Duration::from_millis(5),
    };
    let standbys = Arc::new(Standbys::before_store(&store, &options, StandbyMetrics::default()).await.unwrap());
    Engine { store: Arc::new(StandbyCatchUp::new(standbys)), _storage: Storage::Database { _database: database } }
}

/// The embedded engine behind a local cache.
pub async fn cached() -> Engine {
    behind_a_cache(sqlite().await).await
}

/// The same through pgbouncer, where each transaction may use another server process.
pub async fn postgres_pooled() -> Engine {
    let database = Cluster::shared().database().await;
    let store = Arc::new(PostgresStore::open(PgBouncer::shared().options(&database)).await.unwrap());
    Engine { store, _storage: Storage::Database { _database: database } }
}

/// The shared engine behind a local cache.
pub async fn postgres_cached() -> Engine {
    behind_a_cache(postgres().await).await
}

/// The embedded engine behind Redis.
pub async fn sqlite_redis() -> Engine {
    behind_redis(sqlite().await, &RedisServer::shared().url())
}

/// The embedded engine behind a Redis Cluster.
pub async fn sqlite_cluster() -> Engine {
    behind_redis(sqlite().await, &RedisCluster::shared().url())
}

/// As in production: the shared engine behind Redis, behind a local cache.
pub async fn postgres_redis_cached() -> Engine {
    behind_a_cache(behind_redis(postgres().await, &RedisServer::shared().url())).await
}

fn behind_redis(Engine { store, _storage }: Engine, url: &str) -> Engine {
    let mut options = RedisOptions::new(url).unwrap();
    options.staleness_bound = Duration::from_secs(5);
    options.poll = Duration::from_millis(10);
    Engine { store: Arc::new(RedisCache::new(store, options, RedisMetrics::default())), _storage }
}

async fn behind_a_cache(Engine { store, _storage }: Engine) -> Engine {
    let options = LocalCacheOptions {
        bytes: 1 << 20,
        staleness_bound: Duration::from_secs(5),
        negative_ttl: Duration::from_secs(5),
        poll: Duration::from_millis(10),
    };
    let store = Arc::new(LocalCache::new(store, options, CacheMetrics::default()).await.unwrap());
    Engine { store, _storage }
}
