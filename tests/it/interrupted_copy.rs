//! Killed copies: an incomplete target is marked, is not served, and is completed by another run.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use copydesk::article::ChangeKind;
use copydesk::store::Store;
use copydesk::store::postgres::PostgresStore;
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};

use crate::conformance::fixtures::{at, ingest, titled, transition};
use crate::support::database::{Cluster, Database};
use crate::support::process::{Serve, copydesk, run};

/// Articles in the source: a copy writes them in several batches.
const ARTICLES: i64 = 4_000;
/// Articles that the target has when the copy is killed, at least.
const SOME: i64 = 500;

/// A store, as flags name it.
enum StoreLocation {
    Folder(tempfile::TempDir),
    Database(Database),
}

impl StoreLocation {
    async fn folder() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    async fn database() -> Self {
        Self::Database(Cluster::shared().database().await)
    }

    fn flags(&self) -> [String; 2] {
        match self {
            Self::Folder(dir) => ["--data-dir".into(), data(dir.path())],
            Self::Database(database) => ["--store".into(), database.url.clone()],
        }
    }

    fn target(&self) -> String {
        match self {
            Self::Folder(dir) => format!("sqlite:{}", data(dir.path())),
            Self::Database(database) => database.url.clone(),
        }
    }

    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Folder(dir) => Arc::new(SqliteStore::open(SqliteOptions::new(data(dir.path()))).unwrap()),
            Self::Database(database) => Arc::new(PostgresStore::open(database.options()).await.unwrap()),
        }
    }

    /// Returns the number of its articles; 0 while it cannot be read.
    async fn articles(&self) -> i64 {
        match self {
            Self::Folder(dir) => {
                let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
                let file = Path::new(&data(dir.path())).join("articles.db");
                let opened = rusqlite::Connection::open_with_flags(file, flags);
                let count = opened.and_then(|it| it.query_row("SELECT count(*) FROM articles", (), |row| row.get(0)));
                count.unwrap_or(0)
            }
            Self::Database(database) => {
                let client = database.client().await;
                client.query_one("SELECT count(*) FROM copydesk.articles", &[]).await.unwrap().get(0)
            }
        }
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let [flag, value] = self.flags();
        run(&[args, &[&flag, &value]].concat())
    }

    /// The digest of all articles, of a store in which nothing is wrong.
    fn digest(&self) -> String {
        let (code, stdout, errors) = self.run(&["verify"]);
        assert_eq!(code, 0, "{stdout}{errors}");
        stdout.lines().find_map(|line| line.strip_prefix("digest: ")).unwrap().to_owned()
    }

    fn serve(&self) -> Result<Serve, String> {
        let [flag, value] = self.flags();
        let ports = ["serve", "--listen", "127.0.0.1:0", "--http-listen", "off", "--log-level", "error"];
        Serve::spawn(copydesk(&[&ports[..], &[&flag, &value]].concat()), Stdio::piped())
    }
}

fn data(dir: &Path) -> String {
    dir.join("data").to_str().unwrap().to_owned()
}

async fn fill(store: &Arc<dyn Store>) {
    let writes = (0..ARTICLES).map(|number| ingest(&format!("a-{number}"), titled(&format!("{number}")), at(number)));
    assert!(store.write(writes.collect()).await.iter().all(Result::is_ok));
    let gone = (0..ARTICLES).step_by(3).map(|number| {
        let kind = if number % 2 == 0 { ChangeKind::Withdrawn } else { ChangeKind::Deleted };
        transition(&format!("a-{number}"), kind, at(ARTICLES))
    });
    assert!(store.write(gone.collect()).await.iter().all(Result::is_ok));
}

/// Kills a copy when some articles are in its target, and not all.
async fn killed_midway(from: &StoreLocation, to: &StoreLocation) {
    let [flag, value] = from.flags();
    let mut command = copydesk(&["copy", "--to", &to.target(), &flag, &value]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = async {
        while to.articles().await < SOME {
            assert!(child.try_wait().unwrap().is_none(), "the copy has ended before it could be killed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), begun).await.expect("the copy begins");
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "the copy has ended before it was killed: {status}");
}

async fn is_marked_until_another_run(from: StoreLocation, to: StoreLocation) {
    fill(&from.open().await).await;
    let digest = from.digest();
    let other = StoreLocation::folder().await;
    drop(other.open().await);
    killed_midway(&from, &to).await;

    let refused = |errors: &str| {
        assert!(errors.contains("was interrupted") && errors.contains("run `copydesk copy"), "{errors}");
    };
    refused(&to.serve().err().expect("it is not served"));
    for args in [&["verify"][..], &["copy", "--to", &other.target()]] {
        let (code, stdout, errors) = to.run(args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {errors}");
        refused(&errors);
    }
    // Another store's articles would not make it whole.
    let (code, _, errors) = other.run(&["copy", "--to", &to.target()]);
    assert!(code == 1 && errors.contains("copy of another store"), "{errors}");
    // API keys and the schema are independent of it: an upgrade must not prevent the next run.
    for args in [&["keys", "list"][..], &["migrate"]] {
        let (code, _, errors) = to.run(args);
        assert_eq!(code, 0, "{args:?}: {errors}");
    }
    refused(&to.serve().err().expect("it is not served"));

    let (code, stdout, errors) = from.run(&["copy", "--to", &to.target()]);
    assert_eq!(code, 0, "{errors}");
    let there = stdout.strip_prefix(&format!("copied: {ARTICLES}, of which ")).unwrap_or_else(|| panic!("{stdout}"));
    let there: i64 = there.split(' ').next().unwrap().parse().unwrap();
    assert!((SOME..ARTICLES).contains(&there), "{stdout}");
    assert_eq!(to.digest(), digest);
    to.serve().unwrap_or_else(|errors| panic!("{errors}")).stop();
    // Once it is whole, another store may be copied into it.
    let (code, _, errors) = other.run(&["copy", "--to", &to.target()]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(to.digest(), digest);
}

#[tokio::test]
async fn into_a_database_is_marked_until_completed() {
    is_marked_until_another_run(StoreLocation::folder().await, StoreLocation::database().await).await;
}

#[tokio::test]
async fn into_a_folder_is_marked_until_completed() {
    is_marked_until_another_run(StoreLocation::database().await, StoreLocation::folder().await).await;
}

#[tokio::test]
async fn from_folder_to_folder_is_marked_until_completed() {
    is_marked_until_another_run(StoreLocation::folder().await, StoreLocation::folder().await).await;
}

#[tokio::test]
async fn doctor_reports_an_interrupted_copy() {
    let database = StoreLocation::database().await;
    let StoreLocation::Database(place) = &database else { unreachable!() };
    let client = place.client().await;
    let ports = ["doctor", "--listen", "127.0.0.1:0", "--http-listen", "off"];
    client.execute("UPDATE copydesk.feed SET copying = gen_random_uuid()", &[]).await.unwrap();
    let (code, stdout, _) = database.run(&ports);
    assert!(code == 1 && stdout.contains("was interrupted") && stdout.contains("run `copydesk copy`"), "{stdout}");
    client.execute("UPDATE copydesk.feed SET copying = NULL", &[]).await.unwrap();
    assert_eq!(database.run(&ports).0, 0);
}
