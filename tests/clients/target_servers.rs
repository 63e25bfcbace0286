//! The servers that a client calls: each behind an observing proxy, one of which also rejects calls.

use std::process::Stdio;

use tempfile::TempDir;

use crate::Client;
use crate::support::database::{Cluster, Database};
use crate::support::observing_proxy::ObservingProxy;
use crate::support::process::Serve;
use crate::support::redis_server::RedisServer;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Embedded,
    /// Three replicas with Redis and PostgreSQL.
    Replicas,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Replicas => "replicas",
        }
    }
}

pub struct TargetServers {
    pub fronts: Vec<ObservingProxy>,
    /// Proxy of the last server.
    pub proxy: ObservingProxy,
    _servers: Vec<Serve>,
    _stores: Option<(Database, RedisServer)>,
    _dir: TempDir,
}

impl TargetServers {
    pub async fn open(kind: Kind) -> Self {
        let dir = tempfile::Builder::new().prefix("copydesk-clients-").tempdir().unwrap();
        let (stores, servers) = match kind {
            Kind::Embedded => (None, vec![serve(&dir, vec![]).await]),
            Kind::Replicas => {
                let cluster = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
                let redis = tokio::task::spawn_blocking(RedisServer::start).await.unwrap();
                let database = cluster.database().await;
                let flags = ["--store", &database.url, "--cache", &redis.url()].map(str::to_owned);
                let mut servers = Vec::new();
                for _ in 0..3 {
                    servers.push(serve(&dir, flags.to_vec()).await);
                }
                (Some((database, redis)), servers)
            }
        };
        let mut fronts = Vec::new();
        for server in &servers {
            fronts.push(ObservingProxy::start(&server.address, 0).await);
        }
        let proxy = ObservingProxy::start(&servers.last().unwrap().address, 2).await;
        Self { fronts, proxy, _servers: servers, _stores: stores, _dir: dir }
    }

    /// Returns the addresses in the client's format.
    pub fn addresses(&self) -> String {
        self.fronts.iter().map(ObservingProxy::address).collect::<Vec<_>>().join(",")
    }

    /// Returns the expected actions that the client's channel did not take.
    pub fn problems(&self, client: &Client) -> Vec<String> {
        let mut problems = Vec::new();
        let called = self.fronts.iter().filter(|front| front.seen().calls > 0).count();
        if called < self.fronts.len() {
            problems.push(format!("calls came to {called} of {} servers: they are not balanced", self.fronts.len()));
        }
        for (at, front) in self.fronts.iter().enumerate() {
            let watches = front.seen().health_watches;
            if (watches > 0) != client.heeds_health {
                problems.push(format!("of server {at}, health was watched {watches} times"));
            }
        }
        problems
    }
}

async fn serve(dir: &TempDir, flags: Vec<String>) -> Serve {
    let dir = dir.path().to_owned();
    let start = move || {
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(["--log-level", "warn"]).collect();
        Serve::start(&dir, &flags, Stdio::inherit()).unwrap_or_else(|errors| panic!("{errors}"))
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}
