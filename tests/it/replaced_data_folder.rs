//! A data folder that is moved, deleted or replaced under its server: no write is acknowledged that would be lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use copydesk::proto::*;
use copydesk::server::StoreOptions;
use copydesk::store::sqlite::{OpenError, SqliteOptions, SqliteStore};
use copydesk::store::{Store, StoreError, WriteError, verify};
use copydesk::telemetry::StoreMetrics;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::conformance::fixtures;
use crate::test_server::{TestServer, invented, ready};

const SOON: Duration = Duration::from_secs(60);

/// A server whose data folder can be moved, and a target to move it to.
struct Desk {
    server: TestServer,
    data: PathBuf,
    aside: PathBuf,
}

impl Desk {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (data, aside) = (dir.path().join("data"), dir.path().join("aside"));
        let folder = data.clone();
        let server = TestServer::on(dir, |options| {
            options.store = StoreOptions::Sqlite(SqliteOptions::new(folder));
            options.cache = None;
        })
        .await;
        Self { server, data, aside }
    }

    async fn write(&self, number: usize) -> Result<String, Status> {
        let request = IngestArticleRequest { document: Some(ready(invented(number))), ..Default::default() };
        let written = self.server.ingestion().await.ingest_article(request).await?;
        Ok(written.into_inner().into_first().unwrap().article.unwrap().name)
    }

    async fn read(&self, name: &str) -> Result<Article, Status> {
        let request = GetArticleRequest { name: name.into(), ..Default::default() };
        self.server.retrieval().await.get_article(request).await.map(|answer| answer.into_inner().article.unwrap())
    }

    async fn status(&self, service: &str) -> ServingStatus {
        let mut health = HealthClient::new(self.server.channel().await);
        health.check(HealthCheckRequest { service: service.into() }).await.unwrap().into_inner().status()
    }

    async fn until_ready(&self, expected: bool) {
        let reached = async {
            loop {
                let serving = self.status("copydesk.v1.IngestionService").await == ServingStatus::Serving;
                if serving == expected && self.server.http("/readyz").await.starts_with("HTTP/1.0 200") == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(SOON, reached).await.is_ok(), "readiness does not become {expected}");
        // A restart would not mend it: it is alive.
        assert_eq!(self.status("").await, ServingStatus::Serving);
        assert!(self.server.http("/livez").await.starts_with("HTTP/1.0 200"));
    }

    /// From the very first write on.
    async fn refuses(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let refused = self.write(number).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        }
        self.until_ready(false).await;
    }
}

/// A folder with a store of another desk in it.
async fn another(dir: &Path) {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir)).unwrap());
    fixtures::write(&store, fixtures::ingest("anothers", fixtures::titled("Another's"), fixtures::at(0)))
        .await
        .unwrap();
}

async fn verified(dir: &Path, names: &[String]) {
    let opened = async {
        loop {
            match SqliteStore::open(SqliteOptions::new(dir)) {
                // The last task of the server that has it is about to end.
                Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                opened => return opened.unwrap(),
            }
        }
    };
    let store: Arc<dyn Store> = Arc::new(tokio::time::timeout(SOON, opened).await.expect("the server lets it go"));
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
    for name in names {
        assert!(fixtures::get(&store, name.trim_start_matches("articles/")).await.is_some(), "{name} is lost");
    }
}

#[tokio::test]
async fn a_moved_folder_rejects_writes_until_it_is_back() {
    for replaced in [false, true] {
        let desk = Desk::start().await;
        let mut names = vec![desk.write(0).await.unwrap()];
        desk.until_ready(true).await;
        std::fs::rename(&desk.data, &desk.aside).unwrap();
        if replaced {
            another(&desk.data).await;
        }
        desk.refuses(1..10).await;
        // Many at once open connections besides those that are there: to these files, or to none.
        let reads = futures::future::join_all((0..32).map(|_| desk.read("articles/anothers"))).await;
        for read in reads {
            assert!(matches!(read.unwrap_err().code(), Code::NotFound | Code::Unavailable));
        }
        if replaced {
            verified(&desk.data, &["anothers".into()]).await;
            std::fs::remove_dir_all(&desk.data).unwrap();
        }
        std::fs::rename(&desk.aside, &desk.data).unwrap();
        desk.until_ready(true).await;
        // Rejected writes were not applied.
        names.push(desk.write(1).await.unwrap());
        assert_eq!(desk.read(&names[0]).await.unwrap().revision, 1);
        let listed = desk.server.retrieval().await.list_articles(ListArticlesRequest::default()).await.unwrap();
        assert_eq!(listed.into_inner().articles.len(), 2);
        let data = desk.data.clone();
        let _dir = desk.server.stop().await;
        verified(&data, &names).await;
    }
}

/// None of these can be restored: a path to another file is as invalid as a path to none.
#[tokio::test]
async fn deleted_or_replaced_files_reject_writes_permanently() {
    for file in ["", "articles.db", "articles.db-wal", "articles.db-shm", "lock"] {
        let desk = Desk::start().await;
        desk.write(0).await.unwrap();
        if file.is_empty() {
            std::fs::remove_dir_all(&desk.data).unwrap();
        } else {
            std::fs::remove_file(desk.data.join(file)).unwrap();
        }
        desk.refuses(1..3).await;
        std::fs::create_dir_all(&desk.data).unwrap();
        std::fs::write(desk.data.join(if file.is_empty() { "lock" } else { file }), "").unwrap();
        desk.refuses(3..5).await;
        desk.server.stop().await;
    }
}

#[tokio::test]
async fn a_database_replaced_by_a_copy_rejects_writes() {
    let desk = Desk::start().await;
    desk.write(0).await.unwrap();
    let (file, copy) = (desk.data.join("articles.db"), desk.data.join("copy.db"));
    std::fs::copy(&file, &copy).unwrap();
    std::fs::rename(&file, desk.data.join("original.db")).unwrap();
    std::fs::rename(&copy, &file).unwrap();
    desk.refuses(1..3).await;
    std::fs::rename(desk.data.join("original.db"), &file).unwrap();
    desk.until_ready(true).await;
    desk.write(1).await.unwrap();
}

/// A check before a commit is too early for this.
#[tokio::test]
async fn a_folder_deleted_during_a_commit_fails_the_write() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let metrics = StoreMetrics::default();
    let store = Arc::new(SqliteStore::open_with_metrics(SqliteOptions::new(&data), metrics.clone()).unwrap());
    // The writer waits for this transaction, once it has begun to commit.
    let other = rusqlite::Connection::open(data.join("articles.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.write(vec![fixtures::ingest("a", fixtures::titled("A"), fixtures::at(0))]).await.remove(0) }
    });
    while metrics.queue.get() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Makes it likely that the check before the commit is over; the outcome is the same if it is not.
    tokio::time::sleep(Duration::from_millis(100)).await;
    std::fs::remove_dir_all(&data).unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    let refused = writing.await.unwrap().unwrap_err();
    assert!(matches!(refused, WriteError::Store(StoreError::Unavailable(_))), "{refused:?}");
}

/// Writers continue while the folder is moved back and forth; all acknowledged writes are there in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_while_the_folder_comes_and_goes() {
    const ROUNDS: usize = 20;
    let desk = Arc::new(Desk::start().await);
    let [done, refused, next] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (desk, done, refused, next) = (desk.clone(), done.clone(), refused.clone(), next.clone());
            tokio::spawn(async move {
                let mut names = Vec::new();
                while next.load(Ordering::SeqCst) < usize::MAX / 2 {
                    match desk.write(next.fetch_add(1, Ordering::SeqCst)).await {
                        Ok(name) => {
                            names.push(name);
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(status) => {
                            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                            refused.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
                names
            })
        })
        .collect();
    let more = async |count: &AtomicUsize| {
        let before = count.load(Ordering::SeqCst);
        let reached = async {
            while count.load(Ordering::SeqCst) < before + 8 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(SOON, reached).await.expect("writes are answered");
    };
    for _ in 0..ROUNDS {
        more(&done).await;
        std::fs::rename(&desk.data, &desk.aside).unwrap();
        more(&refused).await;
        std::fs::rename(&desk.aside, &desk.data).unwrap();
    }
    next.store(usize::MAX / 2, Ordering::SeqCst);
    let mut names = Vec::new();
    for writer in writers {
        names.extend(writer.await.unwrap());
    }
    assert!(names.len() >= ROUNDS * 8);
    let desk = Arc::into_inner(desk).unwrap();
    let data = desk.data.clone();
    let _dir = desk.server.stop().await;
    verified(&data, &names).await;
}
