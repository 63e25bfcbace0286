//! The system under test: three servers, their PostgreSQL and Redis, and a proxy on each connection between them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use copydesk::proto::consistency::Requirement;
use copydesk::proto::{Consistency, GetArticleRequest};
use copydesk_client::Client;

use crate::history;
use crate::proxy::{Proxy, Way};
use crate::support::database::{Cluster, Database};
use crate::support::process::Serve;
use crate::support::redis_server::RedisServer;

pub const SERVERS: usize = 3;
/// Maximum time for recovery once no fault is left.
pub const RECOVERY: Duration = Duration::from_secs(60);

/// Size of each server's local cache, in bytes for each article: about a third of them fit. Reads answered by a local
/// cache do not reach Redis, and would hide its errors.
const LOCAL_BYTES_EACH: usize = 546;

/// Command line and environment of a server.
#[derive(Clone)]
struct Settings {
    bound: String,
    cache_bytes: String,
}

pub struct System {
    pub store: Mutex<Cluster>,
    pub redis: Mutex<RedisServer>,
    pub to_store: Vec<Proxy>,
    pub to_redis: Vec<Proxy>,
    servers: Vec<Mutex<Option<Serve>>>,
    clients: Vec<RwLock<Client>>,
    /// Time of each server's last answer from Redis, in microseconds since `born`.
    redis_answered: Vec<AtomicU64>,
    born: Instant,
    settings: Settings,
    logs: PathBuf,
    database: Database,
}

impl System {
    pub async fn start(bound: Duration, articles: usize) -> Arc<Self> {
        let cluster = tokio::task::spawn_blocking(|| Cluster::start(true)).await.unwrap();
        let database = cluster.database_without_template().await;
        let redis = tokio::task::spawn_blocking(RedisServer::start).await.unwrap();
        let (mut to_store, mut to_redis) = (Vec::new(), Vec::new());
        for _ in 0..SERVERS {
            to_store.push(Proxy::start(cluster.port()).await);
            to_redis.push(Proxy::start(redis.port()).await);
        }
        let logs = tempfile::Builder::new().prefix("copydesk-chaos-").tempdir().unwrap().keep();
        let settings = Settings {
            bound: format!("{}ms", bound.as_millis()),
            cache_bytes: (articles * LOCAL_BYTES_EACH).to_string(),
        };
        let serve = |at: usize| serve(&to_store[at], &to_redis[at], &database.name, &settings, &logs, at);
        let (mut servers, mut clients) = (Vec::new(), Vec::new());
        for at in 0..SERVERS {
            let server = serve(at).await.unwrap();
            clients.push(RwLock::new(server.client().await));
            servers.push(Mutex::new(Some(server)));
        }
        Arc::new(Self {
            store: Mutex::new(cluster),
            redis: Mutex::new(redis),
            to_store,
            to_redis,
            servers,
            clients,
            redis_answered: (0..SERVERS).map(|_| AtomicU64::new(0)).collect(),
            born: Instant::now(),
            settings,
            logs,
            database,
        })
    }

    /// Returns a client of the current server process. After a kill, the next client connects to its successor.
    pub fn client(&self, server: usize) -> Client {
        self.clients[server].read().unwrap().clone()
    }

    pub fn kill(&self, server: usize) {
        if let Some(server) = self.servers[server].lock().unwrap().take() {
            server.kill();
        }
    }

    /// Restarts a server, on another port, as on another machine. It exits while the store is unreachable, so the
    /// start is retried.
    pub async fn restart(&self, at: usize) {
        let (store, redis) = (&self.to_store[at], &self.to_redis[at]);
        let until = Instant::now() + RECOVERY;
        let server = loop {
            match serve(store, redis, &self.database.name, &self.settings, &self.logs, at).await {
                Ok(server) => break server,
                Err(errors) => assert!(Instant::now() < until, "{errors}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let client = server.client().await;
        *self.clients[at].write().unwrap() = client;
        *self.servers[at].lock().unwrap() = Some(server);
    }

    pub fn freeze(&self, server: usize) {
        if let Some(server) = &*self.servers[server].lock().unwrap() {
            server.freeze();
        }
    }

    pub fn thaw(&self, server: usize) {
        if let Some(server) = &*self.servers[server].lock().unwrap() {
            server.thaw();
        }
    }

    pub fn set(&self, ways: &[Proxy], only: Option<usize>, way: Way) {
        for (_, proxy) in ways.iter().enumerate().filter(|(at, _)| only.is_none_or(|only| only == *at)) {
            proxy.set(way);
        }
    }

    /// Runs blocking work on a thread for it.
    pub async fn blocking<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let system = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&system)).await.unwrap()
    }

    pub fn answered_from(&self, server: usize, layer: Option<&str>) {
        if layer == Some("redis") {
            self.redis_answered[server].store(self.born.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
    }

    /// Waits until every server reads the store.
    pub async fn reads_store(&self) -> Result<(), String> {
        let until = Instant::now() + RECOVERY;
        for server in 0..SERVERS {
            while let Err(status) = self.read_store(server).await {
                if Instant::now() > until {
                    return Err(format!("server {server} does not read the store again: {status}"));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    /// Waits until every server has answered a read from Redis. Returns the time since `healed`; none if it exceeds
    /// `max_wait`.
    pub async fn answers_from_redis(&self, healed: Instant, max_wait: Duration) -> Option<Duration> {
        let healed_at = healed - self.born;
        while healed.elapsed() < max_wait {
            let answered = self.redis_answered.iter().map(|at| Duration::from_micros(at.load(Ordering::Relaxed)));
            if let Some(last) = answered.min().filter(|at| *at > healed_at) {
                return Some(last - healed_at);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        None
    }

    async fn read_store(&self, server: usize) -> Result<(), tonic::Status> {
        let consistency = Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)) });
        let mut request =
            tonic::Request::new(GetArticleRequest { name: history::name(0), consistency, ..Default::default() });
        request.set_timeout(Duration::from_secs(1));
        match self.client(server).retrieval.get_article(request).await {
            Err(status) if status.code() != tonic::Code::NotFound => Err(status),
            _ => Ok(()),
        }
    }

    /// Stops the servers, and removes their logs unless `keep_logs`. Returns the folder of the logs.
    pub fn end(&self, keep_logs: bool) -> &Path {
        (0..SERVERS).for_each(|server| self.kill(server));
        if !keep_logs {
            // Remaining temporary files do no harm.
            let _ = std::fs::remove_dir_all(&self.logs);
        }
        &self.logs
    }
}

async fn serve(
    to_store: &Proxy,
    to_redis: &Proxy,
    database: &str,
    settings: &Settings,
    logs: &Path,
    at: usize,
) -> Result<Serve, String> {
    let store = format!("postgres://copydesk@127.0.0.1:{}/{database}", to_store.port);
    let cache = format!("redis://127.0.0.1:{}", to_redis.port);
    let log = File::options().create(true).append(true).open(logs.join(format!("server-{at}.log"))).unwrap();
    let (Settings { bound, cache_bytes }, dir) = (settings.clone(), logs.to_owned());
    let start = move || {
        // A local cache that does not hold everything, so that Redis is read; entries that are refreshed occasionally;
        // and timeouts that suit a busy machine.
        let flags = ["--store", &store, "--cache", &cache, "--cache-bytes", &cache_bytes, "--staleness-bound", &bound];
        let timeouts = ["--store-connect-timeout", "5s", "--store-statement-timeout", "5s"];
        let more = ["--cache-ttl", "5s", "--log-level", "warn"];
        Serve::start(&dir, &[&flags[..], &timeouts[..], &more[..]].concat(), Stdio::from(log))
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}
