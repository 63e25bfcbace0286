//! Redis in front of a store, with failures of Redis: no read fails, and none is older than the bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use copydesk::article::{ArticleId, Position};
use copydesk::cache::{LocalCache, LocalCacheOptions, RedisCache, RedisOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Fetched, Layer, Precondition, Store};
use copydesk::telemetry::{CacheMetrics, RedisMetrics};

use crate::conformance::fixtures::{at, id, ingest, titled, update, write};
use crate::support::redis_server::RedisServer;

const BOUND: Duration = Duration::from_secs(1);

/// A store, and a replica's cache in front of it.
struct Desk {
    store: Arc<dyn Store>,
    cache: Arc<RedisCache>,
    redis: RedisServer,
    _dir: tempfile::TempDir,
}

fn options(redis: &RedisServer) -> RedisOptions {
    let mut options = RedisOptions::new(&redis.url()).unwrap();
    options.staleness_bound = BOUND;
    options.poll = Duration::from_millis(20);
    options
}

async fn desk() -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let redis = RedisServer::start();
    let cache = Arc::new(RedisCache::new(Arc::clone(&store), options(&redis), RedisMetrics::default()));
    let desk = Desk { store, cache, redis, _dir: dir };
    write(&desk.store, ingest("a", titled("edition 1"), at(0))).await.unwrap();
    desk.cached("a").await;
    desk
}

/// Opens a store, once its previous owner has released it.
async fn open(dir: &std::path::Path) -> Arc<dyn Store> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match SqliteStore::open(SqliteOptions::new(dir)) {
            Ok(store) => return Arc::new(store),
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Desk {
    fn front(&self) -> Arc<dyn Store> {
        Arc::clone(&self.cache) as Arc<dyn Store>
    }

    /// Waits until Redis answers for an article. Returns its revision.
    async fn cached(&self, name: &str) -> i64 {
        cached(&self.cache, name).await
    }

    /// Writes a correction without an invalidation, as if the writer had died.
    async fn correct_unheard(&self, edition: u32) -> Position {
        correct(&self.store, edition).await
    }

    /// Returns every key of the article `a`.
    fn keys(&self) -> Vec<String> {
        self.redis.ask(&["KEYS", "*{a}"])
    }
}

async fn cached(cache: &RedisCache, name: &str) -> i64 {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let fetched = read(cache, name, Consistency::Bounded).await;
        if fetched.from == Layer::Redis {
            return fetched.record.map_or(0, |record| record.revision);
        }
        assert!(Instant::now() < until, "Redis does not answer: {:?}", cache.metrics());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn correct(store: &Arc<dyn Store>, edition: u32) -> Position {
    let article = titled(&format!("edition {edition}"));
    let written = write(store, update("a", article, Precondition::None, at(i64::from(edition)))).await.unwrap();
    assert_eq!(written.record.revision, i64::from(edition));
    written.record.token.position
}

async fn read(store: &dyn Store, name: &str, consistency: Consistency) -> Fetched {
    store.get(&[id(name)], consistency).await.expect("no read fails").remove(0)
}

async fn revision(store: &dyn Store, consistency: Consistency) -> (i64, Layer) {
    let fetched = read(store, "a", consistency).await;
    (fetched.record.expect("it exists").revision, fetched.from)
}

#[tokio::test]
async fn redis_returns_entries_that_the_store_filled() {
    let desk = desk().await;
    assert_eq!(revision(&*desk.cache, Consistency::Full).await, (1, Layer::Store));
    assert_eq!(desk.cached("none").await, 0);
    write(&desk.front(), ingest("none", titled("now there is"), at(2))).await.unwrap();
    tokio::time::sleep(BOUND).await;
    assert_eq!(desk.cached("none").await, 1);
    let ids: Vec<ArticleId> = ["a", "b", "none", "a", "c"].map(id).into();
    let batch = desk.cache.get(&ids, Consistency::Bounded).await.unwrap();
    let found: Vec<Option<&str>> =
        batch.iter().map(|one| one.record.as_ref().map(|record| record.id.as_str())).collect();
    assert_eq!(found, [Some("a"), None, Some("none"), Some("a"), None]);
    let mut whole = read(&*desk.cache, "a", Consistency::Bounded).await;
    while whole.from != Layer::Redis {
        desk.cached("a").await;
        whole = read(&*desk.cache, "a", Consistency::Bounded).await;
    }
    let stored = read(&*desk.store, "a", Consistency::Full).await;
    assert_eq!(format!("{:?}", whole.record), format!("{:?}", stored.record), "to the byte");
}

#[tokio::test]
async fn reads_at_a_position_fall_back_to_the_store() {
    let desk = desk().await;
    for edition in 2..40 {
        let position = desk.correct_unheard(edition).await;
        assert_eq!(revision(&*desk.cache, Consistency::AtLeast(position)).await.0, i64::from(edition));
    }
    // Without a position, any revision within the bound may be served.
    tokio::time::sleep(BOUND).await;
    assert_eq!(desk.cached("a").await, 39);
}

#[tokio::test]
async fn missing_invalidations_of_a_dead_writer_are_repaired() {
    let desk = desk().await;
    let other = RedisCache::new(Arc::clone(&desk.store), options(&desk.redis), RedisMetrics::default());
    assert_eq!(cached(&other, "a").await, 1);
    for edition in 2..6 {
        desk.correct_unheard(edition).await;
        tokio::time::sleep(BOUND).await;
        for replica in [&*desk.cache, &other] {
            assert_eq!(revision(replica, Consistency::Bounded).await.0, i64::from(edition));
        }
    }
}

#[tokio::test]
async fn a_starting_replica_repairs_missed_invalidations() {
    let Desk { store, cache, redis, _dir } = desk().await;
    drop(cache);
    tokio::time::sleep(Duration::from_millis(100)).await;
    correct(&store, 2).await;
    let cache = RedisCache::new(store, options(&redis), RedisMetrics::default());
    assert_eq!(cached(&cache, "a").await, 2);
}

#[tokio::test]
async fn a_store_restored_from_backup_ignores_newer_cache_entries() {
    let Desk { store, cache, redis, _dir } = desk().await;
    drop((store, cache));
    let backup = tempfile::tempdir().unwrap();
    // Closing it has merged everything into one file.
    drop(open(_dir.path()).await);
    std::fs::copy(_dir.path().join("articles.db"), backup.path().join("articles.db")).unwrap();
    let store = open(_dir.path()).await;
    correct(&store, 2).await;
    let cache = RedisCache::new(Arc::clone(&store), options(&redis), RedisMetrics::default());
    assert_eq!(cached(&cache, "a").await, 2);
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop((store, cache));
    let cache = RedisCache::new(open(backup.path()).await, options(&redis), RedisMetrics::default());
    assert_eq!(cached(&cache, "a").await, 1);
}

#[tokio::test]
async fn a_redis_flush_admits_no_stale_entry() {
    let desk = desk().await;
    for edition in 2..20 {
        let position = desk.correct_unheard(edition).await;
        desk.redis.ask::<()>(&["FLUSHALL"]);
        for _ in 0..20 {
            let (found, from) = revision(&*desk.cache, Consistency::AtLeast(position)).await;
            assert_eq!(found, i64::from(edition), "from {from:?}");
        }
    }
    assert_eq!(desk.cached("a").await, 19);
}

/// Reads go to the store while Redis is unavailable, until the breaker opens and for a while after.
async fn unhelped(desk: &Desk, edition: i64) {
    let until = Instant::now() + Duration::from_secs(60);
    let mut after = 0;
    while after < 100 {
        assert!(Instant::now() < until, "{:?}", desk.cache.metrics());
        assert_eq!(revision(&*desk.cache, Consistency::Bounded).await, (edition, Layer::Store));
        after += usize::from(desk.cache.metrics().breaker_open.get() == 1);
    }
}

#[tokio::test]
async fn reads_succeed_while_redis_is_killed() {
    let mut desk = desk().await;
    desk.redis.kill();
    desk.correct_unheard(2).await;
    unhelped(&desk, 2).await;
    desk.redis.resume();
    assert_eq!(desk.cached("a").await, 2);
}

#[tokio::test]
async fn a_frozen_redis_serves_no_stale_entry_after_it_resumes() {
    let desk = desk().await;
    for edition in 2..5 {
        desk.redis.freeze();
        // The invalidation fails: the response to the write does not wait until Redis thaws.
        correct(&desk.front(), edition).await;
        unhelped(&desk, i64::from(edition)).await;
        desk.redis.thaw();
        assert_eq!(desk.cached("a").await, i64::from(edition));
    }
}

#[tokio::test]
async fn a_demoted_redis_is_not_used() {
    let desk = desk().await;
    desk.redis.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
    desk.correct_unheard(2).await;
    let until = Instant::now() + Duration::from_secs(60);
    while desk.cache.metrics().breaker_open.get() == 0 {
        assert!(Instant::now() < until, "{:?}", desk.cache.metrics());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(revision(&*desk.cache, Consistency::Bounded).await, (2, Layer::Store));
    let before = desk.keys();
    desk.redis.ask::<()>(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(desk.cached("a").await, 2);
    assert!(desk.keys().iter().any(|key| !before.contains(key)), "its data may be stale: a new generation");
}

#[tokio::test]
async fn malformed_entries_are_misses() {
    let desk = desk().await;
    let key = desk.keys().remove(0);
    let good: Vec<u8> = desk.redis.ask(&["GET", &key]);
    let zeros = "0".repeat(40);
    let mut malformed: Vec<Vec<u8>> =
        vec![Vec::new(), b"v".to_vec(), b"i".to_vec(), b"nonsense".to_vec(), vec![0xff; 5_000]];
    malformed.push(good[..good.len() - 1].to_vec());
    malformed.push([&good[..], b"x"].concat());
    malformed.push([&good[..41], b"\xff", &good[42..]].concat());
    malformed.push(format!("i{zeros}{}", "x".repeat(48)).into_bytes());
    malformed.push(format!("v{}", "9".repeat(200)).into_bytes());
    let mut foreign = 0;
    for entry in malformed {
        desk.redis.ask::<()>(&[b"SET", key.as_bytes(), &entry]);
        assert_eq!(revision(&*desk.cache, Consistency::Bounded).await, (1, Layer::Store));
        assert_eq!(desk.cached("a").await, 1);
        foreign = desk.cache.metrics().foreign.get();
    }
    assert!(foreign >= 9, "{foreign}");
    desk.redis.ask::<()>(&["DEL", &key]);
    desk.redis.ask::<()>(&["RPUSH", &key, "of another type"]);
    assert_eq!(revision(&*desk.cache, Consistency::Bounded).await, (1, Layer::Store));
    desk.redis.ask::<()>(&["DEL", &key]);
    desk.redis.ask::<()>(&["RPUSH", &key, "of another type"]);
    desk.correct_unheard(2).await;
    assert_eq!(desk.cached("a").await, 2);
    desk.redis.ask::<()>(&["SCRIPT", "FLUSH"]);
    desk.correct_unheard(3).await;
    tokio::time::sleep(BOUND).await;
    assert_eq!(desk.cached("a").await, 3, "forgotten scripts are loaded again");
}

/// Then entries are claimed without a prior read.
#[tokio::test]
async fn at_a_low_hit_ratio_entries_are_found_and_malformed_ones_replaced() {
    let desk = desk().await;
    for number in 0..200 {
        let missing = read(&*desk.cache, &format!("none-{number}"), Consistency::Bounded).await;
        assert_eq!((missing.record.is_none(), missing.from), (true, Layer::Store));
        if number % 4 == 0 {
            assert_eq!(revision(&*desk.cache, Consistency::Bounded).await, (1, Layer::Redis));
        }
    }
    let metrics = desk.cache.metrics();
    let (foreign, misses, hits) = (metrics.foreign.get(), metrics.misses.get(), metrics.hits.get());
    let key = desk.keys().remove(0);
    let _: String = desk.redis.ask(&["SET", &key, "v which it is not"]);
    assert_eq!(revision(&*desk.cache, Consistency::Bounded).await, (1, Layer::Store));
    assert_eq!(desk.cached("a").await, 1);
    assert_eq!(metrics.foreign.get(), foreign + 1);
    assert!(metrics.misses.get() > misses && metrics.hits.get() > hits);
    correct(&desk.front(), 2).await;
    assert_eq!(desk.cached("a").await, 2);
}

#[tokio::test]
async fn a_full_redis_fails_no_read() {
    let desk = desk().await;
    desk.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    for edition in 2..6 {
        correct(&desk.front(), edition).await;
        tokio::time::sleep(BOUND).await;
        assert_eq!(revision(&*desk.cache, Consistency::Bounded).await.0, i64::from(edition));
    }
    desk.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(desk.cached("a").await, 5);
}

/// Two replicas, each with a local cache, and a writer that sends only half of the invalidations; Redis is flushed,
/// and frozen, in between. No read is older than the bound, and in the end both have everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_agree_within_the_bound_despite_lost_invalidations() {
    const ARTICLES: usize = 8;
    const CHANGES: usize = 600;
    let Desk { store, cache, redis, _dir } = desk().await;
    let local = LocalCacheOptions {
        bytes: 1 << 20,
        staleness_bound: BOUND,
        negative_ttl: Duration::from_secs(5),
        poll: Duration::from_millis(20),
    };
    let other = Arc::new(RedisCache::new(Arc::clone(&store), options(&redis), RedisMetrics::default()));
    let mut replicas: Vec<Arc<dyn Store>> = Vec::new();
    for cache in [cache, other] {
        replicas.push(Arc::new(
            LocalCache::new(cache as Arc<dyn Store>, local.clone(), CacheMetrics::default()).await.unwrap(),
        ));
    }
    let names: Vec<String> = (0..ARTICLES).map(|n| format!("article-{n}")).collect();
    let committed: Arc<Vec<std::sync::Mutex<Vec<Instant>>>> =
        Arc::new((0..ARTICLES).map(|_| Default::default()).collect());
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for replica in &replicas {
        let (replica, committed, done, names) =
            (Arc::clone(replica), Arc::clone(&committed), Arc::clone(&done), names.clone());
        readers.push(tokio::spawn(async move {
            let mut reads = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let n = (reads as usize * 7) % ARTICLES;
                let began = Instant::now();
                let found =
                    read(&*replica, &names[n], Consistency::Bounded).await.record.map_or(0, |record| record.revision);
                let due = committed[n].lock().unwrap().iter().filter(|at| **at + BOUND < began).count() as i64;
                assert!(found >= due, "{}: {found} was read, {due} was due", names[n]);
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        }));
    }
    for edition in 1..=CHANGES {
        let n = edition % ARTICLES;
        let writer = if edition % 3 == 0 { &replicas[0] } else { &store };
        let article = titled(&format!("edition {edition}"));
        let change = if edition <= ARTICLES {
            ingest(&names[n], article, at(0))
        } else {
            update(&names[n], article, Precondition::None, at(0))
        };
        write(writer, change).await.unwrap();
        committed[n].lock().unwrap().push(Instant::now());
        match edition {
            100 | 300 => redis.ask::<()>(&["FLUSHALL"]),
            150 => redis.freeze(),
            200 => redis.thaw(),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    redis.thaw();
    tokio::time::sleep(BOUND + Duration::from_millis(100)).await;
    done.store(true, Ordering::Relaxed);
    let mut reads = 0;
    for reader in readers {
        reads += reader.await.unwrap();
    }
    for replica in &replicas {
        for (name, committed) in names.iter().zip(committed.iter()) {
            let newest = committed.lock().unwrap().len() as i64;
            for _ in 0..3 {
                assert_eq!(read(&**replica, name, Consistency::Bounded).await.record.unwrap().revision, newest);
            }
        }
    }
    println!("{CHANGES} changes, {reads} reads, none older than the bound");
    assert!(reads > 1_000, "{reads} reads show little");
}

/// A frequently read article is refreshed before its TTL in Redis ends, with the store's revision.
#[tokio::test]
async fn entries_read_near_their_expiry_are_refreshed() {
    let desk = desk().await;
    let mut options = options(&desk.redis);
    options.lifetime = Duration::from_secs(3);
    let cache = RedisCache::new(Arc::clone(&desk.store), options, RedisMetrics::default());
    desk.redis.ask::<()>(&["FLUSHALL"]);
    let until = Instant::now() + Duration::from_secs(60);
    let mut edition = 1;
    // Occasional corrections, so that some entries are refreshed while they change.
    while cache.metrics().refreshes.get() < 5 {
        assert!(Instant::now() < until, "{:?}", cache.metrics());
        if cache.metrics().refreshes.get() >= edition as u64 {
            edition += 1;
            correct(&desk.store, edition as u32).await;
        }
        cached(&cache, "a").await;
    }
    assert_eq!(revision(&cache, Consistency::Full).await.0, edition);
    while cached(&cache, "a").await != edition {
        assert!(Instant::now() < until, "a refresh has undone a correction");
    }
}
