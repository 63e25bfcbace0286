//! The local cache and the repair of Redis follow one feed, each at its own pace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::cache::{LocalCache, LocalCacheOptions, RedisCache, RedisOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Layer, Precondition, Store};
use copydesk::telemetry::{CacheMetrics, RedisMetrics};

use crate::conformance::fixtures::{at, id, ingest, titled, update, write};
use crate::split_store::SplitStore;
use crate::support::redis_server::RedisServer;

/// Long enough to have no effect here.
const BOUND: Duration = Duration::from_secs(300);

struct Desk {
    store: Arc<dyn Store>,
    /// The store behind Redis.
    backing: Arc<SplitStore>,
    redis: Arc<RedisCache>,
    _dir: tempfile::TempDir,
}

fn desk() -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let backing = SplitStore::new(&store, &store);
    let mut options = RedisOptions::new(&RedisServer::shared().url()).unwrap();
    options.staleness_bound = BOUND;
    options.poll = Duration::from_millis(20);
    let redis = Arc::new(RedisCache::new(Arc::clone(&backing) as Arc<dyn Store>, options, RedisMetrics::default()));
    Desk { store, backing, redis, _dir: dir }
}

async fn local(store: Arc<dyn Store>, bytes: u64) -> LocalCache {
    let (negative_ttl, poll) = (Duration::from_secs(5), Duration::from_millis(20));
    let options = LocalCacheOptions { bytes, staleness_bound: BOUND, negative_ttl, poll };
    LocalCache::new(store, options, CacheMetrics::default()).await.unwrap()
}

async fn read(store: &dyn Store, name: &str) -> (i64, Layer) {
    let fetched = store.get(&[id(name)], Consistency::Bounded).await.unwrap().remove(0);
    (fetched.record.expect("it exists").revision, fetched.from)
}

async fn correct(store: &Arc<dyn Store>, name: &str, edition: i64) {
    let article = titled(&format!("edition {edition}"));
    write(store, update(name, article, Precondition::None, at(edition))).await.unwrap();
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The local cache has dropped an article, and will get no further invalidation; Redis has not been repaired. Its
/// stale entry must not come back, because it would stay.
#[tokio::test]
async fn dropped_entries_do_not_return_from_redis() {
    let desk = desk();
    write(&desk.store, ingest("a", titled("edition 1"), at(1))).await.unwrap();
    // The local cache follows immediately, even while the repair of Redis is held back.
    let front = SplitStore::new(&(Arc::clone(&desk.redis) as Arc<dyn Store>), &desk.store);
    let local = local(front, 1 << 20).await;
    until("Redis answers", async || read(&*desk.redis, "a").await == (1, Layer::Redis)).await;
    assert_eq!(read(&local, "a").await.0, 1);
    desk.backing.hold(true);
    let before = local.metrics().invalidations.get();
    correct(&desk.store, "a", 2).await;
    until("the local cache hears", async || local.metrics().invalidations.get() > before).await;
    assert_eq!(read(&*desk.redis, "a").await, (1, Layer::Redis), "Redis is not repaired");
    assert_eq!(read(&local, "a").await, (2, Layer::Store));
    desk.backing.hold(false);
    until("the keeper hears", async || read(&*desk.redis, "a").await == (2, Layer::Redis)).await;
    assert_eq!(read(&local, "a").await, (2, Layer::Local));
}

/// One article is written repeatedly; reads of another, which does not fit in the local cache, are still answered by
/// Redis.
#[tokio::test]
async fn redis_serves_other_articles_during_steady_writes() {
    const WRITES: i64 = 200;
    let desk = desk();
    for name in ["busy", "other"] {
        write(&desk.store, ingest(name, titled("edition 1"), at(1))).await.unwrap();
    }
    let local = local(Arc::clone(&desk.redis) as Arc<dyn Store>, 1).await;
    until("Redis answers", async || read(&local, "other").await == (1, Layer::Redis)).await;
    let read_before = desk.backing.gets();
    for edition in 2..2 + WRITES {
        let before = local.metrics().invalidations.get();
        correct(&desk.store, "busy", edition).await;
        // From then on the local cache requires a fresher position than that change.
        until("the local cache gets the invalidation", async || local.metrics().invalidations.get() > before).await;
        assert_eq!(read(&local, "other").await.0, 1);
    }
    let from_store = desk.backing.gets() - read_before;
    println!("{from_store} of {WRITES} reads went to the store");
    assert!(from_store < WRITES as u64 / 4, "{from_store} of {WRITES} reads went to the store");
}
