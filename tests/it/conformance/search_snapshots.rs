//! Snapshots of the search index: what is published, what a new replica takes, and what it refuses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use copydesk::article::ChangeKind;
use copydesk::search::{SearchIndex, SearchOptions, SnapshotOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Precondition, Store};
use copydesk::telemetry::SearchMetrics;
use tempfile::TempDir;
use uuid::Uuid;

use super::databases::replicas;
use super::engines::sqlite;
use super::fixtures::{at, ingest, titled, transition, update, write};
use super::indexes::Index;
use crate::support::database::Cluster;
use crate::test_server::search_options;

/// Replica's index, which takes and publishes snapshots.
struct Replica {
    index: SearchIndex,
    metrics: SearchMetrics,
    _dir: TempDir,
}

fn options(dir: &Path, shared: &Path) -> SearchOptions {
    let snapshots = Some(SnapshotOptions { folder: shared.to_owned(), interval: Duration::from_millis(50) });
    SearchOptions { snapshots, ..search_options(dir) }
}

impl Replica {
    async fn start(store: &Arc<dyn Store>, shared: &Path) -> Self {
        let (dir, metrics) = (tempfile::tempdir().unwrap(), SearchMetrics::default());
        let index = SearchIndex::open(Arc::clone(store), options(dir.path(), shared), metrics.clone()).await.unwrap();
        let head = store.head().await.unwrap();
        assert!(index.reach(head, Duration::from_secs(60)).await, "the index follows the feed");
        Self { index, metrics, _dir: dir }
    }

    /// Waits until one more snapshot was published.
    async fn published(&self, more_than: u64) {
        let waiting = async {
            while self.metrics.snapshots.get() <= more_than {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("a snapshot is published");
    }
}

async fn filled(store: &Arc<dyn Store>, count: i64) {
    for number in 0..count {
        write(store, ingest(&format!("a-{number}"), titled(&format!("Ferry {number}")), at(number))).await.unwrap();
    }
}

/// Files of the snapshots, the manifest among them.
fn objects(shared: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![shared.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Publishes a snapshot of a store, and stops.
async fn snapshot_of(store: &Arc<dyn Store>) -> TempDir {
    let shared = tempfile::tempdir().unwrap();
    let replica = Replica::start(store, shared.path()).await;
    replica.published(0).await;
    shared
}

/// Returns the number of articles that a new replica finds, and true if it took the snapshot.
async fn restored(store: &Arc<dyn Store>, shared: &Path) -> (usize, bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path(), shared);
    // It must publish none while the test looks at the folder.
    options.snapshots.as_mut().unwrap().interval = Duration::from_secs(3_600);
    let metrics = SearchMetrics::default();
    let index = SearchIndex::open(Arc::clone(store), options, metrics.clone()).await.unwrap();
    assert!(index.reach(store.head().await.unwrap(), Duration::from_secs(60)).await);
    let index = Index::over(index, store, dir);
    (index.search("ferry", at(99)).await.len(), metrics.restored.get() > 0)
}

#[tokio::test]
async fn a_new_replica_takes_the_snapshot_and_follows_the_feed() {
    let engine = sqlite().await;
    filled(&engine.store, 10).await;
    let shared = snapshot_of(&engine.store).await;
    write(&engine.store, update("a-4", titled("Boat 4"), Precondition::None, at(20))).await.unwrap();
    write(&engine.store, transition("a-5", ChangeKind::Withdrawn, at(20))).await.unwrap();
    write(&engine.store, ingest("a-10", titled("Ferry 10"), at(20))).await.unwrap();
    assert_eq!(restored(&engine.store, shared.path()).await, (9, true));
}

/// Damages of each file of a snapshot.
#[tokio::test]
async fn a_damaged_snapshot_is_refused() {
    let engine = sqlite().await;
    filled(&engine.store, 10).await;
    let shared = snapshot_of(&engine.store).await;
    let whole = objects(shared.path());
    assert!(whole.len() > 4, "{whole:?}");
    for damaged in &whole {
        let content = std::fs::read(damaged).unwrap();
        let mut changed = content.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        for damage in [content[..content.len() / 2].to_vec(), Vec::new(), changed] {
            std::fs::write(damaged, damage).unwrap();
            let (found, _) = restored(&engine.store, shared.path()).await;
            assert_eq!(found, 10, "{}", damaged.display());
        }
        std::fs::remove_file(damaged).unwrap();
        assert_eq!(restored(&engine.store, shared.path()).await, (10, false), "{} is gone", damaged.display());
        std::fs::write(damaged, content).unwrap();
    }
    assert_eq!(restored(&engine.store, shared.path()).await, (10, true));
}

#[tokio::test]
async fn snapshots_of_other_stores_and_formats_are_refused() {
    let (engine, other) = (sqlite().await, sqlite().await);
    filled(&engine.store, 3).await;
    filled(&other.store, 10).await;
    let shared = snapshot_of(&other.store).await;
    assert_eq!(restored(&engine.store, shared.path()).await, (3, false), "none of this store");
    let folder = |store: &Arc<dyn Store>| shared.path().join(store.feed_id().to_string());
    std::fs::rename(folder(&other.store), folder(&engine.store)).unwrap();
    assert_eq!(restored(&engine.store, shared.path()).await, (3, false), "another store's in its place");
    let manifest = folder(&engine.store).join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let own = text.replacen(&other.store.feed_id().to_string(), &engine.store.feed_id().to_string(), 1);
    std::fs::write(&manifest, &own).unwrap();
    assert_eq!(restored(&engine.store, shared.path()).await, (3, false), "its files are of another store");
    std::fs::write(&manifest, own.replacen("\"format\":", "\"format\":9", 1)).unwrap();
    assert_eq!(restored(&engine.store, shared.path()).await, (3, false), "another format");
}

/// As after a database was restored from an older backup.
#[tokio::test]
async fn a_snapshot_that_is_ahead_of_the_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = |dir: &Path| -> Arc<dyn Store> { Arc::new(SqliteStore::open(SqliteOptions::new(dir)).unwrap()) };
    let store = open(dir.path());
    filled(&store, 5).await;
    drop(store);
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join("articles.db"), copy.path().join("articles.db")).unwrap();
    let store = open(dir.path());
    write(&store, ingest("lost", titled("Ferry lost"), at(20))).await.unwrap();
    let shared = snapshot_of(&store).await;
    assert_eq!(restored(&open(copy.path()), shared.path()).await.0, 5);
}

#[tokio::test]
async fn purged_words_leave_the_snapshots() {
    let engine = sqlite().await;
    filled(&engine.store, 3).await;
    let secret = copydesk::proto::Article { tags: vec!["zyxwvut".into()], ..titled("Secret ferry") };
    write(&engine.store, ingest("secret", secret, at(9))).await.unwrap();
    let shared = tempfile::tempdir().unwrap();
    let replica = Replica::start(&engine.store, shared.path()).await;
    replica.published(0).await;
    let has_word = || {
        let files = objects(shared.path()).into_iter();
        files.filter_map(|file| std::fs::read(file).ok()).any(|bytes| bytes.windows(7).any(|word| word == b"zyxwvut"))
    };
    assert!(has_word(), "the test looks at the right place");
    write(&engine.store, transition("secret", ChangeKind::Purged, at(11))).await.unwrap();
    let waiting = async {
        while has_word() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the words of a purged article are removed");
    assert!(replica.index.is_built());
}

#[tokio::test]
async fn one_replica_at_a_time_publishes() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 2).await;
    let [one, other] = [Uuid::new_v4(), Uuid::new_v4()];
    let lasts = Duration::from_secs(3_600);
    assert!(stores[0].acquire_lease("publish", one, lasts).await.unwrap());
    assert!(!stores[1].acquire_lease("publish", other, lasts).await.unwrap());
    assert!(stores[1].acquire_lease("another", other, lasts).await.unwrap());
    assert!(stores[0].acquire_lease("publish", one, Duration::ZERO).await.unwrap(), "its holder may shorten it");
    assert!(stores[1].acquire_lease("publish", other, lasts).await.unwrap(), "it has ended");
    // Two replicas, one of which takes what the other has published.
    filled(&stores[0], 10).await;
    let shared = tempfile::tempdir().unwrap();
    let first = Replica::start(&stores[0], shared.path()).await;
    first.published(0).await;
    drop(first);
    assert_eq!(restored(&stores[1], shared.path()).await, (10, true));
}
