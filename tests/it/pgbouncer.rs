//! pgbouncer in transaction mode, on a free port. It stops with the tests, even after a kill.

use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use copydesk::article::ArticleId;
use copydesk::store::postgres::{PostgresOptions, PostgresStore};
use copydesk::store::{Consistency, Store};
use futures::future::join_all;

use crate::conformance::databases::{follow, open};
use crate::conformance::fixtures::{at, ingest, titled};
use crate::conformance::indexes::search;
use crate::conformance::{engines, random_histories};
use crate::support::database::{Cluster, Database, USER, as_other_user, other_user};
use crate::support::redis_server::free_port;

/// Two server processes for each database: a transaction rarely gets the one of the previous transaction.
const SETTINGS: &str = "
    pool_mode = transaction
    auth_type = any
    listen_addr = 127.0.0.1
    default_pool_size = 2
    max_client_conn = 500
    max_db_connections = 2
    ignore_startup_parameters = extra_float_digits
";

pub struct PgBouncer {
    port: u16,
    _child: Child,
}

impl PgBouncer {
    /// Returns the pgbouncer in front of the server that most tests share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<PgBouncer> = LazyLock::new(|| PgBouncer::start(Cluster::shared()));
        &SHARED
    }

    fn start(cluster: &Cluster) -> Self {
        let dir = tempfile::Builder::new().prefix("copydesk-pgbouncer-").tempdir().unwrap().keep();
        let port = free_port();
        let server = format!("* = host=127.0.0.1 port={} user={USER}", cluster.port());
        let settings = SETTINGS.replace("    ", "");
        let text = format!("[databases]\n{server}\n[pgbouncer]\nlisten_port = {port}\nunix_socket_dir =\n{settings}");
        std::fs::write(dir.join("pgbouncer.ini"), text).unwrap();
        if let Some((uid, gid)) = other_user() {
            chown(&dir, Some(uid), Some(gid)).unwrap();
        }
        // The shell waits for the end of its input, which comes when this process exits for any reason.
        let script = r#"
            PATH=$PATH:/usr/sbin
            pgbouncer pgbouncer.ini >log 2>&1 </dev/null &
            cat >/dev/null
            kill -INT $!
            wait
            rm -rf "$PWD"
        "#;
        let mut shell = as_other_user(Path::new("sh"), &dir);
        shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = shell.spawn().expect("there is a shell");
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "pgbouncer does not answer (`make test` installs it):\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { port, _child: child }
    }

    pub fn options(&self, database: &Database) -> PostgresOptions {
        let url = format!("postgres://{USER}@127.0.0.1:{}/{}", self.port, database.name);
        let mut options = PostgresOptions::new(&url).unwrap();
        options.connections = 4;
        options.listen = false;
        options
    }
}

#[test]
fn reads_equal_the_model() {
    random_histories::check(|| Box::pin(engines::postgres_pooled()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_of_several_replicas_has_no_gap() {
    const WRITERS: usize = 8;
    const EACH: usize = 10;
    let database = Cluster::shared().database().await;
    let bouncer = PgBouncer::shared();
    let stores: Vec<Arc<dyn Store>> = join_all((0..3).map(|_| open(bouncer.options(&database)))).await;
    let writing = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&stores[writer % stores.len()]);
        async move {
            for number in 0..EACH {
                let name = format!("a-{writer}-{number}");
                store.write(vec![ingest(&name, titled(&name), at(0))]).await.remove(0).unwrap();
            }
        }
    });
    let (_, followed) = futures::join!(join_all(writing), follow(&stores[0], WRITERS * EACH));
    assert!(followed.iter().map(|(sequence, _)| *sequence).eq(1..=(WRITERS * EACH) as u64));
    assert_eq!(search(&stores[2], "\"a 3 7\"", at(1)).await.len(), 1);
}

/// With the default settings, as someone sets them who does not know of the pooler.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_is_noticed_and_reads_work() {
    let database = Cluster::shared().database().await;
    let mut options = PgBouncer::shared().options(&database);
    options.listen = true;
    assert!(PostgresStore::probe(&options).await.unwrap().pooled);
    let mut direct = PostgresOptions::new(&database.url).unwrap();
    direct.listen = true;
    assert!(!PostgresStore::probe(&direct).await.unwrap().pooled);
    let store = open(options).await;
    for number in 0..20 {
        let name = format!("a-{number}");
        store.write(vec![ingest(&name, titled(&name), at(0))]).await.remove(0).unwrap();
    }
    let ids: Vec<ArticleId> = (0..20).map(|number| format!("a-{number}").parse().unwrap()).collect();
    let reads = (0..200).map(|read| store.get(std::slice::from_ref(&ids[read % ids.len()]), Consistency::Full));
    for found in join_all(reads).await {
        assert!(found.unwrap()[0].record.is_some());
    }
}
