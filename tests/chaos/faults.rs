//! The faults: drawn by the seed, one at a time and sometimes two, and undone again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Run;
use crate::proxy::Way;
use crate::random::Random;
use crate::redis_server::RedisServer;
use crate::report::CALM;
use crate::world::{SERVERS, World};

/// Whose trouble it is. While it is Redis' alone, no read may fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
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

/// A fault, with its name, its place, and how often it is drawn beside the others.
type Choice = (Fault, &'static str, Place, usize);

const FAULTS: [Choice; 20] = [
    (Fault::ServerKills, "server-kills", Place::Servers, 40),
    (Fault::ServerFreeze, "server-freeze", Place::Servers, 8),
    (Fault::RedisKill, "redis-kill", Place::Redis, 4),
    (Fault::RedisFreeze, "redis-freeze", Place::Redis, 4),
    (Fault::RedisFlush, "redis-flush", Place::Redis, 4),
    (Fault::RedisEvictions, "redis-evictions", Place::Redis, 4),
    (Fault::RedisSmall, "redis-small", Place::Redis, 4),
    (Fault::RedisFull, "redis-full", Place::Redis, 4),
    (Fault::RedisReadonly, "redis-readonly", Place::Redis, 4),
    (Fault::RedisPause, "redis-pause", Place::Redis, 4),
    (Fault::RedisSlow, "redis-slow", Place::Redis, 4),
    (Fault::RedisCuts, "redis-cuts", Place::Redis, 4),
    (Fault::RedisClosed, "redis-closed", Place::Redis, 4),
    (Fault::RedisBlackHole, "redis-black-hole", Place::Redis, 4),
    (Fault::StoreCrash, "store-crash", Place::Store, 4),
    (Fault::StoreFreeze, "store-freeze", Place::Store, 4),
    (Fault::StoreSlow, "store-slow", Place::Store, 6),
    (Fault::StoreFitful, "store-fitful", Place::Store, 6),
    (Fault::StoreCuts, "store-cuts", Place::Store, 4),
    (Fault::StoreBlackHole, "store-black-hole", Place::Store, 4),
];

/// The label of two faults. They are never of one place, so it is never Redis' trouble alone.
const TWO: &str = "two at once";

/// How long the next fault waits until every server answers from Redis again: on a machine that is too busy for its timeouts,
/// that may be never, and faults are to go on.
const PATIENCE: Duration = Duration::from_secs(3);

/// Draws faults one after another.
pub struct Faults {
    random: Random,
    /// How many of a hundred come two at once.
    pairs: usize,
    drawn: Vec<Choice>,
}

/// One fault as it was drawn: everything about it is decided, so the same seed does the same.
struct Drawn {
    fault: Fault,
    hold: Duration,
    /// Which server's way it is; all of them if none.
    only: Option<usize>,
    random: Random,
}

impl Faults {
    /// Of those named, or of all.
    pub fn new(random: Random, named: Option<&str>, pairs: usize) -> Self {
        let mut drawn = FAULTS.to_vec();
        if let Some(named) = named {
            let named: Vec<&str> = named.split([',', ' ']).filter(|name| !name.is_empty()).collect();
            let unknown = named.iter().find(|name| !FAULTS.iter().any(|(_, known, ..)| known == *name));
            assert!(unknown.is_none(), "FAULTS: there is no {unknown:?}; there are {:?}", FAULTS.map(|fault| fault.1));
            drawn.retain(|(_, name, ..)| named.contains(name));
        }
        Self { random, pairs, drawn }
    }

    /// Does one thing after another, with a little calm between, until the run is over. An error is what did not recover.
    pub async fn happen(&mut self, run: &Arc<Run>, until: Instant) -> Result<(), String> {
        while Instant::now() < until && !run.is_over() {
            tokio::time::sleep(self.random.millis(200, 700)).await;
            let first = self.draw(None);
            let second = if self.random.chance(self.pairs) { self.draw(Some(first)) } else { first };
            let (one, other) = (self.decide(first.0), self.decide(second.0));
            let alone = first.0 == second.0;
            let label = if alone { first.1 } else { TWO };
            run.report.enter(label, !alone || first.2 != Place::Redis);
            if alone {
                one.happen(run).await;
            } else {
                tokio::join!(one.happen(run), other.happen(run));
            }
            let healed = Instant::now();
            run.world.reads_store().await.map_err(|what| format!("after {label}: {what}"))?;
            run.report.returned(label, run.world.answers_from_redis(healed, PATIENCE).await);
            run.report.enter(CALM, false);
        }
        Ok(())
    }

    /// Two at once are never of one place, where the one would undo the other.
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
        // There is nothing that fits beside it: it is alone.
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
        let world = &run.world;
        let until = Instant::now() + self.hold;
        match self.fault {
            Fault::ServerKills => self.kill_servers(run, until).await,
            Fault::ServerFreeze => {
                let server = self.random.below(SERVERS);
                world.freeze(server);
                self.hold().await;
                world.thaw(server);
            }
            Fault::RedisKill => {
                run.report.kills.fetch_add(1, Ordering::Relaxed);
                world.blocking(|world| world.redis.lock().unwrap().kill()).await;
                self.hold().await;
                world.blocking(|world| world.redis.lock().unwrap().resume()).await;
            }
            Fault::RedisFreeze => {
                world.redis.lock().unwrap().freeze();
                self.hold().await;
                world.redis.lock().unwrap().thaw();
            }
            Fault::RedisFlush => self.again(until, 50, 500, world, |redis| redis.ask::<()>(&["FLUSHALL"])).await,
            Fault::RedisEvictions => self.again(until, 1, 100, world, evict).await,
            Fault::RedisSmall => {
                // Less than it takes now, so that something is evicted for whatever comes.
                let most = world.blocking(|world| used_bytes(&world.redis.lock().unwrap())).await - 100_000;
                let limit = format!("CONFIG SET maxmemory {most}");
                tell(world, &["CONFIG SET maxmemory-policy allkeys-lru", &limit]).await;
                self.hold().await;
                tell(world, &["CONFIG SET maxmemory 0"]).await;
            }
            Fault::RedisFull => {
                tell(world, &["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"]).await;
                self.hold().await;
                tell(world, &["CONFIG SET maxmemory 0"]).await;
            }
            Fault::RedisReadonly => {
                tell(world, &["REPLICAOF 127.0.0.1 1"]).await;
                self.hold().await;
                tell(world, &["REPLICAOF NO ONE"]).await;
            }
            Fault::RedisPause => {
                // It ends by itself.
                tell(world, &[&format!("CLIENT PAUSE {} ALL", self.hold.as_millis())]).await;
                self.hold().await;
            }
            Fault::RedisSlow => {
                let most = self.random.millis(5, 80);
                self.way(world, true, Way::Slow(most)).await;
            }
            Fault::RedisCuts => self.cut(world, true, until).await,
            Fault::RedisClosed => self.way(world, true, Way::Closed).await,
            Fault::RedisBlackHole => self.way(world, true, Way::BlackHole).await,
            Fault::StoreCrash => {
                run.report.kills.fetch_add(1, Ordering::Relaxed);
                world.blocking(|world| world.store.lock().unwrap().crash()).await;
                self.hold().await;
                world.blocking(|world| world.store.lock().unwrap().resume()).await;
            }
            Fault::StoreFreeze => {
                world.blocking(|world| world.store.lock().unwrap().freeze()).await;
                self.hold().await;
                world.blocking(|world| world.store.lock().unwrap().thaw()).await;
            }
            Fault::StoreSlow => {
                let most = self.random.millis(5, 60);
                self.way(world, false, Way::Slow(most)).await;
            }
            Fault::StoreFitful => {
                let most = self.random.millis(100, 400);
                self.way(world, false, Way::Fitful(most)).await;
            }
            Fault::StoreCuts => self.cut(world, false, until).await,
            Fault::StoreBlackHole => self.way(world, false, Way::BlackHole).await,
        }
    }

    async fn hold(&self) {
        tokio::time::sleep(self.hold).await;
    }

    async fn kill_servers(&mut self, run: &Arc<Run>, until: Instant) {
        while Instant::now() < until {
            let server = self.random.below(SERVERS);
            run.report.kills.fetch_add(1, Ordering::Relaxed);
            run.world.blocking(move |world| world.kill(server)).await;
            tokio::time::sleep(self.random.millis(0, 100)).await;
            run.world.restart(server).await;
            tokio::time::sleep(self.random.millis(0, 250)).await;
        }
    }

    async fn way(&self, world: &World, to_redis: bool, way: Way) {
        let ways = if to_redis { &world.to_redis } else { &world.to_store };
        world.set(ways, self.only, way);
        self.hold().await;
        world.set(ways, self.only, Way::Open);
    }

    async fn cut(&mut self, world: &World, to_redis: bool, until: Instant) {
        let ways = if to_redis { &world.to_redis } else { &world.to_store };
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
        world: &Arc<World>,
        what: impl Fn(&RedisServer) + Clone + Send + 'static,
    ) {
        while Instant::now() < until {
            let what = what.clone();
            world.blocking(move |world| what(&world.redis.lock().unwrap())).await;
            tokio::time::sleep(self.random.millis(from, to)).await;
        }
    }
}

/// Commands, as one would type them.
async fn tell(world: &Arc<World>, commands: &[&str]) {
    for command in commands {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        world.blocking(move |world| world.redis.lock().unwrap().ask::<()>(&words)).await;
    }
}

fn used_bytes(redis: &RedisServer) -> u64 {
    let told: String = redis.ask(&["INFO", "memory"]);
    let used = told.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.expect("Redis tells it").trim().parse().unwrap()
}

/// Every entry of an article, and no mark: as if each had been evicted.
fn evict(redis: &RedisServer) {
    let keys: Vec<String> = redis.ask(&["KEYS", "copydesk:1:*{*}"]);
    if !keys.is_empty() {
        let words: Vec<String> = std::iter::once("UNLINK".to_owned()).chain(keys).collect();
        redis.ask::<()>(&words);
    }
}
