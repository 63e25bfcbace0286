//! Load balancing in front of the replicas: HAProxy or nginx with the configuration of `deploy/`, or clients with the
//! replicas' addresses.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use copydesk_client::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::fleet::{Fleet, REPLICAS};
use crate::setting;
use crate::support::redis_server::free_port;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Haproxy,
    Nginx,
    /// Clients balance themselves.
    Client,
}

impl Kind {
    pub fn named(name: &str) -> Option<Self> {
        [Self::Haproxy, Self::Nginx, Self::Client].into_iter().find(|kind| kind.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Client => "client",
        }
    }
}

/// Stopped when it is dropped.
pub struct Balancer {
    /// Addresses for clients.
    pub addresses: Vec<String>,
    process: Option<Child>,
    log: PathBuf,
    _dir: TempDir,
}

impl Balancer {
    pub fn start(kind: Kind, fleet: &Fleet) -> Self {
        let dir = tempfile::Builder::new().prefix("copydesk-rolling-").tempdir().unwrap();
        let log =
            setting("LOGS").map_or_else(|| dir.path().to_owned(), PathBuf::from).join(format!("{}.log", kind.name()));
        let port = free_port();
        let (process, addresses) = match kind {
            Kind::Client => (None, (0..REPLICAS).map(|at| fleet.address(at)).collect()),
            Kind::Haproxy => {
                let config = dir.path().join("haproxy.cfg");
                std::fs::write(&config, haproxy(port, fleet)).unwrap();
                let mut command = Command::new(program("haproxy"));
                command.arg("-db").arg("-f").arg(config);
                (Some(command), vec![format!("127.0.0.1:{port}")])
            }
            Kind::Nginx => {
                let config = dir.path().join("nginx.conf");
                std::fs::write(&config, nginx(port, fleet, &dir)).unwrap();
                let mut command = Command::new(program("nginx"));
                command.arg("-p").arg(dir.path()).arg("-c").arg(config).args(["-g", "daemon off;"]);
                (Some(command), vec![format!("127.0.0.1:{port}")])
            }
        };
        let process = process.map(|mut command| {
            let output = File::create(&log).unwrap();
            command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
            command.spawn().unwrap_or_else(|error| panic!("{}: {error}: `make rolling` installs it", kind.name()))
        });
        Self { addresses, process, log, _dir: dir }
    }

    /// Waits until a call through it is answered.
    pub async fn answers(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(mut client) = Client::connect(&self.addresses[0]).await {
                let service = "copydesk.v1.RetrievalService".to_owned();
                if client.health.check(tonic_health::pb::HealthCheckRequest { service }).await.is_ok() {
                    return;
                }
            }
            let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
            assert!(Instant::now() < until, "the balancer does not answer:\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // By SIGTERM, so that nginx stops its workers.
            let _gone = kill(Pid::from_raw(process.id().try_into().unwrap()), Signal::SIGTERM);
            let _gone = process.wait();
        }
    }
}

/// Finds a program. Debian installs these in folders that only root's PATH has.
fn program(name: &str) -> PathBuf {
    let there = PathBuf::from("/usr/sbin").join(name);
    if there.exists() { there } else { name.into() }
}

/// Returns the configuration of `deploy/` with the addresses of this test.
fn haproxy(port: u16, fleet: &Fleet) -> String {
    let mut here = vec![("bind :50051 ".to_owned(), format!("bind 127.0.0.1:{port} "))];
    for (at, replica) in fleet.replicas().iter().enumerate() {
        let there = format!("copydesk-{0} copydesk-{0}:50051 port 9464", at + 1);
        here.push((there, format!("copydesk-{} 127.0.0.1:{} port {}", at + 1, replica.port, replica.http)));
    }
    replaced(include_str!("../../deploy/haproxy.cfg"), &here)
}

fn nginx(port: u16, fleet: &Fleet, dir: &TempDir) -> String {
    let pid = dir.path().join("nginx.pid");
    let mut here = vec![
        ("listen 50051 ".to_owned(), format!("listen 127.0.0.1:{port} ")),
        ("/tmp/copydesk-nginx.pid".to_owned(), pid.to_str().unwrap().to_owned()),
    ];
    for (at, replica) in fleet.replicas().iter().enumerate() {
        here.push((format!("server copydesk-{}:50051 ", at + 1), format!("server 127.0.0.1:{} ", replica.port)));
    }
    replaced(include_str!("../../deploy/nginx.conf"), &here)
}

fn replaced(config: &str, here: &[(String, String)]) -> String {
    let mut config = config.to_owned();
    for (there, here) in here {
        assert_eq!(config.matches(there).count(), 1, "{there}");
        config = config.replace(there, here);
    }
    config
}
