//! A database that fails over to a standby that was behind: lost changes are in no cache.

use std::sync::Arc;
use std::time::Duration;

use copydesk::cache::{LocalCache, RedisCache, RedisOptions};
use copydesk::store::postgres::PostgresOptions;
use copydesk::store::{Consistency, Layer, Precondition, Store};
use copydesk::telemetry::{CacheMetrics, RedisMetrics};

use crate::conformance::databases::{cache_options, open};
use crate::conformance::fixtures::{at, id, ingest, titled, update, write};
use crate::support::database::Cluster;
use crate::support::redis_server::RedisServer;

/// Reads until a cache answers with this revision.
async fn until(cache: &dyn Store, layer: Layer, revision: i64) {
    let reached = async {
        loop {
            if let Ok(read) = cache.get(&[id("ferry")], Consistency::Bounded).await {
                let record = read[0].record.as_ref().expect("it exists in both");
                if (read[0].from, record.revision) == (layer, revision) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let late = tokio::time::timeout(Duration::from_secs(20), reached).await.is_err();
    assert!(!late, "{layer:?} does not answer with revision {revision}");
}

/// Waits until a store detects its restarted database.
async fn answers(store: &Arc<dyn Store>) {
    let available = async {
        while store.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), available).await.expect("it answers again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_lost_changes_and_grew_again_is_a_new_feed() {
    let mut cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let server = RedisServer::start();
    let mut options = RedisOptions::new(&server.url()).unwrap();
    options.poll = Duration::from_millis(10);
    let store = open(database.options()).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let mut standby = cluster.standby();
    answers(&store).await;

    // Missing from the standby, and present in both caches.
    let redis = Arc::new(RedisCache::new(Arc::clone(&store), options.clone(), RedisMetrics::default()));
    let backing = Arc::clone(&redis) as Arc<dyn Store>;
    let local: Arc<dyn Store> =
        Arc::new(LocalCache::new(backing, cache_options(1_000), CacheMetrics::default()).await.unwrap());
    write(&local, update("ferry", titled("2, lost"), Precondition::None, at(1))).await.unwrap();
    until(&*redis, Layer::Redis, 2).await;
    until(&*local, Layer::Local, 2).await;

    // It takes over, and has more changes than the lost primary before any reader connects.
    standby.promote();
    let grown = open(PostgresOptions::new(&standby.url(&database.name)).unwrap()).await;
    for number in 0..5 {
        write(&grown, ingest(&format!("other-{number}"), titled("3"), at(2))).await.unwrap();
    }
    drop(grown);
    cluster.give_way_to(standby);
    until(&*redis, Layer::Redis, 1).await;
    until(&*local, Layer::Local, 1).await;
}

/// No replica saw the failover: Redis itself has the repaired position and the change at it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_started_after_the_failover_detects_it() {
    let mut cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let server = RedisServer::start();
    let options = RedisOptions::new(&server.url()).unwrap();
    let store = open(database.options()).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let mut standby = cluster.standby();
    answers(&store).await;
    let before = RedisCache::new(Arc::clone(&store), options.clone(), RedisMetrics::default());
    let through = update("ferry", titled("2, lost"), Precondition::None, at(1));
    before.write(vec![through]).await.remove(0).unwrap();
    until(&before, Layer::Redis, 2).await;
    drop(before);
    standby.promote();
    let grown = open(PostgresOptions::new(&standby.url(&database.name)).unwrap()).await;
    write(&grown, ingest("other", titled("3"), at(2))).await.unwrap();
    until(&RedisCache::new(grown, options, RedisMetrics::default()), Layer::Redis, 1).await;
}
