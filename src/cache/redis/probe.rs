//! What can be found out about a Redis without using it as a cache: for whoever looks for what is wrong.

use std::time::{Duration, Instant};

use ::redis::{Pipeline, Value};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::RedisCache;
use super::identity::Mode;
use super::options::{Address, RedisOptions, Site};
use super::wire::{Trouble, Wire, code, text};

/// A server of Redis, as it says of itself.
#[derive(Clone, Debug)]
pub struct RedisFacts {
    /// `7.0.15`; of Valkey, the version of Redis that it is like.
    pub version: String,
    /// `master`, or `slave`.
    pub role: String,
    /// `standalone`, `cluster`, or `sentinel`.
    pub mode: String,
    /// How much memory it may use, in bytes; 0 for as much as there is.
    pub max_memory: u64,
    /// How much it uses, in bytes.
    pub used_memory: u64,
    /// What it does when that is not enough.
    pub policy: String,
    /// Why it would not take an entry, as it says; not asked of a Cluster, whose nodes have but their slots.
    pub refuses: Option<String>,
    /// How far its clock is ahead of ours, give or take half the round trip.
    pub ahead: SignedDuration,
    /// How long it took to answer.
    pub round_trip: Duration,
}

impl RedisCache {
    /// Asks each server that the settings name what it is; with where it is. Leaves nothing there for longer than a second.
    pub async fn probe(options: &RedisOptions) -> Vec<(String, Result<RedisFacts, String>)> {
        let addresses = match &options.site {
            Site::Cluster(seeds) => seeds.clone(),
            Site::One(server) => match options.find(server).await {
                Ok(address) => vec![address],
                Err(trouble) => return vec![(server.to_string(), Err(trouble.to_string()))],
            },
        };
        let mut found = Vec::with_capacity(addresses.len());
        for address in addresses {
            let facts = ask(options, &address).await.map_err(|trouble| trouble.to_string());
            found.push((address.to_string(), facts));
        }
        found
    }
}

async fn ask(options: &RedisOptions, address: &Address) -> Result<RedisFacts, Trouble> {
    let wire = Wire::open(address, &options.login, options.tls.as_ref()).await?;
    let mut info = Pipeline::new();
    for section in ["server", "replication", "memory"] {
        info.cmd("INFO").arg(section);
    }
    let told: String = wire.ask(&info).await?.iter().filter_map(text).collect::<Vec<_>>().join("\n");
    let field = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    let mode = if field("redis_mode").is_empty() { field("server_mode") } else { field("redis_mode") };
    let number = |name: &str| field(name).parse().unwrap_or(0);
    let mut time = Pipeline::new();
    time.cmd("TIME");
    let (before, began) = (Timestamp::now(), Instant::now());
    let clock = wire.ask(&time).await?;
    let round_trip = began.elapsed();
    let ours = before.as_microsecond() + (round_trip / 2).as_micros() as i64;
    let ahead = SignedDuration::from_micros(micros(&clock).map_or(0, |theirs| theirs - ours));
    let refuses = if options.mode() == Mode::Alone && field("role") == "master" { refusal(&wire).await? } else { None };
    Ok(RedisFacts {
        version: field("redis_version"),
        role: field("role"),
        mode,
        max_memory: number("maxmemory"),
        used_memory: number("used_memory"),
        policy: field("maxmemory_policy"),
        refuses,
        ahead,
        round_trip,
    })
}

/// The answer to TIME.
fn micros(answers: &[Value]) -> Option<i64> {
    let Some(Value::Array(parts)) = answers.first() else { return None };
    let part = |at: usize| text(parts.get(at)?)?.parse::<i64>().ok();
    Some(part(0)? * 1_000_000 + part(1)?)
}

/// Does what the cache does, to a key of its own.
async fn refusal(wire: &Wire) -> Result<Option<String>, Trouble> {
    let key = format!("copydesk:1:doctor:{}", Uuid::now_v7().simple());
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SET").arg(&key).arg("x").arg("PX").arg(1_000);
    pipeline.cmd("EVAL").arg("return redis.call('GETRANGE', KEYS[1], 0, 0)").arg(1).arg(&key);
    pipeline.cmd("GET").arg(&key).cmd("DEL").arg(&key);
    match wire.ask(&pipeline).await {
        Ok(answers) => Ok(answers.iter().find_map(code).map(str::to_owned)),
        Err(Trouble::Refused(code)) => Ok(Some(code)),
        Err(trouble) => Err(trouble),
    }
}
