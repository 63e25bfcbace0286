//! Cases of the embedded engine only: its files.

use std::path::Path;
use std::sync::Arc;

use copydesk::article::{ChangeKind, Digest, Key};
use copydesk::store::sqlite::{OpenError, SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Outcome, Precondition, Store, StoreError, WriteError, verify};

use super::fixtures::{at, former_content, get, id, ingest, merge, proto_at, titled, transition, update, write};
use copydesk::proto::{Article, Author};

fn open(dir: &Path) -> Result<Arc<dyn Store>, OpenError> {
    SqliteStore::open(SqliteOptions::new(dir)).map(|store| Arc::new(store) as Arc<dyn Store>)
}

async fn filled(dir: &Path) {
    let store = open(dir).unwrap();
    let writes = (0..50).map(|number| {
        let article = Article { body: "Ferry and harbour. ".repeat(100), ..titled(&format!("Ferry {number}")) };
        ingest(&format!("a-{number}"), article, at(number))
    });
    assert!(store.write(writes.collect()).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn writes_persist_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let (feed, head) = {
        let store = open(dir.path()).unwrap();
        assert!(get(&store, "a-49").await.is_some());
        (store.feed_id(), store.head().await.unwrap())
    };
    let store = open(dir.path()).unwrap();
    assert_eq!((store.feed_id(), store.head().await.unwrap()), (feed, head));
    assert_eq!(super::fixtures::feed(&store).await.len(), 50);
}

#[tokio::test]
async fn a_folder_is_locked_by_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::InUse { .. })));
    drop(store);
    assert!(open(dir.path()).is_ok());
}

#[tokio::test]
async fn damaged_files_are_rejected_and_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let path = dir.path().join("articles.db");
    let whole = std::fs::read(&path).unwrap();
    let mut garbage = whole.clone();
    garbage[..200].fill(b'x');
    for damaged in
        [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &whole[..50], b"Not a database, a letter.", &garbage]
    {
        std::fs::write(&path, damaged).unwrap();
        let refused = open(dir.path()).err().unwrap();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
        assert!(refused.to_string().contains("articles.db"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(open(dir.path()).is_ok());
}

#[tokio::test]
async fn newer_and_foreign_files_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let path = dir.path().join("articles.db");
    let set = |pragma: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(pragma).unwrap();
    set("PRAGMA user_version = 999");
    assert!(matches!(open(dir.path()), Err(OpenError::Newer { found: 999, .. })));
    set("PRAGMA user_version = 1; PRAGMA application_id = 7");
    assert!(matches!(open(dir.path()), Err(OpenError::Damaged { .. })));
}

/// It has words of articles that have been purged since.
#[tokio::test]
async fn the_index_of_a_former_version_is_deleted_by_the_owner_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let former = ["search.db", "search.db-wal", "search.db-shm"].map(|name| dir.path().join(name));
    for path in &former {
        std::fs::write(path, "ferry").unwrap();
    }
    assert!(matches!(open(dir.path()), Err(OpenError::InUse { .. })));
    assert!(former.iter().all(|path| path.exists()));
    drop(store);
    drop(open(dir.path()).unwrap());
    assert!(!former.iter().any(|path| path.exists()));
}

#[tokio::test]
async fn a_full_store_rejects_writes_and_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions { max_bytes: Some(1 << 20), ..SqliteOptions::new(dir.path()) };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options).unwrap());
    let large = |number: usize| {
        let article = Article { body: "Ferry. ".repeat(5_000), ..titled(&format!("Ferry {number}")) };
        ingest(&format!("a-{number}"), article, at(0))
    };
    let mut kept = 0;
    let refused = loop {
        assert!(kept < 100, "the disk never fills up");
        match write(&store, large(kept)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, WriteError::Store(StoreError::Full));
    // Callers that share a transaction with a write that had no room get correct results: successful writes are
    // stored, and rejected ones are not.
    let calls = (200..216).map(|number| {
        let small = ingest(&format!("s-{number}"), titled(&format!("Small {number}")), at(1));
        let (store, writes) = (&store, if number % 2 == 0 { vec![small] } else { vec![large(number)] });
        async move { (number, store.write(writes).await.remove(0)) }
    });
    for (number, answer) in futures::future::join_all(calls).await {
        let name = if number % 2 == 0 { format!("s-{number}") } else { format!("a-{number}") };
        match answer {
            Ok(_) => assert!(get(&store, &name).await.is_some(), "{name}"),
            Err(error) => {
                assert_eq!(error, WriteError::Store(StoreError::Full));
                assert!(get(&store, &name).await.is_none(), "{name}");
            }
        }
    }
    assert_eq!(get(&store, "a-0").await.unwrap().revision, 1);
    let changes = super::fixtures::feed(&store).await;
    assert_eq!(store.head().await.unwrap(), changes.last().unwrap().position);
}

/// A migrated store has the keys that its articles state. A withdrawn one has a key that several state.
pub async fn check_keys(store: &Arc<dyn Store>) {
    for (key, name) in [
        (Key::address("http://www.herald.example/1/").unwrap(), "killed"),
        (Key::external("herald.example", "moved"), "moved"),
        (Key::external("herald.example", "untouched"), "untouched"),
    ] {
        assert_eq!(store.lookup(&[key], Consistency::Full).await.unwrap(), [Some(id(name))], "{key:?}");
    }
}

/// Files of a version that did not record the owner of a field.
#[tokio::test]
async fn files_of_an_older_version_are_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let held = |headline: &str, embargo| Article { embargo_time: proto_at(embargo), ..titled(headline) };
    let plain = || Article { authors: vec![Author::named("Ida Quill")], ..titled("Ferry 3") };
    {
        let store = open(dir.path()).unwrap();
        write(&store, ingest("untouched", held("Ferry", 500), at(0))).await.unwrap();
        write(&store, ingest("moved", held("Ferry 2", 500), at(0))).await.unwrap();
        write(&store, update("moved", held("Ferry 2", 600), Precondition::None, at(1))).await.unwrap();
        write(&store, ingest("plain", plain(), at(0))).await.unwrap();
        write(&store, ingest("killed", titled("Gone"), at(1))).await.unwrap();
        write(&store, transition("killed", ChangeKind::Withdrawn, at(1))).await.unwrap();
    }
    let articles = rusqlite::Connection::open(dir.path().join("articles.db")).unwrap();
    // That version had one address and one identifier of each article, and no other keys.
    let back = "DROP TABLE keys; DROP TABLE purged_keys; DROP TABLE article_sketches;
        DROP TABLE article_anchors; DROP TABLE originals; DROP TABLE revision_originals;
        DROP TABLE ingest_events; DROP TABLE story_members; DROP TABLE story_merges; DROP TABLE grouping;
        DROP TABLE article_reads; DROP INDEX articles_by_deletion;
        ALTER TABLE articles DROP COLUMN editor_fields;
        ALTER TABLE articles DROP COLUMN source_time;
        ALTER TABLE articles DROP COLUMN source_version;
        ALTER TABLE articles DROP COLUMN observed;
        ALTER TABLE articles ADD COLUMN url TEXT NOT NULL DEFAULT '';
        ALTER TABLE articles ADD COLUMN external_id TEXT NOT NULL DEFAULT '';
        CREATE INDEX articles_by_url ON articles (url) WHERE url <> '';
        CREATE INDEX articles_by_external_id ON articles (external_id, source) WHERE external_id <> '';
        ALTER TABLE articles ADD COLUMN duplicate_of INTEGER;
        ALTER TABLE changes ADD COLUMN duplicate_of INTEGER;
        UPDATE articles SET url = 'https://herald.example/1', source = 'herald.example', external_id = id;
        PRAGMA user_version = 1";
    articles.execute_batch(back).unwrap();
    let contents: Vec<(i64, Vec<u8>)> = articles
        .prepare("SELECT position, content FROM changes WHERE content IS NOT NULL")
        .unwrap()
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (position, content) in contents {
        let former = former_content(&content);
        articles.execute("UPDATE changes SET content = ?2 WHERE position = ?1", (position, &former)).unwrap();
        // The fingerprint of a document without embargo is the digest of its content.
        let plain = Digest::of_bytes(&former).0;
        articles
            .execute("UPDATE articles SET fingerprint = ?2 WHERE id = 'plain' AND position = ?1", (position, plain))
            .unwrap();
    }
    drop(articles);
    let store = open(dir.path()).unwrap();
    check_keys(&store).await;
    // Contents have the present fields, and a repeated document is recognised.
    assert_eq!(get(&store, "plain").await.unwrap().decode().unwrap().authors, [Author::named("Ida Quill")]);
    let again = write(&store, ingest("plain", plain(), at(2))).await.unwrap();
    assert_eq!(again.outcome, Outcome::Unchanged);
    // A time that was ever another one may be an editor's.
    for (name, changed) in [("untouched", true), ("moved", false)] {
        let sent = write(&store, ingest(name, held("Ferry, other words", 10), at(3))).await.unwrap();
        assert_eq!(sent.record.embargo_time == Some(at(10)), changed, "{name}");
    }
}

#[tokio::test]
async fn verification_finds_keys_that_disagree_with_their_articles() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for number in 0..3 {
        let url = format!("https://herald.example/{number}");
        let article = Article { url, ..titled(&format!("Ferry {number}")) };
        write(&store, ingest(&format!("a-{number}"), article, at(number))).await.unwrap();
    }
    write(&store, merge("a-1", &["a-2"], at(3))).await.unwrap();
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
    drop(store);
    let database = rusqlite::Connection::open(dir.path().join("articles.db")).unwrap();
    let lost = Key::address("https://herald.example/0").unwrap();
    database.execute("DELETE FROM keys WHERE key = ?1", [lost.as_bytes()]).unwrap();
    let kept = Key::address("https://herald.example/2").unwrap();
    let back = "UPDATE keys SET article = (SELECT key FROM articles WHERE id = 'a-2') WHERE key = ?1";
    database.execute(back, [kept.as_bytes()]).unwrap();
    drop(database);
    let problems = verify(&*open(dir.path()).unwrap()).await.unwrap().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("articles/a-0: no article has the key"), "{problems:?}");
    assert_eq!(problems[1], "articles/a-2: has 1 keys, although it was merged");
}
