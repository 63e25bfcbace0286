//! Files and Redis entries must not keep the text of a purged article. Each test finds the text first.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::article::{BodySketch, ChangeKind};
use copydesk::cache::{RedisCache, RedisOptions};
use copydesk::proto::Article;
use copydesk::store::postgres::PostgresStore;
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Precondition, Store};
use copydesk::telemetry::RedisMetrics;
use rusqlite::Connection;
use uuid::Uuid;

use super::fixtures::{at, id, ingest, transition, update, write};
use crate::support::database::Cluster;
use crate::support::redis_server::RedisServer;

/// Maximum time until a purged text must be gone.
const DEADLINE: Duration = Duration::from_secs(60);
/// Number of other articles, whose pages the erased ones share.
const OTHERS: usize = 300;

/// Random words, none of which compresses.
struct Words(u128);

impl Words {
    fn new() -> Self {
        Self(Uuid::now_v7().as_u128() | 1)
    }

    fn word(&mut self) -> String {
        (0..26).map(|_| self.letter()).collect()
    }

    fn letter(&mut self) -> char {
        self.0 = self.0.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(0x5851_F42D_4C95_7F2D);
        char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[(self.0 >> 100) as usize % 36])
    }

    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word() + " ").collect()
    }
}

/// Number of things that are planted in the files of a store.
const PLANTED: usize = 9;

/// Words, and the anchors of a sketch, that must be gone after the purge. The start of a word may be missing in an
/// index of the database.
struct Planted {
    words: Vec<String>,
    anchors: Vec<u8>,
}

impl Planted {
    /// Returns the words that one of these files has.
    fn found(&self, files: &[PathBuf]) -> Vec<&str> {
        // A file may be removed meanwhile.
        let files: Vec<Vec<u8>> = files.iter().filter_map(|path| std::fs::read(path).ok()).collect();
        self.found_in(&files)
    }

    fn found_in(&self, files: &[Vec<u8>]) -> Vec<&str> {
        let texts: Vec<_> = files.iter().map(|text| String::from_utf8_lossy(text)).collect();
        let has = |word: &&str| texts.iter().any(|text| text.contains(&word[6..]));
        let found = self.words.iter().map(String::as_str).filter(has);
        found.chain(files.iter().any(|file| self.has_anchors(file)).then_some("the anchors of a sketch")).collect()
    }

    fn has_anchors(&self, file: &[u8]) -> bool {
        let first = self.anchors[0];
        let starts = file.iter().enumerate().filter(|(_, byte)| **byte == first);
        starts.map(|(at, _)| at).any(|at| file[at..].starts_with(&self.anchors))
    }
}

/// Writes articles of which two are to be purged: a short one with an earlier revision, and a long one.
async fn plant(store: &Arc<dyn Store>) -> Planted {
    let mut words = Words::new();
    for number in 0..OTHERS {
        let article = Article {
            headline: format!("Ferry {number}"),
            body: words.text(number % 40),
            tags: vec![format!("tag-{}", words.word())],
            ..Article::default()
        };
        write(store, ingest(&format!("other-{number}"), article, at(0))).await.unwrap();
    }
    let planted: Vec<String> = (0..8).map(|_| words.word()).collect();
    let article = |headline: &str, body: String, tag: &str| Article {
        headline: format!("Ferry {headline}"),
        body,
        tags: vec![tag.to_owned()],
        source: "herald.example".into(),
        ..Article::default()
    };
    // A needle that is cut by the end of a page is not found: it occurs several times.
    let mut long =
        |needle: &str| format!("{} {needle} {} {needle} {}", words.text(500), words.text(500), words.text(500));
    let (short, longer) = (planted[1].repeat(2), long(&planted[5]));
    let sketch = BodySketch::of(&longer).unwrap();
    let anchors = sketch.anchors().iter().flat_map(|anchor| anchor.to_be_bytes()).collect();
    write(store, ingest("short", article(&planted[0], short, &planted[2]), at(1))).await.unwrap();
    write(store, ingest("long", article(&planted[4], longer, &planted[6]), at(1))).await.unwrap();
    let mut correction = update("short", article("corrected", planted[3].clone(), "x"), Precondition::None, at(2));
    if let copydesk::store::Write::Update(update) = &mut correction {
        update.reason.clone_from(&planted[7]);
    }
    write(store, correction).await.unwrap();
    Planted { words: planted, anchors }
}

async fn purge(store: &Arc<dyn Store>) {
    for name in ["short", "long"] {
        write(store, transition(name, ChangeKind::Purged, at(3))).await.unwrap();
    }
}

/// Polls until no text has a planted word.
async fn gone<'p, F: Future<Output = Vec<&'p str>>>(mut found: impl FnMut() -> F) {
    let until = Instant::now() + DEADLINE;
    loop {
        let left = found().await;
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "still in files: {left:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Returns all files in a folder, also in its subfolders.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_in(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn no_file_of_the_embedded_store_keeps_a_purged_text() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let planted = plant(&store).await;
    let files = || files_in(dir.path());
    assert_eq!(planted.found(&files()).len(), PLANTED, "not planted");
    // A read in progress holds the log.
    let reader = Connection::open(dir.path().join("articles.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM changes").unwrap();
    purge(&store).await;
    assert!(!planted.found(&files()).is_empty(), "the read should still see the texts");
    drop(reader);
    gone(async || planted.found(&files())).await;
    assert_eq!(planted.found(&files()), Vec::<&str>::new());
    drop(store);
    assert_eq!(planted.found(&files()), Vec::<&str>::new());
}

/// A purge of which the erasure is finished after a restart.
#[tokio::test]
async fn a_restart_finishes_the_erasure() {
    let dir = tempfile::tempdir().unwrap();
    let open = || -> Arc<dyn Store> { Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap()) };
    let store = open();
    let planted = plant(&store).await;
    purge(&store).await;
    drop(store);
    let store = open();
    gone(async || planted.found(&files_in(dir.path()))).await;
    drop(store);
}

#[tokio::test]
async fn no_relation_and_no_redis_entry_keeps_a_purged_text() {
    let cluster = Cluster::start(false);
    let database = cluster.database_without_template().await;
    let redis = RedisServer::start();
    let engine: Arc<dyn Store> = Arc::new(PostgresStore::open(database.options()).await.unwrap());
    let cache = RedisCache::new(engine, RedisOptions::new(&redis.url()).unwrap(), RedisMetrics::default());
    let store: Arc<dyn Store> = Arc::new(cache);
    let planted = plant(&store).await;
    let entries = || {
        let mut connection = redis.connect().unwrap();
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let mut value = |key| redis::cmd("GET").arg(key).query::<Option<Vec<u8>>>(&mut connection).unwrap_or_default();
        keys.into_iter().filter_map(&mut value).collect::<Vec<_>>()
    };
    // Reads fill Redis, when it is trusted.
    let cached = async {
        while planted.found_in(&entries()).len() < 4 {
            store.get(&[id("short"), id("long")], Consistency::Bounded).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, cached).await.expect("not cached");
    let client = database.client().await;
    let relations = async || {
        client.batch_execute("CHECKPOINT").await.unwrap();
        files_in(&cluster.data().join("base"))
    };
    assert_eq!(planted.found(&relations().await).len(), PLANTED, "not planted");
    // A statement in progress sees the state before the purge.
    let snapshot = database.client().await;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM copydesk.texts";
    snapshot.batch_execute(begin).await.unwrap();
    purge(&store).await;
    assert!(!planted.found(&relations().await).is_empty(), "the snapshot should still see the texts");
    snapshot.batch_execute("ROLLBACK").await.unwrap();
    gone(async || planted.found(&relations().await)).await;
    gone(async || planted.found_in(&entries())).await;
    // What is left is whole.
    assert_eq!(copydesk::store::verify(&*store).await.unwrap().problems, Vec::<String>::new());
    write(&store, ingest("later", Article { headline: "Later".into(), ..Article::default() }, at(9))).await.unwrap();
}
