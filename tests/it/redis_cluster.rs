//! Redis Cluster in front of a store: each node is repaired, trusted and disabled independently.

use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::article::{ArticleId, Position};
use copydesk::cache::{ConsistencyCheckOptions, ConsistencyChecker, RedisCache, RedisOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Fetched, Layer, Precondition, Store};
use copydesk::telemetry::{ConsistencyCheckMetrics, RedisMetrics};

use crate::conformance::fixtures::{at, id, ingest, titled, update, write};
use crate::redis_nodes::RedisCluster;
use crate::support::redis_server::RedisServer;

const ARTICLES: usize = 60;

/// A store with some articles, and a replica's cache in front of it, in a Cluster of three primaries.
struct Desk {
    store: Arc<dyn Store>,
    cache: Arc<RedisCache>,
    cluster: RedisCluster,
    /// Names of the articles on each primary.
    names: [Vec<String>; 3],
    _dir: tempfile::TempDir,
}

async fn desk(replicas: usize) -> Desk {
    let cluster = RedisCluster::start(3, replicas);
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let mut names: [Vec<String>; 3] = Default::default();
    for name in (0..ARTICLES).map(|number| format!("a-{number}")) {
        write(&store, ingest(&name, titled("edition 1"), at(0))).await.unwrap();
        names[cluster.home(&name)].push(name);
    }
    let mut options = RedisOptions::new(&cluster.url()).unwrap();
    options.poll = Duration::from_millis(20);
    let cache = Arc::new(RedisCache::new(Arc::clone(&store), options, RedisMetrics::default()));
    let desk = Desk { store, cache, cluster, names, _dir: dir };
    for name in desk.names.iter().flatten() {
        desk.cached(name, 1).await;
    }
    desk
}

impl Desk {
    /// Reads until Redis answers. No read may fail or return another edition.
    async fn cached(&self, name: &str, edition: i64) {
        until("Redis answers", async || {
            let fetched = self.read(name).await;
            assert_eq!(revision(&fetched), edition, "{name} from {:?}", fetched.from);
            fetched.from == Layer::Redis
        })
        .await;
    }

    async fn read(&self, name: &str) -> Fetched {
        self.cache.get(&[id(name)], Consistency::Bounded).await.expect("no read fails").remove(0)
    }

    /// Writes a correction without an invalidation, as if the writer had died.
    async fn correct_unheard(&self, name: &str, edition: i64) -> Position {
        let article = titled(&format!("edition {edition}"));
        let written = write(&self.store, update(name, article, Precondition::None, at(edition))).await.unwrap();
        written.record.token.position
    }

    /// Returns an article in a slot of this node.
    fn of(&self, node: usize) -> (&str, &str) {
        (&self.names[node][0], &self.names[node][1])
    }
}

fn revision(fetched: &Fetched) -> i64 {
    fetched.record.as_ref().map_or(0, |record| record.revision)
}

fn keys(node: &RedisServer, name: &str) -> Vec<String> {
    node.ask(&["KEYS", &format!("*{{{name}}}")])
}

/// Returns the first byte of an entry, also on a replica.
fn kind(node: &RedisServer, key: &str) -> String {
    let mut connection = node.connect().unwrap();
    redis::cmd("READONLY").exec(&mut connection).unwrap();
    redis::cmd("GETRANGE").arg(&[key, "0", "0"]).query(&mut connection).unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn each_node_serves_its_slots() {
    let desk = desk(0).await;
    assert!(desk.names.iter().all(|names| names.len() > 5), "they are spread: {:?}", desk.names);
    until("all of it is used", async || {
        let metrics = desk.cache.metrics();
        (metrics.servers.get(), metrics.breaker_open.get()) == (3, 0)
    })
    .await;
    for (node, names) in desk.cluster.nodes.iter().zip(&desk.names) {
        for name in names {
            assert_eq!(keys(node, name).len(), 1, "{name}");
        }
    }
    // From all nodes at once, in the requested order, with a missing one and a repeated one.
    let mut ids: Vec<ArticleId> = (0..ARTICLES).rev().map(|number| id(&format!("a-{number}"))).collect();
    ids.extend([id("none"), id("a-7")]);
    until("all come from Redis", async || {
        let batch = desk.cache.get(&ids, Consistency::Bounded).await.unwrap();
        for (id, fetched) in ids.iter().zip(&batch) {
            assert_eq!(fetched.record.as_ref().map(|record| &record.id), Some(id).filter(|id| id.as_str() != "none"));
        }
        batch.iter().all(|fetched| fetched.from == Layer::Redis)
    })
    .await;
    // A write sends invalidations to the nodes; a change without one is repaired by the followers.
    let front = Arc::clone(&desk.cache) as Arc<dyn Store>;
    for node in 0..3 {
        let (invalidated, missed) = desk.of(node);
        let article = titled("edition 2");
        let written = write(&front, update(invalidated, article, Precondition::None, at(2))).await.unwrap();
        let floor = desk.correct_unheard(missed, 2).await.max(written.record.token.position);
        let ids = [id(invalidated), id(missed)];
        let read = desk.cache.get(&ids, Consistency::AtLeast(floor)).await.unwrap();
        assert!(read.iter().all(|fetched| revision(fetched) == 2));
        // Until an entry is replaced, a read may have the former one, within the staleness bound.
        for name in [invalidated, missed] {
            until("Redis has the correction", async || {
                let fetched = desk.read(name).await;
                fetched.from == Layer::Redis && revision(&fetched) == 2
            })
            .await;
        }
    }
}

#[tokio::test]
async fn the_consistency_check_covers_every_node() {
    let desk = desk(0).await;
    let (interval, staleness_bound) = (Duration::from_millis(10), Duration::from_millis(50));
    let options = ConsistencyCheckOptions { interval, sample: 2 * ARTICLES, staleness_bound };
    let consistency_checker = Arc::new(ConsistencyChecker::new(
        Arc::clone(&desk.store),
        None,
        Some(Arc::clone(&desk.cache)),
        options,
        ConsistencyCheckMetrics::default(),
    ));
    let auditing = tokio::spawn({
        let consistency_checker = Arc::clone(&consistency_checker);
        async move { consistency_checker.run().await }
    });
    until("each article has been compared", async || consistency_checker.metrics().checked.get() >= ARTICLES as u64)
        .await;
    auditing.abort();
    assert_eq!(consistency_checker.metrics().violations.get(), 0);
}

/// Old entries of a node become readable again when a slot returns, and have missed invalidations.
#[tokio::test]
async fn a_returning_slot_serves_no_stale_entry() {
    let desk = desk(0).await;
    let (moved, stays) = desk.of(0);
    let slot = desk.cluster.slot(moved);
    assert_ne!(slot, desk.cluster.slot(stays));
    let nodes = &desk.cluster.nodes;
    let (old, kept) = (keys(&nodes[0], moved), keys(&nodes[0], stays));
    assert_eq!((old.len(), kind(&nodes[0], &old[0]).as_str()), (1, "v"));

    desk.cluster.resettle(slot, 0, 1);
    desk.cached(moved, 1).await;
    desk.cached(stays, 1).await;
    assert_eq!(keys(&nodes[0], stays), kept, "a node that has only lost a slot keeps the rest");
    desk.correct_unheard(moved, 2).await;
    desk.correct_unheard(stays, 2).await;
    until("both have been repaired", async || {
        revision(&desk.read(stays).await) == 2 && revision(&desk.read(moved).await) == 2
    })
    .await;
    desk.cached(moved, 2).await;
    desk.cached(stays, 2).await;
    assert_eq!(kind(&nodes[1], &old[0]), "v", "it got no invalidation");

    desk.cluster.resettle(slot, 1, 0);
    assert_eq!(kind(&nodes[0], &old[0]), "v", "it is back");
    desk.cached(moved, 2).await;
    desk.cached(stays, 2).await;
    assert_eq!(kind(&nodes[0], &old[0]), "v", "and is still there, under a key that is never read");
}

/// An aborted migration may leave an undetected copy at the target, until the slot does move there.
#[tokio::test]
async fn a_copy_left_by_an_aborted_migration_is_not_served() {
    let desk = desk(0).await;
    let name = desk.of(0).0;
    let slot = desk.cluster.slot(name);
    let nodes = &desk.cluster.nodes;
    let old = keys(&nodes[0], name).remove(0);
    desk.cluster.begin(slot, 0, 1);
    let port = nodes[1].port.to_string();
    nodes[0].ask::<()>(&["MIGRATE", "127.0.0.1", &port, &old, "0", "5000", "COPY"]);
    desk.cluster.give_up(slot, 0, 1);
    desk.correct_unheard(name, 2).await;
    until("it is repaired", async || revision(&desk.read(name).await) == 2).await;
    desk.cached(name, 2).await;
    assert_eq!(keys(&nodes[0], name), [old.as_str()]);
    // Evicted, and not read before the slot moves without it to the node with the copy.
    nodes[0].ask::<()>(&["DEL", &old]);
    desk.cluster.resettle(slot, 0, 1);
    desk.cached(name, 2).await;
    desk.cluster.resettle(slot, 1, 0);
    assert_eq!(kind(&nodes[0], &old), "v", "the slot has moved to the copy");
    desk.cached(name, 2).await;
}

/// An aborted migration leaves a slot open until an operator intervenes.
#[tokio::test]
async fn an_open_slot_affects_no_other_slot() {
    let desk = desk(0).await;
    let (open, other) = desk.of(0);
    let slot = desk.cluster.slot(open);
    desk.cluster.begin(slot, 0, 1);
    until("it is noticed", async || desk.read(open).await.from == Layer::Store).await;
    for _ in 0..100 {
        assert_eq!(desk.read(open).await.from, Layer::Store);
        desk.cached(other, 1).await;
    }
    assert_eq!(desk.cache.metrics().breaker_open.get(), 1, "a part is not used");
    desk.correct_unheard(open, 2).await;
    desk.correct_unheard(other, 2).await;
    until("it is repaired", async || revision(&desk.read(other).await) == 2).await;
    // The migration is canceled: the slot stays at its node.
    desk.cluster.give_up(slot, 0, 1);
    desk.cached(open, 2).await;
    desk.cached(other, 2).await;
}

#[tokio::test]
async fn a_lagging_replica_serves_no_stale_entry_after_failover() {
    let mut desk = desk(1).await;
    let name = desk.names[0][0].clone();
    let (primary, replica) = (&desk.cluster.nodes[0], &desk.cluster.nodes[3]);
    let old = keys(primary, &name);
    until("the replica has a copy", async || keys(replica, &name) == old && kind(replica, &old[0]) == "v").await;
    // The replica is cut off, and does not get the invalidation.
    let mut inside = primary.connect().unwrap();
    redis::cmd("CONFIG").arg(&["SET", "requirepass", "unknown"]).exec(&mut inside).unwrap();
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "replica"]).exec(&mut inside).unwrap();
    drop(inside);
    desk.correct_unheard(&name, 2).await;
    until("it is corrected", async || revision(&desk.read(&name).await) == 2).await;
    desk.cached(&name, 2).await;
    desk.cluster.nodes[0].kill();
    let replica = &desk.cluster.nodes[3];
    until("the replica is promoted", async || {
        assert_eq!(revision(&desk.read(&name).await), 2);
        replica.ask::<String>(&["INFO", "replication"]).contains("role:master")
    })
    .await;
    assert_eq!(kind(replica, &old[0]), "v", "the stale entry exists");
    desk.cached(&name, 2).await;
    assert!(keys(replica, &name).iter().any(|key| !old.contains(key)), "a new generation");
    until("all of it is used", async || desk.cache.metrics().breaker_open.get() == 0).await;
}

#[tokio::test]
async fn a_failing_node_affects_only_its_slots_and_fails_no_read() {
    let mut desk = desk(0).await;
    let late = desk.names[1].pop().unwrap();
    for trouble in ["frozen", "killed"] {
        match trouble {
            "frozen" => desk.cluster.nodes[1].freeze(),
            _ => desk.cluster.nodes[1].kill(),
        }
        until("it is noticed", async || {
            assert_eq!(revision(&desk.read(&desk.names[1][0]).await), 1);
            desk.cache.metrics().servers.get() == 2
        })
        .await;
        let ids: Vec<ArticleId> = desk.names.iter().flatten().map(|name| id(name)).collect();
        until("the others are used", async || {
            let batch = desk.cache.get(&ids, Consistency::Bounded).await.expect("no read fails");
            assert!(batch.iter().all(|fetched| revision(fetched) == 1));
            let from = |node: usize, layer| {
                let names = &desk.names[node];
                let of_node = ids.iter().zip(&batch).filter(|(id, _)| names.iter().any(|name| name == id.as_str()));
                of_node.into_iter().all(|(_, fetched)| fetched.from == layer)
            };
            from(0, Layer::Redis) && from(1, Layer::Store) && from(2, Layer::Redis)
        })
        .await;
        assert_eq!(desk.cache.metrics().breaker_open.get(), 1);
        if trouble == "frozen" {
            desk.correct_unheard(&late, 2).await;
            desk.cluster.nodes[1].thaw();
            desk.cached(&desk.names[1][0], 1).await;
            desk.cached(&late, 2).await;
        }
    }
}

#[tokio::test]
async fn a_flush_of_one_node_does_not_affect_others() {
    let desk = desk(0).await;
    let (here, there) = (desk.of(1).0, desk.of(2).0);
    let kept = keys(&desk.cluster.nodes[2], there);
    for edition in 2..12 {
        let position = desk.correct_unheard(here, edition).await;
        desk.cluster.nodes[1].ask::<()>(&["FLUSHALL"]);
        for _ in 0..20 {
            let read = desk.cache.get(&[id(here), id(there)], Consistency::AtLeast(position)).await.unwrap();
            assert_eq!((revision(&read[0]), revision(&read[1])), (edition, 1));
        }
    }
    desk.cached(here, 11).await;
    desk.cached(there, 1).await;
    assert_eq!(keys(&desk.cluster.nodes[2], there), kept);
}

/// A Cluster node is not accepted as a single server, nor the reverse; one node suffices to find all.
#[tokio::test]
async fn one_node_finds_the_cluster_and_the_url_scheme_must_match() {
    let cluster = RedisCluster::shared();
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let port = cluster.nodes[1].port;
    let cache =
        |url: String| RedisCache::new(Arc::clone(&store), RedisOptions::new(&url).unwrap(), RedisMetrics::default());
    let mismatched = [
        cache(format!("redis://127.0.0.1:{port}")),
        cache(format!("redis-cluster://127.0.0.1:{}", RedisServer::shared().port)),
    ];
    let matching = cache(format!("redis-cluster://127.0.0.1:1,127.0.0.1:{port}"));
    until("all of it is used", async || matching.metrics().breaker_open.get() == 0).await;
    assert_eq!(matching.metrics().servers.get(), 3);
    assert!(mismatched.iter().all(|cache| cache.metrics().breaker_open.get() == 1));
}
