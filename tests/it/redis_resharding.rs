//! A Redis Cluster under concurrent changes: slots move back and forth, nodes are flushed, frozen and lost.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use copydesk::cache::{LocalCache, LocalCacheOptions, RedisCache, RedisOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Layer, Precondition, Store};
use copydesk::telemetry::{CacheMetrics, RedisMetrics};

use crate::conformance::fixtures::{at, id, ingest, titled, update, write};
use crate::redis_nodes::RedisCluster;

const BOUND: Duration = Duration::from_secs(1);
const ARTICLES: usize = 12;

/// Two replicas, one with a local cache, and writers that send few invalidations. No read is older than the bound, and
/// in the end both have everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_exceeds_the_bound_while_slots_move_and_nodes_fail() {
    let cluster = RedisCluster::start(3, 1);
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let names: Vec<String> = (0..ARTICLES).map(|number| format!("article-{number}")).collect();
    let committed: Arc<Vec<Mutex<Vec<Instant>>>> = Arc::new(names.iter().map(|_| Mutex::default()).collect());
    for (name, committed) in names.iter().zip(committed.iter()) {
        write(&store, ingest(name, titled("edition 1"), at(0))).await.unwrap();
        committed.lock().unwrap().push(Instant::now());
    }
    let poll = Duration::from_millis(20);
    let caches: Vec<Arc<RedisCache>> = (0..2)
        .map(|_| {
            let mut options = RedisOptions::new(&cluster.url()).unwrap();
            (options.staleness_bound, options.poll) = (BOUND, poll);
            Arc::new(RedisCache::new(Arc::clone(&store), options, RedisMetrics::default()))
        })
        .collect();
    let local =
        LocalCacheOptions { bytes: 1 << 20, staleness_bound: BOUND, negative_ttl: Duration::from_secs(5), poll };
    let second =
        LocalCache::new(Arc::clone(&caches[1]) as Arc<dyn Store>, local, CacheMetrics::default()).await.unwrap();
    let replicas: [Arc<dyn Store>; 2] = [Arc::clone(&caches[0]) as Arc<dyn Store>, Arc::new(second)];

    let done = Arc::new(AtomicBool::new(false));
    let from_redis = Arc::new(AtomicU64::new(0));
    let mut readers = Vec::new();
    for replica in &replicas {
        let (replica, names) = (Arc::clone(replica), names.clone());
        let (committed, done, from_redis) = (Arc::clone(&committed), Arc::clone(&done), Arc::clone(&from_redis));
        readers.push(tokio::spawn(async move {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                // One article, or all at once.
                let wanted = if reads % 10 == 0 { 0..ARTICLES } else { reads % ARTICLES..reads % ARTICLES + 1 };
                let ids: Vec<_> = names[wanted.clone()].iter().map(|name| id(name)).collect();
                let began = Instant::now();
                let found = replica.get(&ids, Consistency::Bounded).await.expect("no read fails");
                for (number, fetched) in wanted.zip(found) {
                    let due = committed[number].lock().unwrap().iter().filter(|at| **at + BOUND < began).count() as i64;
                    let revision = fetched.record.expect("it exists").revision;
                    assert!(revision >= due, "{}: {revision} from {:?}, {due} was due", names[number], fetched.from);
                    from_redis.fetch_add(u64::from(fetched.from == Layer::Redis), Ordering::Relaxed);
                }
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        }));
    }

    let subject = Arc::new(AtomicUsize::new(ARTICLES));
    let mut troubles = tokio::task::spawn_blocking({
        let (names, subject) = (names.clone(), Arc::clone(&subject));
        move || trouble(cluster, &names, &subject)
    });
    let mut editions = 1;
    let cluster = loop {
        editions += 1;
        let number = Some(subject.load(Ordering::Relaxed)).filter(|number| *number < ARTICLES);
        let number = number.unwrap_or(editions % ARTICLES);
        let writer = if editions % 3 == 0 { &replicas[0] } else { &store };
        let article = titled(&format!("edition {editions}"));
        write(writer, update(&names[number], article, Precondition::None, at(0))).await.unwrap();
        committed[number].lock().unwrap().push(Instant::now());
        if let Ok(cluster) = tokio::time::timeout(Duration::from_millis(5), &mut troubles).await {
            break cluster.unwrap();
        }
    };
    let whole = async {
        while caches.iter().any(|cache| cache.metrics().breaker_open.get() == 1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), whole).await.expect("all of the Cluster is used again");
    tokio::time::sleep(BOUND).await;
    done.store(true, Ordering::Relaxed);
    let mut reads = 0;
    for reader in readers {
        reads += reader.await.unwrap();
    }
    for replica in &replicas {
        for (name, committed) in names.iter().zip(committed.iter()) {
            let newest = committed.lock().unwrap().len() as i64;
            let read = replica.get(&[id(name)], Consistency::Bounded).await.unwrap().remove(0);
            assert_eq!(read.record.unwrap().revision, newest, "{name} from {:?}", read.from);
        }
    }
    let from_redis = from_redis.load(Ordering::Relaxed);
    println!("{editions} editions, {reads} reads, {from_redis} articles from Redis, none older than the bound");
    assert!(from_redis > 1_000, "{from_redis} articles from Redis show little");
    drop(cluster);
}

/// Disrupts a Cluster of three primaries and a replica of the first. An article is corrected while its slot is
/// elsewhere, and not changed once it is back: a stale entry would stay.
fn trouble(mut cluster: RedisCluster, names: &[String], subject: &AtomicUsize) -> RedisCluster {
    let pause = |millis| std::thread::sleep(Duration::from_millis(millis));
    for round in 0..2 {
        for (number, name) in names.iter().enumerate() {
            let (slot, home) = (cluster.slot(name), cluster.home(name));
            let away = (home + 1 + round) % 3;
            cluster.resettle(slot, home, away);
            subject.store(number, Ordering::Relaxed);
            // Long enough for replicas to work with the nodes' current data.
            pause(300);
            subject.store((number + 1) % ARTICLES, Ordering::Relaxed);
            pause(60);
            cluster.resettle(slot, away, home);
            pause(60);
        }
        cluster.nodes[1].ask::<()>(&["FLUSHALL"]);
        cluster.nodes[2].freeze();
        pause(700);
        cluster.nodes[2].thaw();
        pause(300);
    }
    subject.store(ARTICLES, Ordering::Relaxed);
    cluster.nodes[0].kill();
    let until = Instant::now() + Duration::from_secs(60);
    while !cluster.nodes[3].ask::<String>(&["INFO", "replication"]).contains("role:master") {
        assert!(Instant::now() < until, "the replica is promoted");
        pause(20);
    }
    cluster
}
