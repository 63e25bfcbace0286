//! Search indexes that are lost, damaged, or of another store: they are built again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use copydesk::article::ChangeKind;
use copydesk::search::{OpenError, SearchIndex};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Precondition, Store};
use copydesk::telemetry::SearchMetrics;
use futures::future::join_all;
use tempfile::TempDir;

use super::fixtures::{at, ingest, titled, transition, update, write};
use super::indexes::{Index, found, search};
use crate::test_server::search_options;

async fn filled(count: i64) -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    for number in 0..count {
        write(&store, ingest(&format!("a-{number}"), titled(&format!("Ferry {number}")), at(number))).await.unwrap();
    }
    (store, dir)
}

/// Returns the files of an index.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("index")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn finds_all(index: &Index, count: usize, what: &str) {
    assert_eq!(index.search("ferry", at(99)).await.len(), count, "{what}");
    assert_eq!(found(&index.search("\"ferry 3\"", at(99)).await), ["a-3"], "{what}");
}

#[tokio::test]
async fn an_index_continues_where_it_was_closed() {
    let (store, _dir) = filled(10).await;
    let dir = Index::of(&store).await.close();
    write(&store, update("a-4", titled("Boat 4"), Precondition::None, at(20))).await.unwrap();
    write(&store, transition("a-5", ChangeKind::Withdrawn, at(20))).await.unwrap();
    write(&store, ingest("a-10", titled("Ferry 10"), at(20))).await.unwrap();
    let index = Index::on(dir, &store).await;
    finds_all(&index, 9, "changed while it was closed").await;
    assert_eq!(found(&index.search("boat", at(99)).await), ["a-4"]);
}

/// Every file of the index, damaged in every way that opening it detects.
#[tokio::test]
async fn a_damaged_index_is_built_again() {
    let (store, _dir) = filled(10).await;
    let whole = Index::of(&store).await.close();
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("gone", |file| std::fs::remove_file(file).unwrap()),
        ("empty", |file| std::fs::write(file, "").unwrap()),
        ("garbage", |file| std::fs::write(file, [7; 300]).unwrap()),
        ("cut", |file| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
    ];
    let mut checks = Vec::new();
    for damaged in files(whole.path()) {
        for (damage, apply) in damages {
            let copy = tempfile::tempdir().unwrap();
            std::fs::create_dir(copy.path().join("index")).unwrap();
            for file in files(whole.path()) {
                std::fs::copy(&file, copy.path().join("index").join(file.file_name().unwrap())).unwrap();
            }
            let name = damaged.file_name().unwrap();
            apply(&copy.path().join("index").join(name));
            let (store, what) = (Arc::clone(&store), format!("{} {damage}", name.display()));
            let check = async move { finds_all(&Index::on(copy, &store).await, 10, "damaged").await };
            let check = tokio::spawn(check);
            checks.push(async { check.await.is_err().then_some(what) });
        }
    }
    assert!(checks.len() > 20, "{}", checks.len());
    let failed: Vec<String> = join_all(checks).await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "not built again: {failed:?}");
}

#[tokio::test]
async fn a_deleted_folder_and_another_stores_index_are_built_again() {
    let (store, _dir) = filled(10).await;
    let (other, _other_dir) = filled(3).await;
    let dir = Index::of(&other).await.close();
    let index = Index::on(dir, &store).await;
    finds_all(&index, 10, "another store's").await;
    let dir = index.close();
    std::fs::remove_dir_all(dir.path()).unwrap();
    let index = Index::on(dir, &store).await;
    finds_all(&index, 10, "deleted").await;
}

/// As after a database has lost its last changes.
#[tokio::test]
async fn an_index_that_is_ahead_of_the_store_is_built_again() {
    let (store, dir) = filled(10).await;
    let copy = tempfile::tempdir().unwrap();
    drop(store);
    // The last connection has written the log into the file.
    std::fs::copy(dir.path().join("articles.db"), copy.path().join("articles.db")).unwrap();
    let open = |dir: &Path| -> Arc<dyn Store> { Arc::new(SqliteStore::open(SqliteOptions::new(dir)).unwrap()) };
    let ahead = open(dir.path());
    write(&ahead, ingest("lost", titled("Ferry lost"), at(20))).await.unwrap();
    let folder = Index::of(&ahead).await.close();
    let behind = open(copy.path());
    let index = Index::on(folder, &behind).await;
    let head = behind.head().await.unwrap();
    let rebuilt = async {
        while index.index.position() != head {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), rebuilt).await.expect("the index is built again");
    finds_all(&index, 10, "ahead").await;
    assert!(index.search("lost", at(99)).await.is_empty());
}

#[tokio::test]
async fn a_folder_belongs_to_one_server() {
    let (store, _dir) = filled(1).await;
    let index = Index::of(&store).await;
    let open = |dir: &Path| SearchIndex::open(Arc::clone(&store), search_options(dir), SearchMetrics::default());
    let refused = open(index.dir.path()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Locked { .. }) && refused.to_string().contains("search-dir"), "{refused}");
    // The lock ends with the index.
    let dir = index.close();
    drop(open(dir.path()).await.unwrap());
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for unusable in [file.clone(), file.join("search")] {
        let refused = open(&unusable).await.err().unwrap();
        assert!(matches!(refused, OpenError::Folder { .. }), "{refused}");
        assert!(refused.to_string().contains(file.to_str().unwrap()), "{refused}");
    }
}

/// Neither the words nor the values of a purged article stay in the files.
#[tokio::test]
async fn no_segment_keeps_the_words_of_a_purged_article() {
    let (store, _dir) = filled(5).await;
    let secret = copydesk::proto::Article { tags: vec!["zzkeyword".into()], ..titled("Ferry zzsecret") };
    write(&store, ingest("secret", secret, at(0))).await.unwrap();
    let index = Index::of(&store).await;
    let dir = index.dir.path();
    let kept = || {
        let index = tantivy::Index::open_in_dir(dir.join("index")).unwrap();
        let searcher = index.reader().unwrap().searcher();
        let mut kept = Vec::new();
        for segment in searcher.segment_readers() {
            for (field, _) in index.schema().fields().filter(|(_, entry)| entry.is_indexed()) {
                let inverted = segment.inverted_index(field).unwrap();
                let mut terms = inverted.terms().stream().unwrap();
                while terms.advance() {
                    kept.extend(String::from_utf8(terms.key().to_vec()).ok().filter(|term| term.starts_with("zz")));
                }
            }
            let tags = segment.fast_fields().str("value_tag").unwrap();
            if let Some(tags) = tags {
                let mut terms = tags.dictionary().stream().unwrap();
                while terms.advance() {
                    kept.extend(String::from_utf8(terms.key().to_vec()).ok().filter(|term| term.starts_with("zz")));
                }
            }
        }
        // Files that no segment has any more.
        let live: Vec<String> = searcher.segment_readers().iter().map(|it| it.segment_id().uuid_string()).collect();
        let names = files(dir).into_iter().map(|file| file.file_name().unwrap().display().to_string());
        kept.extend(names.filter(|name| {
            name.chars().take_while(char::is_ascii_hexdigit).count() == 32
                && !live.iter().any(|live| name.starts_with(live.as_str()))
        }));
        kept
    };
    assert!(kept().len() >= 2, "not indexed: {:?}", kept());
    write(&store, transition("secret", ChangeKind::Purged, at(1))).await.unwrap();
    index.catch_up().await;
    let erased = async {
        while !kept().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), erased).await.expect("the words are erased");
    assert_eq!(index.search("ferry", at(99)).await.len(), 5);
    assert_eq!(search(&store, "zzsecret", at(99)).await.len(), 0);
}
