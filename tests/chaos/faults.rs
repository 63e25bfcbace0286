//! The faults: drawn by the seed, one or sometimes two at once, and undone again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Run;
use crate::proxy::Way;
use crate::report::CALM;
use crate::support::random::Random;
use crate::support::redis_server::RedisServer;
use crate::system::{SERVERS, System};

/// Component that a fault affects. No read may fail while it is Redis alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Component {
    Servers,
    Redis,
    Store,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    ServerKills,
    ServerFreeze,
    RedisKill,
    RedisFreeze,
    RedisFlush,
    RedisEvictions,
    RedisSmall,
    RedisFull,
    RedisReadonly,
    RedisPause,
    RedisSlow,
    RedisCuts,
    RedisClosed,
    RedisBlackHole,
    StoreCrash,
    StoreFreeze,
    StoreSlow,
    StoreFitful,
    StoreCuts,
    StoreBlackHole,
}

/// A fault, with its name, its component, and its weight.
type Choice = (Fault, &'static str, Component, usize);

const FAULTS: [Choice; 20] = [
    (Fault::ServerKills, "server-kills", Component::Servers, 40),
    (Fault::ServerFreeze, "server-freeze", Component::Servers, 8),
    (Fault::RedisKill, "redis-kill", Component::Redis, 4),
    (Fault::RedisFreeze, "redis-freeze", Component::Redis, 4),
    (Fault::RedisFlush, "redis-flush", Component::Redis, 4),
    (Fault::RedisEvictions, "redis-evictions", Component::Redis, 4),
    (Fault::RedisSmall, "redis-small", Component::Redis, 4),
    (Fault::RedisFull, "redis-full", Component::Redis, 4),
    (Fault::RedisReadonly, "redis-readonly", Component::Redis, 4),
    (Fault::RedisPause, "redis-pause", Component::Redis, 4),
    (Fault::RedisSlow, "redis-slow", Component::Redis, 4),
    (Fault::RedisCuts, "redis-cuts", Component::Redis, 4),
    (Fault::RedisClosed, "redis-closed", Component::Redis, 4),
    (Fault::RedisBlackHole, "redis-black-hole", Component::Redis, 4),
    (Fault::StoreCrash, "store-crash", Component::Store, 4),
    (Fault::StoreFreeze, "store-freeze", Component::Store, 4),
    (Fault::StoreSlow, "store-slow", Component::Store, 6),
    (Fault::StoreFitful, "store-fitful", Component::Store, 6),
    (Fault::StoreCuts, "store-cuts", Component::Store, 4),
    (Fault::StoreBlackHole, "store-black-hole", Component::Store, 4),
];

/// Label of two simultaneous faults. They never affect the same component, so never Redis alone.
const TWO: &str = "two at once";

/// Maximum wait for all servers to answer from Redis before the next fault. On a machine too busy for its timeouts
/// that may never happen, and the faults must go on.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Draws faults in sequence.
pub struct Faults {
    random: Random,
    /// Percentage of two faults at once.
    pairs: usize,
    drawn: Vec<Choice>,
}

/// A drawn fault, with all decisions made, so that the same seed has the same effects.
struct Drawn {
    fault: Fault,
    hold: Duration,
    /// Index of the affected server; all if none.
    only: Option<usize>,
    random: Random,
}

impl Faults {
    /// Draws from the named faults, or from all.
    pub fn new(random: Random, named: Option<&str>, pairs: usize) -> Self {
        let mut drawn = FAULTS.to_vec();
        if let Some(named) = named {
            let named: Vec<&str> = named.split([',', ' ']).filter(|name| !name.is_empty()).collect();
            let unknown = named.iter().find(|name| !FAULTS.iter().any(|(_, label, ..)| label == *name));
            assert!(
                unknown.is_none(),
                "FAULTS: unknown fault {unknown:?}; must be of {:?}",
                FAULTS.map(|fault| fault.1)
            );
            drawn.retain(|(_, name, ..)| named.contains(name));
        }
        Self { random, pairs, drawn }
    }

    /// Injects faults in sequence, with a short calm between them, until the run is over. Returns an error if
    /// something did not recover.
    pub async fn happen(&mut self, run: &Arc<Run>, until: Instant) -> Result<(), String> {
        while Instant::now() < until && !run.is_over() {
            tokio::time::sleep(self.random.millis(200, 700)).await;
            let first = self.draw(None);
            let second = if self.random.chance(self.pairs) { self.draw(Some(first)) } else { first };
            let (one, other) = (self.decide(first.0), self.decide(second.0));
            let alone = first.0 == second.0;
            let label = if alone { first.1 } else { TWO };
            run.report.enter(label, !alone || first.2 != Component::Redis);
            if alone {
                one.happen(run).await;
            } else {
                tokio::join!(one.happen(run), other.happen(run));
            }
            let healed = Instant::now();
            run.system.reads_store().await.map_err(|what| format!("after {label}: {what}"))?;
            run.report.returned(label, run.system.answers_from_redis(healed, MAX_WAIT).await);
            run.report.enter(CALM, false);
        }
        Ok(())
    }

    /// Two simultaneous faults never affect the same component, where one would undo the other.
    fn draw(&mut self, beside: Option<Choice>) -> Choice {
        let fits: Vec<Choice> =
            self.drawn.iter().filter(|fault| beside.is_none_or(|beside| beside.2 != fault.2)).copied().collect();
        let mut left = self.random.below(fits.iter().map(|fault| fault.3).sum::<usize>().max(1));
        for fault in fits {
            if left < fault.3 {
                return fault;
            }
            left -= fault.3;
        }
        // No other fault fits, so only one is injected.
        beside.unwrap_or(self.drawn[0])
    }

    fn decide(&mut self, fault: Fault) -> Drawn {
        let hold = self.random.millis(1_000, 3_500);
        let only = if self.random.chance(50) { Some(self.random.below(SERVERS)) } else { None };
        Drawn { fault, hold, only, random: Random::new(self.random.next(), 0) }
    }
}

impl Drawn {
    async fn happen(mut self, run: &Arc<Run>) {
        let system = &run.system;
        let until = Instant::now() + self.hold;
        match self.fault {
            Fault::ServerKills => self.kill_servers(run, until).await,
            Fault::ServerFreeze => {
                let server = self.random.below(SERVERS);
                system.freeze(server);
                self.hold().await;
                system.thaw(server);
            }
            Fault::RedisKill => {
                run.report.kills.fetch_add(1, Ordering::Relaxed);
                system.blocking(|system| system.redis.lock().unwrap().kill()).await;
                self.hold().await;
                system.blocking(|system| system.redis.lock().unwrap().resume()).await;
            }
            Fault::RedisFreeze => {
                system.redis.lock().unwrap().freeze();
                self.hold().await;
                system.redis.lock().unwrap().thaw();
            }
            Fault::RedisFlush => self.again(until, 50, 500, system, |redis| redis.ask::<()>(&["FLUSHALL"])).await,
            Fault::RedisEvictions => self.again(until, 1, 100, system, evict).await,
            Fault::RedisSmall => {
                // Less than it uses now, so that any new entry causes an eviction.
                let max = system.blocking(|system| used_bytes(&system.redis.lock().unwrap())).await - 100_000;
                let limit = format!("CONFIG SET maxmemory {max}");
                tell(system, &["CONFIG SET maxmemory-policy allkeys-lru", &limit]).await;
                self.hold().await;
                tell(system, &["CONFIG SET maxmemory 0"]).await;
            }
            Fault::RedisFull => {
                tell(system, &["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"]).await;
                self.hold().await;
                tell(system, &["CONFIG SET maxmemory 0"]).await;
            }
            Fault::RedisReadonly => {
                tell(system, &["REPLICAOF 127.0.0.1 1"]).await;
                self.hold().await;
                tell(system, &["REPLICAOF NO ONE"]).await;
            }
            Fault::RedisPause => {
                // Redis ends the pause.
                tell(system, &[&format!("CLIENT PAUSE {} ALL", self.hold.as_millis())]).await;
                self.hold().await;
            }
            Fault::RedisSlow => {
                let max = self.random.millis(5, 80);
                self.way(system, true, Way::Slow(max)).await;
            }
            Fault::RedisCuts => self.cut(system, true, until).await,
            Fault::RedisClosed => self.way(system, true, Way::Closed).await,
            Fault::RedisBlackHole => self.way(system, true, Way::BlackHole).await,
            Fault::StoreCrash => {
                run.report.kills.fetch_add(1, Ordering::Relaxed);
                system.blocking(|system| system.store.lock().unwrap().crash()).await;
                self.hold().await;
                system.blocking(|system| system.store.lock().unwrap().resume()).await;
            }
            Fault::StoreFreeze => {
                system.blocking(|system| system.store.lock().unwrap().freeze()).await;
                self.hold().await;
                system.blocking(|system| system.store.lock().unwrap().thaw()).await;
            }
            Fault::StoreSlow => {
                let max = self.random.millis(5, 60);
                self.way(system, false, Way::Slow(max)).await;
            }
            Fault::StoreFitful => {
                let max = self.random.millis(100, 400);
                self.way(system, false, Way::Fitful(max)).await;
            }
            Fault::StoreCuts => self.cut(system, false, until).await,
            Fault::StoreBlackHole => self.way(system, false, Way::BlackHole).await,
        }
    }

    async fn hold(&self) {
        tokio::time::sleep(self.hold).await;
    }

    async fn kill_servers(&mut self, run: &Arc<Run>, until: Instant) {
        while Instant::now() < until {
            let server = self.random.below(SERVERS);
            run.report.kills.fetch_add(1, Ordering::Relaxed);
            run.system.blocking(move |system| system.kill(server)).await;
            tokio::time::sleep(self.random.millis(0, 100)).await;
            run.system.restart(server).await;
            tokio::time::sleep(self.random.millis(0, 250)).await;
        }
    }

    async fn way(&self, system: &System, to_redis: bool, way: Way) {
        let ways = if to_redis { &system.to_redis } else { &system.to_store };
        system.set(ways, self.only, way);
        self.hold().await;
        system.set(ways, self.only, Way::Open);
    }

    async fn cut(&mut self, system: &System, to_redis: bool, until: Instant) {
        let ways = if to_redis { &system.to_redis } else { &system.to_store };
        while Instant::now() < until {
            ways[self.random.below(SERVERS)].cut();
            tokio::time::sleep(self.random.millis(5, 150)).await;
        }
    }

    async fn again(
        &mut self,
        until: Instant,
        from: u64,
        to: u64,
        system: &Arc<System>,
        what: impl Fn(&RedisServer) + Clone + Send + 'static,
    ) {
        while Instant::now() < until {
            let what = what.clone();
            system.blocking(move |system| what(&system.redis.lock().unwrap())).await;
            tokio::time::sleep(self.random.millis(from, to)).await;
        }
    }
}

/// Runs commands written as in redis-cli.
async fn tell(system: &Arc<System>, commands: &[&str]) {
    for command in commands {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        system.blocking(move |system| system.redis.lock().unwrap().ask::<()>(&words)).await;
    }
}

fn used_bytes(redis: &RedisServer) -> u64 {
    let info: String = redis.ask(&["INFO", "memory"]);
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.expect("used_memory in INFO").trim().parse().unwrap()
}

/// Deletes every article's entry without an invalidation, as eviction does.
fn evict(redis: &RedisServer) {
    let keys: Vec<String> = redis.ask(&["KEYS", "copydesk:1:*{*}"]);
    if !keys.is_empty() {
        let words: Vec<String> = std::iter::once("UNLINK".to_owned()).chain(keys).collect();
        redis.ask::<()>(&words);
    }
}
