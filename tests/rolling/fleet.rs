//! Three replicas on fixed ports, as a balancer knows them, with PostgreSQL and Redis.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::setting;
use crate::support::database::{Cluster, Database};
use crate::support::process::{copydesk, run};
use crate::support::redis_server::{RedisServer, free_port};

pub const REPLICAS: usize = 3;
/// Maximum time for anything that should take moments.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Additional settings of a replica, if it has these flags: it reports that it is stopping and drains for this time;
/// and it closes its connections after a while, so that balancers with persistent connections notice new replicas.
const STOPPING: [(&str, &str); 4] = [
    ("--drain-wait", "2s"),
    ("--max-connection-age", "20s"),
    ("--max-connection-age-grace", "10s"),
    // The name by which nginx calls them.
    ("--allowed-hosts", "copydesk"),
];

pub struct Fleet {
    replicas: Vec<Replica>,
    flags: Vec<String>,
    logs: PathBuf,
    dir: TempDir,
    _database: Database,
    _redis: RedisServer,
}

pub struct Replica {
    pub port: u16,
    /// Port of metrics and readiness.
    pub http: u16,
    process: Option<Child>,
}

impl Fleet {
    pub async fn start() -> Self {
        let cluster = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
        let redis = tokio::task::spawn_blocking(RedisServer::start).await.unwrap();
        let database = cluster.database().await;
        let dir = tempfile::Builder::new().prefix("copydesk-rolling-").tempdir().unwrap();
        let (_, help, _) = run(&["serve", "--help"]);
        let stopping = STOPPING.iter().filter(|(flag, _)| help.contains(&format!("{flag} ")));
        let mut flags = vec!["--store".to_owned(), database.url.clone(), "--cache".to_owned(), redis.url()];
        flags.extend(stopping.flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]));
        let logs = setting("LOGS").map_or_else(|| dir.path().to_owned(), PathBuf::from);
        let replicas = (0..REPLICAS).map(|_| Replica { port: free_port(), http: free_port(), process: None }).collect();
        let mut fleet = Self { replicas, flags, logs, dir, _database: database, _redis: redis };
        for at in 0..REPLICAS {
            fleet.begin(at).await;
        }
        fleet
    }

    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    pub fn address(&self, at: usize) -> String {
        format!("127.0.0.1:{}", self.replicas[at].port)
    }

    /// Starts a replica, and waits until it is ready.
    pub async fn begin(&mut self, at: usize) {
        let log = self.logs.join(format!("replica-{at}.log"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let replica = &mut self.replicas[at];
        let (listen, http) = (format!("127.0.0.1:{}", replica.port), format!("127.0.0.1:{}", replica.http));
        let mut command = copydesk(&["serve", "--listen", &listen, "--http-listen", &http, "--log-level", "warn"]);
        command.arg("--search-dir").arg(self.dir.path().join(format!("search-{at}")));
        let mut child = command.args(&self.flags).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let output = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            line
        });
        replica.process = Some(child);
        let output = output.await.unwrap();
        assert!(output.starts_with("listening on "), "replica {at} did not start: {output:?}");
        let until = Instant::now() + MAX_WAIT;
        while !self.is_ready(at).await {
            assert!(Instant::now() < until, "replica {at} is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn is_ready(&self, at: usize) -> bool {
        get(self.replicas[at].http, "/readyz").await.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Returns the calls completed by each replica, without health checks.
    pub async fn calls(&self) -> [u64; REPLICAS] {
        let mut calls = [0; REPLICAS];
        for (at, calls) in calls.iter_mut().enumerate() {
            let metrics = get(self.replicas[at].http, "/metrics").await.unwrap_or_default();
            let counters = metrics.lines().filter(|line| line.starts_with("copydesk_grpc_calls_total{"));
            let ours = counters.filter(|line| !line.contains("grpc.health"));
            *calls = ours.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
        }
        calls
    }

    /// Stops a replica as an operator does. Returns the time it took.
    pub async fn stop(&mut self, at: usize) -> Duration {
        let began = Instant::now();
        self.signal(at, Signal::SIGTERM);
        let mut child = self.replicas[at].process.take().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > MAX_WAIT {
                let _gone = child.kill();
                panic!("replica {at} does not stop");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(status.success(), "replica {at} stopped by {status}");
        began.elapsed()
    }

    pub fn kill(&mut self, at: usize) {
        if let Some(mut child) = self.replicas[at].process.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn freeze(&self, at: usize) {
        self.signal(at, Signal::SIGSTOP);
    }

    pub fn thaw(&self, at: usize) {
        self.signal(at, Signal::SIGCONT);
    }

    fn signal(&self, at: usize, signal: Signal) {
        let child = self.replicas[at].process.as_ref().unwrap();
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
    }

    pub async fn stop_all(&mut self) {
        for at in 0..REPLICAS {
            self.stop(at).await;
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        (0..REPLICAS).for_each(|at| self.kill(at));
    }
}

/// Returns the response of a replica's second port.
async fn get(port: u16, path: &str) -> Option<String> {
    let request = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: replica\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    tokio::time::timeout(Duration::from_secs(2), request).await.ok()?
}
