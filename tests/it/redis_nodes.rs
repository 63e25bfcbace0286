//! Redis Clusters of the tests, formed through the protocol, without redis-cli.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::Value;

use crate::support::redis_server::{RedisServer, free_port};

const SLOTS: u16 = 16_384;

/// Primaries with equal shares of the slots, and replicas of the first.
pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
    primaries: usize,
}

impl RedisCluster {
    /// Returns the Cluster that most tests share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<RedisCluster> = LazyLock::new(|| RedisCluster::start(3, 0));
        &SHARED
    }

    pub fn start(primaries: usize, replicas: usize) -> Self {
        Self::configured(primaries, replicas, "")
    }

    /// Starts a Cluster with further lines of configuration.
    pub fn configured(primaries: usize, replicas: usize, config: &str) -> Self {
        let nodes: Vec<RedisServer> = (0..primaries + replicas)
            .map(|_| {
                // With shorter timeouts a Cluster takes a busy machine for a broken one.
                RedisServer::configured(&format!(
                    "cluster-enabled yes\ncluster-port {}\ncluster-node-timeout 4000\n\
                     cluster-require-full-coverage no\ncluster-replica-validity-factor 0\n{config}",
                    free_port()
                ))
            })
            .collect();
        let cluster = Self { nodes, primaries };
        cluster.form();
        cluster
    }

    fn form(&self) {
        let first = &self.nodes[0];
        for (at, node) in self.nodes.iter().enumerate() {
            node.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            if at > 0 {
                let bus = &node.ask::<Vec<String>>(&["CONFIG", "GET", "cluster-port"])[1];
                first.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]);
            }
        }
        let each = SLOTS.div_ceil(self.primaries as u16);
        for (at, primary) in (0..).zip(&self.nodes[..self.primaries]) {
            let (first, last) = (each * at, (each * (at + 1)).min(SLOTS) - 1);
            primary.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        let main = name(first);
        for replica in &self.nodes[self.primaries..] {
            until("they know each other", || replica.ask::<String>(&["CLUSTER", "NODES"]).contains(&main));
            replica.ask::<()>(&["CLUSTER", "REPLICATE", &main]);
        }
        until("every node knows all", || {
            self.nodes.iter().all(|node| {
                let knows = node.ask::<String>(&["CLUSTER", "NODES"]).lines().count() == self.nodes.len();
                let info: String = node.ask(&["CLUSTER", "INFO"]);
                knows && info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
            })
        });
        for replica in &self.nodes[self.primaries..] {
            until("it is a replica", || {
                let info: String = replica.ask(&["INFO", "replication"]);
                info.contains("role:slave") && info.contains("master_link_status:up")
            });
        }
    }

    /// Returns a URL with all primaries.
    pub fn url(&self) -> String {
        let addresses: Vec<String> =
            self.nodes[..self.primaries].iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis://{}", addresses.join(","))
    }

    pub fn slot(&self, tag: &str) -> u16 {
        self.nodes[0].ask(&["CLUSTER", "KEYSLOT", tag])
    }

    /// Returns the index of the primary that had a tag's slot at the beginning.
    pub fn home(&self, tag: &str) -> usize {
        usize::from(self.slot(tag) / SLOTS.div_ceil(self.primaries as u16))
    }

    /// Begins to move a slot: it is open at both ends.
    pub fn begin(&self, slot: u16, from: usize, to: usize) {
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        to.ask::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "IMPORTING", &name(from)]);
        from.ask::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "MIGRATING", &name(to)]);
    }

    /// Cancels the move.
    pub fn give_up(&self, slot: u16, from: usize, to: usize) {
        for node in [from, to] {
            self.nodes[node].ask::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "STABLE"]);
        }
    }

    /// Moves a slot with all its keys, as redis-cli does.
    pub fn resettle(&self, slot: u16, from: usize, to: usize) {
        self.begin(slot, from, to);
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let slot = slot.to_string();
        let port = target.port.to_string();
        loop {
            let keys: Vec<String> = source.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                break;
            }
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "REPLACE", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            let _moved: Value = source.ask(&words);
        }
        for node in [target, source].into_iter().chain(&self.nodes[..self.primaries]) {
            node.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &name(target)]);
        }
    }
}

fn name(node: &RedisServer) -> String {
    node.ask(&["CLUSTER", "MYID"])
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
