//! Databases that stop, stall, or lose data.

use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::article::Position;
use copydesk::cache::LocalCache;
use copydesk::store::postgres::{OpenError, PostgresOptions, PostgresStore};
use copydesk::store::{Consistency, Layer, Store, StoreError, WriteError};
use copydesk::telemetry::CacheMetrics;

use super::databases::{cache_options, hold, open, waiting};
use super::fixtures::{at, get, id, ingest, titled, write};
use super::indexes::Index;
use crate::support::database::Cluster;

#[tokio::test]
async fn calls_fail_fast_during_an_outage_and_recovery_is_automatic() {
    let mut cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let store = open(database.options()).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let index = Index::of(&store).await;
    let cache: Arc<dyn Store> =
        Arc::new(LocalCache::new(Arc::clone(&store), cache_options(700), CacheMetrics::default()).await.unwrap());
    let cached = async || cache.get(&[id("ferry")], Consistency::Bounded).await.map(|mut read| read.remove(0).from);
    while cached().await != Ok(Layer::Local) {}
    // A write in flight when the server dies has an unknown outcome, so it must not succeed.
    let held = hold(&database, "facets").await;
    let article = copydesk::proto::Article { tags: vec!["sea".into()], ..titled("2") };
    let under_way = tokio::spawn({
        let (store, late) = (Arc::clone(&store), ingest("late", article, at(1)));
        async move { write(&store, late).await }
    });
    waiting(&database, 1).await;
    let crashed = Instant::now();
    cluster.crash();
    drop(held);
    // Cached articles are served until they may be older than the staleness bound.
    if crashed.elapsed() < Duration::from_millis(300) {
        assert_eq!(cached().await, Ok(Layer::Local));
    }
    let answer = under_way.await.unwrap();
    assert!(matches!(answer, Err(WriteError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    let began = Instant::now();
    let read = store.get(&[id("ferry")], Consistency::Full).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let written = write(&store, ingest("none", titled("3"), at(2))).await;
    assert!(matches!(written, Err(WriteError::Store(StoreError::Unavailable(_)))), "{written:?}");
    assert!(store.ping().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(matches!(cached().await, Err(StoreError::Unavailable(_))));
    // The index needs no database.
    assert_eq!(index.search("1", at(4)).await.len(), 1);
    cluster.resume();
    // The store reconnects as soon as it detects the server.
    let back = async { while store.ping().await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("the store reconnects");
    assert_eq!(get(&store, "ferry").await.unwrap().revision, 1);
    assert!(get(&store, "late").await.is_none() && get(&store, "none").await.is_none());
    let written = write(&store, ingest("after", titled("4"), at(3))).await.unwrap();
    assert_eq!(written.record.token.position, Position::of(2));
    index.catch_up().await;
    assert_eq!(index.search("4", at(4)).await.len(), 1);
    let trusted = async { while cached().await != Ok(Layer::Local) {} };
    tokio::time::timeout(Duration::from_secs(5), trusted).await.expect("the cache is trusted again");
}

#[tokio::test]
async fn a_cancelled_read_leaves_nothing_behind() {
    let database = Cluster::shared().database().await;
    let mut options = database.options();
    options.connections = 1;
    options.statement_timeout = Duration::from_secs(1);
    let store = open(options).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let holder = database.client().await;
    holder.batch_execute("BEGIN; LOCK TABLE copydesk.texts").await.unwrap();
    // A statement whose caller leaves, and one that takes too long.
    let left = tokio::time::timeout(Duration::from_millis(50), store.get(&[id("ferry")], Consistency::Full)).await;
    assert!(left.is_err());
    let late = store.get(&[id("ferry")], Consistency::Full).await;
    assert_eq!(late.err(), Some(StoreError::Unavailable("it took too long")));
    // A separate connection: within a transaction, the server's statistics do not change.
    let onlooker = database.client().await;
    let stopped = async {
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%a.id = ANY%'
             AND state = 'active' AND pid <> pg_backend_pid()";
        while onlooker.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("the database canceled the statements");
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(get(&store, "ferry").await.unwrap().revision, 1);
}

/// As after a failover to a standby that lacked the newest changes.
#[tokio::test]
async fn a_truncated_feed_is_detected() {
    let database = Cluster::shared().database().await;
    let store = open(database.options()).await;
    let cache: Arc<dyn Store> =
        Arc::new(LocalCache::new(Arc::clone(&store), cache_options(5_000), CacheMetrics::default()).await.unwrap());
    write(&cache, ingest("ferry", titled("1"), at(0))).await.unwrap();
    write(&cache, ingest("ferry", titled("2"), at(1))).await.unwrap();
    let read = async || cache.get(&[id("ferry")], Consistency::Bounded).await.unwrap().remove(0);
    let cached = async {
        while read().await.from != Layer::Local {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), cached).await.expect("the article is cached");
    assert_eq!(read().await.record.unwrap().revision, 2);
    let client = database.client().await;
    client
        .batch_execute(
            "BEGIN; DELETE FROM copydesk.changes WHERE position = 2; UPDATE copydesk.feed SET position = 1;
             UPDATE copydesk.articles SET position = 1, revision = 1; COMMIT",
        )
        .await
        .unwrap();
    let noticed = async {
        while read().await.record.unwrap().revision != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), noticed).await.expect("the cache is cleared");
    assert_eq!(store.changes(Position::of(2), 10).await.err(), Some(StoreError::UnknownPosition));
    assert_eq!(store.changed_ids(Position::of(2).into(), 10).await.err(), Some(StoreError::UnknownPosition));
}

#[tokio::test]
async fn connecting_to_an_unresponsive_server_times_out() {
    // A port that accepts connections, without a server.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = PostgresOptions::new(&format!("postgres://desk@{}/news", silent.local_addr().unwrap())).unwrap();
    options.connect_timeout = Duration::from_millis(200);
    let began = Instant::now();
    let refused = PostgresStore::open(options).await.err().unwrap();
    assert!(matches!(&refused, OpenError::Refused { .. }), "{refused:?}");
    assert!(refused.to_string().ends_with("it does not answer"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn the_writable_one_of_several_hosts_is_used() {
    let database = Cluster::shared().database().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let several = database.url.replacen('@', &format!("@{closed},"), 1);
    let store = open(PostgresOptions::new(&several).unwrap()).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let client = database.client().await;
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    client.batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.unwrap();
    // Like a standby.
    assert!(matches!(PostgresStore::open(database.options()).await, Err(OpenError::Refused { .. })));
}
