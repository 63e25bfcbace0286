//! Sentinels, and a Redis that fails over to a replica that was behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::cache::{RedisCache, RedisOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Layer, Precondition, Store};
use copydesk::telemetry::RedisMetrics;

use crate::conformance::fixtures::{at, id, ingest, titled, update, write};
use crate::support::redis_server::RedisServer;

/// Reads until Redis answers. No read may return an older edition.
async fn cached(cache: &RedisCache, edition: i64) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let fetched = cache.get(&[id("a")], Consistency::Bounded).await.expect("no read fails").remove(0);
        assert_eq!(fetched.record.unwrap().revision, edition, "from {:?}", fetched.from);
        if fetched.from == Layer::Redis {
            return;
        }
        assert!(Instant::now() < until, "{:?}", cache.metrics());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_sentinel_failover_serves_no_stale_entry() {
    let mut primary = RedisServer::start();
    let replica = RedisServer::configured(&format!("replicaof 127.0.0.1 {}", primary.port));
    let sentinel = RedisServer::configured(&format!(
        "sentinel monitor news 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds news 500\n\
         sentinel failover-timeout news 3000",
        primary.port
    ));
    until("Sentinel knows the replica", || {
        sentinel.ask::<Vec<redis::Value>>(&["SENTINEL", "REPLICAS", "news"]).len() == 1
    })
    .await;

    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    write(&store, ingest("a", titled("edition 1"), at(0))).await.unwrap();
    // One of the Sentinels is unreachable.
    let url = format!("redis-sentinel://127.0.0.1:1,127.0.0.1:{}/news", sentinel.port);
    let mut options = RedisOptions::new(&url).unwrap();
    options.poll = Duration::from_millis(20);
    let cache = Arc::new(RedisCache::new(Arc::clone(&store), options, RedisMetrics::default()));
    cached(&cache, 1).await;
    let keys = |server: &RedisServer| server.ask::<Vec<String>>(&["KEYS", "*{a}"]);
    let old = keys(&primary);
    until("the replica has a copy", || {
        keys(&replica) == old && replica.ask::<String>(&["GETRANGE", &old[0], "0", "0"]) == "v"
    })
    .await;

    // The replica is cut off: it does not get the invalidation, and is promoted.
    let mut inside = primary.connect().unwrap();
    redis::cmd("CONFIG").arg(&["SET", "requirepass", "unknown"]).exec(&mut inside).unwrap();
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "replica"]).exec(&mut inside).unwrap();
    let front = Arc::clone(&cache) as Arc<dyn Store>;
    write(&front, update("a", titled("edition 2"), Precondition::None, at(1))).await.unwrap();
    cached(&cache, 2).await;
    assert_eq!(replica.ask::<String>(&["GETRANGE", &old[0], "0", "0"]), "v", "it got no invalidation");
    primary.kill();
    until("the replica is promoted", || replica.ask::<String>(&["INFO", "replication"]).contains("role:master")).await;
    assert_eq!(replica.ask::<String>(&["GETRANGE", &old[0], "0", "0"]), "v", "the stale entry exists");
    cached(&cache, 2).await;
    assert!(keys(&replica).iter().any(|key| !old.contains(key)), "a new generation");
}
